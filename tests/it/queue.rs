//! Tracked queues of heapless.

use std::thread;

use fillgauge::queues::heapless::{
    SnapshotTruncated, SpscGauge, TrackedConsumer, TrackedProducer, snapshot,
};
use fillgauge::{Gauge, Limit, QueueRegistry, QueueSnapshot, Thresholds, presets};
use heapless::Vec;
use heapless::spsc::Queue;
use proptest::collection::vec;
use proptest::prelude::*;

use crate::size::native_or_miri;
use crate::{RECORDER, short_events};

static LIMIT: Limit = Limit::queue("queue");

#[test]
fn the_capacity_is_that_of_the_queue() {
    let gauge = SpscGauge::<9>::new(&LIMIT);
    let mut queue = Queue::<u8, 9>::new();
    let (mut producer, consumer) = gauge.split(&mut queue);
    let mut accepted = 0;
    while producer.enqueue(0).is_ok() {
        accepted += 1;
    }
    assert_eq!((accepted, gauge.depth(), gauge.high_water()), (8, 8, 8));
    assert_eq!(
        (gauge.capacity(), producer.capacity(), consumer.capacity()),
        (8, 8, 8)
    );
    assert_eq!(gauge.fill_percent(), 100);
}

#[test]
fn it_warns_before_the_queue_is_full_and_recovers() {
    let gauge = SpscGauge::<11>::new(&LIMIT).with_sink(&RECORDER);
    let mut queue = Queue::<u8, 11>::new();
    let (mut producer, mut consumer) = gauge.split(&mut queue);
    while producer.enqueue(0).is_ok() {}
    assert_eq!(short_events(), [('+', 8), ('=', 10)]);
    while consumer.dequeue().is_some() {}
    assert_eq!(short_events(), [('-', 5)]);
}

#[test]
fn it_has_thresholds_of_its_own() {
    let early = Thresholds::new(30, 10).unwrap();
    let gauge = SpscGauge::<11>::with_thresholds(&LIMIT, early).with_sink(&RECORDER);
    let mut queue = Queue::<u8, 11>::new();
    let (mut producer, _consumer) = gauge.split(&mut queue);
    for item in 0..3 {
        producer.enqueue(item).unwrap();
    }
    assert_eq!(short_events(), [('+', 3)]);
}

#[test]
fn a_dequeue_that_is_recorded_before_its_enqueue_is_not_lost() {
    // As when the producer is interrupted between the two by its consumer.
    let gauge = SpscGauge::<5>::new(&LIMIT);
    let mut queue = Queue::<u8, 5>::new();
    let (_producer, mut consumer) = gauge.split(&mut queue);
    gauge.record_dequeue();
    gauge.record_enqueue();
    assert_eq!((gauge.depth(), consumer.dequeue()), (0, None));
}

#[test]
fn what_is_in_the_queue_is_counted_when_it_is_split() {
    let gauge = SpscGauge::<9>::new(&LIMIT);
    let mut queue = Queue::<u8, 9>::new();
    for item in 0..6 {
        queue.enqueue(item).unwrap();
    }
    {
        let (_, mut consumer) = gauge.split(&mut queue);
        assert_eq!(gauge.depth(), 6);
        consumer.dequeue();
    }
    // Meanwhile the gauge does not see the queue.
    for _ in 0..4 {
        queue.dequeue();
    }
    assert_eq!(gauge.depth(), 5);
    // The next split corrects it.
    gauge.split(&mut queue);
    assert_eq!(gauge.depth(), 1);
}

#[test]
fn the_next_queue_begins_right_whatever_was_left_of_the_last() {
    let gauge = SpscGauge::<5>::new(&LIMIT).with_sink(&RECORDER);
    // Two queues at once, which a gauge cannot follow. It counts more than either can hold.
    for _ in 0..2 {
        let mut queue = Queue::<u8, 5>::new();
        let (mut producer, _) = gauge.split(&mut queue);
        let mut other = Queue::<u8, 5>::new();
        let (mut another, _) = gauge.split(&mut other);
        while producer.enqueue(0).is_ok() || another.enqueue(0).is_ok() {}
    }
    short_events();
    let mut third = Queue::<u8, 5>::new();
    gauge.split(&mut third);
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    assert_eq!(short_events(), [('-', 0)]);
    // An underflow.
    gauge.record_dequeue();
    third.enqueue(0).unwrap();
    gauge.split(&mut third);
    assert_eq!(gauge.depth(), 1);
}

#[test]
#[allow(unsafe_code)]
fn both_ends_pass_everything_on() {
    let gauge = SpscGauge::<4>::new(&LIMIT);
    let mut queue = Queue::<u8, 4>::new();
    let (mut producer, mut consumer) = gauge.split(&mut queue);
    assert!(producer.ready() && producer.is_empty() && !consumer.ready() && consumer.is_empty());
    assert_eq!(consumer.peek(), None);
    // SAFETY: the queue is empty, and has room for three.
    unsafe { producer.enqueue_unchecked(1) };
    producer.enqueue(2).unwrap();
    producer.enqueue(3).unwrap();
    assert_eq!(producer.enqueue(4), Err(4));
    assert!(!producer.ready() && !producer.is_empty() && consumer.ready() && !consumer.is_empty());
    assert_eq!((producer.len(), consumer.len(), gauge.depth()), (3, 3, 3));
    assert_eq!(consumer.peek(), Some(&1));
    // SAFETY: there are three items.
    assert_eq!(unsafe { consumer.dequeue_unchecked() }, 1);
    assert_eq!(consumer.dequeue(), Some(2));
    assert_eq!((consumer.len(), gauge.depth()), (1, 1));
    assert!(std::ptr::eq(producer.gauge(), gauge.gauge()));
    assert!(std::ptr::eq(consumer.gauge(), gauge.gauge()));
    for end in [format!("{producer:?}"), format!("{consumer:?}")] {
        assert!(end.contains("depth: 1"), "{end}");
    }
}

proptest! {
    /// Whatever both ends do, the gauge reads as the queue.
    #[test]
    fn the_gauge_reads_as_the_queue(steps in vec(any::<bool>(), 0..200)) {
        let gauge = SpscGauge::<6>::new(&LIMIT);
        let mut queue = Queue::<usize, 6>::new();
        let (mut producer, mut consumer) = gauge.split(&mut queue);
        let mut deepest = 0;
        for (number, enqueue) in steps.into_iter().enumerate() {
            if enqueue {
                let _ = producer.enqueue(number);
            } else {
                let _ = consumer.dequeue();
            }
            deepest = deepest.max(producer.len());
            prop_assert_eq!(gauge.depth(), producer.len());
            prop_assert_eq!(gauge.high_water(), deepest);
        }
    }
}

#[test]
fn two_threads_leave_no_residue() {
    const ITEMS: usize = native_or_miri(100_000, 50);
    const SLOTS: usize = native_or_miri(33, 5);
    static GAUGE: SpscGauge<SLOTS> = SpscGauge::new(&LIMIT);
    fn produce(mut producer: TrackedProducer<'_, usize>) {
        for item in 0..ITEMS {
            while producer.enqueue(item).is_err() {
                thread::yield_now();
            }
        }
    }
    fn consume(mut consumer: TrackedConsumer<'_, usize>) {
        for expected in 0..ITEMS {
            loop {
                match consumer.dequeue() {
                    Some(item) => break assert_eq!(item, expected),
                    None => thread::yield_now(),
                }
            }
        }
    }
    let mut queue = Queue::<usize, SLOTS>::new();
    let (producer, consumer) = GAUGE.split(&mut queue);
    thread::scope(|scope| {
        scope.spawn(|| produce(producer));
        scope.spawn(|| consume(consumer));
    });
    assert_eq!(
        (GAUGE.depth(), GAUGE.enqueued(), GAUGE.dequeued()),
        (0, ITEMS, ITEMS)
    );
    assert!((1..=GAUGE.capacity()).contains(&GAUGE.high_water()));
    assert!(!GAUGE.has_warned());
}

#[test]
fn a_snapshot_fits_or_says_how_many_were_left_out() {
    static FIRST: Gauge = Gauge::new(&Limit::queue("first"), 8);
    static REGISTRY: QueueRegistry<2> = QueueRegistry::new().with_presets(presets![FIRST]);
    let _second = REGISTRY.register(&LIMIT, 8).unwrap();
    let _third = REGISTRY.register(&LIMIT, 8).unwrap();

    let mut figures: Vec<QueueSnapshot, 3> = Vec::new();
    assert_eq!(snapshot(&REGISTRY, &mut figures), Ok(()));
    let instances: std::vec::Vec<_> = figures.iter().map(|gauge| gauge.instance).collect();
    assert_eq!(instances, [0, 1, 2]);
    // What is there stays there.
    assert_eq!(snapshot(&REGISTRY, &mut figures).unwrap_err().omitted(), 3);
    assert_eq!(figures.len(), 3);

    let mut first: Vec<QueueSnapshot, 1> = Vec::new();
    let cut: SnapshotTruncated = snapshot(&REGISTRY, &mut first).unwrap_err();
    assert_eq!(first[0].name.as_str(), "first");
    assert_eq!(cut.omitted(), 2);
    assert_eq!(cut.to_string(), "no room for 2 of 3 gauges");
}
