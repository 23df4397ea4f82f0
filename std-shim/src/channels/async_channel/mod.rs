//! [`async_channel`], tracked.
//!
//! A program changes the constructor, and the paths of the types. Errors are async-channel's.
//!
//! ```
//! use fillgauge_std::channels::async_channel::bounded;
//! use futures_lite::future::block_on;
//!
//! let (sender, receiver) = bounded("session_frames", 16);
//! block_on(async {
//!     sender.send("frame").await?;
//!     assert_eq!(sender.gauge().depth(), 1);
//!     assert_eq!(receiver.recv().await, Ok("frame"));
//!     assert_eq!(sender.gauge().depth(), 0);
//!     Ok::<(), async_channel::SendError<&str>>(())
//! })?;
//! # Ok::<(), async_channel::SendError<&str>>(())
//! ```
//!
//! # What is tracked
//!
//! - Nothing is counted: the gauge reads the channel's own length after each operation. So a send
//!   that fails or is cancelled leaves nothing behind, and a producer that waits does not count.
//! - When the last receiver is dropped the depth is 0, although async-channel keeps the items until
//!   the senders are gone too. A channel that is [closed](Sender::close) keeps its depth, since its
//!   items can still be received.
//! - A send delivers its events in the poll that completes it. A receive and a drop leave them to
//!   the [background thread](crate#who-delivers).
//! - A send waits from the first poll that finds no room until it completes or is dropped.
//! - The registry has a receiver of its own, which it drops with your last one.
//!   [`receiver_count`](Sender::receiver_count) leaves it out.

// On the fences. The length is read from the head and the tail of the queue, and for capacity 1
// from one word. In a bounded channel a send and a receive change them by read-modify-writes of
// their thread, and by nothing else. The stamp that is stored afterwards is not read by the length.
// Two operations need the real fence: `force_send`, which may end with a store to the tail, and a
// receive from an unbounded channel, which may end with a store to the head.

mod receiver;
mod sender;
mod weak;

use std::sync::Arc;

use fillgauge::IntoLimit;

pub use ::async_channel::Closed;
pub use receiver::{Receiver, Recv};
pub use sender::{Send, Sender};
pub use weak::{WeakReceiver, WeakSender};

use super::account::ChannelAccount;
use super::probed::{CloseOnDrop, Enlist, Length, Shared};
use crate::track::track;

/// A channel of `capacity`, after [`async_channel::bounded`]. Its gauge is
/// in the global registry. For more settings see
/// [`Track::async_channel`](crate::Track::async_channel).
///
/// ```
/// use async_channel::TrySendError;
/// use fillgauge_std::channels::async_channel::bounded;
///
/// let (sender, _receiver) = bounded("jobs", 1);
/// assert_eq!(sender.try_send(1), Ok(()));
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(sender.backpressure().refused, 1);
/// ```
///
/// # Panics
///
/// If `capacity` is 0, as [`async_channel::bounded`] does.
pub fn bounded<T: core::marker::Send + 'static>(
    limit: impl IntoLimit,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    track(limit).capacity(capacity).async_channel()
}

/// A channel without a bound, after [`async_channel::unbounded`]. Its
/// gauge shows the depth and the high-water mark, and never warns. For one that warns see
/// [`Track::async_unbounded`](crate::Track::async_unbounded).
///
/// ```
/// use fillgauge_std::channels::async_channel::unbounded;
///
/// let (sender, _receiver) = unbounded("lines");
/// (0..100).try_for_each(|line| sender.try_send(line))?;
/// assert_eq!((sender.gauge().depth(), sender.gauge().capacity()), (100, 0));
/// # Ok::<(), async_channel::TrySendError<i32>>(())
/// ```
pub fn unbounded<T: core::marker::Send + 'static>(
    limit: impl IntoLimit,
) -> (Sender<T>, Receiver<T>) {
    track(limit).async_unbounded()
}

/// The halves of a channel that has a probe. `enlist` registers it.
pub(crate) fn tracked<T: core::marker::Send + 'static>(
    (sender, receiver): (::async_channel::Sender<T>, ::async_channel::Receiver<T>),
    account: Arc<ChannelAccount>,
    enlist: impl Enlist,
) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::enlist(receiver.clone(), account, enlist);
    let sender = Sender::new(sender, Arc::clone(&shared));
    (sender, Receiver::new(receiver, CloseOnDrop::new(shared)))
}

impl<T> Length for ::async_channel::Receiver<T> {
    fn length(&self) -> usize {
        self.len()
    }
}
