//! What a registry reports: owned data, for pages, terminals, exporters and files.

mod chain;
#[cfg(feature = "serde")]
pub(crate) mod micros;
mod table;

use std::borrow::Cow;
use std::slice;
use std::time::{Duration, SystemTime};

use fillgauge::{Limit, LimitCategory, LimitEventKind, LimitUnit, QueueSnapshot, Totals};

pub use chain::{ChainReport, StageReport};

use crate::backpressure::Backpressure;
use crate::event::{Episode, Shown};
use crate::pressure::Pressure;
use crate::registry::{Findings, LimitSums, PastEdge, Sums, add_backpressure, add_totals};
use crate::sync::time_of_day;

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
    /// When it was read, by the clock of the system. `None` where there is no clock.
    #[cfg_attr(feature = "serde", serde(rename = "at_us", with = "micros::moment"))]
    pub at: Option<SystemTime>,
    /// The live gauges, in order of registration.
    pub gauges: Vec<GaugeReport>,
    /// The sums of each limit, in the order of their names.
    pub limits: Vec<LimitReport>,
    /// The [chains](crate::chain()) that begin in this registry, in the order of their declaration.
    pub chains: Vec<ChainReport>,
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
    /// What its limit counts.
    pub unit: LimitUnit,
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
    /// When it warned last, if it is not armed again since, by the clock of the system. `None` also
    /// where there is no clock.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "warned_since_us", with = "micros::moment")
    )]
    pub warned_since: Option<SystemTime>,
    /// Warnings so far.
    pub warnings: usize,
    /// What went in and out so far. `None` if its source does not count that.
    pub totals: Option<Totals>,
    /// Requests that were refused so far.
    #[cfg_attr(feature = "serde", serde(default))]
    pub refused: usize,
    /// How the channel that the gauge is of held its producers back. `None` if it is not of a
    /// channel.
    pub backpressure: Option<Backpressure>,
    /// Whether what is [polled](crate::Track::polled) has nothing to read any more.
    #[cfg_attr(feature = "serde", serde(default))]
    pub gone: bool,
    /// The greatest depth since the report before for the same scraper, see
    /// [`report_for`](crate::QueueRegistry::report_for). `None` in its first report, and in one for
    /// no scraper.
    #[cfg_attr(feature = "serde", serde(default))]
    pub window_peak: Option<usize>,
    /// Whether the queue is stuck: something waits, and nothing is dequeued. A
    /// [`watch`](crate::watch()) finds that.
    #[cfg_attr(feature = "serde", serde(default))]
    pub stuck: bool,
    /// Since when, by the clock of the system. `None` if it is not stuck, or there is no clock.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "stuck_since_us", with = "micros::moment")
    )]
    pub stuck_since: Option<SystemTime>,
    /// How long it was near its capacity so far: from each warning to the next recovery. The
    /// present one counts. A gauge recovers when its warning has been delivered: a handler that
    /// takes long makes this longer.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "near_capacity_us", with = "micros::length")
    )]
    pub near_capacity: Duration,
    /// How much of that was after it had become full. It may have drained a little meanwhile.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "full_us", with = "micros::length")
    )]
    pub full: Duration,
    /// How much of the last minutes it was near its capacity. `None` if there is no
    /// [`watch`](crate::watch()).
    #[cfg_attr(feature = "serde", serde(default))]
    pub pressure: Option<Pressure>,
    /// Its last edges, eight at most, the oldest first.
    pub last_edges: Vec<EdgeReport>,
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
    #[cfg_attr(feature = "serde", serde(rename = "at_us", with = "micros::moment"))]
    pub at: Option<SystemTime>,
    /// What ended with a recovery. `None` for other edges.
    #[cfg_attr(feature = "serde", serde(default))]
    pub episode: Option<Episode>,
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
    /// What it counts.
    pub unit: LimitUnit,
    /// What it is the limit of, in one line. `None` if that is not known.
    pub help: Option<Cow<'static, str>>,
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
    /// Requests that were refused so far, also by gauges that are gone.
    #[cfg_attr(feature = "serde", serde(default))]
    pub refused: usize,
    /// The greatest depth of one live gauge since the report before for the same scraper. `None` in
    /// its first report, in one for no scraper, and without a live gauge.
    #[cfg_attr(feature = "serde", serde(default))]
    pub window_peak: Option<usize>,
    /// Live gauges that are stuck. `None` if there is no [`watch`](crate::watch()).
    #[cfg_attr(feature = "serde", serde(default))]
    pub stuck: Option<usize>,
    /// How all channels of the limit held their producers back, also those that are gone. `None` if
    /// there was none.
    pub backpressure: Option<Backpressure>,
    /// How long its gauges were near their capacity, all together, also those that are gone.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "near_capacity_us", with = "micros::length")
    )]
    pub near_capacity: Duration,
    /// How much of that was after they had become full.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "full_us", with = "micros::length")
    )]
    pub full: Duration,
    /// The greatest pressure of a live gauge. `None` if there is no [`watch`](crate::watch()).
    #[cfg_attr(feature = "serde", serde(default))]
    pub pressure: Option<Pressure>,
    /// What a person would say of it, in one sentence. `None` if there is nothing to say, or no
    /// [`watch`](crate::watch#advice).
    #[cfg_attr(feature = "serde", serde(default))]
    pub advice: Option<String>,
}

impl Report {
    pub(crate) fn new(registry: &str) -> Self {
        Self {
            registry: registry.to_owned(),
            at: time_of_day(),
            gauges: Vec::new(),
            limits: Vec::new(),
            chains: Vec::new(),
        }
    }

    /// Adds what the gauges of a limit have left that are gone.
    pub(crate) fn add_gone(&mut self, sums: &LimitSums) {
        let limit = self.limit(sums.limit);
        limit.registered = limit.registered.wrapping_add(sums.registered);
        limit.add(&sums.gone);
    }

    /// Adds a live gauge, which comes to `sums`.
    pub(crate) fn add(&mut self, name: &'static Limit, gauge: GaugeReport, sums: &Sums) {
        let limit = self.limit(name);
        limit.gauges += 1;
        limit.warned += usize::from(gauge.warned);
        limit.depth = limit.depth.saturating_add(gauge.depth);
        limit.capacity = limit.capacity.saturating_add(gauge.capacity);
        limit.max_fill_percent = limit.max_fill_percent.max(gauge.fill_percent);
        limit.window_peak = limit.window_peak.max(gauge.window_peak);
        limit.add(sums);
        self.gauges.push(gauge);
    }

    /// Shows what a watch has found.
    pub(crate) fn set_findings(&mut self, findings: &Findings) {
        for limit in &mut self.limits {
            (limit.stuck, limit.pressure) = (Some(0), Some(Pressure::default()));
            limit.advice = findings.advice(&limit.name, limit.category);
        }
        for gauge in &mut self.gauges {
            let pressure = findings.pressure(gauge.instance);
            let stuck = findings.stuck_since(gauge.instance);
            gauge.pressure = Some(pressure);
            gauge.stuck = stuck.is_some();
            gauge.stuck_since = stuck.flatten();
            if stuck.is_none() && pressure == Pressure::default() {
                continue;
            }
            let key = (&*gauge.name, gauge.category);
            let found = self
                .limits
                .binary_search_by(|limit| (&*limit.name, limit.category).cmp(&key));
            if let Some(limit) = found.ok().and_then(|place| self.limits.get_mut(place)) {
                limit.stuck = limit.stuck.map(|count| count + usize::from(gauge.stuck));
                limit.pressure = limit.pressure.map(|greatest| greatest.max(pressure));
            }
        }
    }

    /// The sums of a limit, which there are afterwards, in the order of names. Limits of one name
    /// may be declared more than once: unit and help are those of the first that has them.
    #[allow(clippy::indexing_slicing)] // Just found.
    fn limit(&mut self, limit: &'static Limit) -> &mut LimitReport {
        let key = (limit.as_str(), limit.category());
        let found = self
            .limits
            .binary_search_by(|limit| (&*limit.name, limit.category).cmp(&key));
        let position = found.unwrap_or_else(|position| {
            self.limits.insert(position, LimitReport::new(limit));
            position
        });
        let sums = &mut self.limits[position];
        if sums.unit == LimitUnit::Items {
            sums.unit = limit.unit();
        }
        if sums.help.is_none() && !limit.help().is_empty() {
            sums.help = Some(Cow::Borrowed(limit.help()));
        }
        sums
    }
}

/// For what takes the reports of several registries: one is enough.
impl AsRef<[Report]> for Report {
    fn as_ref(&self) -> &[Report] {
        slice::from_ref(self)
    }
}

impl GaugeReport {
    /// The label for people: cut at 64 characters, with control characters escaped.
    #[must_use]
    pub fn shown_label(&self) -> Option<String> {
        self.label.as_deref().map(|label| Shown(label).to_string())
    }

    pub(crate) fn new(snapshot: &QueueSnapshot, label: Option<&str>) -> Self {
        Self {
            name: Cow::Borrowed(snapshot.name.as_str()),
            category: snapshot.category,
            unit: snapshot.name.unit(),
            instance: snapshot.instance,
            label: label.map(str::to_owned),
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            capacity: snapshot.capacity,
            fill_percent: snapshot.fill_percent,
            warned: snapshot.warned,
            warned_since: None,
            warnings: snapshot.warnings,
            totals: snapshot.totals,
            refused: snapshot.refused,
            backpressure: None,
            gone: false,
            window_peak: None,
            stuck: false,
            stuck_since: None,
            near_capacity: Duration::ZERO,
            full: Duration::ZERO,
            pressure: None,
            last_edges: Vec::new(),
        }
    }

    pub(crate) fn set_last_edges<'edge>(&mut self, edges: impl Iterator<Item = &'edge PastEdge>) {
        let edges = edges.map(|edge| EdgeReport {
            kind: edge.kind,
            depth: edge.depth,
            at: edge.at,
            episode: edge.episode,
        });
        self.last_edges = edges.collect();
        if self.warned {
            let warning = |edge: &&EdgeReport| edge.kind == LimitEventKind::NearCapacity;
            let last = self.last_edges.iter().rev().find(warning);
            self.warned_since = last.and_then(|edge| edge.at);
        }
    }
}

impl LimitReport {
    fn new(limit: &'static Limit) -> Self {
        Self {
            name: Cow::Borrowed(limit.as_str()),
            category: limit.category(),
            unit: LimitUnit::Items,
            help: None,
            gauges: 0,
            registered: 0,
            warned: 0,
            depth: 0,
            capacity: 0,
            max_fill_percent: 0,
            high_water: 0,
            warnings: 0,
            totals: None,
            refused: 0,
            window_peak: None,
            stuck: None,
            backpressure: None,
            near_capacity: Duration::ZERO,
            full: Duration::ZERO,
            pressure: None,
            advice: None,
        }
    }

    fn add(&mut self, more: &Sums) {
        self.high_water = self.high_water.max(more.high_water);
        self.warnings = self.warnings.wrapping_add(more.warnings);
        add_totals(&mut self.totals, more.totals);
        self.refused = self.refused.wrapping_add(more.refused);
        add_backpressure(&mut self.backpressure, more.backpressure);
        self.near_capacity = self.near_capacity.saturating_add(more.near.near);
        self.full = self.full.saturating_add(more.near.full);
    }
}
