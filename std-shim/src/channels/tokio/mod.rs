//! `tokio::sync::mpsc` channels and `tokio::sync::Semaphore`, tracked. Feature `tokio`.
//!
//! The types have tokio's names, methods and errors. A program changes its `use` line, and says
//! what it tracks where it makes a channel or a semaphore:
//!
//! ```
//! use fillgauge_std::channels::tokio::{self, error::TrySendError};
//!
//! let (sender, mut receiver) = tokio::channel("jobs", 2);
//! sender.try_send("sweep")?;
//! sender.try_send("mop")?;
//! assert_eq!(sender.try_send("dust"), Err(TrySendError::Full("dust")));
//! assert!(sender.gauge().has_warned());
//!
//! assert_eq!(receiver.try_recv(), Ok("sweep"));
//! assert_eq!((receiver.gauge().depth(), receiver.gauge().refused()), (1, 1));
//! # Ok::<(), TrySendError<&str>>(())
//! ```
//!
//! A receiver becomes a [`ReceiverStream`], and a sender a [`PollSender`], which is a sink: after
//! tokio-stream and tokio-util, without these crates.
//!
//! # What the depth is
//!
//! | of | the depth | the capacity |
//! |---|---|---|
//! | a channel | used slots: items, permits that are held, and permits handed to a task that waits | [`max_capacity`](Sender::max_capacity) |
//! | a [`Semaphore`] | permits that are out, or handed to a task that waits | all permits |
//!
//! - Nothing is counted. Each operation ends with a check of what tokio itself says.
//! - How many *items* are in a channel, without permits, is [`Receiver::len`].
//! - When the receiver is gone, the depth is 0. What a permit sends afterwards is no depth.
//! - A future that is dropped while it waits leaves nothing behind, and its wait is counted.
//!
//! # Who delivers
//!
//! | the event is caused by | the observers run on |
//! |---|---|
//! | a send, a permit that is got, [`Semaphore::add_permits`], and what else takes or sets | that thread, in a future the one that polls it |
//! | a receive, a permit or a half that is dropped, a future that is cancelled | the [background thread](crate#who-delivers) |
//!
//! # What differs from tokio
//!
//! - A channel is made for `T: Send + 'static`: a report on another thread reads it.
//! - [`Semaphore`] has no `const_new`: a gauge is registered at run time.
//! - [`Backpressure`](crate::Backpressure) goes by requests, not by items: a reservation that is
//!   refused counts once, whatever its size.
//! - A channel of capacity 1 to 4 warns when it is full, since 80 % of them is all of them. A
//!   reservation that is held counts.
//! - A report, a watch and the background thread hold a strong sender for as long as it takes to
//!   read a number. So for that time [`strong_count`](Sender::strong_count) is one more, and the
//!   channel stays open.
//! - The gauge of a [`WeakSender`] is there as long as the channel is.

// What is read, and which fence a check needs:
//
// The length is `max_capacity - capacity`, and a flag for a receiver that is gone. `capacity` is
// the word `permits` of tokio's semaphore. Every change of it is a read-modify-write: a
// compare-and-swap of who takes permits, an addition of who gives them back, also under the lock of
// the list of waiters. A permit that goes from hand to hand in that list does not change the word.
// So the last change of this thread is a read-modify-write, and `check_after_rmw` is right. What
// follows it, the item and the lock, is not read by the length.
//
// The flag is set by a store. `QueueProbe::close` has the full fence after it.

mod permits;
mod poll_sender;
mod receiver;
mod receiver_stream;
mod semaphore;
mod semaphore_permits;
mod sender;
mod shared;
mod weak_sender;

use fillgauge::IntoLimit;

#[doc(no_inline)]
pub use ::tokio::sync::mpsc::error;
#[doc(no_inline)]
pub use ::tokio::sync::{AcquireError, TryAcquireError};

pub use permits::{OwnedPermit, Permit, PermitIterator};
pub use poll_sender::{PollSendError, PollSender};
pub use receiver::Receiver;
pub use receiver_stream::ReceiverStream;
pub use semaphore::Semaphore;
pub(crate) use semaphore::semaphore_on;
pub use semaphore_permits::{OwnedSemaphorePermit, SemaphorePermit};
pub use sender::Sender;
pub(crate) use shared::channel_on;
pub use weak_sender::WeakSender;

use crate::track::track;

/// A [`tokio::sync::mpsc::channel`] whose used slots are tracked in the global registry.
///
/// A `&'static str` names a limit of category [`Queue`](crate::LimitCategory::Queue). For a label,
/// thresholds or a registry of your own see [`Track::tokio_channel`](crate::Track::tokio_channel).
///
/// ```
/// use fillgauge_std::channels::tokio::channel;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (sender, mut receiver) = channel("session_frames", 16);
///     sender.send("frame").await?;
///     let permit = sender.reserve().await?;
///     assert_eq!((receiver.len(), sender.gauge().depth()), (1, 2));
///     drop(permit);
///     assert_eq!(receiver.recv().await, Some("frame"));
///     assert_eq!(sender.gauge().depth(), 0);
///     Ok(())
/// }
/// ```
///
/// # Panics
///
/// If `buffer` is 0 or more than tokio's semaphore can hold, as tokio's does.
///
/// [`tokio::sync::mpsc::channel`]: ::tokio::sync::mpsc::channel
#[track_caller]
pub fn channel<T: Send + 'static>(
    limit: impl IntoLimit,
    buffer: usize,
) -> (Sender<T>, Receiver<T>) {
    track(limit).capacity(buffer).tokio_channel()
}
