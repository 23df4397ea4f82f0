//! The receiving half.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{RecvError, RecvTimeoutError, TryRecvError};

use super::sealed;
use crate::backpressure::Backpressure;
use crate::channels::probed::{CloseOnDrop, depth};
use crate::registry::QueueProbe;

/// The receiving half of a [`bounded`](super::bounded) channel, after
/// [`crossbeam_channel::Receiver`], which it derefs to.
///
/// ```
/// use crossbeam_channel::TryRecvError;
/// use fillgauge_std::channels::crossbeam::bounded;
///
/// let (sender, receiver) = bounded("jobs", 4);
/// (0..3).try_for_each(|job| sender.send(job))?;
/// let other = receiver.clone();
/// assert_eq!((other.recv(), receiver.try_recv()), (Ok(0), Ok(1)));
/// drop(sender);
/// assert_eq!(receiver.iter().collect::<Vec<_>>(), [2]);
/// assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
/// # Ok::<(), crossbeam_channel::SendError<i32>>(())
/// ```
pub struct Receiver<T> {
    // Dropped in this order.
    inner: crossbeam_channel::Receiver<T>,
    closing: CloseOnDrop<crossbeam_channel::Receiver<T>>,
}

impl<T> Receiver<T> {
    pub(super) fn new(
        inner: crossbeam_channel::Receiver<T>,
        closing: CloseOnDrop<crossbeam_channel::Receiver<T>>,
    ) -> Self {
        Self { inner, closing }
    }

    /// Takes the next item if there is one.
    ///
    /// # Errors
    ///
    /// If there is none, as [`crossbeam_channel::Receiver::try_recv`].
    #[inline]
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        self.taking(crossbeam_channel::Receiver::try_recv)
    }

    /// Takes the next item. Waits for one if there is none.
    ///
    /// # Errors
    ///
    /// If the channel is empty and disconnected, as [`crossbeam_channel::Receiver::recv`].
    #[inline]
    pub fn recv(&self) -> Result<T, RecvError> {
        self.taking(crossbeam_channel::Receiver::recv)
    }

    /// Takes the next item. Waits for one no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// If none came in time, or the channel is empty and disconnected, as
    /// [`crossbeam_channel::Receiver::recv_timeout`].
    #[inline]
    pub fn recv_timeout(&self, timeout: Duration) -> Result<T, RecvTimeoutError> {
        self.taking(|receiver| receiver.recv_timeout(timeout))
    }

    /// Takes the next item. Waits for one until `deadline`.
    ///
    /// # Errors
    ///
    /// If none came in time, or the channel is empty and disconnected, as
    /// [`crossbeam_channel::Receiver::recv_deadline`].
    #[inline]
    pub fn recv_deadline(&self, deadline: Instant) -> Result<T, RecvTimeoutError> {
        self.taking(|receiver| receiver.recv_deadline(deadline))
    }

    /// Takes items, waiting for each, until all senders are gone.
    pub fn iter(&self) -> Iter<'_, T> {
        Iter { receiver: self }
    }

    /// Takes items until there are no more to be had without waiting.
    pub fn try_iter(&self) -> TryIter<'_, T> {
        TryIter { receiver: self }
    }

    /// Whether there is nothing in the channel. A rendezvous is always empty.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Whether there is no room. A rendezvous is always full.
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
    fn depth(&self) -> usize {
        self.closing.shared().depth(self.inner.len())
    }

    /// Runs an operation that takes an item out, and checks.
    #[inline]
    fn taking<E>(
        &self,
        take: impl FnOnce(&crossbeam_channel::Receiver<T>) -> Result<T, E>,
    ) -> Result<T, E> {
        let checking = self.closing.shared().checking();
        let received = take(&self.inner);
        if received.is_ok() {
            checking.count_received(1);
            let length = || depth(checking.account, self.inner.len());
            // See "On the fences".
            if self.inner.capacity().is_some() {
                checking.probe.check_deferred_after_rmw(length);
            } else {
                checking.probe.check_deferred(length);
            }
        }
        received
    }
}

impl<T> Deref for Receiver<T> {
    type Target = crossbeam_channel::Receiver<T>;

    fn deref(&self) -> &Self::Target {
        &self.inner
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

// As crossbeam's: a panic leaves the channel and its gauge right.
impl<T> UnwindSafe for Receiver<T> {}
impl<T> RefUnwindSafe for Receiver<T> {}

impl<'a, T> IntoIterator for &'a Receiver<T> {
    type Item = T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> IntoIterator for Receiver<T> {
    type Item = T;
    type IntoIter = IntoIter<T>;

    fn into_iter(self) -> IntoIter<T> {
        IntoIter { receiver: self }
    }
}

/// Takes items, waiting for each: [`Receiver::iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct Iter<'a, T> {
    receiver: &'a Receiver<T>,
}

impl<T> Iterator for Iter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> FusedIterator for Iter<'_, T> {}

/// Takes items without waiting: [`Receiver::try_iter`].
#[derive(Debug)]
#[must_use = "iterators are lazy"]
pub struct TryIter<'a, T> {
    receiver: &'a Receiver<T>,
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
    receiver: Receiver<T>,
}

impl<T> Iterator for IntoIter<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.receiver.recv().ok()
    }
}

impl<T> FusedIterator for IntoIter<T> {}

impl<T> sealed::Half for Receiver<T> {
    fn selected(&self, has_moved: bool) {
        let shared = self.closing.shared();
        shared.checking().count_received(has_moved.into());
        shared.probe.check_deferred(|| self.depth());
    }
}
