//! The edge latch of a gauge: a word of named bits, and when it may change. Pure; `gauge` moves it atomically.

use crate::event::Edge;

/// The depths at which something happens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TripPoints {
    /// 0 for unbounded: then nothing ever happens.
    pub(crate) capacity: usize,
    pub(crate) warn_depth: usize,
    pub(crate) rearm_depth: usize,
}

/// A value of the latch word. All zero is armed, with no warning so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AlarmState(pub(crate) usize);

impl AlarmState {
    /// Has warned and not yet recovered; otherwise armed.
    const WARNED: usize = 1;
    /// Has reached the capacity since it warned.
    const FULL: usize = 1 << 1;
    /// A thread owns the event of the last edge, to deliver it. Until it has ended nobody else
    /// moves the latch, and the thread that ended it checks again.
    pub(crate) const RUNNING: usize = 1 << 2;
    /// Nobody owns the event of the last edge. The thread that takes it over sets RUNNING instead.
    /// Until then the latch does not move.
    pub(crate) const PENDING: usize = 1 << 3;
    /// `observe_depth` was used: `enqueued` may go backwards.
    pub(crate) const SAMPLED: usize = 1 << 4;
    /// Every dequeue has its enqueue.
    const PAIRED: usize = 1 << 5;
    /// The rest counts warnings.
    const ONE_WARNING: usize = 1 << 6;

    pub(crate) const fn new(paired: bool) -> Self {
        Self(if paired { Self::PAIRED } else { 0 })
    }

    pub(crate) const fn has_warned(self) -> bool {
        self.0 & Self::WARNED != 0
    }

    pub(crate) const fn is_running(self) -> bool {
        self.0 & Self::RUNNING != 0
    }

    pub(crate) const fn is_pending(self) -> bool {
        self.0 & Self::PENDING != 0
    }

    pub(crate) const fn is_sampled(self) -> bool {
        self.0 & Self::SAMPLED != 0
    }

    pub(crate) const fn is_paired(self) -> bool {
        self.0 & Self::PAIRED != 0
    }

    /// Armed, and never sampled: no dequeue goes over an edge.
    pub(crate) const fn is_quiet(self) -> bool {
        self.0 & (Self::WARNED | Self::SAMPLED) == 0
    }

    pub(crate) const fn warnings(self) -> usize {
        self.0 / Self::ONE_WARNING
    }

    /// The edge that a gauge in this state goes over at `depth`.
    #[inline]
    pub(crate) const fn pending_edge(self, depth: usize, points: TripPoints) -> Option<Edge> {
        if points.capacity == 0 {
            None
        } else if !self.has_warned() {
            if depth >= points.warn_depth {
                Some(Edge::NearCapacity)
            } else {
                None
            }
        } else if depth <= points.rearm_depth {
            Some(Edge::Recovered)
        } else if depth >= points.capacity && self.0 & Self::FULL == 0 {
            Some(Edge::Full)
        } else {
            None
        }
    }

    /// The state after the pending event was taken over.
    pub(crate) const fn taken_over(self) -> Self {
        Self(self.0 & !Self::PENDING | Self::RUNNING)
    }

    /// The state after `edge`. It differs from every earlier one until the count of warnings wraps,
    /// so that a compare-exchange on it cannot use evidence of another state.
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

    const POINTS: TripPoints = TripPoints {
        capacity: 10,
        warn_depth: 8,
        rearm_depth: 5,
    };

    #[test]
    fn every_state_goes_over_the_edge_that_its_depth_asks_for() {
        let armed = AlarmState::new(false);
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
                [armed, warned, full].map(|latch| latch.pending_edge(depth, POINTS)),
                expected
            );
        }
    }

    #[test]
    fn nothing_is_due_without_a_bound() {
        let unbounded = TripPoints {
            capacity: 0,
            ..POINTS
        };
        for state in [
            AlarmState::new(false),
            AlarmState::new(false).after(Edge::NearCapacity),
        ] {
            for depth in [0, 8, usize::MAX] {
                assert_eq!(state.pending_edge(depth, unbounded), None);
            }
        }
    }

    #[test]
    fn no_state_comes_back_over_many_warnings() {
        for paired in [false, true] {
            let mut latch = AlarmState::new(paired);
            let mut seen = std::collections::HashSet::new();
            for warnings in 1..=100 {
                for edge in [Edge::NearCapacity, Edge::Full, Edge::Recovered] {
                    latch = latch.after(edge);
                    assert!(seen.insert(latch.running().0) && seen.insert(latch.0));
                    assert!(latch.running().is_running() && !latch.is_running());
                    assert_eq!(latch.warnings(), warnings);
                    assert_eq!(latch.has_warned(), edge != Edge::Recovered);
                    assert_eq!(latch.is_paired(), paired);
                    assert!(!latch.is_sampled());
                }
            }
        }
    }
}
