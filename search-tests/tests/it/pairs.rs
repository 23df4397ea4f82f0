//! Every two operations that meet, on both kinds of gauge, in every state, at every depth that
//! matters.

use std::collections::BTreeSet;

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};

pub const CAPACITY: usize = 8;
pub const WARN: usize = 6;
pub const REARM: usize = 3;
/// The percentages of these points.
pub const THRESHOLDS: (u8, u8) = (75, 40);

/// More than any program has states.
pub const MOST_STATES: usize = 20_000_000;

/// Its hundredfold does not fit in the word.
pub const GREAT_CAPACITY: usize = 1 << (usize::BITS - 2);

pub const ALL: Op = DequeueN(usize::MAX);

/// A gauge of which the pairs are tried.
#[derive(Clone, Copy, Debug)]
struct Gauge {
    capacity: usize,
    thresholds: (u8, u8),
    warn: usize,
    rearm: usize,
}

/// Its points are far apart.
const ROOMY: Gauge = Gauge {
    capacity: CAPACITY,
    thresholds: THRESHOLDS,
    warn: WARN,
    rearm: REARM,
};

/// Without a bound: the points are depths like others.
const UNBOUNDED: Gauge = Gauge {
    capacity: 0,
    thresholds: THRESHOLDS,
    warn: 3,
    rearm: 1,
};

/// It warns when it is full, and is armed again one below that.
const NARROW: Gauge = Gauge {
    capacity: 2,
    thresholds: (80, 50),
    warn: 2,
    rearm: 1,
};

impl Gauge {
    fn ops(self) -> Vec<Op> {
        let counts = [
            Enqueue,
            EnqueueN(3),
            Dequeue,
            DequeueN(3),
            ALL,
            Clear,
            TakePeak,
        ];
        let observed = BTreeSet::from([0, self.rearm, self.warn, self.capacity]);
        counts
            .into_iter()
            .chain(observed.into_iter().map(Observe))
            .chain([ObserveWith(self.warn - 1)])
            .collect()
    }

    /// Every pair from this past. Two corrections that meet have a hundred times as many states,
    /// and do not depend on the past as counting does. Nor does an observer of the window.
    fn programs_after(self, kind: Kind, before: &[Op], are_all: bool) -> Vec<Program> {
        let is_wanted = |threads: &Vec<Vec<Op>>| {
            let corrections_meet = threads.iter().all(|ops| corrects(ops[0]));
            are_all || !corrections_meet && !threads.iter().any(|ops| ops[0] == TakePeak)
        };
        pairs_of(&self.ops())
            .filter(is_wanted)
            .map(|threads| Program {
                capacity: self.capacity,
                thresholds: self.thresholds,
                kind,
                before: before.to_vec(),
                threads,
                sink: Sink::InPlace,
            })
            .collect()
    }

    fn programs(self) -> Vec<Program> {
        let mut programs = Vec::new();
        for kind in [Kind::Limit, Kind::Queue] {
            for past in Past::ALL {
                let depths = past.depths(self);
                for (number, depth) in depths.iter().enumerate() {
                    let is_end = number == 0 || number + 1 == depths.len();
                    let before = past.before(self, *depth);
                    programs.extend(self.programs_after(kind, &before, is_end));
                }
            }
        }
        programs
    }
}

/// What the gauge has been through before the two operations meet.
#[derive(Clone, Copy, Debug)]
enum Past {
    /// It has counted up to the depth.
    Armed,
    /// It has warned, then counted to the depth.
    Warned,
    /// It was observed at the depth.
    Sampled,
}

impl Past {
    const ALL: [Self; 3] = [Self::Armed, Self::Warned, Self::Sampled];

    fn depths(self, gauge: Gauge) -> BTreeSet<usize> {
        let Gauge {
            capacity,
            warn,
            rearm,
            ..
        } = gauge;
        match self {
            // Warned and recovered, if it was sampled.
            Self::Sampled => BTreeSet::from([0, rearm]),
            Self::Armed => BTreeSet::from([0, 1, rearm, rearm + 1, warn - 1])
                .into_iter()
                .filter(|depth| *depth < warn)
                .collect(),
            Self::Warned => BTreeSet::from([rearm + 1, rearm + 2, warn, capacity - 1, capacity])
                .into_iter()
                .filter(|depth| (rearm + 1..=capacity).contains(depth))
                .collect(),
        }
    }

    fn before(self, Gauge { warn, .. }: Gauge, depth: usize) -> Vec<Op> {
        match self {
            Self::Armed => vec![EnqueueN(depth)],
            Self::Warned if depth < warn => vec![EnqueueN(warn), DequeueN(warn - depth)],
            Self::Warned => vec![EnqueueN(depth)],
            Self::Sampled => vec![Observe(warn), Observe(depth)],
        }
    }
}

fn clears(op: Op) -> bool {
    matches!(op, ALL | Clear)
}

fn observes(op: Op) -> bool {
    matches!(op, Observe(_) | ObserveWith(_))
}

pub fn corrects(op: Op) -> bool {
    clears(op) || observes(op)
}

/// Every two of `ops`, and every one with itself.
pub fn pairs_of(ops: &[Op]) -> impl Iterator<Item = Vec<Vec<Op>>> + '_ {
    ops.iter().enumerate().flat_map(|(index, first)| {
        ops[index..]
            .iter()
            .map(|second| vec![vec![*first], vec![*second]])
    })
}

pub fn programs() -> Vec<Program> {
    ROOMY.programs()
}

#[test]
fn every_pair_keeps_every_promise() {
    search_all(&ROOMY.programs(), MOST_STATES).assert_clean(1_392, 27_000_000);
}

#[test]
fn every_pair_keeps_every_promise_of_a_narrow_gauge() {
    search_all(&NARROW.programs(), MOST_STATES).assert_clean(660, 15_000_000);
}

/// Dequeues were recorded before their enqueues. Of a clear and an observation that meet then,
/// nothing is promised.
#[test]
fn every_pair_keeps_every_promise_of_a_queue_that_is_ahead() {
    let pasts: [&[Op]; 3] = [
        &[Dequeue],
        &[DequeueN(3)],
        &[EnqueueN(WARN), DequeueN(WARN + 1)],
    ];
    let mut programs = Vec::new();
    for (number, before) in pasts.into_iter().enumerate() {
        programs.extend(ROOMY.programs_after(Kind::Queue, before, number != 1));
    }
    programs.retain(|program| {
        let any = |is: fn(Op) -> bool| program.threads.iter().any(|ops| is(ops[0]));
        !(any(clears) && any(observes))
    });
    search_all(&programs, MOST_STATES).assert_clean(174, 2_000_000);
}

/// It has warned, and was observed below its warn point.
#[test]
fn every_pair_keeps_every_promise_of_a_gauge_that_was_sampled_after_its_warning() {
    let before = [Observe(WARN), Observe(WARN - 1)];
    let programs = [Kind::Limit, Kind::Queue]
        .map(|kind| ROOMY.programs_after(kind, &before, false))
        .concat();
    search_all(&programs, MOST_STATES).assert_clean(76, 230_000);
}

#[test]
fn every_pair_keeps_every_promise_without_a_bound() {
    let pasts: [&[Op]; 3] = [&[EnqueueN(2)], &[Observe(3), Observe(1)], &[Dequeue]];
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue, Kind::Rendezvous] {
        for (number, before) in pasts.into_iter().enumerate() {
            programs.extend(UNBOUNDED.programs_after(kind, before, number == 0));
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(402, 190_000);
}

/// What a guard does, against everything: it records what it takes, and then gives that back.
#[test]
fn every_operation_meets_what_is_held_and_given_back() {
    let held = vec![EnqueueN(3), DequeueN(3)];
    let mut programs = Vec::new();
    for (kind, gauge) in [
        (Kind::Limit, ROOMY),
        (Kind::Queue, ROOMY),
        (Kind::Limit, NARROW),
    ] {
        for past in [Past::Armed, Past::Warned] {
            // Right before an edge.
            let depths = past.depths(gauge);
            let depth = match past {
                Past::Armed => depths.last(),
                _ => depths.first(),
            };
            let before = past.before(gauge, *depth.unwrap());
            let others = gauge.ops().into_iter().map(|op| vec![op]);
            programs.extend(others.chain([held.clone()]).map(|other| Program {
                capacity: gauge.capacity,
                thresholds: gauge.thresholds,
                kind,
                before: before.clone(),
                threads: vec![held.clone(), other],
                sink: Sink::InPlace,
            }));
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(76, 6_000_000);
}
