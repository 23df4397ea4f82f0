use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_std::{GaugeConfig, Limit, QueueRegistry, Thresholds, TrackedLimit, limit_catalog};

use crate::size::native_or_miri;

limit_catalog! {
    enum Modem {
        Frames = "modem_frames": Queue,
    }
}

static SPOOL: Limit = Limit::resource("spool");

#[test]
fn a_users_own_catalogue_and_limits_are_as_good_as_ours() {
    let registry = QueueRegistry::default();
    let _frames = registry.register(Modem::Frames, 4);
    let _spool = registry.register(&SPOOL, 4);
    let _ours = registry.register(TrackedLimit::VmPipes, 4);
    let entries = registry.snapshot();
    assert!(entries[0].name == Modem::Frames && entries[0].name != TrackedLimit::VmPipes);
    assert_eq!(entries[1].name, &SPOOL);
    assert_eq!(Modem::from_limit(entries[0].name), Some(Modem::Frames));
    assert_eq!(
        TrackedLimit::from_limit(entries[2].name),
        Some(TrackedLimit::VmPipes)
    );
    assert_eq!(TrackedLimit::from_limit(entries[1].name), None);
}

#[test]
fn gauges_of_one_limit_are_told_apart() {
    let registry = QueueRegistry::default();
    let gauges: Vec<_> = (0..3)
        .map(|_| registry.register(TrackedLimit::VmPipes, 4))
        .collect();
    gauges[1].record_enqueue();
    let entries: Vec<_> = registry
        .snapshot()
        .into_iter()
        .map(|entry| (entry.instance, entry.depth))
        .collect();
    assert_eq!(entries, [(1, 0), (2, 1), (3, 0)]);
}

#[test]
fn thresholds_of_its_own() {
    let early = Thresholds::new(25, 0).unwrap();
    let config = GaugeConfig::new(&SPOOL, 8).thresholds(early);
    let gauge = QueueRegistry::default().register_with(config);
    gauge.record_enqueue_n(2);
    assert!(gauge.has_warned());
}

#[test]
fn a_hundred_thousand_gauges_are_live_at_once() {
    const GAUGES: usize = 100_000;
    let registry = QueueRegistry::default();
    let mut gauges: Vec<_> = (0..GAUGES)
        .map(|capacity| registry.register(TrackedLimit::VmSockets, capacity))
        .collect();
    for gauge in &gauges {
        gauge.observe_depth(gauge.capacity());
    }
    let entries = registry.snapshot();
    assert_eq!(entries.len(), GAUGES);
    let instances: HashSet<usize> = entries.iter().map(|entry| entry.instance).collect();
    assert_eq!(instances.len(), GAUGES);
    assert!(entries.iter().all(|entry| entry.depth == entry.capacity));
    // Every other one goes, and others come in their place.
    let mut index = 0;
    gauges.retain(|_| {
        index += 1;
        index % 2 == 0
    });
    assert_eq!(registry.snapshot().len(), GAUGES / 2);
    gauges.extend((0..GAUGES / 2).map(|_| registry.register(TrackedLimit::VmPipes, 1)));
    assert_eq!(registry.snapshot().len(), GAUGES);
    drop(gauges);
    assert!(registry.snapshot().is_empty());
}

/// Counts a thread that works, until it ends or panics.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn a_dropped_gauge_is_in_no_later_snapshot_of_any_thread() {
    let registry = QueueRegistry::default();
    let working = AtomicUsize::new(1);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while working.load(Ordering::Relaxed) > 0 {
                    assert!(registry.snapshot().len() <= 1);
                }
            });
        }
        let _working = Working(&working);
        for round in 0..native_or_miri(20_000, 6) {
            drop(registry.register(TrackedLimit::VmPtys, round));
            assert!(registry.snapshot().is_empty(), "round {round}");
        }
    });
}

#[test]
fn snapshots_show_no_mix_while_gauges_come_and_go() {
    let registry = QueueRegistry::default();
    const THREADS: usize = native_or_miri(8, 2);
    let (entries, working) = (AtomicUsize::new(0), AtomicUsize::new(THREADS));
    let start = Instant::now();
    thread::scope(|scope| {
        for limits in TrackedLimit::ALL
            .chunks_exact(native_or_miri(4, 3))
            .take(THREADS)
        {
            let (registry, entries, working) = (&registry, &entries, &working);
            scope.spawn(move || {
                let _working = Working(working);
                let mut rounds = 0;
                let unseen = || entries.load(Ordering::Relaxed) == 0;
                while rounds < native_or_miri(500, 3)
                    || unseen() && start.elapsed() < Duration::from_secs(60)
                {
                    for limit in limits {
                        let gauge = registry.register(*limit, 100 * limit.as_str().len());
                        gauge.observe_depth(gauge.instance() * 64 + *limit as usize);
                    }
                    rounds += 1;
                }
            });
        }
        while working.load(Ordering::Relaxed) > 0 {
            for entry in registry.snapshot() {
                entries.fetch_add(1, Ordering::Relaxed);
                let limit = TrackedLimit::from_limit(entry.name).unwrap();
                assert_eq!(entry.category, limit.category(), "{entry:?}");
                assert_eq!(entry.capacity, 100 * limit.as_str().len(), "{entry:?}");
                let observed = entry.instance * 64 + limit as usize;
                assert!(entry.depth == 0 || entry.depth == observed, "{entry:?}");
            }
        }
    });
    assert!(entries.into_inner() > 0, "no snapshot met a live gauge");
    assert!(registry.snapshot().is_empty());
}

#[test]
fn debug_shows_how_many_are_live() {
    let registry = QueueRegistry::default();
    let _gauges = [(); 2].map(|()| registry.register(TrackedLimit::VmPipes, 4));
    assert!(format!("{registry:?}").contains("live: 2"), "{registry:?}");
}

#[test]
fn a_gauge_that_is_dropped_leaves_nothing_in_its_registry() {
    let registry = QueueRegistry::default();
    for _ in 0..1_000 {
        drop(registry.register(TrackedLimit::VmPipes, 8));
    }
    assert_eq!(format!("{registry:?}"), "QueueRegistry { live: 0 }");
}

#[test]
fn a_gauge_may_be_moved_out_of_its_arc() {
    let registry = QueueRegistry::default();
    let gauge = registry.register(TrackedLimit::VmPipes, 4);
    gauge.record_enqueue_n(2);
    let gauge = Arc::into_inner(gauge).unwrap();
    gauge.record_enqueue();
    assert_eq!(registry.snapshot()[0].depth, 3);
    drop(gauge);
    let report = registry.report();
    assert!(report.gauges.is_empty());
    assert_eq!(report.limits[0].totals.unwrap().enqueued, 3);
}

#[test]
fn gauges_are_in_order_after_a_spike() {
    let registry = QueueRegistry::default();
    let kept = registry.register(TrackedLimit::VmPipes, 4);
    let spike: Vec<_> = (0..native_or_miri(100_000, 300))
        .map(|_| registry.register(TrackedLimit::VmSockets, 4))
        .collect();
    let other = registry.register(TrackedLimit::VmPtys, 4);
    drop(spike);
    let numbers: Vec<_> = registry
        .snapshot()
        .iter()
        .map(|entry| entry.instance)
        .collect();
    assert_eq!(numbers, [kept.instance(), other.instance()]);
    let next = registry.register(TrackedLimit::VmPipes, 4);
    assert_eq!(next.instance(), other.instance() + 1);
}
