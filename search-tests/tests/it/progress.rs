//! Two corrections that meet: one of them ends.

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::*;

use crate::pairs::{CAPACITY, THRESHOLDS};

#[test]
fn two_corrections_do_not_repeat_for_ever() {
    let pairs = [
        vec![vec![Observe(2)], vec![Clear]],
        vec![vec![Observe(2)], vec![Observe(3)]],
    ];
    let programs = pairs.map(|threads| Program {
        capacity: CAPACITY,
        thresholds: THRESHOLDS,
        kind: Kind::Limit,
        before: vec![EnqueueN(1)],
        threads,
        sink: Sink::InPlace,
    });
    search_all(&programs, 1_000_000).assert_clean(2, 11_000);
}
