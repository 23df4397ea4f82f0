//! The receiving half, and its future.

use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use ::async_channel::{RecvError, TryRecvError};
use futures_core::stream::{FusedStream, Stream};
use pin_project_lite::pin_project;

use super::WeakReceiver;
use crate::backpressure::Backpressure;
use crate::channels::account::Checking;
use crate::channels::probed::{CloseOnDrop, depth};
use crate::registry::QueueProbe;

pin_project! {
    /// The receiving half of a [`bounded`](super::bounded) channel, after
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
    pub(super) fn new(
        inner: ::async_channel::Receiver<T>,
        closing: CloseOnDrop<::async_channel::Receiver<T>>,
    ) -> Self {
        Self { inner, closing }
    }

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
