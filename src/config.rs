//! What a gauge is made from.

use crate::alarm::state::TripPoints;
use crate::limit::Limit;
use crate::thresholds::Thresholds;

/// The settings of a gauge: what it watches, its capacity, its thresholds, and how its dequeues are recorded.
///
/// [`Gauge::new`](crate::Gauge::new) and [`QueueRegistry::register`](crate::QueueRegistry::register) take a limit and a
/// capacity, which is all that most gauges need; `Gauge::with_config` and `QueueRegistry::register_with` take this.
///
/// ```
/// use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
///
/// static LOG_BYTES: Limit = Limit::memory("log_bytes");
///
/// const EARLY: Thresholds = match Thresholds::new(60, 20) {
///     Ok(thresholds) => thresholds,
///     Err(_) => panic!("re-arm is below warn"),
/// };
/// static GAUGE: Gauge = Gauge::with_config(GaugeConfig::new(&LOG_BYTES, 4096).thresholds(EARLY));
///
/// GAUGE.record_enqueue_n(2_458);
/// assert!(GAUGE.has_warned());
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct GaugeConfig {
    pub(crate) limit: &'static Limit,
    pub(crate) capacity: usize,
    pub(crate) thresholds: Thresholds,
    pub(crate) paired: bool,
}

impl GaugeConfig {
    /// A gauge of `limit` with `capacity` items (or bytes, or whatever the limit counts; 0 is unbounded unless the gauge is
    /// paired), the default thresholds, and dequeues that saturate at depth 0.
    pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
        Self {
            limit,
            capacity,
            thresholds: Thresholds::DEFAULT,
            paired: false,
        }
    }

    /// Thresholds of its own.
    pub const fn thresholds(self, thresholds: Thresholds) -> Self {
        Self { thresholds, ..self }
    }

    /// For a queue whose every dequeue has its enqueue, such as a channel that is wrapped.
    ///
    /// A wrapper can record an enqueue only when the item is in the queue already, so that a quick consumer may record
    /// its dequeue before. A paired gauge keeps such a dequeue and sets it off against the enqueue when that comes,
    /// where another gauge would ignore it as a stray. Its depth and its high-water mark read between 0 and the capacity,
    /// both included, while such records are under way. With capacity 0, the queue being a rendezvous, they read 0.
    pub const fn paired(self) -> Self {
        Self {
            paired: true,
            ..self
        }
    }

    pub(crate) const fn points(&self) -> TripPoints {
        let capacity = self.capacity;
        TripPoints {
            capacity,
            warn_depth: match capacity {
                // A rendezvous: every depth is near the capacity, so that it is looked at and clamped.
                0 if self.paired => 0,
                _ => self.thresholds.warn_depth(capacity),
            },
            rearm_depth: self.thresholds.rearm_depth(capacity),
        }
    }
}
