//! Whether a queue is drained.

use core::mem;

use crate::snapshot::QueueSnapshot;

/// What a [`DrainWatch`] has noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Drain {
    /// The queue is not empty, and nothing was taken out of it for so long.
    Stuck,
    /// Something was taken, or the queue is empty.
    Draining,
}

/// Notices that nothing is taken out of a queue: its consumer hangs, long before the queue is near
/// its capacity.
///
/// The caller brings snapshots and the clock, whose unit is any *tick*. Look several times within
/// the patience.
///
/// ```
/// use fillgauge::{Drain, DrainWatch, Gauge, Limit};
///
/// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 64);
///
/// let mut watch = DrainWatch::new(100);
/// TX.record_enqueue_n(2);
/// assert_eq!(watch.poll(&TX.snapshot(), 0), None);
/// assert_eq!(watch.poll(&TX.snapshot(), 60), None);
/// assert_eq!(watch.poll(&TX.snapshot(), 120), Some(Drain::Stuck));
/// assert_eq!(watch.stuck_since(), Some(0));
/// TX.record_dequeue();
/// assert_eq!(watch.poll(&TX.snapshot(), 180), Some(Drain::Draining));
/// ```
///
/// Of what has no [totals](QueueSnapshot::totals) something was taken if the depth has fallen from
/// one look to the next. So a probe or a budget that is refilled at once looks stuck while it
/// works.
#[derive(Clone, Debug)]
pub struct DrainWatch {
    patience: u64,
    seen: Option<Seen>,
    is_stuck: bool,
}

/// What was seen last.
#[derive(Clone, Copy, Debug)]
struct Seen {
    instance: usize,
    is_empty: bool,
    progress: Progress,
    /// The first look since when something has waited and nothing was taken.
    since: u64,
}

/// What changes when something is taken.
#[derive(Clone, Copy, Debug)]
enum Progress {
    Dequeued(usize),
    Depth(usize),
}

impl Progress {
    const fn of(snapshot: &QueueSnapshot) -> Self {
        match snapshot.totals {
            Some(totals) => Self::Dequeued(totals.dequeued),
            None => Self::Depth(snapshot.depth),
        }
    }

    /// Whether something was taken between `self` and `now`.
    const fn has_gone_on(self, now: Self) -> bool {
        match (self, now) {
            (Self::Dequeued(before), Self::Dequeued(now)) => before != now,
            (Self::Depth(before), Self::Depth(now)) => now < before,
            _ => true,
        }
    }
}

impl Seen {
    /// Whether something has waited since this look, and nothing was taken.
    fn is_stalled_until(&self, now: &Self) -> bool {
        let is_same = self.instance == now.instance;
        is_same && !self.is_empty && !now.is_empty && !self.progress.has_gone_on(now.progress)
    }
}

impl DrainWatch {
    /// A watch of one queue, which is stuck if for `patience` ticks it
    /// was not empty, and nothing was taken. With 0 it is stuck at each look that finds something
    /// in it.
    pub const fn new(patience: u64) -> Self {
        Self {
            patience,
            seen: None,
            is_stuck: false,
        }
    }

    /// Looks at the queue at `now`. Returns what has begun.
    ///
    /// The clock may wrap at 2^64: widen a narrower one. If it steps back, no time has passed. A
    /// snapshot of another registration begins anew, and tells nothing.
    pub fn poll(&mut self, snapshot: &QueueSnapshot, now: u64) -> Option<Drain> {
        let mut seen = Seen {
            instance: snapshot.instance,
            is_empty: snapshot.depth == 0,
            progress: Progress::of(snapshot),
            since: now,
        };
        let is_same = self
            .seen
            .is_none_or(|before| before.instance == seen.instance);
        if let Some(before) = self.seen.filter(|before| before.is_stalled_until(&seen)) {
            seen.since = before.since;
        }
        self.seen = Some(seen);
        let passed = match now.wrapping_sub(seen.since) {
            // It has stepped back.
            beyond if beyond > u64::MAX / 2 => 0,
            passed => passed,
        };
        let is_stuck = !seen.is_empty && passed >= self.patience;
        let was_stuck = mem::replace(&mut self.is_stuck, is_stuck) && is_same;
        match (was_stuck, is_stuck) {
            (false, true) => Some(Drain::Stuck),
            (true, false) => Some(Drain::Draining),
            _ => None,
        }
    }

    /// The first look since when nothing was taken, if the queue is stuck now.
    pub const fn stuck_since(&self) -> Option<u64> {
        match self.seen {
            Some(seen) if self.is_stuck => Some(seen.since),
            _ => None,
        }
    }
}
