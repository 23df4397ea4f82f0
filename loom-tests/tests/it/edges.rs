//! Counting around the thresholds. Every model is checked for all promises of a gauge, see `Model`.

use fillgauge_loom_tests::broken::{Fault, Flag};
use fillgauge_loom_tests::history::Event::*;
use fillgauge_loom_tests::model::Model;
use fillgauge_loom_tests::subject::Op::{self, *};

use crate::corrections::{
    CLEAR_AGAINST_AN_OBSERVATION, CLEAR_AGAINST_DEQUEUES, CLEAR_OF_AN_UNDERFLOW,
    OBSERVER_AGAINST_CONSUMER, STRAYS_OF_AN_UNBOUNDED_GAUGE, STRAYS_OF_TWO_CONSUMERS,
    TWO_OBSERVERS,
};

const PAIR_OF_RECORDS: &[Op] = &[Enqueue, Dequeue];

// Store buffering: each side changes its own counter, then reads the state and the other counter.

/// A producer that reaches the warn point of an armed gauge while a consumer drains it leaves it
/// armed.
const UP_AGAINST_DOWN_FROM_ARMED: Model = Model {
    before: &[Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue]],
    preemptions: Some(4),
    floor: 6_900,
    ..Model::PAIR
};

#[test]
fn up_against_down_from_armed() {
    UP_AGAINST_DOWN_FROM_ARMED.check();
}

#[test]
#[should_panic(expected = "latched")]
fn canary_up_against_down_from_armed() {
    UP_AGAINST_DOWN_FROM_ARMED.check_fault(Fault::NoSecondCheck);
}

/// A producer raises the depth again while a consumer lowers that of a warned gauge. They leave the
/// state that suits the depth.
const UP_AGAINST_DOWN_FROM_WARNED: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(4),
    floor: 5_400,
    ..Model::ROOMY
};

#[test]
fn up_against_down_from_warned() {
    UP_AGAINST_DOWN_FROM_WARNED.check();
}

#[test]
#[should_panic(expected = "silent")]
fn canary_up_against_down_from_warned() {
    UP_AGAINST_DOWN_FROM_WARNED.check_fault(Fault::NoSecondCheck);
}

/// Two threads that each enqueue and dequeue leave the gauge empty and armed, whatever was
/// delivered in between.
const TWO_THREADS_OF_PAIRS: Model = Model {
    threads: &[
        &[Enqueue, Dequeue, Enqueue, Dequeue],
        &[Enqueue, Dequeue, Enqueue, Dequeue],
    ],
    preemptions: Some(3),
    floor: 91_000,
    ..Model::PAIR
};

#[test]
fn two_threads_of_pairs() {
    TWO_THREADS_OF_PAIRS.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_two_threads_of_pairs() {
    TWO_THREADS_OF_PAIRS.check_fault(Fault::TwoAtATime);
}

/// An item passes through while a producer reaches the warn point. The depth of a warning never
/// counts it twice.
const A_WARNING_WHILE_AN_ITEM_PASSES: Model = Model {
    before: &[Enqueue],
    threads: &[&[Dequeue, Enqueue], &[Enqueue]],
    preemptions: Some(4),
    floor: 15_000,
    ..Model::ROOMY
};

#[test]
fn a_warning_while_an_item_passes() {
    A_WARNING_WHILE_AN_ITEM_PASSES.check();
}

#[test]
#[should_panic(expected = "a depth that never was")]
fn canary_a_warning_while_an_item_passes() {
    A_WARNING_WHILE_AN_ITEM_PASSES.check_fault(Fault::TornReading);
}

/// An item passes through while a consumer comes near the re-arm point. The depth of a recovery is
/// never less by it.
const NO_RECOVERY_WHILE_AN_ITEM_PASSES: Model = Model {
    before: &[Enqueue, Enqueue, Enqueue],
    threads: &[&[Enqueue, Dequeue], &[Dequeue]],
    events: Some(&[NearCapacity]),
    floor: 580,
    ..Model::ROOMY
};

#[test]
fn no_recovery_while_an_item_passes() {
    NO_RECOVERY_WHILE_AN_ITEM_PASSES.check();
}

#[test]
#[should_panic(expected = "a depth that never was")]
fn canary_no_recovery_while_an_item_passes() {
    NO_RECOVERY_WHILE_AN_ITEM_PASSES.check_fault(Fault::SwappedReading);
}

/// No recovery is delivered with a depth from before the warning.
const A_RECOVERY_AFTER_A_WARNING: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Dequeue, Enqueue], &[Dequeue, Enqueue]],
    preemptions: Some(3),
    floor: 3_500,
    ..Model::ROOMY
};

#[test]
fn a_recovery_after_a_warning() {
    A_RECOVERY_AFTER_A_WARNING.check();
}

#[test]
#[should_panic(expected = "a depth that never was")]
fn canary_a_recovery_after_a_warning() {
    A_RECOVERY_AFTER_A_WARNING.check_fault(Fault::CountersBeforeState);
}

// Three threads.

/// Two producers and a consumer around both thresholds keep every promise.
const TWO_PRODUCERS_AND_A_CONSUMER: Model = Model {
    before: &[Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue], &[Enqueue]],
    preemptions: Some(3),
    floor: 53_000,
    ..Model::ROOMY
};

#[test]
fn two_producers_and_a_consumer() {
    TWO_PRODUCERS_AND_A_CONSUMER.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_two_producers_and_a_consumer() {
    TWO_PRODUCERS_AND_A_CONSUMER.check_fault(Fault::StateByStore);
}

/// A producer and two consumers around both thresholds keep every promise.
const A_PRODUCER_AND_TWO_CONSUMERS: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Dequeue], &[Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(3),
    floor: 9_000,
    ..Model::ROOMY
};

#[test]
fn a_producer_and_two_consumers() {
    A_PRODUCER_AND_TWO_CONSUMERS.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_a_producer_and_two_consumers() {
    A_PRODUCER_AND_TWO_CONSUMERS.check_on(Flag::new);
}

/// Three threads that each enqueue and dequeue leave the gauge empty and armed.
const THREE_THREADS_OF_PAIRS: Model = Model {
    threads: &[PAIR_OF_RECORDS, PAIR_OF_RECORDS, PAIR_OF_RECORDS],
    preemptions: Some(2),
    floor: 21_000,
    ..Model::PAIR
};

#[test]
fn three_threads_of_pairs() {
    THREE_THREADS_OF_PAIRS.check();
}

// Together.

/// Three producers that cross the warn point together: exactly one warning.
const UP_TOGETHER: Model = Model {
    threads: &[&[Enqueue], &[Enqueue], &[Enqueue]],
    events: Some(&[NearCapacity]),
    preemptions: Some(2),
    floor: 55_000,
    ..Model::ROOMY
};

#[test]
fn up_together() {
    UP_TOGETHER.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_up_together() {
    UP_TOGETHER.check_fault(Fault::StateByStore);
}

/// Three consumers that cross the re-arm point together: exactly one recovery.
const DOWN_TOGETHER: Model = Model {
    before: &[Enqueue, Enqueue, Enqueue],
    threads: &[&[Dequeue], &[Dequeue], &[Dequeue]],
    events: Some(&[NearCapacity, Recovered]),
    preemptions: Some(3),
    floor: 9_800,
    ..Model::ROOMY
};

#[test]
fn down_together() {
    DOWN_TOGETHER.check();
}

// Other points.

/// A queue of one, whose warn point is its capacity and whose re-arm point is 0, keeps every
/// promise.
const CAPACITY_ONE: Model = Model {
    capacity: 1,
    threads: &[PAIR_OF_RECORDS, PAIR_OF_RECORDS],
    preemptions: Some(3),
    floor: 26_000,
    ..Model::PAIR
};

#[test]
fn capacity_one() {
    CAPACITY_ONE.check();
}

/// A queue of two, whose warn and re-arm points are neighbours, keeps every promise.
const CAPACITY_TWO: Model = Model {
    before: &[Enqueue],
    threads: &[&[Enqueue], &[Dequeue]],
    preemptions: Some(4),
    floor: 570,
    ..Model::PAIR
};

#[test]
fn capacity_two() {
    CAPACITY_TWO.check();
}

/// Thresholds far apart: between them there is no event. Two threads that go up and down there
/// cause one warning.
const BETWEEN_CUSTOM_THRESHOLDS: Model = Model {
    capacity: 10,
    thresholds: (40, 10),
    before: &[EnqueueN(3)],
    threads: &[&[Enqueue, Dequeue], &[Enqueue, Dequeue]],
    events: Some(&[NearCapacity]),
    preemptions: Some(3),
    floor: 21_000,
    ..Model::PAIR
};

#[test]
fn between_custom_thresholds() {
    BETWEEN_CUSTOM_THRESHOLDS.check();
}

/// A queue that is full, and full again, before it recovers is reported full once.
const FULL_TWICE: Model = Model {
    capacity: 3,
    thresholds: (60, 0),
    before: &[Enqueue, Enqueue],
    threads: &[&[Enqueue, Dequeue], &[Enqueue]],
    events: Some(&[NearCapacity, Full]),
    preemptions: Some(3),
    floor: 5_200,
    ..Model::PAIR
};

#[test]
fn full_twice() {
    FULL_TWICE.check();
}

/// A queue that recovers while it fills is reported full between a warning and its recovery, or not
/// at all.
const FULL_AGAINST_RECOVERY: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(4),
    floor: 21_000,
    ..Model::PAIR
};

#[test]
fn full_against_recovery() {
    FULL_AGAINST_RECOVERY.check();
}

/// A sink dequeues when it is warned. It is not called within its own call, and the gauge is
/// checked for what it dequeued.
const A_SINK_THAT_DEQUEUES: Model = Model {
    before: &[Enqueue],
    threads: &[&[Enqueue], &[Enqueue]],
    on_warning: Some(DequeueN(3)),
    preemptions: Some(3),
    floor: 9_100,
    ..Model::ROOMY
};

#[test]
fn a_sink_that_dequeues() {
    A_SINK_THAT_DEQUEUES.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_a_sink_that_dequeues() {
    A_SINK_THAT_DEQUEUES.check_fault(Fault::TwoAtATime);
}

/// Counters that wrap meanwhile make no difference.
const COUNTERS_GO_ROUND: Model = Model {
    start: usize::MAX - 1,
    before: &[Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(3),
    floor: 3_000,
    ..Model::PAIR
};

#[test]
fn counters_go_round() {
    COUNTERS_GO_ROUND.check();
}

/// A capacity of which a hundredfold does not fit in the word warns like any other.
const A_GREAT_CAPACITY: Model = Model {
    capacity: usize::MAX / 4,
    before: &[EnqueueN(usize::MAX / 8)],
    threads: &[&[EnqueueN(usize::MAX / 16)], &[EnqueueN(usize::MAX / 16)]],
    events: Some(&[NearCapacity]),
    floor: 140_000,
    ..Model::PAIR
};

#[test]
fn a_great_capacity() {
    A_GREAT_CAPACITY.check();
}

#[test]
#[should_panic(expected = "silent")]
fn canary_a_great_capacity() {
    A_GREAT_CAPACITY.check_on(Flag::new);
}

// The high-water mark.

/// Two producers that raise the mark at once leave the higher one, and one that was.
const TWO_RAISE_THE_MARK: Model = Model {
    capacity: 10,
    threads: &[&[EnqueueN(2), Dequeue], &[EnqueueN(3)]],
    floor: 150_000,
    ..Model::PAIR
};

#[test]
fn two_raise_the_mark() {
    TWO_RAISE_THE_MARK.check();
}

#[test]
#[should_panic(expected = "a mark that never was, or is missing")]
fn canary_two_raise_the_mark() {
    TWO_RAISE_THE_MARK.check_fault(Fault::MarkByStore);
}

// Gauges of queues: enqueues are recorded after the item is in, and dequeues after it is out.

/// A dequeue that is recorded before its enqueue is kept: the gauge is empty when both are
/// recorded.
const A_DEQUEUE_RECORDED_FIRST: Model = Model {
    for_queue: true,
    threads: &[&[Dequeue, Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(4),
    floor: 3_100,
    ..Model::ROOMY
};

#[test]
fn a_dequeue_recorded_first() {
    A_DEQUEUE_RECORDED_FIRST.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_a_dequeue_recorded_first() {
    let one_item = Model {
        threads: &[&[Dequeue], &[Enqueue]],
        ..A_DEQUEUE_RECORDED_FIRST
    };
    one_item.check_on(Flag::new);
}

/// Late records take the counters of a queue beyond its capacity for a while. Neither depth nor
/// mark nor event shows that.
const RECORDS_OVER_THE_CAPACITY: Model = Model {
    for_queue: true,
    before: &[Enqueue],
    threads: &[&[Enqueue], &[Enqueue], &[Dequeue]],
    preemptions: Some(3),
    floor: 6_100,
    ..Model::PAIR
};

#[test]
fn records_over_the_capacity() {
    RECORDS_OVER_THE_CAPACITY.check();
}

#[test]
#[should_panic(expected = "a depth that never was")]
fn canary_records_over_the_capacity() {
    RECORDS_OVER_THE_CAPACITY.check_on(Flag::new);
}

/// The gauge of a queue that fills while it drains keeps every promise.
const QUEUE_UP_AGAINST_DOWN: Model = Model {
    for_queue: true,
    before: &[Enqueue, Enqueue],
    threads: &[&[Dequeue, Dequeue], &[Enqueue, Enqueue]],
    preemptions: Some(4),
    floor: 21_000,
    ..Model::PAIR
};

#[test]
fn queue_up_against_down() {
    QUEUE_UP_AGAINST_DOWN.check();
}

/// A canary fails by the fault of its twin: without one the twin keeps the promises in the same
/// models, within the same bound.
#[test]
fn the_twin_without_a_fault() {
    for model in [
        UP_AGAINST_DOWN_FROM_ARMED,
        UP_AGAINST_DOWN_FROM_WARNED,
        TWO_THREADS_OF_PAIRS,
        A_WARNING_WHILE_AN_ITEM_PASSES,
        NO_RECOVERY_WHILE_AN_ITEM_PASSES,
        A_RECOVERY_AFTER_A_WARNING,
        TWO_PRODUCERS_AND_A_CONSUMER,
        UP_TOGETHER,
        A_SINK_THAT_DEQUEUES,
        TWO_RAISE_THE_MARK,
        STRAYS_OF_TWO_CONSUMERS,
        STRAYS_OF_AN_UNBOUNDED_GAUGE,
        CLEAR_AGAINST_DEQUEUES,
        CLEAR_OF_AN_UNDERFLOW,
        TWO_OBSERVERS,
        OBSERVER_AGAINST_CONSUMER,
        CLEAR_AGAINST_AN_OBSERVATION,
    ] {
        model.check_fault(Fault::None);
    }
}
