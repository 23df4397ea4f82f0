//! The sending half.

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{SendError, SendTimeoutError, TrySendError};

use super::sealed;
use crate::backpressure::Backpressure;
use crate::channels::account::Checking;
use crate::channels::probed::{Shared, depth};
use crate::registry::QueueProbe;

/// The sending half of a [`bounded`](super::bounded) channel, after [`crossbeam_channel::Sender`],
/// which it derefs to.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::channels::crossbeam::bounded;
///
/// let (sender, _receiver) = bounded("jobs", 1);
/// let other = sender.clone();
/// other.send("sweep").unwrap();
/// assert!(sender.is_full() && sender.same_channel(&other));
/// assert!(sender.send_timeout("mop", Duration::from_millis(1)).is_err());
/// assert_eq!((sender.backpressure().waits, sender.backpressure().refused), (1, 1));
/// ```
pub struct Sender<T> {
    inner: crossbeam_channel::Sender<T>,
    shared: Arc<Shared<crossbeam_channel::Receiver<T>>>,
}

impl<T> Sender<T> {
    pub(super) fn new(
        inner: crossbeam_channel::Sender<T>,
        shared: Arc<Shared<crossbeam_channel::Receiver<T>>>,
    ) -> Self {
        Self { inner, shared }
    }

    /// Sends an item if there is room, or if a receiver waits for it in a rendezvous.
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is full or disconnected, as
    /// [`crossbeam_channel::Sender::try_send`] does.
    #[inline]
    pub fn try_send(&self, msg: T) -> Result<(), TrySendError<T>> {
        let checking = self.shared.checking();
        let outcome = self.inner.try_send(msg);
        match &outcome {
            Ok(()) => self.check_sent(checking),
            Err(TrySendError::Full(_)) => self.shared.probe.record_refused(1),
            Err(TrySendError::Disconnected(_)) => self.shared.account.count_disconnected(),
        }
        outcome
    }

    /// Sends an item. Waits for room if the channel is full, or for a receiver if it is a
    /// rendezvous.
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is disconnected, as [`crossbeam_channel::Sender::send`]
    /// does.
    #[inline]
    pub fn send(&self, msg: T) -> Result<(), SendError<T>> {
        let checking = self.shared.checking();
        let outcome = match self.inner.try_send(msg) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(msg)) => {
                let _waiting = self.shared.account.wait();
                self.inner.send(msg)
            }
            Err(TrySendError::Disconnected(msg)) => Err(SendError(msg)),
        };
        match &outcome {
            Ok(()) => self.check_sent(checking),
            Err(SendError(_)) => self.shared.account.count_disconnected(),
        }
        outcome
    }

    /// Sends an item. Waits for room, or for a receiver, no longer than `timeout`.
    ///
    /// # Errors
    ///
    /// Gives the item back if there was no room in time, which counts as refused, or the channel is
    /// disconnected, as [`crossbeam_channel::Sender::send_timeout`] does.
    pub fn send_timeout(&self, msg: T, timeout: Duration) -> Result<(), SendTimeoutError<T>> {
        self.send_in_time(msg, |inner, msg| inner.send_timeout(msg, timeout))
    }

    /// Sends an item. Waits for room, or for a receiver, until `deadline`.
    ///
    /// # Errors
    ///
    /// Gives the item back if there was no room in time, which counts as refused, or the channel is
    /// disconnected, as [`crossbeam_channel::Sender::send_deadline`] does.
    pub fn send_deadline(&self, msg: T, deadline: Instant) -> Result<(), SendTimeoutError<T>> {
        self.send_in_time(msg, |inner, msg| inner.send_deadline(msg, deadline))
    }

    fn send_in_time(
        &self,
        msg: T,
        send: impl FnOnce(&crossbeam_channel::Sender<T>, T) -> Result<(), SendTimeoutError<T>>,
    ) -> Result<(), SendTimeoutError<T>> {
        let checking = self.shared.checking();
        let outcome = match self.inner.try_send(msg) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(msg)) => {
                let _waiting = self.shared.account.wait();
                send(&self.inner, msg)
            }
            Err(TrySendError::Disconnected(msg)) => Err(SendTimeoutError::Disconnected(msg)),
        };
        match &outcome {
            Ok(()) => self.check_sent(checking),
            Err(SendTimeoutError::Timeout(_)) => self.shared.probe.record_refused(1),
            Err(SendTimeoutError::Disconnected(_)) => self.shared.account.count_disconnected(),
        }
        outcome
    }

    /// Whether there is nothing in the channel. A rendezvous is always empty.
    pub fn is_empty(&self) -> bool {
        self.inner.is_empty()
    }

    /// Whether there is no room. A rendezvous is always full.
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
}

impl<T> Deref for Sender<T> {
    type Target = crossbeam_channel::Sender<T>;

    fn deref(&self) -> &Self::Target {
        &self.inner
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

// As crossbeam's: a panic leaves the channel and its gauge right.
impl<T> UnwindSafe for Sender<T> {}
impl<T> RefUnwindSafe for Sender<T> {}

impl<T> sealed::Half for Sender<T> {
    fn selected(&self, has_moved: bool) {
        if has_moved {
            self.shared.account.count_sent(1);
        } else {
            self.shared.account.count_disconnected();
        }
        self.shared.probe.check(|| self.depth());
    }
}
