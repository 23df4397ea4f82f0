//! What is in the slots of a registry: gauges, budgets and probes.

use fillgauge::{Budget, Gauge, GaugeConfig, Limit, Probe, QueueSnapshot, Totals};

use super::contents::Kinds;
use super::outlet::Outlet;
use super::slots::{Chunks, RenewSlot};

/// What a registry lists.
pub(super) trait Source: Send + Sync + 'static {
    fn outlet(&self) -> &Outlet;
    fn limit(&self) -> &'static Limit;
    fn instance(&self) -> usize;
    fn high_water(&self) -> usize;
    fn warnings(&self) -> usize;
    fn refused(&self) -> usize;

    fn snapshot(&self) -> QueueSnapshot;
    fn take_window_peak(&self) -> usize;
    fn has_pending_event(&self) -> bool;
    fn deliver_pending(&self);

    /// Takes over the depth that `read` returns. Whether `read` is of any use later: not for a
    /// gauge if it returns `None`.
    fn observe(&self, read: &dyn Fn() -> Option<usize>) -> bool;

    /// Whether each item is counted when it is dequeued.
    fn counts_dequeues(&self) -> bool;

    /// Whether its depth is not known between two reports.
    fn is_sampled(&self) -> bool;

    /// Whether something may flow through it. What is merely held does not.
    fn may_be_queue(&self) -> bool;

    /// What went in and out. `None` if that is not counted.
    fn totals(&self) -> Option<(usize, usize)>;
}

/// One kind of them, which has slots of its own.
pub(super) trait Kind: Source + Sized {
    /// Whether all of the kind count what goes in and out.
    const HAS_TOTALS: bool;

    /// A free slot.
    fn vacant(config: GaugeConfig, outlet: Outlet) -> Self;

    /// Makes another one in its slot, see [`Gauge::renew`].
    fn renew_slot(&self, config: GaugeConfig, instance: usize);

    /// Where the slots of its kind are.
    fn chunks(kinds: &mut Kinds) -> &mut Chunks<Self>;
}

/// A gauge has the depth that was read last, and that of what is gone is 0.
fn observe_gauge(gauge: &Gauge<Outlet>, read: &dyn Fn() -> Option<usize>) -> bool {
    let depth = read();
    gauge.observe_depth(depth.unwrap_or(0));
    depth.is_some()
}

/// Who reads the depth need not deliver what follows.
fn observe_probe(probe: &Probe<Outlet>, read: &dyn Fn() -> Option<usize>) -> bool {
    probe.check_deferred(|| read().unwrap_or_else(|| probe.depth()));
    true
}

/// The present depth of a probe, for a thread without its queue. If the queue cannot be read, it is
/// that of the last check.
pub(super) fn present_depth(probe: &Probe<Outlet>) -> impl Fn() -> usize {
    let poll = probe.delivery().poll();
    move || {
        let depth = poll.as_ref().and_then(|poll| poll.read(probe));
        depth.unwrap_or_else(|| probe.depth())
    }
}

/// The depth that the last check of a probe has read. That of a queue that is closed is 0, also if
/// a check overlapped the closing.
pub(super) fn last_depth(probe: &Probe<Outlet>) -> usize {
    if probe.delivery().is_closed() {
        0
    } else {
        probe.depth()
    }
}

/// What went through the channel of a probe, if the channel counts that.
fn channel_totals(probe: &Probe<Outlet>) -> Option<Totals> {
    probe.delivery().channel()?.totals()
}

/// The figures of a probe, with that depth.
pub(super) fn probe_snapshot(probe: &Probe<Outlet>) -> QueueSnapshot {
    let mut snapshot = probe.snapshot();
    if probe.delivery().is_closed() {
        (snapshot.depth, snapshot.fill_percent) = (0, 0);
    }
    snapshot.totals = channel_totals(probe);
    snapshot
}

/// All have methods of the same names, but for those that are given.
macro_rules! kind {
    ($kind:ident in $chunks:ident {
        snapshot: $snapshot:expr,
        take_window_peak: $take_window_peak:expr,
        deliver_pending: $deliver_pending:expr,
        observe: $observe:expr,
        has_totals: $has_totals:literal,
        totals: $totals:expr,
        counts_dequeues: $counts_dequeues:expr,
        is_sampled: $is_sampled:expr,
        may_be_queue: $may_be_queue:expr,
    }) => {
        impl Source for $kind<Outlet> {
            fn outlet(&self) -> &Outlet {
                self.delivery()
            }

            fn limit(&self) -> &'static Limit {
                self.limit()
            }

            fn instance(&self) -> usize {
                self.instance()
            }

            fn high_water(&self) -> usize {
                self.high_water()
            }

            fn warnings(&self) -> usize {
                self.warnings()
            }

            fn refused(&self) -> usize {
                self.refused()
            }

            fn snapshot(&self) -> QueueSnapshot {
                $snapshot(self)
            }

            fn take_window_peak(&self) -> usize {
                $take_window_peak(self)
            }

            fn has_pending_event(&self) -> bool {
                self.has_pending_event()
            }

            fn deliver_pending(&self) {
                $deliver_pending(self);
            }

            fn observe(&self, read: &dyn Fn() -> Option<usize>) -> bool {
                $observe(self, read)
            }

            fn totals(&self) -> Option<(usize, usize)> {
                $totals(self)
            }

            fn counts_dequeues(&self) -> bool {
                $counts_dequeues(self)
            }

            fn is_sampled(&self) -> bool {
                $is_sampled(self)
            }

            fn may_be_queue(&self) -> bool {
                $may_be_queue(self)
            }
        }

        impl Kind for $kind<Outlet> {
            const HAS_TOTALS: bool = $has_totals;

            fn vacant(config: GaugeConfig, outlet: Outlet) -> Self {
                Self::with_delivery(config, outlet)
            }

            #[inline]
            fn renew_slot(&self, config: GaugeConfig, instance: usize) {
                self.renew(&RenewSlot(()), config, instance);
            }

            #[inline]
            fn chunks(kinds: &mut Kinds) -> &mut Chunks<Self> {
                &mut kinds.$chunks
            }
        }
    };
}

kind!(Gauge in gauges {
    snapshot: Gauge::snapshot,
    take_window_peak: Gauge::take_window_peak,
    deliver_pending: Gauge::deliver_pending,
    observe: observe_gauge,
    has_totals: true,
    totals: |gauge: &Self| Some((gauge.enqueued(), gauge.dequeued())),
    // What is polled may stay at one depth while it works.
    counts_dequeues: |gauge: &Self| gauge.is_for_queue() && gauge.delivery().poll().is_none(),
    is_sampled: |gauge: &Self| gauge.delivery().poll().is_some(),
    may_be_queue: |_| true,
});
// What a budget holds is known without asking.
kind!(Budget in budgets {
    snapshot: Budget::snapshot,
    take_window_peak: Budget::take_window_peak,
    deliver_pending: Budget::deliver_pending,
    observe: |_, _| true,
    has_totals: false,
    totals: |_| None,
    counts_dequeues: |_| false,
    is_sampled: |_| false,
    may_be_queue: |_| false,
});
kind!(Probe in probes {
    snapshot: probe_snapshot,
    // The queue is not asked: that is foreign code.
    take_window_peak: |probe: &Self| probe.take_window_peak(|| last_depth(probe)),
    deliver_pending: |probe: &Self| probe.deliver_pending(present_depth(probe)),
    observe: observe_probe,
    has_totals: false,
    totals: |probe: &Self| {
        let totals = channel_totals(probe)?;
        Some((totals.enqueued, totals.dequeued))
    },
    counts_dequeues: |probe: &Self| channel_totals(probe).is_some(),
    is_sampled: |_| false,
    may_be_queue: |probe: &Self| {
        let channel = probe.delivery().channel();
        channel.is_none_or(|channel| !channel.has_permits())
    },
});
