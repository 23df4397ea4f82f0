//! What the halves of one channel share.

use std::future::poll_fn;
use std::sync::Arc;

use ::tokio::sync::mpsc;
use ::tokio::task::coop;

use super::{Receiver, Sender};
use crate::channels::account::{ChannelAccount, Checking};
use crate::registry::{Poll, QueueProbe};
use crate::sync::{Mutex, lock};

/// Ends when this task may go on: now, unless its time slice is over. A future that does not ask
/// tokio's takes its turn here, as tokio's do.
#[inline]
pub(super) async fn take_turn() {
    poll_fn(|context| coop::poll_proceed(context).map(|turn| turn.made_progress())).await;
}

/// Reads a channel for a thread that has no half of it. It keeps no channel open.
pub(super) struct Reader<T> {
    /// `None` once the receiver is gone: a weak sender keeps the items that are left.
    weak: Mutex<Option<mpsc::WeakSender<T>>>,
    account: Arc<ChannelAccount>,
}

impl<T> Reader<T> {
    /// A sender, for one reading.
    pub(super) fn upgrade(&self) -> Option<mpsc::Sender<T>> {
        lock(&self.weak).as_ref()?.upgrade()
    }

    /// The receiver is gone, and the depth is 0 from now on.
    pub(super) fn close(&self) {
        let weak = lock(&self.weak).take();
        // Perhaps the last reference to the channel: the lock is free.
        drop(weak);
    }

    /// The used slots. `None` without senders: then only the receiver can tell.
    fn read(&self) -> Option<usize> {
        if self.account.is_closed() {
            return Some(0);
        }
        let sender = self.upgrade()?;
        Some(used_slots(&self.account, &sender))
    }
}

/// The used slots of the channel of `sender`.
#[inline]
pub(super) fn used_slots<T>(account: &ChannelAccount, sender: &mpsc::Sender<T>) -> usize {
    used(account, sender.max_capacity(), sender.capacity())
}

/// The used slots. Without a receiver there are none.
#[inline]
pub(super) fn used(account: &ChannelAccount, max_capacity: usize, capacity: usize) -> usize {
    if account.is_closed() {
        0
    } else {
        max_capacity.saturating_sub(capacity)
    }
}

/// Of all halves of a channel, and of its permits.
pub(super) struct Shared<T> {
    // Dropped in this order: the items that are left go last, with the last reference to the
    // channel.
    pub(super) probe: Arc<QueueProbe>,
    pub(super) account: Arc<ChannelAccount>,
    pub(super) reader: Arc<Reader<T>>,
}

impl<T> Shared<T> {
    #[inline]
    pub(super) fn checking(&self) -> Checking<'_> {
        Checking::new(&self.probe, &self.account)
    }

    /// Checks by a sender that was upgraded: for what has a half that cannot tell.
    pub(super) fn check(&self, sender: &mpsc::Sender<T>) {
        self.probe
            .check_after_rmw(|| used_slots(&self.account, sender));
    }

    /// The same, and leaves what follows to the background thread.
    pub(super) fn check_deferred(&self, sender: &mpsc::Sender<T>) {
        self.probe
            .check_deferred_after_rmw(|| used_slots(&self.account, sender));
    }

    /// `count` of the weak senders without the one in the reader.
    pub(super) fn without_reader(&self, count: usize) -> usize {
        let is_counted = lock(&self.reader.weak).is_some();
        count.saturating_sub(is_counted.into())
    }
}

/// Tracks a channel of `capacity`. `enlist` registers its probe, with a way to read it.
#[track_caller]
pub(crate) fn channel_on<T: Send + 'static>(
    capacity: usize,
    account: Arc<ChannelAccount>,
    enlist: impl FnOnce(Arc<Poll>) -> Arc<QueueProbe>,
) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = mpsc::channel(capacity);
    let reader = Arc::new(Reader {
        weak: Mutex::new(Some(sender.downgrade())),
        account: Arc::clone(&account),
    });
    let polled = Arc::clone(&reader);
    let probe = enlist(Poll::new(move || polled.read()));
    let shared = Arc::new(Shared {
        probe,
        account,
        reader,
    });
    let receiver = Receiver::new(receiver, Arc::clone(&shared));
    (Sender::new(sender, shared), receiver)
}
