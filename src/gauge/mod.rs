//! The gauge: a depth that is counted or observed, and its alarm.

mod corrections;
mod counters;
mod deferred;
mod hold;
mod settings;
mod slot;

use core::fmt;

pub use deferred::Deferred;
pub use hold::Hold;

use crate::alarm::Alarm;
use crate::alarm::delivery::{Caller, Deliver, StaticSink};
use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::snapshot::QueueSnapshot;
use crate::sync::const_fn;
use crate::thresholds::{Thresholds, fill_percent};
use counters::{CacheGap, Consumers, Producers};

/// The usage gauge of one bounded queue or limit.
///
/// It counts what goes in and out ([`record_enqueue`](Self::record_enqueue),
/// [`record_dequeue`](Self::record_dequeue)), or it samples the depth
/// ([`observe_with`](Self::observe_with)). At the warn threshold (80 %) its sink receives one
/// event, before the limit is full. Drained to the re-arm threshold (50 %), it receives another,
/// and the gauge may warn again. Capacities 1 to 4 warn when they are full: 80 % of them is all of
/// them.
///
/// A gauge is a `static` of its own or lives in a slot of a
/// [`QueueRegistry`](crate::QueueRegistry).
///
/// ```
/// use fillgauge::{Gauge, Limit};
///
/// static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64);
///
/// fn on_rx_interrupt() {
///     UART_RX.record_enqueue();
/// }
/// # on_rx_interrupt();
/// assert_eq!(UART_RX.depth(), 1);
/// ```
///
/// # Which gauge
///
/// | what is watched | gauge | records |
/// |---|---|---|
/// | a queue | [`for_queue`](Self::for_queue) | after the item has moved, on either side |
/// | a queue or limit that knows its depth | [`new`](Self::new) | [`observe_with`](Self::observe_with) |
/// | bytes, sockets, permits | [`new`](Self::new) | what was taken, what was given back |
///
/// A gauge that is not for a queue ignores a dequeue at depth 0. If a consumer can record its
/// dequeue before the producer has recorded the enqueue, such a gauge is wrong for good: it ignores
/// the dequeue, and counts the enqueue.
///
/// # Progress and interrupts
///
/// A method may be called from an interrupt handler, also from one that interrupts another
/// operation on the same gauge, if its sink and its `sample` may run there. See [the
/// table](crate::embedded#what-may-be-called-where) for handlers that cannot be masked. None waits
/// for another context of the same core.
///
/// | operation | far from thresholds, strays and new marks | otherwise |
/// |---|---|---|
/// | `record_enqueue`, `record_dequeue` and their `_n`, `hold` and its end | one atomic addition and a few loads: wait-free | lock-free, then the sink |
/// | more than `usize::MAX / 32` dequeued at once, `record_clear` | lock-free | lock-free, then the sink |
/// | `observe_depth`, `observe_with` | lock-free | lock-free, then the sink |
/// | `record_refused` | wait-free | wait-free |
/// | `set_capacity`, `set_thresholds` | lock-free, then the sink | the same |
/// | what the gauge reads | wait-free | wait-free |
///
/// Lock-free means: an operation repeats a step only if another operation came between. On a target
/// without compare-and-swap, each atomic access takes the critical section that `portable-atomic`
/// is configured for.
///
/// # What is promised
///
/// Promises 1 to 5 and 9 of [the guarantees](crate::guarantees), and its section on range.
#[repr(C)]
pub struct Gauge<D = StaticSink> {
    alarm: Alarm<D>,
    _gap1: CacheGap,
    producers: Producers,
    _gap2: CacheGap,
    consumers: Consumers,
    _gap3: CacheGap,
}

/// Gauges whose events go to a static [`LimitSink`], or nowhere.
impl Gauge {
    const_fn! {
        /// The gauge of a queue of `capacity` items.
        ///
        /// Record each item after it has moved: an enqueue when it is in, a dequeue when it is out.
        /// The two records of an item may come in either order. Capacity 0 means unbounded: depth
        /// and high-water mark are kept, and no event ever comes.
        #[doc(alias = "paired")]
        pub const fn for_queue(limit: &'static Limit, capacity: usize) -> Self {
            Self::with_config(GaugeConfig::for_queue(limit, capacity))
        }
    }

    const_fn! {
        /// The gauge of a limit of `capacity` bytes (or permits, or whatever it counts). For a
        /// queue that is counted, see [`for_queue`](Self::for_queue).
        ///
        /// Capacity 0 means unbounded: depth and high-water mark are kept, and no event ever comes.
        pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
            Self::with_config(GaugeConfig::new(limit, capacity))
        }
    }

    const_fn! {
        /// A gauge with settings of its own.
        #[inline]
        pub const fn with_config<S>(config: GaugeConfig<S>) -> Self {
            let (config, sink) = config.into_parts();
            Self::with_delivery(config, StaticSink::new(sink))
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
        self.alarm.set_sink(sink);
    }
}

/// Gauges that deliver in any way.
impl<D> Gauge<D> {
    const_fn! {
        /// A gauge whose events go through `deliver`: for a crate that delivers them on threads of
        /// its own. See [`Deliver`].
        #[inline(always)]
        pub const fn with_delivery(config: GaugeConfig, deliver: D) -> Self {
            Self::with_alarm(Alarm::new(config, deliver))
        }
    }

    const_fn! {
        #[inline(always)]
        const fn with_alarm(alarm: Alarm<D>) -> Self {
            Self {
                alarm,
                producers: Producers::new(),
                consumers: Consumers::new(),
                _gap1: CacheGap::new(),
                _gap2: CacheGap::new(),
                _gap3: CacheGap::new(),
            }
        }
    }

    /// What delivers the events of the gauge.
    #[inline]
    pub const fn delivery(&self) -> &D {
        self.alarm.delivery()
    }

    /// The same, for the owner of the gauge.
    #[inline]
    pub const fn delivery_mut(&mut self) -> &mut D {
        self.alarm.delivery_mut()
    }
}

/// Records.
impl<D: Deliver> Gauge<D> {
    /// Records that one item has entered the queue.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 5);
    ///
    /// for _ in 0..4 {
    ///     TX.record_enqueue();
    /// }
    /// assert!(TX.has_warned(), "4 of 5 are 80 %");
    /// ```
    #[doc(alias = "inc")]
    #[inline]
    pub fn record_enqueue(&self) {
        self.enqueue(1);
    }

    /// Records that `n` items (or bytes) have entered the queue at once.
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
        self.enqueue(self.in_range(n));
    }

    /// Records that one item has left the queue. At depth 0 this is a stray and has no effect,
    /// unless the gauge is [for a queue](Self::for_queue).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static PERMITS: Gauge = Gauge::new(&Limit::resource("permits"), 5);
    ///
    /// PERMITS.record_dequeue();
    /// PERMITS.record_enqueue();
    /// assert_eq!(PERMITS.depth(), 1, "the stray dequeue is forgotten");
    /// ```
    #[doc(alias = "dec")]
    #[inline]
    pub fn record_dequeue(&self) {
        self.dequeue(1, Caller::Delivers);
    }

    /// Records that `n` items (or bytes) have left the queue at once. What exceeds the depth is a
    /// stray and has no effect, unless the gauge is [for a queue](Self::for_queue). More than
    /// `usize::MAX / 32` at once, for instance to say "all", takes at most what there is, also from
    /// the gauge of a queue.
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
    /// Items whose enqueue is recorded later are not part of it. What is recorded while it is in
    /// progress may be: clear a queue that nobody fills meanwhile, and otherwise record what was
    /// taken with [`record_dequeue_n`](Self::record_dequeue_n). If the queue is gone for good, the
    /// thread that records such an enqueue calls this again afterwards: it has no effect on an
    /// empty gauge.
    ///
    /// Lock-free: it repeats what met another record.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 5);
    ///
    /// TX.record_enqueue_n(4);
    /// TX.record_clear();
    /// assert_eq!((TX.depth(), TX.has_warned()), (0, false));
    /// ```
    pub fn record_clear(&self) {
        self.dequeue_saturating(usize::MAX, Caller::Delivers);
    }

    /// Records `n` bytes (or permits, or items) that this guard gives back when it is dropped: also
    /// after an early return, a panic, or in a future that is cancelled.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static BUFFERS: Gauge = Gauge::new(&Limit::memory("buffers"), 4_096);
    ///
    /// fn parse(line: &str) -> Result<u8, std::num::ParseIntError> {
    ///     let _buffer = BUFFERS.hold(line.len());
    ///     let number = line.parse()?;
    ///     assert_eq!(BUFFERS.depth(), 2);
    ///     Ok(number)
    /// }
    /// assert_eq!(parse("42"), Ok(42));
    /// assert!(parse("a number").is_err());
    /// assert_eq!(BUFFERS.depth(), 0);
    /// ```
    #[inline]
    pub fn hold(&self, n: usize) -> Hold<'_, D> {
        Hold::new(self, n)
    }

    /// Records that `n` requests were refused, because there was no room. Each counts one, however
    /// much it asked for. The depth stays as it is.
    ///
    /// Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 8);
    ///
    /// TX.record_refused(1);
    /// assert_eq!((TX.refused(), TX.depth()), (1, 0));
    /// ```
    #[inline]
    pub fn record_refused(&self, n: usize) {
        self.alarm.add_refused(n);
    }

    /// Observes the depth of a queue or limit that knows it: `sample` returns it.
    ///
    /// Call it after every change. Several threads may do so at once: when all have returned, the
    /// gauge reads the depth that there is. For this the gauge calls `sample` again after it has
    /// moved its own counters, until two samples in a row are equal. After 64 samples it keeps the
    /// last: a depth that changes so often is observed by those that change it.
    ///
    /// Both ways may be mixed: an observation replaces what was counted before. What is counted
    /// while it is in progress may be part of it or not.
    ///
    /// Lock-free, see [progress](Gauge#progress-and-interrupts), apart from `sample`.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// use std::collections::VecDeque;
    ///
    /// static RETRIES: Gauge = Gauge::new(&Limit::queue("retries"), 5);
    ///
    /// let mut retries = VecDeque::new();
    /// for retry in 0..4 {
    ///     retries.push_back(retry);
    ///     RETRIES.observe_with(|| retries.len());
    /// }
    /// assert!(RETRIES.has_warned(), "4 of 5 are 80 %");
    /// ```
    #[doc(alias = "set")]
    #[inline]
    pub fn observe_with(&self, sample: impl FnMut() -> usize) {
        self.observe_samples(sample);
    }

    /// Observes a depth that was sampled before: the gauge reads `depth` from now on.
    ///
    /// If several threads sample at once, an older sample may be observed last, and stay. Then use
    /// [`observe_with`](Self::observe_with).
    ///
    /// Lock-free, see [progress](Gauge#progress-and-interrupts).
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
    #[doc(alias = "set")]
    #[inline]
    pub fn observe_depth(&self, depth: usize) {
        self.observe(depth);
    }

    /// Ends the window, and returns the greatest depth since the one before ended, or since the
    /// beginning. The next window begins with the depth that there is.
    ///
    /// A gauge has one window. If several observers look at it, see
    /// [`WindowPeaks`](crate::WindowPeaks).
    ///
    /// Lock-free: it repeats a step only if there was a new mark, or another look, meanwhile. The
    /// sink is not called.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 64);
    ///
    /// RX.record_enqueue_n(9);
    /// RX.record_dequeue_n(7);
    /// assert_eq!(RX.take_window_peak(), 9);
    /// assert_eq!(RX.take_window_peak(), 2);
    /// assert_eq!(RX.high_water(), 9);
    /// ```
    pub fn take_window_peak(&self) -> usize {
        self.alarm.take_window(|| self.depth())
    }

    /// The same gauge for operations that must not be held up by what receives its events.
    #[inline]
    pub const fn deferred(&self) -> Deferred<'_, D> {
        Deferred { gauge: self }
    }

    /// Delivers the event that was [left pending](crate::Delivery::leave_pending), if there is one,
    /// and whatever is due afterwards, on this thread.
    ///
    /// Lock-free, but for what receives the events.
    pub fn deliver_pending(&self) {
        self.alarm.check(self, Caller::Delivers);
    }
}

/// What the gauge reads.
impl<D> Gauge<D> {
    /// Items (or bytes) in the queue. While operations are in progress it may be too low by as
    /// many.
    #[doc(alias = "len")]
    pub fn depth(&self) -> usize {
        // In this order, so that it is no more than the depth was at the first load.
        let enqueued = self.producers.enqueued.get();
        let dequeued = self.consumers.dequeued.get();
        self.depth_between(self.alarm.state(), enqueued, dequeued)
    }

    /// The greatest depth so far.
    #[doc(alias = "peak")]
    #[doc(alias = "watermark")]
    #[doc(alias = "max")]
    #[inline]
    pub fn high_water(&self) -> usize {
        self.alarm.high_water()
    }

    /// The bound; 0 is unbounded, or a rendezvous.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.alarm.capacity()
    }

    /// At which fill the gauge warns, and is armed again.
    #[inline]
    pub fn thresholds(&self) -> Thresholds {
        self.alarm.rules().thresholds()
    }

    /// `floor(100 * depth / capacity)`, exact; it may be above 100, and stops at `usize::MAX`. 0
    /// for capacity 0.
    #[doc(alias = "utilization")]
    pub fn fill_percent(&self) -> usize {
        fill_percent(self.depth(), self.capacity())
    }

    /// Whether the gauge has warned and not yet recovered.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 10);
    ///
    /// TX.record_enqueue_n(8);
    /// assert!(TX.has_warned());
    /// TX.record_dequeue_n(3);
    /// assert!(!TX.has_warned(), "5 of 10 are 50 %");
    /// ```
    pub fn has_warned(&self) -> bool {
        self.alarm.state().has_warned()
    }

    /// Whether an event was [left pending](crate::Delivery::leave_pending) and nobody has begun to
    /// deliver it.
    pub fn has_pending_event(&self) -> bool {
        self.alarm.state().is_pending()
    }

    /// Warnings so far. Wraps at `usize::MAX / 512`.
    pub fn warnings(&self) -> usize {
        self.alarm.state().warnings()
    }

    /// Total enqueued so far, and what observations found more. It never steps back; it wraps. A
    /// stray may count here and in [`dequeued`](Self::dequeued).
    pub fn enqueued(&self) -> usize {
        self.producers.enqueued.get()
    }

    /// Total dequeued so far, and what observations found less. It never steps back; it wraps.
    pub fn dequeued(&self) -> usize {
        self.consumers.dequeued.get()
    }

    /// Requests that were [refused](Self::record_refused) so far. It never steps back; it wraps.
    #[inline]
    pub fn refused(&self) -> usize {
        self.alarm.refused()
    }

    /// Whether it is the gauge of a queue, see [`for_queue`](Gauge::for_queue).
    pub fn is_for_queue(&self) -> bool {
        self.alarm.state().is_for_queue()
    }

    /// What the gauge watches.
    pub fn limit(&self) -> &'static Limit {
        self.alarm.limit()
    }

    /// Distinguishes gauges of one limit: the serial number of the registration in its registry,
    /// from 1; 0 for a gauge that is a static of its own. It wraps, see [the
    /// range](crate::guarantees#range).
    pub fn instance(&self) -> usize {
        self.alarm.instance()
    }

    /// All figures of the gauge.
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit};
    /// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 5);
    ///
    /// TX.record_enqueue();
    /// let snapshot = TX.snapshot();
    /// assert_eq!((snapshot.name.as_str(), snapshot.depth), ("tx", 1));
    /// assert_eq!((snapshot.capacity, snapshot.fill_percent), (5, 20));
    /// ```
    #[inline]
    pub fn snapshot(&self) -> QueueSnapshot {
        let state = self.alarm.state();
        // In the order of `depth`.
        let enqueued = self.producers.enqueued.get();
        let dequeued = self.consumers.dequeued.get();
        let reading = self.reading(state, (enqueued, dequeued));
        self.alarm
            .snapshot_from(state, reading, self.alarm.capacity())
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

// A panicking sink leaves the counters right, and the next operation checks what it missed.
impl<D: core::panic::UnwindSafe> core::panic::UnwindSafe for Gauge<D> {}
impl<D: core::panic::RefUnwindSafe> core::panic::RefUnwindSafe for Gauge<D> {}
