//! What sets a gauge right from outside: strays that are made good, clearing, observations.

use std::sync::Arc;

use fillgauge::{Gauge, Limit};
use fillgauge_loom_tests::{Recorder, Rest, explore};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

/// Warns at 2, is armed again at 1.
const CAPACITY: usize = 2;
const WARN_DEPTH: usize = 2;
const REARM_DEPTH: usize = 1;

/// What the models need of a gauge, right or wrong.
trait Corrects: Send + Sync + 'static {
    fn record_enqueue(&self);
    fn record_dequeue(&self);
    fn record_clear(&self);
    fn observe_depth(&self, depth: usize);
    fn rest(&self) -> Rest;
}

impl Corrects for Gauge {
    fn record_enqueue(&self) {
        self.record_enqueue();
    }

    fn record_dequeue(&self) {
        self.record_dequeue();
    }

    fn record_clear(&self) {
        self.record_clear();
    }

    fn observe_depth(&self, depth: usize) {
        self.observe_depth(depth);
    }

    fn rest(&self) -> Rest {
        Rest {
            depth: self.depth(),
            high_water: self.high_water(),
            warned: self.has_warned(),
        }
    }
}

fn gauge() -> Gauge {
    Gauge::new(&QUEUE, CAPACITY).with_sink(Recorder::new())
}

/// Runs `first` in a thread of its own and `second` in this one, on a gauge that `prefix` prepares.
fn race<G: Corrects>(gauge: G, prefix: fn(&G), first: fn(&G), second: fn(&G)) -> Arc<G> {
    prefix(&gauge);
    let gauge = Arc::new(gauge);
    let other = Arc::clone(&gauge);
    let thread = thread::spawn(move || first(&other));
    second(&gauge);
    thread.join().unwrap();
    gauge
}

/// Strays of two consumers are made good once each: the next item makes depth 1.
fn strays_of_two_consumers<G: Corrects>(gauge: G) {
    let gauge = race(
        gauge,
        |_| {},
        |gauge| gauge.record_dequeue(),
        |gauge| gauge.record_dequeue(),
    );
    assert_eq!(gauge.rest().depth, 0, "made good twice");
    gauge.record_enqueue();
    assert_eq!(gauge.rest().depth, 1, "not made good");
}

#[test]
fn strays_of_two_consumers_are_made_good_once() {
    explore(None, 100_000, || strays_of_two_consumers(gauge()));
}

/// A queue that is cleared while a consumer takes its items, and once more than there are, is empty and armed, and the next
/// item makes depth 1.
fn clear_against_dequeue<G: Corrects>(gauge: G) {
    let gauge = race(
        gauge,
        |gauge| (0..2).for_each(|_| gauge.record_enqueue()),
        |gauge| gauge.record_clear(),
        |gauge| (0..3).for_each(|_| gauge.record_dequeue()),
    );
    let rest = gauge.rest();
    assert_eq!(rest.depth, 0, "not empty");
    rest.assert_settled(WARN_DEPTH, REARM_DEPTH);
    gauge.record_enqueue();
    assert_eq!(gauge.rest().depth, 1, "a deficit is left");
}

#[test]
fn clear_against_dequeue_leaves_no_deficit() {
    explore(Some(3), 8_000, || clear_against_dequeue(gauge()));
}

/// Two observers leave what one of them saw, and the latch that belongs to it.
fn two_observers<G: Corrects>(gauge: G) {
    let gauge = race(
        gauge,
        |_| {},
        |gauge| gauge.observe_depth(2),
        |gauge| gauge.observe_depth(0),
    );
    let rest = gauge.rest();
    assert!(rest.depth == 0 || rest.depth == 2, "{rest:?}");
    rest.assert_settled(WARN_DEPTH, REARM_DEPTH);
}

#[test]
fn two_observers_settle() {
    explore(Some(4), 6_000, || two_observers(gauge()));
}

/// Two counters whose corrections are as one would first write them: what is missing is added, clearing stores one counter
/// in the other, and an observer swaps the flag on the depth that it brought along.
struct NaiveCorrections {
    enqueued: AtomicUsize,
    dequeued: AtomicUsize,
    warned: AtomicBool,
}

impl NaiveCorrections {
    fn new() -> Self {
        Self {
            enqueued: AtomicUsize::new(0),
            dequeued: AtomicUsize::new(0),
            warned: AtomicBool::new(false),
        }
    }
}

impl Corrects for NaiveCorrections {
    fn record_enqueue(&self) {
        self.enqueued.fetch_add(1, Ordering::SeqCst);
    }

    fn record_dequeue(&self) {
        let dequeued = self.dequeued.fetch_add(1, Ordering::SeqCst) + 1;
        let enqueued = self.enqueued.fetch_add(0, Ordering::SeqCst);
        if enqueued < dequeued {
            self.enqueued
                .fetch_add(dequeued - enqueued, Ordering::SeqCst);
        }
    }

    fn record_clear(&self) {
        let enqueued = self.enqueued.fetch_add(0, Ordering::SeqCst);
        let dequeued = self.dequeued.fetch_add(0, Ordering::SeqCst);
        self.dequeued
            .fetch_add(enqueued.saturating_sub(dequeued), Ordering::SeqCst);
    }

    fn observe_depth(&self, depth: usize) {
        let dequeued = self.dequeued.fetch_add(0, Ordering::SeqCst);
        self.enqueued.swap(dequeued + depth, Ordering::SeqCst);
        if depth >= WARN_DEPTH {
            self.warned.swap(true, Ordering::SeqCst);
        } else if depth <= REARM_DEPTH {
            self.warned.swap(false, Ordering::SeqCst);
        }
    }

    fn rest(&self) -> Rest {
        let depth = self
            .enqueued
            .load(Ordering::SeqCst)
            .saturating_sub(self.dequeued.load(Ordering::SeqCst));
        Rest {
            depth,
            high_water: depth,
            warned: self.warned.load(Ordering::SeqCst),
        }
    }
}

#[test]
#[should_panic(expected = "made good twice")]
fn canary_strays_of_two_consumers() {
    explore(None, 0, || strays_of_two_consumers(NaiveCorrections::new()));
}

#[test]
#[should_panic(expected = "a deficit is left")]
fn canary_clear_against_dequeue() {
    explore(
        Some(4),
        0,
        || clear_against_dequeue(NaiveCorrections::new()),
    );
}

#[test]
#[should_panic(expected = "silent")]
fn canary_two_observers() {
    explore(Some(4), 0, || two_observers(NaiveCorrections::new()));
}
