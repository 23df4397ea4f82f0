//! Samples that are compared across exporters, and registries that have all kinds of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fillgauge_export::{Detail, Exporter, openmetrics, prometheus_text};
use fillgauge_std::{Chain, Limit, LimitUnit, QueueGauge, QueueRegistry, chain, track};

/// A name and its labels.
pub(crate) type Series = (String, BTreeMap<String, String>);
pub(crate) type Samples = BTreeMap<Series, f64>;

pub(crate) const DETAILS: [Detail; 2] = [Detail::Limits, Detail::Gauges];

/// The samples of a text of Prometheus or of OpenMetrics.
pub(crate) fn samples(text: &str) -> Samples {
    let lines = text.lines();
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut samples = Samples::new();
    for line in lines {
        let (series, value) = line.rsplit_once(' ').unwrap();
        let (name, labels) = series.split_once('{').unwrap_or((series, "}"));
        let series = (name.to_owned(), labels_of(labels));
        let value = steady(name, value.parse().unwrap());
        let before = samples.insert(series, value);
        assert_eq!(before, None, "twice: {line}");
    }
    samples
}

/// Of a time that goes on, whether there is any: two reports have it at two moments.
pub(crate) fn steady(name: &str, value: f64) -> f64 {
    let goes_on = ["near_capacity_seconds", "full_seconds"];
    if goes_on.iter().any(|time| name.contains(time)) {
        f64::from(u8::from(value > 0.0))
    } else {
        value
    }
}

/// Kinds, units and help: the lines of a text that begin with `#`, sorted.
pub(crate) fn described(text: &str) -> Vec<&str> {
    let mut lines: Vec<_> = text.lines().filter(|line| line.starts_with('#')).collect();
    lines.sort_unstable();
    lines
}

/// The labels of `name="value",...}`.
fn labels_of(mut text: &str) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::new();
    while let Some((name, rest)) = text.split_once("=\"") {
        let mut value = String::new();
        let mut chars = rest.chars();
        loop {
            match chars.next().unwrap() {
                '"' => break,
                '\\' => value.push(match chars.next().unwrap() {
                    'n' => '\n',
                    other => other,
                }),
                other => value.push(other),
            }
        }
        let name = name.trim_start_matches(',').to_owned();
        assert_eq!(labels.insert(name, value), None);
        text = chars.as_str();
    }
    assert_eq!(text, "}");
    labels
}

/// What some exporters have trouble with.
const HOSTILE: [&str; 6] = ["\"} 1\n# EOF\\", "\\", "\\\"", "", "{a=\"b\"}", "\u{0}é🦀"];
/// What none has.
const TAME: [&str; 2] = ["frames", "packets with spaces"];

/// Registries with every family of metrics.
pub(crate) struct World {
    registries: Vec<QueueRegistry>,
    gauges: Vec<Arc<QueueGauge>>,
    chains: Vec<Chain>,
}

impl World {
    pub(crate) fn tame() -> Self {
        Self::new(&["one", "two"], &TAME)
    }

    pub(crate) fn hostile() -> Self {
        // Registries and limits of equal names, and names that the numbered ones collide with.
        Self::new(&["same", "same", "same#2", "\n\"\\", ""], &HOSTILE)
    }

    fn new(registries: &[&str], names: &'static [&'static str]) -> Self {
        let silent = |name: &&str| QueueRegistry::new(*name).silent();
        let mut world = Self {
            registries: registries.iter().map(silent).collect(),
            gauges: Vec::new(),
            chains: Vec::new(),
        };
        for registry in world.registries.clone() {
            world.fill(&registry, names);
        }
        world
    }

    fn fill(&mut self, registry: &QueueRegistry, names: &'static [&'static str]) {
        let first = self.gauges.len();
        for name in names {
            let limits = [
                Limit::queue(name),
                Limit::memory(name).with_unit(LimitUnit::Bytes),
                Limit::queue("unbounded"),
            ];
            for limit in limits {
                let capacity = if limit.as_str() == "unbounded" { 0 } else { 9 };
                let of = || track(&*Box::leak(Box::new(limit))).capacity(capacity);
                let gauges = [
                    of().label(*name).registry(registry).gauge(),
                    of().label(*name).registry(registry).gauge(),
                    of().registry(registry).gauge(),
                ];
                gauges[1].observe_depth(7 + self.gauges.len() % 3);
                gauges[2].observe_depth(2);
                self.gauges.extend(gauges);
            }
        }
        let huge = registry.register("huge", usize::MAX);
        huge.observe_depth(usize::MAX / 3 * 2);
        let gauges = &self.gauges[first..];
        self.chains.extend([
            chain("stages", [&gauges[1], &huge]),
            chain("stages", [&gauges[0]]),
        ]);
        self.gauges.push(huge);
        channel(registry);
    }

    pub(crate) fn exporter(&self, detail: Detail) -> Exporter {
        let (first, others) = self.registries.split_first().unwrap();
        let all = others.iter().fold(Exporter::of(first), Exporter::and);
        all.detail(detail)
    }

    /// What the exporters of this crate say.
    pub(crate) fn samples(&self, detail: Detail) -> Samples {
        let reports = self.exporter(detail).reports();
        let (mut plain, mut open) = (String::new(), String::new());
        prometheus_text(&reports, detail, &mut plain).unwrap();
        openmetrics(&reports, detail, &mut open).unwrap();
        let samples = samples(&plain);
        assert_eq!(samples, self::samples(&open));
        samples
    }

    /// Of every third gauge.
    pub(crate) fn work(&self) {
        for gauge in self.gauges.iter().step_by(3) {
            gauge.record_enqueue_n(3);
            gauge.record_dequeue();
        }
    }

    /// Every other gauge goes.
    pub(crate) fn drop_half(&mut self) {
        let mut keep = false;
        self.gauges.retain(|_| {
            keep = !keep;
            keep
        });
    }

    pub(crate) fn drop_all(&mut self) {
        self.gauges.clear();
        self.chains.clear();
    }
}

/// A channel that refused, and whose sender waited. It is gone.
pub(crate) fn channel(registry: &QueueRegistry) {
    let track = track("channel").capacity(1).registry(registry);
    let (sender, receiver) = track.sync_channel();
    sender.send(0).unwrap();
    sender.try_send(1).unwrap_err();
    thread::scope(|scope| {
        let sender = &sender;
        scope.spawn(move || sender.send(2).unwrap());
        let waits = || {
            let limits = registry.report().limits;
            let of_channels = limits.iter().filter_map(|limit| limit.backpressure);
            of_channels.map(|pressure| pressure.waiting).sum::<usize>() > 0
        };
        while !waits() {
            thread::yield_now();
        }
        thread::sleep(Duration::from_millis(2));
        receiver.recv().unwrap();
    });
}
