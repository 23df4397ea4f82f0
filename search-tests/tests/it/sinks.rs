//! A sink that itself dequeues at the first warning: it is not called within its own call, and what
//! it dequeued is checked.

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::*;

use crate::pairs::{CAPACITY, MOST_STATES, THRESHOLDS, WARN, corrects, pairs_of};

#[test]
fn every_pair_keeps_every_promise_where_the_sink_dequeues() {
    let ops = [
        Enqueue,
        EnqueueN(3),
        Dequeue,
        DequeueN(3),
        Clear,
        Observe(WARN),
    ];
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue] {
        // Above the re-arm point, below it, and more than there is.
        for n in [1, 3, CAPACITY + 1] {
            // No two corrections: with the dequeue of the sink they have too many states. Nor is
            // everything promised of a queue that is observed, cleared and counted at once.
            let pairs =
                pairs_of(&ops).filter(|threads| !threads.iter().all(|ops| corrects(ops[0])));
            programs.extend(pairs.map(|threads| Program {
                capacity: CAPACITY,
                thresholds: THRESHOLDS,
                kind,
                before: vec![EnqueueN(WARN - 1)],
                threads,
                sink: Sink::DequeuesOnce(n),
            }));
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(108, 2_400_000);
}
