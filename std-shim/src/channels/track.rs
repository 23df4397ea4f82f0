//! What [`Track`] makes of the channels of other crates.

#[cfg(any(feature = "async-channel", feature = "crossbeam", feature = "tokio"))]
use std::sync::Arc;

#[cfg(any(feature = "async-channel", feature = "crossbeam", feature = "tokio"))]
use super::account::ChannelAccount;
#[cfg(feature = "async-channel")]
use super::async_channel;
#[cfg(feature = "crossbeam")]
use super::crossbeam;
#[cfg(feature = "flume")]
use super::flume;
#[cfg(feature = "tokio")]
use super::tokio;
#[cfg(feature = "flume")]
use crate::registry::Poll;
use crate::track::Track;

impl Track<'_> {
    /// A [`tokio::sync::mpsc::channel`](crate::channels::tokio::channel) of this capacity, tracked
    /// by its used slots. See [`channels::tokio`](crate::channels::tokio).
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("sessions");
    /// let (sender, mut receiver) = track("frames")
    ///     .capacity(16)
    ///     .label("session 7")
    ///     .registry(&registry)
    ///     .tokio_channel();
    /// sender.try_send("frame")?;
    /// assert_eq!(registry.report().gauges[0].depth, 1);
    /// assert_eq!(receiver.try_recv(), Ok("frame"));
    /// # Ok::<(), fillgauge_std::channels::tokio::error::TrySendError<&str>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the capacity is 0 or more than tokio's semaphore can hold, as tokio's function does.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    #[track_caller]
    pub fn tokio_channel<T: Send + 'static>(self) -> (tokio::Sender<T>, tokio::Receiver<T>) {
        let account = ChannelAccount::new(self.has_totals);
        tokio::channel_on(self.capacity, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A [`tokio::sync::Semaphore`](crate::channels::tokio::Semaphore) with as many permits as the
    /// capacity, tracked by what is out.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let uploads = track("uploads").capacity(4).label("public").semaphore();
    /// let permit = uploads.try_acquire()?;
    /// assert_eq!((uploads.gauge().depth(), uploads.gauge().label()), (1, Some("public")));
    /// # drop(permit);
    /// # Ok::<(), fillgauge_std::channels::tokio::TryAcquireError>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the capacity is more than
    /// [`MAX_PERMITS`](crate::channels::tokio::Semaphore::MAX_PERMITS), as tokio's function does.
    #[cfg(feature = "tokio")]
    #[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
    #[must_use]
    #[track_caller]
    pub fn semaphore(self) -> tokio::Semaphore {
        let account = ChannelAccount::of_permits();
        tokio::semaphore_on(self.capacity, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A channel of this capacity, see [`channels::crossbeam`](crate::channels::crossbeam).
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let (sender, receiver) =
    ///     track("frames").capacity(16).label("session 7").crossbeam_channel();
    /// sender.send("frame")?;
    /// assert_eq!((receiver.gauge().depth(), receiver.gauge().label()), (1, Some("session 7")));
    /// # Ok::<(), crossbeam_channel::SendError<&str>>(())
    /// ```
    #[cfg(feature = "crossbeam")]
    #[cfg_attr(docsrs, doc(cfg(feature = "crossbeam")))]
    #[must_use]
    pub fn crossbeam_channel<T: Send + 'static>(
        self,
    ) -> (crossbeam::Sender<T>, crossbeam::Receiver<T>) {
        let channel = crossbeam_channel::bounded(self.capacity);
        let account = ChannelAccount::new(self.has_totals);
        crossbeam::tracked(channel, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A channel without a bound, see [`channels::crossbeam`](crate::channels::crossbeam). The
    /// capacity is only what the gauge goes by: it warns at 80 % of it, and nothing holds the
    /// producers back. By default it never warns.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let (sender, _receiver) = track("lines").capacity(10).crossbeam_unbounded();
    /// (0..100).try_for_each(|line| sender.send(line))?;
    /// assert!(sender.gauge().has_warned());
    /// # Ok::<(), crossbeam_channel::SendError<i32>>(())
    /// ```
    #[cfg(feature = "crossbeam")]
    #[cfg_attr(docsrs, doc(cfg(feature = "crossbeam")))]
    #[must_use]
    pub fn crossbeam_unbounded<T: Send + 'static>(
        self,
    ) -> (crossbeam::Sender<T>, crossbeam::Receiver<T>) {
        let channel = crossbeam_channel::unbounded();
        let account = ChannelAccount::new(self.has_totals);
        crossbeam::tracked(channel, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A channel of this capacity, see [`channels::async_channel`](crate::channels::async_channel).
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let (sender, receiver) = track("frames").capacity(16).label("session 7").async_channel();
    /// sender.try_send("frame")?;
    /// assert_eq!((receiver.gauge().depth(), receiver.gauge().label()), (1, Some("session 7")));
    /// # Ok::<(), async_channel::TrySendError<&str>>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If the capacity is 0, as [`async_channel::bounded`](::async_channel::bounded) does.
    #[cfg(feature = "async-channel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "async-channel")))]
    #[must_use]
    pub fn async_channel<T: Send + 'static>(
        self,
    ) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        let channel = ::async_channel::bounded(self.capacity);
        let account = ChannelAccount::new(self.has_totals);
        async_channel::tracked(channel, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A channel without a bound, see [`channels::async_channel`](crate::channels::async_channel).
    /// The capacity is only what the gauge goes by: it warns at 80 % of it, and nothing holds the
    /// producers back. By default it never warns.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let (sender, _receiver) = track("lines").capacity(10).async_unbounded();
    /// (0..100).try_for_each(|line| sender.try_send(line))?;
    /// assert!(sender.gauge().has_warned());
    /// # Ok::<(), async_channel::TrySendError<i32>>(())
    /// ```
    #[cfg(feature = "async-channel")]
    #[cfg_attr(docsrs, doc(cfg(feature = "async-channel")))]
    #[must_use]
    pub fn async_unbounded<T: Send + 'static>(
        self,
    ) -> (async_channel::Sender<T>, async_channel::Receiver<T>) {
        let channel = ::async_channel::unbounded();
        let account = ChannelAccount::new(self.has_totals);
        async_channel::tracked(channel, Arc::clone(&account), |poll| {
            self.probe(account, poll)
        })
    }

    /// A probe of the channel of `sender`, see [`channels::flume`](crate::channels::flume). If no
    /// capacity is given, it has that of the channel.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let (sender, _receiver) = flume::bounded::<u8>(16);
    /// let frames = track("frames").label("session 7").flume(&sender);
    /// assert_eq!((frames.gauge().capacity(), frames.gauge().label()), (16, Some("session 7")));
    /// ```
    #[cfg(feature = "flume")]
    #[cfg_attr(docsrs, doc(cfg(feature = "flume")))]
    #[must_use = "dropping the probe ends the registration"]
    pub fn flume<T: Send + 'static>(self, sender: &::flume::Sender<T>) -> flume::FlumeProbe {
        let capacity = match self.capacity {
            0 => sender.capacity().unwrap_or(0),
            capacity => capacity,
        };
        let poll = Poll::new(flume::reader(sender));
        flume::FlumeProbe::new(self.capacity(capacity).probe(None, poll))
    }
}
