//! One word of what is in use, and an alarm.
//!
//! # The words
//!
//! ```text
//! alarm       state · window_mark · earlier_mark · refused · capacity · warn_depth · rearm_depth ·
//!             ..
//! used        what is in use
//! ```
//!
//! All but the earlier mark and the count of refusals are sequentially consistent.
//!
//! # Who checks
//!
//! | what changed the use last | who checks afterwards |
//! |---|---|
//! | a request that was admitted | its thread, unless no rising edge can be due |
//! | a reservation that ended | its thread, unless no falling edge can be due |
//!
//! No rising edge can be due below the warn point, or below the capacity once it has warned. No
//! falling edge can be due above the re-arm point, or while it is armed. Each thread knows the use
//! exactly: its own compare-and-swap or addition made it. It loads the points and the state after
//! that.
//!
//! # Admission
//!
//! A request reads the use and then the capacity. It is refused if it does not fit into those two.
//! It is admitted by one compare-and-swap of the use, from the value that it has compared. So the
//! use never exceeds the capacity that the request has read. Nothing is added that is taken back:
//! no request ever sees the overshoot of another.

use core::fmt;

use super::{LimitExceeded, Reservation};
use crate::alarm::delivery::{Caller, Deliver};
use crate::alarm::state::AlarmState;
use crate::alarm::{Alarm, DepthSource, Reading};
use crate::snapshot::QueueSnapshot;
use crate::sync::SeqCstUsize;
use crate::thresholds::Thresholds;

/// The words of a budget, wherever they are.
pub(crate) struct Account<'budget, D> {
    alarm: &'budget Alarm<D>,
    used: &'budget SeqCstUsize,
}

impl<D> Clone for Account<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Account<'_, D> {}

impl<'budget, D> Account<'budget, D> {
    #[inline]
    pub(crate) const fn new(alarm: &'budget Alarm<D>, used: &'budget SeqCstUsize) -> Self {
        Self { alarm, used }
    }

    /// Whether both are of the same budget.
    #[inline]
    pub(crate) fn is(self, other: Self) -> bool {
        core::ptr::eq(self.used, other.used)
    }

    #[inline]
    pub(crate) fn used(self) -> usize {
        self.used.get()
    }

    pub(crate) fn fmt_as(self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name)
            .field("limit", self.alarm.limit())
            .field("used", &self.used())
            .field("high_water", &self.alarm.high_water())
            .field("capacity", &self.alarm.capacity())
            .finish_non_exhaustive()
    }

    pub(crate) fn remaining(self) -> usize {
        // In this order, as a request reads them.
        let used = self.used.get();
        self.alarm.capacity().saturating_sub(used)
    }

    pub(crate) fn snapshot(self) -> QueueSnapshot {
        let state = self.alarm.state();
        let reading = self.reading();
        self.alarm
            .snapshot_from(state, reading, self.alarm.capacity())
    }

    fn reading(self) -> Reading {
        Reading {
            depth: self.used.get(),
            totals: None,
        }
    }
}

impl<'budget, D: Deliver> Account<'budget, D> {
    // Always: out of line, the result goes through memory, which takes longer than all the rest.
    #[inline(always)]
    pub(crate) fn try_reserve(self, n: usize) -> Result<Reservation<'budget, D>, LimitExceeded> {
        let alarm = self.alarm;
        // A load that follows a locked instruction waits for it. This one may come before: who
        // leaves an event pending later also has it delivered.
        let takes_over = alarm.must_deliver_now(Caller::Delivers);
        let mut used = self.used.get();
        loop {
            let capacity = self.alarm.capacity();
            if n > capacity.saturating_sub(used) {
                return Err(self.refuse(n, used, capacity));
            }
            // It fits, so it is no more than the capacity.
            let sum = used.wrapping_add(n);
            match self.used.compare_exchange(used, sum) {
                Ok(()) => {
                    // First the reservation: it gives back if a sink panics.
                    let reservation = Reservation::new(self, n);
                    let warn_depth = alarm.warn_depth();
                    alarm.raise_mark_if_new(sum);
                    if sum >= warn_depth && alarm.may_rise_to(sum) || takes_over {
                        self.check();
                    }
                    return Ok(reservation);
                }
                Err(now) => used = now,
            }
        }
    }

    #[cold]
    fn refuse(self, requested: usize, used: usize, capacity: usize) -> LimitExceeded {
        self.alarm.add_refused(1);
        LimitExceeded::new(self.alarm.limit(), requested, used, capacity)
    }

    /// Gives back `n`, in a destructor.
    #[inline]
    pub(crate) fn release(self, n: usize) {
        let used = self.used.add_fetch(n.wrapping_neg());
        let (alarm, caller) = (self.alarm, Caller::Defers);
        let state = alarm.state();
        if state.has_warned() && used <= alarm.rearm_depth()
            || Alarm::<D>::must_deliver(state, caller)
        {
            alarm.check(&self, caller);
        }
    }

    pub(crate) fn take_window_peak(self) -> usize {
        self.alarm.take_window(|| self.depth())
    }

    pub(crate) fn set_capacity(self, capacity: usize) {
        self.alarm.set_capacity(capacity);
        self.check();
    }

    pub(crate) fn set_thresholds(self, thresholds: Thresholds) {
        self.alarm.set_thresholds(thresholds);
        self.check();
    }

    pub(crate) fn check(self) {
        self.alarm.check(&self, Caller::Delivers);
    }
}

impl<D> DepthSource for Account<'_, D> {
    #[inline]
    fn read(&self, _state: AlarmState) -> Option<Reading> {
        Some(self.reading())
    }

    fn depth(&self) -> usize {
        self.used.get()
    }
}
