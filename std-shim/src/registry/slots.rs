//! Where the gauges of a registry are: in slots of chunks that never move.
//!
//! A gauge has the number of its registration, from 1. Its slot is at that number, so that it is
//! found at once, and all are in order of registration. A chunk that is empty is freed. The latest
//! is kept for the gauges to come, and gets another number when all of its own are taken.
//!
//! ```text
//! QueueGauge ──► SlotRef ──► Chunk { gauge, gauge, .. }
//!                              ▲
//! registry's lock ──► Gauges { Listed { number, held, pinned, chunk }, .. }
//! ```

use std::array;
use std::collections::VecDeque;
use std::iter;
use std::ops::Deref;
use std::ptr;
use std::sync::Arc;

use fillgauge::{Gauge, GaugeConfig, Limit};

use super::account::{Birth, Remains};
use super::listing::ListingRef;
use super::outlet::Outlet;
use super::sums::LimitSums;
use crate::sync::List;
use crate::sync::atomic::{AtomicUsize, Ordering};

/// How many slots a chunk has.
pub(super) const CHUNK: usize = 16;

/// Gauges that do not move.
pub(super) struct Chunk {
    slots: [Gauge<Outlet>; CHUNK],
    /// What keeps each gauge for the delivery of its event. Changed under the registry's lock.
    pins: [AtomicUsize; CHUNK],
}

/// The right to renew the gauges of a registry.
#[derive(Debug)]
pub struct RenewSlot(());

impl Chunk {
    /// A chunk of free slots for the registry `listing`.
    pub(super) fn new(listing: &ListingRef) -> Self {
        static FREE: Limit = Limit::queue("");
        let config = GaugeConfig::new(&FREE, 0);
        let slot = |_| Gauge::with_delivery(config, Outlet::new(listing));
        Self {
            slots: array::from_fn(slot),
            pins: array::from_fn(|_| AtomicUsize::new(0)),
        }
    }

    /// The slot at `index`, modulo their number.
    #[inline]
    #[allow(clippy::indexing_slicing)] // The index is always one of theirs.
    pub(super) fn slot(&self, index: usize) -> &Gauge<Outlet> {
        &self.slots[index % CHUNK]
    }
}

/// A reference to the gauge in a slot. It does not keep the slot from being used again: that is up
/// to who has it, see [`Gauges::leave`] and [`Gauges::pin`].
#[derive(Clone)]
pub(super) struct SlotRef {
    pub(super) chunk: Arc<Chunk>,
    pub(super) index: usize,
}

impl Deref for SlotRef {
    type Target = Gauge<Outlet>;

    #[inline]
    fn deref(&self) -> &Gauge<Outlet> {
        self.chunk.slot(self.index)
    }
}

/// The gauges of a registry, behind its lock.
#[derive(Default)]
pub(super) struct Gauges {
    /// In the order of their numbers.
    chunks: VecDeque<Listed>,
    /// How many gauges users hold.
    held: usize,
    /// The number of the latest registration.
    latest: usize,
    /// By the address of the limit.
    sums: VecDeque<LimitSums>,
}

/// A chunk in a registry.
pub(super) struct Listed {
    /// The numbers of its gauges, divided by how many there are.
    number: usize,
    chunk: Arc<Chunk>,
    /// A bit for each gauge that users hold.
    held: u16,
    /// A bit for each gauge that is pinned: kept for the delivery of its event. If users do not hold
    /// it, it is gone for everyone else.
    pinned: u16,
}

const _: () = assert!(CHUNK == u16::BITS as usize);

impl List<Gauges> for Listed {
    type Entry = Listed;

    fn entries(state: &mut Gauges) -> &mut VecDeque<Listed> {
        &mut state.chunks
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

impl Listed {
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// How many gauges users hold.
    pub(super) fn held(&self) -> usize {
        self.held.count_ones() as usize
    }

    /// The gauges that users hold, in order of registration.
    #[inline]
    pub(super) fn gauges(&self) -> impl Iterator<Item = &Gauge<Outlet>> {
        self.gauges_of(self.held)
    }

    #[inline]
    fn gauges_of(&self, mut bits: u16) -> impl Iterator<Item = &Gauge<Outlet>> {
        iter::from_fn(move || {
            let index = bits.trailing_zeros() as usize;
            bits &= bits.checked_sub(1)?;
            Some(self.chunk.slot(index))
        })
    }

    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn weak(&self) -> std::sync::Weak<Chunk> {
        Arc::downgrade(&self.chunk)
    }

    fn is_empty(&self) -> bool {
        self.held | self.pinned == 0
    }

    fn pin(&mut self, index: usize) -> Option<SlotRef> {
        if (self.held | self.pinned) & bit(index) == 0 {
            return None;
        }
        self.chunk.pins.get(index)?.fetch_add(1, Ordering::Relaxed);
        self.pinned |= bit(index);
        Some(SlotRef {
            chunk: Arc::clone(&self.chunk),
            index,
        })
    }
}

impl Gauges {
    /// How many gauges users hold.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// How many gauges there are, also those that are only kept for the delivery of their event.
    pub(super) fn kept(&self) -> usize {
        self.held + self.leaving().count()
    }

    /// The sums of each limit, of gauges that are gone.
    pub(super) fn sums(&self) -> impl ExactSizeIterator<Item = &LimitSums> {
        self.sums.iter()
    }

    /// The chunks whose number is at least `number`.
    pub(super) fn chunks_from(&self, number: usize) -> impl Iterator<Item = &Listed> {
        let position = self.chunks.partition_point(|chunk| chunk.number < number);
        self.chunks.range(position..)
    }

    /// The gauges that are only kept for the delivery of their event. The sums do not have them
    /// yet.
    pub(super) fn leaving(&self) -> impl Iterator<Item = &Gauge<Outlet>> {
        let chunks = self.chunks.iter();
        chunks.flat_map(|chunk| chunk.gauges_of(chunk.pinned & !chunk.held))
    }

    /// Where the chunk of `number` is, or has to be.
    #[inline]
    fn position(&self, number: usize) -> Result<usize, usize> {
        // Most gauges that go are among the latest that came.
        match self.chunks.back() {
            Some(chunk) if chunk.number == number => Ok(self.chunks.len() - 1),
            Some(chunk) if chunk.number < number => Err(self.chunks.len()),
            _ => self
                .chunks
                .binary_search_by_key(&number, |chunk| chunk.number),
        }
    }

    fn chunk_of(&mut self, instance: usize) -> Option<&mut Listed> {
        let position = self.position(instance / CHUNK).ok()?;
        self.chunks.get_mut(position)
    }

    /// Takes the slot of the next number for a gauge, and renews it. `None` if there is no room:
    /// without `spare` for a chunk, or in the lists.
    #[inline]
    pub(super) fn enlist(
        &mut self,
        config: GaugeConfig,
        birth: &mut Birth,
        spare: &mut Option<Arc<Chunk>>,
    ) -> Option<SlotRef> {
        let mut instance = self.latest;
        let chunk = loop {
            // Nobody has the number 0.
            instance = instance.wrapping_add(1).max(1);
            let position = self.position_for(instance / CHUNK, spare)?;
            let chunk = self.chunks.get_mut(position)?;
            // After more registrations than fit in the word, it may be that of a live gauge.
            if (chunk.held | chunk.pinned) & bit(instance) == 0 {
                break chunk;
            }
        };
        let sums = sums_of(&mut self.sums, config.limit())?;
        sums.registered = sums.registered.wrapping_add(1);
        chunk.held |= bit(instance);
        self.held += 1;
        self.latest = instance;
        let slot = SlotRef {
            chunk: Arc::clone(&chunk.chunk),
            index: instance % CHUNK,
        };
        slot.delivery().renew(birth);
        slot.renew(&RenewSlot(()), config, instance);
        Some(slot)
    }

    /// Where the chunk of `number` is, which there is afterwards.
    #[inline]
    fn position_for(&mut self, number: usize, spare: &mut Option<Arc<Chunk>>) -> Option<usize> {
        if let Ok(position) = self.position(number) {
            return Some(position);
        }
        let chunk = match self.take_latest_if_empty() {
            Some(latest) => Listed { number, ..latest },
            None if self.chunks.len() == self.chunks.capacity() => return None,
            None => Listed {
                number,
                chunk: spare.take()?,
                held: 0,
                pinned: 0,
            },
        };
        let position = self.position(number).unwrap_or_else(|position| position);
        self.chunks.insert(position, chunk);
        Some(position)
    }

    /// Takes the chunk of the latest registration out of the list, if all its gauges are gone.
    #[inline]
    fn take_latest_if_empty(&mut self) -> Option<Listed> {
        let position = self.position(self.latest / CHUNK).ok()?;
        let is_empty = self.chunks.get(position)?.is_empty();
        is_empty.then(|| self.chunks.remove(position)).flatten()
    }

    /// The users of the gauge `instance` hold it no more. What it returns is to be dropped when the
    /// lock is free.
    #[inline]
    pub(super) fn leave(&mut self, instance: usize) -> Option<Gone> {
        let position = self.position(instance / CHUNK).ok()?;
        let chunk = self.chunks.get_mut(position)?;
        chunk.held &= !bit(instance);
        self.held -= 1;
        self.remove_if_unused(position, instance)
    }

    /// Pins the gauge `instance`: keeps it for the delivery of its event.
    pub(super) fn pin(&mut self, instance: usize) -> Option<SlotRef> {
        self.chunk_of(instance)?.pin(instance % CHUNK)
    }

    /// Pins the first gauge that was registered after `instance`.
    pub(super) fn pin_after(&mut self, instance: usize) -> Option<SlotRef> {
        let next = instance.wrapping_add(1);
        let number = next / CHUNK;
        let position = self.chunks.partition_point(|chunk| chunk.number < number);
        self.chunks.range_mut(position..).find_map(|chunk| {
            let first = if chunk.number == number {
                next % CHUNK
            } else {
                0
            };
            (first..CHUNK).find_map(|index| chunk.pin(index))
        })
    }

    /// Gives up one pin of the gauge `instance`. What it returns is to be dropped when the lock is
    /// free.
    pub(super) fn unpin(&mut self, instance: usize) -> Option<Gone> {
        let position = self.position(instance / CHUNK).ok()?;
        let chunk = self.chunks.get_mut(position)?;
        let pins = chunk.chunk.pins.get(instance % CHUNK)?;
        if pins.fetch_sub(1, Ordering::Relaxed) == 1 {
            chunk.pinned &= !bit(instance);
        }
        self.remove_if_unused(position, instance)
    }

    /// Removes the gauge `instance`, in the chunk at `position`, unless something keeps it.
    #[inline]
    fn remove_if_unused(&mut self, position: usize, instance: usize) -> Option<Gone> {
        let chunk = self.chunks.get(position)?;
        if (chunk.held | chunk.pinned) & bit(instance) != 0 {
            return None;
        }
        let slot = chunk.chunk.slot(instance);
        let remains = slot.delivery().take_remains();
        let refused = slot.refused();
        let backpressure = (remains.as_ref()).and_then(|remains| remains.backpressure(refused));
        let was_used = slot.high_water() > 0 || slot.dequeued() > 0 || refused > 0;
        if was_used || backpressure.is_some() {
            if let Some(sums) = sums_of(&mut self.sums, slot.limit()) {
                sums.add(slot, backpressure);
            }
        }
        let is_needed = !chunk.is_empty() || chunk.number == self.latest / CHUNK;
        let chunk = (!is_needed).then(|| self.chunks.remove(position)).flatten();
        (remains.is_some() || chunk.is_some()).then_some(Gone {
            _chunk: chunk,
            remains,
        })
    }

    /// As after so many registrations.
    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn set_latest(&mut self, instance: usize) {
        self.latest = instance;
    }

    /// How many chunks there are, and how many have room in their list.
    #[cfg(all(test, not(fillgauge_shuttle)))]
    pub(super) fn memory(&self) -> (usize, usize) {
        (self.chunks.len(), self.chunks.capacity())
    }

    /// Whether the list of chunks takes much more memory than it needs.
    pub(super) fn is_roomy(&self) -> bool {
        self.chunks.capacity() > 8 * self.chunks.len() + 64
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

/// What is left of a gauge that is gone.
pub(super) struct Gone {
    _chunk: Option<Listed>,
    pub(super) remains: Option<Remains>,
}
