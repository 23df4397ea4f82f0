//! What a gauge is made from.

use core::marker::PhantomData;

use crate::alarm::delivery::StaticSink;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::thresholds::{PointRules, Thresholds, TripPoints};

/// The settings of a gauge: what it watches, its capacity, its thresholds, whether it is the gauge
/// of a queue, and what receives its events.
///
/// [`Gauge::for_queue`](crate::Gauge::for_queue), [`Gauge::new`](crate::Gauge::new) and
/// [`QueueRegistry::register`](crate::QueueRegistry::register) take a limit and a capacity.
/// `Gauge::with_config` and `QueueRegistry::register_with` take this. A type of yours that wraps a
/// gauge takes it too, in a `const fn`:
///
/// ```
/// use fillgauge::{Gauge, GaugeConfig, Limit, LimitEvent};
///
/// struct Mailbox {
///     gauge: Gauge,
///     // and the queue
/// }
///
/// impl Mailbox {
///     const fn new<S>(config: GaugeConfig<S>) -> Self {
///         Self { gauge: Gauge::with_config(config) }
///     }
/// }
///
/// fn blink(event: &LimitEvent) {
///     // a light
/// }
///
/// static MAIL: Mailbox =
///     Mailbox::new(GaugeConfig::for_queue(&Limit::queue("mail"), 10).with_sink(&blink));
/// # assert_eq!(MAIL.gauge.capacity(), 10);
/// ```
///
/// The type parameter says whether it has a [sink](Self::with_sink).
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
pub struct GaugeConfig<S = NoSink> {
    pub(crate) limit: &'static Limit,
    capacity: usize,
    thresholds: Thresholds,
    pub(crate) for_queue: bool,
    /// Capacity 0 is a bound, and not none.
    zero_is_bound: bool,
    sink: StaticSink,
    has_sink: PhantomData<S>,
}

/// Of a [`GaugeConfig`] without a sink.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum NoSink {}

/// Of a [`GaugeConfig`] with a sink. What has sinks of its own does not take it, such as a
/// registry.
///
/// ```compile_fail,E0308
/// # use fillgauge::{GaugeConfig, Limit, LimitEvent, QueueRegistry};
/// # static FRAMES: Limit = Limit::queue("frames");
/// # static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
/// # fn blink(_event: &LimitEvent) {}
/// let _ = REGISTRY.register_with(GaugeConfig::new(&FRAMES, 8).with_sink(&blink));
/// ```
#[derive(Clone, Copy, Debug)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum WithSink {}

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
            sink: StaticSink::NONE,
            has_sink: PhantomData,
        }
    }

    /// The receiver of the events; see [`LimitSink`] for an example.
    ///
    /// The gauges of a [`QueueRegistry`](crate::QueueRegistry) have the sink of the registry: it
    /// takes no settings with a sink.
    pub const fn with_sink(self, sink: &'static dyn LimitSink) -> GaugeConfig<WithSink> {
        self.receiving(StaticSink::new(Some(sink)))
    }
}

impl<S> GaugeConfig<S> {
    const fn receiving<R>(self, sink: StaticSink) -> GaugeConfig<R> {
        GaugeConfig {
            limit: self.limit,
            capacity: self.capacity,
            thresholds: self.thresholds,
            for_queue: self.for_queue,
            zero_is_bound: self.zero_is_bound,
            sink,
            has_sink: PhantomData,
        }
    }

    /// The settings without the sink, and the sink: for a crate whose gauges receive their events
    /// in another way, see [`Gauge::with_delivery`](crate::Gauge::with_delivery).
    pub const fn into_parts(self) -> (GaugeConfig, Option<&'static dyn LimitSink>) {
        let sink = self.sink.get();
        (self.receiving(StaticSink::NONE), sink)
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
