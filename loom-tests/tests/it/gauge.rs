use std::sync::Arc;

use fillgauge::{Gauge, Limit};
use fillgauge_loom_tests::{RECORDER, assert_alternation, assert_settled, explore};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

/// Warns at 2, is armed again at 1.
const CAPACITY: usize = 2;
const WARN_DEPTH: usize = 2;
const REARM_DEPTH: usize = 1;

/// Two threads that each put in and take out twice leave the gauge at 0 and armed, with warnings and recoveries in turn.
#[test]
fn two_threads_of_two_pairs() {
    explore(std::env::var("B").ok().map(|b| b.parse().unwrap()), 100, || {
        let gauge = Arc::new(Gauge::new(&QUEUE, CAPACITY).with_sink(&RECORDER));
        let other = Arc::clone(&gauge);
        let pairs = |gauge: &Gauge| {
            for _ in 0..2 {
                gauge.record_enqueue();
                gauge.record_dequeue();
            }
        };
        let thread = thread::spawn(move || pairs(&other));
        pairs(&gauge);
        thread.join().unwrap();
        assert_alternation();
        assert_settled(&gauge, 0, WARN_DEPTH, REARM_DEPTH);
    });
}

#[test]
fn up_against_down_around_both_points() {
    explore(std::env::var("B").ok().map(|b| b.parse().unwrap()), 100, || {
        let gauge = Arc::new(Gauge::new(&QUEUE, CAPACITY).with_sink(&RECORDER));
        gauge.record_enqueue();
        let other = Arc::clone(&gauge);
        let thread = thread::spawn(move || {
            other.record_dequeue();
            other.record_dequeue();
        });
        gauge.record_enqueue();
        thread.join().unwrap();
        assert_alternation();
        let depth = gauge.depth();
        assert!(depth <= 1);
        assert_settled(&gauge, depth, WARN_DEPTH, REARM_DEPTH);
    });
}
