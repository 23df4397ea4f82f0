//! One builder for everything that is tracked.

use std::fmt;
use std::sync::Arc;

use fillgauge::{GaugeConfig, IntoLimit, Limit, LimitCategory, LimitSink, Thresholds};

use crate::channels::account::ChannelAccount;
use crate::channels::std::{TrackedReceiver, TrackedSyncSender, channel_on};
use crate::event::LimitEvent;
use crate::names::keep;
use crate::registry::{
    Budget, HandingOver, Particulars, Poll, QueueGauge, QueueProbe, QueueRegistry,
};

/// Begins to track `limit`, in the global registry: say its capacity, then what it is the limit of.
///
/// A `&'static str` names a limit of category [`Queue`](LimitCategory::Queue).
///
/// ```
/// use fillgauge_std::track;
///
/// let (sender, receiver) = track("session_frames")
///     .capacity(16)
///     .label("session 7")
///     .sync_channel();
/// sender.send("frame")?;
/// assert_eq!(receiver.gauge().depth(), 1);
/// assert_eq!(receiver.gauge().label(), Some("session 7"));
/// # Ok::<(), std::sync::mpsc::SendError<&str>>(())
/// ```
pub fn track(limit: impl IntoLimit) -> Track<'static> {
    Track {
        limit: keep(limit, LimitCategory::Queue),
        capacity: 0,
        thresholds: Thresholds::DEFAULT,
        for_queue: false,
        has_totals: false,
        background: false,
        registry: QueueRegistry::global(),
        particulars: Particulars::default(),
    }
}

/// What is to be tracked, from [`track`].
#[derive(Clone)]
#[must_use = "nothing is tracked yet"]
pub struct Track<'registry> {
    limit: &'static Limit,
    pub(crate) capacity: usize,
    thresholds: Thresholds,
    for_queue: bool,
    pub(crate) has_totals: bool,
    background: bool,
    registry: &'registry QueueRegistry,
    particulars: Particulars,
}

impl<'registry> Track<'registry> {
    /// How much there may be. By default 0: a gauge without a bound, a budget that admits nothing,
    /// or a channel that is a rendezvous.
    pub fn capacity(self, capacity: usize) -> Self {
        Self { capacity, ..self }
    }

    /// When it warns, and when it is armed again. By default at 80 % and at 50 %.
    ///
    /// ```
    /// use fillgauge_std::{Thresholds, track};
    ///
    /// let inodes = track("inodes").capacity(1_000).thresholds(Thresholds::new(60, 20)?).gauge();
    /// inodes.observe_depth(600);
    /// assert!(inodes.has_warned());
    /// # Ok::<(), fillgauge_std::ThresholdsError>(())
    /// ```
    pub fn thresholds(self, thresholds: Thresholds) -> Self {
        Self { thresholds, ..self }
    }

    /// Which of the gauges of its limit it is: a session, a tenant, a virtual machine. Events, the
    /// log and the [report](QueueRegistry::report) show it. In the log and in the table it is cut at
    /// 64 characters, and control characters are escaped.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let number = 7;
    /// let frames = track("frames").capacity(16).label(format!("session {number}")).gauge();
    /// assert_eq!(frames.label(), Some("session 7"));
    /// ```
    pub fn label(mut self, label: impl Into<Arc<str>>) -> Self {
        self.particulars.label = Some(label.into());
        self
    }

    /// Tracks in a registry of your own instead of the global one.
    ///
    /// ```
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("sessions");
    /// let _frames = track("frames").capacity(16).registry(&registry).gauge();
    /// assert_eq!(registry.snapshot()[0].name.as_str(), "frames");
    /// ```
    pub fn registry<'other>(self, registry: &'other QueueRegistry) -> Track<'other> {
        Track {
            limit: self.limit,
            capacity: self.capacity,
            thresholds: self.thresholds,
            for_queue: self.for_queue,
            has_totals: self.has_totals,
            background: self.background,
            registry,
            particulars: self.particulars,
        }
    }

    /// Adds a sink, which receives every event of this gauge, before all other observers. It runs
    /// where a handler would, see
    /// [`set_limit_warning_handler`](crate::set_limit_warning_handler). A panic in it is caught and
    /// logged.
    pub fn sink(mut self, sink: impl Fn(&LimitEvent) + Send + Sync + 'static) -> Self {
        self.particulars.add_sink(sink);
        self
    }

    /// Adds a sink that is written against the core, as [`sink`](Self::sink).
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    /// use fillgauge_std::{LimitEventKind, LimitSink, track};
    ///
    /// /// Lit while its gauge is near the capacity.
    /// struct Lamp(AtomicBool);
    ///
    /// impl LimitSink for Lamp {
    ///     fn on_event(&self, event: &fillgauge_std::fillgauge::LimitEvent) {
    ///         match event.kind() {
    ///             LimitEventKind::NearCapacity => self.0.store(true, Ordering::Relaxed),
    ///             LimitEventKind::Recovered => self.0.store(false, Ordering::Relaxed),
    ///             _ => {}
    ///         }
    ///     }
    /// }
    ///
    /// static LAMP: Lamp = Lamp(AtomicBool::new(false));
    ///
    /// let jobs = track("jobs").capacity(10).core_sink(&LAMP).gauge();
    /// jobs.observe_depth(8);
    /// assert!(LAMP.0.load(Ordering::Relaxed));
    /// ```
    pub fn core_sink(mut self, sink: &'static (impl LimitSink + ?Sized)) -> Self {
        self.particulars.add_core_sink(sink);
        self
    }

    /// The gauge is that of a queue, see [`GaugeConfig::for_queue`]: the two records of an item may
    /// come in either order. A channel is a queue in any case.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let frames = track("frames").capacity(16).for_queue().gauge();
    /// frames.record_dequeue(); // by a consumer that was quick
    /// frames.record_enqueue();
    /// assert_eq!(frames.depth(), 0);
    /// ```
    pub fn for_queue(self) -> Self {
        Self {
            for_queue: true,
            ..self
        }
    }

    /// Counts the items that are sent and received, at the cost of an addition each: for a channel
    /// whose crate knows its length, and not how much went through it. Reports then have
    /// [totals](crate::GaugeReport::totals), and a [watch](crate::watch()) sees whether the channel
    /// is stuck. What `select!` of crossbeam completes counts when `selected` is called.
    ///
    /// It makes no difference to what counts anyway, nor to a budget or a semaphore.
    ///
    /// ```
    /// # #[cfg(feature = "tokio")] {
    /// use fillgauge_std::track;
    ///
    /// let (sender, mut receiver) = track("jobs").capacity(16).totals().tokio_channel();
    /// sender.try_send("sweep").unwrap();
    /// sender.try_send("mop").unwrap();
    /// receiver.try_recv().unwrap();
    /// let totals = sender.gauge().snapshot().totals.unwrap();
    /// assert_eq!((totals.enqueued, totals.dequeued), (2, 1));
    /// # }
    /// ```
    pub fn totals(self) -> Self {
        Self {
            has_totals: true,
            ..self
        }
    }

    /// Leaves all events to the [background thread](crate#who-delivers): no send and no record runs
    /// a subscriber, a handler or a sink.
    ///
    /// For what the observers themselves use. A log that goes through a tracked channel would wait
    /// for itself: the channel warns while the log's lock is held, and the warning is to be logged.
    /// The README has such a log.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fillgauge_std::{flush_events, track};
    ///
    /// let (lines, log) = track("log_lines").capacity(10).background().sync_channel();
    /// for number in 0..8 {
    ///     lines.send(format!("line {number}"))?; // the eighth warns, on the background thread
    /// }
    /// flush_events(Duration::from_secs(10))?;
    /// assert_eq!(log.gauge().warnings(), 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
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
        let name = self.limit;
        self.gauge_named(name)
    }

    /// Registers a gauge whose depth `read` returns: for what cannot be wrapped or recorded.
    /// Dropping the gauge and all its clones ends the registration.
    ///
    /// Only a [report](QueueRegistry::report) and a [watch](crate::watch()) read the depth, so the
    /// gauge warns then, and on the [background thread](crate#who-delivers). They wait for `read`,
    /// and hold no lock meanwhile. While one of them waits, another shows what was read before.
    ///
    /// `read` may return an [`Option`]: after `None` the gauge reads 0, is
    /// [marked as gone](crate::GaugeReport::gone), and `read` is not called again. The same happens
    /// after a panic, which is caught and logged.
    ///
    /// ```
    /// use std::sync::{Arc, Mutex};
    /// use fillgauge_std::{QueueRegistry, track};
    ///
    /// let registry = QueueRegistry::new("workers");
    /// let jobs = Arc::new(Mutex::new(vec!["sweep", "mop"]));
    /// let weak = Arc::downgrade(&jobs);
    /// let _gauge = track("jobs")
    ///     .capacity(10)
    ///     .registry(&registry)
    ///     .polled(move || Some(weak.upgrade()?.lock().ok()?.len()));
    /// assert_eq!(registry.report().gauges[0].depth, 2);
    /// drop(jobs);
    /// assert!(registry.report().gauges[0].gone);
    /// ```
    #[must_use = "dropping the gauge ends the registration"]
    pub fn polled<D: Into<Option<usize>>>(
        mut self,
        read: impl Fn() -> D + Send + Sync + 'static,
    ) -> Arc<QueueGauge> {
        self.particulars.poll = Some(Poll::new(read));
        self.background().gauge()
    }

    /// Registers a limit that is enforced: a request is admitted or refused. Dropping the budget,
    /// its clones and what is reserved of it ends the registration.
    ///
    /// Capacity 0 admits nothing. A budget is never [that of a queue](Self::for_queue).
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let permits = track("uploads").capacity(4).budget();
    /// let upload = permits.try_reserve_owned(1)?; // into the task that uploads
    /// assert_eq!((upload.amount(), permits.remaining()), (1, 3));
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    #[must_use = "dropping the budget ends the registration"]
    pub fn budget(self) -> Arc<Budget> {
        let config = GaugeConfig::new(self.limit, self.capacity).thresholds(self.thresholds);
        let handing_over = HandingOver::DeferredOnceWarned.or_background(self.background);
        self.registry
            .enlist_budget(config, handing_over, self.particulars)
    }

    /// A [`sync_channel`](std::sync::mpsc::sync_channel) of this capacity, see
    /// [`tracked_sync_channel`](crate::tracked_sync_channel).
    #[must_use]
    pub fn sync_channel<T>(self) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
        let name = self.limit;
        self.sync_channel_named(name)
    }

    /// Registers the probe of what has `account`, and which `poll` reads.
    #[allow(dead_code)] // Without an adapter none is made.
    pub(crate) fn probe(
        mut self,
        account: impl Into<Option<Arc<ChannelAccount>>>,
        poll: Arc<Poll>,
    ) -> Arc<QueueProbe> {
        self.particulars.channel = account.into();
        self.particulars.poll = Some(poll);
        let config = GaugeConfig::new(self.limit, self.capacity).thresholds(self.thresholds);
        let handing_over = HandingOver::Deferred.or_background(self.background);
        self.registry
            .enlist_probe(config, handing_over, self.particulars)
    }

    /// As [`gauge`](Self::gauge), with a name of another type.
    pub(crate) fn gauge_named<N>(self, name: N) -> Arc<QueueGauge<N>> {
        let config = if self.for_queue {
            GaugeConfig::for_queue(self.limit, self.capacity)
        } else {
            GaugeConfig::new(self.limit, self.capacity)
        };
        self.register(name, config, HandingOver::Never)
    }

    /// As [`sync_channel`](Self::sync_channel), with a name of another type.
    pub(crate) fn sync_channel_named<T, N>(
        mut self,
        name: N,
    ) -> (TrackedSyncSender<T, N>, TrackedReceiver<T, N>) {
        let account = ChannelAccount::new(false);
        self.particulars.channel = Some(Arc::clone(&account));
        let capacity = self.capacity;
        let config = match capacity {
            0 => GaugeConfig::rendezvous(self.limit),
            _ => GaugeConfig::for_queue(self.limit, capacity),
        };
        let gauge = self.register(name, config, HandingOver::Deferred);
        channel_on(capacity, gauge, account)
    }

    fn register<N>(
        self,
        name: N,
        config: GaugeConfig,
        handing_over: HandingOver,
    ) -> Arc<QueueGauge<N>> {
        let handing_over = handing_over.or_background(self.background);
        let config = config.thresholds(self.thresholds);
        self.registry
            .enlist(name, config, handing_over, self.particulars)
    }
}

impl fmt::Debug for Track<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Track")
            .field("limit", &self.limit.as_str())
            .field("label", &self.particulars.label)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}
