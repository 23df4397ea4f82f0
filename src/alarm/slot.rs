//! The alarm of a gauge in a slot of a registry.

use super::Alarm;
use super::state::AlarmState;
use crate::config::GaugeConfig;
use crate::sync::{Ordering, fence};

/// Life in a slot of a registry, for which `instance` is the version of a sequence lock: 0 while
/// the slot is free.
impl<D> Alarm<D> {
    /// Settings and state for a new gauge, which snapshots then see.
    #[inline]
    pub(crate) fn activate(&self, config: &GaugeConfig, instance: usize) {
        let points = config.points();
        self.state.reset(AlarmState::of(config).0);
        self.window_mark.reset(0);
        self.earlier_mark.reset(0);
        self.refused.reset(0);
        self.capacity.reset(points.capacity);
        self.warn_depth.reset(points.warn_depth);
        self.rearm_depth.reset(points.rearm_depth);
        self.limit.reset(config.limit);
        // Pairs with the first load in `read_if_live`: a thread that loads the number sees what was
        // reset before.
        self.identity.publish(instance, config.rules());
    }

    /// Hides the slot from snapshots, before it is given back.
    pub(crate) fn deactivate(&self) {
        // Relaxed is enough: the slot is given back by a release, and `activate` comes after its
        // acquire.
        self.identity.withdraw();
    }

    /// What `read` returns, if the slot holds one and the same gauge from beginning to end.
    #[inline]
    pub(crate) fn read_if_live<R>(&self, read: impl FnOnce() -> R) -> Option<R> {
        // Pairs with the store in `activate`.
        let instance = self.instance();
        if instance == 0 {
            return None;
        }
        let figures = read();
        // If a load above returned anything of a later registration, it was a `reset`, or a later
        // read-modify-write in the release sequence of one. Through this fence that `reset` happens
        // before the load below, and so does the `deactivate` before it: the load returns another
        // number.
        fence(Ordering::Acquire);
        let unchanged = self.instance() == instance;
        unchanged.then_some(figures)
    }
}
