//! [`async_channel`], tracked.
//!
//! A program changes the constructor, and the paths of the types. Errors are async-channel's.
//!
//! ```
//! use fillgauge_std::channels::async_channel::bounded;
//! use futures_lite::future::block_on;
//!
//! let (sender, receiver) = bounded("session_frames", 16);
//! block_on(async {
//!     sender.send("frame").await?;
//!     assert_eq!(sender.gauge().depth(), 1);
//!     assert_eq!(receiver.recv().await, Ok("frame"));
//!     assert_eq!(sender.gauge().depth(), 0);
//!     Ok::<(), async_channel::SendError<&str>>(())
//! })?;
//! # Ok::<(), async_channel::SendError<&str>>(())
//! ```
//!
//! # What is tracked
//!
//! - Nothing is counted: the gauge reads the channel's own length after each operation. So a send
//!   that fails or is cancelled leaves nothing behind, and a producer that waits does not count.
//! - When the last receiver is dropped the depth is 0, although async-channel keeps the items until
//!   the senders are gone too. A channel that is [closed](Sender::close) keeps its depth, since its
//!   items can still be received.
//! - A send delivers its events in the poll that completes it. A receive and a drop leave them to
//!   the [background thread](crate#who-delivers).
//! - A send waits from the first poll that finds no room until it completes or is dropped.
//! - The registry has a receiver of its own, which it drops with your last one.
//!   [`receiver_count`](Sender::receiver_count) leaves it out.

// On the fences. The length is read from the head and the tail of the queue, and for capacity 1
// from one word. In a bounded channel a send and a receive change them by read-modify-writes of their
// thread, and by nothing else. The stamp that is stored afterwards is not read by the length. Two
// operations need the real fence: `force_send`, which may end with a store to the tail, and a
// receive from an unbounded channel, which may end with a store to the head.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use ::async_channel::{RecvError, SendError, TryRecvError, TrySendError};
use fillgauge::IntoLimit;
use futures_core::stream::{FusedStream, Stream};
use pin_project_lite::pin_project;

pub use ::async_channel::Closed;

use super::account::{ChannelAccount, Checking, Waiting};
use super::probed::{CloseOnDrop, Enlist, Length, Shared, depth};
use crate::backpressure::Backpressure;
use crate::registry::QueueProbe;
use crate::track::track;

/// A channel of `capacity`, after [`async_channel::bounded`]. Its gauge is
/// in the global registry. For more settings see
/// [`Track::async_channel`](crate::Track::async_channel).
///
/// ```
/// use async_channel::TrySendError;
/// use fillgauge_std::channels::async_channel::bounded;
///
/// let (sender, _receiver) = bounded("jobs", 1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(sender.backpressure().refused, 1);
/// ```
///
/// # Panics
///
/// If `capacity` is 0, as [`async_channel::bounded`] does.
pub fn bounded<T: core::marker::Send + 'static>(
    limit: impl IntoLimit,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    track(limit).capacity(capacity).async_channel()
}

/// A channel without a bound, after [`async_channel::unbounded`]. Its
/// gauge shows the depth and the high-water mark, and never warns. For one that warns see
/// [`Track::async_unbounded`](crate::Track::async_unbounded).
///
/// ```
/// use fillgauge_std::channels::async_channel::unbounded;
///
/// let (sender, _receiver) = unbounded("lines");
/// (0..100).try_for_each(|line| sender.try_send(line))?;
/// assert_eq!((sender.gauge().depth(), sender.gauge().capacity()), (100, 0));
/// # Ok::<(), async_channel::TrySendError<i32>>(())
/// ```
pub fn unbounded<T: core::marker::Send + 'static>(
    limit: impl IntoLimit,
) -> (Sender<T>, Receiver<T>) {
    track(limit).async_unbounded()
}

/// The halves of a channel that has a probe. `enlist` registers it.
pub(crate) fn tracked<T: core::marker::Send + 'static>(
    (sender, receiver): (::async_channel::Sender<T>, ::async_channel::Receiver<T>),
    account: Arc<ChannelAccount>,
    enlist: impl Enlist,
) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::enlist(receiver.clone(), account, enlist);
    let sender = Sender {
        inner: sender,
        shared: Arc::clone(&shared),
    };
    let receiver = Receiver {
        inner: receiver,
        closing: CloseOnDrop::new(shared),
    };
    (sender, receiver)
}

impl<T> Length for ::async_channel::Receiver<T> {
    fn length(&self) -> usize {
        self.len()
    }
}

/// The sending half of a [`bounded`] channel, after
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
    inner: ::async_channel::Sender<T>,
    shared: Arc<Shared<::async_channel::Receiver<T>>>,
}

impl<T> Sender<T> {
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
    /// The receiving half of a [`bounded`] channel, after
    /// [`async_channel::Receiver`]. It is a [`Stream`].
    ///
    /// ```
    /// use async_channel::TryRecvError;
    /// use fillgauge_std::channels::async_channel::bounded;
    /// use futures_lite::{StreamExt, future::block_on};
    ///
    /// let (sender, receiver) = bounded("jobs", 4);
    /// (0..3).try_for_each(|job| sender.try_send(job))?;
    /// assert_eq!(receiver.try_recv(), Ok(0));
    /// drop(sender);
    /// assert_eq!(block_on(receiver.clone().collect::<Vec<_>>()), [1, 2]);
    /// assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    /// # Ok::<(), async_channel::TrySendError<i32>>(())
    /// ```
    pub struct Receiver<T> {
        // Dropped in this order.
        #[pin]
        inner: ::async_channel::Receiver<T>,
        closing: CloseOnDrop<::async_channel::Receiver<T>>,
    }
}

impl<T> Receiver<T> {
    /// Takes the next item if there is one.
    ///
    /// # Errors
    ///
    /// If there is none, as [`Receiver::try_recv`](::async_channel::Receiver::try_recv).
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        let checking = self.closing.shared().checking();
        let length = || depth(checking.account, self.inner.len());
        let unwinding = checking.on_unwind((0, 1), length);
        let received = self.inner.try_recv();
        mem::forget(unwinding);
        if received.is_ok() {
            self.check_received(checking);
        }
        received
    }

    /// Takes the next item. Waits for one if there is none. The future is an error if the channel
    /// is empty and closed.
    pub fn recv(&self) -> Recv<'_, T> {
        Recv {
            inner: self.inner.recv(),
            receiver: self,
        }
    }

    /// As [`recv`](Self::recv), for a thread that may wait.
    ///
    /// # Errors
    ///
    /// If the channel is empty and closed, as
    /// [`Receiver::recv_blocking`](::async_channel::Receiver::recv_blocking).
    #[cfg(not(target_family = "wasm"))]
    pub fn recv_blocking(&self) -> Result<T, RecvError> {
        self.checked(self.inner.recv_blocking())
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

    /// How many items are in the channel.
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// The capacity of the channel, if it is bounded.
    pub fn capacity(&self) -> Option<usize> {
        self.inner.capacity()
    }

    /// How many receivers there are.
    pub fn receiver_count(&self) -> usize {
        self.closing.shared().receivers()
    }

    /// How many senders there are.
    pub fn sender_count(&self) -> usize {
        self.inner.sender_count()
    }

    /// A receiver that does not keep the channel open.
    pub fn downgrade(&self) -> WeakReceiver<T> {
        WeakReceiver {
            inner: self.inner.downgrade(),
            shared: Arc::downgrade(self.closing.shared()),
        }
    }

    /// Whether both belong to the same channel.
    pub fn same_channel(&self, other: &Receiver<T>) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.closing.shared().probe
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.closing.shared().backpressure()
    }

    #[inline]
    fn checked<E>(&self, received: Result<T, E>) -> Result<T, E> {
        if received.is_ok() {
            self.check_received(self.closing.shared().checking());
        }
        received
    }

    #[inline]
    fn check_received(&self, checking: Checking<'_>) {
        checking.count_received(1);
        let length = || depth(checking.account, self.inner.len());
        // See "On the fences".
        if self.inner.capacity().is_some() {
            checking.probe.check_deferred_after_rmw(length);
        } else {
            checking.probe.check_deferred(length);
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let next = ready!(self.as_mut().project().inner.poll_next(context));
        if next.is_some() {
            self.check_received(self.closing.shared().checking());
        }
        Poll::Ready(next)
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.inner.is_terminated()
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            closing: self.closing.clone(),
        }
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("gauge", self.gauge())
            .finish_non_exhaustive()
    }
}

// A panic leaves the channel and its gauge right.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

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

pin_project! {
    /// A receive that may wait for an item: [`Receiver::recv`].
    ///
    /// Dropped before it has completed, it has taken nothing.
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Recv<'a, T> {
        #[pin]
        inner: ::async_channel::Recv<'a, T>,
        receiver: &'a Receiver<T>,
    }
}

impl<T> Future for Recv<'_, T> {
    type Output = Result<T, RecvError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let received = ready!(this.inner.poll(context));
        Poll::Ready(this.receiver.checked(received))
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv")
            .field("receiver", self.receiver)
            .finish_non_exhaustive()
    }
}

/// A sender that does not keep the channel open, after
/// [`async_channel::WeakSender`].
///
/// ```
/// use fillgauge_std::channels::async_channel::bounded;
///
/// let (sender, _receiver) = bounded::<u8>("jobs", 4);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(sender);
/// assert!(weak.upgrade().is_none());
/// ```
pub struct WeakSender<T> {
    inner: ::async_channel::WeakSender<T>,
    /// There is one as long as there is a half.
    shared: Weak<Shared<::async_channel::Receiver<T>>>,
}

impl<T> WeakSender<T> {
    /// A sender, if there is one left and the channel is not closed.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let shared = self.shared.upgrade()?;
        let inner = self.inner.upgrade()?;
        Some(Sender { inner, shared })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Weak::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakSender").finish_non_exhaustive()
    }
}

impl<T> UnwindSafe for WeakSender<T> {}
impl<T> RefUnwindSafe for WeakSender<T> {}

/// A receiver that does not keep the channel open, after
/// [`async_channel::WeakReceiver`].
///
/// ```
/// use fillgauge_std::channels::async_channel::bounded;
///
/// let (sender, receiver) = bounded::<u8>("jobs", 4);
/// let weak = receiver.downgrade();
/// assert!(weak.upgrade().is_some());
/// drop(receiver);
/// assert!(weak.upgrade().is_none() && sender.is_closed());
/// ```
pub struct WeakReceiver<T> {
    inner: ::async_channel::WeakReceiver<T>,
    shared: Weak<Shared<::async_channel::Receiver<T>>>,
}

impl<T> WeakReceiver<T> {
    /// A receiver, if there is one left and the channel is not closed.
    pub fn upgrade(&self) -> Option<Receiver<T>> {
        let closing = CloseOnDrop::upgrade(&self.shared)?;
        let inner = self.inner.upgrade()?;
        Some(Receiver { inner, closing })
    }
}

impl<T> Clone for WeakReceiver<T> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            shared: Weak::clone(&self.shared),
        }
    }
}

impl<T> fmt::Debug for WeakReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WeakReceiver").finish_non_exhaustive()
    }
}

impl<T> UnwindSafe for WeakReceiver<T> {}
impl<T> RefUnwindSafe for WeakReceiver<T> {}
