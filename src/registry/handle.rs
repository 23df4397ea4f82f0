//! A registration, for as long as somebody holds it.

use core::fmt;
use core::ops::Deref;

use super::free_list::{FreeList, Slot};
use crate::budget::account::Account;
use crate::budget::{LimitExceeded, Reservation};
use crate::gauge::Gauge;
use crate::limit::Limit;
use crate::snapshot::QueueSnapshot;
use crate::sync::Ordering;
use crate::thresholds::{Thresholds, fill_percent};

/// One of the handles that share a slot. The last one gives it back.
pub(super) struct Handle {
    slot: &'static Slot,
    free: &'static FreeList,
    index: usize,
}

impl Handle {
    pub(super) const fn new(slot: &'static Slot, free: &'static FreeList, index: usize) -> Self {
        Self { slot, free, index }
    }
}

impl Clone for Handle {
    fn clone(&self) -> Self {
        // Relaxed: another thread gets the clone from this one. Handles that are forgotten are
        // counted for ever. If so many are that the count wraps, the slot is given back too early,
        // which mixes up two gauges and no memory.
        self.slot.handles_or_next.fetch_add(1, Ordering::Relaxed);
        Self { ..*self }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        // Release: what this handle recorded comes before the slot's next life. Acquire: so does
        // what the handles dropped before this one recorded. Pairs with itself in the other
        // handles.
        if self.slot.handles_or_next.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.slot.gauge.deactivate();
            self.free.give_back(self.index, self.slot);
        }
    }
}

/// A registered gauge: a counted handle to a slot of a
/// [`QueueRegistry`](crate::QueueRegistry), which derefs to the [`Gauge`] there.
///
/// When the last handle is dropped, the gauge leaves the registry's snapshots and the slot is free.
/// Cloning is wait-free, dropping is wait-free but for the last handle, which is lock-free. An
/// interrupt handler may do either.
///
/// ```
/// # use fillgauge::{GaugeConfig, Limit, QueueRegistry};
/// static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
/// static FRAMES: Limit = Limit::queue("frames");
///
/// let producer = REGISTRY.register_with(GaugeConfig::for_queue(&FRAMES, 10))?;
/// let consumer = producer.clone();
/// producer.record_enqueue();
/// consumer.record_dequeue();
///
/// drop(producer);
/// assert!(REGISTRY.register(&FRAMES, 10).is_err(), "the consumer still holds the slot");
/// drop(consumer);
/// assert!(REGISTRY.register(&FRAMES, 10).is_ok());
/// # Ok::<(), fillgauge::RegistryFull>(())
/// ```
#[must_use = "dropping the last handle ends the registration"]
#[derive(Clone)]
pub struct QueueGauge(pub(super) Handle);

impl Deref for QueueGauge {
    type Target = Gauge;

    #[inline]
    fn deref(&self) -> &Gauge {
        &self.0.slot.gauge
    }
}

impl fmt::Debug for QueueGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.slot.gauge.fmt(f)
    }
}

/// A registered budget: a counted handle to a slot of a [`QueueRegistry`](crate::QueueRegistry),
/// with the methods of a [`Budget`](crate::Budget).
///
/// When the last handle is dropped, the budget leaves the registry's snapshots and the slot is
/// free. Cloning and dropping are as of a [`QueueGauge`].
///
/// ```
/// # use fillgauge::{Limit, QueueRegistry};
/// static REGISTRY: QueueRegistry<4> = QueueRegistry::new();
/// static SESSION: Limit = Limit::memory("session_bytes");
///
/// let session = REGISTRY.register_budget(&SESSION, 1_024)?;
/// let frame = session.try_reserve(1_000)?;
/// assert!(session.try_reserve(100).is_err());
/// drop(frame);
/// assert_eq!((session.used(), session.refused()), (0, 1));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the last handle ends the registration"]
#[derive(Clone)]
pub struct BudgetHandle(pub(super) Handle);

impl BudgetHandle {
    #[inline]
    fn gauge(&self) -> &Gauge {
        &self.0.slot.gauge
    }

    #[inline]
    fn account(&self) -> Account<'_, crate::StaticSink> {
        self.0.slot.account()
    }

    /// As [`Budget::try_reserve`](crate::Budget::try_reserve).
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] if it does not fit.
    #[inline]
    pub fn try_reserve(&self, n: usize) -> Result<Reservation<'_>, LimitExceeded> {
        self.account().try_reserve(n)
    }

    /// As [`Budget::set_capacity`](crate::Budget::set_capacity).
    pub fn set_capacity(&self, capacity: usize) {
        self.account().set_capacity(capacity);
    }

    /// As [`Budget::set_thresholds`](crate::Budget::set_thresholds).
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.account().set_thresholds(thresholds);
    }

    /// As [`Budget::used`](crate::Budget::used).
    #[inline]
    pub fn used(&self) -> usize {
        self.account().used()
    }

    /// As [`Budget::remaining`](crate::Budget::remaining).
    pub fn remaining(&self) -> usize {
        self.account().remaining()
    }

    /// As [`Budget::fill_percent`](crate::Budget::fill_percent).
    pub fn fill_percent(&self) -> usize {
        fill_percent(self.used(), self.capacity())
    }

    /// As [`Budget::high_water`](crate::Budget::high_water).
    pub fn high_water(&self) -> usize {
        self.gauge().high_water()
    }

    /// As [`Budget::take_window_peak`](crate::Budget::take_window_peak).
    pub fn take_window_peak(&self) -> usize {
        self.account().take_window_peak()
    }

    /// As [`Budget::refused`](crate::Budget::refused).
    pub fn refused(&self) -> usize {
        self.gauge().refused()
    }

    /// As [`Budget::capacity`](crate::Budget::capacity).
    pub fn capacity(&self) -> usize {
        self.gauge().capacity()
    }

    /// As [`Budget::thresholds`](crate::Budget::thresholds).
    pub fn thresholds(&self) -> Thresholds {
        self.gauge().thresholds()
    }

    /// As [`Budget::has_warned`](crate::Budget::has_warned).
    pub fn has_warned(&self) -> bool {
        self.gauge().has_warned()
    }

    /// As [`Budget::warnings`](crate::Budget::warnings).
    pub fn warnings(&self) -> usize {
        self.gauge().warnings()
    }

    /// As [`Budget::limit`](crate::Budget::limit).
    pub fn limit(&self) -> &'static Limit {
        self.gauge().limit()
    }

    /// The serial number of the registration in its registry, as
    /// [`Gauge::instance`](crate::Gauge::instance).
    pub fn instance(&self) -> usize {
        self.gauge().instance()
    }

    /// As [`Budget::snapshot`](crate::Budget::snapshot).
    pub fn snapshot(&self) -> QueueSnapshot {
        self.account().snapshot()
    }
}

impl fmt::Debug for BudgetHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account().fmt_as("BudgetHandle", f)
    }
}
