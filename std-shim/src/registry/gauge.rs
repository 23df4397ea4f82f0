//! The gauge that users share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fillgauge::{Gauge, GaugeConfig, Limit, LimitCategory};

use super::listing::ListingRef;
use super::outlet::{Birth, HandingOver, Outlet, Particulars};
use super::slots::SlotRef;

/// The registered gauge of one bounded queue or limit, shared through an [`Arc`]: a [`Gauge`],
/// which it derefs to.
///
/// When the last reference is dropped it leaves its registry.
///
/// `N` is the type of the name: a `&'static` [`Limit`], or for a gauge of
/// [`queue_tracker`](crate::queue_tracker) a [`TrackedLimit`](crate::TrackedLimit).
///
/// ```
/// use fillgauge_std::register_limit;
///
/// let pipes = register_limit("pipes", 10);
/// pipes.observe_depth(7);
/// assert_eq!((pipes.depth(), pipes.fill_percent()), (7, 70));
/// assert_eq!(pipes.name().as_str(), "pipes");
/// ```
pub struct QueueGauge<N = &'static Limit> {
    slot: SlotRef,
    name: N,
    label: Option<Arc<str>>,
    listing: ListingRef,
}

impl<N> QueueGauge<N> {
    /// Registers a gauge.
    #[inline]
    pub(super) fn enlist(
        listing: &ListingRef,
        name: N,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<Self> {
        let label = particulars.label.clone();
        let slot = listing.enlist(config, &mut Birth::new(handing_over, particulars));
        Arc::new(Self {
            slot,
            name,
            label,
            listing: listing.clone(),
        })
    }
}

impl<N> Drop for QueueGauge<N> {
    fn drop(&mut self) {
        self.listing.leave(self.slot.instance());
    }
}

impl<N> QueueGauge<N> {
    /// The name of the limit.
    ///
    /// This and the methods below are those that the original's gauge has. Those of [`Gauge`] come
    /// by deref.
    pub fn name(&self) -> N
    where
        N: Copy,
    {
        self.name
    }

    /// The category of the limit.
    pub fn category(&self) -> LimitCategory {
        self.slot.limit().category()
    }

    /// The label, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// See [`Gauge::capacity`].
    pub fn capacity(&self) -> usize {
        self.slot.capacity()
    }

    /// See [`Gauge::depth`].
    pub fn depth(&self) -> usize {
        self.slot.depth()
    }

    /// See [`Gauge::high_water`].
    pub fn high_water(&self) -> usize {
        self.slot.high_water()
    }

    /// See [`Gauge::observe_depth`].
    #[inline]
    pub fn observe_depth(&self, depth: usize) {
        self.slot.observe_depth(depth);
    }

    /// See [`Gauge::record_enqueue`].
    #[inline]
    pub fn record_enqueue(&self) {
        self.slot.record_enqueue();
    }

    /// See [`Gauge::record_dequeue`].
    #[inline]
    pub fn record_dequeue(&self) {
        self.slot.record_dequeue();
    }
}

impl<N> Deref for QueueGauge<N> {
    type Target = Gauge<Outlet>;

    #[inline]
    fn deref(&self) -> &Gauge<Outlet> {
        &self.slot
    }
}

impl<N> fmt::Debug for QueueGauge<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.slot.fmt(f)
    }
}
