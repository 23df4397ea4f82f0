//! A capacity and thresholds that change at run time.

use super::Gauge;
use crate::alarm::DepthSource;
use crate::alarm::delivery::{Caller, Deliver};
use crate::thresholds::Thresholds;

/// Settings that change.
impl<D: Deliver> Gauge<D> {
    /// Changes the capacity, for instance when a pool has grown or shrunk.
    ///
    /// The points follow: with the default thresholds the gauge warns at 80 % of the new capacity,
    /// and is armed again at 50 % of it. This call warns or recovers if the depth is beyond such a
    /// point. An operation that overlaps the call goes by the old or the new capacity. Several
    /// changes may be made at once: one of them comes last.
    ///
    /// Capacity 0 means unbounded, unless the gauge is [a
    /// rendezvous](crate::GaugeConfig::rendezvous). A queue may have more in it than a smaller
    /// capacity has room for. So the depth of a queue may read above its capacity once that was
    /// changed, also for a moment while records are in progress.
    ///
    /// Lock-free: it repeats a step only if another change came between. Then the sink.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static POOL: Gauge = Gauge::new(&Limit::resource("connections"), 10);
    ///
    /// POOL.record_enqueue_n(8);
    /// assert!(POOL.has_warned());
    /// POOL.set_capacity(20);
    /// assert!(!POOL.has_warned(), "8 of 20 are 40 %");
    /// ```
    pub fn set_capacity(&self, capacity: usize) {
        self.alarm.set_capacity(capacity);
        // A queue may have had more in it than its capacity before, and shows that now.
        if let Some(reading) = self.read(self.alarm.state()) {
            self.alarm.raise_mark(reading.depth);
        }
        self.alarm.check(self, Caller::Delivers);
    }

    /// Changes the thresholds. What is said of [`set_capacity`](Self::set_capacity) holds here too.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit, Thresholds};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(6);
    /// TX.set_thresholds(Thresholds::new(60, 20)?);
    /// assert!(TX.has_warned());
    /// # Ok::<(), fillgauge::ThresholdsError>(())
    /// ```
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.alarm.set_thresholds(thresholds);
        self.alarm.check(self, Caller::Delivers);
    }
}
