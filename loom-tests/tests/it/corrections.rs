//! Corrections: strays that are absorbed, clears, observations. Every model is checked for all
//! promises of a gauge, see `Model`.

use fillgauge_loom_tests::broken::{Fault, Flag, Twin};
use fillgauge_loom_tests::model::Model;
use fillgauge_loom_tests::subject::Op::*;

/// More at once than may leave an underflow. It takes what there is, as a clear does.
const ALL: usize = usize::MAX;

// Strays.

/// A dequeue of an empty gauge that meets an enqueue either takes that item or has no effect.
const A_STRAY_AGAINST_AN_ENQUEUE: Model = Model {
    threads: &[&[Dequeue], &[Enqueue]],
    floor: 30,
    ..Model::PAIR
};

#[test]
fn a_stray_against_an_enqueue() {
    A_STRAY_AGAINST_AN_ENQUEUE.check();
}

/// Strays of two consumers are absorbed once each.
pub(crate) const STRAYS_OF_TWO_CONSUMERS: Model = Model {
    threads: &[&[Dequeue], &[Dequeue]],
    floor: 5_000,
    ..Model::PAIR
};

#[test]
fn strays_of_two_consumers() {
    STRAYS_OF_TWO_CONSUMERS.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_strays_of_two_consumers() {
    STRAYS_OF_TWO_CONSUMERS.check_fault(Fault::StraysByAddition);
}

/// Two strays that race with a producer at the warn point leave no underflow, and a state that
/// suits the depth.
const STRAYS_AT_THE_WARN_POINT: Model = Model {
    capacity: 1,
    threads: &[&[Dequeue], &[Dequeue], &[Enqueue]],
    preemptions: Some(3),
    floor: 17_000,
    ..Model::PAIR
};

#[test]
fn strays_at_the_warn_point() {
    STRAYS_AT_THE_WARN_POINT.check();
}

/// A stray that is not yet absorbed is no depth to a producer and leaves no mark, also of an
/// unbounded gauge.
pub(crate) const STRAYS_OF_AN_UNBOUNDED_GAUGE: Model = Model {
    capacity: 0,
    threads: &[&[DequeueN(3)], &[Enqueue, Enqueue]],
    floor: 11_000,
    ..Model::PAIR
};

#[test]
fn strays_of_an_unbounded_gauge() {
    STRAYS_OF_AN_UNBOUNDED_GAUGE.check();
}

#[test]
#[should_panic(expected = "a mark that never was, or is missing")]
fn canary_strays_of_an_unbounded_gauge() {
    STRAYS_OF_AN_UNBOUNDED_GAUGE.check_fault(Fault::MarkOfUnderflow);
}

// Clearing, and dequeues of many.

/// A queue is cleared while a consumer takes its items and one more. It is then empty and armed,
/// without an underflow.
pub(crate) const CLEAR_AGAINST_DEQUEUES: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Clear], &[Dequeue, Dequeue, Dequeue]],
    preemptions: Some(3),
    floor: 3_100,
    ..Model::PAIR
};

#[test]
fn clear_against_dequeues() {
    CLEAR_AGAINST_DEQUEUES.check();
}

#[test]
#[should_panic(expected = "a flaw shows later")]
fn canary_clear_against_dequeues() {
    CLEAR_AGAINST_DEQUEUES.check_fault(Fault::ClearByAddition);
}

/// A queue that is cleared while a producer fills it keeps what came after.
const CLEAR_AGAINST_ENQUEUES: Model = Model {
    before: &[Enqueue],
    threads: &[&[Clear], &[Enqueue, Enqueue]],
    preemptions: Some(3),
    floor: 2_000,
    ..Model::PAIR
};

#[test]
fn clear_against_enqueues() {
    CLEAR_AGAINST_ENQUEUES.check();
}

/// A queue that is cleared while an item passes through loses that item once. It keeps none that
/// was there before.
const CLEAR_WHILE_AN_ITEM_PASSES: Model = Model {
    before: &[Enqueue],
    threads: &[&[Enqueue, Dequeue], &[Clear]],
    preemptions: Some(3),
    floor: 1_500,
    ..Model::PAIR
};

#[test]
fn clear_while_an_item_passes() {
    CLEAR_WHILE_AN_ITEM_PASSES.check();
}

/// Two threads empty a queue while a third adds to it. They leave what came last, or nothing.
const ALL_TAKEN_TWICE: Model = Model {
    capacity: 1,
    before: &[Enqueue],
    threads: &[&[Clear], &[DequeueN(ALL)], &[EnqueueN(2)]],
    preemptions: Some(3),
    floor: 22_000,
    ..Model::PAIR
};

#[test]
fn all_taken_twice() {
    ALL_TAKEN_TWICE.check();
}

/// Dequeues of many take at most what there is, whatever single ones do meanwhile.
const MANY_AGAINST_ONE: Model = Model {
    before: &[EnqueueN(3)],
    threads: &[&[DequeueN(2)], &[DequeueN(ALL)], &[Dequeue]],
    preemptions: Some(3),
    floor: 12_000,
    ..Model::PAIR
};

#[test]
fn many_against_one() {
    MANY_AGAINST_ONE.check();
}

/// The gauge of a queue that is cleared keeps the underflow of enqueues to come.
pub(crate) const CLEAR_OF_AN_UNDERFLOW: Model = Model {
    for_queue: true,
    threads: &[&[Dequeue, Dequeue, Clear], &[Enqueue, Enqueue]],
    preemptions: Some(3),
    floor: 1_800,
    ..Model::PAIR
};

#[test]
fn clear_of_an_underflow() {
    CLEAR_OF_AN_UNDERFLOW.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_clear_of_an_underflow() {
    CLEAR_OF_AN_UNDERFLOW.check_fault(Fault::ClearOfUnderflow);
}

// Observations.

/// Two observers leave what one of them saw, and the state that suits it.
pub(crate) const TWO_OBSERVERS: Model = Model {
    threads: &[&[Observe(2), Observe(1)], &[Observe(0), Observe(3)]],
    preemptions: Some(3),
    floor: 7_600,
    ..Model::ROOMY
};

#[test]
fn two_observers() {
    TWO_OBSERVERS.check();
}

#[test]
#[should_panic(expected = "silent")]
fn canary_two_observers_that_do_not_check() {
    TWO_OBSERVERS.check_fault(Fault::ObserverDoesNotCheck);
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_two_observers_that_swap_a_flag() {
    TWO_OBSERVERS.check_on(Flag::new);
}

/// An observer that meets a producer at the warn point leaves the state that suits the depth.
const OBSERVER_AGAINST_PRODUCER: Model = Model {
    before: &[Enqueue],
    threads: &[&[Observe(1)], &[Enqueue, Enqueue]],
    preemptions: Some(4),
    floor: 17_000,
    ..Model::ROOMY
};

#[test]
fn observer_against_producer() {
    OBSERVER_AGAINST_PRODUCER.check();
}

/// A dequeue that meets an observation of an empty queue leaves no underflow.
pub(crate) const OBSERVER_AGAINST_CONSUMER: Model = Model {
    before: &[Enqueue, Enqueue, Enqueue],
    threads: &[&[Observe(0)], &[Dequeue]],
    preemptions: Some(4),
    floor: 1_000,
    ..Model::ROOMY
};

#[test]
fn observer_against_consumer() {
    OBSERVER_AGAINST_CONSUMER.check();
}

/// A dequeue on the gauge of a queue meets an observation above the warn point. Both check.
const QUEUE_OBSERVER_AGAINST_CONSUMER: Model = Model {
    for_queue: true,
    threads: &[&[Observe(3)], &[Dequeue]],
    preemptions: Some(4),
    floor: 60,
    ..Model::ROOMY
};

#[test]
fn queue_observer_against_consumer() {
    QUEUE_OBSERVER_AGAINST_CONSUMER.check();
}

/// An observation is no evidence for an edge if the gauge has crossed another since.
const AN_OLD_OBSERVATION: Model = Model {
    before: &[Observe(1)],
    threads: &[&[Observe(0)], &[EnqueueN(3)]],
    preemptions: Some(4),
    floor: 5_300,
    ..Model::ROOMY
};

#[test]
fn an_old_observation() {
    AN_OLD_OBSERVATION.check();
}

/// An observation that lowers the depth meets consumers. Their lower bound of it stays a bound.
const AN_OBSERVATION_LOWERS_THE_DEPTH: Model = Model {
    before: &[EnqueueN(5), Dequeue],
    threads: &[&[Observe(2)], &[Dequeue, Dequeue]],
    preemptions: Some(4),
    floor: 600,
    ..Model::ROOMY
};

#[test]
fn an_observation_lowers_the_depth() {
    AN_OBSERVATION_LOWERS_THE_DEPTH.check();
}

/// Two observations meet. One raises the depth and one lowers it. One of them holds.
const UP_AND_DOWN_AT_ONCE: Model = Model {
    capacity: 10,
    before: &[EnqueueN(5)],
    threads: &[&[Observe(2)], &[Observe(7)]],
    preemptions: Some(4),
    floor: 2_200,
    ..Model::PAIR
};

#[test]
fn up_and_down_at_once() {
    UP_AND_DOWN_AT_ONCE.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_up_and_down_at_once() {
    UP_AND_DOWN_AT_ONCE.check_fault(Fault::ObservesOnce);
}

/// An observation repeats, and another one relies on that.
const A_REPEATED_OBSERVATION: Model = Model {
    capacity: 10,
    before: &[EnqueueN(5)],
    threads: &[&[Observe(2)], &[Enqueue, Observe(7)]],
    preemptions: Some(4),
    floor: 5_200,
    ..Model::PAIR
};

#[test]
fn a_repeated_observation() {
    A_REPEATED_OBSERVATION.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_a_repeated_observation() {
    A_REPEATED_OBSERVATION.check_on(Twin::with(Fault::ReleasesAnyway));
}

/// A clear meets an observation: the queue is empty, or what was observed.
pub(crate) const CLEAR_AGAINST_AN_OBSERVATION: Model = Model {
    capacity: 10,
    before: &[EnqueueN(5)],
    threads: &[&[Clear], &[Observe(7)]],
    preemptions: Some(4),
    floor: 1_800,
    ..Model::PAIR
};

#[test]
fn clear_against_an_observation() {
    CLEAR_AGAINST_AN_OBSERVATION.check();
}

#[test]
#[should_panic(expected = "a depth of no order of the operations")]
fn canary_clear_against_an_observation() {
    CLEAR_AGAINST_AN_OBSERVATION.check_fault(Fault::ClearOnce);
}

/// The same of the gauge of a queue, whose depth the observation lowers.
#[test]
fn clear_of_a_queue_against_an_observation() {
    let lowered = Model {
        for_queue: true,
        threads: &[&[Clear], &[Observe(2)]],
        floor: 1_100,
        ..CLEAR_AGAINST_AN_OBSERVATION
    };
    lowered.check();
}

/// Two that observe and one that counts, around both thresholds, keep every promise.
const OBSERVERS_AND_A_PRODUCER: Model = Model {
    threads: &[&[Observe(2)], &[Observe(0)], &[Enqueue]],
    preemptions: Some(2),
    floor: 3_300,
    ..Model::ROOMY
};

#[test]
fn observers_and_a_producer() {
    OBSERVERS_AND_A_PRODUCER.check();
}
