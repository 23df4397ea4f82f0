//! Events that are left pending: who takes them over, and what becomes of them.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Mutex;

use fillgauge::{
    Budget, Deliver, Delivery, Edge, Gauge, GaugeConfig, Limit, LimitEvent, Probe, Renew,
};

use crate::recorder::RECORDER;
use crate::short_events;

static LIMIT: Limit = Limit::queue("jobs");

/// Delivers in place, or keeps the event of an operation that must not.
#[derive(Default)]
struct Mailbox {
    kept: Mutex<Option<LimitEvent>>,
    delivered: Mutex<Vec<(Edge, usize)>>,
    /// Nobody wants these events.
    unwanted: Option<Edge>,
    /// Only the background thread delivers.
    background: bool,
    /// Panics instead of delivering.
    is_broken: Mutex<bool>,
    /// Panics once when it is asked whether it wants the events of this edge.
    hesitates: Mutex<Option<Edge>>,
}

thread_local! {
    static IS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

impl Renew for Mailbox {
    type Right = ();
}

impl Mailbox {
    fn note(&self, event: &LimitEvent) {
        if *self.is_broken.lock().unwrap() {
            panic!("broken");
        }
        let edge = match event {
            LimitEvent::NearCapacity(_) => Edge::NearCapacity,
            LimitEvent::Full(_) => Edge::Full,
            LimitEvent::Recovered(_) => Edge::Recovered,
            other => panic!("unexpected: {other:?}"),
        };
        let depth = event.snapshot().depth;
        self.delivered.lock().unwrap().push((edge, depth));
    }
}

impl Deliver for Mailbox {
    fn may_deliver(&self) -> bool {
        !self.background || IS_BACKGROUND.get()
    }

    fn wants(&self, edge: Edge) -> bool {
        let hesitates = self.hesitates.lock().unwrap().take_if(|at| *at == edge);
        assert_eq!(hesitates, None, "it hesitates");
        self.unwanted != Some(edge)
    }

    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        if delivery.is_deferred() {
            let before = self.kept.lock().unwrap().replace(*event);
            assert_eq!(before, None, "two events are pending");
            delivery.leave_pending();
        } else {
            self.note(event);
        }
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        let event = self.kept.lock().unwrap().take();
        self.note(&event.expect("one is pending"));
    }
}

/// A gauge of ten, which warns at 8 and is armed again at 5.
fn gauge(mailbox: Mailbox) -> Gauge<Mailbox> {
    Gauge::with_delivery(GaugeConfig::new(&LIMIT, 10), mailbox)
}

fn delivered(gauge: &Gauge<Mailbox>) -> Vec<(Edge, usize)> {
    gauge.delivery().delivered.lock().unwrap().clone()
}

/// A gauge whose recovery, at a depth of 5, is pending.
fn recovering() -> Gauge<Mailbox> {
    let gauge = gauge(Mailbox::default());
    gauge.record_enqueue_n(8);
    gauge.deferred().record_dequeue_n(3);
    assert_eq!(delivered(&gauge), [(Edge::NearCapacity, 8)]);
    assert!(gauge.has_pending_event());
    gauge
}

#[test]
fn the_state_is_new_at_once_and_the_event_keeps_its_figures() {
    let gauge = recovering();
    assert!(!gauge.has_warned() && !gauge.snapshot().warned);
    gauge.deferred().record_dequeue();
    gauge.deferred().record_clear();
    assert_eq!(gauge.depth(), 0);
    gauge.deliver_pending();
    assert_eq!(delivered(&gauge)[1..], [(Edge::Recovered, 5)]);
    assert!(!gauge.has_pending_event());
    gauge.deliver_pending();
    assert_eq!(
        delivered(&gauge).len(),
        2,
        "there is nothing left to deliver"
    );
}

/// Every operation that may deliver takes the event over, before an edge of its own.
#[test]
fn an_operation_that_may_deliver_takes_over() {
    let near = |depth| vec![(Edge::Recovered, 5), (Edge::NearCapacity, depth)];
    let alone = || vec![(Edge::Recovered, 5)];
    type Operation = (&'static str, fn(&Gauge<Mailbox>), Vec<(Edge, usize)>);
    let operations: [Operation; 8] = [
        ("enqueue_n", |gauge| gauge.record_enqueue_n(4), near(9)),
        ("enqueue, below", |gauge| gauge.record_enqueue(), alone()),
        ("observe, above", |gauge| gauge.observe_depth(8), near(8)),
        ("observe, between", |gauge| gauge.observe_depth(7), alone()),
        ("observe, below", |gauge| gauge.observe_depth(0), alone()),
        ("dequeue", |gauge| gauge.record_dequeue(), alone()),
        ("dequeue_n", |gauge| gauge.record_dequeue_n(2), alone()),
        ("clear", |gauge| gauge.record_clear(), alone()),
    ];
    for (name, operation, expected) in operations {
        let gauge = recovering();
        operation(&gauge);
        assert_eq!(delivered(&gauge)[1..], expected, "{name}");
        assert!(!gauge.has_pending_event(), "{name}");
    }
}

/// A pending warning is taken over by the next enqueue, which crosses nothing itself.
#[test]
fn an_enqueue_above_the_warn_point_takes_over() {
    let gauge = gauge(Mailbox {
        background: true,
        ..Mailbox::default()
    });
    gauge.record_enqueue_n(9);
    gauge.record_enqueue_n(0);
    assert_eq!(delivered(&gauge), []);
    IS_BACKGROUND.set(true);
    gauge.record_enqueue_n(0);
    IS_BACKGROUND.set(false);
    assert_eq!(delivered(&gauge), [(Edge::NearCapacity, 9)]);
}

#[test]
fn deferred_operations_take_nothing_over() {
    let gauge = recovering();
    gauge.deferred().record_dequeue();
    gauge.deferred().record_dequeue_n(1);
    gauge.deferred().record_clear();
    assert_eq!(delivered(&gauge).len(), 1);
    assert!(gauge.has_pending_event());
}

/// While an event is pending the gauge crosses no threshold. What is due then is found by the
/// thread that delivers.
#[test]
fn what_changes_meanwhile_is_checked_afterwards() {
    let gauge = gauge(Mailbox {
        background: true,
        ..Mailbox::default()
    });
    for depth in [9, 3, 8, 10, 0, 7] {
        gauge.observe_depth(depth);
    }
    assert_eq!(gauge.warnings(), 1, "the first edge alone");
    gauge.observe_depth(0);
    IS_BACKGROUND.set(true);
    gauge.deliver_pending();
    IS_BACKGROUND.set(false);
    assert_eq!(
        delivered(&gauge),
        [(Edge::NearCapacity, 9), (Edge::Recovered, 0)]
    );
}

#[test]
fn a_background_gauge_leaves_everything_to_deliver_pending() {
    let gauge = gauge(Mailbox {
        background: true,
        ..Mailbox::default()
    });
    gauge.record_enqueue_n(8);
    gauge.record_enqueue_n(2);
    gauge.record_dequeue();
    gauge.deliver_pending();
    assert_eq!(delivered(&gauge), [], "this thread may not");
    assert!(gauge.has_pending_event() && gauge.has_warned());
}

#[test]
fn an_edge_that_nobody_wants_is_crossed_all_the_same() {
    let gauge = gauge(Mailbox {
        unwanted: Some(Edge::Recovered),
        ..Mailbox::default()
    });
    for _ in 0..3 {
        gauge.record_enqueue_n(8);
        gauge.deferred().record_dequeue_n(8);
        assert!(!gauge.has_pending_event() && !gauge.has_warned());
    }
    assert_eq!(delivered(&gauge), [(Edge::NearCapacity, 8); 3]);
    assert_eq!(gauge.warnings(), 3);
}

/// An operation delivers at most the pending event and two edges. Other threads may cause edges for
/// ever.
#[test]
fn an_operation_does_not_deliver_for_ever() {
    /// Crosses the other threshold at each event.
    struct Flapping(Mutex<Vec<Edge>>, Mutex<bool>);

    impl Deliver for Flapping {
        fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
            let (edge, depth) = match event {
                LimitEvent::NearCapacity(_) => (Edge::NearCapacity, 0),
                _ => (Edge::Recovered, 8),
            };
            if delivery.is_deferred() {
                *self.1.lock().unwrap() = true;
                return delivery.leave_pending();
            }
            self.0.lock().unwrap().push(edge);
            GAUGE.with(|gauge| gauge.observe_depth(depth));
        }
    }

    thread_local! {
        static GAUGE: &'static Gauge<Flapping> = Box::leak(Box::new(Gauge::with_delivery(
            GaugeConfig::new(&LIMIT, 10),
            Flapping(Mutex::default(), Mutex::default()),
        )));
    }

    GAUGE.with(|gauge| {
        gauge.observe_depth(8);
        let Flapping(edges, was_left) = gauge.delivery();
        let expected = [Edge::NearCapacity, Edge::Recovered, Edge::NearCapacity];
        assert_eq!(*edges.lock().unwrap(), expected);
        assert!(*was_left.lock().unwrap() && gauge.has_pending_event());
    });
}

/// The event ends, and the gauge goes on.
#[test]
fn a_panic_ends_the_event_that_it_comes_from() {
    let gauge = recovering();
    *gauge.delivery().is_broken.lock().unwrap() = true;
    let panicked = panic::catch_unwind(AssertUnwindSafe(|| gauge.deliver_pending()));
    assert!(panicked.is_err() && !gauge.has_pending_event());
    gauge.delivery().is_broken.clear_poison();
    *gauge.delivery().is_broken.lock().unwrap() = false;
    gauge.record_enqueue_n(3);
    assert_eq!(delivered(&gauge)[1..], [(Edge::NearCapacity, 8)]);
}

/// Takes the window at each recovery.
#[derive(Default)]
struct Episodes(Mutex<Vec<usize>>);

impl Deliver for Episodes {
    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        if let LimitEvent::Recovered(_) = event {
            self.0.lock().unwrap().push(delivery.take_window_peak());
        }
    }
}

#[test]
fn a_recovery_tells_how_deep_it_was() {
    const DEPTHS: [usize; 10] = [3, 8, 10, 6, 5, 7, 9, 0, 8, 1];
    const EPISODES: [usize; 3] = [10, 9, 8];
    let config = || GaugeConfig::new(&LIMIT, 10);

    let gauge = Gauge::with_delivery(config(), Episodes::default());
    DEPTHS.iter().for_each(|depth| gauge.observe_depth(*depth));
    assert_eq!(*gauge.delivery().0.lock().unwrap(), EPISODES);
    assert_eq!((gauge.take_window_peak(), gauge.high_water()), (1, 10));

    let budget = Budget::with_delivery(config(), Episodes::default());
    for depth in DEPTHS {
        drop(budget.try_reserve(depth).unwrap());
    }
    assert_eq!(*budget.delivery().0.lock().unwrap(), [8, 10, 9, 8]);
    assert_eq!((budget.take_window_peak(), budget.high_water()), (1, 10));

    let probe = Probe::with_delivery(config(), Episodes::default());
    for depth in DEPTHS {
        probe.check(|| depth);
    }
    assert_eq!(*probe.delivery().0.lock().unwrap(), EPISODES);
    assert_eq!((probe.take_window_peak(|| 0), probe.high_water()), (1, 10));
}

/// A static sink has no other thread.
#[test]
fn a_static_sink_delivers_deferred_operations_too() {
    let gauge = Gauge::new(&LIMIT, 10).with_sink(&RECORDER);
    gauge.record_enqueue_n(8);
    gauge.deferred().record_dequeue_n(3);
    assert_eq!(short_events(), [('+', 8), ('-', 5)]);
    assert!(!gauge.has_pending_event());
}

/// What a panic in `wants` leaves unchecked, the next operation finds.
#[test]
fn after_a_panic_in_wants_the_next_operation_checks() {
    let gauge = gauge(Mailbox::default());
    gauge.record_enqueue_n(9);
    *gauge.delivery().hesitates.lock().unwrap() = Some(Edge::Recovered);
    let outcome = panic::catch_unwind(AssertUnwindSafe(|| gauge.record_dequeue_n(8)));
    assert!(outcome.is_err() && gauge.has_warned());
    gauge.record_enqueue();
    assert!(!gauge.has_warned());
    assert_eq!(delivered(&gauge)[1..], [(Edge::Recovered, 2)]);
}

#[test]
fn a_gauge_that_is_renewed_begins_at_zero() {
    static OTHER: Limit = Limit::memory("other");
    let gauge = Gauge::with_delivery(GaugeConfig::for_queue(&LIMIT, 10), Mailbox::default());
    gauge.record_enqueue_n(9);
    gauge.record_dequeue();
    gauge.renew(&(), GaugeConfig::new(&OTHER, 20), 7);
    let renewed = gauge.snapshot();
    let fresh = Gauge::with_delivery(GaugeConfig::new(&OTHER, 20), Mailbox::default());
    let mut expected = fresh.snapshot();
    expected.instance = 7;
    assert_eq!(renewed, expected);
    gauge.record_dequeue(); // a stray, which the gauge of a queue would keep
    gauge.record_enqueue_n(16);
    assert_eq!((gauge.depth(), gauge.warnings()), (16, 1));
}

/// What runs in a destructor, and a deferred check, leaves its event to another thread.
#[test]
fn guards_and_deferred_checks_leave_their_events() {
    let config = GaugeConfig::new(&LIMIT, 10);
    let edges = |mailbox: &Mailbox| mailbox.delivered.lock().unwrap().clone();
    let (near, recovered) = ((Edge::NearCapacity, 8), (Edge::Recovered, 0));

    let gauge = Gauge::with_delivery(config, Mailbox::default());
    drop(gauge.hold(8));
    assert_eq!(edges(gauge.delivery()), [near]);
    gauge.deliver_pending();
    assert_eq!(edges(gauge.delivery()), [near, recovered]);

    let budget = Budget::with_delivery(config, Mailbox::default());
    drop(budget.try_reserve(8).unwrap());
    assert!(budget.has_pending_event());
    assert_eq!(edges(budget.delivery()), [near]);
    // A request may deliver, and takes the event over.
    drop(budget.try_reserve(1).unwrap());
    assert_eq!(edges(budget.delivery()), [near, recovered]);

    let probe = Probe::with_delivery(config, Mailbox::default());
    probe.check(|| 8);
    probe.check_deferred(|| 0);
    assert!(probe.has_pending_event());
    assert_eq!(edges(probe.delivery()), [near]);
    probe.check(|| 0);
    assert_eq!(edges(probe.delivery()), [near, recovered]);
}
