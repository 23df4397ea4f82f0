//! Operations that deliver nothing on their own thread.

use super::Gauge;
use crate::alarm::delivery::{Caller, Deliver, StaticSink};

/// A gauge for operations that must not be held up by what receives its events, from
/// [`Gauge::deferred`]: what takes out of a queue, and what runs in a destructor.
///
/// An operation records the same, and leaves its event pending instead of delivering it. It takes
/// over no pending event either. A gauge with a static sink has no other thread, and delivers all
/// the same.
///
/// ```
/// use fillgauge::{Gauge, Limit};
///
/// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
///
/// TX.record_enqueue_n(3);
/// TX.deferred().record_dequeue();
/// assert_eq!(TX.depth(), 2);
/// ```
#[derive(Debug)]
pub struct Deferred<'gauge, D = StaticSink> {
    pub(super) gauge: &'gauge Gauge<D>,
}

impl<D> Clone for Deferred<'_, D> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<D> Copy for Deferred<'_, D> {}

impl<D: Deliver> Deferred<'_, D> {
    /// As [`Gauge::record_dequeue`].
    #[inline]
    pub fn record_dequeue(self) {
        self.gauge.dequeue(1, Caller::Defers);
    }

    /// As [`Gauge::record_dequeue_n`].
    #[inline]
    pub fn record_dequeue_n(self, n: usize) {
        self.gauge.dequeue_n(n, Caller::Defers);
    }

    /// As [`Gauge::record_clear`].
    #[inline]
    pub fn record_clear(self) {
        self.gauge.dequeue_saturating(usize::MAX, Caller::Defers);
    }
}
