//! A sink that panics at its first warning. What came up meanwhile is checked by the next operation
//! that checks.

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::*;

use crate::pairs::{ALL, CAPACITY, MOST_STATES, THRESHOLDS, WARN};

#[test]
fn the_operation_after_a_panic_checks_what_it_left() {
    let warns = [Enqueue, EnqueueN(3), Observe(WARN)];
    let meanwhile = [Enqueue, Dequeue, DequeueN(3)];
    let afterwards = [
        Enqueue,
        EnqueueN(2),
        Dequeue,
        DequeueN(3),
        ALL,
        Clear,
        Observe(0),
        Observe(WARN),
        Observe(WARN - 1),
    ];
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue] {
        for warns in warns {
            for meanwhile in meanwhile {
                programs.extend(afterwards.map(|afterwards| Program {
                    capacity: CAPACITY,
                    thresholds: THRESHOLDS,
                    kind,
                    before: vec![EnqueueN(WARN - 1)],
                    threads: vec![vec![warns, afterwards], vec![meanwhile]],
                    sink: Sink::PanicsOnce,
                }));
            }
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(162, 3_400_000);
}

/// It would deliver, in what only reads.
#[test]
fn a_peak_that_is_taken_after_a_panic_checks_nothing() {
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue] {
        for afterwards in [
            vec![TakePeak],
            vec![TakePeak, Enqueue],
            vec![TakePeak, Dequeue],
        ] {
            programs.push(Program {
                capacity: CAPACITY,
                thresholds: THRESHOLDS,
                kind,
                before: vec![EnqueueN(WARN - 1)],
                threads: vec![[vec![Enqueue], afterwards].concat(), vec![DequeueN(3)]],
                sink: Sink::PanicsOnce,
            });
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(6, 54_000);
}
