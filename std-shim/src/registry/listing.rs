//! The live gauges of one registry, in order of registration.

// Nothing is allocated or freed under the lock, and no observer runs there. So what a method takes
// out of the list is returned, for the caller to drop when the lock is free.

use std::collections::VecDeque;
use std::iter;
use std::ops::{ControlFlow, Deref};
use std::sync::{Arc, Weak};

use fillgauge::{Budget, Gauge, GaugeConfig, QueueSnapshot};

use super::account::Birth;
use super::chain::Chains;
use super::outlet::Outlet;
use super::slots::{Chunk, Gauges, Gone, Listed, Pinned, Roomy, SlotRef};
use super::source::{Kind, Source};
use super::sums::LimitSums;
use crate::delivery::observers::Own;
use crate::event::RegistryName;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Lazy, List, Mutex, force, lock, resize, with_room};

/// A registry's gauges. Each gauge holds it by a [`ListingRef`].
pub(super) struct Listing {
    name: RegistryName,
    gauges: Mutex<Gauges>,
    /// `None` until it gets one: nothing is allocated for the registry of the process.
    own: Mutex<Option<Arc<Own>>>,
    /// Whether there is one.
    has_own: AtomicBool,
    chains: Chains,
}

impl Listing {
    fn new(name: RegistryName) -> Self {
        Self {
            name,
            gauges: Mutex::default(),
            own: Mutex::default(),
            has_own: AtomicBool::new(false),
            chains: Chains::default(),
        }
    }

    pub(super) fn name(&self) -> &RegistryName {
        &self.name
    }

    pub(super) fn chains(&self) -> &Chains {
        &self.chains
    }

    /// The observers of this registry, if it has any.
    pub(super) fn own(&self) -> Option<Arc<Own>> {
        // Relaxed: a gauge that is registered afterwards is so by the same thread, or by one that
        // has got to know of it.
        let has_own = self.has_own.load(Ordering::Relaxed);
        has_own.then(|| lock(&self.own).clone()).flatten()
    }

    /// Changes the observers of this registry.
    pub(super) fn change_own(&self, change: impl FnOnce(&mut Own)) {
        let current = lock(&self.own).clone();
        let mut own = current.as_deref().cloned().unwrap_or_default();
        change(&mut own);
        let own = Arc::new(own);
        let previous = lock(&self.own).replace(own);
        self.has_own.store(true, Ordering::Relaxed);
        drop(previous);
    }

    /// Pins what has the number `instance`: a reference for the delivery of its event, which does
    /// not keep it in snapshots. `None` if it is not listed.
    pub(super) fn pin(&self, instance: usize) -> Option<Pinned> {
        lock(&self.gauges).pin(instance)
    }

    /// Gives up what [`pin`](Self::pin) gave.
    pub(super) fn unpin(&self, instance: usize) {
        self.remove(|gauges| gauges.unpin(instance));
    }

    /// The users of what is in `slot` hold it no more.
    pub(super) fn leave<S: Kind>(&self, slot: &SlotRef<S>) {
        self.remove(|gauges| gauges.leave(slot));
    }

    #[inline]
    fn remove(&self, remove: impl FnOnce(&mut Gauges) -> Option<Gone>) {
        let mut gauges = lock(&self.gauges);
        let Some(gone) = remove(&mut gauges) else {
            return;
        };
        // A list that has lost a chunk may have become too long.
        let roomy = gone.chunk.as_ref().map(|_| gauges.roomy());
        drop(gauges);
        if let Some(remains) = gone.remains {
            remains.take_leave();
        }
        drop(gone.chunk);
        let Roomy { gauges, budgets } = roomy.unwrap_or_default();
        if gauges {
            resize::<Listed<Gauge<Outlet>>, _>(&self.gauges);
        }
        if budgets {
            resize::<Listed<Budget<Outlet>>, _>(&self.gauges);
        }
    }

    /// How many gauges are in use.
    pub(super) fn live(&self) -> usize {
        lock(&self.gauges).held()
    }

    /// The figures of all gauges in use, in order of registration. The lock is released now and
    /// then.
    pub(super) fn snapshot(&self) -> Vec<QueueSnapshot> {
        let mut snapshot = Vec::with_capacity(self.live());
        let mut next = 0;
        while let Some(needed) = self.read_on(&mut snapshot, &mut next) {
            snapshot.reserve(needed);
        }
        snapshot
    }

    /// Reads on from the number `next`. Returns how much more room to make before the rest is read.
    /// `None` if there is no rest.
    fn read_on(&self, snapshot: &mut Vec<QueueSnapshot>, next: &mut usize) -> Option<usize> {
        /// How many are read before the lock is released for others.
        const AT_ONCE: usize = 64;
        let gauges = lock(&self.gauges);
        let enough = snapshot.len() + AT_ONCE;
        let mut needed = None;
        gauges.visit_from(*next, |gauge| {
            if snapshot.len() == snapshot.capacity() {
                needed = Some(AT_ONCE);
                return ControlFlow::Break(());
            }
            if snapshot.len() == enough {
                needed = Some(0);
                return ControlFlow::Break(());
            }
            let figures = gauge.snapshot();
            snapshot.push(figures);
            // There is none after the greatest number.
            match figures.instance.checked_add(1) {
                Some(number) => *next = number,
                None => return ControlFlow::Break(()),
            }
            ControlFlow::Continue(())
        });
        needed
    }

    /// Reads all gauges in use, and the sums of all limits, at one moment: a gauge that is dropped
    /// meanwhile is in one of them.
    pub(super) fn read<T>(
        &self,
        mut read: impl FnMut(&dyn Source) -> T,
    ) -> (Vec<T>, Vec<LimitSums>) {
        let (mut gauges_read, mut sums_read) = (Vec::new(), Vec::new());
        let (mut held, mut limits) = (0, 0);
        loop {
            gauges_read.reserve_exact(held);
            sums_read.reserve_exact(limits);
            let gauges = lock(&self.gauges);
            (held, limits) = (gauges.held(), gauges.sums().len());
            if gauges_read.capacity() < held || sums_read.capacity() < limits {
                continue;
            }
            gauges.visit_from(0, |gauge| {
                gauges_read.push(read(gauge));
                ControlFlow::Continue(())
            });
            sums_read.extend(gauges.sums());
            for gauge in gauges.leaving() {
                LimitSums::add_to(&mut sums_read, gauge);
            }
            drop(gauges);
            return (gauges_read, sums_read);
        }
    }

    /// Runs `run` on each gauge that is listed, one at a time. Nothing is locked meanwhile.
    pub(super) fn for_each_pinned(&self, run: impl Fn(&dyn Source)) {
        let mut latest = 0;
        let kept = lock(&self.gauges).kept();
        // Not those that are registered meanwhile: there may be no end of them.
        for _ in 0..kept {
            let pinned = lock(&self.gauges).pin_after(latest);
            let Some(gauge) = pinned else { return };
            latest = gauge.instance();
            run(&*gauge);
            self.unpin(latest);
        }
    }
}

impl Drop for Listing {
    fn drop(&mut self) {
        if matches!(self.name, RegistryName::Static(_)) {
            // That of the process is in no list.
            return;
        }
        // Its memory stays as long as it is in the list of all.
        let mut counted = lock(force(&COUNTED));
        counted.gone += 1;
        let are_many = counted.gone > counted.listings.len() / 2 + 16;
        if are_many {
            counted.gone = 0;
        }
        drop(counted);
        if are_many {
            resize::<Weak<Listing>, _>(force(&COUNTED));
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

/// What a slot has of the listing that it is in.
pub(super) enum WeakListingRef {
    Global(&'static Listing),
    Counted(Weak<Listing>),
}

impl WeakListingRef {
    /// The listing. It is there while anyone holds a gauge of it, or keeps one for delivery.
    pub(super) fn upgrade(&self) -> Option<ListingRef> {
        match self {
            Self::Global(listing) => Some(ListingRef::Global(listing)),
            Self::Counted(listing) => listing.upgrade().map(ListingRef::Counted),
        }
    }
}

/// The listings of all registries but the global one.
static COUNTED: Lazy<Mutex<Counted>> = Lazy::new(Mutex::default);

#[derive(Default)]
struct Counted {
    listings: VecDeque<Weak<Listing>>,
    /// About how many of them are gone.
    gone: usize,
}

impl List<Counted> for Weak<Listing> {
    type Entry = Self;

    fn entries(state: &mut Counted) -> &mut VecDeque<Self> {
        &mut state.listings
    }

    fn is_obsolete(listing: &Weak<Listing>) -> bool {
        listing.strong_count() == 0
    }
}

impl ListingRef {
    /// Takes a slot for a gauge or a budget.
    #[inline]
    pub(super) fn enlist<S: Kind>(&self, config: GaugeConfig, birth: &mut Birth) -> SlotRef<S> {
        let mut spare = None;
        loop {
            let slot = lock(&self.gauges).enlist(config, birth, &mut spare);
            if let Some(slot) = slot {
                return slot;
            }
            self.make_room(&mut spare);
        }
    }

    #[cold]
    fn make_room<S: Kind>(&self, spare: &mut Option<Arc<Chunk<S>>>) {
        spare.get_or_insert_with(|| Arc::new(Chunk::new(self)));
        with_room::<Listed<S>, _, _>(&self.gauges, |_| ());
        with_room::<LimitSums, _, _>(&self.gauges, |_| ());
    }

    pub(super) fn downgrade(&self) -> WeakListingRef {
        match self {
            Self::Global(listing) => WeakListingRef::Global(listing),
            Self::Counted(listing) => WeakListingRef::Counted(Arc::downgrade(listing)),
        }
    }

    /// A new listing.
    pub(super) fn new(name: RegistryName) -> Self {
        let listing = Arc::new(Listing::new(name));
        let listed = Arc::downgrade(&listing);
        with_room::<Weak<Listing>, _, _>(force(&COUNTED), |counted| {
            counted.listings.push_back(listed);
        });
        Self::Counted(listing)
    }

    /// The listing of the process.
    pub(super) fn global() -> Self {
        static GLOBAL: Lazy<Listing> = Lazy::new(|| Listing::new(RegistryName::GLOBAL));
        Self::Global(force(&GLOBAL))
    }

    /// Every listing that has a registry or a gauge.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        let room = lock(force(&COUNTED)).listings.len();
        let mut counted = Vec::with_capacity(room);
        counted.extend(lock(force(&COUNTED)).listings.iter().take(room).cloned());
        let alive = counted.into_iter().filter_map(|listing| listing.upgrade());
        iter::once(Self::global()).chain(alive.map(Self::Counted))
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::collections::HashSet;

    use super::super::slots::CHUNK;
    use super::super::{Budget as Registered, QueueGauge, QueueRegistry};
    use super::*;
    use crate::track;

    #[test]
    fn a_spike_leaves_no_memory_behind() {
        let registry = QueueRegistry::default();
        let memory = || lock(&registry.listing.gauges).kinds().gauges.memory();
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

    #[test]
    fn a_registry_that_is_gone_has_freed_its_memory() {
        let registry = QueueRegistry::new("freed").silent().sink(|_| ());
        let ListingRef::Counted(listing) = &registry.listing else {
            panic!("it is not that of the process");
        };
        let listing = Arc::downgrade(listing);
        let gauges: Vec<_> = (0..3 * CHUNK)
            .map(|_| registry.register("freed", 4))
            .collect();
        gauges[0].observe_depth(4);
        gauges[1].deferred().record_dequeue();
        let chunks: Vec<_> = lock(&listing.upgrade().unwrap().gauges)
            .kinds()
            .gauges
            .iter()
            .map(Listed::weak)
            .collect();
        assert!(chunks.len() >= 3);
        drop(registry);
        assert!(listing.strong_count() > 0, "gauges outlive their registry");
        drop(gauges);
        assert_eq!(listing.strong_count(), 0);
        assert!(chunks.iter().all(|chunk| chunk.strong_count() == 0));
    }

    #[test]
    fn all_gauges_are_visited_also_beside_one_that_is_only_kept() {
        let registry = QueueRegistry::default();
        let [kept, held] = [(); 2].map(|()| registry.register("visited", 4));
        registry.listing.pin(kept.instance()).unwrap();
        drop(kept);
        let visited = Mutex::new(Vec::new());
        registry
            .listing
            .for_each_pinned(|gauge| lock(&visited).push(gauge.instance()));
        assert_eq!(*lock(&visited), [1, held.instance()]);
        registry.listing.unpin(1);
        assert_eq!(registry.report().limits[0].gauges, 1);
    }

    #[test]
    fn a_spike_of_registries_leaves_a_short_list() {
        let spike: Vec<_> = (0..1_000).map(|_| QueueRegistry::default()).collect();
        let listed = || lock(force(&COUNTED)).listings.len();
        assert!(listed() >= spike.len());
        drop(spike);
        assert!(listed() < 500, "{} listed", listed());
    }

    #[test]
    fn numbers_that_wrap_leave_no_chunk_behind() {
        let registry = QueueRegistry::default();
        let memory = || lock(&registry.listing.gauges).kinds().gauges.memory().0;
        lock(&registry.listing.gauges).set_latest(usize::MAX - 40);
        let kept = registry.register("kept", 4);
        for _ in 0..20 * CHUNK {
            let gauge = registry.register("passing", 4);
            assert_ne!(gauge.instance(), 0);
            assert_eq!(registry.snapshot().len(), 2);
        }
        assert!(memory() <= 2, "{} chunks", memory());
        // The numbers come to that of a gauge which is still live.
        lock(&registry.listing.gauges).set_latest(kept.instance() - 1);
        let next = registry.register("next", 4);
        assert_ne!(next.instance(), kept.instance());
        next.record_enqueue();
        assert_eq!((kept.depth(), next.depth()), (0, 1));
        drop((kept, next));
        assert!(registry.snapshot().is_empty());
    }

    /// A pseudorandom number: the same in each run.
    fn next_random(seed: &mut u64) -> usize {
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        *seed as usize
    }

    enum Held {
        Gauge(Arc<QueueGauge>),
        Budget(Arc<Registered>),
    }

    impl Held {
        fn instance(&self) -> usize {
            match self {
                Self::Gauge(gauge) => gauge.instance(),
                Self::Budget(budget) => budget.instance(),
            }
        }

        /// What tells it from all others.
        fn depth(&self) -> usize {
            match self {
                Self::Gauge(gauge) => gauge.depth(),
                Self::Budget(budget) => budget.used(),
            }
        }
    }

    #[test]
    fn gauges_and_budgets_keep_their_numbers_and_figures() {
        let mut seed = 0x9E37_79B9_7F4A_7C15;
        for round in 0..40 {
            let registry = QueueRegistry::default();
            let listing = &registry.listing;
            let mut held: Vec<(usize, Held)> = Vec::new();
            let mut pinned: Vec<Pinned> = Vec::new();
            let may_wrap = round % 2 == 1;
            for step in 1..200 {
                match next_random(&mut seed) % 8 {
                    0..3 => {
                        let gauge = registry.register("mixed", 0);
                        gauge.record_enqueue_n(step);
                        held.push((step, Held::Gauge(gauge)));
                    }
                    3 | 4 => {
                        let budget = track("mixed").capacity(999).registry(&registry).budget();
                        budget.try_reserve(step).unwrap().forget();
                        held.push((step, Held::Budget(budget)));
                    }
                    5 | 6 if !held.is_empty() => {
                        let gone = held.swap_remove(next_random(&mut seed) % held.len()).1;
                        if next_random(&mut seed) % 4 == 0 {
                            pinned.push(listing.pin(gone.instance()).unwrap());
                        }
                        drop(gone);
                    }
                    _ if may_wrap && step % 32 == 0 => {
                        // The numbers come to some that are taken.
                        let numbers = [usize::MAX - 3, 0, 5];
                        let latest = numbers[next_random(&mut seed) % numbers.len()];
                        lock(&listing.gauges).set_latest(latest);
                    }
                    _ => {
                        if let Some(pinned) = pinned.pop() {
                            listing.unpin(pinned.instance());
                        }
                    }
                }
                let mut expected: Vec<_> = (held.iter())
                    .map(|(figure, held)| (held.instance(), *figure))
                    .collect();
                expected.sort_unstable();
                let snapshot = registry.snapshot().into_iter();
                let mut listed: Vec<_> = snapshot
                    .map(|gauge| (gauge.instance, gauge.depth))
                    .collect();
                if may_wrap {
                    listed.sort_unstable();
                }
                assert_eq!(listed, expected, "step {step} of round {round}");
                assert!(held.iter().all(|(figure, held)| held.depth() == *figure));
                let instances = expected.iter().map(|(instance, _)| *instance);
                let distinct: HashSet<_> = instances
                    .chain(pinned.iter().map(|pinned| pinned.instance()))
                    .collect();
                assert_eq!(distinct.len(), held.len() + pinned.len());
                let gauges = lock(&listing.gauges);
                let chunks = gauges.kinds().gauges.memory().0 + gauges.kinds().budgets.memory().0;
                drop(gauges);
                assert!(chunks <= held.len() + pinned.len() + 2, "{chunks} chunks");
            }
            let kept: HashSet<_> = (held.iter())
                .map(|(_, held)| held.instance())
                .chain(pinned.iter().map(|pinned| pinned.instance()))
                .collect();
            let visited = Mutex::new(HashSet::new());
            listing.for_each_pinned(|gauge| {
                lock(&visited).insert(gauge.instance());
            });
            assert_eq!(*lock(&visited), kept);
            drop(held);
            pinned
                .iter()
                .for_each(|pinned| listing.unpin(pinned.instance()));
            drop(pinned);
            let gauges = lock(&listing.gauges);
            assert_eq!(gauges.kept(), 0);
            assert!(
                gauges.kinds().gauges.memory().0 <= 1 && gauges.kinds().budgets.memory().0 <= 1
            );
        }
    }
}
