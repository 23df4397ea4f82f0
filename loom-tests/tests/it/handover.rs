//! Events that a thread leaves pending, for another thread to deliver. Every model is checked for
//! all promises of a gauge, see `Model`. When its threads are done, every event has been delivered.

use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
use fillgauge_loom_tests::broken::Fault;
use fillgauge_loom_tests::history::{Event, History, Points};
use fillgauge_loom_tests::mailbox::Courier;
use fillgauge_loom_tests::model::{Delivery, Model};
use fillgauge_loom_tests::subject::Delivers;
use fillgauge_loom_tests::subject::Op::*;
use fillgauge_loom_tests::{explore, leaked};
use loom::sync::{Arc, Mutex};
use loom::thread;

const HANDED_OVER: Model = Model {
    delivery: Delivery::HandedOver,
    ..Model::ROOMY
};

/// A consumer leaves a recovery pending. A producer that reaches the warn point meanwhile, or the
/// background thread, takes it over. The warning comes after it.
const A_PRODUCER_TAKES_OVER: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Take], &[ComeBy], &[Enqueue]],
    preemptions: Some(4),
    floor: 8_000,
    ..HANDED_OVER
};

#[test]
fn a_producer_takes_over() {
    A_PRODUCER_TAKES_OVER.check();
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_a_producer_takes_over() {
    A_PRODUCER_TAKES_OVER.check_fault(Fault::LeavesInTwoSteps);
}

/// Two threads find one pending event. One of them delivers it.
const TWO_TAKE_OVER: Model = Model {
    before: &[Enqueue, Enqueue, Take],
    threads: &[&[Deliver], &[Enqueue]],
    preemptions: Some(5),
    floor: 10_000,
    ..HANDED_OVER
};

#[test]
fn two_take_over() {
    TWO_TAKE_OVER.check();
}

#[test]
#[should_panic(expected = "taken over twice")]
fn canary_two_take_over() {
    TWO_TAKE_OVER.check_fault(Fault::TakesOverByStore);
}

/// Two producers and the background thread find one pending event. One of them delivers it.
const THREE_TAKE_OVER: Model = Model {
    before: &[Enqueue, Enqueue, Take],
    threads: &[&[Deliver], &[Enqueue], &[Enqueue]],
    preemptions: Some(3),
    floor: 26_000,
    ..HANDED_OVER
};

#[test]
fn three_take_over() {
    THREE_TAKE_OVER.check();
}

/// The background thread wakes up for an event that is left pending while it goes to sleep.
const WOKEN: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Take], &[Deliver]],
    floor: 2,
    ..HANDED_OVER
};

#[test]
fn woken() {
    WOKEN.check();
}

#[test]
#[should_panic(expected = "nobody was woken")]
fn canary_woken() {
    WOKEN.check_fault(Fault::WakesFirst);
}

/// The thread that delivers a pending event checks what changed meanwhile.
const CHECKED_AFTERWARDS: Model = Model {
    before: &[Enqueue, Enqueue, Take],
    threads: &[&[ComeBy], &[Enqueue, Take]],
    preemptions: Some(4),
    floor: 10_000,
    ..HANDED_OVER
};

#[test]
fn checked_afterwards() {
    CHECKED_AFTERWARDS.check();
}

#[test]
#[should_panic(expected = "silent")]
fn canary_checked_afterwards() {
    TWO_TAKE_OVER.check_fault(Fault::EndsUnchecked);
}

/// A receiver is dropped with the items in the queue, while a producer fills it.
const DROPPED_WHILE_A_PRODUCER_SENDS: Model = Model {
    for_queue: true,
    before: &[Enqueue],
    threads: &[&[TakeAll], &[Enqueue, Enqueue], &[ComeBy]],
    preemptions: Some(3),
    floor: 11_000,
    ..HANDED_OVER
};

#[test]
fn dropped_while_a_producer_sends() {
    DROPPED_WHILE_A_PRODUCER_SENDS.check();
}

/// An observation meets a recovery that is left pending.
const OBSERVED_MEANWHILE: Model = Model {
    before: &[Enqueue, Enqueue],
    threads: &[&[Take], &[Observe(3)], &[ComeBy]],
    preemptions: Some(3),
    floor: 7_100,
    ..HANDED_OVER
};

#[test]
fn observed_meanwhile() {
    OBSERVED_MEANWHILE.check();
}

/// An observation that takes an event over is no evidence for the next one.
const OLD_AFTER_A_TAKE_OVER: Model = Model {
    before: &[Observe(2), Take],
    threads: &[&[Take, Take], &[Observe(2)]],
    preemptions: Some(4),
    floor: 4_300,
    ..HANDED_OVER
};

#[test]
fn old_after_a_take_over() {
    OLD_AFTER_A_TAKE_OVER.check();
}

/// Every event is left to the background thread: up against down.
const IN_THE_BACKGROUND: Model = Model {
    delivery: Delivery::Background,
    before: &[Enqueue],
    threads: &[&[Dequeue, Enqueue], &[Enqueue], &[ComeBy]],
    preemptions: Some(3),
    floor: 9_200,
    ..Model::ROOMY
};

#[test]
fn in_the_background() {
    IN_THE_BACKGROUND.check();
}

/// The same, and one thread observes.
const OBSERVED_IN_THE_BACKGROUND: Model = Model {
    delivery: Delivery::Background,
    before: &[Enqueue],
    threads: &[&[Observe(3)], &[Enqueue], &[ComeBy]],
    preemptions: Some(3),
    floor: 14_000,
    ..Model::ROOMY
};

#[test]
fn observed_in_the_background() {
    OBSERVED_IN_THE_BACKGROUND.check();
}

static QUEUE: Limit = Limit::queue("queue");

/// The owner of a gauge leaves a recovery pending and drops its reference. The background thread
/// has another, if `is_pinned`; a producer drops its own.
fn dropped_meanwhile(is_pinned: bool) {
    let points = Points {
        capacity: 10,
        thresholds: (20, 10),
        warn_depth: 2,
        rearm_depth: 1,
        for_queue: false,
    };
    let history = leaked(History::new(points, None));
    let thresholds = Thresholds::new(20, 10).unwrap();
    let config = GaugeConfig::new(&QUEUE, 10).thresholds(thresholds);
    let gauge = Arc::new(Gauge::with_delivery(config, Courier::new(history, false)));
    gauge.record_enqueue_n(2);
    history.begin_events_only();
    let posted = Arc::new(Mutex::new(None));

    let (consumed, post) = (Arc::clone(&gauge), Arc::clone(&posted));
    let consumer = thread::spawn(move || {
        consumed.deferred().record_dequeue();
        if is_pinned {
            *post.lock().unwrap() = Some(Arc::clone(&consumed));
        }
    });
    let post = Arc::clone(&posted);
    let background = thread::spawn(move || {
        let pinned = post.lock().unwrap().take();
        if let Some(pinned) = pinned {
            Courier::background(&pinned, false);
        }
    });
    gauge.record_enqueue();
    drop(gauge);
    consumer.join().unwrap();
    background.join().unwrap();
    let pinned = posted.lock().unwrap().take();
    if let Some(pinned) = pinned {
        Courier::background(&pinned, false);
    }
    // The depth is 2 at the end. It was 1 in between, unless the producer was first.
    let events = history.events();
    assert!(
        events.is_empty() || events == [Event::Recovered, Event::NearCapacity],
        "not delivered: {events:?}"
    );
}

/// The gauge is dropped by all its owners while its event is pending. The event is delivered once.
/// Then the gauge is freed, which loom checks.
#[test]
fn dropped_with_a_pending_event() {
    explore(Some(3), 760, || dropped_meanwhile(true));
}

#[test]
#[should_panic(expected = "an event is lost")]
fn canary_dropped_with_a_pending_event() {
    explore(Some(2), 1, || dropped_meanwhile(false));
}
