//! What has metrics: a limit, a gauge, or a stage of a chain. No two of a kind have equal labels.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use fillgauge_std::{Backpressure, GaugeReport, LimitReport, LimitUnit, Report, Totals};

use crate::detail::Detail;

/// The names and values of labels.
pub(crate) type Labels<'report> = Vec<(&'static str, Cow<'report, str>)>;

/// All that has metrics.
pub(crate) struct Series<'report> {
    pub(crate) limits: Vec<Row<'report>>,
    /// `None` if metrics are those of limits.
    gauges: Option<Vec<Row<'report>>>,
    pub(crate) stages: Vec<Stage<'report>>,
}

/// A limit or a gauge.
pub(crate) struct Row<'report> {
    pub(crate) labels: Labels<'report>,
    pub(crate) figures: Figures,
}

/// The figures of a limit or of a gauge.
pub(crate) struct Figures {
    pub(crate) unit: LimitUnit,
    pub(crate) gauges: usize,
    pub(crate) depth: usize,
    pub(crate) capacity: usize,
    pub(crate) high_water: usize,
    /// `None` if it is for no scraper.
    pub(crate) window_peak: Option<usize>,
    /// `None` if nobody watches.
    pub(crate) stuck: Option<usize>,
    /// `None` without a live gauge that is bounded.
    pub(crate) fill_ratio: Option<f64>,
    pub(crate) warned: usize,
    pub(crate) warnings: usize,
    pub(crate) totals: Option<Totals>,
    pub(crate) refused: usize,
    pub(crate) backpressure: Option<Backpressure>,
    pub(crate) near_capacity: Duration,
    pub(crate) full: Duration,
}

/// A stage of a chain, or what takes from the last one.
pub(crate) struct Stage<'report> {
    pub(crate) labels: Labels<'report>,
    pub(crate) is_bottleneck: bool,
}

impl<'report> Series<'report> {
    pub(crate) fn new(reports: &'report [Report], detail: Detail) -> Self {
        let mut registries = Distinct::default();
        let mut series = Self {
            limits: Vec::new(),
            gauges: (detail == Detail::Gauges).then(Vec::new),
            stages: Vec::new(),
        };
        for report in reports {
            series.add(report, registries.name(&report.registry));
        }
        series
    }

    /// What is asked for: limits or gauges.
    pub(crate) fn rows(&self) -> &[Row<'report>] {
        self.gauges.as_ref().unwrap_or(&self.limits)
    }

    fn add(&mut self, report: &'report Report, registry: Cow<'report, str>) {
        let mut fullest = BTreeMap::new();
        for gauge in &report.gauges {
            if let Some(ratio) = fill_ratio(gauge) {
                let greatest = fullest
                    .entry((&*gauge.name, gauge.category))
                    .or_insert(ratio);
                *greatest = ratio.max(*greatest);
            }
        }
        self.limits.extend(report.limits.iter().map(|limit| {
            let fill_ratio = fullest.get(&(&*limit.name, limit.category)).copied();
            Row::of_limit(limit, &registry, fill_ratio)
        }));
        if let Some(gauges) = &mut self.gauges {
            let is_watched = report.limits.iter().any(|limit| limit.stuck.is_some());
            let rows = report.gauges.iter();
            gauges.extend(rows.map(|gauge| Row::of_gauge(gauge, &registry, is_watched)));
        }
        // Chains of one name count as one.
        let mut stages = BTreeMap::new();
        for chain in &report.chains {
            let limits = chain.stages.iter().map(|stage| &*stage.name);
            for (index, limit) in limits.chain([""]).enumerate() {
                let is_bottleneck = stages.entry((&*chain.name, index, limit)).or_insert(false);
                *is_bottleneck |= chain.bottleneck == Some(index);
            }
        }
        let stages = stages
            .into_iter()
            .map(|((chain, index, limit), is_bottleneck)| Stage {
                labels: vec![
                    ("chain", Cow::Borrowed(chain)),
                    ("registry", registry.clone()),
                    ("position", Cow::Owned((index + 1).to_string())),
                    ("limit", Cow::Borrowed(limit)),
                ],
                is_bottleneck,
            });
        self.stages.extend(stages);
    }
}

fn fill_ratio(gauge: &GaugeReport) -> Option<f64> {
    (gauge.capacity > 0).then(|| gauge.depth as f64 / gauge.capacity as f64)
}

impl<'report> Row<'report> {
    fn of_limit(
        limit: &'report LimitReport,
        registry: &Cow<'report, str>,
        fill_ratio: Option<f64>,
    ) -> Self {
        let figures = Figures {
            unit: limit.unit,
            gauges: limit.gauges,
            depth: limit.depth,
            capacity: limit.capacity,
            high_water: limit.high_water,
            window_peak: limit.window_peak,
            stuck: limit.stuck,
            fill_ratio,
            warned: limit.warned,
            warnings: limit.warnings,
            totals: limit.totals,
            refused: limit.refused,
            backpressure: limit.backpressure,
            near_capacity: limit.near_capacity,
            full: limit.full,
        };
        let labels = vec![
            ("limit", Cow::Borrowed(&*limit.name)),
            ("category", Cow::Borrowed(limit.category.as_str())),
            ("registry", registry.clone()),
        ];
        Self { labels, figures }
    }

    fn of_gauge(
        gauge: &'report GaugeReport,
        registry: &Cow<'report, str>,
        is_watched: bool,
    ) -> Self {
        let figures = Figures {
            unit: gauge.unit,
            gauges: 1,
            depth: gauge.depth,
            capacity: gauge.capacity,
            high_water: gauge.high_water,
            window_peak: gauge.window_peak,
            stuck: is_watched.then_some(gauge.stuck.into()),
            fill_ratio: fill_ratio(gauge),
            warned: gauge.warned.into(),
            warnings: gauge.warnings,
            totals: gauge.totals,
            refused: gauge.refused,
            backpressure: gauge.backpressure,
            near_capacity: gauge.near_capacity,
            full: gauge.full,
        };
        let mut labels = vec![
            ("limit", Cow::Borrowed(&*gauge.name)),
            ("category", Cow::Borrowed(gauge.category.as_str())),
            ("registry", registry.clone()),
            ("gauge_id", Cow::Owned(gauge.instance.to_string())),
        ];
        let label = gauge.shown_label().map(Cow::Owned);
        labels.extend(label.map(|label| ("gauge_label", label)));
        Self { labels, figures }
    }
}

/// Names that may come twice: the second `a` is `a#2`.
#[derive(Default)]
struct Distinct<'report>(HashSet<Cow<'report, str>>);

impl<'report> Distinct<'report> {
    fn name(&mut self, name: &'report str) -> Cow<'report, str> {
        let numbered = (2..).map(|number: usize| Cow::Owned(format!("{name}#{number}")));
        let mut names = std::iter::once(Cow::Borrowed(name)).chain(numbered);
        let name = names
            .find(|name| !self.0.contains(name))
            .unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}
