//! Reading a gauge where it lies, without a reference that is counted: a snapshot writes nothing
//! that recording threads read.

#![allow(unsafe_code)]

use std::sync::{Arc, Weak};

use fillgauge::Gauge;

use super::gauge::{Listed, QueueGauge};
use super::outlet::Outlet;

/// What a registry has of a gauge.
///
/// A gauge in its `Arc` leaves its registry before it is dropped: [`QueueGauge`] has its
/// `Enlisted` for the first field, whose destructor takes the registry's lock to remove this.
pub(super) struct Listing {
    gauge: Weak<dyn Listed>,
    /// The gauge in the memory that `gauge` keeps.
    place: *const Gauge<Outlet>,
}

// SAFETY: `place` is only read through shared references, and a `Gauge` is `Sync`.
unsafe impl Send for Listing {}

impl Listing {
    /// That of the gauge which `gauge` will refer to. It need not exist yet.
    pub(super) fn new<N: Copy + Send + Sync + 'static>(gauge: &Weak<QueueGauge<N>>) -> Self {
        // SAFETY: this computes an address within the allocation of the `Weak`, and reads nothing.
        let place = unsafe { &raw const (*gauge.as_ptr()).gauge };
        Self {
            gauge: gauge.clone(),
            place,
        }
    }

    pub(super) fn upgrade(&self) -> Option<Arc<dyn Listed>> {
        self.gauge.upgrade()
    }

    /// How many references to the gauge there are. None if it is not complete yet, or about to be
    /// dropped, or its owner has moved it out of its `Arc`.
    pub(super) fn references(&self) -> usize {
        self.gauge.strong_count()
    }

    /// The gauge, if it is complete.
    ///
    /// To be called under the lock of the registry, by which `self` is borrowed.
    pub(super) fn gauge(&self) -> Option<&Gauge<Outlet>> {
        if self.references() == 0 {
            return None;
        }
        // SAFETY: there was a reference, so the gauge was complete. Its memory stays: `self.gauge`
        // keeps it. It is not dropped while `self` is borrowed: before, `Enlisted` takes the
        // registry's lock and removes `self`, see above. If its owner moves it out of its `Arc`
        // meanwhile, that only reads the memory, and leaves in it what it was. Nobody can have it
        // by `&mut`: `Arc::get_mut` refuses while there is a `Weak`.
        Some(unsafe { &*self.place })
    }

    /// The gauge, when it leaves its registry. If its owner has moved it out of its `Arc`, what it
    /// was then.
    ///
    /// # Safety
    ///
    /// The gauge was complete, and is not dropped before `self` is dropped.
    pub(super) unsafe fn gauge_that_leaves(&self) -> &Gauge<Outlet> {
        // SAFETY: by the contract, and for the rest as in `gauge`.
        unsafe { &*self.place }
    }
}
