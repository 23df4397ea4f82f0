//! A receiver as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::Receiver;

/// A [`Receiver`] as a [`Stream`] of its items, after
/// [`tokio_stream::wrappers::ReceiverStream`].
///
/// ```
/// use fillgauge_std::channels::tokio::{ReceiverStream, channel};
/// use futures_lite::{StreamExt, future::block_on};
///
/// let (sender, receiver) = channel("jobs", 2);
/// sender.try_send("sweep")?;
/// sender.try_send("mop")?;
/// let mut jobs = ReceiverStream::from(receiver);
/// assert_eq!(block_on(jobs.next()), Some("sweep"));
/// assert_eq!(jobs.as_ref().gauge().depth(), 1);
/// drop(sender);
/// assert_eq!(block_on(jobs.collect::<Vec<_>>()), ["mop"]);
/// # Ok::<(), fillgauge_std::channels::tokio::error::TrySendError<&str>>(())
/// ```
///
/// [`tokio_stream::wrappers::ReceiverStream`]:
///     https://docs.rs/tokio-stream/0.1/tokio_stream/wrappers/struct.ReceiverStream.html
pub struct ReceiverStream<T> {
    inner: Receiver<T>,
}

impl<T> ReceiverStream<T> {
    /// The items of `recv`.
    pub fn new(recv: Receiver<T>) -> Self {
        Self { inner: recv }
    }

    /// The receiver.
    pub fn into_inner(self) -> Receiver<T> {
        self.inner
    }

    /// Closes the channel to senders. The items in it, and those of permits, still come. See
    /// [`Receiver::close`].
    pub fn close(&mut self) {
        self.inner.close();
    }
}

impl<T> Stream for ReceiverStream<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        self.get_mut().inner.poll_recv(cx)
    }

    /// At least the items in the channel. If it is closed, no more than its used slots.
    fn size_hint(&self) -> (usize, Option<usize>) {
        let receiver = &self.inner;
        let used = || receiver.max_capacity().saturating_sub(receiver.capacity());
        (receiver.len(), receiver.is_closed().then(used))
    }
}

impl<T> From<Receiver<T>> for ReceiverStream<T> {
    fn from(recv: Receiver<T>) -> Self {
        Self::new(recv)
    }
}

impl<T> AsRef<Receiver<T>> for ReceiverStream<T> {
    fn as_ref(&self) -> &Receiver<T> {
        &self.inner
    }
}

impl<T> AsMut<Receiver<T>> for ReceiverStream<T> {
    fn as_mut(&mut self) -> &mut Receiver<T> {
        &mut self.inner
    }
}

impl<T> fmt::Debug for ReceiverStream<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverStream")
            .field("inner", &self.inner)
            .finish()
    }
}
