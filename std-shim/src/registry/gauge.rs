//! The gauge that users share.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use fillgauge::{
    Deferred, Gauge, GaugeConfig, Hold, Limit, LimitCategory, QueueSnapshot, Thresholds,
};

use super::account::{Birth, HandingOver, Particulars};
use super::listing::ListingRef;
use super::outlet::Outlet;
use super::slots::SlotRef;
use crate::backpressure::Backpressure;
use crate::event::Shown;
#[cfg(feature = "edge-waiter")]
use crate::waiter::{HasEdges, Waiter};

/// The registered gauge of one bounded queue or limit, shared through an [`Arc`]. It derefs to the
/// [`Gauge`] of the core.
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
    slot: SlotRef<Gauge<Outlet>>,
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

    pub(super) fn listing(&self) -> &ListingRef {
        &self.listing
    }

    pub(super) fn shared_label(&self) -> Option<Arc<str>> {
        self.label.clone()
    }
}

impl<N> Drop for QueueGauge<N> {
    fn drop(&mut self) {
        self.listing.leave(&self.slot);
    }
}

impl<N> QueueGauge<N> {
    /// The name of the limit.
    pub fn name(&self) -> N
    where
        N: Copy,
    {
        self.name
    }

    /// The limit: its name and its category.
    pub fn limit(&self) -> &'static Limit {
        self.slot.limit()
    }

    /// The category of the limit.
    pub fn category(&self) -> LimitCategory {
        self.slot.limit().category()
    }

    /// The label, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The serial number of the registration in its registry, from 1, see [`Gauge::instance`].
    pub fn instance(&self) -> usize {
        self.slot.instance()
    }

    /// The bound, in the unit of [`depth`](Self::depth); 0 is unbounded, or a rendezvous. See
    /// [`Gauge::capacity`].
    pub fn capacity(&self) -> usize {
        self.slot.capacity()
    }

    /// Items (or bytes, or whatever the limit counts) in the queue, see [`Gauge::depth`].
    pub fn depth(&self) -> usize {
        self.slot.depth()
    }

    /// The greatest depth so far, see [`Gauge::high_water`].
    pub fn high_water(&self) -> usize {
        self.slot.high_water()
    }

    /// `floor(100 * depth / capacity)`, which may be above 100; 0 for capacity 0. See
    /// [`Gauge::fill_percent`].
    pub fn fill_percent(&self) -> usize {
        self.slot.fill_percent()
    }

    /// Whether the gauge has warned and is not armed again, see [`Gauge::has_warned`].
    pub fn has_warned(&self) -> bool {
        self.slot.has_warned()
    }

    /// Warnings so far, see [`Gauge::warnings`].
    pub fn warnings(&self) -> usize {
        self.slot.warnings()
    }

    /// Total enqueued so far; it wraps. See [`Gauge::enqueued`].
    pub fn enqueued(&self) -> usize {
        self.slot.enqueued()
    }

    /// Total dequeued so far; it wraps. See [`Gauge::dequeued`].
    pub fn dequeued(&self) -> usize {
        self.slot.dequeued()
    }

    /// Requests that were refused so far; it wraps. See [`Gauge::refused`].
    pub fn refused(&self) -> usize {
        self.slot.refused()
    }

    /// All figures of the gauge, see [`Gauge::snapshot`].
    pub fn snapshot(&self) -> QueueSnapshot {
        self.slot.snapshot()
    }

    /// Observes a depth that was sampled before: the gauge reads `depth` from now on. See
    /// [`Gauge::observe_depth`].
    #[inline]
    pub fn observe_depth(&self, depth: usize) {
        self.slot.observe_depth(depth);
    }

    /// Observes the depth that `sample` returns, after each change of it. Several threads may do so
    /// at once. See [`Gauge::observe_with`].
    #[inline]
    pub fn observe_with(&self, sample: impl FnMut() -> usize) {
        self.slot.observe_with(sample);
    }

    /// Records that one item has entered the queue, see [`Gauge::record_enqueue`].
    #[inline]
    pub fn record_enqueue(&self) {
        self.slot.record_enqueue();
    }

    /// Records that `n` items (or bytes) have entered the queue, see [`Gauge::record_enqueue_n`].
    #[inline]
    pub fn record_enqueue_n(&self, n: usize) {
        self.slot.record_enqueue_n(n);
    }

    /// Records that one item has left the queue. At depth 0 it has no effect, unless the gauge is
    /// [that of a queue](crate::Track::for_queue). See [`Gauge::record_dequeue`].
    #[inline]
    pub fn record_dequeue(&self) {
        self.slot.record_dequeue();
    }

    /// Records that `n` items (or bytes) have left the queue, see [`Gauge::record_dequeue_n`].
    #[inline]
    pub fn record_dequeue_n(&self, n: usize) {
        self.slot.record_dequeue_n(n);
    }

    /// Records `n` bytes (or permits, or items) that the guard gives back when it is dropped: also
    /// after an early return, a panic, or in a future that is cancelled. See [`Gauge::hold`].
    ///
    /// ```
    /// use fillgauge_std::register_limit;
    ///
    /// let buffers = register_limit("buffers", 4_096);
    /// let held = buffers.hold(100);
    /// assert_eq!(buffers.depth(), 100);
    /// drop(held);
    /// assert_eq!(buffers.depth(), 0);
    /// ```
    #[inline]
    pub fn hold(&self, n: usize) -> Hold<'_, Outlet> {
        self.slot.hold(n)
    }

    /// Records that `n` requests were refused, because there was no room. See
    /// [`Gauge::record_refused`].
    #[inline]
    pub fn record_refused(&self, n: usize) {
        self.slot.record_refused(n);
    }

    /// How the channel that the gauge is of held its producers back so far. `None` if it is not of
    /// a channel. No half of the channel is needed for that.
    ///
    /// ```
    /// use std::sync::Arc;
    /// use fillgauge_std::tracked_sync_channel;
    ///
    /// let (sender, _receiver) = tracked_sync_channel("jobs", 1);
    /// sender.send(1)?;
    /// assert!(sender.try_send(2).is_err());
    /// let gauge = Arc::clone(sender.gauge());
    /// drop(sender);
    /// assert_eq!(gauge.backpressure().map(|held| held.refused), Some(1));
    /// # Ok::<(), std::sync::mpsc::SendError<i32>>(())
    /// ```
    pub fn backpressure(&self) -> Option<Backpressure> {
        let channel = self.slot.delivery().channel()?;
        Some(channel.backpressure(self.slot.refused()))
    }

    /// Records that the queue has been emptied at once, see [`Gauge::record_clear`].
    pub fn record_clear(&self) {
        self.slot.record_clear();
    }

    /// Changes the capacity, for instance when a pool has grown or shrunk. This call warns or
    /// recovers if the depth is beyond a point of the new one. See [`Gauge::set_capacity`].
    ///
    /// ```
    /// use fillgauge_std::register_limit;
    ///
    /// let pool = register_limit("connections", 10);
    /// pool.observe_depth(8);
    /// pool.set_capacity(20);
    /// assert!(!pool.has_warned(), "8 of 20 are 40 %");
    /// ```
    pub fn set_capacity(&self, capacity: usize) {
        self.slot.set_capacity(capacity);
    }

    /// Changes at which fill it warns, and is armed again, see [`Gauge::set_thresholds`].
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.slot.set_thresholds(thresholds);
    }

    /// At which fill it warns, and is armed again.
    pub fn thresholds(&self) -> Thresholds {
        self.slot.thresholds()
    }

    /// The same gauge, for a consumer or a destructor: what is recorded through it leaves its
    /// events to the [background thread](crate#who-delivers). See [`Gauge::deferred`].
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let jobs = track("jobs").capacity(10).for_queue().gauge();
    /// jobs.record_enqueue_n(8); // this thread delivers the warning
    /// jobs.deferred().record_dequeue_n(3); // the background thread delivers the recovery
    /// assert_eq!(jobs.depth(), 5);
    /// ```
    #[inline]
    pub fn deferred(&self) -> Deferred<'_, Outlet> {
        self.slot.deferred()
    }
}

#[cfg(feature = "edge-waiter")]
impl<N: Send + Sync + 'static> QueueGauge<N> {
    /// Awaits its edges, see [`Waiter`]. It costs the records nothing.
    pub fn waiter(self: &Arc<Self>) -> Waiter {
        // In this order: no event is missed that comes after the first check of the waiter.
        let edges = self.slot.delivery().edges().subscribe();
        Waiter::new(Arc::clone(self) as Arc<dyn HasEdges>, edges)
    }
}

#[cfg(feature = "edge-waiter")]
impl<N: Send + Sync + 'static> HasEdges for QueueGauge<N> {
    fn has_warned(&self) -> bool {
        self.slot.has_warned()
    }
}

/// For what is written against the gauge of the core. The examples of its methods would need that
/// crate, hence the methods above.
#[doc(hidden)]
impl<N> Deref for QueueGauge<N> {
    type Target = Gauge<Outlet>;

    #[inline]
    fn deref(&self) -> &Gauge<Outlet> {
        &self.slot
    }
}

impl<N> fmt::Debug for QueueGauge<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_deref().map(|label| Shown(label).to_string());
        f.debug_struct("QueueGauge")
            .field("gauge", &*self.slot)
            .field("label", &label)
            .field("registry", &self.listing.name().as_str())
            .finish()
    }
}
