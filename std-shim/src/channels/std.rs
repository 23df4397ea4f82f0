//! `std::sync::mpsc::sync_channel`, tracked.

// An enqueue is recorded when the item is in the queue and a dequeue when it was taken out, so either record may be the
// first; the gauge of a queue takes both orders.
//
// When the receiver goes, so do the items in the queue, and the gauge must read 0 whatever sends are under way. The
// receiver first drops the queue, then sets `closed`, then clears the gauge; a sender first records, then reads
// `closed`, and clears the gauge if it is set. These accesses are sequentially consistent, so the receiver sees the record
// or the sender sees `closed`; a clear that comes twice does nothing.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use fillgauge::Limit;

use crate::registry::QueueGauge;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::mpsc::{
    self, Receiver, RecvError, RecvTimeoutError, SendError, SyncSender, TryRecvError, TrySendError,
};
use crate::sync::{Mutex, lock, now, recv_timeout};
use crate::track::track;

/// A [`sync_channel`](std::sync::mpsc::sync_channel) whose depth is tracked by a gauge of the
/// global registry.
///
/// It is the channel of the standard library, with its whole surface and its errors; nothing is relayed or boxed. An item
/// counts when it is in the queue: a producer that waits for room does not, and neither depth nor high-water mark
/// ever exceed `capacity`. Failed sends leave nothing behind, and when the receiver is dropped the depth is 0. With
/// capacity 0 the channel is a rendezvous: its depth is always 0 and no event comes.
///
/// ```
/// use fillgauge_std::{TrackedLimit, tracked_sync_channel};
///
/// let (sender, receiver) = tracked_sync_channel(TrackedLimit::V8SessionFrames, 16);
/// sender.send("frame")?;
/// assert_eq!(sender.gauge().depth(), 1);
/// assert_eq!(receiver.recv(), Ok("frame"));
/// assert_eq!(sender.gauge().depth(), 0);
/// # Ok::<(), std::sync::mpsc::SendError<&str>>(())
/// ```
pub fn tracked_sync_channel<T>(
    name: impl Into<&'static Limit>,
    capacity: usize,
) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
    track(name).capacity(capacity).sync_channel()
}

/// A channel with `capacity` that records on `gauge`.
pub(crate) fn channel_on<T>(
    capacity: usize,
    gauge: Arc<QueueGauge>,
) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
    let (sender, receiver) = mpsc::sync_channel(capacity);
    let flow = Arc::new(Flow::default());
    let sender = TrackedSyncSender {
        inner: sender,
        gauge: Arc::clone(&gauge),
        flow: Arc::clone(&flow),
    };
    let receiver = TrackedReceiver {
        inner: receiver,
        closing: Closing { gauge, flow },
    };
    (sender, receiver)
}

/// How a channel held its producers back, from [`TrackedSyncSender::backpressure`].
///
/// ```
/// use fillgauge_std::{TrackedLimit, tracked_sync_channel};
///
/// let (sender, _receiver) = tracked_sync_channel(TrackedLimit::VmPipes, 1);
/// sender.send(1)?;
/// assert!(sender.try_send(2).is_err());
/// assert_eq!(sender.backpressure().rejected, 1);
/// # Ok::<(), std::sync::mpsc::SendError<i32>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backpressure {
    /// Producers that wait for room at this moment.
    pub parked: usize,
    /// Sends that had to wait and are done.
    pub parks: usize,
    /// How long those waited, all together.
    pub parked_time: Duration,
    /// Items that `try_send` gave back because the queue was full.
    pub rejected: usize,
    /// Items that were given back because the receiver was gone.
    pub disconnected: usize,
}

#[derive(Debug, Default)]
struct Flow {
    /// The receiver is gone.
    closed: AtomicBool,
    parked: AtomicUsize,
    /// Locked only by producers that had to wait anyway.
    parks: Mutex<Parks>,
    rejected: AtomicUsize,
    disconnected: AtomicUsize,
}

#[derive(Debug, Default)]
struct Parks {
    count: usize,
    time: Duration,
}

impl Flow {
    fn backpressure(&self) -> Backpressure {
        let parks = lock(&self.parks);
        Backpressure {
            parked: self.parked.load(Ordering::Relaxed),
            parks: parks.count,
            parked_time: parks.time,
            rejected: self.rejected.load(Ordering::Relaxed),
            disconnected: self.disconnected.load(Ordering::Relaxed),
        }
    }

    /// Runs a send that has to wait for room. The clock is read here only.
    fn park<R>(&self, send: impl FnOnce() -> R) -> R {
        self.parked.fetch_add(1, Ordering::Relaxed);
        let since = now();
        let outcome = send();
        let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
        self.parked.fetch_sub(1, Ordering::Relaxed);
        let mut parks = lock(&self.parks);
        parks.count = parks.count.wrapping_add(1);
        parks.time = parks.time.saturating_add(waited);
        outcome
    }
}

/// The sending half of a [`tracked_sync_channel`], after [`SyncSender`].
pub struct TrackedSyncSender<T> {
    inner: SyncSender<T>,
    gauge: Arc<QueueGauge>,
    flow: Arc<Flow>,
}

impl<T> TrackedSyncSender<T> {
    /// Sends an item; waits for room if the queue is full, or for the receiver if the channel is a rendezvous.
    ///
    /// # Errors
    ///
    /// Gives the item back if the receiver is gone, as [`SyncSender::send`] does.
    #[inline]
    pub fn send(&self, value: T) -> Result<(), SendError<T>> {
        let outcome = match self.inner.try_send(value) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(value)) => self.flow.park(|| self.inner.send(value)),
            Err(TrySendError::Disconnected(value)) => Err(SendError(value)),
        };
        match &outcome {
            Ok(()) => self.record_sent(),
            Err(_) => self.record_disconnected(),
        }
        outcome
    }

    /// Sends an item if there is room.
    ///
    /// # Errors
    ///
    /// Gives the item back if the queue is full or the receiver is gone, as [`SyncSender::try_send`] does.
    #[inline]
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        let outcome = self.inner.try_send(value);
        match &outcome {
            Ok(()) => self.record_sent(),
            Err(TrySendError::Full(_)) => {
                self.flow.rejected.fetch_add(1, Ordering::Relaxed);
            }
            Err(TrySendError::Disconnected(_)) => self.record_disconnected(),
        }
        outcome
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueGauge> {
        &self.gauge
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.flow.backpressure()
    }

    #[inline]
    fn record_sent(&self) {
        self.gauge.record_enqueue();
        if self.flow.closed.load(Ordering::SeqCst) {
            self.gauge.record_clear();
        }
    }

    fn record_disconnected(&self) {
        self.flow.disconnected.fetch_add(1, Ordering::Relaxed);
    }
}

impl<T> Clone for TrackedSyncSender<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            gauge: Arc::clone(&self.gauge),
            flow: Arc::clone(&self.flow),
        }
    }
}

impl<T> fmt::Debug for TrackedSyncSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedSyncSender")
            .field("gauge", &self.gauge)
            .finish_non_exhaustive()
    }
}

/// The receiving half of a [`tracked_sync_channel`], after [`Receiver`].
pub struct TrackedReceiver<T> {
    // Dropped in this order: first the queue with what is in it, then the gauge is told.
    inner: Receiver<T>,
    closing: Closing,
}

/// Tells the gauge that the queue is gone.
struct Closing {
    gauge: Arc<QueueGauge>,
    flow: Arc<Flow>,
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.flow.closed.store(true, Ordering::SeqCst);
        self.gauge.deferred().record_clear();
    }
}

impl<T> TrackedReceiver<T> {
    /// Takes the next item; waits for one if there is none.
    ///
    /// # Errors
    ///
    /// If the queue is empty and all senders are gone, as [`Receiver::recv`].
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.recorded(self.inner.recv())
    }

    /// Takes the next item; waits for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If none came in time, or the queue is empty and all senders are gone, as [`Receiver::recv_timeout`].
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
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Takes items until there are no more to be had without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueGauge> {
        &self.closing.gauge
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.closing.flow.backpressure()
    }

    #[inline]
    fn recorded<E>(&self, received: Result<T, E>) -> Result<T, E> {
        if received.is_ok() {
            self.closing.gauge.deferred().record_dequeue();
        }
        received
    }
}

impl<T> fmt::Debug for TrackedReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedReceiver")
            .field("gauge", self.gauge())
            .finish_non_exhaustive()
    }
}

impl<'a, T> IntoIterator for &'a TrackedReceiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for TrackedReceiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

/// Takes items, waiting for each: [`TrackedReceiver::iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Iter<'a, T> {
    receiver: &'a TrackedReceiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

/// Takes items without waiting: [`TrackedReceiver::try_iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct TryIter<'a, T> {
    receiver: &'a TrackedReceiver<T>,
}

impl<T> Iterator for TryIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.try_recv().ok()
    }
}

/// Takes items, waiting for each, and owns the receiver.
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct IntoIter<T> {
    receiver: TrackedReceiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}
