//! What the halves of a channel share that a probe tracks, and that has no weak handle with a
//! length.
//!
//! ```text
//! Sender ───┐                             ┌─► gauge ──► slot ──► Link ──► a receiver of the channel
//! Receiver ─┴─► Shared { receivers, .. } ─┼─► account               ▲
//!                                         └─► link ─────────────────┘
//! ```
//!
//! The registry reads the length through a receiver of its own, which is in the [`Link`]. The last
//! receiver of the user takes it out and drops it. So the channel is disconnected then, as if the
//! registry had none.
//!
//! # Who checks
//!
//! | what changed last | who checks afterwards |
//! |---|---|
//! | the queue | the thread that sent or received |
//! | `closed` | the thread that dropped the last receiver |
//!
//! The depth is the length of the queue, and 0 once `closed` is set. It is never unset. So a
//! reading that takes the length first and `closed` second was exact at one of the two instants.

use std::sync::Arc;
#[cfg(feature = "async-channel")]
use std::sync::Weak;

use super::account::{ChannelAccount, Checking};
use crate::backpressure::Backpressure;
use crate::registry::{Poll, QueueProbe};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Mutex, lock};

/// How much is in the channel of a receiver.
pub(super) trait Length {
    fn length(&self) -> usize;
}

/// The receiver through which the registry reads the length. `None` after the user's last one.
pub(super) struct Link<R>(Mutex<Option<R>>);

/// What both halves have beside the channel's own. `R` is the channel's receiver.
pub(super) struct Shared<R> {
    pub(super) probe: Arc<QueueProbe>,
    pub(super) account: Arc<ChannelAccount>,
    /// How many the user has.
    receivers: AtomicUsize,
    link: Arc<Link<R>>,
}

/// Registers a probe that reads its depth with the argument.
pub(crate) trait Enlist: FnOnce(Arc<Poll>) -> Arc<QueueProbe> {}

impl<F: FnOnce(Arc<Poll>) -> Arc<QueueProbe>> Enlist for F {}

impl<R: Length + Send + 'static> Shared<R> {
    /// That of a channel with one receiver, and with another one for the registry.
    pub(super) fn enlist(
        for_registry: R,
        account: Arc<ChannelAccount>,
        enlist: impl Enlist,
    ) -> Arc<Self> {
        let link = Arc::new(Link(Mutex::new(Some(for_registry))));
        let probe = {
            let (account, link) = (Arc::clone(&account), Arc::clone(&link));
            enlist(Poll::new(move || link.depth(&account)))
        };
        Arc::new(Self {
            probe,
            account,
            receivers: AtomicUsize::new(1),
            link,
        })
    }
}

impl<R: Length> Link<R> {
    /// The lock is held for a few loads, and while no foreign code runs.
    fn depth(&self, account: &ChannelAccount) -> usize {
        let length = lock(&self.0).as_ref().map_or(0, Length::length);
        depth(account, length)
    }
}

/// The depth, if `length` was read first.
#[inline]
pub(super) fn depth(account: &ChannelAccount, length: usize) -> usize {
    if account.is_closed() { 0 } else { length }
}

impl<R> Shared<R> {
    #[inline]
    pub(super) fn checking(&self) -> Checking<'_> {
        Checking::new(&self.probe, &self.account)
    }

    /// The depth, if `length` was read first.
    #[inline]
    pub(super) fn depth(&self, length: usize) -> usize {
        depth(&self.account, length)
    }

    pub(super) fn backpressure(&self) -> Backpressure {
        self.account.backpressure(self.probe.refused())
    }

    /// How many receivers the user has.
    #[cfg(feature = "async-channel")]
    pub(super) fn receivers(&self) -> usize {
        self.receivers.load(Ordering::SeqCst)
    }
}

/// A receiver of the user's. It comes after the channel's own half in the struct, and so is dropped
/// after it.
pub(super) struct CloseOnDrop<R>(Arc<Shared<R>>);

impl<R> CloseOnDrop<R> {
    /// The first one.
    pub(super) fn new(shared: Arc<Shared<R>>) -> Self {
        Self(shared)
    }

    #[inline]
    pub(super) fn shared(&self) -> &Arc<Shared<R>> {
        &self.0
    }

    /// One more, unless there is none any more.
    #[cfg(feature = "async-channel")]
    pub(super) fn upgrade(shared: &Weak<Shared<R>>) -> Option<Self> {
        let shared = shared.upgrade()?;
        let add = |receivers| (receivers > 0).then_some(receivers + 1);
        let added = shared
            .receivers
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
        // Not `then_some`: one that is dropped is counted off.
        added.is_ok().then(|| Self(shared))
    }
}

impl<R> Clone for CloseOnDrop<R> {
    fn clone(&self) -> Self {
        // There is one already: this.
        self.0.receivers.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(&self.0))
    }
}

impl<R> Drop for CloseOnDrop<R> {
    fn drop(&mut self) {
        let shared = &*self.0;
        if shared.receivers.fetch_sub(1, Ordering::AcqRel) > 1 {
            return;
        }
        shared.account.close();
        let last = lock(&shared.link.0).take();
        shared.probe.close();
        // Disconnects the channel. It may drop what is in it, which is foreign code.
        drop(last);
    }
}
