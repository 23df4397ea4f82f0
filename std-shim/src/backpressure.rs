//! How a channel holds its producers back.

use std::time::Duration;

use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use crate::sync::{Mutex, lock, now};

/// How a channel held its producers back, from
/// [`TrackedSyncSender::backpressure`](crate::TrackedSyncSender::backpressure).
///
/// ```
/// use fillgauge_std::tracked_sync_channel;
///
/// let (sender, _receiver) = tracked_sync_channel("jobs", 1);
/// sender.send(1)?;
/// assert!(sender.try_send(2).is_err());
/// assert_eq!(sender.backpressure().refused, 1);
/// # Ok::<(), std::sync::mpsc::SendError<i32>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[non_exhaustive]
pub struct Backpressure {
    /// Producers that wait for room at this moment.
    pub waiting: usize,
    /// Sends that had to wait and are done.
    pub waits: usize,
    /// How long those waited, all together.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "waited_us", with = "crate::report::micros::length")
    )]
    pub waited: Duration,
    /// Items that `try_send` gave back because the queue was full.
    pub refused: usize,
    /// Items that were given back because the receiver was gone.
    pub disconnected: usize,
}

impl Backpressure {
    /// Adds that of another channel.
    pub(crate) fn add(&mut self, more: Self) {
        self.waiting = self.waiting.saturating_add(more.waiting);
        self.waits = self.waits.wrapping_add(more.waits);
        self.waited = self.waited.saturating_add(more.waited);
        self.refused = self.refused.wrapping_add(more.refused);
        self.disconnected = self.disconnected.wrapping_add(more.disconnected);
    }
}

/// What the senders of one channel count.
#[derive(Debug, Default)]
pub(crate) struct SendStats {
    /// The receiver is gone.
    closed: AtomicBool,
    waiting: AtomicUsize,
    /// Locked only by producers that had to wait anyway.
    waits: Mutex<WaitStats>,
    disconnected: AtomicUsize,
}

#[derive(Debug, Default)]
struct WaitStats {
    count: usize,
    time: Duration,
}

impl SendStats {
    /// Notes that the receiver is gone. Pairs with [`is_closed`](Self::is_closed).
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    #[inline]
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn count_disconnected(&self) {
        self.disconnected.fetch_add(1, Ordering::Relaxed);
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

    /// Runs a send that has to wait for room. The clock is read here only.
    pub(crate) fn park<R>(&self, send: impl FnOnce() -> R) -> R {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let since = now();
        let outcome = send();
        let waited = since.map_or(Duration::ZERO, |since| since.elapsed());
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        let mut waits = lock(&self.waits);
        waits.count = waits.count.wrapping_add(1);
        waits.time = waits.time.saturating_add(waited);
        outcome
    }
}
