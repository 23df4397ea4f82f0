//! Faults of the broken twin are found, each by a small program and as the promise that it breaks.

use fillgauge_search_tests::broken::{Fault, Flag, Twin};
use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise::{self, *};
use fillgauge_search_tests::search::{Counts, Failure, Settings};
use fillgauge_search_tests::subject::Op::*;

use crate::pairs::pairs_of;

/// A gauge that warns at 2, when it is full, and is armed again at 1.
const PAIR: Program = Program {
    capacity: 2,
    thresholds: (80, 50),
    kind: Kind::Limit,
    before: vec![],
    threads: vec![],
    sink: Sink::InPlace,
};

const SETTINGS: Settings = Settings {
    most_states: 10_000_000,
    is_plain: false,
};

fn search_twin(program: &Program, fault: Fault) -> Result<Counts, Box<Failure>> {
    program.search_on(SETTINGS, |points, history| {
        Box::new(Twin::with(fault)(points, history))
    })
}

/// The program fails with the fault, and what turns it red is the fault and not the twin.
fn assert_found(fault: Fault, promise: Promise, program: Program) {
    let Err(failure) = search_twin(&program, fault) else {
        panic!("{fault:?} is not found");
    };
    assert_eq!(failure.broken.promise, promise, "{fault:?}: {failure}");
    assert!(!failure.trace.is_empty(), "{fault:?}: no trace");
    let counts = search_twin(&program, Fault::None).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.is_complete, "{fault:?}");
}

macro_rules! canaries {
    ($($name:ident: $fault:ident breaks $promise:ident, {
        $($field:ident: $value:expr),* $(,)?
    });* $(;)?) => {$(
        #[test]
        fn $name() {
            assert_found(Fault::$fault, $promise, Program { $($field: $value,)* ..PAIR });
        }
    )*};
}

canaries! {
    two_events_at_a_time: TwoAtATime breaks Alternation, {
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    no_check_after_an_event: NoSecondCheck breaks Settledness, {
        before: vec![Enqueue],
        threads: vec![vec![Enqueue], vec![Dequeue]],
    };
    counters_of_two_instants: TornReading breaks Soundness, {
        threads: vec![vec![Enqueue], vec![DequeueN(2)]],
    };
    counters_in_the_other_order: SwappedReading breaks Soundness, {
        before: vec![Enqueue],
        threads: vec![vec![Enqueue, Dequeue], vec![Enqueue]],
    };
    counters_before_the_state: CountersBeforeState breaks Soundness, {
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    state_by_store: StateByStore breaks Alternation, {
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    strays_by_addition: StraysByAddition breaks Conservation, {
        threads: vec![vec![Dequeue], vec![Dequeue]],
    };
    clear_by_addition: ClearByAddition breaks Conservation, {
        threads: vec![vec![Dequeue], vec![Clear]],
    };
    clear_of_an_underflow: ClearOfUnderflow breaks Conservation, {
        kind: Kind::Queue,
        threads: vec![vec![Dequeue], vec![Clear]],
    };
    mark_by_store: MarkByStore breaks HighWater, {
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    mark_of_an_underflow: MarkOfUnderflow breaks HighWater, {
        kind: Kind::Queue,
        before: vec![Enqueue],
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    observer_does_not_check: ObserverDoesNotCheck breaks Settledness, {
        before: vec![Enqueue],
        threads: vec![vec![Enqueue], vec![Observe(0)]],
    };
    clear_that_does_not_ask_again: ClearOnce breaks Conservation, {
        capacity: 10,
        kind: Kind::Queue,
        before: vec![EnqueueN(5)],
        threads: vec![vec![Clear], vec![Observe(7)]],
    };
    observer_that_does_not_ask_again: ObservesOnce breaks Conservation, {
        capacity: 10,
        kind: Kind::Queue,
        before: vec![EnqueueN(5)],
        threads: vec![vec![Clear], vec![Observe(7)]],
    };
    correction_that_releases_anyway: ReleasesAnyway breaks Conservation, {
        capacity: 10,
        before: vec![EnqueueN(5)],
        threads: vec![vec![Observe(2)], vec![Enqueue, Observe(7)]],
    };
    taken_over_by_store: TakesOverByStore breaks Returns, {
        before: vec![EnqueueN(2), Take],
        threads: vec![vec![Deliver], vec![Enqueue]],
        sink: Sink::HandedOver,
    };
    left_in_two_steps: LeavesInTwoSteps breaks Alternation, {
        before: vec![EnqueueN(2)],
        threads: vec![vec![Take], vec![Enqueue]],
        sink: Sink::HandedOver,
    };
    woken_before_it_is_left: WakesFirst breaks Delivery, {
        before: vec![EnqueueN(2)],
        threads: vec![vec![Take], vec![Deliver]],
        sink: Sink::HandedOver,
    };
    no_check_after_a_pending_event: EndsUnchecked breaks Settledness, {
        before: vec![EnqueueN(2), Take],
        threads: vec![vec![Deliver], vec![Enqueue]],
        sink: Sink::HandedOver,
    };
}

/// The gauge that everyone writes by hand.
#[test]
fn a_flag() {
    let program = Program {
        threads: vec![vec![Enqueue], vec![Enqueue]],
        ..PAIR
    };
    let search = program.search_on(SETTINGS, |points, history| {
        Box::new(Flag::new(points, history))
    });
    assert_eq!(search.unwrap_err().broken.promise, Alternation);
}

/// The twin without a fault keeps what it can: it counts, as the gauge does.
#[test]
fn no_fault_is_found_where_there_is_none() {
    let ops = [Enqueue, EnqueueN(2), Dequeue, DequeueN(2), Clear];
    for kind in [Kind::Limit, Kind::Queue] {
        for before in [vec![], vec![Enqueue], vec![EnqueueN(2)]] {
            for threads in pairs_of(&ops) {
                let program = Program {
                    kind,
                    before: before.clone(),
                    threads,
                    ..PAIR
                };
                search_twin(&program, Fault::None).unwrap_or_else(|failure| panic!("{failure}"));
            }
        }
    }
}
