//! A queue that knows its own length.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use fillgauge::{
    GaugeConfig, Limit, LimitEvent, LimitSink, Probe, QueueRegistry, Thresholds, presets,
};

use crate::recorder::RECORDER;
use crate::short_events;
use crate::size::native_or_miri;

static QUEUE: Limit = Limit::queue("queue");

fn probe() -> Probe {
    Probe::new(&QUEUE, 10).with_sink(&RECORDER)
}

#[test]
fn it_warns_is_full_and_recovers_as_a_gauge_does() {
    let probe = probe();
    for depth in [3, 8, 10, 7, 12, 5, 0] {
        probe.check(|| depth);
        assert_eq!(probe.depth(), depth);
    }
    assert_eq!(short_events(), [('+', 8), ('=', 10), ('-', 5)]);
    let snapshot = probe.snapshot();
    assert_eq!((snapshot.depth, snapshot.high_water), (0, 12));
    assert_eq!((snapshot.warnings, snapshot.totals), (1, None));
}

#[test]
fn settings_are_those_of_a_limit() {
    // It reads what is there, and clamps nothing.
    let probe = Probe::with_config(GaugeConfig::rendezvous(&QUEUE)).with_sink(&RECORDER);
    probe.set_capacity(4, || 0);
    probe.check(|| 6);
    assert_eq!((probe.depth(), probe.fill_percent()), (6, 150));
    probe.set_capacity(20, || 6);
    assert!(!probe.has_warned());
    probe.set_thresholds(Thresholds::new(30, 10).unwrap(), || 6);
    assert!(probe.has_warned());
    probe.set_capacity(0, || 6);
    assert_eq!(
        short_events(),
        [('+', 6), ('=', 6), ('-', 6), ('+', 6), ('-', 6)]
    );
    probe.record_refused(2);
    assert_eq!(probe.refused(), 2);
}

#[test]
fn a_closure_that_panics_leaves_the_probe_usable() {
    let probe = probe();
    let reads = AtomicUsize::new(0);
    // The first reading finds the edge, and the second one panics.
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        probe.check(|| match reads.fetch_add(1, Ordering::Relaxed) {
            0 => 8,
            _ => panic!("broken"),
        });
    }));
    assert!(outcome.is_err() && !probe.has_warned());
    probe.check(|| 9);
    assert_eq!(short_events(), [('+', 9)]);
}

/// A sink that moves the queue and checks. It is not called within its own call, and what it moves
/// is found when it returns.
#[test]
fn a_sink_may_move_the_queue() {
    struct Drains;
    static SEEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());
    static LENGTH: AtomicUsize = AtomicUsize::new(0);
    static PROBE: Probe = Probe::new(&QUEUE, 10).with_sink(&Drains);
    impl LimitSink for Drains {
        fn on_event(&self, event: &LimitEvent) {
            SEEN.lock().unwrap().push(event.snapshot().depth);
            LENGTH.store(3, Ordering::Release);
            PROBE.check(|| LENGTH.load(Ordering::Acquire));
        }
    }
    LENGTH.store(9, Ordering::Release);
    PROBE.check(|| LENGTH.load(Ordering::Acquire));
    assert_eq!(*SEEN.lock().unwrap(), [9, 3]);
    assert!(!PROBE.has_warned());
}

#[test]
fn a_registry_shows_the_depth_of_the_last_check() {
    static PROBE: Probe = Probe::new(&QUEUE, 10);
    static REGISTRY: QueueRegistry<0> = QueueRegistry::new().with_presets(presets![PROBE]);
    PROBE.check_deferred(|| 4);
    let depths: Vec<_> = REGISTRY.snapshot().map(|shown| shown.depth).collect();
    assert_eq!(depths, [4]);
}

/// The last check of each thread leaves the state that suits the length.
#[test]
fn threads_that_check_settle_on_the_length() {
    let (length, probe) = (AtomicUsize::new(4), Probe::new(&QUEUE, 10));
    let rounds = native_or_miri(20_000, 20);
    let work = |first_up: bool| {
        for _ in 0..rounds {
            for is_up in [first_up, !first_up] {
                if is_up {
                    length.fetch_add(4, Ordering::AcqRel);
                } else {
                    length.fetch_sub(4, Ordering::AcqRel);
                }
                probe.check(|| length.load(Ordering::Acquire));
            }
        }
    };
    for round in 0..3 {
        thread::scope(|scope| {
            scope.spawn(|| work(true));
            scope.spawn(|| work(false));
        });
        assert_eq!(length.load(Ordering::Relaxed), 4);
        assert!(!probe.has_warned(), "round {round}");
    }
    assert!(probe.high_water() <= 8, "{probe:?}");
}

/// One operation of each thread at a time: no later check makes up for what one has missed.
#[test]
fn threads_that_check_once_settle_on_the_length() {
    let (length, probe) = (AtomicUsize::new(4), Probe::new(&QUEUE, 10));
    let start = Barrier::new(2);
    let rounds = native_or_miri(2_000, 20);
    thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..rounds {
                start.wait();
                length.fetch_sub(4, Ordering::AcqRel);
                probe.check_deferred_after_rmw(|| length.load(Ordering::Acquire));
                start.wait();
            }
        });
        for round in 0..rounds {
            start.wait();
            length.fetch_add(4, Ordering::AcqRel);
            probe.check_after_rmw(|| length.load(Ordering::Acquire));
            start.wait();
            assert!(!probe.has_warned(), "round {round}");
        }
    });
    assert!(cfg!(miri) || probe.warnings() > 0, "the threads never met");
}

/// What a check reads after an edge is a mark too: the event tells it.
#[test]
fn each_reading_of_a_check_is_a_mark() {
    let (probe, reads) = (probe(), AtomicUsize::new(0));
    probe.check(|| match reads.fetch_add(1, Ordering::Relaxed) {
        0 => 8,
        1 => 10,
        _ => 9,
    });
    assert!(probe.has_warned());
    assert_eq!((probe.high_water(), probe.take_window_peak(|| 9)), (10, 10));
}
