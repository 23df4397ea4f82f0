//! Registries that never refuse, the global one among them.
//!
//! A gauge is one allocation that its users share. The registry holds a weak reference to it, see
//! [`listing`]. Recording never takes the lock of the list.

mod listing;
mod outlet;

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use fillgauge::{Gauge, GaugeConfig, Limit, LimitCategory, QueueSnapshot};

use listing::ListingRef;
pub use outlet::Outlet;
pub(crate) use outlet::{HandingOver, say_suppressed};

use crate::delivery::{background, observers};
use crate::sync::{Lazy, force};

/// The registered gauge of one bounded queue or limit, shared through an [`Arc`]: a [`Gauge`],
/// which it derefs to.
///
/// When the last reference is dropped it leaves its registry.
///
/// ```
/// use fillgauge_std::{TrackedLimit, register_limit};
///
/// let pipes = register_limit(TrackedLimit::VmPipes, 10);
/// pipes.observe_depth(7);
/// assert_eq!((pipes.depth(), pipes.fill_percent()), (7, 70));
/// assert_eq!(pipes.name(), TrackedLimit::VmPipes);
/// ```
pub struct QueueGauge {
    gauge: Gauge<Outlet>,
    /// What the registry had listed, once it lists the gauge no more.
    unlisted: Option<Weak<QueueGauge>>,
}

impl QueueGauge {
    /// The limit, which reads as its stable name.
    ///
    /// This and the methods below are those that the original's gauge has. Those of [`Gauge`] come
    /// by deref.
    pub fn name(&self) -> &'static Limit {
        self.gauge.limit()
    }

    /// The category of the limit.
    pub fn category(&self) -> LimitCategory {
        self.gauge.limit().category()
    }

    /// See [`Gauge::capacity`].
    pub fn capacity(&self) -> usize {
        self.gauge.capacity()
    }

    /// See [`Gauge::depth`].
    pub fn depth(&self) -> usize {
        self.gauge.depth()
    }

    /// See [`Gauge::high_water`].
    pub fn high_water(&self) -> usize {
        self.gauge.high_water()
    }

    /// See [`Gauge::observe_depth`].
    #[inline]
    pub fn observe_depth(&self, depth: usize) {
        self.gauge.observe_depth(depth);
    }

    /// See [`Gauge::record_enqueue`].
    #[inline]
    pub fn record_enqueue(&self) {
        self.gauge.record_enqueue();
    }

    /// See [`Gauge::record_dequeue`].
    #[inline]
    pub fn record_dequeue(&self) {
        self.gauge.record_dequeue();
    }
}

impl Deref for QueueGauge {
    type Target = Gauge<Outlet>;

    #[inline]
    fn deref(&self) -> &Gauge<Outlet> {
        &self.gauge
    }
}

impl fmt::Debug for QueueGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gauge.fmt(f)
    }
}

impl Drop for QueueGauge {
    fn drop(&mut self) {
        if self.unlisted.is_none() {
            let instance = self.gauge.instance();
            self.gauge.delivery().listing.remove(instance);
        }
        outlet::take_leave(&mut self.gauge);
    }
}

/// A registry of live gauges. It grows as needed and refuses none. A service uses the
/// [global](Self::global) one.
///
/// ```
/// use fillgauge_std::{QueueRegistry, TrackedLimit};
///
/// let registry = QueueRegistry::default();
/// let sockets = registry.register(TrackedLimit::VmSockets, 64);
/// assert_eq!(registry.snapshot().len(), 1);
/// drop(sockets);
/// assert!(registry.snapshot().is_empty());
/// ```
#[derive(Default)]
pub struct QueueRegistry {
    listing: ListingRef,
    background: bool,
}

impl QueueRegistry {
    /// The registry of the process.
    pub fn global() -> &'static QueueRegistry {
        static GLOBAL: Lazy<QueueRegistry> = Lazy::new(|| QueueRegistry {
            listing: ListingRef::global(),
            background: false,
        });
        force(&GLOBAL)
    }

    /// The same registry, whose gauges leave all their events to the background thread: no
    /// operation on one of them runs a subscriber or a handler.
    ///
    /// For what the observers themselves use: an allocator, or the queue that carries the log.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fillgauge_std::{QueueRegistry, TrackedLimit, flush_events};
    ///
    /// let registry = QueueRegistry::default().background();
    /// let heap = registry.register(TrackedLimit::V8HeapBytes, 64 << 20);
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

    /// Registers a gauge of `name`, from [`TrackedLimit`](crate::TrackedLimit) or any other
    /// catalogue, with `capacity`; 0 is unbounded.
    ///
    /// It takes a lock for a constant time.
    #[must_use = "dropping the gauge ends the registration"]
    pub fn register(&self, name: impl Into<&'static Limit>, capacity: usize) -> Arc<QueueGauge> {
        self.register_with(GaugeConfig::new(name.into(), capacity))
    }

    /// [`register`](Self::register) with settings of its own.
    ///
    /// ```
    /// use fillgauge_std::{GaugeConfig, QueueRegistry, Thresholds, TrackedLimit};
    ///
    /// let early = Thresholds::new(60, 20)?;
    /// let config = GaugeConfig::new(TrackedLimit::VmInodes.limit(), 1_000).thresholds(early);
    /// let inodes = QueueRegistry::global().register_with(config);
    /// inodes.observe_depth(600);
    /// assert!(inodes.has_warned());
    /// # Ok::<(), fillgauge_std::ThresholdsError>(())
    /// ```
    #[must_use = "dropping the gauge ends the registration"]
    pub fn register_with(&self, config: GaugeConfig) -> Arc<QueueGauge> {
        self.enlist(config, HandingOver::Never.or_background(self.background))
    }

    /// Registers a gauge that hands its events over as `handing_over` says.
    pub(crate) fn enlist(&self, config: GaugeConfig, handing_over: HandingOver) -> Arc<QueueGauge> {
        let instance = self.listing.next_instance();
        let outlet = Outlet::new(self.listing.clone(), handing_over);
        let gauge = Arc::new(QueueGauge {
            gauge: Gauge::with_delivery(config, outlet).with_instance(instance),
            unlisted: None,
        });
        self.listing.insert(instance, Arc::downgrade(&gauge));
        gauge
    }

    /// The figures of every live gauge, in order of registration.
    ///
    /// A few gauges at a time are read under the lock that registering and dropping take. Recording
    /// never takes it.
    #[must_use]
    pub fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.listing.snapshot()
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
/// the registration.
///
/// The gauge ignores a dequeue at depth 0, as the original does. If a consumer on another thread can
/// record its dequeue before the producer has recorded the enqueue, such a gauge is wrong for good:
/// it ignores the dequeue, and counts the enqueue. Then use one of these:
///
/// | the queue | use |
/// |---|---|
/// | a channel of std | [`tracked_sync_channel`](crate::tracked_sync_channel), which records itself |
/// | recorded on several threads | [`track(..).for_queue()`](crate::Track::for_queue) |
/// | knows its own length | [`observe_with`](Gauge::observe_with), after each change |
///
/// ```
/// use std::collections::VecDeque;
/// use fillgauge_std::{TrackedLimit, register_queue};
///
/// let gauge = register_queue(TrackedLimit::PendingProcessEvents, 5);
/// let mut events = VecDeque::new();
/// events.push_back("started");
/// gauge.observe_with(|| events.len());
/// assert_eq!(gauge.depth(), 1);
/// ```
#[must_use = "dropping the gauge ends the registration"]
pub fn register_queue(name: impl Into<&'static Limit>, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(name, capacity)
}

/// Registers a bounded resource, a memory envelope or a budget of time with the global registry. It
/// is the same as [`register_queue`], by the name that suits it. Observe its use with
/// [`Gauge::observe_with`].
///
/// ```
/// use fillgauge_std::{TrackedLimit, register_limit};
///
/// let heap = register_limit(TrackedLimit::V8HeapBytes, 64 << 20);
/// heap.observe_with(|| 60 << 20);
/// assert!(heap.has_warned());
/// ```
#[must_use = "dropping the gauge ends the registration"]
pub fn register_limit(name: impl Into<&'static Limit>, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(name, capacity)
}

/// The figures of every live gauge of the global registry.
///
/// ```
/// use fillgauge_std::{TrackedLimit, queue_snapshot, register_limit};
///
/// let _fds = register_limit(TrackedLimit::VmOpenFds, 256);
/// assert!(queue_snapshot().iter().any(|gauge| gauge.name == TrackedLimit::VmOpenFds));
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
    queue_snapshot().iter().for_each(observers::log_usage);
}
