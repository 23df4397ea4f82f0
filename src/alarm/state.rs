//! The state of an alarm: a word of named bits, and when it may change. Pure; `alarm` moves it
//! atomically.

use crate::config::GaugeConfig;
use crate::event::Edge;
use crate::thresholds::TripPoints;

/// A value of the state word. All zero is armed, with no warning so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlarmState(pub(crate) usize);

impl AlarmState {
    /// Has warned and not yet recovered; otherwise armed.
    const WARNED: usize = 1;
    /// Has reached the capacity since it warned.
    const FULL: usize = 1 << 1;
    /// A thread owns the event of the last edge, to deliver it. Until it has ended no other thread
    /// crosses an edge, and the thread that ended it checks again.
    pub(crate) const RUNNING: usize = 1 << 2;
    /// No thread owns the event of the last edge. The thread that takes it over sets RUNNING
    /// instead. Until then no edge is crossed.
    pub(crate) const PENDING: usize = 1 << 3;
    /// A sink panicked. The next operation checks, and clears this first.
    pub(crate) const UNCHECKED: usize = 1 << 4;
    /// Kept for a gauge: a thread repeats a correction that met another one.
    pub(crate) const CORRECTING: usize = 1 << 5;
    /// Kept for a gauge: another thread relies on one more repetition.
    pub(crate) const AGAIN: usize = 1 << 6;
    /// Kept for a gauge: every dequeue has its enqueue, in either order of records.
    const FOR_QUEUE: usize = 1 << 7;
    /// Kept for a gauge: depths above the capacity read as the capacity.
    pub(crate) const CLAMPS: usize = 1 << 8;
    /// The rest counts warnings.
    const ONE_WARNING: usize = 1 << 9;

    /// All zero.
    pub(crate) const VACANT: Self = Self::new(false, false);

    const fn new(for_queue: bool, clamps: bool) -> Self {
        let for_queue = if for_queue { Self::FOR_QUEUE } else { 0 };
        let clamps = if clamps { Self::CLAMPS } else { 0 };
        Self(for_queue | clamps)
    }

    /// That of a new alarm.
    #[inline]
    pub(crate) const fn of(config: &GaugeConfig) -> Self {
        Self::new(config.for_queue, config.clamps())
    }

    pub(crate) const fn has_warned(self) -> bool {
        self.0 & Self::WARNED != 0
    }

    /// Has reached the capacity since it warned.
    pub(crate) const fn is_full(self) -> bool {
        self.0 & Self::FULL != 0
    }

    pub(crate) const fn is_running(self) -> bool {
        self.0 & Self::RUNNING != 0
    }

    pub(crate) const fn is_pending(self) -> bool {
        self.0 & Self::PENDING != 0
    }

    /// Never, where a panic ends the program.
    pub(crate) const fn is_unchecked(self) -> bool {
        cfg!(panic = "unwind") && self.0 & Self::UNCHECKED != 0
    }

    pub(crate) const fn is_for_queue(self) -> bool {
        self.0 & Self::FOR_QUEUE != 0
    }

    pub(crate) const fn clamps(self) -> bool {
        self.0 & Self::CLAMPS != 0
    }

    pub(crate) const fn warnings(self) -> usize {
        self.0 / Self::ONE_WARNING
    }

    /// The edge that is due in this state at `depth`.
    #[inline]
    pub(crate) const fn pending_edge(self, depth: usize, points: TripPoints) -> Option<Edge> {
        if !self.has_warned() {
            if depth >= points.warn_depth {
                Some(Edge::NearCapacity)
            } else {
                None
            }
        } else if depth <= points.rearm_depth {
            Some(Edge::Recovered)
        } else if depth >= points.capacity && !self.is_full() {
            Some(Edge::Full)
        } else {
            None
        }
    }

    /// The state after the pending event was taken over.
    pub(crate) const fn taken_over(self) -> Self {
        Self(self.0 & !Self::PENDING | Self::RUNNING)
    }

    /// The state of an alarm that somebody is about to check.
    pub(crate) const fn checked(self) -> Self {
        Self(self.0 & !Self::UNCHECKED)
    }

    /// The state after `edge`. It differs from every earlier one until the count of warnings wraps,
    /// so that a compare-and-swap on it cannot use evidence of another state.
    #[inline]
    pub(crate) const fn after(self, edge: Edge) -> Self {
        Self(match edge {
            Edge::NearCapacity => self.0.wrapping_add(Self::ONE_WARNING) | Self::WARNED,
            Edge::Full => self.0 | Self::FULL,
            Edge::Recovered => self.0 & !(Self::WARNED | Self::FULL),
        })
    }

    /// The state while the caller owns the event of the last edge.
    #[inline]
    pub(crate) const fn running(self) -> Self {
        Self(self.0 | Self::RUNNING)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limit::Limit;

    const POINTS: TripPoints = TripPoints {
        capacity: 10,
        warn_depth: 8,
        rearm_depth: 5,
    };

    #[test]
    fn the_edge_that_is_due_follows_from_state_and_depth() {
        let armed = AlarmState::VACANT;
        let warned = armed.after(Edge::NearCapacity);
        let full = warned.after(Edge::Full);
        for depth in 0..=12 {
            let expected = match depth {
                0..=5 => [None, Some(Edge::Recovered), Some(Edge::Recovered)],
                6..=7 => [None, None, None],
                8..=9 => [Some(Edge::NearCapacity), None, None],
                _ => [Some(Edge::NearCapacity), Some(Edge::Full), None],
            };
            assert_eq!(
                [armed, warned, full].map(|state| state.pending_edge(depth, POINTS)),
                expected
            );
        }
    }

    #[test]
    fn no_edge_is_due_without_a_bound() {
        static LIMIT: Limit = Limit::queue("queue");
        for config in [
            GaugeConfig::new(&LIMIT, 0),
            GaugeConfig::for_queue(&LIMIT, 0),
            GaugeConfig::rendezvous(&LIMIT),
        ] {
            for depth in [0, 8, usize::MAX - 1] {
                let state = AlarmState::of(&config);
                assert_eq!(state.pending_edge(depth, config.points()), None);
            }
        }
    }

    #[test]
    fn no_state_comes_back_over_many_warnings() {
        for for_queue in [false, true] {
            let mut state = AlarmState::new(for_queue, for_queue);
            let mut seen = std::collections::HashSet::new();
            for warnings in 1..=100 {
                for edge in [Edge::NearCapacity, Edge::Full, Edge::Recovered] {
                    state = state.after(edge);
                    assert!(seen.insert(state.running().0) && seen.insert(state.0));
                    assert!(state.running().is_running() && !state.is_running());
                    assert_eq!(state.warnings(), warnings);
                    assert_eq!(state.has_warned(), edge != Edge::Recovered);
                    assert_eq!(state.is_for_queue(), for_queue);
                }
            }
        }
    }
}
