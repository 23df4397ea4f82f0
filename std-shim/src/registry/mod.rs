//! Registries that never refuse, the global one among them.
//!
//! A gauge is in a slot of its registry, which does not move. Its users share a reference to it.
//! Recording takes no lock.
//!
//! | file | |
//! |---|---|
//! | `gauge`, `budget`, `probe` | the references that users share |
//! | `source` | what gauges, budgets and probes have in common |
//! | `slots` | the slots of one of the three, and which of them are taken |
//! | `contents` | all of them, their numbers and sums: what the lock of a registry guards |
//! | `listing` | that lock, and the registries of the process |
//! | `reading` | what reports and watches read |
//! | `peaks` | the greatest depths between two reports, for each scraper |
//! | `findings` | what a watch has found: stuck queues, and pressure |
//! | `outlet` | how the events of a gauge leave it |
//! | `account` | what a gauge has beside its figures |
//! | `poll` | what a report asks for the depth of a gauge |
//! | `chain` | which gauges follow each other |
//! | `edges`, `sums` | what is left in a report: the last edges of a gauge, the sums of a limit |

mod account;
mod budget;
mod chain;
mod contents;
mod edges;
mod episode;
mod findings;
mod gauge;
mod listing;
mod outlet;
mod peaks;
mod poll;
mod probe;
mod reading;
mod slots;
mod source;
mod sums;

use std::fmt;
use std::ptr;
use std::sync::Arc;

use fillgauge::{GaugeConfig, IntoLimit, LimitCategory, QueueSnapshot};

pub(crate) use account::{HandingOver, Particulars};
pub use budget::{Budget, OwnedReservation};
pub use chain::{Chain, ChainStage, chain};
pub(crate) use edges::PastEdge;
pub(crate) use findings::{Findings, LimitKey};
pub use gauge::QueueGauge;
use listing::ListingRef;
pub use outlet::Outlet;
pub(crate) use outlet::say_suppressed;
pub(crate) use poll::Poll;
pub use probe::QueueProbe;
pub(crate) use reading::{Reading, Readings, Windows};
pub(crate) use sums::{LimitSums, Sums, add_backpressure, add_totals};

use crate::delivery::background;
use crate::delivery::log::Log;
use crate::event::{LimitEvent, LimitWarning, RegistryName};
use crate::names::keep;
use crate::sync::{Lazy, force};

/// A registry of live gauges. It grows as needed and refuses none. A service uses the
/// [global](Self::global) one. A library or a test may have one of its own, with a name, sinks and
/// handlers of its own.
///
/// ```
/// use fillgauge_std::QueueRegistry;
///
/// let registry = QueueRegistry::new("sockets");
/// let sockets = registry.register("sockets", 64);
/// assert_eq!(registry.snapshot().len(), 1);
/// drop(sockets);
/// assert!(registry.snapshot().is_empty());
/// ```
///
/// Tests that run in parallel do not see each other's gauges and events:
///
/// ```
/// # use std::thread;
/// use std::sync::{Arc, Mutex};
/// use fillgauge_std::{QueueRegistry, track};
///
/// // #[test]
/// fn a_full_queue_warns_once() {
///     let warnings = Arc::new(Mutex::new(Vec::new()));
///     let list = Arc::clone(&warnings);
///     let registry = QueueRegistry::new("full")
///         .silent()
///         .warning_handler(move |warning| list.lock().unwrap().push(warning.observed));
///     let jobs = track("jobs").capacity(4).registry(&registry).gauge();
///     (1..=4).for_each(|depth| jobs.observe_depth(depth));
///     assert_eq!(*warnings.lock().unwrap(), [4]);
/// }
///
/// // #[test]
/// fn a_queue_that_is_taken_from_does_not_warn() {
///     let registry = QueueRegistry::new("taken from").silent();
///     let (sender, receiver) = track("jobs").capacity(4).registry(&registry).sync_channel();
///     for job in 0..10 {
///         sender.send(job).unwrap();
///         assert_eq!(receiver.recv(), Ok(job));
///     }
///     assert_eq!(registry.snapshot()[0].warnings, 0);
/// }
/// # thread::scope(|scope| {
/// #     scope.spawn(a_full_queue_warns_once);
/// #     scope.spawn(a_queue_that_is_taken_from_does_not_warn);
/// # });
/// ```
///
/// A clone is the same registry.
#[derive(Clone)]
pub struct QueueRegistry {
    listing: ListingRef,
    background: bool,
}

impl QueueRegistry {
    /// A registry of your own. Its events tell its `name`. When it is dropped, its gauges go on.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            listing: ListingRef::new(RegistryName::Shared(name.into())),
            background: false,
        }
    }

    /// The registry of the process.
    pub fn global() -> &'static QueueRegistry {
        static GLOBAL: Lazy<QueueRegistry> = Lazy::new(|| QueueRegistry {
            listing: ListingRef::global(),
            background: false,
        });
        force(&GLOBAL)
    }

    /// The name: `global`, or that of [`new`](Self::new).
    pub fn name(&self) -> &str {
        self.listing.name().as_str()
    }

    /// Adds a sink, which receives every event of the gauges of this registry: after the sinks of
    /// the gauge itself, and before the log. A panic in it is caught and logged.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use fillgauge_std::QueueRegistry;
    ///
    /// static EVENTS: AtomicUsize = AtomicUsize::new(0);
    ///
    /// let registry = QueueRegistry::new("sockets").sink(|event| {
    ///     assert_eq!(event.registry(), "sockets");
    ///     EVENTS.fetch_add(1, Ordering::Relaxed);
    /// });
    /// registry.register("sockets", 64).observe_depth(60);
    /// assert_eq!(EVENTS.load(Ordering::Relaxed), 1);
    /// ```
    #[must_use]
    pub fn sink(self, sink: impl Fn(&LimitEvent) + Send + Sync + 'static) -> Self {
        self.listing
            .change_own(|own| own.sinks.push(Arc::new(sink)));
        self
    }

    /// Adds a handler, which receives every warning of the gauges of this registry: after the log,
    /// and before the handlers of the process.
    #[must_use]
    pub fn warning_handler(self, handler: impl Fn(&LimitWarning) + Send + Sync + 'static) -> Self {
        let handler = Arc::new(handler);
        self.listing
            .change_own(|own| own.warning_handlers.push(handler));
        self
    }

    /// The same registry, whose events reach its own sinks and handlers and those of its gauges,
    /// but neither the log nor the handlers of the process. A panic of a sink is still logged.
    #[must_use]
    pub fn silent(self) -> Self {
        self.listing.change_own(|own| own.is_silent = true);
        self
    }

    /// The same registry, whose gauges leave all their events to the background thread: no
    /// operation on one of them runs a subscriber or a handler.
    ///
    /// For what the observers themselves use: an allocator, or the queue that carries the log.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fillgauge_std::{QueueRegistry, flush_events};
    ///
    /// let registry = QueueRegistry::new("memory").background();
    /// let heap = registry.register("heap_bytes", 64 << 20);
    /// heap.observe_with(|| 60 << 20); // logged by the background thread
    /// flush_events(Duration::from_secs(1))?;
    /// # Ok::<(), fillgauge_std::FlushTimeout>(())
    /// ```
    #[must_use]
    pub fn background(self) -> Self {
        Self {
            background: true,
            ..self
        }
    }

    /// Registers a gauge of `limit` with `capacity`; 0 is unbounded. A `&'static str` names a limit
    /// of category [`Queue`](LimitCategory::Queue). For more settings see
    /// [`track`](crate::track()) and [`Track::registry`](crate::Track::registry).
    ///
    /// It takes a lock for a short time, and memory while the lock is free.
    #[must_use = "dropping the gauge ends the registration"]
    pub fn register(&self, limit: impl IntoLimit, capacity: usize) -> Arc<QueueGauge> {
        let limit = keep(limit, LimitCategory::Queue);
        self.register_with(GaugeConfig::new(limit, capacity))
    }

    /// [`register`](Self::register) with settings of its own. A sink that they have is the first to
    /// receive the events.
    ///
    /// ```
    /// use fillgauge_std::{GaugeConfig, Limit, QueueRegistry, Thresholds};
    ///
    /// static INODES: Limit = Limit::resource("inodes");
    ///
    /// let early = Thresholds::new(60, 20)?;
    /// let config = GaugeConfig::new(&INODES, 1_000).thresholds(early);
    /// let inodes = QueueRegistry::global().register_with(config);
    /// inodes.observe_depth(600);
    /// assert!(inodes.has_warned());
    /// # Ok::<(), fillgauge_std::ThresholdsError>(())
    /// ```
    #[inline]
    #[must_use = "dropping the gauge ends the registration"]
    pub fn register_with<S>(&self, config: GaugeConfig<S>) -> Arc<QueueGauge> {
        let name = config.limit();
        let (config, sink) = config.into_parts();
        let mut particulars = Particulars::default();
        if let Some(sink) = sink {
            particulars.add_core_sink(sink);
        }
        self.enlist(name, config, HandingOver::Never, particulars)
    }

    #[inline]
    pub(crate) fn enlist<N>(
        &self,
        name: N,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<QueueGauge<N>> {
        let handing_over = handing_over.or_background(self.background);
        QueueGauge::enlist(&self.listing, name, config, handing_over, particulars)
    }

    #[inline]
    pub(crate) fn enlist_budget(
        &self,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<Budget> {
        let handing_over = handing_over.or_background(self.background);
        Budget::enlist(&self.listing, config, handing_over, particulars)
    }

    /// For a queue that knows its own length. `particulars` have a way to read it for reports.
    #[allow(dead_code)] // Without an adapter none is made.
    pub(crate) fn enlist_probe(
        &self,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<QueueProbe> {
        let handing_over = handing_over.or_background(self.background);
        QueueProbe::enlist(&self.listing, config, handing_over, particulars)
    }

    /// The figures of every live gauge, budget and [probe](QueueProbe), in order of registration.
    ///
    /// A few gauges at a time are read under the lock that registering and dropping take. Recording
    /// does not take it, unless it leaves an event to the background thread. Nothing is written
    /// that recording reads. A probe shows the depth of its last check.
    #[must_use]
    pub fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.listing.snapshot()
    }
}

/// Whether both are the same registry.
impl PartialEq for QueueRegistry {
    fn eq(&self, other: &Self) -> bool {
        ptr::eq(&*self.listing, &*other.listing)
    }
}

impl Eq for QueueRegistry {}

/// A registry of the name `default`.
impl Default for QueueRegistry {
    fn default() -> Self {
        Self::new("default")
    }
}

impl fmt::Debug for QueueRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // All is read before anything is written: what writes is foreign code.
        let live = self.listing.live();
        let observer = background::running();
        let mut debug = f.debug_struct("QueueRegistry");
        debug.field("live", &live);
        if let Some(observer) = observer {
            debug.field("delivering", &format_args!("{observer}"));
        }
        debug.finish()
    }
}

/// Registers a bounded queue with the global registry. Dropping the gauge and all its clones ends
/// the registration. A `&'static str` names a limit of category [`Queue`](LimitCategory::Queue).
///
/// The gauge ignores a dequeue at depth 0. If a consumer on another thread can record its dequeue
/// before the producer has recorded the enqueue, such a gauge is wrong for good: it ignores the
/// dequeue, and counts the enqueue. Then use one of these:
///
/// | the queue | use |
/// |---|---|
/// | a channel of std | [`tracked_sync_channel`](crate::tracked_sync_channel), which records itself |
/// | recorded on several threads | [`track(..).for_queue()`](crate::Track::for_queue) |
/// | knows its own length | [`observe_with`](QueueGauge::observe_with), after each change |
///
/// ```
/// use std::collections::VecDeque;
/// use fillgauge_std::register_queue;
///
/// let gauge = register_queue("jobs", 256);
/// let mut jobs = VecDeque::new();
/// jobs.push_back("sweep");
/// gauge.observe_with(|| jobs.len());
/// assert_eq!(gauge.depth(), 1);
/// ```
#[must_use = "dropping the gauge ends the registration"]
pub fn register_queue(limit: impl IntoLimit, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(limit, capacity)
}

/// Registers a bounded resource, a memory envelope or a budget of time with the global registry. It
/// is the same as [`register_queue`], but for the category of a limit that is named by a
/// `&'static str`: [`Resource`](LimitCategory::Resource). Observe its use with
/// [`QueueGauge::observe_with`].
///
/// ```
/// use fillgauge_std::{Limit, register_limit};
///
/// let heap = register_limit(&Limit::memory("heap_bytes"), 64 << 20);
/// heap.observe_with(|| 60 << 20);
/// assert!(heap.has_warned());
/// ```
#[must_use = "dropping the gauge ends the registration"]
pub fn register_limit(limit: impl IntoLimit, capacity: usize) -> Arc<QueueGauge> {
    let limit = keep(limit, LimitCategory::Resource);
    QueueRegistry::global().register_with(GaugeConfig::new(limit, capacity))
}

/// The figures of every live gauge of the global registry, in order of registration. For labels and
/// more see [`QueueRegistry::report`].
///
/// ```
/// use fillgauge_std::{queue_snapshot, register_limit};
///
/// let _files = register_limit("open_files", 256);
/// assert!(queue_snapshot().iter().any(|gauge| gauge.name.as_str() == "open_files"));
/// ```
#[must_use]
pub fn queue_snapshot() -> Vec<QueueSnapshot> {
    QueueRegistry::global().snapshot()
}

/// Emits a `debug` event with the figures of every live gauge of the global registry.
///
/// ```
/// fillgauge_std::log_queue_snapshot();
/// ```
pub fn log_queue_snapshot() {
    let listing = &QueueRegistry::global().listing;
    let (gauges, _) = listing.read(|gauge| (gauge.snapshot(), gauge.outlet().label()));
    for (snapshot, label) in gauges {
        Log::LOCAL.write_usage(&snapshot, label.as_deref());
    }
}
