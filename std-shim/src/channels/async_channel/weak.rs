//! Halves that do not keep the channel open.

use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Weak;

use super::{Receiver, Sender};
use crate::channels::probed::{CloseOnDrop, Shared};

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
    pub(super) inner: ::async_channel::WeakSender<T>,
    /// There is one as long as there is a half.
    pub(super) shared: Weak<Shared<::async_channel::Receiver<T>>>,
}

impl<T> WeakSender<T> {
    /// A sender, if there is one left and the channel is not closed.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let shared = self.shared.upgrade()?;
        let inner = self.inner.upgrade()?;
        Some(Sender::new(inner, shared))
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
    pub(super) inner: ::async_channel::WeakReceiver<T>,
    pub(super) shared: Weak<Shared<::async_channel::Receiver<T>>>,
}

impl<T> WeakReceiver<T> {
    /// A receiver, if there is one left and the channel is not closed.
    pub fn upgrade(&self) -> Option<Receiver<T>> {
        let closing = CloseOnDrop::upgrade(&self.shared)?;
        let inner = self.inner.upgrade()?;
        Some(Receiver::new(inner, closing))
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
