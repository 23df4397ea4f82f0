//! What a gauge reads.

use crate::limit::{Limit, LimitCategory};

/// The figures of one gauge: plain data, taken by [`Gauge::snapshot`](crate::Gauge::snapshot) and
/// [`QueueRegistry::snapshot`](crate::QueueRegistry::snapshot), and part of each event.
///
/// All figures belong to one registration, and `depth` never exceeds `high_water`. They are read
/// one after the other: while operations are in progress, `depth` may be too low by as many, and
/// `warned` may be of a moment before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct QueueSnapshot {
    /// The limit, which reads as its stable name.
    pub name: &'static Limit,
    /// The category of the limit.
    pub category: LimitCategory,
    /// Distinguishes gauges of one limit: the serial number of the registration in its registry,
    /// from 1; 0 for a gauge that is a static of its own.
    pub instance: usize,
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
    /// Warnings so far. Wraps at `usize::MAX / 512`.
    pub warnings: usize,
    /// What went in and out so far. `None` of what does not count that, as a
    /// [`Budget`](crate::Budget).
    pub totals: Option<Totals>,
    /// Requests that were refused so far, see
    /// [`Gauge::record_refused`](crate::Gauge::record_refused). Never steps back; wraps.
    pub refused: usize,
}

/// What went through a gauge. The totals never step back. They wrap. Of a gauge that is observed
/// they are what it rose and fell by, from one observation to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Totals {
    /// Total enqueued so far, and what observations and strays added.
    pub enqueued: usize,
    /// Total dequeued so far, and what observations added. Strays count.
    pub dequeued: usize,
}

impl Totals {
    /// So much in, and so much out.
    pub const fn new(enqueued: usize, dequeued: usize) -> Self {
        Self { enqueued, dequeued }
    }
}
