//! Registering, and snapshots, with few and many live gauges.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agentos_bridge::queue_tracker as original;
use fillgauge::Limit;
use fillgauge_std::{QueueGauge, QueueRegistry, TrackedLimit, register_limit};

use crate::compare::{Contender, Run, contender};

const LIVE: [usize; 4] = [10, 1_000, 10_000, 100_000];

/// A registry of ours with live gauges.
struct Ours {
    registry: QueueRegistry,
    gauges: Vec<Arc<QueueGauge>>,
}

impl Ours {
    fn with(live: usize) -> Self {
        let registry = QueueRegistry::default();
        let register = |_| registry.register(TrackedLimit::VmPipes, 64);
        let gauges = (0..live).map(register).collect();
        Self { registry, gauges }
    }
}

/// The same of the original.
struct Theirs {
    registry: original::QueueRegistry,
    gauges: Vec<Arc<original::QueueGauge>>,
}

impl Theirs {
    fn with(live: usize) -> Self {
        let registry = original::QueueRegistry::default();
        let register = |_| registry.register(original::TrackedLimit::VmPipes, 64);
        let gauges = (0..live).map(register).collect();
        Self { registry, gauges }
    }
}

pub(crate) fn compare(run: &mut Run) {
    const REGISTER: &str = "register + drop";
    if run.wants(REGISTER) {
        let mut contenders = Vec::new();
        for live in LIVE {
            let ours = Ours::with(live);
            contenders.push(contender(format!("fillgauge-std, {live} live"), move |n| {
                for _ in 0..n {
                    black_box(ours.registry.register(TrackedLimit::VmPipes, 64));
                }
            }));
        }
        contenders.push(contender("fillgauge-std, the global registry", |n| {
            for _ in 0..n {
                black_box(register_limit(TrackedLimit::VmPipes, 64));
            }
        }));
        contenders.push(core_registry());
        run.time(REGISTER, 20_000, contenders);
    }

    const REGISTER_THERE: &str = "register + drop, the original";
    if run.wants(REGISTER_THERE) {
        let mut contenders = Vec::new();
        for live in LIVE {
            let theirs = Theirs::with(live);
            contenders.push(contender(format!("original, {live} live"), move |n| {
                for _ in 0..n {
                    black_box(
                        theirs
                            .registry
                            .register(original::TrackedLimit::VmPipes, 64),
                    );
                }
                black_box(&theirs.gauges);
            }));
        }
        let ours = Ours::with(10);
        contenders.push(contender("fillgauge-std, 10 live", move |n| {
            for _ in 0..n {
                black_box(ours.registry.register(TrackedLimit::VmPipes, 64));
            }
        }));
        run.time(REGISTER_THERE, 200, contenders);
    }

    const SNAPSHOT: &str = "snapshot, for each live gauge";
    if run.wants(SNAPSHOT) {
        let mut contenders = Vec::new();
        for live in LIVE {
            let (ours, theirs) = (Ours::with(live), Theirs::with(live));
            contenders.push(contender(format!("fillgauge-std, {live} live"), move |n| {
                for _ in 0..n / live {
                    black_box(ours.registry.snapshot());
                }
                black_box(&ours.gauges);
            }));
            contenders.push(contender(format!("original, {live} live"), move |n| {
                for _ in 0..n / live {
                    black_box(theirs.registry.snapshot());
                }
                black_box(&theirs.gauges);
            }));
        }
        run.time(SNAPSHOT, 100_000, contenders);
    }

    const MEANWHILE: &str = "enqueue + dequeue while another thread snapshots 1000 gauges";
    if run.wants(MEANWHILE) {
        let (ours, theirs) = (Ours::with(1_000), Theirs::with(1_000));
        let (alone, quiet) = (Ours::with(1_000), Theirs::with(1_000));
        run.time(
            MEANWHILE,
            200_000,
            vec![
                recording(
                    "fillgauge-std, no snapshot",
                    move |n| pairs(&alone.gauges, n),
                    || (),
                ),
                recording(
                    "fillgauge-std",
                    |n| pairs(&ours.gauges, n),
                    || drop(black_box(ours.registry.snapshot())),
                ),
                recording(
                    "original, no snapshot",
                    move |n| their_pairs(&quiet.gauges, n),
                    || (),
                ),
                recording(
                    "original",
                    |n| their_pairs(&theirs.gauges, n),
                    || drop(black_box(theirs.registry.snapshot())),
                ),
            ],
        );
    }
}

/// Pairs on one gauge after the other.
fn pairs(gauges: &[Arc<QueueGauge>], n: usize) {
    for gauge in gauges.iter().cycle().take(n) {
        gauge.record_enqueue();
        gauge.record_dequeue();
    }
}

fn their_pairs(gauges: &[Arc<original::QueueGauge>], n: usize) {
    for gauge in gauges.iter().cycle().take(n) {
        gauge.record_enqueue();
        gauge.record_dequeue();
    }
}

/// Records here, while another thread does `meanwhile` over and over; without one it sleeps.
fn recording<'a>(
    name: &str,
    record: impl Fn(usize) + 'a,
    meanwhile: impl Fn() + Sync + 'a,
) -> Contender<'a> {
    contender(name, move |n| {
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    meanwhile();
                }
            });
            record(n);
            done.store(true, Ordering::Relaxed);
        });
    })
}

/// The registry of the core, whose slots are there already.
fn core_registry<'a>() -> Contender<'a> {
    static REGISTRY: fillgauge::QueueRegistry<16> = fillgauge::QueueRegistry::new();
    static LIMIT: Limit = Limit::queue("bench");
    contender("fillgauge, a registry of 16 slots", |n| {
        for _ in 0..n {
            black_box(REGISTRY.register(&LIMIT, 64)).ok();
        }
    })
}
