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

// How they are kept.
//
// `enqueued` and `dequeued` grow, wrapping; their difference is the depth, or a deficit. Producers write the one,
// consumers the other, and `shared` is read by both and written at edges and at new high-water marks. All protocol words
// are SeqCst (`sync::Word`), so that what follows argues about one total order of accesses. Two operations break the
// pattern: `observe_depth` sets `enqueued`, also back, and `make_good` raises it for a consumer.
//
// An edge. `settle` reads the latch, then takes a reading of the counters that is exact for some instant (`reading`),
// and moves the latch by compare-exchange from the very state it read: no other edge lies between, which is promise 2.
// The new state has DELIVERING set, and while it is, nobody moves the latch: one event at a time, which is promise 1.
// When the sink has returned, the bit is cleared and `settle` looks again.
//
// Promise 3, a gauge at rest at or above its warn point. Consider the last of: the additions to and swaps of
// `enqueued`, and the clearings of DELIVERING. Whoever did it looks at the gauge afterwards: after a clearing, `settle`
// does; after an addition, the producer does unless it has an upper bound of the depth below the warn point, which the
// final depth contradicts. That look finds DELIVERING not set (a clearing would follow), `enqueued` unmoved, hence an
// exact reading of at least the final depth, and its compare-exchange fails only against another that is followed by a
// clearing, or against the SAMPLED bit, that is followed by a swap. So the gauge has warned. The argument allows a
// look to give up when `enqueued` moved under it: whoever moved it looks later.
// At or below the re-arm point it is the same with `dequeued` for `enqueued` and a lower bound for the upper one.
//
// The cached bounds. `dequeued` never goes backwards, so an old value of it, `dequeued_seen`, makes an upper bound of
// the depth, and a producer that finds this bound under the warn point and the high-water mark touches no other
// line. In the same way `enqueued_seen` makes a lower bound for consumers, unless `observe_depth` swapped `enqueued`
// back. It therefore sets SAMPLED first: a consumer that finds the bit does without the bound; one that does not find
// it recorded its dequeue before the bit was set, hence before the observer read `dequeued`, and is part of the
// observation. Of a sampled gauge every dequeue looks for both kinds of edges.
//
// Strays. A dequeue that finds more out than in raises `enqueued` to its own count (`make_good`), which is done once for
// all strays before it, whoever comes first. The depth is 0 then, which is no edge that a producer's look could miss.
// A paired gauge keeps the deficit instead.
//
// Promise 5. A producer that may be above the mark reads `dequeued` after its addition: the difference is at most the
// depth that its addition made, and at least the depth at rest if it was the last.

use core::fmt;

use crate::config::GaugeConfig;
use crate::event::{LimitEvent, LimitSink};
use crate::latch::{Edge, Latch, Points};
use crate::limit::Limit;
use crate::limit_cell::LimitCell;
use crate::snapshot::QueueSnapshot;
use crate::sync::{AtomicUsize, Hint, Ordering, Word, const_fn, fence};
use crate::thresholds::fill_percent;

/// Keeps what different threads write on cache lines of their own; nothing on bare metal. Two lines long, since
/// prefetchers fetch lines in pairs, and some lines are that long.
///
/// By distance and not by alignment: over-aligned allocations are several times slower.
#[derive(Debug)]
struct Apart {
    _padding: [u8; if cfg!(target_os = "none") { 0 } else { 112 }],
}

impl Apart {
    const NEW: Self = Self {
        _padding: [0; if cfg!(target_os = "none") { 0 } else { 112 }],
    };
}

/// What producers write.
#[derive(Debug)]
struct Producers {
    enqueued: Word,
    /// A value that `dequeued` had.
    dequeued_seen: Hint,
}

/// What consumers write.
#[derive(Debug)]
struct Consumers {
    dequeued: Word,
    /// A value that `enqueued` had; a lower bound of it unless the gauge is sampled.
    enqueued_seen: Hint,
}

/// What is mostly read.
struct Shared {
    latch: Word,
    high_water: Hint,
    capacity: Hint,
    warn_depth: Hint,
    rearm_depth: Hint,
    /// 0 in a slot that is free, or about to be claimed.
    instance: AtomicUsize,
    limit: LimitCell,
    sink: Option<&'static dyn LimitSink>,
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
/// Recording never waits. Away from the thresholds an operation is one atomic addition (or swap) and a few loads: wait-free
/// on a target with such an instruction. An operation that finds a threshold passed moves the latch with one
/// compare-exchange and calls the sink; it looks again after each event that it delivered itself, and otherwise leaves
/// that to whoever is delivering. A stray dequeue, or an observation that meets with a dequeue, is made good by a
/// compare-exchange that is tried again, lock-free, if others recorded meanwhile; and so is a new high-water mark where the
/// target has no atomic maximum.
///
/// Every method may be called from an interrupt handler, at any priority, also while it interrupts another operation on the
/// same gauge. On a target without compare-exchange each atomic access is as portable-atomic was told to make it, for
/// instance a critical section of a few instructions.
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
/// itself, and single enqueues are not. While dequeues race with [`record_clear`](Self::record_clear) or an observation,
/// depths above an eighth of `usize::MAX` may be misread. The totals may wrap; a bound that one side of the queue
/// remembers of the other is fooled if a thread sleeps in the middle of an operation while they go round once.
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
pub struct Gauge {
    shared: Shared,
    _between: Apart,
    producers: Producers,
    _between_too: Apart,
    consumers: Consumers,
    _behind: Apart,
}

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
        pub const fn with_config(config: GaugeConfig) -> Self {
            Self::from_parts(LimitCell::new(config.limit), config.points(), Latch::new(config.paired))
        }
    }

    const_fn! {
        /// What a free slot holds: all zero.
        pub(crate) const fn vacant() -> Self {
            let points = Points { capacity: 0, warn_depth: 0, rearm_depth: 0 };
            Self::from_parts(LimitCell::empty(), points, Latch::new(false))
        }
    }

    const_fn! {
        const fn from_parts(limit: LimitCell, points: Points, latch: Latch) -> Self {
            Self {
                producers: Producers {
                    enqueued: Word::new(0),
                    dequeued_seen: Hint::new(0),
                },
                consumers: Consumers {
                    dequeued: Word::new(0),
                    enqueued_seen: Hint::new(0),
                },
                shared: Shared {
                    latch: Word::new(latch.0),
                    high_water: Hint::new(0),
                    capacity: Hint::new(points.capacity),
                    warn_depth: Hint::new(points.warn_depth),
                    rearm_depth: Hint::new(points.rearm_depth),
                    instance: AtomicUsize::new(0),
                    limit,
                    sink: None,
                },
                _between: Apart::NEW,
                _between_too: Apart::NEW,
                _behind: Apart::NEW,
            }
        }
    }

    /// The same gauge with a receiver of its events; see [`LimitSink`] for an example.
    #[must_use]
    pub const fn with_sink(mut self, sink: &'static dyn LimitSink) -> Self {
        self.set_sink(sink);
        self
    }

    pub(crate) const fn set_sink(&mut self, sink: &'static dyn LimitSink) {
        self.shared.sink = Some(sink);
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
        #[must_use]
        pub const fn with_instance(mut self, instance: usize) -> Self {
            self.shared.instance = AtomicUsize::new(instance);
            self
        }
    }

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
            .wrapping_sub(producers.dequeued_seen.get());
        let room = self.ceiling().saturating_sub(bound);
        if n <= room {
            self.enqueue(n);
        } else {
            self.enqueue_up_to(n);
        }
    }

    /// An enqueue that may lead beyond the range.
    #[cold]
    fn enqueue_up_to(&self, n: usize) {
        let dequeued = self.consumers.dequeued.get();
        self.producers.dequeued_seen.set(dequeued);
        let room = self.ceiling().saturating_sub(self.depth());
        self.enqueue(n.min(room));
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
        self.dequeue(1);
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
        if n <= Self::MANY {
            self.dequeue(n);
        } else {
            self.dequeue_up_to(n);
        }
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
        self.dequeue_up_to(usize::MAX);
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
        if !self.latch().is_sampled() {
            self.shared.latch.set_bits(Latch::SAMPLED);
        }
        let depth = depth.min(self.ceiling());
        let dequeued = self.consumers.dequeued.get();
        let enqueued = dequeued.wrapping_add(depth);
        self.producers.enqueued.swap(enqueued);
        self.producers.dequeued_seen.set(dequeued);
        let quiet = self.latch().due(depth, self.points()).is_none()
            && depth <= self.shared.high_water.get()
            && self.consumers.dequeued.get() == dequeued;
        if !quiet {
            self.observed(enqueued, dequeued);
        }
    }

    /// An observation that raises the high-water mark, may be due for an edge, or met with a dequeue.
    #[inline(never)]
    fn observed(&self, enqueued: usize, dequeued_before: usize) {
        // Dequeues recorded between the load and the swap saw no deficit, but may have left one.
        let dequeued = self.consumers.dequeued.get();
        if dequeued != dequeued_before {
            self.make_good(dequeued);
        }
        let latch = self.latch();
        let depth = self.depth_between(latch, enqueued, dequeued);
        self.raise_high_water(depth);
        if latch.due(depth, self.points()).is_some() {
            self.settle();
        }
    }

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
        self.depth_between(self.latch(), enqueued, dequeued)
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

    /// Warnings so far. Wraps at `usize::MAX / 32`.
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
    pub fn snapshot(&self) -> QueueSnapshot {
        let latch = self.latch();
        // In the order of `depth`.
        let enqueued = self.producers.enqueued.get();
        let dequeued = self.consumers.dequeued.get();
        self.figures(latch, enqueued, dequeued)
    }

    /// Deficits of up to four dequeues of this size at once do not pass for depths.
    const MANY: usize = usize::MAX / 32;

    #[inline]
    fn enqueue(&self, n: usize) {
        let (producers, shared) = (&self.producers, &self.shared);
        let enqueued = producers.enqueued.add(n);
        // An upper bound of the depth.
        let bound = enqueued.wrapping_sub(producers.dequeued_seen.get());
        if bound >= shared.warn_depth.get() {
            self.enqueue_near(enqueued, bound);
        } else if bound > shared.high_water.get() {
            let dequeued = self.consumers.dequeued.get();
            producers.dequeued_seen.set(dequeued);
            let depth = enqueued.wrapping_sub(dequeued);
            // Above its upper bound it is negative: consumers are ahead.
            if depth <= bound {
                self.raise_high_water(depth);
            }
        }
    }

    /// An enqueue after which the depth may be at the warn point or above; `bound` is an upper bound of it.
    #[inline(never)]
    fn enqueue_near(&self, enqueued: usize, bound: usize) {
        let latch = self.latch();
        let clamped = self.clamp(latch, bound);
        if latch.has_warned()
            && latch.due(clamped, self.points()).is_none()
            && clamped <= self.high_water()
            && bound <= usize::MAX / 4
        {
            // Neither an edge nor a new mark, and far from where the bound would wrap: no need to read what consumers
            // write.
            return;
        }
        let dequeued = self.consumers.dequeued.get();
        self.producers.dequeued_seen.set(dequeued);
        let depth = self.depth_between(latch, enqueued, dequeued);
        self.raise_high_water(depth);
        if latch.due(depth, self.points()).is_some() {
            self.settle();
        }
    }

    #[inline]
    fn dequeue(&self, n: usize) {
        self.dequeued_to(self.consumers.dequeued.add(n));
    }

    /// Dequeues `n` or what there is, and leaves no deficit, however large `n`.
    fn dequeue_up_to(&self, n: usize) {
        let paired = self.latch().is_paired();
        loop {
            let dequeued = self.consumers.dequeued.get();
            let enqueued = self.producers.enqueued.get();
            self.consumers.enqueued_seen.set(enqueued);
            let depth = enqueued.wrapping_sub(dequeued);
            if self.is_deficit(depth) {
                if paired {
                    // The enqueues that it waits for are recorded later.
                    return;
                }
                self.make_good(dequeued);
                continue;
            }
            let rest = dequeued.wrapping_add(n.min(depth));
            if self.consumers.dequeued.replace(dequeued, rest).is_ok() {
                return self.dequeued_to(rest);
            }
        }
    }

    /// What there is to do after a dequeue that made the count `dequeued`.
    #[inline]
    fn dequeued_to(&self, dequeued: usize) {
        let consumers = &self.consumers;
        let latch = self.latch();
        // A lower bound of the depth; if it is negative, more is out than was seen in.
        let mut bound = consumers.enqueued_seen.get().wrapping_sub(dequeued);
        // To an armed gauge that keeps its deficits no dequeue matters. Its bound may lag, short of wrapping.
        let indifferent = latch.is_paired() && !latch.has_warned() && !latch.is_sampled();
        if indifferent && bound > usize::MAX / 4 * 3 {
            return;
        }
        let is_negative = |bound: usize| bound > isize::MAX as usize;
        if is_negative(bound) {
            let enqueued = self.producers.enqueued.get();
            consumers.enqueued_seen.set(enqueued);
            bound = enqueued.wrapping_sub(dequeued);
        }
        if is_negative(bound)
            || latch.has_warned() && bound <= self.shared.rearm_depth.get()
            || latch.is_sampled()
        {
            self.dequeue_low(dequeued, latch);
        }
    }

    /// A dequeue that may be a stray, or after which the depth may be at the re-arm point or below.
    #[inline(never)]
    fn dequeue_low(&self, dequeued: usize, latch: Latch) {
        let enqueued = self.producers.enqueued.get();
        self.consumers.enqueued_seen.set(enqueued);
        if !latch.is_paired() && self.is_deficit(enqueued.wrapping_sub(dequeued)) {
            self.make_good(dequeued);
        }
        if latch.has_warned() || latch.is_sampled() {
            self.settle();
        }
    }

    /// Makes good the strays among the first `dequeued` dequeues: raises `enqueued` to that number, unless it is there.
    /// Whoever is first raises it for all before, so no stray is made good twice. The depth is 0 at that moment: neither
    /// an edge nor a new mark.
    #[cold]
    fn make_good(&self, dequeued: usize) {
        let mut enqueued = self.producers.enqueued.get();
        while self.is_deficit(enqueued.wrapping_sub(dequeued)) {
            match self.producers.enqueued.replace(enqueued, dequeued) {
                Ok(()) => {
                    // Strays alone would take `enqueued` round the word while this bound stays.
                    self.producers.dequeued_seen.set(dequeued);
                    return;
                }
                Err(now) => enqueued = now,
            }
        }
    }

    /// Goes over every edge that is due, and delivers the events, unless somebody else is about to.
    #[cold]
    #[inline(never)]
    fn settle(&self) {
        loop {
            let latch = self.latch();
            if latch.is_delivering() {
                return;
            }
            let Some((enqueued, dequeued)) = self.reading(latch) else {
                return;
            };
            let depth = self.depth_between(latch, enqueued, dequeued);
            let Some(edge) = latch.due(depth, self.points()) else {
                return;
            };
            let next = latch.over(edge);
            if self.shared.latch.replace(latch.0, next.0).is_err() {
                return;
            }
            let _delivery = Delivery(&self.shared.latch);
            if let Some(sink) = self.shared.sink {
                let figures = self.figures(next, enqueued, dequeued);
                sink.on_event(&match edge {
                    Edge::NearCapacity => LimitEvent::NearCapacity(figures),
                    Edge::Full => LimitEvent::Full(figures),
                    Edge::Recovered => LimitEvent::Recovered(figures),
                });
            }
        }
    }

    /// The two counters as they were at one instant; `None` if they moved in a way that lets whoever moved them look
    /// instead: `enqueued` for the rising edges and `dequeued` for the falling one, or of a sampled gauge either for both.
    fn reading(&self, latch: Latch) -> Option<(usize, usize)> {
        let dequeued = self.consumers.dequeued.get();
        let enqueued = self.producers.enqueued.get();
        let dequeued_again = self.consumers.dequeued.get();
        if dequeued == dequeued_again {
            return Some((enqueued, dequeued));
        }
        // Of a sampled gauge an equal `enqueued` may have been another in between.
        let unmoved = !latch.is_sampled() && self.producers.enqueued.get() == enqueued;
        unmoved.then_some((enqueued, dequeued_again))
    }

    #[inline]
    fn raise_high_water(&self, depth: usize) {
        if depth > self.shared.high_water.get() {
            self.shared.high_water.raise(depth);
        }
    }

    fn depth_between(&self, latch: Latch, enqueued: usize, dequeued: usize) -> usize {
        let difference = enqueued.wrapping_sub(dequeued);
        if self.is_deficit(difference) {
            0
        } else {
            self.clamp(latch, difference)
        }
    }

    /// Of a paired gauge, records under way may take the difference over the capacity.
    #[inline]
    fn clamp(&self, latch: Latch, difference: usize) -> usize {
        if latch.is_paired() {
            difference.min(self.capacity())
        } else {
            difference
        }
    }

    /// Whether a difference of the counters, taken modulo the word, is negative.
    fn is_deficit(&self, difference: usize) -> bool {
        difference > self.ceiling()
    }

    /// The greatest depth: half of what the capacity leaves of the word is for depths above it, half for deficits, which
    /// have an eighth of the word in any case.
    #[inline]
    fn ceiling(&self) -> usize {
        let capacity = self.capacity().min(usize::MAX / 4 * 3);
        usize::MAX - (usize::MAX - capacity) / 2
    }

    #[inline]
    fn latch(&self) -> Latch {
        Latch(self.shared.latch.get())
    }

    #[inline]
    fn points(&self) -> Points {
        Points {
            capacity: self.capacity(),
            warn_depth: self.shared.warn_depth.get(),
            rearm_depth: self.shared.rearm_depth.get(),
        }
    }

    fn figures(&self, latch: Latch, enqueued: usize, dequeued: usize) -> QueueSnapshot {
        let limit = self.limit();
        let capacity = self.capacity();
        let depth = self.depth_between(latch, enqueued, dequeued);
        QueueSnapshot {
            name: limit,
            category: limit.category(),
            instance: self.instance(),
            depth,
            high_water: self.high_water().max(depth),
            capacity,
            fill_percent: fill_percent(depth, capacity),
            warned: latch.has_warned(),
            warnings: latch.warnings(),
            enqueued,
            dequeued,
        }
    }
}

/// Life in a slot of a registry, for which `instance` is the version of a sequence lock: 0 while the slot is free.
impl Gauge {
    /// Makes a gauge of the vacant slot that the caller has claimed, and lets snapshots see it.
    pub(crate) fn open(&self, config: GaugeConfig, instance: usize) {
        let (producers, consumers, shared) = (&self.producers, &self.consumers, &self.shared);
        let points = config.points();
        producers.enqueued.reset(0);
        producers.dequeued_seen.reset(0);
        consumers.dequeued.reset(0);
        consumers.enqueued_seen.reset(0);
        shared.latch.reset(Latch::new(config.paired).0);
        shared.high_water.reset(0);
        shared.capacity.reset(points.capacity);
        shared.warn_depth.reset(points.warn_depth);
        shared.rearm_depth.reset(points.rearm_depth);
        shared.limit.reset(config.limit);
        // Pairs with the first load in `snapshot_if_live`: whoever sees the number sees all of the above.
        shared.instance.store(instance, Ordering::Release);
    }

    /// Hides the gauge from snapshots, before the slot is given back.
    pub(crate) fn close(&self) {
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
        unchanged.then_some(QueueSnapshot {
            instance,
            ..snapshot
        })
    }
}

/// An event that is being delivered; dropped, also by a panic of the sink, the latch is free to move.
struct Delivery<'gauge>(&'gauge Word);

impl Drop for Delivery<'_> {
    fn drop(&mut self) {
        self.0.clear_bits(Latch::DELIVERING);
    }
}

impl fmt::Debug for Gauge {
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
impl core::panic::UnwindSafe for Gauge {}
impl core::panic::RefUnwindSafe for Gauge {}
