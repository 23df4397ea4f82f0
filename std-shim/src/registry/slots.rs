//! Where the gauges, the budgets, or the probes of a registry are: in slots of chunks, which never
//! move.
//!
//! Each has the number of its registration, from 1. The slots of a chunk are taken one after the
//! other, so their numbers ascend, and those of one chunk are all below those of the next. A chunk
//! that is empty is freed, but for the one whose slots are being taken. If that one is empty when
//! all of its slots were taken, they are taken again.
//!
//! ```text
//! QueueGauge ──► SlotRef ──► Chunk { gauge, gauge, .. }
//!                              ▲
//! Chunks { Listed { first, last, held, pinned, chunk }, .. }
//! ```

use std::array;
use std::collections::VecDeque;
use std::iter;
use std::ops::{ControlFlow, Deref};
use std::sync::Arc;

use fillgauge::{GaugeConfig, Limit};

use super::listing::ListingRef;
use super::outlet::Outlet;
use super::source::{Kind, Source};
use crate::delivery::background::Errand;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How many slots a chunk has.
pub(super) const CHUNK: usize = 16;

/// How far apart the numbers of one chunk are at most. Its range is closed to others, and few
/// chunks may not use all numbers up.
const SPAN: usize = usize::MAX >> 16;

/// Gauges, budgets, or probes that do not move.
pub(super) struct Chunk<S> {
    slots: [S; CHUNK],
    /// What keeps each of them for the delivery of its event. Changed under the registry's lock.
    pins: [AtomicUsize; CHUNK],
}

/// The right to renew the gauges, budgets and probes of a registry.
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

/// A chunk of any kind.
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
/// who has it, see
/// [`Contents::leave`](super::contents::Contents::leave).
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

/// A reference to what is in a slot, and is kept there, see
/// [`Contents::pin`](super::contents::Contents::pin).
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
    /// For what makes room in it.
    pub(super) fn list(&mut self) -> &mut VecDeque<Listed<S>> {
        &mut self.list
    }

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
    pub(super) fn end_of_range(&self, instance: usize) -> Option<usize> {
        let last = self.list.get(self.position(instance)?)?.last;
        (last >= instance).then_some(last)
    }

    /// Where the chunk is that has room for the number `instance`. `None` if there is no room:
    /// without `spare` for a chunk, or in the list.
    #[inline]
    pub(super) fn position_for(
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
    pub(super) fn take_unused(&mut self, position: usize) -> Option<Arc<Chunk<S>>> {
        let chunk = self.list.get(position)?;
        let is_needed = !chunk.is_empty() || chunk.first == self.filling;
        let chunk = (!is_needed).then(|| self.list.remove(position)).flatten();
        chunk.map(|chunk| chunk.chunk)
    }

    /// Takes the next slot of the chunk at `position`, for the number `instance`.
    #[inline]
    pub(super) fn take(&mut self, position: usize, instance: usize) -> Option<SlotRef<S>> {
        Some(self.list.get_mut(position)?.take(instance))
    }

    /// The users of what is in `slot` hold it no more. Returns where it is.
    #[inline]
    pub(super) fn leave(&mut self, slot: &SlotRef<S>) -> Option<(usize, usize)> {
        let position = self.position(slot.instance())?;
        self.list.get_mut(position)?.held &= !bit(slot.index);
        Some((position, slot.index))
    }

    /// What is at `index` of the chunk at `position`, if nothing keeps it.
    #[inline]
    pub(super) fn unkept(&self, (position, index): (usize, usize)) -> Option<&S> {
        let listed = self.list.get(position)?;
        let is_kept = (listed.held | listed.pinned) & bit(index) != 0;
        (!is_kept).then(|| listed.chunk.slot(index))
    }

    /// Whether it has no chunk at all.
    #[inline]
    pub(super) fn are_none(&self) -> bool {
        self.list.is_empty()
    }

    /// Visits what users hold, from the number `instance` on.
    #[inline]
    pub(super) fn visit_from(
        &self,
        instance: usize,
        mut visit: impl FnMut(&dyn Source) -> ControlFlow<()>,
    ) {
        // Nested loops: the iterator below takes half as long again.
        let position = self.position(instance).unwrap_or(0);
        for chunk in self.list.range(position..) {
            for source in chunk.sources(chunk.held) {
                if source.instance() >= instance && visit(source).is_break() {
                    return;
                }
            }
        }
    }

    /// What users hold, from the number `instance` on.
    pub(super) fn held_from(&self, instance: usize) -> impl Iterator<Item = &S> {
        let position = self.position(instance).unwrap_or(0);
        let chunks = self.list.range(position..);
        chunks
            .flat_map(|chunk| chunk.sources(chunk.held))
            .skip_while(move |source| source.instance() < instance)
    }

    /// What is only kept for the delivery of its event.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &dyn Source> {
        let chunks = self.list.iter();
        let leaving = chunks.flat_map(|chunk| chunk.sources(chunk.pinned & !chunk.held));
        leaving.map(|source| -> &dyn Source { source })
    }

    /// Gives up one pin of what has the number `instance`. Returns where it is.
    pub(super) fn unpin(&mut self, instance: usize) -> Option<(usize, usize)> {
        let (position, index) = self.find(instance)?;
        self.list.get_mut(position)?.unpin(index);
        Some((position, index))
    }

    fn find(&self, instance: usize) -> Option<(usize, usize)> {
        let position = self.position(instance)?;
        let index = self.list.get(position)?.index_of(instance)?;
        Some((position, index))
    }

    pub(super) fn pin(&mut self, instance: usize) -> Option<Pinned> {
        let (position, index) = self.find(instance)?;
        self.list.get_mut(position)?.pin(index)
    }

    /// The number of the first that is held or pinned after `instance`.
    pub(super) fn next_after(&self, instance: usize) -> Option<usize> {
        let position = self.position(instance).unwrap_or(0);
        let chunks = self.list.range(position..);
        let kept = chunks.flat_map(|chunk| chunk.sources(chunk.held | chunk.pinned));
        kept.map(Source::instance).find(|&next| next > instance)
    }

    pub(super) fn is_roomy(&self) -> bool {
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
