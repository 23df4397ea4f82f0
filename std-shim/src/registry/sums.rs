//! What the gauges of a limit that are gone have left.

use std::ptr;

use fillgauge::{Gauge, Limit};

use super::outlet::Outlet;
use crate::backpressure::Backpressure;

/// The sums of one limit of a registry.
#[derive(Clone, Copy)]
pub(crate) struct LimitSums {
    pub(crate) limit: &'static Limit,
    /// Gauges that were ever registered.
    pub(crate) registered: usize,
    /// Of gauges that are gone, as all that follow.
    pub(crate) high_water: usize,
    pub(crate) warnings: usize,
    pub(crate) enqueued: usize,
    pub(crate) dequeued: usize,
    pub(crate) refused: usize,
    /// `None` if none of them was of a channel.
    pub(crate) backpressure: Option<Backpressure>,
}

impl LimitSums {
    pub(super) fn new(limit: &'static Limit) -> Self {
        Self {
            limit,
            registered: 0,
            high_water: 0,
            warnings: 0,
            enqueued: 0,
            dequeued: 0,
            refused: 0,
            backpressure: None,
        }
    }

    /// The same for the same reference.
    pub(super) fn key(&self) -> usize {
        ptr::from_ref(self.limit).addr()
    }

    /// Adds a gauge to the sums of its limit. They are in the order of their keys.
    pub(super) fn add_to(sums: &mut [Self], gauge: &Gauge<Outlet>) {
        let key = ptr::from_ref(gauge.limit()).addr();
        if let Ok(position) = sums.binary_search_by_key(&key, Self::key) {
            if let Some(sums) = sums.get_mut(position) {
                let stats = gauge.delivery().backpressure();
                sums.add(
                    gauge,
                    stats.map(|stats| stats.backpressure(gauge.refused())),
                );
            }
        }
    }

    pub(super) fn add(&mut self, gauge: &Gauge<Outlet>, backpressure: Option<Backpressure>) {
        self.high_water = self.high_water.max(gauge.high_water());
        self.warnings = self.warnings.wrapping_add(gauge.warnings());
        self.enqueued = self.enqueued.wrapping_add(gauge.enqueued());
        self.dequeued = self.dequeued.wrapping_add(gauge.dequeued());
        self.refused = self.refused.wrapping_add(gauge.refused());
        if let Some(backpressure) = backpressure {
            self.backpressure.get_or_insert_default().add(backpressure);
        }
    }
}
