//! The end that puts in.

use core::fmt;

use ::heapless::spsc::Producer;

use crate::gauge::Gauge;

/// The producer of a tracked queue, from [`SpscGauge::split`](super::SpscGauge::split): a
/// [`heapless::spsc::Producer`] with its methods and errors.
///
/// An enqueue is recorded when the item is in the queue, and one that is refused not at all. It
/// costs the record beyond the queue's own work, see [`Gauge::record_enqueue`]; the other methods
/// cost nothing more.
pub struct TrackedProducer<'q, T> {
    producer: Producer<'q, T>,
    gauge: &'q Gauge,
}

impl<'q, T> TrackedProducer<'q, T> {
    pub(super) const fn new(producer: Producer<'q, T>, gauge: &'q Gauge) -> Self {
        Self { producer, gauge }
    }

    /// Adds `item` to the end of the queue.
    ///
    /// # Errors
    ///
    /// Gives `item` back if the queue is full, and counts it as [refused](Gauge::record_refused).
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
    /// # use heapless::spsc::Queue;
    /// static TX: SpscGauge<2> = SpscGauge::new(&Limit::queue("tx"));
    ///
    /// let mut queue = Queue::new();
    /// let (mut producer, _consumer) = TX.split(&mut queue);
    /// assert_eq!(producer.enqueue('a'), Ok(()));
    /// assert_eq!(producer.enqueue('b'), Err('b'));
    /// assert_eq!((TX.depth(), TX.refused()), (1, 1));
    /// ```
    #[inline]
    pub fn enqueue(&mut self, item: T) -> Result<(), T> {
        let outcome = self.producer.enqueue(item);
        match outcome {
            Ok(()) => self.gauge.record_enqueue(),
            Err(_) => self.gauge.record_refused(1),
        }
        outcome
    }

    /// Adds `item` to the end of the queue, without a look whether it is full.
    ///
    /// # Safety
    ///
    /// The queue must not be full: [`ready`](Self::ready) has returned true since the last enqueue.
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
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

    /// Whether there is room, so that the next enqueue will succeed.
    #[inline]
    pub fn ready(&self) -> bool {
        self.producer.ready()
    }

    /// Items in the queue.
    #[inline]
    pub fn len(&self) -> usize {
        self.producer.len()
    }

    /// Whether the queue is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.producer.is_empty()
    }

    /// How many items the queue can hold: one less than its places.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.producer.capacity()
    }

    /// Where this end records.
    pub const fn gauge(&self) -> &'q Gauge {
        self.gauge
    }
}

impl<T> fmt::Debug for TrackedProducer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackedProducer").field(self.gauge).finish()
    }
}
