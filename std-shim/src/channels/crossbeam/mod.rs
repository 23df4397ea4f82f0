//! [`crossbeam_channel`], tracked.
//!
//! A program changes the constructor, and the paths of the types. Errors, `select!`, [`Select`] and
//! the channels without items of one's own (`after`, `at`, `tick`, `never`) are crossbeam's.
//!
//! ```
//! use fillgauge_std::channels::crossbeam::bounded;
//!
//! let (sender, receiver) = bounded("session_frames", 16);
//! sender.send("frame")?;
//! assert_eq!(sender.gauge().depth(), 1);
//! assert_eq!(receiver.recv(), Ok("frame"));
//! assert_eq!(sender.gauge().depth(), 0);
//! # Ok::<(), crossbeam_channel::SendError<&str>>(())
//! ```
//!
//! # What is tracked
//!
//! - Nothing is counted: the gauge reads the channel's own length after each operation. So failed
//!   sends leave nothing behind, and a producer that waits does not count.
//! - When the last receiver is dropped the depth is 0, although a bounded channel of crossbeam
//!   keeps its items until the senders are gone too.
//! - A send delivers its events on its own thread. A receive and a drop leave them to the
//!   [background thread](crate#who-delivers).
//! - With capacity 0 the channel is a rendezvous: its depth is always 0, and no event comes.
//!   Producers that wait for a receiver are counted all the same.
//! - The registry has a receiver of its own, which it drops with your last one.
//!
//! # What differs from crossbeam
//!
//! - A channel is made for `T: Send + 'static`: a report on another thread reads it.
//! - [`Track::crossbeam_channel`](crate::Track::crossbeam_channel) without a capacity is a
//!   rendezvous.
//!
//! # `select!` and `Select`
//!
//! The halves deref to crossbeam's, so that `select!` and [`Select`] take them as they are. What
//! these complete goes past the gauge until the next operation through it, the next report, or
//! [`selected`]:
//!
//! ```
//! use crossbeam_channel::select;
//! use fillgauge_std::channels::crossbeam::{bounded, selected};
//!
//! let (sender, receiver) = bounded("jobs", 16);
//! sender.send("sweep")?;
//! select! {
//!     recv(receiver) -> job => {
//!         selected(&receiver, &job);
//!         assert_eq!(job, Ok("sweep"));
//!     }
//! }
//! assert_eq!(receiver.gauge().depth(), 0);
//! # Ok::<(), crossbeam_channel::SendError<&str>>(())
//! ```
//!
//! Without it they are missing in the [totals](crate::Track::totals). A wait in `select!` is no
//! wait in the [`Backpressure`](crate::Backpressure).
//!
//! A clone of the half that one derefs to is crossbeam's, and is not tracked. Such a receiver is
//! none for the gauge.
//!
//! [`Select`]: crossbeam_channel::Select

// On the fences. The length is read from the head and the tail of the queue. In a bounded channel
// both are changed by a compare-and-swap of the thread that sends or receives, and by nothing else.
// The stamp that is stored afterwards is not read by the length. In an unbounded one a send changes
// the tail by a compare-and-swap, and at the end of a block by an addition that follows. A receive
// may end with a store to the head, and so needs the real fence.

mod receiver;
mod sender;

use std::sync::Arc;

use fillgauge::IntoLimit;

pub use receiver::{IntoIter, Iter, Receiver, TryIter};
pub use sender::Sender;

use super::account::ChannelAccount;
use super::probed::{CloseOnDrop, Enlist, Length, Shared};
use crate::track::track;

/// A channel of `capacity`, after [`crossbeam_channel::bounded`]. Its gauge is in the global
/// registry. For more settings see [`Track::crossbeam_channel`](crate::Track::crossbeam_channel).
///
/// ```
/// use crossbeam_channel::TrySendError;
/// use fillgauge_std::channels::crossbeam::bounded;
///
/// let (sender, receiver) = bounded("jobs", 1);
/// sender.send(1)?;
/// assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
/// assert_eq!(sender.backpressure().refused, 1);
/// assert_eq!(receiver.into_iter().next(), Some(1));
/// # Ok::<(), crossbeam_channel::SendError<i32>>(())
/// ```
pub fn bounded<T: Send + 'static>(
    limit: impl IntoLimit,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    track(limit).capacity(capacity).crossbeam_channel()
}

/// A channel without a bound, after [`crossbeam_channel::unbounded`]. Its gauge shows the depth and
/// the high-water mark, and never warns. For one that warns see
/// [`Track::crossbeam_unbounded`](crate::Track::crossbeam_unbounded).
///
/// ```
/// use fillgauge_std::channels::crossbeam::unbounded;
///
/// let (sender, _receiver) = unbounded("lines");
/// (0..100).try_for_each(|line| sender.send(line))?;
/// assert_eq!((sender.gauge().depth(), sender.gauge().capacity()), (100, 0));
/// # Ok::<(), crossbeam_channel::SendError<i32>>(())
/// ```
pub fn unbounded<T: Send + 'static>(limit: impl IntoLimit) -> (Sender<T>, Receiver<T>) {
    track(limit).crossbeam_unbounded()
}

/// The halves of a channel that has a probe. `enlist` registers it.
pub(crate) fn tracked<T: Send + 'static>(
    (sender, receiver): (crossbeam_channel::Sender<T>, crossbeam_channel::Receiver<T>),
    account: Arc<ChannelAccount>,
    enlist: impl Enlist,
) -> (Sender<T>, Receiver<T>) {
    let shared = Shared::enlist(receiver.clone(), account, enlist);
    let sender = Sender::new(sender, Arc::clone(&shared));
    (sender, Receiver::new(receiver, CloseOnDrop::new(shared)))
}

impl<T> Length for crossbeam_channel::Receiver<T> {
    fn length(&self) -> usize {
        self.len()
    }
}

/// Checks after `select!` or [`Select`](crossbeam_channel::Select) has completed an operation on
/// this half with `outcome`, and counts it. See [the module](self#select-and-select).
///
/// After a send it delivers events on this thread, as a send does.
pub fn selected<T, E>(half: &impl Half, outcome: &Result<T, E>) {
    half.selected(outcome.is_ok());
}

/// A half of a tracked channel: [`Sender`] or [`Receiver`].
pub trait Half: sealed::Half {}

mod sealed {
    pub trait Half {
        /// Checks after an operation that `has_moved` an item, or found the channel disconnected.
        fn selected(&self, has_moved: bool);
    }
}

impl<T> Half for Sender<T> {}
impl<T> Half for Receiver<T> {}
