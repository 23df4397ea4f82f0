//! Registering, and snapshots, with few and many live gauges.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use agentos_bridge::queue_tracker as original;
use fillgauge::Limit;
use fillgauge_std::{QueueGauge, QueueRegistry, TrackedLimit, register_limit};

use crate::compare::{Contender, Run, contender};
use crate::peers::{Counter, TwoWords};

const LIVE: [usize; 4] = [10, 1_000, 10_000, 100_000];

const TITLES: [&str; 6] = [
    "register + drop",
    "register + drop, 10 live gauges",
    "register + drop of the original",
    "snapshot, for each live gauge",
    "snapshot of 10 live gauges",
    "enqueue + dequeue while another thread snapshots 1000 gauges",
];

/// What lists live gauges.
trait Registry: Default {
    type Gauge;

    fn register_one(&self) -> Arc<Self::Gauge>;

    /// How many gauges a snapshot shows.
    fn shown(&self) -> usize;
}

impl Registry for QueueRegistry {
    type Gauge = QueueGauge;

    fn register_one(&self) -> Arc<QueueGauge> {
        self.register(TrackedLimit::VmPipes, 64)
    }

    fn shown(&self) -> usize {
        black_box(self.snapshot()).len()
    }
}

impl Registry for original::QueueRegistry {
    type Gauge = original::QueueGauge;

    fn register_one(&self) -> Arc<original::QueueGauge> {
        self.register(original::TrackedLimit::VmPipes, 64)
    }

    fn shown(&self) -> usize {
        black_box(self.snapshot()).len()
    }
}

/// A registry with live gauges.
struct Live<R: Registry> {
    registry: R,
    gauges: Vec<Arc<R::Gauge>>,
}

impl<R: Registry> Live<R> {
    fn with(live: usize) -> Self {
        let registry = R::default();
        let gauges = (0..live).map(|_| registry.register_one()).collect();
        Self { registry, gauges }
    }

    /// Ten gauges are left of a million.
    fn after_a_spike() -> Self {
        let mut spike = Self::with(1_000_000);
        let mut number = 0;
        spike.gauges.retain(|_| {
            number += 1;
            number % 100_000 == 0
        });
        spike
    }

    fn register_and_drop(&self, n: usize) {
        for _ in 0..n {
            black_box(self.registry.register_one());
        }
    }

    /// All of them were there to the end.
    fn check(&self) {
        assert_eq!(self.registry.shown(), self.gauges.len());
    }
}

type Ours = Live<QueueRegistry>;
type Theirs = Live<original::QueueRegistry>;

pub(crate) fn compare(run: &mut Run) {
    let ours = LIVE.map(|live| run.wants_any(&TITLES).then(|| Ours::with(live)));
    let theirs = LIVE.map(|live| run.wants_any(&TITLES).then(|| Theirs::with(live)));
    let ours: Vec<&Ours> = ours.iter().flatten().collect();
    let theirs: Vec<&Theirs> = theirs.iter().flatten().collect();
    if ours.is_empty() {
        return;
    }
    let [register, few, many, snapshot, of_ten, meanwhile] = TITLES;

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
                ours.registry.shown();
            }
        }));
        contenders.push(contender(format!("original, {live} live"), move |n| {
            for _ in 0..n.div_ceil(live) {
                theirs.registry.shown();
            }
        }));
    }
    run.time(snapshot, 100_000, contenders);

    let words: Vec<TwoWords> = (0..1_000).map(|_| TwoWords::default()).collect();
    let before = Ours::with(10);
    let after = Ours::after_a_spike();
    run.time(
        of_ten,
        20_000,
        vec![
            shown("fillgauge-std", &before),
            shown("fillgauge-std, after a million came and went", &after),
            shown("original", theirs[0]),
        ],
    );

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
                || _ = ours[1].registry.shown(),
            ),
            recording(
                "fillgauge-std, one of them",
                |n| pairs(&ours[1].gauges[..1], n),
                || _ = ours[1].registry.shown(),
            ),
            recording("two bare words, nobody reads", |n| pairs(&words, n), || ()),
            recording(
                "two bare words, another thread reads them",
                |n| pairs(&words, n),
                || {
                    words
                        .iter()
                        .for_each(|words| _ = black_box(words.difference()));
                },
            ),
            recording(
                "original, no snapshot",
                |n| pairs(&theirs[1].gauges, n),
                || (),
            ),
            recording(
                "original",
                |n| pairs(&theirs[1].gauges, n),
                || _ = theirs[1].registry.shown(),
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

/// Snapshots of a registry.
fn shown<'a, R: Registry>(name: &str, live: &'a Live<R>) -> Contender<'a>
where
    Live<R>: Sync,
{
    contender(name, |n| {
        for _ in 0..n {
            live.registry.shown();
        }
    })
}

/// Pairs on one gauge after the other.
fn pairs(gauges: &[impl Counter], n: usize) {
    for gauge in gauges.iter().cycle().take(n) {
        gauge.enqueue();
        gauge.dequeue();
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
