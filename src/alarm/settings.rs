//! The capacity and the thresholds of an alarm, which change at run time.
//!
//! # The words
//!
//! ```text
//! capacity · rules                what was set
//! warn_depth · rearm_depth        what follows from these two, for records to compare with
//! ```
//!
//! Each of the first two is stored at once. The points are stored one after the other. While that
//! is in progress, a check may find points of which each edge leads to the other. It ends there,
//! and the thread that changes them checks afterwards.

use super::Alarm;
use super::state::AlarmState;
use crate::thresholds::Thresholds;

impl<D> Alarm<D> {
    /// Stores another capacity.
    pub(crate) fn set_capacity(&self, capacity: usize) {
        // More may be in a queue than it has room for afterwards, and stay.
        self.state.clear_bits(AlarmState::CLAMPS);
        self.capacity.set(capacity);
        self.store_points();
    }

    /// Stores other thresholds.
    pub(crate) fn set_thresholds(&self, thresholds: Thresholds) {
        self.identity
            .change_rules(|rules| rules.with_thresholds(thresholds));
        self.store_points();
    }

    /// Stores the points that follow from the capacity and the rules, until those are as they were
    /// before.
    ///
    /// Of several changes at once, take the last store of a point. What its thread reads afterwards
    /// leads to the same point. It has missed no change: the thread of that change would store the
    /// point later. Lock-free: a turn repeats only if there was another change.
    fn store_points(&self) {
        let read = || {
            let rules = self.identity.rules_after_change();
            (rules, self.capacity.get_after_change())
        };
        let mut before = read();
        loop {
            let (rules, capacity) = before;
            let points = rules.points(capacity);
            self.warn_depth.set(points.warn_depth);
            self.rearm_depth.set(points.rearm_depth);
            let now = read();
            if now == before {
                return;
            }
            before = now;
        }
    }
}
