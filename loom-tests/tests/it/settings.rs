//! A change of the capacity meets a record: one of the two sees what the other did.

use fillgauge::{Gauge, Limit, Thresholds};
use fillgauge_loom_tests::{explore, leaked};
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{self, Relaxed, SeqCst};
use loom::thread;

static POOL: Limit = Limit::resource("pool");

#[test]
fn a_smaller_capacity_meets_an_enqueue() {
    explore(Some(3), 80, || {
        let gauge = leaked(Gauge::new(&POOL, 10));
        let setter = thread::spawn(|| gauge.set_capacity(1));
        gauge.record_enqueue();
        setter.join().unwrap();
        assert!(gauge.has_warned(), "silent: {gauge:?}");
    });
}

#[test]
fn a_greater_capacity_meets_a_dequeue() {
    explore(Some(3), 80, || {
        let gauge = leaked(Gauge::new(&POOL, 2));
        gauge.record_enqueue_n(4);
        let setter = thread::spawn(|| gauge.set_capacity(6));
        gauge.record_dequeue();
        setter.join().unwrap();
        assert!(!gauge.has_warned(), "3 of 6 are 50 %: {gauge:?}");
    });
}

/// The warn point is that of the capacity that comes last.
#[test]
fn a_change_meets_another() {
    explore(Some(3), 80, || {
        let gauge = leaked(Gauge::new(&POOL, 10));
        let setter = thread::spawn(|| gauge.set_capacity(1));
        gauge.set_thresholds(Thresholds::new(100, 0).unwrap());
        setter.join().unwrap();
        gauge.record_enqueue();
        assert!(gauge.has_warned(), "silent: {gauge:?}");
    });
}

/// One counter and one warn point: each thread changes one of them and then loads the other.
fn check_two_words(ordering: Ordering) {
    explore(None, 2, move || {
        let depth = leaked(AtomicUsize::new(0));
        let warn = leaked(AtomicUsize::new(8));
        let setter = thread::spawn(move || {
            warn.store(1, ordering);
            depth.fetch_add(0, ordering) >= 1
        });
        let warns = depth.fetch_add(1, ordering) + 1 >= warn.load(ordering);
        let setter_warns = setter.join().unwrap();
        assert!(warns || setter_warns, "silent");
    });
}

#[test]
fn two_words_that_are_sequentially_consistent() {
    check_two_words(SeqCst);
}

#[test]
#[should_panic(expected = "silent")]
fn canary_two_words_that_are_relaxed() {
    check_two_words(Relaxed);
}
