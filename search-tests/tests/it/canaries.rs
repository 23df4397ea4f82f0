//! Faults of the broken twin and of the flag are found, each by a small program and as the promise
//! that it breaks.

use fillgauge_search_tests::broken::{Fault, Flag, Twin};
use fillgauge_search_tests::history::{History, Points};
use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise::{self, *};
use fillgauge_search_tests::search::{Counts, Failure, Settings};
use fillgauge_search_tests::subject::Op::*;

use crate::pairs::{GREAT_CAPACITY, pairs_of};

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

type Searched = Result<Counts, Box<Failure>>;

/// The wrong gauge breaks the promise. The right one keeps them all in the same program.
fn assert_found(promise: Promise, wrong: Searched, right: Searched) {
    let failure = wrong.expect_err("the fault is not found");
    assert_eq!(failure.broken.promise, promise, "{failure}");
    assert!(!failure.trace.is_empty(), "no trace");
    let counts = right.unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.is_complete);
}

fn search_twin(program: &Program, twin: impl FnOnce(Points, &'static History) -> Twin) -> Searched {
    program.search_on(SETTINGS, |points, history| Box::new(twin(points, history)))
}

macro_rules! canaries {
    ($twin:path: $($name:ident: $fault:ident breaks $promise:ident, {
        $($field:ident: $value:expr),* $(,)?
    });* $(;)?) => {$(
        #[test]
        fn $name() {
            let program = Program { $($field: $value,)* ..PAIR };
            let search = |fault| search_twin(&program, $twin(fault));
            assert_found($promise, search(Fault::$fault), search(Fault::None));
        }
    )*};
}

canaries! { Twin::with:
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
    a_sink_called_within_its_own_call: TwoAtATime breaks Alternation, {
        capacity: 10,
        thresholds: (20, 10),
        before: vec![Enqueue],
        threads: vec![vec![Enqueue]],
        sink: Sink::DequeuesOnce(3),
    };
}

canaries! { Twin::keeping_bounds:
    bound_taken_for_the_depth: BoundAsDepth breaks HighWater, {
        capacity: 10,
        threads: vec![vec![Enqueue], vec![Dequeue, Enqueue]],
    };
    bound_of_the_own_counter: BoundOfOwnCounter breaks Settledness, {
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
    bound_of_before_the_addition: BoundBeforeAddition breaks Settledness, {
        capacity: 10,
        thresholds: (30, 10),
        // So the mark is at 2.
        before: vec![EnqueueN(2), Dequeue],
        threads: vec![vec![Enqueue], vec![Enqueue]],
    };
}

/// The gauge that everyone writes by hand.
fn assert_flag_is_found(promise: Promise, program: &Program) {
    let flag = program.search_on(SETTINGS, |points, history| {
        Box::new(Flag::new(points, history))
    });
    assert_found(promise, flag, program.search(SETTINGS));
}

#[test]
fn a_flag() {
    let program = Program {
        threads: vec![vec![Enqueue], vec![Enqueue]],
        ..PAIR
    };
    assert_flag_is_found(Alternation, &program);
}

#[test]
fn a_percentage_that_saturates() {
    let program = Program {
        capacity: GREAT_CAPACITY,
        thresholds: (75, 25),
        before: vec![EnqueueN(GREAT_CAPACITY / 2)],
        threads: vec![vec![EnqueueN(GREAT_CAPACITY / 8)]; 2],
        ..PAIR
    };
    assert_flag_is_found(Settledness, &program);
}

#[test]
fn a_dequeue_before_its_enqueue_that_is_lost() {
    let program = Program {
        kind: Kind::Queue,
        threads: vec![vec![Dequeue], vec![Enqueue]],
        ..PAIR
    };
    assert_flag_is_found(Conservation, &program);
}

#[test]
fn producers_that_wait_count_as_depth() {
    let program = Program {
        kind: Kind::Queue,
        before: vec![Enqueue],
        threads: vec![vec![EnqueueN(2)], vec![Dequeue]],
        ..PAIR
    };
    assert_flag_is_found(Soundness, &program);
}

/// The twins without a fault keep what they can: they count, as the gauge does.
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
                let assert_clean = |searched: Searched| {
                    searched.unwrap_or_else(|failure| panic!("{failure}"));
                };
                assert_clean(search_twin(&program, Twin::with(Fault::None)));
                // A clear has most of the states, and no bound.
                if !program.threads.contains(&vec![Clear]) {
                    assert_clean(search_twin(&program, Twin::keeping_bounds(Fault::None)));
                }
            }
        }
    }
}
