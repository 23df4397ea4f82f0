//! A registry as a list of slots.

use super::gauge::{Figures, ReferenceGauge};
use super::history::Setup;

#[derive(Debug)]
struct Registration {
    gauge: ReferenceGauge,
    handles: usize,
}

#[derive(Debug)]
pub(super) struct ReferenceRegistry {
    slots: Vec<Option<Registration>>,
    registered: usize,
}

impl ReferenceRegistry {
    pub(super) fn new(slots: usize) -> Self {
        Self {
            slots: (0..slots).map(|_| None).collect(),
            registered: 0,
        }
    }

    /// The slot of the new gauge, unless all are taken.
    pub(super) fn register(&mut self, setup: Setup) -> Option<usize> {
        let slot = self.slots.iter().position(Option::is_none)?;
        self.registered += 1;
        let gauge = if setup.is_budget() {
            ReferenceGauge::new_budget(setup, self.registered)
        } else {
            ReferenceGauge::new(setup, self.registered)
        };
        self.slots[slot] = Some(Registration { gauge, handles: 1 });
        Some(slot)
    }

    pub(super) fn clone_handle(&mut self, slot: usize) {
        self.registration(slot).handles += 1;
    }

    pub(super) fn drop_handle(&mut self, slot: usize) {
        let registration = self.registration(slot);
        registration.handles -= 1;
        if registration.handles == 0 {
            self.slots[slot] = None;
        }
    }

    pub(super) fn gauge(&mut self, slot: usize) -> &mut ReferenceGauge {
        &mut self.registration(slot).gauge
    }

    /// Of every live gauge, in the order of their registration.
    pub(super) fn figures(&self) -> Vec<Figures> {
        let live = self.slots.iter().flatten();
        let mut figures: Vec<_> = live.map(|taken| taken.gauge.figures()).collect();
        figures.sort_by_key(|figures| figures.instance);
        figures
    }

    fn registration(&mut self, slot: usize) -> &mut Registration {
        self.slots[slot].as_mut().expect("the slot is taken")
    }
}
