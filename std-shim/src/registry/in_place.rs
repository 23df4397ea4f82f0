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
    pub(super) fn new<N: Copy + Send + Sync + 'static>(gauge: &Arc<QueueGauge<N>>) -> Self {
        // SAFETY: this computes the address of a field, and reads nothing.
        let place = unsafe { &raw const (*Arc::as_ptr(gauge)).gauge };
        let gauge = Arc::downgrade(gauge);
        Self { gauge, place }
    }

    pub(super) fn upgrade(&self) -> Option<Arc<dyn Listed>> {
        self.gauge.upgrade()
    }

    /// How many references to the gauge there are. None if it is about to be dropped, or its owner
    /// has moved it out of its `Arc`.
    pub(super) fn references(&self) -> usize {
        self.gauge.strong_count()
    }

    /// The gauge. If its owner has moved it out of its `Arc`, what it was then.
    ///
    /// To be called under the lock of the registry, by which `self` is borrowed.
    pub(super) fn gauge(&self) -> &Gauge<Outlet> {
        // SAFETY: its memory stays, since `self.gauge` keeps it. It is not dropped while `self` is
        // borrowed: before, `Enlisted` takes the registry's lock and removes `self`, see above.
        // When its owner moves it out of its `Arc`, that reads the memory, and leaves in it what it
        // was. Nobody can have it by `&mut`: `Arc::get_mut` refuses while there is a `Weak`.
        unsafe { &*self.place }
    }
}
