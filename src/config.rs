//! What a gauge is made from.

use crate::limit::Limit;
use crate::thresholds::{PointRules, Thresholds, TripPoints};

/// The settings of a gauge: what it watches, its capacity, its thresholds, and whether it is the
/// gauge of a queue.
///
/// [`Gauge::for_queue`](crate::Gauge::for_queue), [`Gauge::new`](crate::Gauge::new) and
/// [`QueueRegistry::register`](crate::QueueRegistry::register) take a limit and a capacity.
/// `Gauge::with_config` and `QueueRegistry::register_with` take this.
///
/// ```
/// use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
///
/// static FRAMES: Limit = Limit::queue("frames");
///
/// const EARLY: Thresholds = match Thresholds::new(60, 20) {
///     Ok(thresholds) => thresholds,
///     Err(_) => panic!("re-arm is below warn"),
/// };
/// static GAUGE: Gauge =
///     Gauge::with_config(GaugeConfig::for_queue(&FRAMES, 64).thresholds(EARLY));
///
/// GAUGE.record_enqueue_n(39);
/// assert!(GAUGE.has_warned());
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[must_use]
pub struct GaugeConfig {
    pub(crate) limit: &'static Limit,
    capacity: usize,
    thresholds: Thresholds,
    pub(crate) for_queue: bool,
    /// Capacity 0 is a bound, and not none.
    zero_is_bound: bool,
}

impl GaugeConfig {
    /// For a queue of `capacity` items, with the default thresholds: every item that is recorded
    /// out is recorded in, in either order.
    ///
    /// A queue is recorded after the item has moved. A consumer on another thread, or in an
    /// interrupt handler, may therefore record its dequeue before the producer has recorded the
    /// enqueue. This gauge keeps the dequeue and sets it off against the enqueue when that comes.
    /// Meanwhile its depth reads between 0 and the capacity, both included.
    ///
    /// Capacity 0 means unbounded.
    ///
    /// ```
    /// use fillgauge::{Gauge, GaugeConfig, Limit};
    ///
    /// static TX: Gauge = Gauge::with_config(GaugeConfig::for_queue(&Limit::queue("tx"), 10));
    ///
    /// TX.record_dequeue(); // by a consumer that was quick
    /// TX.record_enqueue();
    /// assert_eq!(TX.depth(), 0);
    /// ```
    #[doc(alias = "paired")]
    pub const fn for_queue(limit: &'static Limit, capacity: usize) -> Self {
        Self::new(limit, capacity).paired()
    }

    /// For a rendezvous: a queue without room, where each item waits for its consumer. The totals
    /// are counted. Depth and high-water mark are 0, and no event ever comes.
    ///
    /// ```
    /// use fillgauge::{Gauge, GaugeConfig, Limit};
    ///
    /// static HANDSHAKE: Gauge =
    ///     Gauge::with_config(GaugeConfig::rendezvous(&Limit::queue("handshake")));
    ///
    /// HANDSHAKE.record_enqueue();
    /// assert_eq!((HANDSHAKE.depth(), HANDSHAKE.enqueued()), (0, 1));
    /// ```
    pub const fn rendezvous(limit: &'static Limit) -> Self {
        Self {
            zero_is_bound: true,
            ..Self::for_queue(limit, 0)
        }
    }

    /// For a limit that is no queue, of `capacity` bytes (or permits, or whatever it counts), with
    /// the default thresholds. What leaves beyond the depth is ignored.
    ///
    /// Capacity 0 means unbounded.
    pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
        Self {
            limit,
            capacity,
            thresholds: Thresholds::DEFAULT,
            for_queue: false,
            zero_is_bound: false,
        }
    }

    /// Thresholds of its own.
    pub const fn thresholds(self, thresholds: Thresholds) -> Self {
        Self { thresholds, ..self }
    }

    /// The same settings for a queue, as of [`for_queue`](Self::for_queue).
    pub const fn paired(self) -> Self {
        Self {
            for_queue: true,
            ..self
        }
    }

    /// The same settings for a budget.
    pub(crate) const fn enforced(self) -> Self {
        Self {
            for_queue: false,
            zero_is_bound: true,
            ..self
        }
    }

    /// The same settings for a probe, whose depths are read and not recorded late.
    pub(crate) const fn uncounted(self) -> Self {
        Self {
            for_queue: false,
            zero_is_bound: false,
            ..self
        }
    }

    /// The limit that the gauge is to watch.
    pub const fn limit(&self) -> &'static Limit {
        self.limit
    }

    pub(crate) const fn rules(&self) -> PointRules {
        PointRules::new(self.thresholds, self.zero_is_bound)
    }

    #[inline]
    pub(crate) const fn points(&self) -> TripPoints {
        if self.is_unbounded() {
            TripPoints::NONE
        } else {
            TripPoints::of(self.capacity, self.thresholds)
        }
    }

    /// Depths above the capacity are to read as the capacity.
    #[inline]
    pub(crate) const fn clamps(&self) -> bool {
        self.for_queue && !self.is_unbounded()
    }

    const fn is_unbounded(&self) -> bool {
        self.capacity == 0 && !self.zero_is_bound
    }
}
