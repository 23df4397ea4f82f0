//! The probe that the halves of a channel share.

use std::fmt;
use std::sync::Arc;

use fillgauge::{GaugeConfig, Limit, LimitCategory, Probe, QueueSnapshot, Thresholds};

use super::account::{Birth, HandingOver, Particulars};
use super::listing::ListingRef;
use super::outlet::Outlet;
use super::slots::SlotRef;
use super::source::{last_depth, present_depth, probe_snapshot};
use crate::backpressure::Backpressure;
use crate::event::Shown;

/// The registered gauge of a channel that knows its own length, shared through an [`Arc`]: what the
/// halves of an adapter in [`channels`](crate::channels) have.
///
/// Nothing is counted. After each operation the adapter checks the length of the channel itself, so
/// the depth cannot drift. It warns, recovers and is reported as a [`QueueGauge`] is, but has no
/// totals. It leaves its registry when the last reference is dropped.
///
/// Every getter takes a load or two, and never asks the channel. A
/// [report](crate::QueueRegistry::report) reads the channel anew.
///
/// [`QueueGauge`]: crate::QueueGauge
pub struct QueueProbe {
    slot: SlotRef<Probe<Outlet>>,
    label: Option<Arc<str>>,
    listing: ListingRef,
}

/// For the adapters, which have the channel.
#[allow(dead_code)] // Each adapter uses what it needs.
impl QueueProbe {
    /// Registers a probe.
    pub(super) fn enlist(
        listing: &ListingRef,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<Self> {
        let label = particulars.label.clone();
        let slot = listing.enlist(config, &mut Birth::new(handing_over, particulars));
        Arc::new(Self {
            slot,
            label,
            listing: listing.clone(),
        })
    }

    /// Checks, and delivers on this thread. See [`Probe::check`].
    #[inline]
    pub(crate) fn check(&self, length: impl Fn() -> usize) {
        self.slot.check(length);
    }

    /// Checks, and leaves what follows to the background thread. See [`Probe::check_deferred`].
    #[inline]
    pub(crate) fn check_deferred(&self, length: impl Fn() -> usize) {
        self.slot.check_deferred(length);
    }

    /// See [`Probe::check_after_rmw`].
    #[inline]
    pub(crate) fn check_after_rmw(&self, length: impl Fn() -> usize) {
        self.slot.check_after_rmw(length);
    }

    /// See [`Probe::check_deferred_after_rmw`].
    #[inline]
    pub(crate) fn check_deferred_after_rmw(&self, length: impl Fn() -> usize) {
        self.slot.check_deferred_after_rmw(length);
    }

    /// Counts requests that were refused because there was no room.
    #[inline]
    pub(crate) fn record_refused(&self, n: usize) {
        self.slot.record_refused(n);
    }

    /// Changes the capacity, checks, and delivers on this thread.
    pub(crate) fn set_capacity(&self, capacity: usize, length: impl Fn() -> usize) {
        self.slot.set_capacity(capacity, length);
    }

    /// The last receiver is gone: the depth is 0 from now on, whatever is left in the channel. The
    /// length that other threads check with must be 0 already.
    pub(crate) fn close(&self) {
        self.slot.delivery().close();
        self.slot.check_deferred(|| 0);
    }
}

impl QueueProbe {
    /// The limit: its name and its category.
    #[doc(alias = "name")]
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

    /// The serial number of the registration in its registry, from 1. Gauges, budgets and probes
    /// are numbered together.
    pub fn instance(&self) -> usize {
        self.slot.instance()
    }

    /// The bound, in the unit of [`depth`](Self::depth); 0 is unbounded.
    pub fn capacity(&self) -> usize {
        self.slot.capacity()
    }

    /// What was in use when an operation on the channel checked last; 0 if no receiver is left. What
    /// counts as in use is said by each adapter.
    ///
    /// If two operations overlapped, it may be the depth of the earlier one, until the next
    /// operation.
    #[doc(alias = "len")]
    pub fn depth(&self) -> usize {
        last_depth(&self.slot)
    }

    /// The greatest depth so far that an operation has read.
    #[doc(alias = "peak")]
    pub fn high_water(&self) -> usize {
        self.slot.high_water()
    }

    /// `floor(100 * depth / capacity)`, which may be above 100; 0 for capacity 0.
    pub fn fill_percent(&self) -> usize {
        self.snapshot().fill_percent
    }

    /// Requests that were refused so far, because there was no room; it wraps.
    pub fn refused(&self) -> usize {
        self.slot.refused()
    }

    /// Whether it has warned and is not armed again.
    pub fn has_warned(&self) -> bool {
        self.slot.has_warned()
    }

    /// Warnings so far, see [`Probe::warnings`].
    pub fn warnings(&self) -> usize {
        self.slot.warnings()
    }

    /// At which fill it warns, and is armed again.
    pub fn thresholds(&self) -> Thresholds {
        self.slot.thresholds()
    }

    /// Changes at which fill it warns, and is armed again. This call reads the present depth of the
    /// channel, and delivers what follows.
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.slot
            .set_thresholds(thresholds, present_depth(&self.slot));
    }

    /// How the channel held its producers back so far. No half of the channel is needed for that.
    pub fn backpressure(&self) -> Backpressure {
        let channel = self.slot.delivery().channel();
        channel.map_or_else(Backpressure::default, |channel| {
            channel.backpressure(self.refused())
        })
    }

    /// All figures, with the depth of the last check. There are no totals.
    pub fn snapshot(&self) -> QueueSnapshot {
        probe_snapshot(&self.slot)
    }
}

impl Drop for QueueProbe {
    fn drop(&mut self) {
        self.listing.leave(&self.slot);
    }
}

impl fmt::Debug for QueueProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_deref().map(|label| Shown(label).to_string());
        f.debug_struct("QueueProbe")
            .field("probe", &*self.slot)
            .field("label", &label)
            .field("registry", &self.listing.name().as_str())
            .finish()
    }
}
