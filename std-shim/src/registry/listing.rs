//! The live gauges of one registry, in order of registration.

// Nothing is allocated or freed under the lock, and no observer runs there. So what a method takes
// out of the list is returned, for the caller to drop when the lock is free.

use std::collections::VecDeque;
use std::iter;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use fillgauge::{Gauge, Limit, QueueSnapshot};

use super::chunks::{CHUNK, Chunk, Gauges};
use super::gauge::Listed;
use super::in_place;
use super::outlet::Outlet;
use super::sums::LimitSums;
use crate::delivery::guard;
use crate::delivery::observers::Own;
use crate::event::RegistryName;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Lazy, List, Mutex, force, lock, resize, with_room};

/// A registry's gauges. Each gauge holds it by a [`ListingRef`].
pub(super) struct Listing {
    name: RegistryName,
    gauges: Mutex<Gauges>,
    own: Mutex<Arc<Own>>,
    /// Whether `own` was ever changed.
    has_own: AtomicBool,
}

impl Listing {
    fn new(name: RegistryName) -> Self {
        Self {
            name,
            gauges: Mutex::default(),
            own: Mutex::default(),
            has_own: AtomicBool::new(false),
        }
    }

    pub(super) fn name(&self) -> &RegistryName {
        &self.name
    }

    /// The observers of this registry, if it has any.
    pub(super) fn own(&self) -> Option<Arc<Own>> {
        // Relaxed: a gauge that is registered afterwards is so by the same thread, or by one that
        // has got to know of it.
        let has_own = self.has_own.load(Ordering::Relaxed);
        has_own.then(|| Arc::clone(&lock(&self.own)))
    }

    /// Changes the observers of this registry.
    pub(super) fn change_own(&self, change: impl FnOnce(&mut Own)) {
        let mut own = (*Arc::clone(&lock(&self.own))).clone();
        change(&mut own);
        let previous = std::mem::replace(&mut *lock(&self.own), Arc::new(own));
        self.has_own.store(true, Ordering::Relaxed);
        drop(guard::run(|| drop(previous)));
    }

    /// Adds a gauge of `limit`. `number` gives it its number, under the lock.
    #[inline]
    pub(super) fn enlist(
        &self,
        limit: &'static Limit,
        gauge: in_place::Listing,
        number: impl FnOnce(usize),
    ) {
        let mut gauge = Some(gauge);
        let mut spare = None;
        loop {
            let mut gauges = lock(&self.gauges);
            if let Some(instance) = gauges.enlist(limit, &mut gauge, &mut spare) {
                return number(instance);
            }
            drop(gauges);
            self.make_room(&mut spare);
        }
    }

    #[cold]
    fn make_room(&self, spare: &mut Option<Box<Chunk>>) {
        spare.get_or_insert_with(Box::default);
        with_room::<Chunk, _, _>(&self.gauges, |_| ());
        with_room::<LimitSums, _, _>(&self.gauges, |_| ());
    }

    /// Removes the gauge with the number `instance`.
    pub(super) fn remove(&self, instance: usize) {
        let mut gauges = lock(&self.gauges);
        let removed = gauges.remove(instance);
        let is_roomy = gauges.is_roomy();
        drop(gauges);
        drop(removed);
        if is_roomy {
            resize::<Chunk, _>(&self.gauges);
        }
    }

    /// How many gauges are in use.
    pub(super) fn live(&self) -> usize {
        let gauges = lock(&self.gauges);
        gauges.in_use().count()
    }

    /// The figures of all gauges in use, in order of registration. The lock is released now and
    /// then.
    pub(super) fn snapshot(&self) -> Vec<QueueSnapshot> {
        let mut snapshot = Vec::with_capacity(lock(&self.gauges).live());
        let mut next = 0;
        while let Some(needed) = self.read_on(&mut snapshot, &mut next) {
            snapshot.reserve(needed);
        }
        snapshot
    }

    /// Reads gauges from the chunk of the number `next` on. Returns how much room the rest needs,
    /// as far as it is known. `None` if there is no rest.
    fn read_on(&self, snapshot: &mut Vec<QueueSnapshot>, next: &mut usize) -> Option<usize> {
        let gauges = lock(&self.gauges);
        let enough = snapshot.len() + CHUNK;
        for chunk in gauges.chunks_from(*next) {
            let has_room = snapshot.capacity() - snapshot.len() >= chunk.live();
            if !has_room || snapshot.len() >= enough {
                return Some(chunk.live());
            }
            snapshot.extend(chunk.in_use().map(Gauge::snapshot));
            *next = chunk.number() + 1;
        }
        None
    }

    /// Reads all gauges in use, and the sums of all limits, at one moment: a gauge that is dropped
    /// meanwhile is in one of them.
    pub(super) fn read<T>(
        &self,
        mut read: impl FnMut(&Gauge<Outlet>) -> T,
    ) -> (Vec<T>, Vec<LimitSums>) {
        let (mut gauges_read, mut sums_read) = (Vec::new(), Vec::new());
        let (mut live, mut limits) = (0, 0);
        loop {
            gauges_read.reserve_exact(live);
            sums_read.reserve_exact(limits);
            let gauges = lock(&self.gauges);
            (live, limits) = (gauges.live(), gauges.sums().len());
            if gauges_read.capacity() < live || sums_read.capacity() < limits {
                continue;
            }
            sums_read.extend(gauges.sums());
            for (gauge, is_in_use) in gauges.listed() {
                if is_in_use {
                    gauges_read.push(read(gauge));
                } else {
                    LimitSums::add_to(&mut sums_read, gauge);
                }
            }
            drop(gauges);
            return (gauges_read, sums_read);
        }
    }

    /// Pins the gauge of `instance`: a reference for the delivery of its event, which does not keep
    /// it in snapshots. `None` if it is not listed.
    pub(super) fn pin(&self, instance: usize) -> Option<Arc<dyn Listed>> {
        lock(&self.gauges).pin(instance)
    }

    /// Gives back what [`pin`](Self::pin) gave.
    pub(super) fn unpin(&self, gauge: Arc<dyn Listed>) {
        let instance = gauge.gauge().instance();
        let mut gauges = lock(&self.gauges);
        gauges.unpin(instance);
        // Under the lock, or a snapshot might take this reference for that of a user. Nothing is
        // freed here: the list has a weak reference.
        let released = gauge.release();
        let removed = released.as_ref().and_then(|_| gauges.remove(instance));
        drop(gauges);
        drop(removed);
        drop(released);
    }

    /// Runs `run` on each gauge that is listed, one at a time. Nothing is locked meanwhile.
    pub(super) fn for_each_pinned(&self, run: impl Fn(&Gauge<Outlet>)) {
        let mut latest = 0;
        while let Some(gauge) = self.pin_after(latest) {
            latest = gauge.gauge().instance();
            run(gauge.gauge());
            self.unpin(gauge);
        }
    }

    /// Pins the first gauge that was registered after `instance`.
    fn pin_after(&self, instance: usize) -> Option<Arc<dyn Listed>> {
        lock(&self.gauges).pin_after(instance)
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        // What the observers own may do anything when it is dropped.
        if self.has_own.load(Ordering::Relaxed) {
            let own = std::mem::take(&mut *lock(&self.own));
            drop(guard::run(|| drop(own)));
        }
    }
}

/// A reference to the listing that gauges share. The one of the process need not be counted.
#[derive(Clone)]
pub(super) enum ListingRef {
    Global(&'static Listing),
    Counted(Arc<Listing>),
}

impl Deref for ListingRef {
    type Target = Listing;

    fn deref(&self) -> &Listing {
        match self {
            Self::Global(listing) => listing,
            Self::Counted(listing) => listing,
        }
    }
}

/// The listings of all registries but the global one.
static COUNTED: Lazy<Mutex<VecDeque<Weak<Listing>>>> = Lazy::new(Mutex::default);

struct Counted;

impl List<VecDeque<Weak<Listing>>> for Counted {
    type Entry = Weak<Listing>;

    fn entries(state: &mut VecDeque<Weak<Listing>>) -> &mut VecDeque<Weak<Listing>> {
        state
    }

    fn is_obsolete(listing: &Weak<Listing>) -> bool {
        listing.strong_count() == 0
    }
}

impl ListingRef {
    /// A new listing.
    pub(super) fn new(name: RegistryName) -> Self {
        let listing = Arc::new(Listing::new(name));
        let listed = Arc::downgrade(&listing);
        with_room::<Counted, _, _>(force(&COUNTED), |listings| listings.push_back(listed));
        Self::Counted(listing)
    }

    /// The listing of the process.
    pub(super) fn global() -> Self {
        static GLOBAL: Lazy<Listing> = Lazy::new(|| Listing::new(RegistryName::GLOBAL));
        Self::Global(force(&GLOBAL))
    }

    /// Every listing that has a registry or a gauge.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let room = lock(force(&COUNTED)).len();
        let mut counted = Vec::with_capacity(room);
        counted.extend(lock(force(&COUNTED)).iter().take(room).cloned());
        let alive = counted.into_iter().filter_map(|listing| listing.upgrade());
        iter::once(Self::global()).chain(alive.map(Self::Counted))
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::super::QueueRegistry;
    use super::*;

    #[test]
    fn a_spike_leaves_no_memory_behind() {
        let registry = QueueRegistry::default();
        let memory = || lock(&registry.listing.gauges).memory();
        for _ in 0..10 * CHUNK {
            drop(registry.register("spike", 4));
        }
        assert_eq!(memory().0, 1, "one chunk is enough for one gauge at a time");
        let mut spike: Vec<_> = (0..1_000 * CHUNK)
            .map(|_| registry.register("spike", 4))
            .collect();
        assert!(memory().0 >= 1_000);
        let kept: Vec<_> = (0..5).map(|nth| spike.remove(200 * CHUNK * nth)).collect();
        drop(spike);
        let (chunks, room) = memory();
        assert!(chunks <= kept.len() + 1, "{chunks} chunks");
        assert!(room <= 128, "room for {room} chunks");
        assert_eq!(registry.snapshot().len(), kept.len());
    }
}
