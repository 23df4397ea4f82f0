//! What is in the slots of a registry: gauges and budgets.

use fillgauge::{Budget, Gauge, GaugeConfig, Limit, QueueSnapshot};

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

    /// `None` for a budget.
    fn as_gauge(&self) -> Option<&Gauge<Outlet>>;

    /// Whether each item is counted when it is dequeued.
    fn counts_dequeues(&self) -> bool {
        self.as_gauge().is_some_and(|gauge| gauge.is_for_queue())
    }

    /// What went in and out. `None` if that is not counted.
    fn totals(&self) -> Option<(usize, usize)> {
        let gauge = self.as_gauge()?;
        Some((gauge.enqueued(), gauge.dequeued()))
    }
}

/// One kind of them, which has slots of its own.
pub(super) trait Kind: Source + Sized {
    /// Whether it counts what goes in and out.
    const HAS_TOTALS: bool;

    /// A free slot.
    fn vacant(config: GaugeConfig, outlet: Outlet) -> Self;

    /// Makes another one in its slot, see [`Gauge::renew`].
    fn renew_slot(&self, config: GaugeConfig, instance: usize);

    /// Where the slots of its kind are.
    fn chunks(kinds: &mut Kinds) -> &mut Chunks<Self>;
}

/// Both have methods of the same names.
macro_rules! kind {
    ($kind:ident, $chunks:ident, $has_totals:literal, $as_gauge:expr) => {
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
                self.snapshot()
            }

            fn take_window_peak(&self) -> usize {
                self.take_window_peak()
            }

            fn has_pending_event(&self) -> bool {
                self.has_pending_event()
            }

            fn deliver_pending(&self) {
                self.deliver_pending();
            }

            fn as_gauge(&self) -> Option<&Gauge<Outlet>> {
                $as_gauge(self)
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

kind!(Gauge, gauges, true, Some);
kind!(Budget, budgets, false, |_| None);
