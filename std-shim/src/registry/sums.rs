//! What gauges come to together.

use std::ptr;

use fillgauge::{Limit, Totals};

use super::source::Source;
use crate::backpressure::Backpressure;
use crate::pressure::{Lengths, NearTimes};
use crate::sync::elapsed;

/// What gauges come to together, or what one of them comes to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sums {
    /// The greatest.
    pub(crate) high_water: usize,
    pub(crate) warnings: usize,
    /// `None` if none counts them.
    pub(crate) totals: Option<Totals>,
    pub(crate) refused: usize,
    /// `None` if none is of a channel.
    pub(crate) backpressure: Option<Backpressure>,
    pub(crate) near: Lengths,
}

impl Sums {
    pub(crate) fn add(&mut self, more: &Self) {
        self.high_water = self.high_water.max(more.high_water);
        self.warnings = self.warnings.wrapping_add(more.warnings);
        add_totals(&mut self.totals, more.totals);
        self.refused = self.refused.wrapping_add(more.refused);
        add_backpressure(&mut self.backpressure, more.backpressure);
        self.near.add(more.near);
    }
}

pub(crate) fn add_totals(sum: &mut Option<Totals>, more: Option<Totals>) {
    if let Some(more) = more {
        let totals = sum.get_or_insert_default();
        totals.enqueued = totals.enqueued.wrapping_add(more.enqueued);
        totals.dequeued = totals.dequeued.wrapping_add(more.dequeued);
    }
}

pub(crate) fn add_backpressure(sum: &mut Option<Backpressure>, more: Option<Backpressure>) {
    if let Some(more) = more {
        sum.get_or_insert_default().add(more);
    }
}

/// What the gauges of one limit of a registry that are gone have left.
#[derive(Clone, Copy)]
pub(crate) struct LimitSums {
    pub(crate) limit: &'static Limit,
    /// Gauges that were ever registered.
    pub(crate) registered: usize,
    /// The totals are `None` if none was ever registered that counts them.
    pub(crate) gone: Sums,
}

impl LimitSums {
    pub(super) fn new(limit: &'static Limit) -> Self {
        Self {
            limit,
            registered: 0,
            gone: Sums::default(),
        }
    }

    /// Counts one more registration.
    pub(super) fn add_registration(&mut self, has_totals: bool) {
        self.registered = self.registered.wrapping_add(1);
        if has_totals {
            self.gone.totals.get_or_insert_default();
        }
    }

    /// The same for the same reference.
    pub(super) fn key(&self) -> usize {
        ptr::from_ref(self.limit).addr()
    }

    /// Adds a gauge to the sums of its limit. They are in the order of their keys.
    pub(super) fn add_to(sums: &mut [Self], gauge: &dyn Source) {
        let key = ptr::from_ref(gauge.limit()).addr();
        if let Ok(position) = sums.binary_search_by_key(&key, Self::key) {
            if let Some(sums) = sums.get_mut(position) {
                let channel = gauge.outlet().channel();
                let backpressure = channel.map(|channel| channel.backpressure(gauge.refused()));
                let near = gauge.outlet().near_times();
                sums.add(gauge, gauge.totals(), backpressure, near);
            }
        }
    }

    pub(super) fn add(
        &mut self,
        gauge: &dyn Source,
        counted: Option<(usize, usize)>,
        backpressure: Option<Backpressure>,
        near: NearTimes,
    ) {
        // The clock is read only if it is near its capacity now.
        let now = if near.is_near() { elapsed() } else { None };
        let totals = |(enqueued, dequeued)| {
            let mut totals = Totals::default();
            (totals.enqueued, totals.dequeued) = (enqueued, dequeued);
            totals
        };
        self.gone.add(&Sums {
            high_water: gauge.high_water(),
            warnings: gauge.warnings(),
            totals: counted.map(totals),
            refused: gauge.refused(),
            backpressure,
            near: near.until(now),
        });
    }
}
