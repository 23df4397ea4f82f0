//! Both text formats.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, SystemTime};

use fillgauge_export::{Detail, openmetrics, prometheus_text};
use fillgauge_std::{
    Limit, LimitCategory, LimitUnit, QueueRegistry, Report, chain, limit_catalog, track, watch,
};

fn text(reports: impl AsRef<[Report]>, detail: Detail) -> String {
    let mut text = String::new();
    prometheus_text(reports, detail, &mut text).unwrap();
    text
}

fn open_text(reports: impl AsRef<[Report]>, detail: Detail) -> String {
    let mut text = String::new();
    openmetrics(reports, detail, &mut text).unwrap();
    text
}

/// The samples of a text: the value of each series.
fn samples(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let mut samples = BTreeMap::new();
    for line in lines {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert_eq!(samples.insert(series, value), None, "{series} twice");
    }
    samples
}

limit_catalog! {
    enum ServiceLimit {
        Frames = "frames": Queue { help: "Frames of a session" },
        Heap = "heap": Memory { unit: Bytes },
    }
}

#[test]
fn a_text_has_each_family_once_with_all_its_samples() {
    let registry = QueueRegistry::new("whole").silent();
    let of = |limit| track(limit).registry(&registry);
    let (sender, receiver) = of(ServiceLimit::Frames).capacity(10).sync_channel();
    let sent = (0..12).filter(|item| sender.try_send(*item).is_ok());
    assert_eq!(sent.count(), 10);
    receiver.recv().unwrap();
    let heap = of(ServiceLimit::Heap).capacity(1_000).gauge();
    heap.observe_depth(250);
    let _stages = chain("stages", [sender.gauge(), &heap]);
    let expected = r#"# HELP fillgauge_depth What is in the queue, or in use of the limit.
# TYPE fillgauge_depth gauge
fillgauge_depth{limit="frames",category="queue",registry="whole"} 9
# HELP fillgauge_depth_bytes What is in the queue, or in use of the limit.
# TYPE fillgauge_depth_bytes gauge
fillgauge_depth_bytes{limit="heap",category="memory",registry="whole"} 250
# HELP fillgauge_capacity The bound of the depth. What has none counts 0.
# TYPE fillgauge_capacity gauge
fillgauge_capacity{limit="frames",category="queue",registry="whole"} 10
# HELP fillgauge_capacity_bytes The bound of the depth. What has none counts 0.
# TYPE fillgauge_capacity_bytes gauge
fillgauge_capacity_bytes{limit="heap",category="memory",registry="whole"} 1000
# HELP fillgauge_high_water The greatest depth that one gauge ever had.
# TYPE fillgauge_high_water gauge
fillgauge_high_water{limit="frames",category="queue",registry="whole"} 10
# HELP fillgauge_high_water_bytes The greatest depth that one gauge ever had.
# TYPE fillgauge_high_water_bytes gauge
fillgauge_high_water_bytes{limit="heap",category="memory",registry="whole"} 250
# HELP fillgauge_fill_ratio Depth by capacity, of the fullest gauge.
# TYPE fillgauge_fill_ratio gauge
fillgauge_fill_ratio{limit="frames",category="queue",registry="whole"} 0.9
fillgauge_fill_ratio{limit="heap",category="memory",registry="whole"} 0.25
# HELP fillgauge_warned Gauges near capacity: they have warned and are not armed again.
# TYPE fillgauge_warned gauge
fillgauge_warned{limit="frames",category="queue",registry="whole"} 1
fillgauge_warned{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_warnings_total How often a gauge came near its capacity.
# TYPE fillgauge_warnings_total counter
fillgauge_warnings_total{limit="frames",category="queue",registry="whole"} 1
fillgauge_warnings_total{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_near_capacity_seconds_total How long gauges were near their capacity, all together.
# TYPE fillgauge_near_capacity_seconds_total counter
fillgauge_near_capacity_seconds_total{limit="frames",category="queue",registry="whole"} time
fillgauge_near_capacity_seconds_total{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_full_seconds_total How much of the time near capacity was after the gauge had become full.
# TYPE fillgauge_full_seconds_total counter
fillgauge_full_seconds_total{limit="frames",category="queue",registry="whole"} time
fillgauge_full_seconds_total{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_enqueued_total What went in. Of what is observed: by how much it rose.
# TYPE fillgauge_enqueued_total counter
fillgauge_enqueued_total{limit="frames",category="queue",registry="whole"} 10
# HELP fillgauge_enqueued_bytes_total What went in. Of what is observed: by how much it rose.
# TYPE fillgauge_enqueued_bytes_total counter
fillgauge_enqueued_bytes_total{limit="heap",category="memory",registry="whole"} 250
# HELP fillgauge_dequeued_total What went out. Of what is observed: by how much it fell.
# TYPE fillgauge_dequeued_total counter
fillgauge_dequeued_total{limit="frames",category="queue",registry="whole"} 1
# HELP fillgauge_dequeued_bytes_total What went out. Of what is observed: by how much it fell.
# TYPE fillgauge_dequeued_bytes_total counter
fillgauge_dequeued_bytes_total{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_refused_total Requests that were refused because there was no room.
# TYPE fillgauge_refused_total counter
fillgauge_refused_total{limit="frames",category="queue",registry="whole"} 2
fillgauge_refused_total{limit="heap",category="memory",registry="whole"} 0
# HELP fillgauge_waiting Producers that wait for room.
# TYPE fillgauge_waiting gauge
fillgauge_waiting{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_oldest_wait_seconds How long the producer has waited that waits longest at this moment.
# TYPE fillgauge_oldest_wait_seconds gauge
fillgauge_oldest_wait_seconds{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_waits_total How often a producer had to wait for room, with the waits in progress.
# TYPE fillgauge_waits_total counter
fillgauge_waits_total{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_waited_seconds_total How long all producers waited for room together, with the waits in progress.
# TYPE fillgauge_waited_seconds_total counter
fillgauge_waited_seconds_total{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_longest_wait_seconds The longest wait of a producer so far, which may be in progress.
# TYPE fillgauge_longest_wait_seconds gauge
fillgauge_longest_wait_seconds{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_stalled_seconds_total How long at least one producer waited. Of several channels: the sum of theirs.
# TYPE fillgauge_stalled_seconds_total counter
fillgauge_stalled_seconds_total{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_disconnected_total Items that were given back because no receiver was left.
# TYPE fillgauge_disconnected_total counter
fillgauge_disconnected_total{limit="frames",category="queue",registry="whole"} 0
# HELP fillgauge_gauges Live gauges.
# TYPE fillgauge_gauges gauge
fillgauge_gauges{limit="frames",category="queue",registry="whole"} 1
fillgauge_gauges{limit="heap",category="memory",registry="whole"} 1
# HELP fillgauge_chain_bottleneck 1 for the first stage that is not near capacity behind one that is: what feeds it is slow. The last position is what takes from the last stage.
# TYPE fillgauge_chain_bottleneck gauge
fillgauge_chain_bottleneck{chain="stages",registry="whole",position="1",limit="frames"} 0
fillgauge_chain_bottleneck{chain="stages",registry="whole",position="2",limit="heap"} 1
fillgauge_chain_bottleneck{chain="stages",registry="whole",position="3",limit=""} 0
"#;
    let text = text(registry.report(), Detail::Limits);
    assert_eq!(without_times(&text), expected, "\n{text}");
}

/// A text in which `time` stands for every time that is not 0.
fn without_times(text: &str) -> String {
    let line = |line: &str| match line.rsplit_once(' ') {
        Some((series, value)) if series.contains("_seconds_total{") && value != "0" => {
            format!("{series} time\n")
        }
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}

#[test]
fn openmetrics_has_the_same_samples_and_says_units_and_the_end() {
    let registry = QueueRegistry::new("open").silent();
    let (sender, _receiver) = track(ServiceLimit::Frames)
        .capacity(3)
        .registry(&registry)
        .sync_channel();
    sender.send(0).unwrap();
    let _heap = registry.register(ServiceLimit::Heap, 10);
    let _stages = chain("stages", [sender.gauge()]);
    let report = registry.report();
    for detail in [Detail::Limits, Detail::Gauges] {
        let (plain, open) = (text(&report, detail), open_text(&report, detail));
        assert_eq!(samples(&plain), samples(&open));
        assert!(open.ends_with("\n# EOF\n") && open.matches("# EOF").count() == 1);
        assert!(open.contains(
            "# TYPE fillgauge_enqueued_bytes counter\n# UNIT fillgauge_enqueued_bytes bytes\n\
             # HELP fillgauge_enqueued_bytes What went in. Of what is observed: by how much it rose.\nfillgauge_enqueued_bytes_total{"
        ));
        assert!(open.contains("# UNIT fillgauge_fill_ratio ratio\n"));
        assert!(open.contains("# UNIT fillgauge_waited_seconds seconds\n"));
    }
}

#[test]
fn what_is_known_of_a_wait_grows_from_scrape_to_scrape_while_it_lasts() {
    const MOMENT: Duration = Duration::from_millis(5);
    let registry = QueueRegistry::new("stall").silent();
    let jobs = track("jobs").capacity(0).registry(&registry);
    let (sender, receiver) = jobs.sync_channel();
    let value = |text: &str, name: &str| -> f64 {
        let samples = samples(text);
        let labels = r#"{limit="jobs",category="queue",registry="stall"}"#;
        samples[&*format!("fillgauge_{name}{labels}")]
            .parse()
            .unwrap()
    };
    let scrape = || text(registry.report(), Detail::Limits);
    thread::scope(|scope| {
        for item in 0..3 {
            let sender = sender.clone();
            scope.spawn(move || sender.send(item).unwrap_err());
        }
        while value(&scrape(), "waiting") < 3.0 {
            thread::yield_now();
        }
        let mut before = scrape();
        for _ in 0..3 {
            thread::sleep(MOMENT);
            let now = scrape();
            let grew = |name: &str| value(&now, name) - value(&before, name);
            for name in [
                "oldest_wait_seconds",
                "longest_wait_seconds",
                "stalled_seconds_total",
            ] {
                assert!(grew(name) >= MOMENT.as_secs_f64(), "{name}: {before} {now}");
            }
            let waited = grew("waited_seconds_total");
            assert!(waited >= 2.999 * MOMENT.as_secs_f64(), "{before} {now}");
            assert_eq!(
                (value(&now, "waiting"), value(&now, "waits_total")),
                (3.0, 3.0)
            );
            before = now;
        }
        drop(receiver);
    });
    let (after, later) = (scrape(), scrape());
    assert_eq!(after, later, "nobody waits");
    assert_eq!(value(&after, "disconnected_total"), 3.0);
    assert_eq!(value(&after, "oldest_wait_seconds"), 0.0);
}

#[test]
fn gauges_are_told_apart_if_asked_for() {
    let registry = QueueRegistry::new("gauges").silent();
    let of = |label: &str| {
        let track = track("frames").capacity(10).registry(&registry);
        track.label(label).gauge()
    };
    let gauges = [of("session 7"), of("session 7"), of("a\"b\\c\nd")];
    let plain = registry.register("frames", 10);
    gauges[1].observe_depth(8);
    let text = text(registry.report(), Detail::Gauges);
    let samples = samples(&text);
    let labels = r#"limit="frames",category="queue",registry="gauges""#;
    let value = |name, more: &str| samples.get(&*format!("{name}{{{labels}{more}}}")).copied();
    let depth = |more: &str| value("fillgauge_depth", more);
    assert_eq!(depth(r#",gauge_id="1",gauge_label="session 7""#), Some("0"));
    assert_eq!(depth(r#",gauge_id="2",gauge_label="session 7""#), Some("8"));
    // The label is shown escaped, and then escaped for the format.
    let label = r#",gauge_id="3",gauge_label="a\"b\\c\\nd""#;
    assert_eq!(depth(label), Some("0"));
    assert_eq!(depth(r#",gauge_id="4""#), Some("0"));
    assert_eq!(value("fillgauge_gauges", ""), Some("4"));
    assert_eq!(value("fillgauge_depth", ""), None);
    drop((gauges, plain));
    let text = self::text(registry.report(), Detail::Gauges);
    let left = "# HELP fillgauge_gauges Live gauges.\n# TYPE fillgauge_gauges gauge\n";
    assert_eq!(text, format!("{left}fillgauge_gauges{{{labels}}} 0\n"));
}

#[test]
fn peaks_and_stuck_queues_are_shown_where_somebody_looks() {
    let registry = QueueRegistry::new("looks").silent();
    let queue = track("frames").capacity(10).for_queue().registry(&registry);
    let gauges = [queue.clone().gauge(), queue.gauge()];
    let heap = registry.register(&Limit::memory("heap").with_unit(LimitUnit::Bytes), 500);
    let names = [
        "fillgauge_window_peak",
        "fillgauge_window_peak_bytes",
        "fillgauge_stuck",
    ];
    let shown = |report: Report, detail| {
        let text = text(report, detail);
        let samples = samples(&text).into_iter();
        let shown = samples.filter(|(key, _)| names.iter().any(|name| key.starts_with(name)));
        let short = |(key, value): (&str, &str)| {
            let (name, labels) = key.split_once('{').unwrap();
            let id = labels
                .split_once("gauge_id=")
                .map_or("", |(_, id)| &id[..3]);
            format!("{name}{id} {value}")
        };
        shown.map(short).collect::<Vec<_>>()
    };
    assert_eq!(shown(registry.report(), Detail::Limits), [""; 0]);

    let mut watch = watch(&registry).patience(Duration::from_secs(1));
    drop(registry.report_for("a"));
    gauges[1].record_enqueue_n(7);
    heap.observe_depth(300);
    heap.observe_depth(1);
    for seconds in 0..2 {
        watch.poll_at(Duration::from_secs(seconds), SystemTime::now());
    }
    let expected = [
        "fillgauge_stuck 1",
        "fillgauge_stuck 0",
        "fillgauge_window_peak 7",
        "fillgauge_window_peak_bytes 300",
    ];
    assert_eq!(
        sorted(shown(registry.report_for("a"), Detail::Limits)),
        sorted(expected)
    );
    gauges[0].record_enqueue_n(9);
    gauges[0].record_dequeue_n(9);
    let expected = [
        "fillgauge_stuck\"1\" 0",
        "fillgauge_stuck\"2\" 1",
        "fillgauge_stuck\"3\" 0",
        "fillgauge_window_peak\"1\" 9",
        "fillgauge_window_peak\"2\" 7",
        "fillgauge_window_peak_bytes\"3\" 1",
    ];
    assert_eq!(
        sorted(shown(registry.report_for("a"), Detail::Gauges)),
        sorted(expected)
    );
    assert_eq!(shown(registry.report_for("a"), Detail::Limits).len(), 4);
    drop(watch);
    assert_eq!(shown(registry.report(), Detail::Gauges), [""; 0]);
}

fn sorted(lines: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut lines: Vec<_> = lines.into_iter().map(Into::into).collect();
    lines.sort();
    lines
}

#[test]
fn totals_never_step_back_when_gauges_go_and_sessions_make_no_series() {
    let registry = QueueRegistry::new("totals").silent();
    let mut latest = BTreeMap::<String, f64>::new();
    let mut series = BTreeSet::new();
    for session in 0..50 {
        let (sender, receiver) = track("frames")
            .capacity(4)
            .label(format!("session {session}"))
            .registry(&registry)
            .sync_channel();
        let sent = (0..6).filter(|item| sender.try_send(*item).is_ok());
        assert_eq!(sent.count(), 4);
        receiver.try_iter().take(session % 5).for_each(drop);
        let mut look = || {
            let text = text(registry.report(), Detail::Limits);
            let samples = samples(&text);
            let keys: Vec<_> = samples.keys().map(|key| (*key).to_owned()).collect();
            series.extend(keys);
            let totals = samples
                .into_iter()
                .filter(|(key, _)| key.contains("_total{"));
            for (key, value) in totals {
                let value = value.parse().unwrap();
                let before = latest.insert(key.to_owned(), value).unwrap_or(0.0);
                assert!(value >= before, "{key} went from {before} to {value}");
            }
        };
        look();
        drop(sender);
        look();
        drop(receiver);
        look();
    }
    let labels = r#"{limit="frames",category="queue",registry="totals"}"#;
    let total = |name: &str| latest[&format!("fillgauge_{name}_total{labels}")];
    assert_eq!(total("enqueued"), 50.0 * 4.0);
    assert_eq!(total("dequeued"), total("enqueued"));
    assert_eq!(total("refused"), 50.0 * 2.0);
    assert_eq!(total("warnings"), 50.0);
    // The ratio is that of live gauges alone, and so is not always there.
    assert_eq!(series.len(), 19, "{series:#?}");
}

#[test]
fn the_fill_of_a_limit_is_that_of_its_fullest_gauge() {
    let registry = QueueRegistry::new("fill").silent();
    let of = |name, capacity| registry.register(name, capacity);
    let gauges = [of("a", 1_000), of("a", 3), of("a", 0), of("unbounded", 0)];
    gauges[0].observe_depth(600);
    gauges[1].observe_depth(2);
    gauges[2].observe_depth(usize::MAX / 2);
    gauges[3].observe_depth(5);
    let text = text(registry.report(), Detail::Limits);
    let ratios: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("fillgauge_fill_ratio"))
        .collect();
    let ratio = r#"fillgauge_fill_ratio{limit="a",category="queue",registry="fill"} "#;
    assert_eq!(ratios, [format!("{ratio}{}", 2.0 / 3.0)]);
}

/// Names that would be equal, or that would end a label, a line or the text.
#[test]
fn no_two_series_have_equal_labels_whatever_things_are_called() {
    static LIMITS: [Limit; 6] = [
        Limit::queue("same"),
        Limit::memory("same"),
        Limit::memory("same").with_unit(LimitUnit::Bytes),
        Limit::queue("\"} 1\n# EOF\\"),
        Limit::queue(""),
        Limit::new("same", LimitCategory::Cpu),
    ];
    let names = ["same", "same", "same#2", "same#2#2", "\n", ""];
    let registries = names.map(|name| QueueRegistry::new(name).silent());
    let mut kept = Vec::new();
    for registry in &registries {
        for limit in &LIMITS {
            let of = || track(limit).capacity(4).registry(registry);
            kept.push(of().label("same").gauge());
            kept.push(of().label("\"},\n{").gauge());
            kept.push(of().gauge());
        }
    }
    let _chains: Vec<_> = kept
        .iter()
        .map(|gauge| chain(["same", "same#2"][gauge.instance() % 2], [gauge, gauge]))
        .collect();
    for detail in [Detail::Limits, Detail::Gauges] {
        let reports = registries.each_ref().map(QueueRegistry::report);
        let text = text(&reports, detail);
        let samples = samples(&text);
        let rows = match detail {
            Detail::Limits => registries.len() * 5,
            _ => registries.len() * LIMITS.len() * 3,
        };
        let depths = samples
            .keys()
            .filter(|key| key.starts_with("fillgauge_depth"));
        assert_eq!(depths.count(), rows);
        let stages = samples
            .keys()
            .filter(|key| key.starts_with("fillgauge_chain"));
        // Chains of one name count as one: two names in each registry, of six limits.
        let declared: BTreeSet<_> = kept
            .iter()
            .enumerate()
            .map(|(number, gauge)| {
                let registry = number / (3 * LIMITS.len());
                (registry, gauge.instance() % 2, gauge.limit().as_str())
            })
            .collect();
        let ends = registries.len() * 2;
        assert_eq!(stages.count(), 2 * declared.len() + ends);
        assert_eq!(samples, self::samples(&open_text(&reports, detail)));
    }
}

#[test]
fn the_names_are_those_of_the_list() {
    let registry = QueueRegistry::new("names").silent();
    let (sender, _receiver) = track(ServiceLimit::Frames)
        .capacity(3)
        .registry(&registry)
        .sync_channel::<()>();
    let _heap = registry.register(ServiceLimit::Heap, 10);
    let _stages = chain("stages", [sender.gauge()]);
    let mut watch = watch(&registry);
    watch.poll_at(Duration::ZERO, SystemTime::now());
    drop(registry.report_for("list"));
    let text = text(registry.report_for("list"), Detail::Limits);
    let names: BTreeSet<_> = samples(&text)
        .into_keys()
        .map(|series| series.split('{').next().unwrap())
        .collect();
    let listed: BTreeSet<_> = include_str!("../metrics.txt").lines().collect();
    assert_eq!(names, listed);
}

/// No source of today is without totals. A report that was read from JSON may be of one.
#[cfg(feature = "json")]
#[test]
fn what_is_not_counted_has_no_total() {
    let registry = QueueRegistry::new("uncounted").silent();
    let gauge = registry.register("frames", 4);
    gauge.observe_depth(4);
    let mut value = serde_json::to_value(registry.report()).unwrap();
    value["gauges"][0]["totals"].take();
    value["limits"][0]["totals"].take();
    let report: Report = serde_json::from_value(value).unwrap();
    for detail in [Detail::Limits, Detail::Gauges] {
        let text = text(&report, detail);
        let totals = samples(&text)
            .into_keys()
            .filter(|key| key.contains("_total{"));
        let names: BTreeSet<_> = totals
            .map(|key| key.split('{').next().unwrap().to_owned())
            .collect();
        let counted = [
            "fillgauge_full_seconds_total",
            "fillgauge_near_capacity_seconds_total",
            "fillgauge_refused_total",
            "fillgauge_warnings_total",
        ];
        assert_eq!(names, counted.map(str::to_owned).into());
    }
}

#[test]
fn a_writer_that_fails_fails_the_text() {
    struct Full;
    impl std::fmt::Write for Full {
        fn write_str(&mut self, _: &str) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let registry = QueueRegistry::new("full").silent();
    let _gauge = registry.register("frames", 4);
    let report = registry.report();
    assert!(prometheus_text(&report, Detail::Limits, &mut Full).is_err());
    assert!(openmetrics(&report, Detail::Limits, &mut Full).is_err());
}
