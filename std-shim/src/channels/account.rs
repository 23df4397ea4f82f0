//! What a channel counts beside its depth: who waits for room, and what was given back. All
//! adapters share it.
//!
//! | word | written by |
//! |---|---|
//! | `closed` | whoever drops the last receiver |
//! | `waiting`, `waits` | a producer that waits for room, through [`Waiting`] |
//! | `disconnected` | a producer whose item came back because no receiver was left |
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
use std::time::{Duration, Instant};

use crate::backpressure::Backpressure;
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock, now};

/// The account of one channel.
#[derive(Debug, Default)]
pub(crate) struct ChannelAccount {
    /// The last receiver is gone.
    closed: AtomicBool,
    waiting: AtomicUsize,
    /// Locked only by producers that had to wait anyway.
    waits: Mutex<WaitStats>,
    disconnected: AtomicUsize,
}

/// The waits that are over.
#[derive(Debug, Default)]
struct WaitStats {
    count: usize,
    time: Duration,
}

impl ChannelAccount {
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
    /// cancelled. The clock is read here and when the guard is dropped, and nowhere else.
    pub(crate) fn wait(&self) -> Waiting<'_> {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting {
            account: self,
            since: now(),
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

    /// With what the gauge of the channel counts.
    pub(crate) fn backpressure(&self, refused: usize) -> Backpressure {
        let waits = lock(&self.waits);
        Backpressure {
            waiting: self.waiting.load(Ordering::Relaxed),
            waits: waits.count,
            waited: waits.time,
            refused,
            disconnected: self.disconnected.load(Ordering::Relaxed),
        }
    }
}

/// A producer that waits for room.
#[must_use = "dropping it ends the wait"]
#[derive(Debug)]
pub(crate) struct Waiting<'account> {
    account: &'account ChannelAccount,
    since: Option<Instant>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        let waited = self.since.map_or(Duration::ZERO, |since| since.elapsed());
        self.account.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut waits = lock(&self.account.waits);
        waits.count = waits.count.wrapping_add(1);
        waits.time = waits.time.saturating_add(waited);
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::panic::{self, AssertUnwindSafe};

    use super::*;

    #[test]
    fn a_wait_ends_with_its_guard_and_with_a_panic() {
        let account = ChannelAccount::default();
        let first = account.wait();
        let second = account.wait();
        let during = account.backpressure(3);
        assert_eq!((during.waiting, during.waits, during.refused), (2, 0, 3));
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
