//! What happens to a limit, and what receives it.

use core::fmt;

use crate::limit::{Limit, LimitCategory};
use crate::snapshot::QueueSnapshot;
use crate::thresholds::fill_percent;

/// A limit crossed a threshold. See promises 1 and 2 of [the guarantees](crate::guarantees).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LimitEvent {
    /// The warning: the fill reached the warn threshold.
    NearCapacity(QueueSnapshot),
    /// The fill reached the capacity. At most once between a `NearCapacity` and its `Recovered`.
    Full(QueueSnapshot),
    /// The fill drained to the re-arm threshold: the gauge is armed again.
    Recovered(QueueSnapshot),
    /// A limit was hit that nobody samples. The code that hits it raises this, see
    /// [`LimitEvent::exhausted`].
    Exhausted(QueueSnapshot),
}

/// What kind of event a [`LimitEvent`] is, without its figures.
///
/// ```
/// use fillgauge::LimitEventKind;
///
/// let names = LimitEventKind::ALL.map(LimitEventKind::as_str);
/// assert_eq!(names, ["near_capacity", "full", "recovered", "exhausted"]);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LimitEventKind {
    /// [`LimitEvent::NearCapacity`].
    NearCapacity,
    /// [`LimitEvent::Full`].
    Full,
    /// [`LimitEvent::Recovered`].
    Recovered,
    /// [`LimitEvent::Exhausted`].
    Exhausted,
}

impl LimitEventKind {
    /// Every kind there is today.
    pub const ALL: [Self; 4] = [
        Self::NearCapacity,
        Self::Full,
        Self::Recovered,
        Self::Exhausted,
    ];

    /// The stable name, in snake case.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NearCapacity => "near_capacity",
            Self::Full => "full",
            Self::Recovered => "recovered",
            Self::Exhausted => "exhausted",
        }
    }
}

/// The stable name.
impl fmt::Display for LimitEventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A threshold that a gauge crosses: the kinds of its events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Edge {
    /// The fill reaches the warn threshold.
    NearCapacity,
    /// The fill reaches the capacity.
    Full,
    /// The fill drains to the re-arm threshold.
    Recovered,
}

impl LimitEvent {
    /// The event for a cap that has no gauge because its use is not sampled before it ends, such as
    /// a time budget: `observed` of `capacity` are used up. Pass it to the sink yourself.
    ///
    /// ```
    /// use fillgauge::{Limit, LimitEvent, LimitSink};
    ///
    /// static BOOT_MS: Limit = Limit::cpu("boot_ms");
    ///
    /// fn boot_timed_out(elapsed: usize, sink: &dyn LimitSink) {
    ///     sink.on_event(&LimitEvent::exhausted(&BOOT_MS, elapsed, 30_000));
    /// }
    /// # struct Nobody;
    /// # impl LimitSink for Nobody {
    /// #     fn on_event(&self, event: &LimitEvent) {
    /// #         assert_eq!(event.snapshot().fill_percent, 110);
    /// #     }
    /// # }
    /// # boot_timed_out(33_000, &Nobody);
    /// ```
    pub const fn exhausted(limit: &'static Limit, observed: usize, capacity: usize) -> Self {
        Self::Exhausted(QueueSnapshot {
            name: limit,
            category: limit.category(),
            instance: 0,
            depth: observed,
            high_water: observed,
            capacity,
            fill_percent: fill_percent(observed, capacity),
            warned: true,
            warnings: 1,
            totals: None,
            refused: 0,
        })
    }

    /// What kind of event it is.
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent};
    /// # static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// let event = LimitEvent::exhausted(&BOOT_MS, 33_000, 30_000);
    /// assert_eq!(event.kind().as_str(), "exhausted");
    /// ```
    pub const fn kind(&self) -> LimitEventKind {
        match self {
            Self::NearCapacity(_) => LimitEventKind::NearCapacity,
            Self::Full(_) => LimitEventKind::Full,
            Self::Recovered(_) => LimitEventKind::Recovered,
            Self::Exhausted(_) => LimitEventKind::Exhausted,
        }
    }

    /// Which limit, and its figures at the event.
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent};
    /// # static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// let event = LimitEvent::exhausted(&BOOT_MS, 33_000, 30_000);
    /// assert_eq!(event.snapshot().fill_percent, 110);
    /// ```
    pub const fn snapshot(&self) -> &QueueSnapshot {
        match self {
            Self::NearCapacity(snapshot)
            | Self::Full(snapshot)
            | Self::Recovered(snapshot)
            | Self::Exhausted(snapshot) => snapshot,
        }
    }

    /// The event as a warning, if it is one: `NearCapacity` and `Exhausted` are.
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent};
    /// # static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// let event = LimitEvent::exhausted(&BOOT_MS, 33_000, 30_000);
    /// assert_eq!(event.warning().map(|warning| warning.observed), Some(33_000));
    /// ```
    pub const fn warning(&self) -> Option<LimitWarning> {
        match self {
            Self::NearCapacity(snapshot) | Self::Exhausted(snapshot) => Some(LimitWarning {
                name: snapshot.name,
                category: snapshot.category,
                instance: snapshot.instance,
                observed: snapshot.depth,
                capacity: snapshot.capacity,
                fill_percent: snapshot.fill_percent,
            }),
            Self::Full(_) | Self::Recovered(_) => None,
        }
    }
}

/// A limit is near its capacity or exhausted: the part of an event that a warning handler needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LimitWarning {
    /// The limit, which reads as its stable name.
    pub name: &'static Limit,
    /// The category of the limit.
    pub category: LimitCategory,
    /// Distinguishes gauges of one limit, as in [`QueueSnapshot::instance`].
    pub instance: usize,
    /// The depth that warned.
    pub observed: usize,
    /// The bound, in the unit of `observed`.
    pub capacity: usize,
    /// `floor(100 * observed / capacity)`.
    pub fill_percent: usize,
}

/// Receives the events of gauges.
///
/// It runs on the thread or in the interrupt handler whose operation crossed the threshold, or
/// which was about to deliver the gauge's previous event. The events of one gauge come in their
/// order, and never nested. No lock is held. Operations on the same gauge go on meanwhile, those of
/// the sink included. What they change is checked when the sink returns.
///
/// A sink that takes long delays the caller of the operation and the next event of that gauge, and
/// nothing else. It may run on a consumer's side, also for `NearCapacity`: it must not wait for
/// what a consumer does.
///
/// A sink should not panic. If it does, the panic reaches the caller of the operation, and the
/// event is lost. The next operation that records, observes or changes a setting checks what
/// changed meanwhile.
///
/// ```
/// use core::sync::atomic::{AtomicUsize, Ordering};
/// use fillgauge::{Gauge, Limit, LimitEvent, LimitSink};
///
/// struct Lamp(AtomicUsize);
///
/// impl LimitSink for Lamp {
///     fn on_event(&self, event: &LimitEvent) {
///         match event {
///             LimitEvent::NearCapacity(_) => self.0.store(1, Ordering::Relaxed),
///             LimitEvent::Recovered(_) => self.0.store(0, Ordering::Relaxed),
///             _ => {}
///         }
///     }
/// }
///
/// static LAMP: Lamp = Lamp(AtomicUsize::new(0));
/// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 10).with_sink(&LAMP);
///
/// RX.record_enqueue_n(8);
/// assert_eq!(LAMP.0.load(Ordering::Relaxed), 1);
/// RX.record_dequeue_n(3);
/// assert_eq!(LAMP.0.load(Ordering::Relaxed), 0);
/// ```
pub trait LimitSink: Sync {
    /// Takes note of `event`.
    fn on_event(&self, event: &LimitEvent);
}

/// A function and a closure are sinks.
impl<F: Fn(&LimitEvent) + Sync> LimitSink for F {
    fn on_event(&self, event: &LimitEvent) {
        self(event);
    }
}
