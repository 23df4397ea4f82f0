//! A sender that is polled, and the sink that it is.

use std::error::Error;
use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::mpsc::error::{SendError, TrySendError};
use ::tokio::task::coop;
use futures_sink::Sink;

use super::{OwnedPermit, Sender};

/// A [`Sender`] that is polled, after [`tokio_util::sync::PollSender`]. It is a [`Sink`].
///
/// It reserves a slot, then sends in it. The slot is a used slot of the channel from when it is
/// reserved. A [`poll_reserve`](Self::poll_reserve) that is pending waits, as
/// [`Sender::reserve`] does. Dropping it gives back what it has, and ends its wait.
///
/// ```
/// use std::future::poll_fn;
///
/// use fillgauge_std::channels::tokio::{PollSender, channel};
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let (sender, mut receiver) = channel("jobs", 2);
///     let mut sender = PollSender::new(sender);
///     poll_fn(|context| sender.poll_reserve(context)).await?;
///     assert_eq!((receiver.gauge().depth(), receiver.len()), (1, 0));
///     sender.send_item("sweep")?;
///     assert_eq!((receiver.gauge().depth(), receiver.len()), (1, 1));
///     assert_eq!(receiver.recv().await, Some("sweep"));
///     Ok(())
/// }
/// ```
///
/// # What differs from tokio-util
///
/// - [`send_item`](Self::send_item) without a slot is an error that gives the item back. There it
///   panics.
/// - [`get_ref`](Self::get_ref) is `None` too once the channel was found closed.
/// - There is no allocation while the channel has room. A wait allocates its future.
///
/// [`tokio_util::sync::PollSender`]:
///     https://docs.rs/tokio-util/0.7/tokio_util/sync/struct.PollSender.html
pub struct PollSender<T> {
    // Dropped in this order: what is reserved is given back while there is a sender.
    slot: Slot<T>,
    /// `None` once it is closed.
    sender: Option<Sender<T>>,
}

/// ```text
///            room                  send_item, abort_send
///   None ───────────► Reserved ───────────────────────────► None
///     │                  ▲
///     └───► Waiting ─────┘        close, abort_send: Waiting ──► None
///    full            room
/// ```
enum Slot<T> {
    None,
    Waiting(Reserve<T>),
    Reserved(OwnedPermit<T>),
}

/// The future of [`Sender::reserve_owned`].
type Reserve<T> =
    Pin<Box<dyn Future<Output = Result<OwnedPermit<T>, SendError<()>>> + Send + Sync>>;

impl<T> PollSender<T> {
    /// One that sends by `sender`.
    pub fn new(sender: Sender<T>) -> Self {
        Self {
            slot: Slot::None,
            sender: Some(sender),
        }
    }

    /// Reserves a slot, or wakes the task when it can be had. It is ready at once if a slot is
    /// reserved already.
    ///
    /// # Errors
    ///
    /// If the channel is closed, or this sender is.
    pub fn poll_reserve(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), PollSendError<T>>>
    where
        T: Send + 'static,
    {
        // A panic of the waker drops what is taken out here.
        let mut reserve = match mem::replace(&mut self.slot, Slot::None) {
            Slot::Reserved(permit) => {
                self.slot = Slot::Reserved(permit);
                return Poll::Ready(Ok(()));
            }
            Slot::Waiting(reserve) => reserve,
            Slot::None => {
                let Some(sender) = &self.sender else {
                    return Poll::Ready(Err(PollSendError::closed(None)));
                };
                let turn = ready!(coop::poll_proceed(cx));
                match sender.reserve_now() {
                    Err(TrySendError::Full(())) => Box::pin(sender.clone().reserve_owned()),
                    Ok(permit) => {
                        turn.made_progress();
                        return self.reserved(Ok(permit));
                    }
                    Err(TrySendError::Closed(())) => {
                        turn.made_progress();
                        return self.reserved(Err(SendError(())));
                    }
                }
            }
        };
        match reserve.as_mut().poll(cx) {
            Poll::Ready(reserved) => self.reserved(reserved),
            Poll::Pending => {
                self.slot = Slot::Waiting(reserve);
                Poll::Pending
            }
        }
    }

    fn reserved(
        &mut self,
        reserved: Result<OwnedPermit<T>, SendError<()>>,
    ) -> Poll<Result<(), PollSendError<T>>> {
        Poll::Ready(match reserved {
            Ok(permit) => {
                self.slot = Slot::Reserved(permit);
                Ok(())
            }
            Err(SendError(())) => {
                self.sender = None;
                Err(PollSendError::closed(None))
            }
        })
    }

    /// Sends an item in the slot that is reserved. If the receiver is gone, the item is lost, and
    /// is no depth.
    ///
    /// # Errors
    ///
    /// Gives the item back if no slot is reserved. [`PollSendError::is_closed`] says whether that
    /// is since this sender is closed, or since [`poll_reserve`](Self::poll_reserve) was not ready
    /// before.
    pub fn send_item(&mut self, value: T) -> Result<(), PollSendError<T>> {
        match mem::replace(&mut self.slot, Slot::None) {
            Slot::Reserved(permit) => {
                drop(permit.send(value));
                Ok(())
            }
            slot => {
                self.slot = slot;
                Err(PollSendError {
                    item: Some(value),
                    is_closed: self.is_closed(),
                })
            }
        }
    }

    /// Gives back the slot that is reserved, or ends the wait for one. Returns whether there was
    /// either. What follows is left to the background thread.
    pub fn abort_send(&mut self) -> bool {
        !matches!(mem::replace(&mut self.slot, Slot::None), Slot::None)
    }

    /// Whether this sender is closed: by [`close`](Self::close), or since it found the channel
    /// closed. Other senders may still be open.
    pub fn is_closed(&self) -> bool {
        self.sender.is_none()
    }

    /// Closes this sender, and ends its wait. A slot that is reserved stays: one more
    /// [`send_item`](Self::send_item) uses it, or [`abort_send`](Self::abort_send) gives it back.
    pub fn close(&mut self) {
        if matches!(self.slot, Slot::Waiting(_)) {
            self.slot = Slot::None;
        }
        self.sender = None;
    }

    /// The sender, unless this one is closed. Its [gauge](Sender::gauge) is that of the channel.
    pub fn get_ref(&self) -> Option<&Sender<T>> {
        self.sender.as_ref()
    }
}

/// A clone has nothing reserved, and does not wait.
impl<T> Clone for PollSender<T> {
    fn clone(&self) -> Self {
        Self {
            slot: Slot::None,
            sender: self.sender.clone(),
        }
    }
}

/// `poll_ready` reserves a slot, and `start_send` sends in it. There is nothing to flush.
impl<T: Send + 'static> Sink<T> for PollSender<T> {
    type Error = PollSendError<T>;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().poll_reserve(cx)
    }

    fn start_send(self: Pin<&mut Self>, item: T) -> Result<(), Self::Error> {
        self.get_mut().send_item(item)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.get_mut().close();
        Poll::Ready(Ok(()))
    }
}

// A panic leaves no future: each is taken out before it is polled.
impl<T> UnwindSafe for PollSender<T> {}
impl<T> RefUnwindSafe for PollSender<T> {}

impl<T> fmt::Debug for PollSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slot = match self.slot {
            Slot::None => "none",
            Slot::Waiting(_) => "waiting",
            Slot::Reserved(_) => "reserved",
        };
        f.debug_struct("PollSender")
            .field("slot", &slot)
            .field("gauge", &self.sender.as_ref().map(Sender::gauge))
            .finish_non_exhaustive()
    }
}

/// Why a [`PollSender`] did not reserve, or did not send.
///
/// ```
/// use fillgauge_std::channels::tokio::{PollSender, channel};
///
/// let (sender, _receiver) = channel("jobs", 2);
/// let mut sender = PollSender::new(sender);
/// let error = sender.send_item("sweep").unwrap_err();
/// assert!(!error.is_closed());
/// assert_eq!(error.to_string(), "no slot is reserved: `poll_reserve` must be ready before");
/// assert_eq!(error.into_inner(), Some("sweep"));
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PollSendError<T> {
    item: Option<T>,
    is_closed: bool,
}

impl<T> PollSendError<T> {
    fn closed(item: Option<T>) -> Self {
        Self {
            item,
            is_closed: true,
        }
    }

    /// The item, if it is an error of [`PollSender::send_item`].
    pub fn into_inner(self) -> Option<T> {
        self.item
    }

    /// Whether the channel or the sender is closed. Otherwise no slot was reserved.
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }
}

impl<T> fmt::Display for PollSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_closed {
            "channel closed"
        } else {
            "no slot is reserved: `poll_reserve` must be ready before"
        })
    }
}

impl<T> fmt::Debug for PollSendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollSendError")
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}

impl<T> Error for PollSendError<T> {}
