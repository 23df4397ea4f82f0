//! How a channel holds its producers back.

use std::time::Duration;

/// How a channel, or a semaphore, held back who asked for room, from
/// [`TrackedSyncSender::backpressure`](crate::TrackedSyncSender::backpressure) and the methods of
/// that name of other halves.
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
    /// How long the one of them has waited that waits longest. Zero if none waits.
    #[cfg_attr(
        feature = "serde",
        serde(
            default,
            rename = "waiting_for_us",
            with = "crate::report::micros::length"
        )
    )]
    pub waiting_for: Duration,
    /// Waits for room so far, with those in progress. One that was cancelled counts as one that
    /// succeeded.
    pub waits: usize,
    /// How long all waits took together, with those in progress.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "waited_us", with = "crate::report::micros::length")
    )]
    pub waited: Duration,
    /// The longest wait so far, which may be in progress.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "longest_us", with = "crate::report::micros::length")
    )]
    pub longest: Duration,
    /// How long at least one producer waited, by the clock on the wall. Of a limit with several
    /// channels: the sum of theirs.
    #[cfg_attr(
        feature = "serde",
        serde(default, rename = "stalled_us", with = "crate::report::micros::length")
    )]
    pub stalled: Duration,
    /// Requests that were refused because the queue was full.
    pub refused: usize,
    /// Items that were given back because the receiver was gone.
    pub disconnected: usize,
}

impl Backpressure {
    /// That of a channel that is gone, where nobody waits. A future that was leaked seems to.
    pub(crate) fn of_gone(self) -> Self {
        Self {
            waiting: 0,
            waiting_for: Duration::ZERO,
            ..self
        }
    }

    /// Adds that of another channel.
    pub(crate) fn add(&mut self, more: Self) {
        self.waiting = self.waiting.saturating_add(more.waiting);
        self.waiting_for = self.waiting_for.max(more.waiting_for);
        self.waits = self.waits.wrapping_add(more.waits);
        self.waited = self.waited.saturating_add(more.waited);
        self.longest = self.longest.max(more.longest);
        self.stalled = self.stalled.saturating_add(more.stalled);
        self.refused = self.refused.wrapping_add(more.refused);
        self.disconnected = self.disconnected.wrapping_add(more.disconnected);
    }
}
