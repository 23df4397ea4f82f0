use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use fillgauge::{Gauge, Limit, LimitEvent, LimitSink};

use crate::{RECORDER, told};

static LIMIT: Limit = Limit::queue("queue");

#[test]
fn an_event_carries_the_figures_of_its_gauge() {
    struct Keeper(Mutex<Option<LimitEvent>>);
    impl LimitSink for Keeper {
        fn on_event(&self, event: &LimitEvent) {
            *self.0.lock().unwrap() = Some(*event);
        }
    }
    static KEEPER: Keeper = Keeper(Mutex::new(None));

    let gauge = Gauge::new(&LIMIT, 10).with_sink(&KEEPER).with_instance(7);
    gauge.record_enqueue_n(9);
    let event = KEEPER.0.lock().unwrap().unwrap();
    assert!(matches!(event, LimitEvent::NearCapacity(_)));
    assert_eq!(*event.snapshot(), gauge.snapshot());
    let snapshot = event.snapshot();
    assert_eq!((snapshot.name, snapshot.instance), (&LIMIT, 7));
    assert_eq!(
        (snapshot.depth, snapshot.high_water, snapshot.fill_percent),
        (9, 9, 90)
    );
    assert_eq!((snapshot.warned, snapshot.warnings), (true, 1));
    assert_eq!((snapshot.enqueued, snapshot.dequeued), (9, 0));
}

/// A sink that empties the queue when it is warned and fills it when it has recovered, a few times: each event comes
/// after the one before has been delivered, never within.
#[test]
fn a_sink_may_use_its_own_gauge_and_is_never_nested() {
    struct Meddler;
    static GAUGE: Gauge = Gauge::new(&LIMIT, 10).with_sink(&Meddler);
    static INSIDE: AtomicBool = AtomicBool::new(false);
    static EVENTS: AtomicUsize = AtomicUsize::new(0);
    impl LimitSink for Meddler {
        fn on_event(&self, event: &LimitEvent) {
            assert!(!INSIDE.swap(true, Ordering::SeqCst), "nested");
            if EVENTS.fetch_add(1, Ordering::SeqCst) < 100_000 {
                match event {
                    LimitEvent::NearCapacity(_) => GAUGE.record_dequeue_n(9),
                    _ => GAUGE.record_enqueue_n(9),
                }
            }
            INSIDE.store(false, Ordering::SeqCst);
        }
    }
    GAUGE.record_enqueue_n(9);
    assert_eq!(EVENTS.load(Ordering::SeqCst), 100_001);
    assert_eq!(GAUGE.warnings(), 50_001);
    assert_eq!((GAUGE.depth(), GAUGE.has_warned()), (9, true));
}

#[test]
fn a_panic_in_a_sink_reaches_the_caller_and_leaves_the_gauge_right() {
    struct Failing;
    impl LimitSink for Failing {
        fn on_event(&self, event: &LimitEvent) {
            if event.snapshot().warnings == 1 {
                panic!("the sink fails");
            }
            RECORDER.on_event(event);
        }
    }
    static FAILING: Failing = Failing;

    let gauge = Gauge::new(&LIMIT, 10).with_sink(&FAILING);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| gauge.record_enqueue_n(9)));
    assert!(outcome.is_err());
    assert_eq!((gauge.depth(), gauge.has_warned()), (9, true));
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| gauge.record_dequeue_n(9)));
    assert!(outcome.is_err());
    gauge.record_enqueue_n(8);
    assert_eq!(told(), [('+', 8)]);
}

#[cfg(feature = "std")]
#[test]
fn a_closure_is_a_sink() {
    static EVENTS: AtomicUsize = AtomicUsize::new(0);
    let count = |_: &LimitEvent| {
        EVENTS.fetch_add(1, Ordering::SeqCst);
    };
    let gauge = Gauge::new(&LIMIT, 10).with_sink(Box::leak(Box::new(count)));
    gauge.record_enqueue_n(8);
    assert_eq!(EVENTS.load(Ordering::SeqCst), 1);
}
