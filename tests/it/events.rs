use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use fillgauge::{Gauge, GaugeConfig, Limit, LimitEvent, LimitSink, Totals};

use crate::{RECORDER, short_events};

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

    let gauge = Gauge::new(&LIMIT, 10).with_sink(&KEEPER);
    gauge.record_enqueue_n(9);
    let event = KEEPER.0.lock().unwrap().unwrap();
    assert!(matches!(event, LimitEvent::NearCapacity(_)));
    assert_eq!(*event.snapshot(), gauge.snapshot());
    let snapshot = event.snapshot();
    assert_eq!((snapshot.name, snapshot.instance), (&LIMIT, 0));
    assert_eq!(
        (snapshot.depth, snapshot.high_water, snapshot.fill_percent),
        (9, 9, 90)
    );
    assert_eq!((snapshot.warned, snapshot.warnings), (true, 1));
    assert_eq!(snapshot.totals, Some(Totals::new(9, 0)));
}

/// A sink empties the queue when it is warned, and fills it when it has recovered. Each event is
/// delivered after the one before, never within it.
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
    assert_eq!(short_events(), [('+', 8)]);
}

/// Panics at one event, after it has moved the depth to the other side.
struct Fragile {
    gauge: OnceLock<&'static Gauge>,
    reaction: fn(&Gauge),
    is_due: AtomicBool,
}

impl LimitSink for Fragile {
    fn on_event(&self, event: &LimitEvent) {
        if self.is_due.swap(false, Ordering::SeqCst) {
            (self.reaction)(self.gauge.get().unwrap());
            panic!("the sink fails at {event:?}");
        }
        RECORDER.on_event(event);
    }
}

/// What a sink leaves unchecked when it panics, the next operation of any kind finds.
#[test]
fn after_a_panic_in_a_sink_the_next_operation_of_any_kind_checks() {
    type Record = fn(&Gauge);
    const OPERATIONS: [Record; 14] = [
        Gauge::record_enqueue,
        |gauge| gauge.record_enqueue_n(2),
        |gauge| gauge.record_enqueue_n(0),
        Gauge::record_dequeue,
        |gauge| gauge.record_dequeue_n(2),
        |gauge| gauge.record_dequeue_n(0),
        |gauge| gauge.record_dequeue_n(usize::MAX),
        Gauge::record_clear,
        |gauge| gauge.observe_depth(gauge.depth()),
        |gauge| gauge.observe_with(|| gauge.depth()),
        |gauge| gauge.deferred().record_dequeue(),
        |gauge| gauge.deferred().record_dequeue_n(2),
        |gauge| gauge.deferred().record_clear(),
        Gauge::deliver_pending,
    ];
    // Where it begins, what causes the event, and what the sink does.
    const CASES: [(usize, Record, Record); 2] = [
        (
            40,
            |gauge| gauge.record_enqueue_n(42),
            // The last raises, so that the producers' bound is far from the warn point.
            |gauge| {
                gauge.observe_depth(0);
                gauge.observe_depth(22);
            },
        ),
        (
            100,
            |gauge| gauge.record_dequeue_n(60),
            |gauge| gauge.record_enqueue_n(50),
        ),
    ];
    for config in [
        GaugeConfig::new(&LIMIT, 100),
        GaugeConfig::for_queue(&LIMIT, 100),
    ] {
        for (begin, cause, reaction) in CASES {
            for (number, operation) in OPERATIONS.iter().enumerate() {
                let at = format!("{config:?}, from {begin}, operation {number}");
                let sink: &'static _ = Box::leak(Box::new(Fragile {
                    gauge: OnceLock::new(),
                    reaction,
                    is_due: AtomicBool::new(false),
                }));
                let gauge: &'static _ =
                    Box::leak(Box::new(Gauge::with_config(config).with_sink(sink)));
                assert!(sink.gauge.set(gauge).is_ok());
                // It was deeper before, so that no enqueue makes a new mark.
                gauge.record_enqueue_n(100);
                gauge.record_dequeue_n(100 - begin);
                short_events();
                sink.is_due.store(true, Ordering::SeqCst);

                let outcome = panic::catch_unwind(AssertUnwindSafe(|| cause(gauge)));
                assert!(outcome.is_err(), "{at}");
                assert_eq!(gauge.has_warned(), gauge.depth() < 50, "{at}: unchecked");
                let before = gauge.has_warned();
                operation(gauge);
                assert_eq!(gauge.has_warned(), gauge.depth() >= 80, "{at}");
                let expected = match (before, gauge.has_warned()) {
                    (true, false) => vec![('-', gauge.depth())],
                    (false, true) => vec![('+', gauge.depth())],
                    _ => Vec::new(),
                };
                assert_eq!(short_events(), expected, "{at}");
            }
        }
    }
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

#[test]
fn debug_of_a_sink_says_whether_there_is_one() {
    struct Nobody;
    impl LimitSink for Nobody {
        fn on_event(&self, _: &LimitEvent) {}
    }
    let gauge = Gauge::new(&LIMIT, 10);
    assert_eq!(format!("{:?}", gauge.delivery()), "StaticSink(None)");
    let gauge = gauge.with_sink(&Nobody);
    assert_eq!(format!("{:?}", gauge.delivery()), "StaticSink(Some(..))");
}
