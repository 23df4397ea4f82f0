//! Every pair of operations that meet, on every kind of gauge, in every state, at every depth that
//! matters.

use std::collections::BTreeSet;

use fillgauge_search_tests::program::{Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};

/// The points are at 0, 3 or less, 6 or more, and 8.
const CAPACITY: usize = 8;
const REARM: usize = 3;
const WARN: usize = 6;
const THRESHOLDS: (u8, u8) = (75, 40);

const MOST_STATES: usize = 200_000;

const OPS: [Op; 10] = [
    Enqueue,
    EnqueueN(3),
    Dequeue,
    DequeueN(3),
    Clear,
    Observe(0),
    Observe(2),
    Observe(REARM),
    Observe(WARN),
    Observe(CAPACITY),
];

/// What the gauge has been through before the two operations meet.
#[derive(Clone, Copy, Debug)]
enum Past {
    /// It has counted up to the depth.
    Armed,
    /// It has warned, then counted down or up to the depth.
    Warned,
    /// It was observed at the depth.
    Sampled,
    /// It has warned, then was observed at the depth.
    SampledWarned,
}

impl Past {
    const ALL: [Self; 4] = [Self::Armed, Self::Warned, Self::Sampled, Self::SampledWarned];

    fn depths(self) -> impl Iterator<Item = usize> {
        let depths = match self {
            Self::Armed => [0, 1, 2, REARM, REARM + 1, WARN - 1].as_slice(),
            Self::Sampled => &[0, 1, REARM, REARM + 1, WARN - 1],
            Self::Warned | Self::SampledWarned => &[REARM + 1, REARM + 2, WARN, CAPACITY - 1, CAPACITY],
        };
        depths.iter().copied()
    }

    fn before(self, depth: usize) -> Vec<Op> {
        match self {
            Self::Armed => vec![EnqueueN(depth)],
            Self::Warned if depth < WARN => vec![EnqueueN(WARN), DequeueN(WARN - depth)],
            Self::Warned => vec![EnqueueN(depth)],
            Self::Sampled => vec![Observe(depth)],
            Self::SampledWarned => vec![EnqueueN(WARN), Observe(depth)],
        }
    }
}

fn programs() -> Vec<Program> {
    let mut programs = Vec::new();
    for for_queue in [false, true] {
        for past in Past::ALL {
            for depth in past.depths() {
                for (index, first) in OPS.iter().enumerate() {
                    for second in &OPS[index..] {
                        programs.push(Program {
                            capacity: CAPACITY,
                            thresholds: THRESHOLDS,
                            for_queue,
                            before: past.before(depth),
                            threads: vec![vec![*first], vec![*second]],
                            sink: Sink::InPlace,
                        });
                    }
                }
            }
        }
    }
    programs
}

#[test]
fn every_pair_keeps_every_promise() {
    let report = search_all(&programs(), MOST_STATES);
    println!("{report}");
    let mut kinds = BTreeSet::new();
    for failure in &report.failures {
        kinds.insert(format!("{:?} {:?} {:?}", failure.broken.promise, failure.program.for_queue, failure.program.threads));
    }
    for k in kinds { println!("{k}"); }
    assert!(report.failures.is_empty());
}
