//! Queues of `heapless`, tracked, and snapshots in a [`Vec`] of it.
//!
//! They are those of heapless 0.9; the firmware needs it as a dependency of its own.
//!
//! A [`SpscGauge`] is the gauge of one [`heapless::spsc::Queue`]; it splits the queue into a producer and a consumer that
//! record what they do.
//!
//! ```
//! use fillgauge::queue::{SpscGauge, TrackedConsumer, TrackedProducer};
//! use fillgauge::{Limit, QueueRegistry};
//! use heapless::spsc::Queue;
//!
//! // A queue of 16 places holds 15 items: the gauge knows.
//! static UART_RX: SpscGauge<16> = SpscGauge::new(&Limit::queue("uart_rx"));
//! static GAUGES: QueueRegistry<0> = QueueRegistry::new().with_presets(&[UART_RX.gauge()]);
//!
//! fn on_rx_interrupt(received: &mut TrackedProducer<'_, u8>) {
//!     if received.enqueue(b'x').is_err() {
//!         // Lost; the gauge has told of it when the 12th byte came in.
//!     }
//! }
//!
//! fn main_loop(received: &mut TrackedConsumer<'_, u8>) {
//!     while let Some(byte) = received.dequeue() {
//! #       assert_eq!(byte, b'x');
//!         // ...
//!     }
//! }
//!
//! let mut queue = Queue::new(); // in firmware from a `StaticCell`, a `singleton!` or the resources of a framework
//! let (mut producer, mut consumer) = UART_RX.split(&mut queue);
//! on_rx_interrupt(&mut producer);
//! assert_eq!(UART_RX.depth(), 1);
//! main_loop(&mut consumer);
//! assert_eq!(GAUGES.snapshot().map(|gauge| gauge.depth).sum::<usize>(), 0);
//! ```
//!
//! # What knows its own length
//!
//! A [`Deque`](heapless::Deque), a `Vec` or a `heapless::String` is changed by one place at a time, through `&mut`. It needs
//! no wrapper: tell a gauge the length after each change.
//!
//! ```
//! use fillgauge::{Gauge, Limit};
//! use heapless::Deque;
//!
//! static RETRIES: Gauge = Gauge::new(&Limit::queue("retries"), 8);
//!
//! let mut retries: Deque<u16, 8> = Deque::new();
//! retries.push_back(7)?;
//! RETRIES.observe_depth(retries.len());
//! # assert_eq!(RETRIES.depth(), 1);
//! # Ok::<(), u16>(())
//! ```

use core::fmt;
use core::ops::Deref;

use heapless::Vec;
use heapless::spsc::{Consumer, Producer, Queue};

use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::gauge::Gauge;
use crate::limit::Limit;
use crate::registry::QueueRegistry;
use crate::snapshot::QueueSnapshot;
use crate::sync::const_fn;
use crate::thresholds::Thresholds;

/// The gauge of one `heapless::spsc::Queue<T, N>`: a [paired](GaugeConfig::paired) [`Gauge`], which it derefs to, with the
/// capacity of that queue, which is `N - 1`.
///
/// The type is the check: a queue of another size does not fit it.
///
/// ```
/// use fillgauge::Limit;
/// use fillgauge::queue::SpscGauge;
/// use heapless::spsc::Queue;
///
/// static TX: SpscGauge<5> = SpscGauge::new(&Limit::queue("tx"));
///
/// let mut queue: Queue<u8, 5> = Queue::new();
/// let (mut producer, _consumer) = TX.split(&mut queue);
/// for byte in 0..4 {
///     producer.enqueue(byte)?;
/// }
/// assert_eq!((TX.depth(), TX.capacity(), TX.has_warned()), (4, 4, true));
/// # Ok::<(), u8>(())
/// ```
///
/// ```compile_fail,E0308
/// # use fillgauge::Limit;
/// # use fillgauge::queue::SpscGauge;
/// # use heapless::spsc::Queue;
/// # static TX: SpscGauge<5> = SpscGauge::new(&Limit::queue("tx"));
/// let mut queue: Queue<u8, 4> = Queue::new();
/// let _ends = TX.split(&mut queue);
/// ```
#[derive(Debug)]
pub struct SpscGauge<const N: usize>(Gauge);

impl<const N: usize> SpscGauge<N> {
    const_fn! {
        /// A gauge of `limit` for a queue of `N` places.
        ///
        /// ```
        /// # use fillgauge::{Limit, queue::SpscGauge};
        /// static TX: SpscGauge<17> = SpscGauge::new(&Limit::queue("tx"));
        ///
        /// assert_eq!(TX.capacity(), 16);
        /// ```
        pub const fn new(limit: &'static Limit) -> Self {
            Self::with_thresholds(limit, Thresholds::DEFAULT)
        }
    }

    const_fn! {
        /// [`new`](Self::new) with thresholds of its own.
        ///
        /// ```
        /// # use fillgauge::queue::SpscGauge;
        /// # use fillgauge::{Limit, Thresholds};
        /// const EARLY: Thresholds = match Thresholds::new(60, 20) {
        ///     Ok(thresholds) => thresholds,
        ///     Err(_) => panic!("re-arm is below warn"),
        /// };
        /// static TX: SpscGauge<11> = SpscGauge::with_thresholds(&Limit::queue("tx"), EARLY);
        /// ```
        pub const fn with_thresholds(limit: &'static Limit, thresholds: Thresholds) -> Self {
            const { assert!(N > 1, "a queue without room for an item") };
            let config = GaugeConfig::new(limit, N.wrapping_sub(1)).thresholds(thresholds);
            Self(Gauge::with_config(config.paired()))
        }
    }

    /// The same gauge with a receiver of its events; see [`LimitSink`].
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent, LimitSink, queue::SpscGauge};
    /// struct Lamp;
    ///
    /// impl LimitSink for Lamp {
    ///     fn on_event(&self, event: &LimitEvent) {
    ///         // on if it is `NearCapacity`, off if it is `Recovered`
    ///     }
    /// }
    ///
    /// static TX: SpscGauge<17> = SpscGauge::new(&Limit::queue("tx")).with_sink(&Lamp);
    /// ```
    #[must_use]
    pub const fn with_sink(self, sink: &'static dyn LimitSink) -> Self {
        Self(self.0.with_sink(sink))
    }

    /// The gauge, to be preset in a [`QueueRegistry`], where there is no deref.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry, queue::SpscGauge};
    /// static TX: SpscGauge<17> = SpscGauge::new(&Limit::queue("tx"));
    /// static GAUGES: QueueRegistry<0> = QueueRegistry::new().with_presets(&[TX.gauge()]);
    /// ```
    pub const fn gauge(&self) -> &Gauge {
        &self.0
    }

    /// Splits `queue` into its two ends, which record what they do in this gauge.
    ///
    /// What is in the queue already is counted: the gauge reads the length of `queue` afterwards. A gauge follows one queue
    /// at a time.
    ///
    /// As [`Gauge::record_enqueue_n`] or [`Gauge::record_dequeue_n`] of what is to be made up for.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// static TX: SpscGauge<5> = SpscGauge::new(&Limit::queue("tx"));
    ///
    /// let mut queue = Queue::new();
    /// queue.enqueue('a')?;
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// assert_eq!(TX.depth(), 1);
    /// producer.enqueue('b')?;
    /// assert_eq!((consumer.dequeue(), consumer.dequeue()), (Some('a'), Some('b')));
    /// assert_eq!(TX.depth(), 0);
    /// # Ok::<(), char>(())
    /// ```
    pub fn split<'q, T>(
        &'q self,
        queue: &'q mut Queue<T, N>,
    ) -> (TrackedProducer<'q, T>, TrackedConsumer<'q, T>) {
        // Not the depth, which is clamped: a queue before this one may have left more, or a deficit.
        let counted = self.enqueued().wrapping_sub(self.dequeued());
        let missing = queue.len().wrapping_sub(counted);
        if missing <= usize::MAX / 2 {
            self.record_enqueue_n(missing);
        } else {
            self.record_dequeue_n(missing.wrapping_neg());
        }
        let (producer, consumer) = queue.split();
        let gauge = self.gauge();
        (
            TrackedProducer { producer, gauge },
            TrackedConsumer { consumer, gauge },
        )
    }
}

impl<const N: usize> Deref for SpscGauge<N> {
    type Target = Gauge;

    #[inline]
    fn deref(&self) -> &Gauge {
        &self.0
    }
}

/// The producer of a tracked queue, from [`SpscGauge::split`]: a [`heapless::spsc::Producer`] with its methods and errors.
///
/// An enqueue is recorded when the item is in the queue, and one that is refused not at all. It costs the record beyond the
/// queue's own work, see [`Gauge::record_enqueue`]; the other methods cost nothing more.
pub struct TrackedProducer<'q, T> {
    producer: Producer<'q, T>,
    gauge: &'q Gauge,
}

impl<'q, T> TrackedProducer<'q, T> {
    /// Adds `item` to the end of the queue.
    ///
    /// Wait-free, but for [edges and new marks](Gauge#progress-and-interrupts).
    ///
    /// # Errors
    ///
    /// Gives `item` back if the queue is full.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// static TX: SpscGauge<2> = SpscGauge::new(&Limit::queue("tx"));
    ///
    /// let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// assert_eq!(producer.enqueue('a'), Ok(()));
    /// assert_eq!(producer.enqueue('b'), Err('b'));
    /// assert_eq!(TX.depth(), 1);
    /// ```
    #[inline]
    pub fn enqueue(&mut self, item: T) -> Result<(), T> {
        self.producer.enqueue(item)?;
        self.gauge.record_enqueue();
        Ok(())
    }

    /// Adds `item` to the end of the queue, without a look whether it is full.
    ///
    /// # Safety
    ///
    /// The queue must not be full: [`ready`](Self::ready) has returned true since the last enqueue.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// if producer.ready() {
    ///     // SAFETY: there is room, and nobody else enqueues.
    ///     unsafe { producer.enqueue_unchecked('a') };
    /// }
    /// assert_eq!(TX.depth(), 1);
    /// ```
    #[inline]
    #[allow(unsafe_code)]
    pub unsafe fn enqueue_unchecked(&mut self, item: T) {
        // SAFETY: what heapless asks for, the caller promises.
        unsafe { self.producer.enqueue_unchecked(item) };
        self.gauge.record_enqueue();
    }

    /// Whether there is room, so that the next enqueue will succeed. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// assert!(producer.ready());
    /// producer.enqueue('a')?;
    /// producer.enqueue('b')?;
    /// assert!(!producer.ready());
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn ready(&self) -> bool {
        self.producer.ready()
    }

    /// Items in the queue. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// assert_eq!(producer.len(), 1);
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.producer.len()
    }

    /// Whether the queue is empty. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// assert!(producer.is_empty());
    /// producer.enqueue('a')?;
    /// assert!(!producer.is_empty());
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.producer.is_empty()
    }

    /// How many items the queue can hold: one less than its places. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// assert_eq!(producer.capacity(), 2);
    /// # producer.enqueue('a')?;
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.producer.capacity()
    }

    /// Where this end records.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// assert_eq!(producer.gauge().depth(), 1);
    /// # Ok::<(), char>(())
    /// ```
    pub const fn gauge(&self) -> &'q Gauge {
        self.gauge
    }
}

impl<T> fmt::Debug for TrackedProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackedProducer").field(self.gauge).finish()
    }
}

/// The consumer of a tracked queue, from [`SpscGauge::split`]: a [`heapless::spsc::Consumer`] with its methods.
///
/// A dequeue is recorded when the item has been taken. It costs the record beyond the queue's own work, see
/// [`Gauge::record_dequeue`]; the other methods cost nothing more.
pub struct TrackedConsumer<'q, T> {
    consumer: Consumer<'q, T>,
    gauge: &'q Gauge,
}

impl<'q, T> TrackedConsumer<'q, T> {
    /// Takes the item at the front of the queue, if there is one.
    ///
    /// Wait-free, but for [edges](Gauge#progress-and-interrupts).
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// static TX: SpscGauge<4> = SpscGauge::new(&Limit::queue("tx"));
    ///
    /// let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// assert_eq!(consumer.dequeue(), Some('a'));
    /// assert_eq!(consumer.dequeue(), None);
    /// assert_eq!(TX.depth(), 0);
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn dequeue(&mut self) -> Option<T> {
        let item = self.consumer.dequeue()?;
        self.gauge.record_dequeue();
        Some(item)
    }

    /// Takes the item at the front of the queue, without a look whether there is one.
    ///
    /// # Safety
    ///
    /// The queue must not be empty: [`ready`](Self::ready) has returned true since the last dequeue.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// if consumer.ready() {
    ///     // SAFETY: there is an item, and nobody else dequeues.
    ///     assert_eq!(unsafe { consumer.dequeue_unchecked() }, 'a');
    /// }
    /// assert_eq!(TX.depth(), 0);
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    #[allow(unsafe_code)]
    pub unsafe fn dequeue_unchecked(&mut self) -> T {
        // SAFETY: what heapless asks for, the caller promises.
        let item = unsafe { self.consumer.dequeue_unchecked() };
        self.gauge.record_dequeue();
        item
    }

    /// Whether there is an item, so that the next dequeue will succeed. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// assert!(!consumer.ready());
    /// producer.enqueue('a')?;
    /// assert!(consumer.ready());
    /// # consumer.dequeue();
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn ready(&self) -> bool {
        self.consumer.ready()
    }

    /// Items in the queue. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// assert_eq!(consumer.len(), 1);
    /// # consumer.dequeue();
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn len(&self) -> usize {
        self.consumer.len()
    }

    /// Whether the queue is empty. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// assert!(consumer.is_empty());
    /// # producer.enqueue('a')?;
    /// # consumer.dequeue();
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// How many items the queue can hold: one less than its places. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// assert_eq!(consumer.capacity(), 2);
    /// # producer.enqueue('a')?;
    /// # consumer.dequeue();
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn capacity(&self) -> usize {
        self.consumer.capacity()
    }

    /// The item at the front of the queue, if there is one, which stays there. Wait-free.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// assert_eq!(consumer.peek(), Some(&'a'));
    /// assert_eq!(consumer.dequeue(), Some('a'));
    /// # Ok::<(), char>(())
    /// ```
    #[inline]
    pub fn peek(&self) -> Option<&T> {
        self.consumer.peek()
    }

    /// Where this end records.
    ///
    /// ```
    /// # use fillgauge::{Limit, queue::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// # static TX: SpscGauge<3> = SpscGauge::new(&Limit::queue("tx"));
    /// # let mut queue = Queue::new();
    /// let (mut producer, mut consumer) = TX.split(&mut queue);
    /// producer.enqueue('a')?;
    /// consumer.dequeue();
    /// assert_eq!(consumer.gauge().dequeued(), 1);
    /// # Ok::<(), char>(())
    /// ```
    pub const fn gauge(&self) -> &'q Gauge {
        self.gauge
    }
}

impl<T> fmt::Debug for TrackedConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackedConsumer").field(self.gauge).finish()
    }
}

/// Adds the figures of every live gauge of `registry`, presets first, to `figures`. To replace what is there, clear it.
///
/// Wait-free, see [`QueueRegistry::snapshot`].
///
/// # Errors
///
/// [`SnapshotCut`] if there are more gauges than `figures` has room for; those that have room are there.
///
/// ```
/// use fillgauge::{Gauge, Limit, QueueRegistry, QueueSnapshot};
/// use heapless::Vec;
///
/// static TX: Gauge = Gauge::new(&Limit::queue("tx"), 8);
/// static RX: Gauge = Gauge::new(&Limit::queue("rx"), 8);
/// static GAUGES: QueueRegistry<0> = QueueRegistry::new().with_presets(&[&TX, &RX]);
///
/// let mut figures: Vec<QueueSnapshot, 4> = Vec::new();
/// fillgauge::queue::snapshot(&GAUGES, &mut figures)?;
/// assert_eq!(figures[1].name.as_str(), "rx");
///
/// let mut first: Vec<QueueSnapshot, 1> = Vec::new();
/// let cut = fillgauge::queue::snapshot(&GAUGES, &mut first).unwrap_err();
/// assert_eq!(cut.to_string(), "no room for 1 of 2 gauges");
/// # Ok::<(), fillgauge::queue::SnapshotCut>(())
/// ```
pub fn snapshot<const N: usize, const M: usize>(
    registry: &QueueRegistry<N>,
    figures: &mut Vec<QueueSnapshot, M>,
) -> Result<(), SnapshotCut> {
    let (mut gauges, mut left_out): (usize, usize) = (0, 0);
    for gauge in registry.snapshot() {
        gauges = gauges.saturating_add(1);
        if figures.push(gauge).is_err() {
            left_out = left_out.saturating_add(1);
        }
    }
    if left_out == 0 {
        Ok(())
    } else {
        Err(SnapshotCut { left_out, gauges })
    }
}

/// A [`snapshot`] had more gauges than room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SnapshotCut {
    left_out: usize,
    gauges: usize,
}

impl SnapshotCut {
    /// How many gauges were left out.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry};
    /// # use heapless::Vec;
    /// static GAUGES: QueueRegistry<1> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// let _frames = GAUGES.register(&FRAMES, 8)?;
    /// let mut none: Vec<_, 0> = Vec::new();
    /// let cut = fillgauge::queue::snapshot(&GAUGES, &mut none).unwrap_err();
    /// assert_eq!(cut.left_out(), 1);
    /// # Ok::<(), fillgauge::RegistryFull>(())
    /// ```
    pub const fn left_out(&self) -> usize {
        self.left_out
    }
}

impl fmt::Display for SnapshotCut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { left_out, gauges } = self;
        write!(f, "no room for {left_out} of {gauges} gauges")
    }
}

impl core::error::Error for SnapshotCut {}
