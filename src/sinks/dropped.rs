//! How many events were dropped.

use core::fmt;

use crate::event::LimitEventKind;

/// How many events of each kind an [`EventLog`](crate::EventLog) has dropped.
///
/// ```
/// use fillgauge::{EventLog, Gauge, Limit, LimitEventKind, LogEntry};
///
/// static LOG: EventLog<2> = EventLog::new();
/// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 10).with_sink(&LOG);
///
/// for _ in 0..2 {
///     TX.record_enqueue_n(8);
///     TX.record_dequeue_n(8);
/// }
/// let Some(LogEntry::Dropped(dropped)) = LOG.pop() else { panic!("two were dropped") };
/// assert_eq!(dropped.of(LimitEventKind::NearCapacity), 1);
/// assert_eq!(dropped.total(), 2);
/// assert_eq!(dropped.to_string(), "1 near_capacity, 1 recovered dropped");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct DroppedEvents {
    near_capacity: usize,
    full: usize,
    recovered: usize,
    exhausted: usize,
}

impl DroppedEvents {
    pub(super) const NONE: Self = Self {
        near_capacity: 0,
        full: 0,
        recovered: 0,
        exhausted: 0,
    };

    pub(super) fn count(&mut self, kind: LimitEventKind) {
        let count = match kind {
            LimitEventKind::NearCapacity => &mut self.near_capacity,
            LimitEventKind::Full => &mut self.full,
            LimitEventKind::Recovered => &mut self.recovered,
            LimitEventKind::Exhausted => &mut self.exhausted,
        };
        *count = count.saturating_add(1);
    }

    /// Of one kind.
    pub const fn of(&self, kind: LimitEventKind) -> usize {
        match kind {
            LimitEventKind::NearCapacity => self.near_capacity,
            LimitEventKind::Full => self.full,
            LimitEventKind::Recovered => self.recovered,
            LimitEventKind::Exhausted => self.exhausted,
        }
    }

    /// Of all kinds together. It stops at `usize::MAX`.
    pub const fn total(&self) -> usize {
        self.near_capacity
            .saturating_add(self.full)
            .saturating_add(self.recovered)
            .saturating_add(self.exhausted)
    }
}

/// Each kind of which there are any, as in `2 near_capacity, 3 recovered dropped`.
impl fmt::Display for DroppedEvents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for kind in LimitEventKind::ALL {
            match self.of(kind) {
                0 => {}
                events => {
                    write!(f, "{separator}{events} {kind}")?;
                    separator = ", ";
                }
            }
        }
        let none = if separator.is_empty() { "none" } else { "" };
        write!(f, "{none} dropped")
    }
}
