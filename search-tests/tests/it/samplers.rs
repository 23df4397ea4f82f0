//! Several threads change a queue that knows its length, and sample it. When all have done so, the
//! gauge reads that length.

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise;
use fillgauge_search_tests::search::Settings;
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};

use crate::pairs::{CAPACITY, MOST_STATES, THRESHOLDS, WARN, pairs_of};

fn program(before: &[Op], threads: Vec<Vec<Op>>) -> Program {
    Program {
        capacity: CAPACITY,
        thresholds: THRESHOLDS,
        kind: Kind::Limit,
        before: before.to_vec(),
        threads,
        sink: Sink::InPlace,
    }
}

#[test]
fn samplers_settle_on_the_length_of_the_queue() {
    let mut programs = Vec::new();
    let pasts: [&[Op]; 6] = [
        &[],
        &[Fill(1)],
        &[Fill(4)],
        &[Fill(WARN)],
        // Recovered.
        &[Fill(WARN), Drain],
        &[Fill(WARN), Drain, Fill(WARN - 1)],
    ];
    for before in pasts {
        programs.extend(pairs_of(&[Fill(1), Drain]).map(|threads| program(before, threads)));
    }
    search_all(&programs, MOST_STATES).assert_clean(18, 10_600_000);
}

/// A sample that is older than the observation stays.
#[test]
fn an_old_sample_is_found() {
    let program = program(&[Fill(4)], vec![vec![Fill(1)], vec![Drain]]);
    let failure = program
        .search_sampled(Settings::up_to(MOST_STATES), true)
        .unwrap_err();
    assert_eq!(failure.broken.promise, Promise::Conservation, "{failure}");
}
