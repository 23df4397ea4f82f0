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
#[cfg(feature = "edge-waiter")]
use crate::waiter::{HasEdges, Waiter};

/// The registered gauge of a channel that knows its own length, shared through an [`Arc`]: what the
/// halves of an adapter in [`channels`](crate::channels) have.
///
/// Nothing is counted. After each operation the adapter checks the length of the channel itself, so
/// the depth cannot drift. It warns, recovers and is reported as a [`QueueGauge`] is. It has totals
/// only if [asked for](crate::Track::totals). It leaves its registry when the last reference is
/// dropped.
///
/// Every getter takes a load or two, and never asks the channel. A
/// [report](crate::QueueRegistry::report) reads the channel anew.
#[cfg_attr(
    feature = "tokio",
    doc = r#"
```
use fillgauge_std::track;

let (sender, _receiver) = track("jobs").capacity(10).label("tenant 7").tokio_channel();
let gauge = std::sync::Arc::clone(sender.gauge()); // keeps no channel open
(0..8).try_for_each(|job| sender.try_send(job))?;
assert_eq!((gauge.depth(), gauge.fill_percent(), gauge.has_warned()), (8, 80, true));
assert_eq!((gauge.limit().as_str(), gauge.label()), ("jobs", Some("tenant 7")));
# Ok::<(), fillgauge_std::channels::tokio::error::TrySendError<i32>>(())
```
"#
)]
///
/// [`QueueGauge`]: crate::QueueGauge
pub struct QueueProbe {
    slot: SlotRef<Probe<Outlet>>,
    label: Option<Arc<str>>,
    listing: ListingRef,
}

impl QueueProbe {
    pub(super) fn listing(&self) -> &ListingRef {
        &self.listing
    }

    pub(super) fn shared_label(&self) -> Option<Arc<str>> {
        self.label.clone()
    }
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

    /// The probe itself, for a check after an operation that orders loads: what leads to the probe
    /// is loaded before it.
    #[inline]
    pub(crate) fn slot(&self) -> &Probe<Outlet> {
        &self.slot
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

    /// Changes the capacity. A check has to follow.
    pub(crate) fn store_capacity(&self, capacity: usize) {
        self.slot.store_capacity(capacity);
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

    /// What was in use when an operation on the channel checked last; 0 if no receiver is left.
    /// What counts as in use is said by each adapter.
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

    /// All figures, with the depth of the last check. There are totals with
    /// [`Track::totals`](crate::Track::totals).
    pub fn snapshot(&self) -> QueueSnapshot {
        probe_snapshot(&self.slot)
    }
}

#[cfg(feature = "edge-waiter")]
impl QueueProbe {
    /// Awaits its edges, see [`Waiter`].
    pub fn waiter(self: &Arc<Self>) -> Waiter {
        // In this order: no event is missed that comes after the first check of the waiter.
        let edges = self.slot.delivery().edges().subscribe();
        Waiter::new(Arc::clone(self) as Arc<dyn HasEdges>, edges)
    }
}

#[cfg(feature = "edge-waiter")]
impl HasEdges for QueueProbe {
    fn has_warned(&self) -> bool {
        self.slot.has_warned()
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

#[cfg(all(test, feature = "tokio", not(fillgauge_shuttle)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;
    use crate::registry::{Poll, QueueRegistry};

    /// A probe of a word, which may change past it.
    fn probe_of(
        registry: &QueueRegistry,
        read: impl Fn() -> Option<usize> + Send + Sync + 'static,
    ) -> Arc<QueueProbe> {
        static LIMIT: Limit = Limit::queue("word");
        let particulars = Particulars {
            poll: Some(Poll::new(read)),
            ..Particulars::default()
        };
        let config = GaugeConfig::new(&LIMIT, 10);
        registry.enlist_probe(config, HandingOver::Deferred, particulars)
    }

    #[test]
    fn a_report_reads_anew_and_a_snapshot_shows_the_last_check() {
        let word = Arc::new(AtomicUsize::new(3));
        let registry = QueueRegistry::new("words").silent();
        let read = Arc::clone(&word);
        let probe = probe_of(&registry, move || Some(read.load(Ordering::SeqCst)));
        probe.check(|| word.load(Ordering::SeqCst));
        let peak = || registry.report_for("test").gauges[0].window_peak;
        assert_eq!(peak(), None);
        word.store(9, Ordering::SeqCst);
        assert_eq!((registry.snapshot()[0].depth, probe.depth()), (3, 3));
        let report = registry.report();
        assert_eq!((report.gauges[0].depth, report.gauges[0].warned), (9, true));
        assert_eq!((probe.depth(), probe.has_warned()), (9, true));
        word.store(1, Ordering::SeqCst);
        assert_eq!([peak(), peak()], [Some(9), Some(1)]);
        probe.set_thresholds(Thresholds::DEFAULT);
        assert!(!probe.has_warned());
    }

    #[test]
    fn what_cannot_be_read_keeps_its_depth_and_is_not_gone() {
        let registry = QueueRegistry::new("words").silent();
        let probe = probe_of(&registry, || None);
        probe.check(|| 4);
        let report = registry.report();
        assert_eq!((report.gauges[0].depth, report.gauges[0].gone), (4, false));
        let panics = probe_of(&registry, || panic!("in a reading"));
        panics.check(|| 5);
        let report = registry.report();
        assert_eq!((report.gauges[1].depth, report.gauges[1].gone), (5, false));
        probe.close();
        assert_eq!(registry.snapshot()[0].depth, 0);
    }

    #[test]
    fn a_check_that_overlapped_the_closing_leaves_the_depth_0() {
        let registry = QueueRegistry::new("words").silent();
        let probe = probe_of(&registry, || Some(0));
        probe.close();
        probe.check(|| 7);
        assert_eq!((probe.depth(), probe.fill_percent()), (0, 0));
        assert_eq!(registry.snapshot()[0].depth, 0);
    }

    #[test]
    fn who_delivers_an_event_reads_the_depth_afterwards() {
        let word = Arc::new(AtomicUsize::new(0));
        let registry = QueueRegistry::new("words").silent().sink(|_| ());
        let read = Arc::clone(&word);
        let probe = probe_of(&registry, move || Some(read.load(Ordering::SeqCst)));
        probe.check(|| 8);
        // The recovery is left to the background thread, which finds that it is full again.
        word.store(10, Ordering::SeqCst);
        probe.check_deferred(|| 0);
        crate::flush_events(Duration::from_secs(60)).unwrap();
        assert_eq!((probe.warnings(), probe.has_warned()), (2, true));
    }

    #[test]
    fn gauges_budgets_and_probes_are_in_one_order() {
        let registry = QueueRegistry::new("all").silent();
        let mut kept: Vec<Box<dyn std::any::Any>> = Vec::new();
        for index in 0..60_usize {
            let track = crate::track("all").capacity(index).registry(&registry);
            match index * 7 % 3 {
                0 => kept.push(Box::new(track.gauge())),
                1 => kept.push(Box::new(track.budget())),
                _ => kept.push(Box::new(probe_of(&registry, || None))),
            }
        }
        let instances = || -> Vec<usize> {
            let figures = registry.snapshot();
            figures.iter().map(|gauge| gauge.instance).collect()
        };
        assert_eq!(instances(), (1..=60).collect::<Vec<_>>());
        // Every second one goes.
        let mut index = 0;
        kept.retain(|_| {
            index += 1;
            index % 2 == 0
        });
        let even: Vec<_> = (1..=60).filter(|instance| instance % 2 == 0).collect();
        assert_eq!(instances(), even);
        assert_eq!(registry.report().gauges.len(), 30);
        drop(kept);
        assert!(registry.snapshot().is_empty());
        assert!(
            registry
                .report()
                .limits
                .iter()
                .all(|limit| limit.gauges == 0)
        );
    }
}
