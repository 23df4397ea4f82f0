//! One builder for everything that is tracked.

use std::sync::Arc;

use fillgauge::{GaugeConfig, Limit};

use crate::channels::std::{TrackedReceiver, TrackedSyncSender, channel_on};
use crate::registry::{HandingOver, QueueGauge, QueueRegistry};

/// Begins to track `limit`, in the global registry: say its capacity, then what it is the limit of.
///
/// ```
/// use fillgauge_std::{TrackedLimit, track};
///
/// let (sender, receiver) = track(TrackedLimit::V8SessionFrames)
///     .capacity(16)
///     .sync_channel();
/// sender.send("frame")?;
/// assert_eq!(receiver.gauge().depth(), 1);
/// # Ok::<(), std::sync::mpsc::SendError<&str>>(())
/// ```
pub fn track(limit: impl Into<&'static Limit>) -> Track {
    Track {
        limit: limit.into(),
        capacity: 0,
        background: false,
    }
}

/// What is to be tracked, from [`track`].
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing is tracked yet"]
pub struct Track {
    limit: &'static Limit,
    capacity: usize,
    background: bool,
}

impl Track {
    /// How much there may be. By default 0: a gauge without a bound, or a channel that is a
    /// rendezvous.
    pub fn capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// Leaves all events to the [background thread](crate#who-delivers): no send and no record runs
    /// a subscriber or a handler.
    ///
    /// For what the observers themselves use. A log that goes through a tracked channel would wait
    /// for itself: the channel warns while the log's lock is held, and the warning is to be logged.
    ///
    /// ```
    /// use std::io::{self, Write};
    /// use std::sync::Mutex;
    /// use std::thread;
    /// use std::time::Duration;
    /// use fillgauge_std::{TrackedLimit, TrackedSyncSender, flush_events, track};
    ///
    /// /// Sends each line of the log to a thread that writes it.
    /// struct LogWriter(TrackedSyncSender<Vec<u8>>);
    ///
    /// impl Write for LogWriter {
    ///     fn write(&mut self, line: &[u8]) -> io::Result<usize> {
    ///         self.0.send(line.to_vec()).map_err(io::Error::other)?;
    ///         Ok(line.len())
    ///     }
    ///
    ///     fn flush(&mut self) -> io::Result<()> {
    ///         Ok(())
    ///     }
    /// }
    ///
    /// let (lines, log) = track(TrackedLimit::SidecarStdoutFrames)
    ///     .capacity(10)
    ///     .background()
    ///     .sync_channel();
    /// let gauge = lines.gauge().clone();
    /// tracing_subscriber::fmt()
    ///     .with_writer(Mutex::new(LogWriter(lines)))
    ///     .init();
    /// let writer = thread::spawn(move || {
    ///     for line in log {
    ///         print!("{}", String::from_utf8_lossy(&line));
    /// #       thread::sleep(Duration::from_millis(1));
    ///     }
    /// });
    ///
    /// for number in 0..100 {
    ///     tracing::info!(number, "a line"); // the eighth that waits would wait for ever
    /// }
    /// flush_events(Duration::from_secs(10))?;
    /// assert!(gauge.warnings() > 0);
    /// # drop(writer);
    /// # Ok::<(), fillgauge_std::FlushTimeout>(())
    /// ```
    pub fn background(self) -> Self {
        Self {
            background: true,
            ..self
        }
    }

    /// Registers a gauge, for a limit that you record or observe. Dropping the gauge and all its
    /// clones ends the registration.
    #[must_use = "dropping the gauge ends the registration"]
    pub fn gauge(self) -> Arc<QueueGauge> {
        self.register(self.config(), HandingOver::Never)
    }

    /// A [`sync_channel`](std::sync::mpsc::sync_channel) of this capacity, see
    /// [`tracked_sync_channel`](crate::tracked_sync_channel).
    #[must_use]
    pub fn sync_channel<T>(self) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
        let config = match self.capacity {
            0 => GaugeConfig::rendezvous(self.limit),
            capacity => GaugeConfig::for_queue(self.limit, capacity),
        };
        let gauge = self.register(config, HandingOver::Deferred);
        channel_on(self.capacity, gauge)
    }

    fn config(self) -> GaugeConfig {
        GaugeConfig::new(self.limit, self.capacity)
    }

    fn register(self, config: GaugeConfig, handing_over: HandingOver) -> Arc<QueueGauge> {
        let handing_over = handing_over.or_background(self.background);
        QueueRegistry::global().enlist(config, handing_over)
    }
}
