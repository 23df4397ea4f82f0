//! Every two operations that meet, on both kinds of gauge, in every state, at every depth that
//! matters.

use fillgauge_search_tests::program::{Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};

pub const CAPACITY: usize = 8;
pub const WARN: usize = 6;
pub const REARM: usize = 3;
/// The percentages of these points.
pub const THRESHOLDS: (u8, u8) = (75, 40);

pub const ALL: Op = DequeueN(usize::MAX);

const OPS: [Op; 11] = [
    Enqueue,
    EnqueueN(3),
    Dequeue,
    DequeueN(3),
    ALL,
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
    /// It has warned, then counted to the depth.
    Warned,
    /// It was observed at the depth.
    Sampled,
    /// It has warned, then was observed at the depth.
    WarnedAndSampled,
}

impl Past {
    const ALL: [Self; 4] = [
        Self::Armed,
        Self::Warned,
        Self::Sampled,
        Self::WarnedAndSampled,
    ];

    fn depths(self) -> &'static [usize] {
        match self {
            Self::Armed => &[0, 1, 2, REARM, REARM + 1, WARN - 1],
            Self::Sampled => &[0, 1, REARM, REARM + 1, WARN - 1],
            Self::Warned | Self::WarnedAndSampled => {
                &[REARM + 1, REARM + 2, WARN, CAPACITY - 1, CAPACITY]
            }
        }
    }

    fn before(self, depth: usize) -> Vec<Op> {
        match self {
            Self::Armed => vec![EnqueueN(depth)],
            Self::Warned if depth < WARN => vec![EnqueueN(WARN), DequeueN(WARN - depth)],
            Self::Warned => vec![EnqueueN(depth)],
            Self::Sampled => vec![Observe(depth)],
            Self::WarnedAndSampled => vec![EnqueueN(WARN), Observe(depth)],
        }
    }
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
    let mut programs = Vec::new();
    for for_queue in [false, true] {
        for past in Past::ALL {
            for depth in past.depths() {
                programs.extend(pairs_of(&OPS).map(|threads| Program {
                    capacity: CAPACITY,
                    thresholds: THRESHOLDS,
                    for_queue,
                    before: past.before(*depth),
                    threads,
                    sink: Sink::InPlace,
                }));
            }
        }
    }
    programs
}

#[test]
fn every_pair_keeps_every_promise() {
    search_all(&programs(), 200_000).assert_clean(2_772, 2_000_000);
}
