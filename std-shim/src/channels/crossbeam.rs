//! [`crossbeam_channel`], tracked.
//!
//! A program changes the constructor, and the paths of the types. Errors, `select!`, [`Select`] and
//! the channels without items of one's own (`after`, `at`, `tick`, `never`) are crossbeam's.
//!
//! ```
//! use fillgauge_std::channels::crossbeam::bounded;
//!
//! let (sender, receiver) = bounded("session_frames", 16);
//! sender.send("frame")?;
//! assert_eq!(sender.gauge().depth(), 1);
//! assert_eq!(receiver.recv(), Ok("frame"));
//! assert_eq!(sender.gauge().depth(), 0);
//! # Ok::<(), crossbeam_channel::SendError<&str>>(())
//! ```
//!
//! # What is tracked
//!
//! - Nothing is counted: the gauge reads the channel's own length after each operation. So failed
//!   sends leave nothing behind, and a producer that waits does not count.
//! - When the last receiver is dropped the depth is 0, although a bounded channel of crossbeam keeps
//!   its items until the senders are gone too.
//! - A send delivers its events on its own thread. A receive and a drop leave them to the
//!   [background thread](crate#who-delivers).
//! - With capacity 0 the channel is a rendezvous: its depth is always 0, and no event comes.
//!   Producers that wait for a receiver are counted all the same.
//! - The registry has a receiver of its own, which it drops with your last one.
//!
//! # What differs from crossbeam
//!
//! - A channel is made for `T: Send + 'static`: a report on another thread reads it.
//! - [`Track::crossbeam_channel`](crate::Track::crossbeam_channel) without a capacity is a rendezvous.
//!
//! # `select!` and `Select`
//!
//! The halves deref to crossbeam's, so that `select!` and [`Select`] take them as they are. What
//! these complete goes past the gauge until the next operation through it, the next report, or
//! [`selected`]:
//!
//! ```
//! use crossbeam_channel::select;
//! use fillgauge_std::channels::crossbeam::{bounded, selected};
//!
//! let (sender, receiver) = bounded("jobs", 16);
//! sender.send("sweep")?;
//! select! {
//!     recv(receiver) -> job => {
//!         selected(&receiver, &job);
//!         assert_eq!(job, Ok("sweep"));
//!     }
//! }
//! assert_eq!(receiver.gauge().depth(), 0);
//! # Ok::<(), crossbeam_channel::SendError<&str>>(())
//! ```
//!
//! Without it they are missing in the [totals](crate::Track::totals). A wait in `select!` is no wait
//! in the [`Backpressure`].
//!
//! A clone of the half that one derefs to is crossbeam's, and is not tracked. Such a receiver is
//! none for the gauge.
//!
//! [`Select`]: crossbeam_channel::Select

// On the fences. The length is read from the head and the tail of the queue. In a bounded channel
// both are changed by a compare-and-swap of the thread that sends or receives, and by nothing else.
// The stamp that is stored afterwards is not read by the length. In an unbounded one a send changes
// the tail by a compare-and-swap, and at the end of a block by an addition that follows. A receive
// may end with a store to the head, and so needs the real fence.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{
    RecvError, RecvTimeoutError, SendError, SendTimeoutError, TryRecvError, TrySendError,
};
use fillgauge::IntoLimit;

use super::account::{ChannelAccount, Checking};
use super::probed::{CloseOnDrop, Enlist, Length, Shared, depth};
use crate::backpressure::Backpressure;
use crate::registry::QueueProbe;
use crate::track::track;

/// A channel of `capacity`, after [`crossbeam_channel::bounded`]. Its gauge is in the global
/// registry. For more settings see [`Track::crossbeam_channel`](crate::Track::crossbeam_channel).
///
/// ```
/// use crossbeam_channel::TrySendError;
/// use fillgauge_std::channels::crossbeam::bounded;
///
/// let (sender, receiver) = bounded("jobs", 1);
/// sender.send(1)?;
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(sender.backpressure().refused, 1);
/// assert_eq!(receiver.into_iter().next(), Some(1));
/// # Ok::<(), crossbeam_channel::SendError<i32>>(())
/// ```
pub fn bounded<T: Send + 'static>(
    limit: impl IntoLimit,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    track(limit).capacity(capacity).crossbeam_channel()
}

/// A channel without a bound, after [`crossbeam_channel::unbounded`]. Its gauge shows the depth and
/// the high-water mark, and never warns. For one that warns see
/// [`Track::crossbeam_unbounded`](crate::Track::crossbeam_unbounded).
///
/// ```
/// use fillgauge_std::channels::crossbeam::unbounded;
///
/// let (sender, _receiver) = unbounded("lines");
/// (0..100).try_for_each(|line| sender.send(line))?;
/// assert_eq!((sender.gauge().depth(), sender.gauge().capacity()), (100, 0));
/// # Ok::<(), crossbeam_channel::SendError<i32>>(())
/// ```
pub fn unbounded<T: Send + 'static>(limit: impl IntoLimit) -> (Sender<T>, Receiver<T>) {
    track(limit).crossbeam_unbounded()
}

/// The halves of a channel that has a probe. `enlist` registers it.
pub(crate) fn tracked<T: Send + 'static>(
    (sender, receiver): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
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

impl<T> Length for crossbeam_channel::Receiver<T> {
    fn length(&self) -> usize {
        self.len()
    }
}

/// Checks after `select!` or [`Select`](crossbeam_channel::Select) has completed an operation on
/// this half with `outcome`, and counts it. See [the module](self#select-and-select).
///
/// After a send it delivers events on this thread, as a send does.
pub fn selected<T, E>(half: &impl Half, outcome: &Result<T, E>) {
    half.selected(outcome.is_ok());
}

/// A half of a tracked channel: [`Sender`] or [`Receiver`].
pub trait Half: sealed::Half {}

mod sealed {
    pub trait Half {
        /// Checks after an operation that `has_moved` an item, or found the channel disconnected.
        fn selected(&self, has_moved: bool);
    }
}

impl<T> Half for Sender<T> {}
impl<T> Half for Receiver<T> {}

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

impl<T> sealed::Half for Receiver<T> {
    fn selected(&self, has_moved: bool) {
        let shared = self.closing.shared();
        shared.checking().count_received(has_moved.into());
        shared.probe.check_deferred(|| self.depth());
    }
}

/// The sending half of a [`bounded`] channel, after [`crossbeam_channel::Sender`], which it derefs
/// to.
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

/// The receiving half of a [`bounded`] channel, after [`crossbeam_channel::Receiver`], which it
/// derefs to.
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
