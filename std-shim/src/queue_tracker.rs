//! The API of `queue_tracker` in the crate `agentos-bridge` 0.4.7, type for type: a program that
//! uses it compiles when its `use` line names this module.
//!
//! ```
//! use fillgauge_std::queue_tracker::{QueueGauge, TrackedLimit, register_limit};
//! use std::sync::Arc;
//!
//! let pipes: Arc<QueueGauge> = register_limit(TrackedLimit::VmPipes, 10);
//! pipes.observe_depth(7);
//! match pipes.name() {
//!     TrackedLimit::VmPipes => {}
//!     other => panic!("{other:?}"),
//! }
//! ```
//!
//! # What is the same
//!
//! Names, categories, thresholds; messages, levels and fields of the `tracing` events, which have a
//! few more fields, such as `instance`; and, in one thread, depth, high-water mark, fill and
//! warnings after every sequence of operations. All of it is tested against the original.
//!
//! # What is better
//!
//! - Under concurrency its gauge could stay warned on an empty queue, drift, and count what a failed
//!   `send` or a dropped receiver left. This one keeps the promises of the core, see its docs.
//! - Producers that wait are no depth: a full channel of 4 with four producers waiting reads 4 and
//!   not 8. They are counted apart, in [`backpressure`](crate::TrackedSyncSender::backpressure).
//! - Registering takes the same time with any number of live gauges, and recording less.
//! - A handler may panic. The receiver has `iter`, `try_iter` and `into_iter`.
//!
//! # What to know
//!
//! - It shares the global registry, the channels and the delivery of this crate: what is registered
//!   here is in [`crate::queue_snapshot`] and [`crate::QueueRegistry::report`] too.
//! - The names are [`TrackedLimit`], the 32 limits of that release. What this cannot name is left
//!   out here: other limits are in no [`queue_snapshot`], and reach no handler that was set here.
//! - The handler of [`set_limit_warning_handler`] has a place of its own. It runs after that of
//!   [`crate::set_limit_warning_handler`].
//! - An event that a receive or a drop causes reaches the log and the handlers on the background
//!   thread. Those of a `record_dequeue` of yours come on its own thread, unless you record through
//!   [`deferred`](crate::QueueGauge::deferred).
//! - A gauge logs ten lines at once, then one a second, see [`crate::LogLimit`].
//! - The target of all `tracing` events is `fillgauge_std`, and there is one more event, at level
//!   `info`: "bounded limit reached capacity".
//! - [`register_queue`] takes limits of every category; the original has a debug assertion.
//! - A new program uses the functions of the crate instead, with names of its own.

use std::sync::Arc;

use crate::delivery::handlers;
use crate::track::track;

#[doc(no_inline)]
pub use crate::{LimitCategory, REARM_FILL_PERCENT, TrackedLimit, WARN_FILL_PERCENT};

/// The gauge of one limit.
pub type QueueGauge = crate::QueueGauge<TrackedLimit>;

/// The sending half of a [`tracked_sync_channel`].
pub type TrackedSyncSender<T> = crate::TrackedSyncSender<T, TrackedLimit>;

/// The receiving half of a [`tracked_sync_channel`].
pub type TrackedReceiver<T> = crate::TrackedReceiver<T, TrackedLimit>;

/// A limit is near its capacity or exhausted.
#[derive(Clone, Debug)]
pub struct LimitWarning {
    /// The limit.
    pub name: TrackedLimit,
    /// The category of the limit.
    pub category: LimitCategory,
    /// The depth that warned.
    pub observed: usize,
    /// The bound, in the unit of `observed`.
    pub capacity: usize,
    /// `floor(100 * observed / capacity)`.
    pub fill_percent: usize,
}

/// The figures of one gauge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueSnapshot {
    /// The limit.
    pub name: TrackedLimit,
    /// The category of the limit.
    pub category: LimitCategory,
    /// Items (or bytes, or whatever the limit counts) in the queue.
    pub depth: usize,
    /// The greatest depth so far.
    pub high_water: usize,
    /// The bound, in the unit of `depth`; 0 is unbounded, or a rendezvous.
    pub capacity: usize,
    /// `floor(100 * depth / capacity)`; 0 for capacity 0.
    pub fill_percent: usize,
}

/// A registry of live gauges.
#[derive(Debug, Default)]
pub struct QueueRegistry(Registry);

#[derive(Debug)]
enum Registry {
    Global,
    Own(crate::QueueRegistry),
}

impl Default for Registry {
    fn default() -> Self {
        Self::Own(crate::QueueRegistry::default())
    }
}

impl QueueRegistry {
    /// The registry of the process.
    pub fn global() -> &'static QueueRegistry {
        static GLOBAL: QueueRegistry = QueueRegistry(Registry::Global);
        &GLOBAL
    }

    fn registry(&self) -> &crate::QueueRegistry {
        match &self.0 {
            Registry::Global => crate::QueueRegistry::global(),
            Registry::Own(registry) => registry,
        }
    }

    /// Registers a gauge of `name` with `capacity`; 0 is unbounded.
    pub fn register(&self, name: TrackedLimit, capacity: usize) -> Arc<QueueGauge> {
        track(name)
            .capacity(capacity)
            .registry(self.registry())
            .gauge_named(name)
    }

    /// The figures of every live gauge that [`TrackedLimit`] can name, in order of registration.
    pub fn snapshot(&self) -> Vec<QueueSnapshot> {
        let all = self.registry().snapshot();
        let mut snapshot = Vec::with_capacity(all.len());
        snapshot.extend(all.into_iter().filter_map(|gauge| {
            Some(QueueSnapshot {
                name: TrackedLimit::from_limit(gauge.name)?,
                category: gauge.category,
                depth: gauge.depth,
                high_water: gauge.high_water,
                capacity: gauge.capacity,
                fill_percent: gauge.fill_percent,
            })
        }));
        snapshot
    }
}

/// Registers a bounded queue with the global registry. Dropping the gauge and all its clones ends
/// the registration.
pub fn register_queue(name: TrackedLimit, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(name, capacity)
}

/// Registers a bounded resource, a memory envelope or a budget of time with the global registry.
pub fn register_limit(name: TrackedLimit, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(name, capacity)
}

/// A [`sync_channel`](std::sync::mpsc::sync_channel) whose depth is tracked, see
/// [`crate::tracked_sync_channel`].
pub fn tracked_sync_channel<T>(
    name: TrackedLimit,
    capacity: usize,
) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
    track(name).capacity(capacity).sync_channel_named(name)
}

/// The figures of every live gauge of the global registry that [`TrackedLimit`] can name.
pub fn queue_snapshot() -> Vec<QueueSnapshot> {
    QueueRegistry::global().snapshot()
}

/// Emits a `debug` event with the figures of every live gauge of the global registry.
pub fn log_queue_snapshot() {
    crate::log_queue_snapshot();
}

/// Installs the handler that receives every warning of the process whose limit [`TrackedLimit`] can
/// name, in place of the one that was set here before. See [`crate::set_limit_warning_handler`].
pub fn set_limit_warning_handler(handler: Box<dyn Fn(&LimitWarning) + Send + Sync>) {
    handlers::set_handler_of_the_original(Box::new(move |warning| {
        if let Some(name) = TrackedLimit::from_limit(warning.name) {
            handler(&LimitWarning {
                name,
                category: warning.category,
                observed: warning.observed,
                capacity: warning.capacity,
                fill_percent: warning.fill_percent,
            });
        }
    }));
}

/// Warns that a limit is used up which nobody samples on the way, see
/// [`crate::warn_limit_exhausted`].
pub fn warn_limit_exhausted(name: TrackedLimit, observed: usize, capacity: usize) {
    crate::warn_limit_exhausted(name, observed, capacity);
}
