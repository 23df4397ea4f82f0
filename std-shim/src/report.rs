//! What a registry reports: owned data, for pages, terminals, exporters and files.

use std::borrow::Cow;
use std::fmt;
use std::time::SystemTime;

use fillgauge::{LimitCategory, LimitEventKind, QueueSnapshot};

use crate::backpressure::Backpressure;
use crate::event::Shown;
use crate::registry::{LimitSums, PastEdge};

/// All that is known of one registry, from [`QueueRegistry::report`](crate::QueueRegistry::report).
///
/// It prints as a table of its live gauges.
///
/// ```
/// use fillgauge_std::{QueueRegistry, track};
///
/// let registry = QueueRegistry::new("sessions");
/// let frames = track("frames").capacity(10).label("session 7").registry(&registry).gauge();
/// frames.observe_depth(8);
/// frames.observe_depth(6);
/// assert_eq!(
///     registry.report().to_string(),
///     "\
/// name    label      category  depth  high-water  capacity  fill                        warnings
/// frames  session 7  queue         6           8        10  ############----....  60 %         1
/// "
/// );
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Report {
    /// The name of the registry.
    pub registry: String,
    /// The live gauges, in order of registration.
    pub gauges: Vec<GaugeReport>,
    /// The sums of each limit, in the order of their names.
    pub limits: Vec<LimitReport>,
}

/// One live gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct GaugeReport {
    /// The name of its limit.
    pub name: Cow<'static, str>,
    /// The category of its limit.
    pub category: LimitCategory,
    /// The serial number of its registration, from 1.
    pub instance: usize,
    /// Its label, whole. What shows it to people cuts and escapes it.
    pub label: Option<String>,
    /// Items (or bytes, or whatever the limit counts) in the queue.
    pub depth: usize,
    /// The greatest depth so far.
    pub high_water: usize,
    /// The bound, in the unit of `depth`; 0 is unbounded, or a rendezvous.
    pub capacity: usize,
    /// `floor(100 * depth / capacity)`, which may be above 100; 0 for capacity 0.
    pub fill_percent: usize,
    /// Whether the gauge has warned and is not armed again.
    pub warned: bool,
    /// Warnings so far.
    pub warnings: usize,
    /// What went in and out so far. `None` if its source does not count that.
    pub totals: Option<Totals>,
    /// How the channel that the gauge is of held its producers back. `None` if it is not of a
    /// channel.
    pub backpressure: Option<Backpressure>,
    /// Its last edges, eight at most, the oldest first.
    pub last_edges: Vec<EdgeReport>,
}

/// What went through a gauge. The totals never step back. They wrap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Total enqueued so far, see [`QueueSnapshot::enqueued`].
    pub enqueued: usize,
    /// Total dequeued so far, see [`QueueSnapshot::dequeued`].
    pub dequeued: usize,
}

/// An edge in the past of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct EdgeReport {
    /// What happened.
    pub kind: LimitEventKind,
    /// The depth at that moment.
    pub depth: usize,
    /// When it happened, by the clock of the system. `None` where there is no clock.
    pub at: Option<SystemTime>,
}

/// The sums of one limit.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct LimitReport {
    /// The name of the limit.
    pub name: Cow<'static, str>,
    /// The category of the limit.
    pub category: LimitCategory,
    /// Live gauges.
    pub gauges: usize,
    /// Gauges that were ever registered.
    pub registered: usize,
    /// Live gauges that have warned and are not armed again.
    pub warned: usize,
    /// The depths of all live gauges.
    pub depth: usize,
    /// The capacities of all live gauges.
    pub capacity: usize,
    /// The fill of the fullest live gauge.
    pub max_fill_percent: usize,
    /// The greatest depth that one gauge ever had, also one that is gone.
    pub high_water: usize,
    /// Warnings so far, also of gauges that are gone.
    pub warnings: usize,
    /// What went in and out so far, also of gauges that are gone. `None` if no gauge counts that.
    pub totals: Option<Totals>,
}

impl Report {
    pub(crate) fn new(registry: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            gauges: Vec::new(),
            limits: Vec::new(),
        }
    }

    /// Adds what the gauges of a limit have left that are gone.
    pub(crate) fn add_gone(&mut self, sums: &LimitSums) {
        let limit = self.limit(Cow::Borrowed(sums.limit.as_str()), sums.limit.category());
        limit.registered = limit.registered.wrapping_add(sums.registered);
        limit.high_water = limit.high_water.max(sums.high_water);
        limit.warnings = limit.warnings.wrapping_add(sums.warnings);
        limit.add_totals(Totals {
            enqueued: sums.enqueued,
            dequeued: sums.dequeued,
        });
    }

    /// Adds a live gauge.
    pub(crate) fn add(&mut self, gauge: GaugeReport) {
        let limit = self.limit(gauge.name.clone(), gauge.category);
        limit.gauges += 1;
        limit.warned += usize::from(gauge.warned);
        limit.depth = limit.depth.saturating_add(gauge.depth);
        limit.capacity = limit.capacity.saturating_add(gauge.capacity);
        limit.max_fill_percent = limit.max_fill_percent.max(gauge.fill_percent);
        limit.high_water = limit.high_water.max(gauge.high_water);
        limit.warnings = limit.warnings.wrapping_add(gauge.warnings);
        if let Some(totals) = gauge.totals {
            limit.add_totals(totals);
        }
        self.gauges.push(gauge);
    }

    /// The sums of a limit, which there are afterwards, in the order of names.
    #[allow(clippy::indexing_slicing)] // Just found.
    fn limit(&mut self, name: Cow<'static, str>, category: LimitCategory) -> &mut LimitReport {
        let found = self
            .limits
            .binary_search_by(|limit| (&limit.name, limit.category).cmp(&(&name, category)));
        let position = match found {
            Ok(position) => position,
            Err(position) => {
                self.limits
                    .insert(position, LimitReport::new(name, category));
                position
            }
        };
        &mut self.limits[position]
    }
}

impl GaugeReport {
    pub(crate) fn new(snapshot: &QueueSnapshot, label: Option<&str>) -> Self {
        Self {
            name: Cow::Borrowed(snapshot.name.as_str()),
            category: snapshot.category,
            instance: snapshot.instance,
            label: label.map(str::to_owned),
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            capacity: snapshot.capacity,
            fill_percent: snapshot.fill_percent,
            warned: snapshot.warned,
            warnings: snapshot.warnings,
            totals: Some(Totals {
                enqueued: snapshot.enqueued,
                dequeued: snapshot.dequeued,
            }),
            backpressure: None,
            last_edges: Vec::new(),
        }
    }

    pub(crate) fn set_last_edges<'edge>(&mut self, edges: impl Iterator<Item = &'edge PastEdge>) {
        let edges = edges.map(|edge| EdgeReport {
            kind: edge.kind,
            depth: edge.depth,
            at: edge.at,
        });
        self.last_edges = edges.collect();
    }
}

impl LimitReport {
    fn new(name: Cow<'static, str>, category: LimitCategory) -> Self {
        Self {
            name,
            category,
            gauges: 0,
            registered: 0,
            warned: 0,
            depth: 0,
            capacity: 0,
            max_fill_percent: 0,
            high_water: 0,
            warnings: 0,
            totals: None,
        }
    }

    fn add_totals(&mut self, more: Totals) {
        let totals = self.totals.get_or_insert_default();
        totals.enqueued = totals.enqueued.wrapping_add(more.enqueued);
        totals.dequeued = totals.dequeued.wrapping_add(more.dequeued);
    }
}

/// A table of the live gauges, for terminals. The bars are `#` up to the depth, `-` up to the
/// high-water mark, and `.` up to the capacity. There is a column of labels if any gauge has one.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_labels = self.gauges.iter().any(|gauge| gauge.label.is_some());
        let head = COLUMNS.map(|(title, _)| title.to_owned());
        let mut rows = vec![head];
        rows.extend(self.gauges.iter().map(GaugeReport::cells));
        let mut widths = [0; COLUMNS.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows {
            let cells = row.iter().zip(widths).zip(COLUMNS);
            let cells = cells.filter(|((_, _), (title, _))| has_labels || *title != LABEL);
            for (column, ((cell, width), (_, align))) in cells.enumerate() {
                if column > 0 {
                    f.write_str("  ")?;
                }
                match align {
                    Align::Left => write!(f, "{cell:<width$}")?,
                    Align::Right => write!(f, "{cell:>width$}")?,
                }
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

const LABEL: &str = "label";

/// The columns of the table.
const COLUMNS: [(&str, Align); 9] = [
    ("name", Align::Left),
    (LABEL, Align::Left),
    ("category", Align::Left),
    ("depth", Align::Right),
    ("high-water", Align::Right),
    ("capacity", Align::Right),
    ("fill", Align::Left),
    ("", Align::Right),
    ("warnings", Align::Right),
];

impl GaugeReport {
    fn cells(&self) -> [String; COLUMNS.len()] {
        let label = self.label.as_deref().unwrap_or_default();
        [
            Shown(&self.name).to_string(),
            Shown(label).to_string(),
            self.category.to_string(),
            self.depth.to_string(),
            self.high_water.to_string(),
            self.capacity.to_string(),
            self.bar(),
            format!("{} %", self.fill_percent),
            self.warnings.to_string(),
        ]
    }

    /// Empty without a bound.
    fn bar(&self) -> String {
        const CELLS: u128 = 20;
        if self.capacity == 0 {
            return String::new();
        }
        // Rounded up, so that a single item shows.
        let cells = |depth: usize| (depth as u128 * CELLS).div_ceil(self.capacity as u128);
        let (filled, reached) = (cells(self.depth), cells(self.high_water));
        let cell = |cell| match cell {
            cell if cell < filled => '#',
            cell if cell < reached => '-',
            _ => '.',
        };
        (0..CELLS).map(cell).collect()
    }
}
