//! The end that takes out.

use core::fmt;

use ::heapless::spsc::Consumer;

use crate::gauge::Gauge;

/// The consumer of a tracked queue, from [`SpscGauge::split`](super::SpscGauge::split): a
/// [`heapless::spsc::Consumer`] with its methods.
///
/// A dequeue is recorded when the item has been taken. It costs the record beyond the queue's own
/// work, see [`Gauge::record_dequeue`]; the other methods cost nothing more.
pub struct TrackedConsumer<'q, T> {
    consumer: Consumer<'q, T>,
    gauge: &'q Gauge,
}

impl<'q, T> TrackedConsumer<'q, T> {
    pub(super) const fn new(consumer: Consumer<'q, T>, gauge: &'q Gauge) -> Self {
        Self { consumer, gauge }
    }

    /// Takes the item at the front of the queue, if there is one.
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
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
    /// The queue must not be empty: [`ready`](Self::ready) has returned true since the last
    /// dequeue.
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
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

    /// Whether there is an item, so that the next dequeue will succeed.
    #[inline]
    pub fn ready(&self) -> bool {
        self.consumer.ready()
    }

    /// Items in the queue.
    #[inline]
    pub fn len(&self) -> usize {
        self.consumer.len()
    }

    /// Whether the queue is empty.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.consumer.is_empty()
    }

    /// How many items the queue can hold: one less than its places.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.consumer.capacity()
    }

    /// The item at the front of the queue, if there is one, which stays there.
    ///
    /// ```
    /// # use fillgauge::{Limit, queues::heapless::SpscGauge};
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
    pub const fn gauge(&self) -> &'q Gauge {
        self.gauge
    }
}

impl<T> fmt::Debug for TrackedConsumer<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TrackedConsumer").field(self.gauge).finish()
    }
}
