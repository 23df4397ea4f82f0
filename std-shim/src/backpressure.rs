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
    /// Waits for room that are over. One that was cancelled counts as one that succeeded.
    pub waits: usize,
    /// How long those waited, all together.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "waited_us", with = "crate::report::micros::length")
    )]
    pub waited: Duration,
    /// Requests that were refused because the queue was full.
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
