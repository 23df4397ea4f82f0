//! The sending half, and its future.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::async_channel::{SendError, TrySendError};
use pin_project_lite::pin_project;

use super::{Closed, WeakSender};
use crate::backpressure::Backpressure;
use crate::channels::account::{Checking, Waiting};
use crate::channels::probed::{Shared, depth};
use crate::registry::QueueProbe;

/// The sending half of a [`bounded`](super::bounded) channel, after
/// [`async_channel::Sender`].
///
/// ```
/// use fillgauge_std::channels::async_channel::bounded;
///
/// let (sender, receiver) = bounded("jobs", 2);
/// sender.send_blocking("sweep")?;
/// let other = sender.clone();
/// assert_eq!((sender.sender_count(), sender.receiver_count()), (2, 1));
/// assert!(other.close() && sender.is_closed());
/// assert!(sender.send_blocking("mop").is_err());
/// assert_eq!(receiver.recv_blocking(), Ok("sweep"));
/// # Ok::<(), async_channel::SendError<&str>>(())
/// ```
pub struct Sender<T> {
    pub(super) inner: ::async_channel::Sender<T>,
    pub(super) shared: Arc<Shared<::async_channel::Receiver<T>>>,
}

impl<T> Sender<T> {
    pub(super) fn new(
        inner: ::async_channel::Sender<T>,
        shared: Arc<Shared<::async_channel::Receiver<T>>>,
    ) -> Self {
        Self { inner, shared }
    }

    /// Sends an item if there is room.
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is full or closed, as
    /// [`Sender::try_send`](::async_channel::Sender::try_send) does.
    #[inline]
    pub fn try_send(&self, msg: T) -> Result<(), TrySendError<T>> {
        let checking = self.shared.checking();
        let length = || depth(checking.account, self.inner.len());
        let unwinding = checking.on_unwind((1, 0), length);
        let outcome = self.inner.try_send(msg);
        mem::forget(unwinding);
        match &outcome {
            Ok(()) => self.check_sent(checking),
            Err(TrySendError::Full(_)) => self.shared.probe.record_refused(1),
            Err(TrySendError::Closed(_)) => self.shared.account.count_disconnected(),
        }
        outcome
    }

    /// Sends an item. Waits for room if the channel is full. The future gives the item back if the
    /// channel is closed.
    pub fn send(&self, msg: T) -> Send<'_, T> {
        Send {
            inner: self.inner.send(msg),
            sender: self,
            waiting: None,
        }
    }

    /// As [`send`](Self::send), for a thread that may wait.
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is closed, as
    /// [`Sender::send_blocking`](::async_channel::Sender::send_blocking) does.
    #[cfg(not(target_family = "wasm"))]
    pub fn send_blocking(&self, msg: T) -> Result<(), SendError<T>> {
        let outcome = match self.inner.try_send(msg) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(msg)) => {
                let _waiting = self.shared.account.wait();
                self.inner.send_blocking(msg)
            }
            Err(TrySendError::Closed(msg)) => Err(SendError(msg)),
        };
        self.check_outcome(&outcome);
        outcome
    }

    /// Sends an item, and takes another one out and returns it if the channel is full.
    ///
    /// ```
    /// use fillgauge_std::channels::async_channel::bounded;
    ///
    /// let (sender, receiver) = bounded("latest", 1);
    /// assert_eq!(sender.force_send(1), Ok(None));
    /// assert_eq!(sender.force_send(2), Ok(Some(1)));
    /// assert_eq!((sender.gauge().depth(), receiver.try_recv()), (1, Ok(2)));
    /// ```
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is closed, as
    /// [`Sender::force_send`](::async_channel::Sender::force_send) does.
    pub fn force_send(&self, msg: T) -> Result<Option<T>, SendError<T>> {
        let checking = self.shared.checking();
        let length = || depth(checking.account, self.inner.len());
        let unwinding = checking.on_unwind((1, 0), length);
        let outcome = self.inner.force_send(msg);
        mem::forget(unwinding);
        match &outcome {
            Ok(replaced) => {
                checking.count_sent(1);
                checking.count_received(replaced.iter().count());
                // With the real fence: see "On the fences".
                self.shared.probe.check(|| self.depth());
            }
            Err(SendError(_)) => self.shared.account.count_disconnected(),
        }
        outcome
    }

    /// Waits until the channel is closed.
    pub fn closed(&self) -> Closed<'_, T> {
        self.inner.closed()
    }

    /// Closes the channel. What is in it can still be received. Returns whether it was open.
    pub fn close(&self) -> bool {
        self.inner.close()
    }

    /// Whether the channel is closed.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether there is nothing in the channel.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Whether there is no room.
    pub fn is_full(&self) -> bool {
        self.inner.is_full()
    }

    /// How many items are in the channel, also after the last receiver is gone.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// The capacity of the channel, if it is bounded.
    pub fn capacity(&self) -> Option<usize> {
        self.inner.capacity()
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.shared.receivers()
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        self.inner.sender_count()
    }

    /// A sender that does not keep the channel open.
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            inner: self.inner.downgrade(),
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Sender<T>) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.shared.probe
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.shared.backpressure()
    }

    #[inline]
    fn depth(&self) -> usize {
        self.shared.depth(self.inner.len())
    }

    /// After a send by this thread, which ended with a read-modify-write: see "On the fences".
    #[inline]
    fn check_sent(&self, checking: Checking<'_>) {
        checking.count_sent(1);
        let length = || depth(checking.account, self.inner.len());
        checking.probe.check_after_rmw(length);
    }

    #[inline]
    fn check_outcome(&self, outcome: &Result<(), SendError<T>>) {
        match outcome {
            Ok(()) => self.check_sent(self.shared.checking()),
            Err(SendError(_)) => self.shared.account.count_disconnected(),
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("gauge", self.gauge())
            .finish_non_exhaustive()
    }
}

// A panic leaves the channel and its gauge right.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

pin_project! {
    /// A send that may wait for room: [`Sender::send`].
    ///
    /// Dropped before it has completed, it has sent nothing.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Send<'a, T> {
        // Dropped before the wait ends: it may hand its turn to another send.
        #[pin]
        inner: ::async_channel::Send<'a, T>,
        sender: &'a Sender<T>,
        waiting: Option<Waiting<'a>>,
    }
}

impl<T> Future for Send<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let Poll::Ready(outcome) = this.inner.poll(context) else {
            // There was no room.
            let account = &this.sender.shared.account;
            this.waiting.get_or_insert_with(|| account.wait());
            return Poll::Pending;
        };
        *this.waiting = None;
        this.sender.check_outcome(&outcome);
        Poll::Ready(outcome)
    }
}

impl<T> fmt::Debug for Send<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Send")
            .field("sender", self.sender)
            .field("is_waiting", &self.waiting.is_some())
            .finish_non_exhaustive()
    }
}
