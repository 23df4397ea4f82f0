//! `std::sync::mpsc::sync_channel`, tracked.

// An enqueue is recorded when the item is in the queue, and a dequeue when it was taken out. So
// either record may be the first. The gauge of a queue takes both orders.
//
// When the receiver is dropped, so are the items in the queue. The gauge must then read 0, whatever
// sends are in progress:
//
// - The receiver drops the queue, then sets `closed`, then clears the gauge.
// - A sender records, then reads `closed`. It clears the gauge if `closed` is set.
//
// These accesses are sequentially consistent: the receiver sees the record, or the sender sees
// `closed`. A second clear does nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fillgauge::{IntoLimit, Limit};

use crate::backpressure::Backpressure;
use crate::channels::account::ChannelAccount;
use crate::registry::QueueGauge;
use crate::sync::mpsc::{
    self, Receiver, RecvError, RecvTimeoutError, SendError, SyncSender, TryRecvError, TrySendError,
};
use crate::sync::recv_timeout;
use crate::track::track;

/// A [`sync_channel`](std::sync::mpsc::sync_channel) whose depth is tracked by a gauge of the
/// global registry.
///
/// It is the channel of the standard library, with its whole surface and its errors. Nothing is
/// relayed or boxed. A `&'static str` names a limit of category
/// [`Queue`](crate::LimitCategory::Queue). An item counts when it is in the queue. A producer that waits for room does
/// not count, so neither depth nor high-water mark ever exceeds `capacity`. Failed sends leave
/// nothing behind. When the receiver is dropped the depth is 0. With capacity 0 the channel is a
/// rendezvous: its depth is always 0, and no event comes.
///
/// ```
/// use fillgauge_std::tracked_sync_channel;
///
/// let (sender, receiver) = tracked_sync_channel("session_frames", 16);
/// sender.send("frame")?;
/// assert_eq!(sender.gauge().depth(), 1);
/// assert_eq!(receiver.recv(), Ok("frame"));
/// assert_eq!(sender.gauge().depth(), 0);
/// # Ok::<(), std::sync::mpsc::SendError<&str>>(())
/// ```
pub fn tracked_sync_channel<T>(
    name: impl IntoLimit,
    capacity: usize,
) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
    track(name).capacity(capacity).sync_channel()
}

/// A channel with `capacity` that records on `gauge` and counts in `account`.
pub(crate) fn channel_on<T, N>(
    capacity: usize,
    gauge: Arc<QueueGauge<N>>,
    account: Arc<ChannelAccount>,
) -> (TrackedSyncSender<T, N>, TrackedReceiver<T, N>) {
    let (sender, receiver) = mpsc::sync_channel(capacity);
    let sender = TrackedSyncSender {
        inner: sender,
        gauge: Arc::clone(&gauge),
        account: Arc::clone(&account),
    };
    let receiver = TrackedReceiver {
        inner: receiver,
        closing: CloseOnDrop { gauge, account },
    };
    (sender, receiver)
}

/// The sending half of a [`tracked_sync_channel`], after [`SyncSender`].
pub struct TrackedSyncSender<T, N = &'static Limit> {
    inner: SyncSender<T>,
    gauge: Arc<QueueGauge<N>>,
    account: Arc<ChannelAccount>,
}

impl<T, N> TrackedSyncSender<T, N> {
    /// Sends an item. Waits for room if the queue is full, or for the receiver if the channel is a
    /// rendezvous.
    ///
    /// # Errors
    ///
    /// Gives the item back if the receiver is gone, as [`SyncSender::send`] does.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let outcome = match self.inner.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(value)) => {
                let _waiting = self.account.wait();
                self.inner.send(value)
            }
            Err(TrySendError::Disconnected(value)) => Err(SendError(value)),
        };
        match &outcome {
            Ok(()) => self.record_sent(),
            Err(_) => self.account.count_disconnected(),
        }
        outcome
    }

    /// Sends an item if there is room.
    ///
    /// # Errors
    ///
    /// Gives the item back if the queue is full or the receiver is gone, as
    /// [`SyncSender::try_send`] does.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let outcome = self.inner.try_send(value);
        match &outcome {
            Ok(()) => self.record_sent(),
            Err(TrySendError::Full(_)) => self.gauge.record_refused(1),
            Err(TrySendError::Disconnected(_)) => self.account.count_disconnected(),
        }
        outcome
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueGauge<N>> {
        &self.gauge
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.account.backpressure(self.gauge.refused())
    }

    #[inline]
    fn record_sent(&self) {
        self.gauge.record_enqueue();
        if self.account.is_closed() {
            self.gauge.record_clear();
        }
    }
}

impl<T, N> Clone for TrackedSyncSender<T, N> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            gauge: Arc::clone(&self.gauge),
            account: Arc::clone(&self.account),
        }
    }
}

impl<T, N> fmt::Debug for TrackedSyncSender<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedSyncSender")
            .field("gauge", &self.gauge)
            .finish_non_exhaustive()
    }
}

/// The receiving half of a [`tracked_sync_channel`], after [`Receiver`].
pub struct TrackedReceiver<T, N = &'static Limit> {
    // Dropped in this order: first the queue with its items, then `closing`.
    inner: Receiver<T>,
    closing: CloseOnDrop<N>,
}

/// Closes the channel and clears its gauge when it is dropped.
struct CloseOnDrop<N> {
    gauge: Arc<QueueGauge<N>>,
    account: Arc<ChannelAccount>,
}

impl<N> Drop for CloseOnDrop<N> {
    fn drop(&mut self) {
        self.account.close();
        self.gauge.deferred().record_clear();
    }
}

impl<T, N> TrackedReceiver<T, N> {
    /// Takes the next item. Waits for one if there is none.
    ///
    /// # Errors
    ///
    /// If the queue is empty and all senders are gone, as [`Receiver::recv`].
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recorded(self.inner.recv())
    }

    /// Takes the next item. Waits for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If none came in time, or the queue is empty and all senders are gone, as
    /// [`Receiver::recv_timeout`].
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.recorded(recv_timeout(&self.inner, timeout))
    }

    /// Takes the next item if there is one.
    ///
    /// # Errors
    ///
    /// If the queue is empty, as [`Receiver::try_recv`].
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.recorded(self.inner.try_recv())
    }

    /// Takes items, waiting for each, until all senders are gone.
    pub fn iter(&self) -> Iter<'_, T, N> {
        Iter { receiver: self }
    }

    /// Takes items until there are no more to be had without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T, N> {
        TryIter { receiver: self }
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueGauge<N>> {
        &self.closing.gauge
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        let CloseOnDrop { gauge, account } = &self.closing;
        account.backpressure(gauge.refused())
    }

    #[inline]
    fn recorded<E>(&self, received: Result<T, E>) -> Result<T, E> {
        if received.is_ok() {
            self.closing.gauge.deferred().record_dequeue();
        }
        received
    }
}

impl<T, N> fmt::Debug for TrackedReceiver<T, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedReceiver")
            .field("gauge", self.gauge())
            .finish_non_exhaustive()
    }
}

impl<'a, T, N> IntoIterator for &'a TrackedReceiver<T, N> {
    type Item = T;
    type IntoIter = Iter<'a, T, N>;

    fn into_iter(self) -> Iter<'a, T, N> {
        self.iter()
    }
}

impl<T, N> IntoIterator for TrackedReceiver<T, N> {
    type Item = T;
    type IntoIter = IntoIter<T, N>;

    fn into_iter(self) -> IntoIter<T, N> {
        IntoIter { receiver: self }
    }
}

/// Takes items, waiting for each: [`TrackedReceiver::iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Iter<'a, T, N = &'static Limit> {
    receiver: &'a TrackedReceiver<T, N>,
}

impl<T, N> Iterator for Iter<'_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// Takes items without waiting: [`TrackedReceiver::try_iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct TryIter<'a, T, N = &'static Limit> {
    receiver: &'a TrackedReceiver<T, N>,
}

impl<T, N> Iterator for TryIter<'_, T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// Takes items, waiting for each, and owns the receiver.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct IntoIter<T, N = &'static Limit> {
    receiver: TrackedReceiver<T, N>,
}

impl<T, N> Iterator for IntoIter<T, N> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}
