//! A registration, for as long as somebody holds it.

use core::fmt;
use core::ops::Deref;

use super::free_list::{FreeList, Slot};
use crate::gauge::Gauge;
use crate::sync::Ordering;

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
pub struct QueueGauge {
    slot: &'static Slot,
    free: &'static FreeList,
    index: usize,
}

impl QueueGauge {
    pub(super) const fn new(slot: &'static Slot, free: &'static FreeList, index: usize) -> Self {
        Self { slot, free, index }
    }
}

impl Deref for QueueGauge {
    type Target = Gauge;

    #[inline]
    fn deref(&self) -> &Gauge {
        &self.slot.gauge
    }
}

impl Clone for QueueGauge {
    fn clone(&self) -> Self {
        // Relaxed: another thread gets the clone from this one. Handles that are forgotten are
        // counted for ever. If so many are that the count wraps, the slot is given back too early,
        // which mixes up two gauges and no memory.
        self.slot.handles_or_next.fetch_add(1, Ordering::Relaxed);
        Self { ..*self }
    }
}

impl Drop for QueueGauge {
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

impl fmt::Debug for QueueGauge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slot.gauge.fmt(f)
    }
}
