//! The gauge that users share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fillgauge::{Gauge, GaugeConfig, Limit, LimitCategory};

use super::in_place;
use super::listing::ListingRef;
use super::outlet::{HandingOver, Outlet, Particulars};
use crate::delivery::background::{Errand, GaugeName};
use crate::sync::atomic::{AtomicUsize, Ordering};

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
// `in_place` relies on the order of the fields.
pub struct QueueGauge<N = &'static Limit> {
    enlisted: Enlisted,
    pub(super) gauge: Gauge<Outlet>,
    name: N,
}

impl<N: Copy + Send + Sync + 'static> QueueGauge<N> {
    /// Registers a gauge.
    #[inline]
    pub(super) fn enlist(
        listing: &ListingRef,
        name: N,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<Self> {
        let limit = config.limit();
        let outlet = Outlet::new(listing.clone(), handing_over, particulars);
        let gauge = Arc::new(Self {
            enlisted: Enlisted {
                listing: listing.clone(),
                instance: AtomicUsize::new(0),
            },
            gauge: Gauge::with_delivery(config, outlet),
            name,
        });
        listing.enlist(limit, in_place::Listing::new(&gauge), |instance| {
            gauge.enlisted.instance.store(instance, Ordering::Relaxed);
            gauge.gauge.set_instance(instance);
        });
        gauge
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
        self.gauge.limit().category()
    }

    /// The label, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.gauge.delivery().label().map(|label| &**label)
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

impl<N> Deref for QueueGauge<N> {
    type Target = Gauge<Outlet>;

    #[inline]
    fn deref(&self) -> &Gauge<Outlet> {
        &self.gauge
    }
}

impl<N> fmt::Debug for QueueGauge<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gauge.fmt(f)
    }
}

/// The place of a gauge in its registry. It ends when this is dropped, before the gauge is.
struct Enlisted {
    listing: ListingRef,
    /// Its number, or 0 if it is not listed.
    instance: AtomicUsize,
}

impl Drop for Enlisted {
    fn drop(&mut self) {
        let instance = self.instance.load(Ordering::Relaxed);
        if instance != 0 {
            self.listing.remove(instance);
        }
    }
}

/// A gauge in a registry, whatever its name is of.
pub(super) trait Listed: Send + Sync {
    fn gauge(&self) -> &Gauge<Outlet>;

    /// The delivery of its pending event.
    fn into_errand(self: Arc<Self>) -> Arc<dyn Errand>;

    /// Gives up a reference. Returns what is to be dropped when no lock is held, if it was the
    /// last.
    fn release(self: Arc<Self>) -> Option<Released>;
}

impl<N: Copy + Send + Sync + 'static> Listed for QueueGauge<N> {
    fn gauge(&self) -> &Gauge<Outlet> {
        &self.gauge
    }

    fn into_errand(self: Arc<Self>) -> Arc<dyn Errand> {
        self
    }

    fn release(self: Arc<Self>) -> Option<Released> {
        let Self {
            enlisted,
            gauge,
            name: _,
        } = Arc::into_inner(self)?;
        // Who releases it removes it.
        enlisted.instance.store(0, Ordering::Relaxed);
        Some(Released {
            _enlisted: enlisted,
            _gauge: gauge,
        })
    }
}

/// A gauge that nobody refers to, and that is listed no more.
pub(super) struct Released {
    _enlisted: Enlisted,
    _gauge: Gauge<Outlet>,
}

/// A gauge whose event is pending, and which is pinned.
impl<N: Copy + Send + Sync + 'static> Errand for QueueGauge<N> {
    fn gauge(&self) -> GaugeName {
        GaugeName {
            limit: self.gauge.limit(),
            instance: self.gauge.instance(),
        }
    }

    fn run(self: Arc<Self>) {
        // Before the event is taken: one that comes later finds that it has to post the gauge
        // again.
        let outlet = self.gauge.delivery();
        outlet.is_not_posted();
        let role = outlet.deliverer().enter();
        self.gauge.deliver_pending();
        drop(role);
        let listing = self.enlisted.listing.clone();
        listing.unpin(self);
    }

    /// Another thread has delivered the event.
    fn is_obsolete(&self) -> bool {
        !self.gauge.has_pending_event()
    }

    fn discard(self: Arc<Self>) {
        let outlet = self.gauge.delivery();
        outlet.is_not_posted();
        // Pairs with the addition of the flag in `Outlet::post`, which comes after an event was
        // left pending: either that is seen here, or the gauge is posted again.
        if self.gauge.has_pending_event() {
            outlet.post(self.gauge.instance());
        }
        let listing = self.enlisted.listing.clone();
        listing.unpin(self);
    }
}
