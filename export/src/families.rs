//! The one table of metrics. Every exporter is made from it.

use std::time::Duration;

use fillgauge_std::LimitUnit;

use crate::series::{Figures, Labels, Row, Series};

/// Whether a value may go down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Gauge,
    Counter,
}

/// What a metric counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// Whatever the limit counts. Limits in bytes have a family of their own.
    OfLimit,
    None,
    Ratio,
    Seconds,
}

/// A value of a metric.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Count(usize),
    Real(f64),
}

/// All metrics of one name.
pub(crate) struct Family<'series> {
    /// The name, without the `_total` of a counter.
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// The end of the name; empty if there is none.
    pub(crate) unit: &'static str,
    pub(crate) help: &'static str,
    /// No two have equal labels.
    pub(crate) samples: Vec<(&'series Labels<'series>, Value)>,
}

struct Metric {
    name: &'static str,
    unit: Unit,
    kind: Kind,
    help: &'static str,
    value: fn(&Figures) -> Option<Value>,
}

static METRICS: [Metric; 20] = [
    Metric {
        name: "depth",
        unit: Unit::OfLimit,
        kind: Kind::Gauge,
        help: "What is in the queue, or in use of the limit.",
        value: |figures| count(figures.depth),
    },
    Metric {
        name: "capacity",
        unit: Unit::OfLimit,
        kind: Kind::Gauge,
        help: "The bound of the depth. What has none counts 0.",
        value: |figures| count(figures.capacity),
    },
    Metric {
        name: "high_water",
        unit: Unit::OfLimit,
        kind: Kind::Gauge,
        help: "The greatest depth that one gauge ever had.",
        value: |figures| count(figures.high_water),
    },
    Metric {
        name: "window_peak",
        unit: Unit::OfLimit,
        kind: Kind::Gauge,
        help: "The greatest depth of one gauge since the scrape before.",
        value: |figures| count(figures.window_peak?),
    },
    Metric {
        name: "fill",
        unit: Unit::Ratio,
        kind: Kind::Gauge,
        help: "Depth by capacity, of the fullest gauge.",
        value: |figures| figures.fill_ratio.map(Value::Real),
    },
    Metric {
        name: "warned",
        unit: Unit::None,
        kind: Kind::Gauge,
        help: "Gauges near capacity: they have warned and are not armed again.",
        value: |figures| count(figures.warned),
    },
    Metric {
        name: "warnings",
        unit: Unit::None,
        kind: Kind::Counter,
        help: "How often a gauge came near its capacity.",
        value: |figures| count(figures.warnings),
    },
    Metric {
        name: "near_capacity",
        unit: Unit::Seconds,
        kind: Kind::Counter,
        help: "How long gauges were near their capacity, all together.",
        value: |figures| seconds(figures.near_capacity),
    },
    Metric {
        name: "full",
        unit: Unit::Seconds,
        kind: Kind::Counter,
        help: "How much of the time near capacity was after the gauge had become full.",
        value: |figures| seconds(figures.full),
    },
    Metric {
        name: "stuck",
        unit: Unit::None,
        kind: Kind::Gauge,
        help: "Queues that are not empty while nothing is dequeued.",
        value: |figures| count(figures.stuck?),
    },
    Metric {
        name: "enqueued",
        unit: Unit::OfLimit,
        kind: Kind::Counter,
        help: "What went in. Of what is observed: by how much it rose.",
        value: |figures| count(figures.totals?.enqueued),
    },
    Metric {
        name: "dequeued",
        unit: Unit::OfLimit,
        kind: Kind::Counter,
        help: "What went out. Of what is observed: by how much it fell.",
        value: |figures| count(figures.totals?.dequeued),
    },
    Metric {
        name: "refused",
        unit: Unit::None,
        kind: Kind::Counter,
        help: "Requests that were refused because there was no room.",
        value: |figures| count(figures.refused),
    },
    Metric {
        name: "waiting",
        unit: Unit::None,
        kind: Kind::Gauge,
        help: "Producers that wait for room.",
        value: |figures| count(figures.backpressure?.waiting),
    },
    Metric {
        name: "oldest_wait",
        unit: Unit::Seconds,
        kind: Kind::Gauge,
        help: "How long the producer has waited that waits longest at this moment.",
        value: |figures| seconds(figures.backpressure?.waiting_for),
    },
    Metric {
        name: "waits",
        unit: Unit::None,
        kind: Kind::Counter,
        help: "How often a producer had to wait for room, with the waits in progress.",
        value: |figures| count(figures.backpressure?.waits),
    },
    Metric {
        name: "waited",
        unit: Unit::Seconds,
        kind: Kind::Counter,
        help: "How long all producers waited for room together, with the waits in progress.",
        value: |figures| seconds(figures.backpressure?.waited),
    },
    Metric {
        name: "longest_wait",
        unit: Unit::Seconds,
        kind: Kind::Gauge,
        help: "The longest wait of a producer so far, which may be in progress.",
        value: |figures| seconds(figures.backpressure?.longest),
    },
    Metric {
        name: "stalled",
        unit: Unit::Seconds,
        kind: Kind::Counter,
        help: "How long at least one producer waited. Of several channels: the sum of theirs.",
        value: |figures| seconds(figures.backpressure?.stalled),
    },
    Metric {
        name: "disconnected",
        unit: Unit::None,
        kind: Kind::Counter,
        help: "Items that were given back because no receiver was left.",
        value: |figures| count(figures.backpressure?.disconnected),
    },
];

/// Whether a family has samples of the limits of a unit.
type IsOf = fn(LimitUnit) -> bool;

const GAUGES: &str = "Live gauges.";
const CHAIN_BOTTLENECK: &str = "1 for the first stage that is not near capacity behind one that is: \
    what feeds it is slow. The last position is what takes from the last stage.";

fn count(count: usize) -> Option<Value> {
    Some(Value::Count(count))
}

fn seconds(length: Duration) -> Option<Value> {
    Some(Value::Real(length.as_secs_f64()))
}

impl Metric {
    /// The end of the name, and which limits it is of.
    fn units(&self) -> &'static [(&'static str, IsOf)] {
        match self.unit {
            Unit::OfLimit => &[
                ("", |unit| unit != LimitUnit::Bytes),
                ("bytes", |unit| unit == LimitUnit::Bytes),
            ],
            Unit::None => &[("", |_| true)],
            Unit::Ratio => &[("ratio", |_| true)],
            Unit::Seconds => &[("seconds", |_| true)],
        }
    }
}

/// All metrics that have a sample.
pub(crate) fn families<'series>(
    series: &'series Series<'series>,
) -> impl Iterator<Item = Family<'series>> {
    all_families(series).filter(|family| !family.samples.is_empty())
}

/// All metrics, in an order that is always the same.
pub(crate) fn all_families<'series>(
    series: &'series Series<'series>,
) -> impl Iterator<Item = Family<'series>> {
    let of_rows = METRICS.iter().flat_map(move |metric| {
        metric.units().iter().map(move |(unit, is_of)| {
            let rows = series.rows().iter().filter(|row| is_of(row.figures.unit));
            let value = |row: &'series Row<'series>| {
                let value = (metric.value)(&row.figures)?;
                Some((&row.labels, value))
            };
            family(
                metric.name,
                unit,
                metric.kind,
                metric.help,
                rows.filter_map(value),
            )
        })
    });
    let gauges = series.limits.iter();
    let gauges = gauges.map(|limit| (&limit.labels, Value::Count(limit.figures.gauges)));
    let gauges = family("gauges", "", Kind::Gauge, GAUGES, gauges);
    let stages = series.stages.iter();
    let stages = stages.map(|stage| (&stage.labels, Value::Count(stage.is_bottleneck.into())));
    let stages = family(
        "chain_bottleneck",
        "",
        Kind::Gauge,
        CHAIN_BOTTLENECK,
        stages,
    );
    of_rows.chain([gauges, stages])
}

fn family<'series>(
    name: &str,
    unit: &'static str,
    kind: Kind,
    help: &'static str,
    samples: impl Iterator<Item = (&'series Labels<'series>, Value)>,
) -> Family<'series> {
    let separator = if unit.is_empty() { "" } else { "_" };
    Family {
        name: format!("fillgauge_{name}{separator}{unit}"),
        kind,
        unit,
        help,
        samples: samples.collect(),
    }
}
