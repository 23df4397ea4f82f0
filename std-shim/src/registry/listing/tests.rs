//! What only the inside of a registry shows: its memory, and numbers that wrap.

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
        assert!(gauges.kinds().gauges.memory().0 <= 1 && gauges.kinds().budgets.memory().0 <= 1);
    }
}
