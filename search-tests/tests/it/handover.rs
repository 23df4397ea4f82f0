//! Every two operations that meet, where events are left pending.

use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};

use crate::pairs::{CAPACITY, MOST_STATES, REARM, THRESHOLDS, WARN, pairs_of};

const OPS: [Op; 9] = [
    Enqueue,
    EnqueueN(3),
    Dequeue,
    Observe(REARM),
    Observe(WARN),
    Take,
    TakeAll,
    Deliver,
    ComeBy,
];

const PASTS: [&[Op]; 4] = [
    &[EnqueueN(WARN - 1)],
    &[EnqueueN(WARN), DequeueN(WARN - REARM - 1)],
    // A recovery is pending, unless the background thread has everything: then it is the warning.
    &[EnqueueN(WARN), Take, Take, Take],
    // A recovery is pending, and the next warning waits for it.
    &[EnqueueN(WARN), Deliver, TakeAll, EnqueueN(WARN - 1)],
];

#[test]
fn every_pair_delivers_what_is_pending() {
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue] {
        for sink in [Sink::HandedOver, Sink::Background] {
            for before in PASTS {
                programs.extend(pairs_of(&OPS).map(|threads| Program {
                    capacity: CAPACITY,
                    thresholds: THRESHOLDS,
                    kind,
                    before: before.to_vec(),
                    threads,
                    sink,
                }));
            }
        }
    }
    search_all(&programs, MOST_STATES).assert_clean(720, 4_400_000);
}
