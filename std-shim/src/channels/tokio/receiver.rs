//! The receiving half.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use ::tokio::sync::mpsc::{self, error::TryRecvError};

use super::shared::{Shared, used};
use crate::backpressure::Backpressure;
use crate::channels::account::Checking;
use crate::registry::QueueProbe;

/// The receiving half of a [`channel`](super::channel), after [`tokio::sync::mpsc::Receiver`].
///
/// It never delivers: what follows from a receive is left to the
/// [background thread](crate#who-delivers).
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (sender, mut receiver) = channel("jobs", 10);
///     let permit = sender.reserve().await?;
///     sender.send("sweep").await?;
///     assert_eq!((receiver.len(), receiver.gauge().depth()), (1, 2));
///     assert_eq!(receiver.recv().await, Some("sweep"));
///     drop(receiver);
///     permit.send("mop"); // lost
///     assert_eq!(sender.gauge().depth(), 0);
///     Ok(())
/// }
/// ```
///
/// [`tokio::sync::mpsc::Receiver`]: mpsc::Receiver
pub struct Receiver<T> {
    // Dropped in this order: first the items, then `closing`.
    inner: mpsc::Receiver<T>,
    closing: CloseOnDrop<T>,
}

/// Closes the account and the probe when the receiver is gone.
struct CloseOnDrop<T>(Arc<Shared<T>>);

impl<T> Drop for CloseOnDrop<T> {
    fn drop(&mut self) {
        self.0.account.close();
        self.0.probe.close();
        self.0.reader.close();
    }
}

impl<T> Receiver<T> {
    pub(super) fn new(inner: mpsc::Receiver<T>, shared: Arc<Shared<T>>) -> Self {
        Self {
            inner,
            closing: CloseOnDrop(shared),
        }
    }

    /// Takes the next item. Waits for one if there is none. `None` if there will be none any more.
    /// See [`mpsc::Receiver::recv`].
    pub async fn recv(&mut self) -> Option<T> {
        poll_fn(|context| self.poll_recv(context)).await
    }

    /// Takes up to `limit` items. Waits for one if there is none. See
    /// [`mpsc::Receiver::recv_many`].
    pub async fn recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        poll_fn(|context| self.poll_recv_many(context, buffer, limit)).await
    }

    /// Takes the next item if there is one.
    ///
    /// # Errors
    ///
    /// If there is none, or there will be none any more. See [`mpsc::Receiver::try_recv`].
    #[inline]
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        self.taking(mpsc::Receiver::try_recv)
    }

    /// Takes the next item on a thread that is not of a runtime. Waits for one if there is none.
    /// See [`mpsc::Receiver::blocking_recv`].
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_recv(&mut self) -> Option<T> {
        let received = self.inner.blocking_recv();
        self.taking(|_| received)
    }

    /// Takes up to `limit` items on a thread that is not of a runtime. See
    /// [`mpsc::Receiver::blocking_recv_many`].
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_recv_many(&mut self, buffer: &mut Vec<T>, limit: usize) -> usize {
        let received = self.inner.blocking_recv_many(buffer, limit);
        self.taking(|_| received)
    }

    /// Takes the next item, or wakes the task later. See [`mpsc::Receiver::poll_recv`].
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.taking(|receiver| receiver.poll_recv(cx))
    }

    /// Takes up to `limit` items, or wakes the task later. See
    /// [`mpsc::Receiver::poll_recv_many`].
    pub fn poll_recv_many(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut Vec<T>,
        limit: usize,
    ) -> Poll<usize> {
        self.taking(|receiver| receiver.poll_recv_many(cx, buffer, limit))
    }

    /// Closes the channel to senders. The items in it, and those of permits, can still be received.
    /// See [`mpsc::Receiver::close`].
    pub fn close(&mut self) {
        self.taking(mpsc::Receiver::close);
    }

    /// Whether the channel is closed: by [`close`](Self::close), or since all senders are gone.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether there is no item in the channel.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// How many items are in the channel. Permits do not count; they do in the
    /// [depth](QueueProbe::depth).
    pub fn len(&self) -> usize {
        self.inner.len()
    }

    /// The slots that are free now: the capacity without the [depth](QueueProbe::depth).
    pub fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    /// How many slots the channel has.
    pub fn max_capacity(&self) -> usize {
        self.inner.max_capacity()
    }

    /// How many senders there are. While a report, a watch or the
    /// background thread reads the channel there is one more.
    pub fn sender_strong_count(&self) -> usize {
        self.inner.sender_strong_count()
    }

    /// How many weak senders there are. The one that reports read the channel by is left out.
    pub fn sender_weak_count(&self) -> usize {
        self.shared().without_reader(self.inner.sender_weak_count())
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.shared().probe
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.shared().probe.backpressure()
    }

    fn shared(&self) -> &Shared<T> {
        &self.closing.0
    }

    /// Runs an operation that takes items out, and checks. For the fence see the module.
    #[inline]
    fn taking<R: Taken>(&mut self, take: impl FnOnce(&mut mpsc::Receiver<T>) -> R) -> R {
        let Self { inner, closing } = self;
        let mut taking = Taking {
            checking: closing.0.checking(),
            inner,
            items: 1,
        };
        let taken = take(taking.inner);
        taking.items = taken.items();
        taking.check();
        mem::forget(taking);
        taken
    }
}

/// An operation that takes items out. If a waker panics, it checks when it is dropped.
struct Taking<'receiver, T> {
    checking: Checking<'receiver>,
    inner: &'receiver mut mpsc::Receiver<T>,
    /// How many it took. Of one that panics: one.
    items: usize,
}

impl<T> Taking<'_, T> {
    #[inline]
    fn check(&self) {
        let Checking { probe, account, .. } = self.checking;
        self.checking.count_received(self.items);
        let length = || used(account, self.inner.max_capacity(), self.inner.capacity());
        probe.check_deferred_after_rmw(length);
        // Without senders nobody else can read the channel: a thread that delivers goes by the
        // depth of the last check. The full fence of this check stands between that depth and the
        // state of the alarm: either that thread goes by this depth, or this one sees that it has
        // ended. (If the last sender goes just now, the next receive finds what is due.)
        if self.inner.sender_strong_count() == 0 {
            probe.check_deferred(length);
        }
    }
}

impl<T> Drop for Taking<'_, T> {
    #[cold]
    fn drop(&mut self) {
        self.check();
    }
}

/// What an operation took out.
trait Taken {
    fn items(&self) -> usize;
}

impl Taken for () {
    fn items(&self) -> usize {
        0
    }
}

impl Taken for usize {
    fn items(&self) -> usize {
        *self
    }
}

impl<T> Taken for Option<T> {
    fn items(&self) -> usize {
        self.is_some().into()
    }
}

impl<T, E> Taken for Result<T, E> {
    fn items(&self) -> usize {
        self.is_ok().into()
    }
}

impl<R: Taken> Taken for Poll<R> {
    fn items(&self) -> usize {
        match self {
            Self::Ready(taken) => taken.items(),
            Self::Pending => 0,
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
