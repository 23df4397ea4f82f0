//! The sink that is drained later.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use fillgauge::{
    DroppedEvents, EventLog, Gauge, Limit, LimitEvent, LimitEventKind, LimitSink, LogEntry,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::size::native_or_miri;

static LIMIT: Limit = Limit::queue("queue");

fn event(depth: usize) -> LimitEvent {
    LimitEvent::exhausted(&LIMIT, depth, 100)
}

#[test]
fn events_come_out_as_they_went_in() {
    static LOG: EventLog<4> = EventLog::new();
    let gauge = Gauge::new(&LIMIT, 10).with_sink(&LOG);
    assert_eq!(LOG.pop(), None);
    gauge.record_enqueue_n(9);
    let warned = gauge.snapshot();
    gauge.record_dequeue_n(9);
    let recovered = gauge.snapshot();
    assert_eq!(
        LOG.pop(),
        Some(LogEntry::Event(LimitEvent::NearCapacity(warned)))
    );
    assert_eq!(
        LOG.pop(),
        Some(LogEntry::Event(LimitEvent::Recovered(recovered)))
    );
    assert_eq!(LOG.pop(), None);
}

/// Which events were dropped before those that are left.
fn dropped<const N: usize>(log: &EventLog<N>) -> DroppedEvents {
    match log.pop() {
        Some(LogEntry::Dropped(events)) => events,
        other => panic!("no count, but {other:?}"),
    }
}

#[test]
fn it_is_empty_when_neither_event_nor_count_is_left() {
    let log = EventLog::<1>::new();
    assert!(log.is_empty());
    log.on_event(&event(0));
    assert!(!log.is_empty(), "an event");
    log.on_event(&event(1));
    assert!(!log.is_empty(), "an event, and a count");
    assert_eq!(dropped(&log).of(LimitEventKind::Exhausted), 1);
    assert!(!log.is_empty(), "the event");
    assert_eq!(log.pop(), Some(LogEntry::Event(event(1))));
    assert!(log.is_empty());
}

#[test]
fn it_says_what_it_holds() {
    let log = EventLog::<2>::default();
    for depth in 0..5 {
        log.on_event(&event(depth));
    }
    assert_eq!(
        format!("{log:?}"),
        "EventLog { capacity: 2, events: 2, dropped: 3 }"
    );
}

#[test]
fn one_warning_outlives_the_flapping_of_another_limit() {
    static LOG: EventLog<8> = EventLog::new();
    static OTHER: Limit = Limit::queue("other");
    let (quiet, flapping) = (Gauge::new(&LIMIT, 10), Gauge::new(&OTHER, 10));
    let (quiet, flapping) = (quiet.with_sink(&LOG), flapping.with_sink(&LOG));
    quiet.record_enqueue_n(8);
    for _ in 0..100 {
        flapping.record_enqueue_n(10);
        flapping.record_dequeue_n(10);
    }
    let dropped = dropped(&LOG);
    let counts = LimitEventKind::ALL.map(|kind| dropped.of(kind));
    // The last 7 of each 3 are left.
    assert_eq!((counts, dropped.total()), ([98, 98, 97, 0], 293));
    let first = LOG.pop();
    assert!(
        matches!(first, Some(LogEntry::Event(event)) if event.snapshot().name == &LIMIT),
        "{first:?}"
    );
}

#[test]
fn what_was_dropped_is_said_in_words() {
    let log = EventLog::<1>::new();
    assert_eq!(DroppedEvents::default().to_string(), "none dropped");
    for depth in 0..4 {
        log.on_event(&event(depth));
    }
    assert_eq!(dropped(&log).to_string(), "3 exhausted dropped");
}

static LIMITS: [Limit; 3] = [Limit::queue("a"), Limit::queue("b"), Limit::queue("c")];

/// What a full log drops when an event of `new` comes: the oldest of the limit with most events.
fn victim(events: &[LimitEvent], new: &Limit) -> usize {
    let of = |limit: &Limit| {
        events
            .iter()
            .filter(|event| event.snapshot().name == limit)
            .count()
    };
    let with_new = |limit: &Limit| of(limit) + usize::from(limit == new);
    let most = events
        .iter()
        .map(|event| with_new(event.snapshot().name))
        .max()
        .unwrap();
    events
        .iter()
        .position(|event| with_new(event.snapshot().name) == most)
        .unwrap()
}

proptest! {
    /// Every event comes out once, in its order, or is counted as dropped. What is dropped is of
    /// the limit that has most.
    #[test]
    fn nothing_is_lost_without_being_counted(steps in vec(0..4_usize, 0..200)) {
        let log = EventLog::<4>::new();
        let (mut expected, mut lost) = (Vec::new(), 0);
        for (depth, step) in steps.into_iter().enumerate() {
            if let Some(limit) = LIMITS.get(step) {
                let event = LimitEvent::exhausted(limit, depth, 100);
                log.on_event(&event);
                if expected.len() == 4 {
                    expected.remove(victim(&expected, limit));
                    lost += 1;
                }
                expected.push(event);
            } else if lost > 0 {
                prop_assert_eq!(dropped(&log).total(), lost);
                lost = 0;
            } else {
                let first = (!expected.is_empty()).then(|| expected.remove(0));
                prop_assert_eq!(log.pop(), first.map(LogEntry::Event));
            }
        }
    }
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A task that counts how often it is woken.
fn task() -> (Arc<Count>, Waker) {
    let count = Arc::<Count>::default();
    (Arc::clone(&count), Waker::from(count))
}

fn poll<const N: usize>(log: &EventLog<N>, waker: &Waker) -> Poll<LogEntry> {
    pin!(log.next()).poll(&mut Context::from_waker(waker))
}

#[test]
fn a_task_is_woken_by_the_first_event() {
    let log = EventLog::<2>::new();
    let (count, waker) = task();
    let mut context = Context::from_waker(&waker);
    let mut next = Box::pin(log.next());
    assert!(next.as_mut().poll(&mut context).is_pending());
    assert!(
        next.as_mut().poll(&mut context).is_pending(),
        "as after another wake"
    );
    assert_eq!(count.0.load(Ordering::SeqCst), 0);
    (0..3).for_each(|depth| log.on_event(&event(depth)));
    assert_eq!(count.0.load(Ordering::SeqCst), 1);
    let dropped = next.as_mut().poll(&mut context);
    assert!(matches!(dropped, Poll::Ready(LogEntry::Dropped(_))));
    drop(next);
    assert_eq!(count.0.load(Ordering::SeqCst), 1, "it waits for nothing");
    let next = Poll::Ready(LogEntry::Event(event(1)));
    assert_eq!(poll(&log, &waker), next, "in the order of `pop`");
}

#[test]
fn of_two_tasks_none_waits_for_ever() {
    let log = EventLog::<2>::new();
    let ((first, first_waker), (second, second_waker)) = (task(), task());
    let mut nexts = [&first_waker, &second_waker].map(|waker| {
        let mut next = Box::pin(log.next());
        assert!(
            next.as_mut()
                .poll(&mut Context::from_waker(waker))
                .is_pending()
        );
        next
    });
    assert_eq!(first.0.load(Ordering::SeqCst), 1, "it is to wait again");
    log.on_event(&event(0));
    assert_eq!(second.0.load(Ordering::SeqCst), 1);
    let [_, next] = &mut nexts;
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&second_waker))
            .is_ready()
    );
}

#[test]
fn a_future_that_is_dropped_takes_nothing() {
    let log = EventLog::<2>::new();
    let (_, waker) = task();
    let mut next = Box::pin(log.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    log.on_event(&event(0));
    drop(next);
    assert_eq!(log.pop(), Some(LogEntry::Event(event(0))));
}

/// The log keeps no task that is gone. Another future of the same task is polled again.
#[test]
fn a_future_that_is_dropped_takes_its_waker_along() {
    let log = EventLog::<2>::new();
    let (count, waker) = task();
    let mut next = Box::pin(log.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop((next, waker));
    assert_eq!(Arc::strong_count(&count), 1);
    assert_eq!(count.0.load(Ordering::SeqCst), 0);

    let ((_, first), (second, second_waker)) = (task(), task());
    let mut next = Box::pin(log.next());
    assert!(
        next.as_mut()
            .poll(&mut Context::from_waker(&first))
            .is_pending()
    );
    let mut other = Box::pin(log.next());
    assert!(
        other
            .as_mut()
            .poll(&mut Context::from_waker(&second_waker))
            .is_pending()
    );
    drop(next);
    log.on_event(&event(0));
    assert_eq!(
        second.0.load(Ordering::SeqCst),
        1,
        "the waker of another task stays"
    );
}

/// One task reads what another thread writes, and sleeps meanwhile.
#[test]
fn a_task_that_sleeps_misses_no_event() {
    const EVENTS: usize = native_or_miri(20_000, 100);
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    static LOG: EventLog<4> = EventLog::new();
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut accounted = 0;
    thread::scope(|scope| {
        scope.spawn(|| (0..EVENTS).for_each(|depth| LOG.on_event(&event(depth))));
        while accounted < EVENTS {
            let mut next = pin!(LOG.next());
            let entry = loop {
                match next.as_mut().poll(&mut Context::from_waker(&waker)) {
                    Poll::Ready(entry) => break entry,
                    Poll::Pending => thread::park(),
                }
            };
            accounted += match entry {
                LogEntry::Event(_) => 1,
                LogEntry::Dropped(events) => events.total(),
            };
        }
    });
    assert_eq!(accounted, EVENTS);
    assert!(LOG.is_empty());
}

#[test]
fn threads_that_write_and_read_together_account_for_every_event() {
    const WRITERS: usize = native_or_miri(3, 2);
    const EVENTS: usize = native_or_miri(20_000, 30);
    static LOG: EventLog<16> = EventLog::new();
    let begin = Barrier::new(WRITERS + 1);
    let (mut seen, mut dropped) = ([0; WRITERS], 0);
    let mut read = || match LOG.pop() {
        Some(LogEntry::Event(event)) => {
            let figures = event.snapshot();
            let (writer, number) = (figures.capacity - 1, figures.depth);
            assert!(number >= seen[writer], "in the order of each writer");
            dropped += number - seen[writer];
            seen[writer] = number + 1;
            None
        }
        Some(LogEntry::Dropped(events)) => Some(events.total()),
        None => Some(0),
    };
    let mut counted = 0;
    thread::scope(|scope| {
        let writers: Vec<_> = (1..=WRITERS)
            .map(|writer| {
                let begin = &begin;
                scope.spawn(move || {
                    begin.wait();
                    for number in 0..EVENTS {
                        LOG.on_event(&LimitEvent::exhausted(&LIMIT, number, writer));
                    }
                })
            })
            .collect();
        begin.wait();
        while !writers.iter().all(thread::ScopedJoinHandle::is_finished) {
            counted += read().unwrap_or(0);
        }
        // The log holds 16 at most, and a count.
        for _ in 0..=17 {
            counted += read().unwrap_or(0);
        }
    });
    let unseen: usize = seen.iter().map(|seen| EVENTS - seen).sum();
    assert_eq!(counted, dropped + unseen);
}

#[cfg(feature = "serde")]
#[test]
fn an_entry_serializes() {
    assert_eq!(
        serde_json::to_value(LogEntry::Dropped(DroppedEvents::default())).unwrap(),
        serde_json::json!({
            "dropped": { "near_capacity": 0, "full": 0, "recovered": 0, "exhausted": 0 }
        })
    );
    let entry = serde_json::to_value(LogEntry::Event(event(7))).unwrap();
    assert_eq!(entry["event"]["event"], "exhausted");
    assert_eq!(entry["event"]["depth"], 7);
}
