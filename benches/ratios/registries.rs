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

const TITLES: [&str; 5] = [
    "register + drop",
    "register + drop, 10 live gauges",
    "register + drop of the original",
    "snapshot, for each live gauge",
    "enqueue + dequeue while another thread snapshots 1000 gauges",
];

/// A registry with live gauges.
struct Live<R, G> {
    registry: R,
    gauges: Vec<Arc<G>>,
}

type Ours = Live<QueueRegistry, QueueGauge>;
type Theirs = Live<original::QueueRegistry, original::QueueGauge>;

impl Ours {
    fn with(live: usize) -> Self {
        let registry = QueueRegistry::default();
        let register = |_| registry.register(TrackedLimit::VmPipes, 64);
        let gauges = (0..live).map(register).collect();
        Self { registry, gauges }
    }

    fn register_and_drop(&self, n: usize) {
        for _ in 0..n {
            black_box(self.registry.register(TrackedLimit::VmPipes, 64));
        }
    }

    fn check(&self) {
        assert_eq!(self.registry.snapshot().len(), self.gauges.len());
    }
}

impl Theirs {
    fn with(live: usize) -> Self {
        let registry = original::QueueRegistry::default();
        let register = |_| registry.register(original::TrackedLimit::VmPipes, 64);
        let gauges = (0..live).map(register).collect();
        Self { registry, gauges }
    }

    fn register_and_drop(&self, n: usize) {
        for _ in 0..n {
            black_box(self.registry.register(original::TrackedLimit::VmPipes, 64));
        }
    }

    fn check(&self) {
        assert_eq!(self.registry.snapshot().len(), self.gauges.len());
    }
}

pub(crate) fn compare(run: &mut Run) {
    let ours = LIVE.map(|live| run.wants_any(&TITLES).then(|| Ours::with(live)));
    let theirs = LIVE.map(|live| run.wants_any(&TITLES).then(|| Theirs::with(live)));
    let ours: Vec<&Ours> = ours.iter().flatten().collect();
    let theirs: Vec<&Theirs> = theirs.iter().flatten().collect();
    if ours.is_empty() {
        return;
    }
    let [register, few, many, snapshot, meanwhile] = TITLES;

    let mut contenders: Vec<_> = LIVE
        .iter()
        .zip(&ours)
        .map(|(live, ours)| {
            contender(format!("fillgauge-std, {live} live"), |n| {
                ours.register_and_drop(n)
            })
        })
        .collect();
    contenders.push(contender("fillgauge-std, the global registry", |n| {
        for _ in 0..n {
            black_box(register_limit(TrackedLimit::VmPipes, 64));
        }
    }));
    contenders.push(core_registry());
    run.time(register, 20_000, contenders);

    run.time(
        few,
        20_000,
        vec![
            contender("original", |n| theirs[0].register_and_drop(n)),
            contender("fillgauge-std", |n| ours[0].register_and_drop(n)),
            contender("fillgauge-std, the global registry", |n| {
                for _ in 0..n {
                    black_box(register_limit(TrackedLimit::VmPipes, 64));
                }
            }),
        ],
    );

    let contenders = LIVE
        .iter()
        .zip(&theirs)
        .map(|(live, theirs)| {
            contender(format!("original, {live} live"), |n| {
                theirs.register_and_drop(n)
            })
        })
        .collect();
    run.time(many, 200, contenders);

    let mut contenders = Vec::new();
    for (index, live) in LIVE.into_iter().enumerate() {
        let (ours, theirs) = (ours[index], theirs[index]);
        contenders.push(contender(format!("fillgauge-std, {live} live"), move |n| {
            for _ in 0..n.div_ceil(live) {
                black_box(ours.registry.snapshot());
            }
        }));
        contenders.push(contender(format!("original, {live} live"), move |n| {
            for _ in 0..n.div_ceil(live) {
                black_box(theirs.registry.snapshot());
            }
        }));
    }
    run.time(snapshot, 100_000, contenders);

    run.time(
        meanwhile,
        200_000,
        vec![
            recording(
                "fillgauge-std, no snapshot",
                |n| pairs(&ours[1].gauges, n),
                || (),
            ),
            recording(
                "fillgauge-std",
                |n| pairs(&ours[1].gauges, n),
                || drop(black_box(ours[1].registry.snapshot())),
            ),
            recording(
                "original, no snapshot",
                |n| their_pairs(&theirs[1].gauges, n),
                || (),
            ),
            recording(
                "original",
                |n| their_pairs(&theirs[1].gauges, n),
                || drop(black_box(theirs[1].registry.snapshot())),
            ),
        ],
    );

    for ours in ours {
        ours.check();
    }
    for theirs in theirs {
        theirs.check();
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

/// Records here, while another thread does `meanwhile` over and over.
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
