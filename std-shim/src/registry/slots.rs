//! Where the gauges and budgets of a registry are: in slots of chunks that never move.
//!
//! Each has the number of its registration, from 1. Gauges and budgets have chunks of their own.
//! The slots of a chunk are taken one after the other, so their numbers ascend, and those of one
//! chunk are all below those of the next. A chunk that is empty is freed, but for the one whose
//! slots are being taken. If that one is empty when all of its slots were taken, they are taken
//! again.
//!
//! ```text
//! QueueGauge ──► SlotRef ──► Chunk { gauge, gauge, .. }
//!                              ▲
//! registry's lock ──► Gauges { Listed { first, last, held, pinned, chunk }, .. }
//! ```

use std::array;
use std::collections::VecDeque;
use std::iter;
use std::ops::{ControlFlow, Deref};
use std::ptr;
use std::sync::Arc;

use fillgauge::{Budget, Gauge, GaugeConfig, Limit};

use super::account::{Birth, Remains};
use super::listing::ListingRef;
use super::outlet::Outlet;
use super::source::{Kind, Source};
use super::sums::LimitSums;
use crate::delivery::background::Errand;
use crate::sync::List;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How many slots a chunk has.
pub(super) const CHUNK: usize = 16;

/// How far apart the numbers of one chunk are at most. Its range is closed to others, and few
/// chunks may not use all numbers up.
const SPAN: usize = usize::MAX >> 16;

/// Gauges, or budgets, that do not move.
pub(super) struct Chunk<S> {
    slots: [S; CHUNK],
    /// What keeps each of them for the delivery of its event. Changed under the registry's lock.
    pins: [AtomicUsize; CHUNK],
}

/// The right to renew the gauges and budgets of a registry.
#[derive(Debug)]
pub struct RenewSlot(pub(super) ());

impl<S: Kind> Chunk<S> {
    /// A chunk of free slots for the registry `listing`.
    pub(super) fn new(listing: &ListingRef) -> Self {
        static FREE: Limit = Limit::queue("");
        let config = GaugeConfig::new(&FREE, 0);
        Self {
            slots: array::from_fn(|_| S::vacant(config, Outlet::new(listing))),
            pins: array::from_fn(|_| AtomicUsize::new(0)),
        }
    }
}

impl<S> Chunk<S> {
    /// The slot at `index`, modulo their number.
    #[inline]
    #[allow(clippy::indexing_slicing)] // The index is always one of theirs.
    pub(super) fn slot(&self, index: usize) -> &S {
        &self.slots[index % CHUNK]
    }
}

/// A chunk of either kind.
pub(super) trait AnyChunk: Errand {
    fn source(&self, index: usize) -> &dyn Source;
    fn into_errand(self: Arc<Self>) -> Arc<dyn Errand>;
}

impl<S: Kind> AnyChunk for Chunk<S> {
    fn source(&self, index: usize) -> &dyn Source {
        self.slot(index)
    }

    fn into_errand(self: Arc<Self>) -> Arc<dyn Errand> {
        self
    }
}

/// A reference to what is in a slot. It does not keep the slot from being used again: that is up to
/// who has it, see [`Gauges::leave`].
pub(super) struct SlotRef<S> {
    chunk: Arc<Chunk<S>>,
    index: usize,
}

impl<S> Deref for SlotRef<S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        self.chunk.slot(self.index)
    }
}

/// A reference to what is in a slot, and is kept there, see [`Gauges::pin`].
pub(super) struct Pinned {
    pub(super) chunk: Arc<dyn AnyChunk>,
    pub(super) index: usize,
}

impl Deref for Pinned {
    type Target = dyn Source;

    fn deref(&self) -> &dyn Source {
        self.chunk.source(self.index)
    }
}

/// The gauges and budgets of a registry, behind its lock.
#[derive(Default)]
pub(super) struct Gauges {
    kinds: Kinds,
    /// How many of both users hold.
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
}

/// The chunks of one kind.
pub(super) struct Chunks<S> {
    /// In the order of their numbers.
    list: VecDeque<Listed<S>>,
    /// The first number of the chunk whose slots are being taken.
    filling: usize,
}

/// A chunk in a registry.
pub(super) struct Listed<S> {
    /// No more than the number of what is, or was, in its first slot.
    first: usize,
    /// That of the slot that was taken last. One less than `first` if none was.
    last: usize,
    chunk: Arc<Chunk<S>>,
    /// How many slots were taken.
    taken: u16,
    /// A bit for each that users hold.
    held: u16,
    /// A bit for each that is pinned: kept for the delivery of its event. If users do not hold it,
    /// it is gone for everyone else.
    pinned: u16,
}

const _: () = assert!(CHUNK == u16::BITS as usize);

impl<S: Kind> List<Gauges> for Listed<S> {
    type Entry = Self;

    fn entries(state: &mut Gauges) -> &mut VecDeque<Self> {
        &mut S::chunks(&mut state.kinds).list
    }
}

impl List<Gauges> for LimitSums {
    type Entry = LimitSums;

    fn entries(state: &mut Gauges) -> &mut VecDeque<LimitSums> {
        &mut state.sums
    }
}

fn bit(index: usize) -> u16 {
    1 << (index % CHUNK)
}

impl<S: Kind> Listed<S> {
    fn new(first: usize, chunk: Arc<Chunk<S>>) -> Self {
        Self {
            first,
            last: first.wrapping_sub(1),
            chunk,
            taken: 0,
            held: 0,
            pinned: 0,
        }
    }

    #[inline]
    fn has_room_for(&self, instance: usize) -> bool {
        usize::from(self.taken) < CHUNK && instance - self.first < SPAN
    }

    /// Takes the next slot for the number `instance`.
    #[inline]
    fn take(&mut self, instance: usize) -> SlotRef<S> {
        let index = usize::from(self.taken);
        self.taken += 1;
        self.last = instance;
        self.held |= bit(index);
        SlotRef {
            chunk: Arc::clone(&self.chunk),
            index,
        }
    }

    #[inline]
    fn sources(&self, mut bits: u16) -> impl Iterator<Item = &S> {
        iter::from_fn(move || {
            let index = bits.trailing_zeros() as usize;
            bits &= bits.checked_sub(1)?;
            Some(self.chunk.slot(index))
        })
    }

    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn weak(&self) -> std::sync::Weak<Chunk<S>> {
        Arc::downgrade(&self.chunk)
    }

    fn is_empty(&self) -> bool {
        self.held | self.pinned == 0
    }

    /// Where the number `instance` is.
    fn index_of(&self, instance: usize) -> Option<usize> {
        let taken = self.chunk.slots.get(..usize::from(self.taken))?;
        let index = taken.partition_point(|slot| slot.instance() < instance);
        let found = taken.get(index)?.instance() == instance;
        found.then_some(index)
    }

    fn pin(&mut self, index: usize) -> Option<Pinned> {
        if (self.held | self.pinned) & bit(index) == 0 {
            return None;
        }
        self.chunk.pins.get(index)?.fetch_add(1, Ordering::Relaxed);
        self.pinned |= bit(index);
        Some(Pinned {
            chunk: Arc::<Chunk<S>>::clone(&self.chunk),
            index,
        })
    }

    fn unpin(&mut self, index: usize) {
        if let Some(pins) = self.chunk.pins.get(index) {
            if pins.fetch_sub(1, Ordering::Relaxed) == 1 {
                self.pinned &= !bit(index);
            }
        }
    }
}

impl<S> Default for Chunks<S> {
    fn default() -> Self {
        Self {
            list: VecDeque::new(),
            filling: 0,
        }
    }
}

impl<S: Kind> Chunks<S> {
    /// How many chunks begin with `instance` or a number before it.
    #[inline]
    fn until(&self, instance: usize) -> usize {
        // Most that come or go are among the latest that came.
        match self.list.back() {
            Some(chunk) if chunk.first <= instance => self.list.len(),
            _ => self.list.partition_point(|chunk| chunk.first <= instance),
        }
    }

    /// Where the chunk of the number `instance` is, if there is one.
    #[inline]
    fn position(&self, instance: usize) -> Option<usize> {
        self.until(instance).checked_sub(1)
    }

    /// The last number of the chunk among whose numbers `instance` is.
    fn end_of_range(&self, instance: usize) -> Option<usize> {
        let last = self.list.get(self.position(instance)?)?.last;
        (last >= instance).then_some(last)
    }

    /// Where the chunk is that has room for the number `instance`. `None` if there is no room:
    /// without `spare` for a chunk, or in the list.
    #[inline]
    fn position_for(
        &mut self,
        instance: usize,
        spare: &mut Option<Arc<Chunk<S>>>,
    ) -> Option<usize> {
        if let Some(position) = self.position(instance) {
            let chunk = self.list.get(position)?;
            if chunk.first == self.filling && chunk.has_room_for(instance) {
                return Some(position);
            }
        }
        let chunk = match self.take_filled_if_empty() {
            Some(filled) => filled.chunk,
            None if self.list.len() == self.list.capacity() => return None,
            None => spare.take()?,
        };
        let position = self.until(instance);
        self.list.insert(position, Listed::new(instance, chunk));
        self.filling = instance;
        Some(position)
    }

    /// Takes the chunk whose slots were taken last out of the list, if it is empty.
    #[inline]
    fn take_filled_if_empty(&mut self) -> Option<Listed<S>> {
        let position = self.position(self.filling)?;
        let is_empty = self.list.get(position)?.is_empty();
        is_empty.then(|| self.list.remove(position)).flatten()
    }

    /// Takes the chunk at `position` out of the list, if it is empty and not needed.
    #[inline]
    fn take_unused(&mut self, position: usize) -> Option<Arc<Chunk<S>>> {
        let chunk = self.list.get(position)?;
        let is_needed = !chunk.is_empty() || chunk.first == self.filling;
        let chunk = (!is_needed).then(|| self.list.remove(position)).flatten();
        chunk.map(|chunk| chunk.chunk)
    }

    /// What users hold, from the number `instance` on.
    fn held_from(&self, instance: usize) -> impl Iterator<Item = &S> {
        let position = self.position(instance).unwrap_or(0);
        let chunks = self.list.range(position..);
        chunks
            .flat_map(|chunk| chunk.sources(chunk.held))
            .skip_while(move |source| source.instance() < instance)
    }

    /// What is only kept for the delivery of its event.
    fn leaving(&self) -> impl Iterator<Item = &dyn Source> {
        let chunks = self.list.iter();
        let leaving = chunks.flat_map(|chunk| chunk.sources(chunk.pinned & !chunk.held));
        leaving.map(|source| -> &dyn Source { source })
    }

    fn find(&mut self, instance: usize) -> Option<(usize, usize)> {
        let position = self.position(instance)?;
        let index = self.list.get(position)?.index_of(instance)?;
        Some((position, index))
    }

    fn pin(&mut self, instance: usize) -> Option<Pinned> {
        let (position, index) = self.find(instance)?;
        self.list.get_mut(position)?.pin(index)
    }

    /// The number of the first that is held or pinned after `instance`.
    fn next_after(&self, instance: usize) -> Option<usize> {
        let position = self.position(instance).unwrap_or(0);
        let chunks = self.list.range(position..);
        let kept = chunks.flat_map(|chunk| chunk.sources(chunk.held | chunk.pinned));
        kept.map(Source::instance).find(|&next| next > instance)
    }

    fn is_roomy(&self) -> bool {
        self.list.capacity() > 8 * self.list.len() + 64
    }

    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn iter(&self) -> impl Iterator<Item = &Listed<S>> {
        self.list.iter()
    }

    /// How many chunks there are, and how many have room in their list.
    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.list.len(), self.list.capacity())
    }
}

impl Gauges {
    /// How many users hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many there are, also those that are only kept for the delivery of their event.
    pub(super) fn kept(&self) -> usize {
        self.held + self.leaving().count()
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
        mut visit: impl FnMut(&dyn Source) -> ControlFlow<()>,
    ) {
        if !self.kinds.budgets.list.is_empty() {
            let _ = self.both_from(instance).try_for_each(visit);
            return;
        }
        let position = self.kinds.gauges.position(instance).unwrap_or(0);
        for chunk in self.kinds.gauges.list.range(position..) {
            for gauge in chunk.sources(chunk.held) {
                if gauge.instance() >= instance && visit(gauge).is_break() {
                    return;
                }
            }
        }
    }

    fn both_from(&self, instance: usize) -> impl Iterator<Item = &dyn Source> {
        let mut gauges = self.kinds.gauges.held_from(instance).peekable();
        let mut budgets = self.kinds.budgets.held_from(instance).peekable();
        iter::from_fn(move || {
            let budget_is_next = match (gauges.peek(), budgets.peek()) {
                (Some(gauge), Some(budget)) => budget.instance() < gauge.instance(),
                (gauge, _) => gauge.is_none(),
            };
            if budget_is_next {
                budgets.next().map(|budget| -> &dyn Source { budget })
            } else {
                gauges.next().map(|gauge| -> &dyn Source { gauge })
            }
        })
    }

    /// Those that are only kept for the delivery of their event. The sums do not have them yet.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &dyn Source> {
        self.kinds
            .gauges
            .leaving()
            .chain(self.kinds.budgets.leaving())
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
            let taken = self.kinds.gauges.end_of_range(instance);
            match taken.or_else(|| self.kinds.budgets.end_of_range(instance)) {
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
        sums.add_registration(S::HAS_TOTALS);
        let slot = S::chunks(&mut self.kinds)
            .list
            .get_mut(position)?
            .take(instance);
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
        let chunks = S::chunks(&mut self.kinds);
        let position = chunks.position(slot.instance())?;
        chunks.list.get_mut(position)?.held &= !bit(slot.index);
        self.held -= 1;
        self.remove_if_unused::<S>(position, slot.index)
    }

    /// Pins what has the number `instance`: keeps it for the delivery of its event.
    pub(super) fn pin(&mut self, instance: usize) -> Option<Pinned> {
        let gauge = self.kinds.gauges.pin(instance);
        gauge.or_else(|| self.kinds.budgets.pin(instance))
    }

    /// Pins the first that was registered after `instance`.
    pub(super) fn pin_after(&mut self, instance: usize) -> Option<Pinned> {
        let gauge = self.kinds.gauges.next_after(instance);
        let budget = self.kinds.budgets.next_after(instance);
        self.pin(gauge.into_iter().chain(budget).min()?)
    }

    /// Gives up one pin of what has the number `instance`. What it returns is to be dropped when
    /// the lock is free.
    pub(super) fn unpin(&mut self, instance: usize) -> Option<Gone> {
        if self.kinds.gauges.find(instance).is_some() {
            self.unpin_one::<Gauge<Outlet>>(instance)
        } else {
            self.unpin_one::<Budget<Outlet>>(instance)
        }
    }

    fn unpin_one<S: Kind>(&mut self, instance: usize) -> Option<Gone> {
        let chunks = S::chunks(&mut self.kinds);
        let (position, index) = chunks.find(instance)?;
        chunks.list.get_mut(position)?.unpin(index);
        self.remove_if_unused::<S>(position, index)
    }

    /// Removes what is at `index` of the chunk at `position`, unless something keeps it.
    #[inline]
    fn remove_if_unused<S: Kind>(&mut self, position: usize, index: usize) -> Option<Gone> {
        let chunks = S::chunks(&mut self.kinds);
        let listed = chunks.list.get(position)?;
        if (listed.held | listed.pinned) & bit(index) != 0 {
            return None;
        }
        let slot = listed.chunk.slot(index);
        let remains = slot.outlet().take_remains();
        let refused = slot.refused();
        let backpressure = (remains.as_ref()).and_then(|remains| remains.backpressure(refused));
        let has_counted = slot.totals().is_some_and(|totals| totals != (0, 0));
        let was_used = slot.high_water() > 0 || has_counted || refused > 0;
        if was_used || backpressure.is_some() {
            if let Some(sums) = sums_of(&mut self.sums, slot.limit()) {
                sums.add(slot, backpressure);
            }
        }
        let chunk = chunks.take_unused(position);
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

/// What [`Gauges::roomy`] finds.
#[derive(Clone, Copy, Default)]
pub(super) struct Roomy {
    pub(super) gauges: bool,
    pub(super) budgets: bool,
}
