//! What the gauges of a limit that are gone have left.

use std::ptr;

use fillgauge::{Limit, Totals};

use super::source::Source;
use crate::backpressure::Backpressure;
use crate::pressure::{Lengths, NearTimes};
use crate::sync::elapsed;

/// The sums of one limit of a registry.
#[derive(Clone, Copy)]
pub(crate) struct LimitSums {
    pub(crate) limit: &'static Limit,
    /// Gauges that were ever registered.
    pub(crate) registered: usize,
    /// Of gauges that are gone, as all that follow.
    pub(crate) high_water: usize,
    pub(crate) warnings: usize,
    /// `None` if none was ever registered that counts them.
    pub(crate) totals: Option<Totals>,
    pub(crate) refused: usize,
    /// `None` if none of them was of a channel.
    pub(crate) backpressure: Option<Backpressure>,
    pub(crate) near: Lengths,
}

impl LimitSums {
    pub(super) fn new(limit: &'static Limit) -> Self {
        Self {
            limit,
            registered: 0,
            high_water: 0,
            warnings: 0,
            totals: None,
            refused: 0,
            backpressure: None,
            near: Lengths::default(),
        }
    }

    /// Counts one more registration.
    pub(super) fn add_registration(&mut self, has_totals: bool) {
        self.registered = self.registered.wrapping_add(1);
        if has_totals {
            self.totals.get_or_insert_default();
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
        self.near.add(near.until(now));
        self.high_water = self.high_water.max(gauge.high_water());
        self.warnings = self.warnings.wrapping_add(gauge.warnings());
        if let Some((enqueued, dequeued)) = counted {
            let totals = self.totals.get_or_insert_default();
            totals.enqueued = totals.enqueued.wrapping_add(enqueued);
            totals.dequeued = totals.dequeued.wrapping_add(dequeued);
        }
        self.refused = self.refused.wrapping_add(gauge.refused());
        if let Some(backpressure) = backpressure {
            self.backpressure.get_or_insert_default().add(backpressure);
        }
    }
}
