//! The sending half.

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use ::tokio::sync::mpsc::{
    self,
    error::{SendError, SendTimeoutError, TrySendError},
};

use super::shared::{Shared, take_turn, used_slots};
use super::{OwnedPermit, Permit, PermitIterator, WeakSender};
use crate::backpressure::Backpressure;
use crate::channels::account::{ChannelAccount, Checking, OnUnwind};
use crate::registry::QueueProbe;

/// The sending half of a [`channel`](super::channel), after [`tokio::sync::mpsc::Sender`].
///
/// A future of it delivers on the thread that polls it. One that is dropped leaves nothing behind.
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (sender, mut receiver) = channel("jobs", 10);
///     let other = sender.clone();
///     for job in 0..4 {
///         sender.send(job).await?;
///         other.try_send(job)?;
///     }
///     assert!(sender.gauge().has_warned(), "8 of 10 are 80 %");
///     assert_eq!(receiver.recv().await, Some(0));
///     Ok(())
/// }
/// ```
///
/// [`tokio::sync::mpsc::Sender`]: mpsc::Sender
pub struct Sender<T> {
    // Dropped before what is shared.
    inner: mpsc::Sender<T>,
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    pub(super) fn new(inner: mpsc::Sender<T>, shared: Arc<Shared<T>>) -> Self {
        Self { inner, shared }
    }

    /// Sends an item. Waits for room if the channel is full. See [`mpsc::Sender::send`].
    ///
    /// # Errors
    ///
    /// Gives the item back if the receiver is gone, or has [closed](super::Receiver::close) the
    /// channel.
    pub async fn send(&self, value: T) -> Result<(), SendError<T>> {
        // The future of tokio takes longer than all the rest. It is needed only if the channel is
        // full: nobody waits while there is room, so nobody is overtaken.
        take_turn().await;
        let checking = self.shared.checking();
        let tried = {
            let unwinding = self.on_unwind(checking);
            let tried = self.inner.try_send(value);
            mem::forget(unwinding);
            tried
        };
        let sent = match tried {
            Ok(()) => {
                checking.count_sent(1);
                self.check_by(checking);
                return Ok(());
            }
            Err(TrySendError::Full(value)) => self.taking(1, self.inner.send(value)).await,
            Err(TrySendError::Closed(value)) => Err(SendError(value)),
        };
        self.count_outcome(sent)
    }

    /// Sends an item if there is room. See [`mpsc::Sender::try_send`].
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is full, which counts as refused, or if it is closed.
    #[inline]
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let checking = self.shared.checking();
        let unwinding = self.on_unwind(checking);
        let sent = self.inner.try_send(message);
        mem::forget(unwinding);
        if sent.is_ok() {
            checking.count_sent(1);
            self.check_by(checking);
            return sent;
        }
        self.after_try(sent)
    }

    /// Sends an item. Waits for room no longer than `timeout`. See [`mpsc::Sender::send_timeout`].
    ///
    /// # Errors
    ///
    /// Gives the item back if there was no room in time, which counts as refused, or if the channel
    /// is closed.
    ///
    /// # Panics
    ///
    /// Outside a runtime whose time is enabled, as tokio's does.
    pub async fn send_timeout(
        &self,
        value: T,
        timeout: Duration,
    ) -> Result<(), SendTimeoutError<T>> {
        let sent = self
            .taking(1, self.inner.send_timeout(value, timeout))
            .await;
        match &sent {
            Ok(()) => self.shared.account.count_sent(1),
            Err(SendTimeoutError::Timeout(_)) => self.shared.probe.record_refused(1),
            Err(SendTimeoutError::Closed(_)) => self.shared.account.count_disconnected(),
        }
        sent
    }

    /// Sends an item from a thread that is not of a runtime. It waits if the channel is full. The
    /// wait counts if the channel is full when this is called. See [`mpsc::Sender::blocking_send`].
    ///
    /// # Errors
    ///
    /// Gives the item back if the channel is closed.
    ///
    /// # Panics
    ///
    /// In an asynchronous context, as tokio's does.
    #[track_caller]
    pub fn blocking_send(&self, value: T) -> Result<(), SendError<T>> {
        let is_full = self.inner.capacity() == 0 && !self.inner.is_closed();
        let waiting = is_full.then(|| self.shared.account.wait());
        let unwinding = self.on_unwind(self.shared.checking());
        let sent = self.inner.blocking_send(value);
        mem::forget(unwinding);
        drop(waiting);
        self.check();
        self.count_outcome(sent)
    }

    /// Waits for room, and reserves it for one item. See [`mpsc::Sender::reserve`].
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    pub async fn reserve(&self) -> Result<Permit<'_, T>, SendError<()>> {
        take_turn().await;
        let permit = match self.inner.try_reserve() {
            Ok(permit) => {
                self.check();
                return Ok(Permit::new(permit, self));
            }
            Err(TrySendError::Full(())) => self.taking(1, self.inner.reserve()).await,
            Err(TrySendError::Closed(())) => Err(SendError(())),
        };
        Ok(Permit::new(self.count_if_closed(permit)?, self))
    }

    /// Waits for room for `n` items, and reserves it. See [`mpsc::Sender::reserve_many`].
    ///
    /// While it waits it holds what room there is, and that counts as used.
    ///
    /// # Errors
    ///
    /// If the channel is closed, or `n` is more than [`max_capacity`](Self::max_capacity), which
    /// counts as refused.
    pub async fn reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, SendError<()>> {
        let permits = self.taking(n, self.inner.reserve_many(n)).await;
        if n > self.max_capacity() {
            self.shared.probe.record_refused(1);
        } else if permits.is_err() {
            self.shared.account.count_disconnected();
        }
        Ok(PermitIterator::new(permits?, self))
    }

    /// Waits for room, and reserves it for one item, by a permit that owns this sender. See
    /// [`mpsc::Sender::reserve_owned`].
    ///
    /// # Errors
    ///
    /// If the channel is closed.
    pub async fn reserve_owned(self) -> Result<OwnedPermit<T>, SendError<()>> {
        let Self { inner, shared } = self;
        match reserve_owned_by(&shared, inner).await {
            Ok(permit) => Ok(OwnedPermit::new(permit, shared)),
            Err(closed) => {
                shared.account.count_disconnected();
                Err(closed)
            }
        }
    }

    /// Reserves room for one item if there is any. See [`mpsc::Sender::try_reserve`].
    ///
    /// # Errors
    ///
    /// If the channel is full, which counts as refused, or closed.
    #[inline]
    pub fn try_reserve(&self) -> Result<Permit<'_, T>, TrySendError<()>> {
        let permit = self.inner.try_reserve();
        Ok(Permit::new(self.after_try(permit)?, self))
    }

    /// Reserves room for `n` items if there is so much. See [`mpsc::Sender::try_reserve_many`].
    ///
    /// # Errors
    ///
    /// If there is less room, which counts as one refusal, or if the channel is closed.
    pub fn try_reserve_many(&self, n: usize) -> Result<PermitIterator<'_, T>, TrySendError<()>> {
        let permits = self.inner.try_reserve_many(n);
        Ok(PermitIterator::new(self.after_try(permits)?, self))
    }

    /// Reserves room for one item if there is any, by a permit that owns this sender. See
    /// [`mpsc::Sender::try_reserve_owned`].
    ///
    /// # Errors
    ///
    /// Gives the sender back if the channel is full, which counts as refused, or closed.
    pub fn try_reserve_owned(self) -> Result<OwnedPermit<T>, TrySendError<Self>> {
        let Self { inner, shared } = self;
        match inner.try_reserve_owned() {
            Ok(permit) => {
                // The permit is a sender too, so there is one to read.
                if let Some(sender) = shared.reader.upgrade() {
                    shared.check(&sender);
                }
                Ok(OwnedPermit::new(permit, shared))
            }
            Err(TrySendError::Full(inner)) => {
                shared.probe.record_refused(1);
                Err(TrySendError::Full(Self { inner, shared }))
            }
            Err(TrySendError::Closed(inner)) => {
                shared.account.count_disconnected();
                Err(TrySendError::Closed(Self { inner, shared }))
            }
        }
    }

    /// Reserves room for one item if there is any, for what waits otherwise: then nothing is
    /// refused.
    pub(super) fn reserve_now(&self) -> Result<OwnedPermit<T>, TrySendError<()>> {
        match self.inner.clone().try_reserve_owned() {
            Ok(permit) => {
                self.check();
                Ok(OwnedPermit::new(permit, Arc::clone(&self.shared)))
            }
            Err(TrySendError::Full(_)) => Err(TrySendError::Full(())),
            Err(TrySendError::Closed(_)) => {
                self.shared.account.count_disconnected();
                Err(TrySendError::Closed(()))
            }
        }
    }

    /// Ends when the receiver is gone, or has closed the channel. See [`mpsc::Sender::closed`].
    pub async fn closed(&self) {
        self.inner.closed().await;
    }

    /// Whether the receiver is gone, or has closed the channel.
    pub fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    /// Whether both are senders of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.inner.same_channel(&other.inner)
    }

    /// The slots that are free now: the capacity without the [depth](QueueProbe::depth).
    pub fn capacity(&self) -> usize {
        self.inner.capacity()
    }

    /// How many slots the channel has.
    pub fn max_capacity(&self) -> usize {
        self.inner.max_capacity()
    }

    /// A sender that does not keep the channel open.
    #[must_use = "a weak sender without a strong one sends nothing"]
    pub fn downgrade(&self) -> WeakSender<T> {
        WeakSender {
            inner: self.inner.downgrade(),
            shared: Arc::downgrade(&self.shared),
        }
    }

    /// How many senders there are. While a report, a watch or the
    /// background thread reads the channel there is one more.
    pub fn strong_count(&self) -> usize {
        self.inner.strong_count()
    }

    /// How many weak senders there are. The one that reports read the channel by is left out.
    pub fn weak_count(&self) -> usize {
        self.shared.without_reader(self.inner.weak_count())
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.shared.probe
    }

    /// How the channel held its producers back so far.
    pub fn backpressure(&self) -> Backpressure {
        self.shared.probe.backpressure()
    }

    pub(super) fn is_of(&self, shared: &Arc<Shared<T>>) -> bool {
        Arc::ptr_eq(&self.shared, shared)
    }

    /// Checks after this thread took room. For the fence see the module.
    #[inline]
    fn check(&self) {
        self.check_by(self.shared.checking());
    }

    /// For a waker that panics when the item is in.
    #[inline]
    fn on_unwind<'a>(&'a self, checking: Checking<'a>) -> OnUnwind<'a, impl Fn() -> usize + 'a> {
        checking.on_unwind((1, 0), move || used_slots(checking.account, &self.inner))
    }

    #[inline]
    fn check_by(&self, Checking { probe, account, .. }: Checking<'_>) {
        probe.check_after_rmw(|| used_slots(account, &self.inner));
    }

    /// Checks after this thread gave room back.
    #[inline]
    pub(super) fn check_deferred(&self) {
        self.shared.check_deferred(&self.inner);
    }

    #[inline]
    fn after_try<R, V>(&self, tried: Result<R, TrySendError<V>>) -> Result<R, TrySendError<V>> {
        match &tried {
            Ok(_) => self.check(),
            Err(TrySendError::Full(_)) => self.shared.probe.record_refused(1),
            Err(TrySendError::Closed(_)) => self.shared.account.count_disconnected(),
        }
        tried
    }

    fn count_outcome<V>(&self, sent: Result<(), SendError<V>>) -> Result<(), SendError<V>> {
        if sent.is_ok() {
            self.shared.account.count_sent(1);
        }
        self.count_if_closed(sent)
    }

    pub(super) fn account(&self) -> &ChannelAccount {
        &self.shared.account
    }

    fn count_if_closed<R, V>(&self, sent: Result<R, SendError<V>>) -> Result<R, SendError<V>> {
        if sent.is_err() {
            self.shared.account.count_disconnected();
        }
        sent
    }

    /// Runs a future that takes `n` slots, and checks: with what it has when it waits, when it
    /// ends, and when it is dropped.
    async fn taking<F: Future>(&self, n: usize, future: F) -> F::Output {
        // Dropped after the future, which then has given back what it held.
        let mut cancelled = GiveBack(Some(self));
        let account = &self.shared.account;
        let is_full = || self.inner.capacity() < n;
        let output = if n > 1 {
            let mut future = pin!(future);
            let checked = poll_fn(|context| {
                let polled = future.as_mut().poll(context);
                if polled.is_pending() {
                    // It may have got a part.
                    self.check();
                }
                polled
            });
            account.wait_in(is_full, checked).await
        } else {
            account.wait_in(is_full, future).await
        };
        cancelled.0 = None;
        self.check();
        output
    }
}

/// Checks after what a sender, or a permit, gave back. It stands after what gives back.
pub(super) struct GiveBack<'sender, T>(pub(super) Option<&'sender Sender<T>>);

impl<T> Drop for GiveBack<'_, T> {
    fn drop(&mut self) {
        if let Some(sender) = self.0 {
            sender.check_deferred();
        }
    }
}

/// [`Sender::taking`] of one slot, with a sender that the future owns.
async fn reserve_owned_by<T>(
    shared: &Shared<T>,
    sender: mpsc::Sender<T>,
) -> Result<mpsc::OwnedPermit<T>, SendError<()>> {
    let kept = KeptSender {
        shared,
        sender: OnceLock::new(),
    };
    let is_full = || {
        let sender = shared.reader.upgrade();
        sender.is_none_or(|sender| sender.capacity() == 0)
    };
    let reserved = pin!(shared.account.wait_in(is_full, sender.reserve_owned()));
    // If this future is dropped, in this order: `keep`, what reserves, `kept`.
    let keep = KeepSender(&kept);
    let reserved = reserved.await;
    mem::forget(keep);
    if let Some(sender) = shared.reader.upgrade() {
        shared.check(&sender);
    }
    reserved
}

/// The sender by which to check after a future was dropped that owned one, perhaps the last.
struct KeptSender<'shared, T> {
    shared: &'shared Shared<T>,
    sender: OnceLock<mpsc::Sender<T>>,
}

impl<T> Drop for KeptSender<'_, T> {
    fn drop(&mut self) {
        if let Some(sender) = self.sender.get() {
            self.shared.check_deferred(sender);
        }
    }
}

/// Keeps a sender when it is dropped, before the future that owns one.
struct KeepSender<'kept, 'shared, T>(&'kept KeptSender<'shared, T>);

impl<T> Drop for KeepSender<'_, '_, T> {
    fn drop(&mut self) {
        if let Some(sender) = self.0.shared.reader.upgrade() {
            drop(self.0.sender.set(sender));
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
