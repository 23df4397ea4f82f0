//! The gauge: two counters, a high-water mark and an edge latch.
//!
//! # Promises
//!
//! For one gauge, whatever the interleaving of its operations:
//!
//! 1. *Alternation.* The sink receives `NearCapacity` and `Recovered` in strict alternation, starting with
//!    `NearCapacity`, and `Full` only between the two, once.
//! 2. *Soundness.* The depth in an event was the gauge's depth at some instant after the gauge's previous event.
//! 3. *Settledness.* Whenever no operation is under way, a gauge at or above its warn point has warned, and one at or
//!    below its re-arm point is armed.
//! 4. *Conservation.* Whenever no operation is under way, the depth is enqueued less dequeued.
//! 5. *High water.* The mark is at least every depth at which the gauge came to rest and at most the greatest it had.

mod counters;
mod deferred;

use core::fmt;
use core::mem::MaybeUninit;

pub use deferred::Deferred;

use crate::alarm::delivery::{Caller, Deliver, StaticSink};
use crate::alarm::state::{AlarmState, TripPoints};
use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::limit::atomic::AtomicLimit;
use crate::snapshot::QueueSnapshot;
use crate::sync::{AtomicUsize, Ordering, RelaxedUsize, SeqCstUsize, const_fn, fence};
use crate::thresholds::fill_percent;

/// Keeps what different threads write on cache lines of their own: no word of one side is nearer than 128 bytes to one of
/// the other. That is two lines of most processors, since prefetchers fetch lines in pairs, and one of some. Nothing on
/// targets of 32 bits and less, where memory is dear and few have a cache that cores fight over.
///
/// By distance and not by alignment: over-aligned allocations are slower, and gauges come and go. Without a value, so that
/// none is written when they do.
#[derive(Debug)]
struct CacheGap {
    _padding: MaybeUninit<[u8; Self::BYTES]>,
}

impl CacheGap {
    const BYTES: usize = if cfg!(target_pointer_width = "64") {
        120
    } else {
        0
    };
    const NEW: Self = Self {
        _padding: MaybeUninit::uninit(),
    };
}

/// What producers write.
#[derive(Debug)]
struct Producers {
    enqueued: SeqCstUsize,
    /// A value that `dequeued` had.
    cached_dequeued: RelaxedUsize,
}

/// What consumers write.
#[derive(Debug)]
struct Consumers {
    dequeued: SeqCstUsize,
    /// A value that `enqueued` had; a lower bound of it unless the gauge is sampled.
    cached_enqueued: RelaxedUsize,
}

/// What is mostly read.
struct Shared {
    latch: SeqCstUsize,
    high_water: RelaxedUsize,
    capacity: RelaxedUsize,
    warn_depth: RelaxedUsize,
    rearm_depth: RelaxedUsize,
    /// 0 in a slot that is free, or about to be claimed.
    instance: AtomicUsize,
    limit: AtomicLimit,
}

/// The usage gauge of one bounded queue or limit.
///
/// It counts what goes in and out ([`record_enqueue`](Self::record_enqueue),
/// [`record_dequeue`](Self::record_dequeue)), or is told the depth ([`observe_depth`](Self::observe_depth)). When the
/// fill reaches the warn threshold (80 %) its sink receives one event, before the queue is full; when it has drained to
/// the re-arm threshold (50 %) it receives another, and the gauge may warn again.
///
/// A gauge is a `static` of its own or lives in a slot of a [`QueueRegistry`](crate::QueueRegistry).
///
/// # Progress and interrupts
///
/// Recording never waits for another context, on a target with a compare-exchange. Away from the thresholds an operation is one atomic addition (or swap) and a few loads: wait-free
/// on a target with such an instruction. An operation that finds a threshold passed moves the latch with one
/// compare-exchange and calls the sink; it looks again after each event that it delivered itself, and otherwise leaves
/// that to whoever is delivering. A stray dequeue, or an observation that meets with a dequeue, is made good by a
/// compare-exchange that is tried again, lock-free, if others recorded meanwhile; and so is a new high-water mark where the
/// target has no atomic maximum.
///
/// Every method may be called from an interrupt handler, at any priority, also while it interrupts another operation on the
/// same gauge. On a target without compare-exchange each atomic access is as portable-atomic was told to make it: with
/// interrupts masked for a few instructions, or in a critical section, which waits for the other cores that are in one.
///
/// # What is promised
///
/// Whatever the interleaving: `NearCapacity` and `Recovered` alternate, starting with `NearCapacity`; the depth in an
/// event was the gauge's depth at some instant after the gauge's previous event. And whenever no operation is under way:
/// a gauge at or above its warn point has warned, one at or below its re-arm point is armed; the depth is what was
/// enqueued less what was dequeued; the high-water mark is at least every depth that the gauge came to rest at and at
/// most the greatest it had.
///
/// A crossing that others have undone before the gauge is looked at may go unreported, as may all but the last of those
/// that happen while an event is being delivered. What is counted while an observation is under way may be part of it or
/// not. A sink that panics leaves an edge that came up meanwhile to the next operation.
///
/// # Range
///
/// Depths are exact up to the middle between the capacity and `usize::MAX` (for small capacities, up to `isize::MAX`), and
/// up to seven eighths of `usize::MAX` at most. An operation that would lead further stops there; each is checked for
/// itself, and single enqueues are not. What a [paired](GaugeConfig::paired) gauge is owed is exact up to what that leaves
/// of the word, an eighth of `usize::MAX` at least; it is not checked. While dequeues race with
/// [`record_clear`](Self::record_clear) or an observation, depths above an eighth of `usize::MAX` may be misread. The
/// totals may wrap; a bound that one side of the queue remembers of the other is fooled if a thread sleeps in the middle of
/// an operation while they go round once.
///
/// ```
/// use fillgauge::{Gauge, Limit};
///
/// static UART_RX: Gauge = Gauge::new(&Limit::queue("uart_rx"), 64);
///
/// fn on_rx_interrupt() {
///     UART_RX.record_enqueue();
/// }
/// # on_rx_interrupt();
/// assert_eq!(UART_RX.depth(), 1);
/// ```
#[repr(C)]
pub struct Gauge<D = StaticSink> {
    shared: Shared,
    deliver: D,
    _gap1: CacheGap,
    producers: Producers,
    _gap2: CacheGap,
    consumers: Consumers,
    _gap3: CacheGap,
}

/// Gauges whose events go to a static [`LimitSink`], or nowhere.
impl Gauge {
    const_fn! {
        /// A gauge of `limit` with `capacity` items (or bytes, or whatever the limit counts). Capacity 0 means
        /// unbounded: depth and high-water mark are kept, no event ever comes.
        ///
        /// ```
        /// # use fillgauge::{Gauge, Limit};
        /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
        /// ```
        pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
            Self::with_config(GaugeConfig::new(limit, capacity))
        }
    }

    const_fn! {
        /// A gauge with settings of its own.
        ///
        /// ```
        /// # use fillgauge::{Gauge, GaugeConfig, Limit};
        /// static TX: Gauge = Gauge::with_config(GaugeConfig::new(&Limit::queue("tx"), 10).paired());
        /// ```
        #[inline]
        pub const fn with_config(config: GaugeConfig) -> Self {
            Self::with_delivery(config, StaticSink::NONE)
        }
    }

    const_fn! {
        /// What a free slot holds: all zero.
        pub(crate) const fn vacant() -> Self {
            let points = TripPoints { capacity: 0, warn_depth: 0, rearm_depth: 0 };
            Self::from_parts(AtomicLimit::empty(), points, AlarmState::new(false), StaticSink::NONE)
        }
    }

    /// The same gauge with a receiver of its events; see [`LimitSink`] for an example.
    #[inline]
    #[must_use]
    pub const fn with_sink(mut self, sink: &'static dyn LimitSink) -> Self {
        self.set_sink(sink);
        self
    }

    #[inline]
    pub(crate) const fn set_sink(&mut self, sink: &'static dyn LimitSink) {
        self.deliver.set(sink);
    }
}

/// Gauges that deliver in any way.
impl<D> Gauge<D> {
    const_fn! {
        /// A gauge whose events go through `deliver`: for a crate that delivers them on threads of
        /// its own. See [`Deliver`].
        #[inline(always)]
        pub const fn with_delivery(config: GaugeConfig, deliver: D) -> Self {
            Self::from_parts(
                AtomicLimit::new(config.limit),
                config.points(),
                AlarmState::new(config.paired),
                deliver,
            )
        }
    }

    const_fn! {
        #[inline(always)]
        const fn from_parts(limit: AtomicLimit, points: TripPoints, latch: AlarmState, deliver: D) -> Self {
            Self {
                producers: Producers {
                    enqueued: SeqCstUsize::new(0),
                    cached_dequeued: RelaxedUsize::new(0),
                },
                consumers: Consumers {
                    dequeued: SeqCstUsize::new(0),
                    cached_enqueued: RelaxedUsize::new(0),
                },
                shared: Shared {
                    latch: SeqCstUsize::new(latch.0),
                    high_water: RelaxedUsize::new(0),
                    capacity: RelaxedUsize::new(points.capacity),
                    warn_depth: RelaxedUsize::new(points.warn_depth),
                    rearm_depth: RelaxedUsize::new(points.rearm_depth),
                    instance: AtomicUsize::new(0),
                    limit,
                },
                deliver,
                _gap1: CacheGap::NEW,
                _gap2: CacheGap::NEW,
                _gap3: CacheGap::NEW,
            }
        }
    }

    const_fn! {
        /// The same gauge with an [instance number](Self::instance), for registries that number their gauges.
        ///
        /// ```
        /// # use fillgauge::{Gauge, Limit};
        /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10).with_instance(7);
        ///
        /// assert_eq!(TX.instance(), 7);
        /// ```
        #[inline(always)]
        #[must_use]
        pub const fn with_instance(mut self, instance: usize) -> Self {
            self.shared.instance = AtomicUsize::new(instance);
            self
        }
    }

    /// What delivers the events of the gauge.
    #[inline]
    pub const fn delivery(&self) -> &D {
        &self.deliver
    }

    /// The same, for the owner of the gauge.
    #[inline]
    pub const fn delivery_mut(&mut self) -> &mut D {
        &mut self.deliver
    }
}

/// Records.
impl<D: Deliver> Gauge<D> {
    /// Records that one item has entered the queue.
    ///
    /// Wait-free, but for [edges and new marks](Gauge#progress-and-interrupts).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 5);
    ///
    /// for _ in 0..4 {
    ///     TX.record_enqueue();
    /// }
    /// assert!(TX.has_warned(), "4 of 5 are 80 %");
    /// ```
    #[inline]
    pub fn record_enqueue(&self) {
        self.enqueue(1);
    }

    /// Records that `n` items (or bytes) have entered the queue at once.
    ///
    /// Wait-free, but for [edges and new marks](Gauge#progress-and-interrupts).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX_BYTES: Gauge = Gauge::new(&Limit::memory("tx_bytes"), 1_024);
    ///
    /// TX_BYTES.record_enqueue_n(300);
    /// assert_eq!(TX_BYTES.depth(), 300);
    /// ```
    #[inline]
    pub fn record_enqueue_n(&self, n: usize) {
        let producers = &self.producers;
        let bound = producers
            .enqueued
            .get()
            .wrapping_sub(producers.cached_dequeued.get());
        let room = self.max_depth().saturating_sub(bound);
        if n <= room {
            self.enqueue(n);
        } else {
            self.enqueue_saturating(n);
        }
    }

    /// Records that one item has left the queue. At depth 0 it is a stray and has no effect, unless the gauge is
    /// [paired](GaugeConfig::paired).
    ///
    /// Wait-free, but for [edges, strays and new marks](Gauge#progress-and-interrupts).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 5);
    ///
    /// TX.record_dequeue();
    /// TX.record_enqueue();
    /// assert_eq!(TX.depth(), 1, "the stray dequeue is forgotten");
    /// ```
    #[inline]
    pub fn record_dequeue(&self) {
        self.dequeue(1, Caller::Delivers);
    }

    /// Records that `n` items (or bytes) have left the queue at once. What exceeds the depth is a stray and has no
    /// effect, unless the gauge is [paired](GaugeConfig::paired).
    ///
    /// Wait-free, but for [edges, strays and new marks](Gauge#progress-and-interrupts). More than `usize::MAX / 32` at once, for
    /// instance to say "all", is lock-free, and takes what there is, also of a paired gauge.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX_BYTES: Gauge = Gauge::new(&Limit::memory("tx_bytes"), 1_024);
    ///
    /// TX_BYTES.record_enqueue_n(300);
    /// TX_BYTES.record_dequeue_n(100);
    /// assert_eq!(TX_BYTES.depth(), 200);
    /// TX_BYTES.record_dequeue_n(usize::MAX);
    /// assert_eq!(TX_BYTES.depth(), 0);
    /// ```
    #[inline]
    pub fn record_dequeue_n(&self, n: usize) {
        self.dequeue_n(n, Caller::Delivers);
    }

    /// Records that the queue has been emptied at once: cleared, or dropped with what was in it.
    ///
    /// Items whose enqueue is recorded later are not part of it. If the queue is gone for good, whoever records such an
    /// enqueue afterwards calls this again; it has no effect on an empty gauge.
    ///
    /// Lock-free: it tries again when another dequeue or an observation was recorded meanwhile.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 5);
    ///
    /// TX.record_enqueue_n(4);
    /// TX.record_clear();
    /// assert_eq!((TX.depth(), TX.has_warned()), (0, false));
    /// ```
    pub fn record_clear(&self) {
        self.dequeue_saturating(usize::MAX, Caller::Delivers);
    }

    /// Records the depth of a queue that knows its own length: the gauge reads `depth` from now on.
    ///
    /// For queues that are sampled instead of counted. Both may be mixed: an observation replaces what was counted before,
    /// and what is counted while it is under way may be part of it or not.
    ///
    /// Wait-free, but for [edges, strays and new marks](Gauge#progress-and-interrupts).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static HEAP: Gauge = Gauge::new(&Limit::memory("heap"), 65_536);
    ///
    /// HEAP.observe_depth(60_000);
    /// HEAP.observe_depth(20_000);
    /// assert_eq!((HEAP.depth(), HEAP.high_water()), (20_000, 60_000));
    /// assert_eq!(HEAP.warnings(), 1);
    /// ```
    #[inline]
    pub fn observe_depth(&self, depth: usize) {
        self.observe(depth);
    }

    /// The same gauge for operations that must not be held up by what receives its events.
    ///
    /// Wait-free.
    #[inline]
    pub const fn deferred(&self) -> Deferred<'_, D> {
        Deferred { gauge: self }
    }

    /// Delivers the event that was [left pending](crate::Delivery::leave_pending), if there is one,
    /// and whatever is due afterwards, on this thread.
    ///
    /// Lock-free, but for what receives the events.
    pub fn deliver_pending(&self) {
        self.deliver_pending_edges(Caller::Delivers);
    }
}

/// What the gauge reads.
impl<D> Gauge<D> {
    /// Items (or bytes) in the queue. While operations are under way it may be too low by as many.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(3);
    /// assert_eq!(TX.depth(), 3);
    /// ```
    pub fn depth(&self) -> usize {
        // In this order, so that it is no more than the depth was at the first load.
        let enqueued = self.producers.enqueued.get();
        let dequeued = self.consumers.dequeued.get();
        self.depth_gap1(self.latch(), enqueued, dequeued)
    }

    /// The greatest depth so far.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(3);
    /// TX.record_dequeue();
    /// assert_eq!(TX.high_water(), 3);
    /// ```
    #[inline]
    pub fn high_water(&self) -> usize {
        self.shared.high_water.get()
    }

    /// The bound that the gauge was made with; 0 is unbounded, or of a paired gauge a rendezvous.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// assert_eq!(TX.capacity(), 10);
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.shared.capacity.get()
    }

    /// `floor(100 * depth / capacity)`, exact; it may be above 100, and stops at `usize::MAX`. 0 for capacity 0.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(3);
    /// assert_eq!(TX.fill_percent(), 30);
    /// ```
    pub fn fill_percent(&self) -> usize {
        fill_percent(self.depth(), self.capacity())
    }

    /// Whether the gauge has warned and not yet recovered.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(8);
    /// assert!(TX.has_warned());
    /// TX.record_dequeue_n(3);
    /// assert!(!TX.has_warned(), "5 of 10 are 50 %");
    /// ```
    pub fn has_warned(&self) -> bool {
        self.latch().has_warned()
    }

    /// Whether an event was [left pending](crate::Delivery::leave_pending) and nobody has begun to
    /// deliver it.
    ///
    /// Wait-free.
    pub fn has_pending_event(&self) -> bool {
        self.latch().is_pending()
    }

    /// Warnings so far. Wraps at `usize::MAX / 64`.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(8);
    /// TX.record_enqueue();
    /// assert_eq!(TX.warnings(), 1);
    /// ```
    pub fn warnings(&self) -> usize {
        self.latch().warnings()
    }

    /// Total enqueued so far, wrapping. A stray dequeue may count here and in [`dequeued`](Self::dequeued); an observation
    /// makes the total agree with the depth.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(3);
    /// TX.record_dequeue_n(2);
    /// assert_eq!((TX.enqueued(), TX.dequeued()), (3, 2));
    /// ```
    pub fn enqueued(&self) -> usize {
        self.producers.enqueued.get()
    }

    /// Total dequeued so far, wrapping.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(3);
    /// TX.record_dequeue_n(2);
    /// assert_eq!(TX.dequeued(), 2);
    /// ```
    pub fn dequeued(&self) -> usize {
        self.consumers.dequeued.get()
    }

    /// What the gauge watches.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// assert_eq!(TX.limit().as_str(), "tx");
    /// ```
    pub fn limit(&self) -> &'static Limit {
        self.shared.limit.get()
    }

    /// Tells gauges of one limit apart: the serial number of the registration in its registry, from 1; 0 for a gauge
    /// that is a static of its own.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 10);
    ///
    /// assert_eq!(TX.instance(), 0);
    /// ```
    pub fn instance(&self) -> usize {
        self.shared.instance.load(Ordering::Relaxed)
    }

    /// All figures of the gauge.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 5);
    ///
    /// TX.record_enqueue();
    /// let snapshot = TX.snapshot();
    /// assert_eq!((snapshot.name.as_str(), snapshot.depth), ("tx", 1));
    /// assert_eq!((snapshot.capacity, snapshot.fill_percent), (5, 20));
    /// ```
    #[inline]
    pub fn snapshot(&self) -> QueueSnapshot {
        let latch = self.latch();
        // In the order of `depth`.
        let enqueued = self.producers.enqueued.get();
        let dequeued = self.consumers.dequeued.get();
        let depth = self.depth_gap1(latch, enqueued, dequeued);
        self.snapshot_from(latch, depth, enqueued, dequeued)
    }
}

/// Life in a slot of a registry, for which `instance` is the version of a sequence lock: 0 while the slot is free.
impl Gauge {
    /// Makes a gauge of the vacant slot that the caller has claimed, and lets snapshots see it.
    pub(crate) fn activate(&self, config: GaugeConfig, instance: usize) {
        let (producers, consumers, shared) = (&self.producers, &self.consumers, &self.shared);
        let points = config.points();
        producers.enqueued.reset(0);
        producers.cached_dequeued.reset(0);
        consumers.dequeued.reset(0);
        consumers.cached_enqueued.reset(0);
        shared.latch.reset(AlarmState::new(config.paired).0);
        shared.high_water.reset(0);
        shared.capacity.reset(points.capacity);
        shared.warn_depth.reset(points.warn_depth);
        shared.rearm_depth.reset(points.rearm_depth);
        shared.limit.reset(config.limit);
        // Pairs with the first load in `snapshot_if_live`: whoever sees the number sees all of the above.
        shared.instance.store(instance, Ordering::Release);
    }

    /// Hides the gauge from snapshots, before the slot is given back.
    pub(crate) fn deactivate(&self) {
        // Relaxed is enough: the slot is given back by a release, and `open` comes after its acquire.
        self.shared.instance.store(0, Ordering::Relaxed);
    }

    /// All figures, if the slot holds one and the same gauge from beginning to end.
    pub(crate) fn snapshot_if_live(&self) -> Option<QueueSnapshot> {
        // Pairs with the store in `open`.
        let instance = self.shared.instance.load(Ordering::Acquire);
        if instance == 0 {
            return None;
        }
        let snapshot = self.snapshot();
        // If a load above returned anything of a later registration, it was a `reset` in `open`, or a later
        // read-modify-write in the release sequence of one. Through this fence that `open` happens before the load
        // below, and so does the `close` before it: the load returns another number.
        fence(Ordering::Acquire);
        let unchanged = self.shared.instance.load(Ordering::Relaxed) == instance;
        unchanged.then_some(snapshot)
    }
}

impl<D> fmt::Debug for Gauge<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauge")
            .field("limit", self.limit())
            .field("instance", &self.instance())
            .field("depth", &self.depth())
            .field("high_water", &self.high_water())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

// A panicking sink leaves the counters right and the latch free; see `LimitSink` for what it may miss.
impl<D: core::panic::UnwindSafe> core::panic::UnwindSafe for Gauge<D> {}
impl<D: core::panic::RefUnwindSafe> core::panic::RefUnwindSafe for Gauge<D> {}
