//! Room that was reserved in a channel.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use ::tokio::sync::mpsc;

use super::Sender;
use super::sender::GiveBack;
use super::shared::Shared;
use crate::registry::QueueProbe;

/// Room for one item, from [`Sender::reserve`] or [`Sender::try_reserve`], after
/// [`tokio::sync::mpsc::Permit`]. It is a used slot. Dropping it gives the slot back.
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// let (sender, receiver) = channel("jobs", 2);
/// let permit = sender.try_reserve()?;
/// assert_eq!((sender.gauge().depth(), receiver.len()), (1, 0));
/// permit.send("sweep");
/// assert_eq!((sender.gauge().depth(), receiver.len()), (1, 1));
/// # Ok::<(), fillgauge_std::channels::tokio::error::TrySendError<()>>(())
/// ```
///
/// [`tokio::sync::mpsc::Permit`]: mpsc::Permit
pub struct Permit<'a, T> {
    // Dropped in this order: the slot is given back before that is checked.
    inner: mpsc::Permit<'a, T>,
    after: GiveBack<'a, T>,
    sender: &'a Sender<T>,
}

impl<'a, T> Permit<'a, T> {
    #[inline]
    pub(super) fn new(inner: mpsc::Permit<'a, T>, sender: &'a Sender<T>) -> Self {
        Self {
            inner,
            after: GiveBack(Some(sender)),
            sender,
        }
    }

    /// Sends an item in the slot. If the receiver is gone, the item is lost, and is no depth.
    #[inline]
    pub fn send(self, value: T) {
        let Self {
            inner,
            mut after,
            sender,
        } = self;
        // The slot is used before and afterwards.
        after.0 = None;
        sender.account().count_sent(1);
        inner.send(value);
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("gauge", self.sender.gauge())
            .finish_non_exhaustive()
    }
}

/// Room for several items, from [`Sender::reserve_many`] or [`Sender::try_reserve_many`], after
/// [`tokio::sync::mpsc::PermitIterator`]. What is left of it when it is dropped is given back.
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// let (sender, receiver) = channel("jobs", 10);
/// for (permit, job) in sender.try_reserve_many(3)?.zip(["sweep", "mop"]) {
///     permit.send(job);
/// }
/// assert_eq!((sender.gauge().depth(), receiver.len()), (2, 2));
/// # Ok::<(), fillgauge_std::channels::tokio::error::TrySendError<()>>(())
/// ```
///
/// [`tokio::sync::mpsc::PermitIterator`]: mpsc::PermitIterator
pub struct PermitIterator<'a, T> {
    // Dropped in this order.
    inner: mpsc::PermitIterator<'a, T>,
    after: GiveBack<'a, T>,
    sender: &'a Sender<T>,
}

impl<'a, T> PermitIterator<'a, T> {
    pub(super) fn new(inner: mpsc::PermitIterator<'a, T>, sender: &'a Sender<T>) -> Self {
        Self {
            inner,
            after: GiveBack(Some(sender)),
            sender,
        }
    }
}

impl<'a, T> Iterator for PermitIterator<'a, T> {
    type Item = Permit<'a, T>;

    fn next(&mut self) -> Option<Self::Item> {
        Some(Permit::new(self.inner.next()?, self.sender))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.inner.size_hint()
    }
}

impl<T> ExactSizeIterator for PermitIterator<'_, T> {}
impl<T> FusedIterator for PermitIterator<'_, T> {}

impl<T> fmt::Debug for PermitIterator<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { after, sender, .. } = self;
        f.debug_struct("PermitIterator")
            .field("left", &self.inner.len())
            .field("gauge", after.0.unwrap_or(sender).gauge())
            .finish_non_exhaustive()
    }
}

/// Room for one item, with a sender of its own, from [`Sender::reserve_owned`] or
/// [`Sender::try_reserve_owned`], after [`tokio::sync::mpsc::OwnedPermit`]. It is a used slot.
/// Dropping it gives the slot back.
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// let (sender, receiver) = channel("jobs", 10);
/// let permit = sender.clone().try_reserve_owned()?; // into the task that will send
/// assert_eq!(receiver.gauge().depth(), 1);
/// let sender = permit.send("sweep");
/// assert_eq!((sender.gauge().depth(), receiver.len()), (1, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [`tokio::sync::mpsc::OwnedPermit`]: mpsc::OwnedPermit
pub struct OwnedPermit<T> {
    /// `None` once it was used.
    inner: Option<mpsc::OwnedPermit<T>>,
    shared: Arc<Shared<T>>,
}

impl<T> OwnedPermit<T> {
    pub(super) fn new(inner: mpsc::OwnedPermit<T>, shared: Arc<Shared<T>>) -> Self {
        Self {
            inner: Some(inner),
            shared,
        }
    }

    /// Sends an item in the slot, and returns the sender. If the receiver is gone, the item is
    /// lost, and is no depth.
    pub fn send(self, value: T) -> Sender<T> {
        self.shared.account.count_sent(1);
        self.into_sender(|permit| permit.send(value))
    }

    /// Gives the slot back, and returns the sender. What follows is left to the background thread.
    pub fn release(self) -> Sender<T> {
        let sender = self.into_sender(mpsc::OwnedPermit::release);
        sender.check_deferred();
        sender
    }

    /// Whether both are of the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }

    /// Whether it is of the channel of `sender`.
    pub fn same_channel_as_sender(&self, sender: &Sender<T>) -> bool {
        sender.is_of(&self.shared)
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.shared.probe
    }

    fn into_sender(
        mut self,
        use_up: impl FnOnce(mpsc::OwnedPermit<T>) -> mpsc::Sender<T>,
    ) -> Sender<T> {
        match self.inner.take() {
            Some(permit) => Sender::new(use_up(permit), Arc::clone(&self.shared)),
            // It is taken here, and when the permit is dropped.
            None => unreachable!("a permit is used once"),
        }
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(permit) = self.inner.take() {
            // Perhaps the last sender: the check must come before it is dropped.
            let sender = permit.release();
            self.shared.check_deferred(&sender);
        }
    }
}

impl<T> fmt::Debug for OwnedPermit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedPermit")
            .field("gauge", self.gauge())
            .finish_non_exhaustive()
    }
}
