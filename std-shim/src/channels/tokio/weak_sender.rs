//! A sender that does not keep the channel open.

use std::fmt;
use std::sync::{Arc, Weak};

use ::tokio::sync::mpsc;

use super::Sender;
use super::shared::Shared;
use crate::registry::QueueProbe;

/// A sender that does not keep the channel open, from [`Sender::downgrade`], after
/// [`tokio::sync::mpsc::WeakSender`].
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// let (sender, receiver) = channel::<()>("jobs", 10);
/// let weak = sender.downgrade();
/// assert!(weak.upgrade().is_some_and(|other| other.same_channel(&sender)));
/// drop(sender);
/// assert!(weak.upgrade().is_none() && receiver.is_closed());
/// ```
///
/// [`tokio::sync::mpsc::WeakSender`]: mpsc::WeakSender
pub struct WeakSender<T> {
    pub(super) inner: mpsc::WeakSender<T>,
    /// Weakly: it does not keep the gauge registered.
    pub(super) shared: Weak<Shared<T>>,
}

impl<T> WeakSender<T> {
    /// A sender, if there is one still. While a report, a watch or the
    /// background thread reads the channel there is one.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        let inner = self.inner.upgrade()?;
        Some(Sender::new(inner, self.shared.upgrade()?))
    }

    /// How many senders there are. While a report, a watch or the
    /// background thread reads the channel there is one more.
    pub fn strong_count(&self) -> usize {
        self.inner.strong_count()
    }

    /// How many weak senders there are. The one that reports read the channel by is left out.
    pub fn weak_count(&self) -> usize {
        let count = self.inner.weak_count();
        let shared = self.shared.upgrade();
        shared.map_or(count, |shared| shared.without_reader(count))
    }

    /// The gauge of the channel, which this sender does not keep. `None` if the channel is gone.
    pub fn gauge(&self) -> Option<Arc<QueueProbe>> {
        Some(Arc::clone(&self.shared.upgrade()?.probe))
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
        f.debug_struct("WeakSender")
            .field("gauge", &self.gauge())
            .finish_non_exhaustive()
    }
}
