//! A guard that gives back.

use core::fmt;
use core::mem;

use super::Gauge;
use crate::alarm::delivery::{Caller, Deliver, StaticSink};

/// What was taken of a limit, from [`Gauge::hold`]. Dropping it gives it back.
///
/// What it gives back is recorded as a [deferred](Gauge::deferred) dequeue: the drop runs no
/// observer, unless the gauge has a static sink. It is lock-free, as such a dequeue. An interrupt
/// handler may drop it, if that sink may run there.
#[must_use = "dropping it gives back what it holds"]
pub struct Hold<'gauge, D: Deliver = StaticSink> {
    gauge: &'gauge Gauge<D>,
    amount: usize,
}

impl<'gauge, D: Deliver> Hold<'gauge, D> {
    #[inline]
    pub(super) fn new(gauge: &'gauge Gauge<D>, n: usize) -> Self {
        let amount = gauge.in_range(n);
        // First the guard: it gives back if a sink panics.
        let hold = Self { gauge, amount };
        gauge.enqueue(amount);
        hold
    }
}

impl<D: Deliver> Hold<'_, D> {
    /// How much it holds: what was asked for, or less at the end of the [range](crate::guarantees).
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Gives back what it holds. The same as dropping it.
    #[inline]
    pub fn release(self) {}

    /// Keeps what it holds, and returns how much that is. Only [`Gauge::record_dequeue_n`] gives it
    /// back.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static PERMITS: Gauge = Gauge::new(&Limit::resource("permits"), 10);
    ///
    /// let amount = PERMITS.hold(3).forget();
    /// assert_eq!((amount, PERMITS.depth()), (3, 3));
    /// PERMITS.record_dequeue_n(amount);
    /// ```
    #[inline]
    pub fn forget(self) -> usize {
        let amount = self.amount;
        mem::forget(self);
        amount
    }
}

impl<D: Deliver> Drop for Hold<'_, D> {
    #[inline]
    fn drop(&mut self) {
        self.gauge.dequeue_n(self.amount, Caller::Defers);
    }
}

impl<D: Deliver> fmt::Debug for Hold<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hold")
            .field("gauge", self.gauge)
            .field("amount", &self.amount)
            .finish()
    }
}
