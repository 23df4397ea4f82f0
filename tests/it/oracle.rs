//! Histories of one thread on the gauge and on the reference: both read the same, for any capacity
//! and any start of the counters.

use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
use proptest::prelude::*;

use crate::recorder::{RECORDER, kind, take_events};
use crate::reference::history::{
    Amount, GaugeHistory, Operation, Point, RegistryHistory, RegistryOperation, Setup,
};

static LIMIT: Limit = Limit::queue("queue");

fn capacities() -> impl Strategy<Value = usize> {
    const EXTREMES: [usize; 6] = [
        usize::MAX / 64,
        usize::MAX / 8,
        usize::MAX / 2,
        usize::MAX / 4 * 3,
        usize::MAX / 8 * 7,
        usize::MAX,
    ];
    prop_oneof![
        0..=8_usize,
        0..=300_usize,
        any_magnitude(),
        (prop::sample::select(&EXTREMES), -3..=3_isize)
            .prop_map(|(extreme, off)| extreme.saturating_add_signed(off)),
    ]
}

fn any_magnitude() -> impl Strategy<Value = usize> {
    (any::<usize>(), 0..usize::BITS).prop_map(|(word, shift)| word >> shift)
}

fn thresholds() -> impl Strategy<Value = Thresholds> {
    prop_oneof![
        Just(Thresholds::DEFAULT),
        (0..100_usize).prop_map(|rearm| Thresholds::new(100, rearm).unwrap()),
        (1..=100_usize)
            .prop_flat_map(|warn| (Just(warn), 0..warn))
            .prop_map(|(warn, rearm)| Thresholds::new(warn, rearm).unwrap()),
    ]
}

fn setups() -> impl Strategy<Value = Setup> {
    let start = prop_oneof![Just(0), any_magnitude().prop_map(|left| !left)];
    (capacities(), thresholds(), any::<bool>(), start).prop_map(
        |(capacity, thresholds, for_queue, start)| Setup {
            capacity,
            thresholds,
            for_queue,
            start,
        },
    )
}

fn operations() -> impl Strategy<Value = Operation> {
    let point = prop_oneof![
        Just(Point::Nothing),
        Just(Point::Rearm),
        Just(Point::Warn),
        Just(Point::Capacity),
        Just(Point::HighWater),
        Just(Point::Split),
        Just(Point::EndOfRange),
        Just(Point::Max),
    ];
    let amount = prop_oneof![
        1 => any_magnitude().prop_map(Amount::Exactly),
        2 => (point.clone(), -2..=2_i8).prop_map(|(point, off)| Amount::Near(point, off)),
        3 => (point, -2..=2_i8).prop_map(|(point, off)| Amount::WayTo(point, off)),
    ];
    prop_oneof![
        4 => Just(Operation::EnqueueOne),
        4 => amount.clone().prop_map(Operation::Enqueue),
        4 => Just(Operation::DequeueOne),
        4 => amount.clone().prop_map(Operation::Dequeue),
        1 => amount.clone().prop_map(Operation::Observe),
        1 => Just(Operation::Clear),
        1 => amount.clone().prop_map(Operation::Hold),
        1 => any::<usize>().prop_map(Operation::Refuse),
        1 => prop_oneof![amount, capacities().prop_map(Amount::Exactly)]
            .prop_map(Operation::SetCapacity),
        1 => thresholds().prop_map(Operation::SetThresholds),
    ]
}

/// Long histories. Every second gauge is never sampled.
fn gauge_histories() -> impl Strategy<Value = GaugeHistory> {
    let operations = prop::collection::vec(operations(), 0..500);
    (setups(), operations, any::<bool>()).prop_map(|(setup, mut operations, sampled)| {
        operations.retain(|operation| sampled || !matches!(operation, Operation::Observe(_)));
        GaugeHistory { setup, operations }
    })
}

fn registry_histories() -> impl Strategy<Value = RegistryHistory> {
    let operation = prop_oneof![
        1 => setups().prop_map(RegistryOperation::Register),
        1 => any::<u8>().prop_map(RegistryOperation::Clone),
        2 => any::<u8>().prop_map(RegistryOperation::Drop),
        12 => (any::<u8>(), operations())
            .prop_map(|(handle, operation)| RegistryOperation::Record(handle, operation)),
    ];
    prop::collection::vec(operation, 0..300).prop_map(|operations| RegistryHistory { operations })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_history_of_a_gauge_reads_like_plain_integers(history in gauge_histories()) {
        history.play();
    }

    #[test]
    fn any_history_of_a_registry_reads_like_a_list_of_slots(history in registry_histories()) {
        history.play();
    }
}

/// Every history of this length in the alphabet, of every gauge up to this capacity. The counters
/// start right before they wrap.
#[test]
fn every_short_history_of_a_small_gauge_reads_like_plain_integers() {
    const LENGTH: u32 = 5;
    const ALPHABET: [Operation; 7] = [
        Operation::EnqueueOne,
        Operation::Enqueue(Amount::Exactly(3)),
        Operation::DequeueOne,
        Operation::Dequeue(Amount::Exactly(2)),
        Operation::Observe(Amount::Exactly(2)),
        Operation::Clear,
        Operation::SetCapacity(Amount::Exactly(3)),
    ];
    let mut kinds = String::new();
    for capacity in 0..=5 {
        for for_queue in [false, true] {
            let setup = Setup {
                capacity,
                thresholds: Thresholds::DEFAULT,
                for_queue,
                start: usize::MAX - 3,
            };
            for number in 0..ALPHABET.len().pow(LENGTH) {
                let digit = |place| number / ALPHABET.len().pow(place) % ALPHABET.len();
                let operations = (0..LENGTH).map(|place| ALPHABET[digit(place)]).collect();
                kinds += &GaugeHistory { setup, operations }.play();
            }
        }
    }
    for kind in ['+', '=', '-'] {
        assert!(kinds.contains(kind), "no event {kind} in any history");
    }
}

/// Two histories that a fuzzer found faults by.
#[test]
fn histories_that_found_faults() {
    let near = |point, off| Operation::Dequeue(Amount::Near(point, off));
    let underflow_of_half_the_word = GaugeHistory {
        setup: Setup {
            capacity: 940_395_722_239,
            thresholds: Thresholds::DEFAULT,
            for_queue: true,
            start: usize::MAX - 1,
        },
        operations: [
            vec![near(Point::Split, -89); 16],
            vec![
                Operation::Enqueue(Amount::WayTo(Point::Split, -89)),
                near(Point::Split, 0),
            ],
        ]
        .concat(),
    };
    let strays_after_an_observation = GaugeHistory {
        setup: Setup {
            capacity: usize::MAX / 5,
            thresholds: Thresholds::DEFAULT,
            for_queue: false,
            start: usize::MAX / 4 * 3,
        },
        operations: vec![
            Operation::Enqueue(Amount::WayTo(Point::Max, -1)),
            Operation::Dequeue(Amount::WayTo(Point::Max, -1)),
            Operation::Observe(Amount::Near(Point::Split, -91)),
            near(Point::Split, 0),
        ],
    };
    underflow_of_half_the_word.play();
    strays_after_an_observation.play();
}

/// Depths beyond the range may be misread. Events alternate there too, and an observation leads
/// back.
#[test]
fn beyond_the_range_events_alternate_and_an_observation_is_exact() {
    for capacity in [10, usize::MAX / 2, usize::MAX] {
        for config in [GaugeConfig::new, GaugeConfig::for_queue] {
            let gauge = Gauge::with_config(config(&LIMIT, capacity)).with_sink(&RECORDER);
            for _ in 0..20 {
                gauge.record_enqueue_n(usize::MAX);
                (0..3).for_each(|_| gauge.record_enqueue());
                (0..20).for_each(|_| gauge.record_dequeue_n(usize::MAX / 32));
                gauge.record_dequeue();
            }
            for depth in [capacity / 10 * 8 + 1, capacity / 2] {
                gauge.observe_depth(depth);
                assert_eq!(gauge.depth(), depth);
            }
            assert!(!gauge.has_warned());
            let kinds: String = take_events().iter().map(kind).collect();
            let edges = kinds.replace('=', "");
            assert_eq!(edges, "+-".repeat(gauge.warnings()));
            assert!(gauge.warnings() > 0, "{kinds}");
        }
    }
}
