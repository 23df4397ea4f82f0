//! Queues of `heapless`, tracked, and snapshots in a [`Vec`](::heapless::Vec) of it.
//!
//! They are those of heapless 0.9; the firmware needs it as a dependency of its own.
//!
//! A [`SpscGauge`] is the gauge of one [`heapless::spsc::Queue`]; it splits the queue into a
//! producer and a consumer that record what they do.
//!
//! ```
//! use fillgauge::queues::heapless::{SpscGauge, TrackedConsumer, TrackedProducer};
//! use fillgauge::{Limit, QueueRegistry, presets};
//! use heapless::spsc::Queue;
//!
//! // A queue of 16 places holds 15 items: the gauge knows.
//! static UART_RX: SpscGauge<16> = SpscGauge::new(&Limit::queue("uart_rx"));
//! static GAUGES: QueueRegistry<0> = QueueRegistry::new().with_presets(presets![UART_RX]);
//!
//! fn on_rx_interrupt(received: &mut TrackedProducer<'_, u8>) {
//!     if received.enqueue(b'x').is_err() {
//!         // Lost. The gauge has warned when the 12th byte came in.
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
//! A [`Deque`](::heapless::Deque), a `Vec` or a `heapless::String` is changed by one place at a
//! time, through `&mut`. It needs no wrapper: observe its length after each change.
//!
//! ```
//! use fillgauge::{Gauge, Limit};
//! use heapless::Deque;
//!
//! static RETRIES: Gauge = Gauge::new(&Limit::queue("retries"), 8);
//!
//! let mut retries: Deque<u16, 8> = Deque::new();
//! retries.push_back(7)?;
//! RETRIES.observe_with(|| retries.len());
//! # assert_eq!(RETRIES.depth(), 1);
//! # Ok::<(), u16>(())
//! ```

mod consumer;
mod producer;
mod snapshot;

use core::ops::Deref;

use ::heapless::spsc::Queue;
pub use consumer::TrackedConsumer;
pub use producer::TrackedProducer;
pub use snapshot::{SnapshotTruncated, snapshot};

use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::gauge::Gauge;
use crate::limit::Limit;
use crate::registry::Preset;
use crate::sync::const_fn;
use crate::thresholds::Thresholds;

/// The gauge of one `heapless::spsc::Queue<T, N>`: a [`Gauge`] [for a queue](Gauge::for_queue),
/// which it derefs to. Its capacity is that of the queue, `N - 1`.
///
/// The type is the check: a queue of another size does not fit it.
///
/// ```
/// use fillgauge::Limit;
/// use fillgauge::queues::heapless::SpscGauge;
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
/// # use fillgauge::queues::heapless::SpscGauge;
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
        pub const fn new(limit: &'static Limit) -> Self {
            Self::with_thresholds(limit, Thresholds::DEFAULT)
        }
    }

    const_fn! {
        /// [`new`](Self::new) with thresholds of its own.
        ///
        /// ```
        /// # use fillgauge::queues::heapless::SpscGauge;
        /// # use fillgauge::{Limit, Thresholds};
        /// const EARLY: Thresholds = match Thresholds::new(60, 20) {
        ///     Ok(thresholds) => thresholds,
        ///     Err(_) => panic!("re-arm is below warn"),
        /// };
        /// static TX: SpscGauge<11> = SpscGauge::with_thresholds(&Limit::queue("tx"), EARLY);
        /// ```
        pub const fn with_thresholds(limit: &'static Limit, thresholds: Thresholds) -> Self {
            const { assert!(N > 1, "a queue without room for an item") };
            let config = GaugeConfig::for_queue(limit, N.wrapping_sub(1));
            Self(Gauge::with_config(config.thresholds(thresholds)))
        }
    }

    /// The same gauge with a receiver of its events; see [`LimitSink`].
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent, LimitSink, queues::heapless::SpscGauge};
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

    /// The gauge, where there is no deref: in a constant.
    pub const fn gauge(&self) -> &Gauge {
        &self.0
    }

    /// The gauge for [`presets!`](crate::presets), which calls this.
    pub const fn preset(&'static self) -> Preset {
        self.0.preset()
    }

    /// Splits `queue` into its two ends, which record what they do in this gauge.
    ///
    /// What is in the queue already is counted: the gauge reads the length of `queue` afterwards. A
    /// gauge follows one queue at a time.
    ///
    /// As [`Gauge::record_enqueue_n`] or [`Gauge::record_dequeue_n`] of what is to be made up for.
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
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
        // Not the depth, which is clamped: a queue before this one may have left more, or an
        // underflow.
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
            TrackedProducer::new(producer, gauge),
            TrackedConsumer::new(consumer, gauge),
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
