//! What a channel counts beside its depth: who waits for room, and what was given back. All
//! adapters share it.
//!
//! | word | written by |
//! |---|---|
//! | `closed` | the thread that drops the last receiver |
//! | `waits` | a producer that waits for room, through [`Waiting`] |
//! | `disconnected` | a producer whose item came back because no receiver was left |
//! | `items` | who sends and who receives, if the channel is to have totals |
//!
//! Requests that were refused are counted by the gauge of the channel.
//!
//! # Closing
//!
//! A channel without receivers has the depth 0, whatever is left in it:
//!
//! - Who drops the last receiver drops it, then calls [`close`](ChannelAccount::close), then clears
//!   the gauge, or checks the probe.
//! - A producer changes the queue, then records or checks. A counted gauge is cleared once more if
//!   [`is_closed`](ChannelAccount::is_closed). The length that a probe reads is 0 then.
//!
//! Both accesses are sequentially consistent. A probe has a fence between the change and its check.

#[cfg(feature = "tokio")]
use std::future::poll_fn;
#[cfg(feature = "tokio")]
use std::pin::pin;
use std::sync::Arc;

use fillgauge::{Probe, Totals};

use super::waits::{Number, Waits};
use crate::backpressure::Backpressure;
use crate::registry::{Outlet, QueueProbe};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The account of one channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelAccount {
    /// The last receiver is gone.
    closed: AtomicBool,
    waits: Waits,
    disconnected: AtomicUsize,
    /// `None` without [totals](crate::Track::totals).
    items: Option<Items>,
    /// It hands out permits, and nothing flows through it.
    has_permits: bool,
}

/// The items that a channel without counters of its own has seen.
#[derive(Debug, Default)]
struct Items {
    sent: AlignedUsize,
    received: AlignedUsize,
}

/// On a cache line of its own, and the one that is fetched with it: producers and consumers do not
/// share it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct AlignedUsize(AtomicUsize);

impl ChannelAccount {
    /// That of a channel which counts its items, or does not.
    pub(crate) fn new(has_totals: bool) -> Arc<Self> {
        Arc::new(Self {
            items: has_totals.then(Items::default),
            ..Self::default()
        })
    }

    /// That of a semaphore.
    #[cfg(feature = "tokio")]
    pub(crate) fn of_permits() -> Arc<Self> {
        Arc::new(Self {
            has_permits: true,
            ..Self::default()
        })
    }

    pub(crate) fn has_permits(&self) -> bool {
        self.has_permits
    }

    /// Counts items that were sent, if the channel counts them.
    #[allow(dead_code)] // Without an adapter none is counted.
    #[inline]
    pub(crate) fn count_sent(&self, n: usize) {
        if let Some(items) = &self.items {
            items.sent.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    pub(crate) fn has_totals(&self) -> bool {
        self.items.is_some()
    }

    /// What went in and out. An item may be counted out before it is counted in: then it is in,
    /// too. What is left in a channel without receivers is out.
    pub(crate) fn totals(&self) -> Option<Totals> {
        let items = self.items.as_ref()?;
        let mut totals = Totals::default();
        let is_closed = self.is_closed();
        totals.dequeued = items.received.0.load(Ordering::Relaxed);
        totals.enqueued = items.sent.0.load(Ordering::Relaxed);
        // They wrap.
        let left = totals.enqueued.wrapping_sub(totals.dequeued);
        if left > usize::MAX / 2 {
            totals.enqueued = totals.dequeued;
        }
        if is_closed {
            totals.dequeued = totals.enqueued;
        }
        Some(totals)
    }

    /// Notes that the last receiver is gone. Pairs with [`is_closed`](Self::is_closed).
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// Counts an item, or a request, that was given back because no receiver is left.
    pub(crate) fn count_disconnected(&self) {
        self.disconnected.fetch_add(1, Ordering::Relaxed);
    }

    /// A producer waits for room until the guard is dropped: also if it panics, or if its future is
    /// cancelled.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        Waiting {
            account: self,
            number: self.waits.start(),
        }
    }

    /// Runs a future that may have to wait for room. It waits from when it is first pending while
    /// `is_full` until it ends, or is cancelled. A future that is pending for another reason, such
    /// as its turn in a runtime, does not wait.
    #[cfg(feature = "tokio")]
    pub(crate) async fn wait_in<F: Future>(
        &self,
        is_full: impl Fn() -> bool,
        future: F,
    ) -> F::Output {
        // Dropped after the future, which may still give something back.
        let mut waiting = None;
        let mut future = pin!(future);
        poll_fn(|context| {
            let polled = future.as_mut().poll(context);
            if polled.is_pending() && waiting.is_none() && is_full() {
                waiting = Some(self.wait());
            }
            polled
        })
        .await
    }

    /// How many waits for room there were, with those in progress.
    pub(crate) fn waits(&self) -> usize {
        self.waits.started()
    }

    /// With what the gauge of the channel counts.
    pub(crate) fn backpressure(&self, refused: usize) -> Backpressure {
        let mut backpressure = Backpressure {
            refused,
            disconnected: self.disconnected.load(Ordering::Relaxed),
            ..Backpressure::default()
        };
        self.waits.read(&mut backpressure);
        backpressure
    }
}

/// What a check needs beside a half of the channel. It is loaded before the operation: a locked
/// instruction holds up what is loaded after it.
#[allow(dead_code)] // Without an adapter none is made.
#[derive(Clone, Copy)]
pub(crate) struct Checking<'channel> {
    pub(crate) probe: &'channel Probe<Outlet>,
    pub(crate) account: &'channel ChannelAccount,
    items: Option<&'channel Items>,
}

#[allow(dead_code)] // Without an adapter none is made.
impl<'channel> Checking<'channel> {
    #[inline]
    pub(crate) fn new(probe: &'channel QueueProbe, account: &'channel ChannelAccount) -> Self {
        Self {
            probe: probe.slot(),
            account,
            items: account.items.as_ref(),
        }
    }

    /// Counts `sent` and `received` items and checks, if the operation that follows panics. A waker
    /// may, and the queue has changed then. It has to be forgotten afterwards.
    #[inline]
    pub(crate) fn on_unwind<L: Fn() -> usize>(
        self,
        (sent, received): (usize, usize),
        length: L,
    ) -> OnUnwind<'channel, L> {
        OnUnwind {
            checking: self,
            sent,
            received,
            length,
        }
    }

    /// See [`ChannelAccount::count_sent`].
    #[inline]
    pub(crate) fn count_sent(self, n: usize) {
        if let Some(items) = self.items {
            items.sent.0.fetch_add(n, Ordering::Relaxed);
        }
    }

    /// Counts items that were received, if the channel counts them.
    #[inline]
    pub(crate) fn count_received(self, n: usize) {
        if let Some(items) = self.items {
            items.received.0.fetch_add(n, Ordering::Relaxed);
        }
    }
}

/// From [`Checking::on_unwind`].
#[must_use = "dropping it counts and checks"]
pub(crate) struct OnUnwind<'channel, L: Fn() -> usize> {
    checking: Checking<'channel>,
    sent: usize,
    received: usize,
    length: L,
}

impl<L: Fn() -> usize> Drop for OnUnwind<'_, L> {
    #[cold]
    fn drop(&mut self) {
        self.checking.count_sent(self.sent);
        self.checking.count_received(self.received);
        self.checking.probe.check_deferred(&self.length);
    }
}

/// A producer that waits for room.
#[must_use = "dropping it ends the wait"]
#[derive(Debug)]
pub(crate) struct Waiting<'account> {
    account: &'account ChannelAccount,
    number: Number,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.account.waits.end(self.number);
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

    use super::*;

    fn received(account: &ChannelAccount, n: usize) {
        let items = account.items.as_ref().unwrap();
        items.received.0.fetch_add(n, Ordering::Relaxed);
    }

    fn totals(account: &ChannelAccount) -> Option<(usize, usize)> {
        let totals = account.totals()?;
        Some((totals.enqueued, totals.dequeued))
    }

    #[test]
    fn totals_are_there_if_asked_for_and_in_order() {
        let account = ChannelAccount::new(false);
        account.count_sent(1);
        assert_eq!(totals(&account), None);
        let account = ChannelAccount::new(true);
        received(&account, 2);
        assert_eq!(
            totals(&account),
            Some((2, 2)),
            "by a consumer that was quick"
        );
        account.count_sent(5);
        assert_eq!(totals(&account), Some((5, 2)));
        account.close();
        assert_eq!(totals(&account), Some((5, 5)), "what is left is lost");
    }

    #[test]
    fn totals_wrap() {
        let account = ChannelAccount::new(true);
        account.count_sent(usize::MAX);
        received(&account, usize::MAX - 1);
        account.count_sent(3);
        assert_eq!(totals(&account), Some((2, usize::MAX - 1)));
        received(&account, 4);
        assert_eq!(totals(&account), Some((2, 2)));
        received(&account, 1);
        assert_eq!(totals(&account), Some((3, 3)));
    }

    #[test]
    fn a_wait_ends_with_its_guard_and_with_a_panic() {
        let account = ChannelAccount::default();
        let first = account.wait();
        let second = account.wait();
        let during = account.backpressure(3);
        assert_eq!((during.waiting, during.waits, during.refused), (2, 2, 3));
        drop(first);
        let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
            let _second = second;
            panic!("while it waits");
        }));
        assert!(panicked.is_err());
        let after = account.backpressure(0);
        assert_eq!((after.waiting, after.waits), (0, 2));
    }
}
