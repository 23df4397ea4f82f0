//! The live gauges of one registry, in order of registration.

// Nothing is allocated or freed under the lock, and no observer runs there. So what a method takes
// out of the list is returned, for the caller to drop when the lock is free.

use std::collections::VecDeque;
use std::iter;
use std::ops::{ControlFlow, Deref};
use std::sync::{Arc, Weak};

use fillgauge::{Budget, Gauge, GaugeConfig, Probe, QueueSnapshot};

use super::account::Birth;
use super::chain::Chains;
use super::contents::{Contents, Gone, Roomy};
use super::findings::LastFindings;
use super::outlet::Outlet;
use super::peaks::Peaks;
use super::slots::{Chunk, Listed, Pinned, SlotRef};
use super::source::{Kind, Source};
use super::sums::LimitSums;
use crate::delivery::observers::Own;
use crate::event::RegistryName;
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Lazy, List, Mutex, force, lock, resize, with_room};

/// A registry's gauges. Each gauge holds it by a [`ListingRef`].
pub(super) struct Listing {
    name: RegistryName,
    gauges: Mutex<Contents>,
    /// `None` until it gets one: nothing is allocated for the registry of the process.
    own: Mutex<Option<Arc<Own>>>,
    /// Whether there is one.
    has_own: AtomicBool,
    chains: Chains,
    peaks: Peaks,
    findings: LastFindings,
}

impl Listing {
    fn new(name: RegistryName) -> Self {
        Self {
            name,
            gauges: Mutex::default(),
            own: Mutex::default(),
            has_own: AtomicBool::new(false),
            chains: Chains::default(),
            peaks: Peaks::default(),
            findings: LastFindings::default(),
        }
    }

    pub(super) fn name(&self) -> &RegistryName {
        &self.name
    }

    pub(super) fn chains(&self) -> &Chains {
        &self.chains
    }

    pub(super) fn peaks(&self) -> &Peaks {
        &self.peaks
    }

    pub(super) fn findings(&self) -> &LastFindings {
        &self.findings
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
    fn remove(&self, remove: impl FnOnce(&mut Contents) -> Option<Gone>) {
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
        let Roomy {
            gauges,
            budgets,
            probes,
        } = roomy.unwrap_or_default();
        if gauges {
            resize::<Listed<Gauge<Outlet>>, _>(&self.gauges);
        }
        if budgets {
            resize::<Listed<Budget<Outlet>>, _>(&self.gauges);
        }
        if probes {
            resize::<Listed<Probe<Outlet>>, _>(&self.gauges);
        }
    }

    /// How many gauges are in use.
    pub(super) fn live(&self) -> usize {
        lock(&self.gauges).held()
    }

    /// The number of the latest registration.
    pub(super) fn latest(&self) -> usize {
        lock(&self.gauges).latest()
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
    /// Takes a slot for a gauge, a budget or a probe.
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
mod tests;
