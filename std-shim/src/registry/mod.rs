//! Registries that never refuse, the global one among them.
//!
//! A gauge is one allocation that its users share; the registry holds a weak reference to it. Registering and dropping
//! take a lock and constant time, however many gauges are live. Recording never takes it.

use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, PoisonError, Weak};

use fillgauge::{Gauge, GaugeConfig, Limit, LimitCategory, QueueSnapshot};
use slab::Slab;

use crate::sync::{Lazy, Mutex, MutexGuard, force};
use crate::warnings::SINK;

/// The registered gauge of one bounded queue or limit, shared through an [`Arc`]: a [`Gauge`], which it derefs to.
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
    gauge: Gauge,
    registry: Shared,
    /// Where the registry lists it; `None` once it does not.
    key: Option<usize>,
}

impl QueueGauge {
    /// The limit, which reads as its stable name.
    ///
    /// This and the methods below are those that the original's gauge has; those of [`Gauge`] come by deref.
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
    type Target = Gauge;

    #[inline]
    fn deref(&self) -> &Gauge {
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
        if let Some(key) = self.key {
            self.registry.lock().live.try_remove(key);
        }
    }
}

/// A registry of live gauges. It grows as needed and refuses none; a service uses the [global](Self::global) one.
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
    gauges: Shared,
}

/// What a registry shares with its gauges, which may outlive it. The one of the process need not be counted.
#[derive(Clone)]
enum Shared {
    Global(&'static Mutex<Gauges>),
    Counted(Arc<Mutex<Gauges>>),
}

impl Default for Shared {
    fn default() -> Self {
        Self::Counted(Arc::default())
    }
}

impl Shared {
    /// Nothing panics under the lock but for want of memory, and then the gauges are as they were.
    fn lock(&self) -> MutexGuard<'_, Gauges> {
        let gauges = match self {
            Self::Global(gauges) => gauges,
            Self::Counted(gauges) => &**gauges,
        };
        gauges.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
struct Gauges {
    live: Slab<Weak<QueueGauge>>,
    /// The serial number of the latest registration.
    registered: usize,
}

impl QueueRegistry {
    /// The registry of the process.
    pub fn global() -> &'static QueueRegistry {
        static GAUGES: Lazy<Mutex<Gauges>> = Lazy::new(Mutex::default);
        static GLOBAL: Lazy<QueueRegistry> = Lazy::new(|| QueueRegistry {
            gauges: Shared::Global(force(&GAUGES)),
        });
        force(&GLOBAL)
    }

    /// Registers a gauge of `name`, from [`TrackedLimit`](crate::TrackedLimit) or any other catalogue, with `capacity`;
    /// 0 is unbounded.
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
        let mut gauges = self.gauges.lock();
        // 0 stands for no registration; the count passes it when it wraps.
        gauges.registered = gauges.registered.checked_add(1).unwrap_or(1);
        let instance = gauges.registered;
        let entry = gauges.live.vacant_entry();
        // Cyclic only so that the gauge is made in its place, and not copied there.
        Arc::new_cyclic(|gauge| QueueGauge {
            gauge: Gauge::with_config(config)
                .with_sink(&SINK)
                .with_instance(instance),
            registry: self.gauges.clone(),
            key: {
                let key = entry.key();
                entry.insert(Weak::clone(gauge));
                Some(key)
            },
        })
    }

    /// The figures of every live gauge.
    ///
    /// Registering and dropping wait meanwhile; recording does not.
    #[must_use]
    pub fn snapshot(&self) -> Vec<QueueSnapshot> {
        let mut gauges = self.gauges.lock();
        let mut snapshot = Vec::with_capacity(gauges.live.len());
        let mut dropped = Vec::new();
        for (key, gauge) in &gauges.live {
            let Some(gauge) = gauge.upgrade() else {
                continue;
            };
            snapshot.push(gauge.snapshot());
            // If the others were dropped meanwhile, this is the last reference. It ends the registration before anybody
            // else can list it, and without the lock that is held here.
            if let Some(mut gauge) = Arc::into_inner(gauge) {
                gauge.key = None;
                dropped.push(key);
            }
        }
        for key in dropped {
            gauges.live.try_remove(key);
        }
        snapshot
    }
}

impl fmt::Debug for QueueRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueRegistry")
            .field("live", &self.gauges.lock().live.len())
            .finish()
    }
}

/// Registers a bounded queue with the global registry. Dropping the gauge and all its clones ends the registration.
///
/// ```
/// use fillgauge_std::{TrackedLimit, register_queue};
///
/// let events = register_queue(TrackedLimit::PendingProcessEvents, 5);
/// events.record_enqueue();
/// assert_eq!(events.depth(), 1);
/// ```
#[must_use = "dropping the gauge ends the registration"]
pub fn register_queue(name: impl Into<&'static Limit>, capacity: usize) -> Arc<QueueGauge> {
    QueueRegistry::global().register(name, capacity)
}

/// Registers a bounded resource, a memory envelope or a budget of time with the global registry: the same as
/// [`register_queue`], by the name that suits it. Tell its use with [`Gauge::observe_depth`].
///
/// ```
/// use fillgauge_std::{TrackedLimit, register_limit};
///
/// let heap = register_limit(TrackedLimit::V8HeapBytes, 64 << 20);
/// heap.observe_depth(60 << 20);
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
    for gauge in queue_snapshot() {
        tracing::debug!(
            limit = gauge.name.as_str(),
            category = gauge.category.as_str(),
            instance = gauge.instance,
            depth = gauge.depth,
            high_water = gauge.high_water,
            capacity = gauge.capacity,
            fill_percent = gauge.fill_percent,
            warnings = gauge.warnings,
            "limit usage"
        );
    }
}
