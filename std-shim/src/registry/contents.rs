//! What the lock of a registry guards: its gauges, budgets and probes, which are numbered together,
//! and the sums of those that are gone.

use std::collections::VecDeque;
use std::iter;
use std::ops::ControlFlow;
use std::ptr;
use std::sync::Arc;

use fillgauge::{Budget, Gauge, GaugeConfig, Limit, Probe};

use super::account::{Birth, Remains};
use super::outlet::Outlet;
use super::slots::{AnyChunk, Chunk, Chunks, Listed, Pinned, SlotRef};
use super::source::{Kind, Source};
use super::sums::LimitSums;
use crate::sync::List;

/// The gauges, budgets and probes of a registry, behind its lock.
#[derive(Default)]
pub(super) struct Contents {
    kinds: Kinds,
    /// How many of all kinds users hold.
    held: usize,
    /// The number of the latest registration.
    latest: usize,
    /// Whether there were more registrations than fit in the word.
    has_wrapped: bool,
    /// By the address of the limit.
    sums: VecDeque<LimitSums>,
}

/// The chunks of each kind.
#[derive(Default)]
pub(super) struct Kinds {
    pub(super) gauges: Chunks<Gauge<Outlet>>,
    pub(super) budgets: Chunks<Budget<Outlet>>,
    pub(super) probes: Chunks<Probe<Outlet>>,
}

impl<S: Kind> List<Contents> for Listed<S> {
    type Entry = Self;

    fn entries(state: &mut Contents) -> &mut VecDeque<Self> {
        S::chunks(&mut state.kinds).list()
    }
}

impl List<Contents> for LimitSums {
    type Entry = LimitSums;

    fn entries(state: &mut Contents) -> &mut VecDeque<LimitSums> {
        &mut state.sums
    }
}

impl Contents {
    /// How many users hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many there are, also those that are only kept for the delivery of their event.
    pub(super) fn kept(&self) -> usize {
        self.held + self.leaving().count()
    }

    /// The number of the latest registration.
    pub(super) fn latest(&self) -> usize {
        self.latest
    }

    /// The sums of each limit, of gauges that are gone.
    pub(super) fn sums(&self) -> impl ExactSizeIterator<Item = &LimitSums> {
        self.sums.iter()
    }

    /// Visits what users hold, from the number `instance` on, in order of registration.
    #[inline]
    pub(super) fn visit_from(
        &self,
        instance: usize,
        visit: impl FnMut(&dyn Source) -> ControlFlow<()>,
    ) {
        if self.kinds.budgets.are_none() && self.kinds.probes.are_none() {
            self.kinds.gauges.visit_from(instance, visit);
        } else {
            let _ = self.all_from(instance).try_for_each(visit);
        }
    }

    fn all_from(&self, instance: usize) -> impl Iterator<Item = &dyn Source> {
        let mut gauges = self.kinds.gauges.held_from(instance).peekable();
        let mut budgets = self.kinds.budgets.held_from(instance).peekable();
        let mut probes = self.kinds.probes.held_from(instance).peekable();
        iter::from_fn(move || {
            let gauge = gauges.peek().map(|gauge| gauge.instance());
            let budget = budgets.peek().map(|budget| budget.instance());
            let probe = probes.peek().map(|probe| probe.instance());
            let first = [gauge, budget, probe].into_iter().flatten().min();
            if first == gauge {
                gauges.next().map(|gauge| -> &dyn Source { gauge })
            } else if first == budget {
                budgets.next().map(|budget| -> &dyn Source { budget })
            } else {
                probes.next().map(|probe| -> &dyn Source { probe })
            }
        })
    }

    /// Those that are only kept for the delivery of their event. The sums do not have them yet.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &dyn Source> {
        self.kinds
            .gauges
            .leaving()
            .chain(self.kinds.budgets.leaving())
            .chain(self.kinds.probes.leaving())
    }

    /// The number of the next registration. Nobody has the number 0.
    #[inline]
    fn next_instance(&mut self) -> usize {
        match self.latest.checked_add(1) {
            Some(instance) if !self.has_wrapped => instance,
            _ => self.next_free_instance(),
        }
    }

    /// The same when the numbers have wrapped: not one of the range of a chunk.
    #[cold]
    fn next_free_instance(&mut self) -> usize {
        self.has_wrapped = true;
        let mut instance = self.latest;
        loop {
            instance = instance.wrapping_add(1).max(1);
            let Kinds {
                gauges,
                budgets,
                probes,
            } = &self.kinds;
            let taken = gauges.end_of_range(instance);
            let taken = taken.or_else(|| budgets.end_of_range(instance));
            match taken.or_else(|| probes.end_of_range(instance)) {
                Some(end) => instance = end,
                None => return instance,
            }
        }
    }

    /// Takes the slot of the next number, and renews it. `None` if there is no room: without
    /// `spare` for a chunk, or in the lists.
    #[inline]
    pub(super) fn enlist<S: Kind>(
        &mut self,
        config: GaugeConfig,
        birth: &mut Birth,
        spare: &mut Option<Arc<Chunk<S>>>,
    ) -> Option<SlotRef<S>> {
        let instance = self.next_instance();
        let position = S::chunks(&mut self.kinds).position_for(instance, spare)?;
        let sums = sums_of(&mut self.sums, config.limit())?;
        sums.add_registration(S::HAS_TOTALS || birth.particulars.have_totals());
        let slot = S::chunks(&mut self.kinds).take(position, instance)?;
        self.held += 1;
        self.latest = instance;
        slot.outlet().renew(birth);
        slot.renew_slot(config, instance);
        Some(slot)
    }

    /// The users of what is in `slot` hold it no more. What it returns is to be dropped when the
    /// lock is free.
    #[inline]
    pub(super) fn leave<S: Kind>(&mut self, slot: &SlotRef<S>) -> Option<Gone> {
        let place = S::chunks(&mut self.kinds).leave(slot)?;
        self.held -= 1;
        self.remove_if_unused::<S>(place)
    }

    /// Pins what has the number `instance`: keeps it for the delivery of its event.
    pub(super) fn pin(&mut self, instance: usize) -> Option<Pinned> {
        let kinds = &mut self.kinds;
        let pinned = kinds.gauges.pin(instance);
        let pinned = pinned.or_else(|| kinds.budgets.pin(instance));
        pinned.or_else(|| kinds.probes.pin(instance))
    }

    /// Pins the first that was registered after `instance`.
    pub(super) fn pin_after(&mut self, instance: usize) -> Option<Pinned> {
        let gauge = self.kinds.gauges.next_after(instance);
        let budget = self.kinds.budgets.next_after(instance);
        let probe = self.kinds.probes.next_after(instance);
        self.pin([gauge, budget, probe].into_iter().flatten().min()?)
    }

    /// Gives up one pin of what has the number `instance`. What it returns is to be dropped when
    /// the lock is free.
    pub(super) fn unpin(&mut self, instance: usize) -> Option<Gone> {
        if let Some(place) = self.kinds.gauges.unpin(instance) {
            return self.remove_if_unused::<Gauge<Outlet>>(place);
        }
        if let Some(place) = self.kinds.budgets.unpin(instance) {
            return self.remove_if_unused::<Budget<Outlet>>(place);
        }
        let place = self.kinds.probes.unpin(instance)?;
        self.remove_if_unused::<Probe<Outlet>>(place)
    }

    /// Removes what is at `place`, unless something keeps it.
    #[inline]
    fn remove_if_unused<S: Kind>(&mut self, place: (usize, usize)) -> Option<Gone> {
        let chunks = S::chunks(&mut self.kinds);
        let slot = chunks.unkept(place)?;
        // Before the channel is taken out, which may be what counts.
        let totals = slot.totals();
        let remains = slot.outlet().take_remains();
        let near = remains
            .as_ref()
            .map(Remains::near_times)
            .unwrap_or_default();
        let refused = slot.refused();
        let backpressure = (remains.as_ref()).and_then(|remains| remains.backpressure(refused));
        let has_counted = totals.is_some_and(|totals| totals != (0, 0));
        let was_used = slot.high_water() > 0 || has_counted || refused > 0;
        if was_used || backpressure.is_some() {
            if let Some(sums) = sums_of(&mut self.sums, slot.limit()) {
                sums.add(slot, totals, backpressure, near);
            }
        }
        let chunk = chunks.take_unused(place.0);
        (remains.is_some() || chunk.is_some()).then(|| Gone {
            chunk: chunk.map(|chunk| -> Arc<dyn AnyChunk> { chunk }),
            remains,
        })
    }

    /// Which lists of chunks take much more memory than they need.
    pub(super) fn roomy(&self) -> Roomy {
        Roomy {
            gauges: self.kinds.gauges.is_roomy(),
            budgets: self.kinds.budgets.is_roomy(),
            probes: self.kinds.probes.is_roomy(),
        }
    }

    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn kinds(&self) -> &Kinds {
        &self.kinds
    }

    /// As after so many registrations.
    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn set_latest(&mut self, instance: usize) {
        self.has_wrapped |= instance < self.latest;
        self.latest = instance;
    }
}

/// The sums of `limit`, which there are afterwards, if there is room.
#[inline]
fn sums_of<'sums>(
    sums: &'sums mut VecDeque<LimitSums>,
    limit: &'static Limit,
) -> Option<&'sums mut LimitSums> {
    let key = ptr::from_ref(limit).addr();
    let position = match sums.binary_search_by_key(&key, LimitSums::key) {
        Ok(position) => position,
        Err(_) if sums.len() == sums.capacity() => return None,
        Err(position) => {
            sums.insert(position, LimitSums::new(limit));
            position
        }
    };
    sums.get_mut(position)
}

/// What is left of what is gone.
pub(super) struct Gone {
    /// One that has left its list.
    pub(super) chunk: Option<Arc<dyn AnyChunk>>,
    pub(super) remains: Option<Remains>,
}

/// What [`Contents::roomy`] finds.
#[derive(Clone, Copy, Default)]
pub(super) struct Roomy {
    pub(super) gauges: bool,
    pub(super) budgets: bool,
    pub(super) probes: bool,
}
