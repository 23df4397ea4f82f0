//! Where the gauges of a registry are listed: by their numbers, in chunks.
//!
//! A gauge has the number of its registration, from 1. Its entry is in the chunk of that number, so
//! that it is found at once. A chunk that is empty is freed. The latest is kept for the gauges to
//! come, and gets another number when all of its own are taken.

use std::collections::VecDeque;
use std::iter;
use std::ptr;
use std::sync::Arc;

use fillgauge::{Gauge, Limit};

use super::gauge::Listed;
use super::in_place::Listing;
use super::outlet::Outlet;
use super::sums::LimitSums;
use crate::sync::List;

/// How many entries a chunk has.
pub(super) const CHUNK: usize = u64::BITS as usize;

/// The gauges of a registry, behind its lock.
#[derive(Default)]
pub(super) struct Gauges {
    /// In the order of their numbers.
    chunks: VecDeque<Box<Chunk>>,
    live: usize,
    /// The number of the latest registration.
    latest: usize,
    /// By the address of the limit.
    sums: VecDeque<LimitSums>,
}

pub(super) struct Chunk {
    /// The numbers of its entries, divided by how many there are.
    number: usize,
    /// A bit for each entry that has a gauge.
    live: u64,
    entries: [Entry; CHUNK],
}

#[derive(Default)]
struct Entry {
    gauge: Option<Listing>,
    /// References that keep the gauge for the delivery of its event. A gauge without any other is
    /// gone for everyone else.
    pins: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self {
            number: 0,
            live: 0,
            entries: std::array::from_fn(|_| Entry::default()),
        }
    }
}

impl List<Gauges> for Chunk {
    type Entry = Box<Chunk>;

    fn entries(state: &mut Gauges) -> &mut VecDeque<Box<Chunk>> {
        &mut state.chunks
    }
}

impl List<Gauges> for LimitSums {
    type Entry = LimitSums;

    fn entries(state: &mut Gauges) -> &mut VecDeque<LimitSums> {
        &mut state.sums
    }
}

impl Entry {
    /// Whether someone holds the gauge who is not about to deliver its event.
    fn is_in_use(&self) -> bool {
        let listing = self.gauge.as_ref();
        listing.is_some_and(|listing| listing.references() > self.pins)
    }

    fn in_use(&self) -> Option<&Gauge<Outlet>> {
        let listing = self.gauge.as_ref()?;
        self.is_in_use().then(|| listing.gauge())
    }

    fn pin(&mut self) -> Option<Arc<dyn Listed>> {
        let gauge = self.gauge.as_ref()?.upgrade()?;
        self.pins += 1;
        Some(gauge)
    }
}

impl Chunk {
    pub(super) fn number(&self) -> usize {
        self.number
    }

    /// How many entries have a gauge.
    pub(super) fn live(&self) -> usize {
        self.live.count_ones() as usize
    }

    /// The gauges in use, in order of registration.
    #[inline]
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Gauge<Outlet>> {
        self.listed().filter_map(Entry::in_use)
    }

    /// The entries that have a gauge.
    #[inline]
    fn listed(&self) -> impl Iterator<Item = &Entry> {
        let mut left = self.live;
        iter::from_fn(move || {
            let index = left.trailing_zeros() as usize;
            let entry = self.entries.get(index)?;
            left &= left - 1;
            Some(entry)
        })
    }

    fn is_free(&self, index: usize) -> bool {
        self.live & Self::bit(index) == 0
    }

    fn bit(index: usize) -> u64 {
        1 << index
    }
}

impl Gauges {
    /// How many gauges are listed.
    pub(super) fn live(&self) -> usize {
        self.live
    }

    /// The sums of each limit, of gauges that are gone.
    pub(super) fn sums(&self) -> impl ExactSizeIterator<Item = &LimitSums> {
        self.sums.iter()
    }

    /// The chunks whose number is at least `number`.
    pub(super) fn chunks_from(&self, number: usize) -> impl Iterator<Item = &Chunk> {
        let position = self.chunks.partition_point(|chunk| chunk.number < number);
        self.chunks.range(position..).map(|chunk| &**chunk)
    }

    /// The gauges in use, in order of registration.
    pub(super) fn in_use(&self) -> impl Iterator<Item = &Gauge<Outlet>> {
        self.chunks.iter().flat_map(|chunk| chunk.in_use())
    }

    /// The gauges that are listed, and whether each is in use. The sums do not have those yet that
    /// are not.
    pub(super) fn listed(&self) -> impl Iterator<Item = (&Gauge<Outlet>, bool)> {
        let listed = self.chunks.iter().flat_map(|chunk| chunk.listed());
        listed.filter_map(|entry| Some((entry.gauge.as_ref()?.gauge(), entry.is_in_use())))
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

    fn entry(&mut self, instance: usize) -> Option<&mut Entry> {
        let position = self.position(instance / CHUNK).ok()?;
        let chunk = self.chunks.get_mut(position)?;
        chunk.entries.get_mut(instance % CHUNK)
    }

    /// Lists a gauge of `limit` under the next number, and returns that. `None` if there is no room:
    /// without `spare` for a chunk, or in the lists.
    #[inline]
    pub(super) fn enlist(
        &mut self,
        limit: &'static Limit,
        gauge: &mut Option<Listing>,
        spare: &mut Option<Box<Chunk>>,
    ) -> Option<usize> {
        let mut instance = self.latest;
        let position = loop {
            // Nobody has the number 0.
            instance = instance.wrapping_add(1).max(1);
            let position = self.chunk_for(instance / CHUNK, spare)?;
            // After more registrations than fit in the word, it may be that of a live gauge.
            if self.chunks.get(position)?.is_free(instance % CHUNK) {
                break position;
            }
        };
        let sums = self.sums_of(limit)?;
        sums.registered = sums.registered.wrapping_add(1);
        let chunk = self.chunks.get_mut(position)?;
        let entry = chunk.entries.get_mut(instance % CHUNK)?;
        entry.gauge = gauge.take();
        chunk.live |= Chunk::bit(instance % CHUNK);
        self.live += 1;
        self.latest = instance;
        Some(instance)
    }

    /// Where the chunk of `number` is, which there is afterwards.
    #[inline]
    fn chunk_for(&mut self, number: usize, spare: &mut Option<Box<Chunk>>) -> Option<usize> {
        let position = match self.position(number) {
            Ok(position) => return Some(position),
            Err(position) => position,
        };
        let is_last = position == self.chunks.len();
        let latest = self
            .chunks
            .back_mut()
            .filter(|chunk| is_last && chunk.live == 0);
        if let Some(latest) = latest {
            latest.number = number;
            return Some(position - 1);
        }
        if self.chunks.len() == self.chunks.capacity() {
            return None;
        }
        let mut chunk = spare.take()?;
        chunk.number = number;
        self.chunks.insert(position, chunk);
        Some(position)
    }

    /// The sums of `limit`, which there are afterwards.
    #[inline]
    fn sums_of(&mut self, limit: &'static Limit) -> Option<&mut LimitSums> {
        let key = ptr::from_ref(limit).addr();
        let found = self.sums.binary_search_by_key(&key, LimitSums::key);
        let position = match found {
            Ok(position) => position,
            Err(_) if self.sums.len() == self.sums.capacity() => return None,
            Err(position) => {
                self.sums.insert(position, LimitSums::new(limit));
                position
            }
        };
        self.sums.get_mut(position)
    }

    /// Removes the gauge with the number `instance`. What it returns is to be dropped when the lock
    /// is free.
    pub(super) fn remove(&mut self, instance: usize) -> Option<Removed> {
        let number = instance / CHUNK;
        let position = self.position(number).ok()?;
        let chunk = self.chunks.get_mut(position)?;
        let entry = chunk.entries.get_mut(instance % CHUNK)?;
        let listing = entry.gauge.take()?;
        entry.pins = 0;
        chunk.live &= !Chunk::bit(instance % CHUNK);
        self.live -= 1;
        let gauge = listing.gauge();
        if gauge.high_water() > 0 || gauge.dequeued() > 0 {
            if let Some(sums) = self.sums_of(gauge.limit()) {
                sums.add(gauge);
            }
        }
        let chunk = self.chunks.get(position)?;
        let is_needed = chunk.live > 0 || number == self.latest / CHUNK;
        let chunk = (!is_needed).then(|| self.chunks.remove(position)).flatten();
        Some(Removed {
            _listing: listing,
            _chunk: chunk,
        })
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

    pub(super) fn pin(&mut self, instance: usize) -> Option<Arc<dyn Listed>> {
        self.entry(instance)?.pin()
    }

    /// Pins the first gauge that was registered after `instance`.
    pub(super) fn pin_after(&mut self, instance: usize) -> Option<Arc<dyn Listed>> {
        let next = instance.wrapping_add(1);
        let number = next / CHUNK;
        let position = self.chunks.partition_point(|chunk| chunk.number < number);
        self.chunks.range_mut(position..).find_map(|chunk| {
            let skipped = if chunk.number == number {
                next % CHUNK
            } else {
                0
            };
            chunk.entries.iter_mut().skip(skipped).find_map(Entry::pin)
        })
    }

    /// Gives up one pin of the gauge with the number `instance`.
    pub(super) fn unpin(&mut self, instance: usize) {
        if let Some(entry) = self.entry(instance) {
            entry.pins -= 1;
        }
    }
}

/// What a registry had of a gauge.
pub(super) struct Removed {
    _listing: Listing,
    _chunk: Option<Box<Chunk>>,
}
