//! The live gauges of one registry, in order of registration.

// Nothing is allocated or freed under the lock, and no observer runs there. So what a method takes
// out of the list is returned, for the caller to drop when the lock is free.

use std::collections::VecDeque;
use std::iter;
use std::ops::Deref;
use std::sync::{Arc, Weak};

use fillgauge::QueueSnapshot;

use super::QueueGauge;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{Lazy, List, Mutex, force, lock, with_room};

/// A registry's gauges. Each gauge holds it by a [`ListingRef`].
#[derive(Default)]
pub(super) struct Listing {
    /// The serial number of the latest registration.
    registered: AtomicUsize,
    gauges: Mutex<Gauges>,
}

/// How many gauges are read before the lock is released for others.
const CHUNK: usize = 64;

#[derive(Default)]
struct Gauges {
    /// In order of registration, hence of instance.
    entries: VecDeque<Entry>,
    /// How many entries have a gauge.
    live: usize,
}

struct Entry {
    instance: usize,
    /// `None` once the gauge is gone.
    gauge: Option<Weak<QueueGauge>>,
    /// References that keep the gauge for the delivery of its event. A gauge without any other is
    /// gone for everyone else.
    pins: usize,
}

impl List<Gauges> for Entry {
    type Entry = Entry;

    fn entries(state: &mut Gauges) -> &mut VecDeque<Entry> {
        &mut state.entries
    }

    fn is_obsolete(entry: &Entry) -> bool {
        entry.gauge.is_none()
    }
}

impl Entry {
    fn pin(&mut self) -> Option<Arc<QueueGauge>> {
        let gauge = self.gauge.as_ref()?.upgrade()?;
        self.pins += 1;
        Some(gauge)
    }

    /// Whether someone holds the gauge who is not about to deliver its event. It has `extra`
    /// references besides.
    #[inline]
    fn is_in_use(&self, gauge: &Weak<QueueGauge>, extra: usize) -> bool {
        self.pins == 0 || gauge.strong_count() > self.pins + extra
    }
}

impl Gauges {
    /// Where the entry of `instance` is.
    fn position(&self, instance: usize) -> Option<usize> {
        // Most gauges that go are the latest that came.
        let last = self.entries.len().checked_sub(1)?;
        if self.entries.get(last)?.instance == instance {
            return Some(last);
        }
        self.entries
            .binary_search_by_key(&instance, |entry| entry.instance)
            .ok()
            // After more registrations than fit in the word they are not sorted.
            .or_else(|| {
                let mut entries = self.entries.iter();
                entries.position(|entry| entry.instance == instance)
            })
    }

    fn entry(&mut self, instance: usize) -> Option<&mut Entry> {
        let position = self.position(instance)?;
        self.entries.get_mut(position)
    }

    #[inline]
    fn insert(&mut self, instance: usize, gauge: Weak<QueueGauge>) {
        self.live += 1;
        let entry = Entry {
            instance,
            gauge: Some(gauge),
            pins: 0,
        };
        let is_latest = |last: &Entry| last.instance < instance;
        if self.entries.back().is_none_or(is_latest) {
            self.entries.push_back(entry);
        } else {
            self.insert_late(entry);
        }
    }

    /// Registrations that race come in another order than their numbers.
    #[cold]
    fn insert_late(&mut self, entry: Entry) {
        let later = self.entries.iter().rev();
        let later = later.take_while(|other| other.instance > entry.instance);
        let position = self.entries.len() - later.count();
        self.entries.insert(position, entry);
    }

    fn remove(&mut self, instance: usize) -> Option<Weak<QueueGauge>> {
        let gauge = self.entry(instance)?.gauge.take()?;
        self.live -= 1;
        while self
            .entries
            .back()
            .is_some_and(|entry| entry.gauge.is_none())
        {
            self.entries.pop_back();
        }
        if self.entries.len() > 2 * self.live + 16 {
            self.entries.retain(|entry| entry.gauge.is_some());
        }
        Some(gauge)
    }
}

impl Listing {
    /// The serial number of a new registration: from 1, since 0 stands for none.
    pub(super) fn next_instance(&self) -> usize {
        loop {
            let before = self.registered.fetch_add(1, Ordering::Relaxed);
            let instance = before.wrapping_add(1);
            if instance != 0 {
                return instance;
            }
        }
    }

    pub(super) fn insert(&self, instance: usize, gauge: Weak<QueueGauge>) {
        with_room::<Entry, _, _>(&self.gauges, |gauges| {
            gauges.insert(instance, gauge);
        });
    }

    pub(super) fn remove(&self, instance: usize) {
        let gauge = lock(&self.gauges).remove(instance);
        drop(gauge);
    }

    /// How many gauges are in use.
    pub(super) fn live(&self) -> usize {
        let gauges = lock(&self.gauges);
        let in_use = |entry: &&Entry| match &entry.gauge {
            Some(gauge) => entry.is_in_use(gauge, 0),
            None => false,
        };
        gauges.entries.iter().filter(in_use).count()
    }

    pub(super) fn snapshot(&self) -> Vec<QueueSnapshot> {
        let mut snapshot = Vec::new();
        let mut latest = 0;
        let mut left = lock(&self.gauges).entries.len();
        while left > 0 {
            snapshot.reserve(left);
            let mut gauges = lock(&self.gauges);
            let start = gauges
                .entries
                .partition_point(|entry| entry.instance <= latest);
            let room = snapshot.capacity() - snapshot.len();
            let mut released = None;
            for entry in gauges.entries.range(start..).take(room.min(CHUNK)) {
                latest = entry.instance;
                let Some(listed) = &entry.gauge else {
                    continue;
                };
                let Some(gauge) = listed.upgrade() else {
                    continue;
                };
                if entry.is_in_use(listed, 1) {
                    snapshot.push(gauge.gauge.snapshot());
                }
                // If the others were dropped meanwhile, this is the last reference.
                released = Arc::into_inner(gauge);
                if released.is_some() {
                    break;
                }
            }
            if let Some(gauge) = &mut released {
                gauge.unlisted = gauges.remove(latest);
            }
            let end = gauges
                .entries
                .partition_point(|entry| entry.instance <= latest);
            left = gauges.entries.len() - end;
            drop(gauges);
            drop(released);
        }
        snapshot
    }

    /// Pins the gauge of `instance`: a reference for the delivery of its event, which does not keep
    /// it in snapshots. `None` if it is not listed.
    pub(super) fn pin(&self, instance: usize) -> Option<Arc<QueueGauge>> {
        let mut gauges = lock(&self.gauges);
        gauges.entry(instance)?.pin()
    }

    /// Pins the first gauge that was registered after `instance`.
    pub(super) fn pin_after(&self, instance: usize) -> Option<Arc<QueueGauge>> {
        let mut gauges = lock(&self.gauges);
        let start = gauges
            .entries
            .partition_point(|entry| entry.instance <= instance);
        gauges.entries.range_mut(start..).find_map(Entry::pin)
    }

    /// Gives back what [`pin`](Self::pin) gave.
    pub(super) fn unpin(gauge: Arc<QueueGauge>) {
        let listing = gauge.gauge.delivery().listing.clone();
        let instance = gauge.gauge.instance();
        let mut gauges = lock(&listing.gauges);
        if let Some(entry) = gauges.entry(instance) {
            entry.pins -= 1;
        }
        // Under the lock, or a snapshot might take this reference for that of a user. Nothing is
        // freed here: the list has a weak reference.
        let mut released = Arc::into_inner(gauge);
        if let Some(gauge) = &mut released {
            gauge.unlisted = gauges.remove(instance);
        }
        drop(gauges);
        drop(released);
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

impl Default for ListingRef {
    fn default() -> Self {
        let listing = Arc::<Listing>::default();
        let listed = Arc::downgrade(&listing);
        with_room::<Counted, _, _>(force(&COUNTED), |listings| listings.push_back(listed));
        Self::Counted(listing)
    }
}

impl ListingRef {
    /// The listing of the process.
    pub(super) fn global() -> Self {
        static GLOBAL: Lazy<Listing> = Lazy::new(Listing::default);
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
