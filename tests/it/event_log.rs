//! The sink that is drained later.

use std::collections::VecDeque;
use std::sync::Barrier;
use std::thread;

use fillgauge::{EventLog, Gauge, Limit, LimitEvent, LimitSink, LogEntry};
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

#[test]
fn it_is_empty_when_neither_event_nor_count_is_left() {
    let log = EventLog::<1>::new();
    assert!(log.is_empty());
    log.on_event(&event(0));
    assert!(!log.is_empty(), "an event");
    log.on_event(&event(1));
    assert!(!log.is_empty(), "an event, and a count");
    assert_eq!(log.pop(), Some(LogEntry::Dropped(1)));
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

proptest! {
    /// Every event comes out once, in its order, or is counted as dropped where it would have been.
    #[test]
    fn nothing_is_lost_without_being_counted(pushes in vec(any::<bool>(), 0..200)) {
        let log = EventLog::<3>::new();
        let (mut expected, mut dropped) = (VecDeque::new(), 0);
        for (depth, push) in pushes.into_iter().enumerate() {
            if push {
                log.on_event(&event(depth));
                expected.push_back(event(depth));
                if expected.len() > 3 {
                    expected.pop_front();
                    dropped += 1;
                }
            } else if dropped > 0 {
                prop_assert_eq!(log.pop(), Some(LogEntry::Dropped(dropped)));
                dropped = 0;
            } else {
                prop_assert_eq!(log.pop(), expected.pop_front().map(LogEntry::Event));
            }
        }
    }
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
        Some(LogEntry::Dropped(events)) => Some(events),
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
        serde_json::to_value(LogEntry::Dropped(3)).unwrap(),
        serde_json::json!({ "dropped": 3 })
    );
    let entry = serde_json::to_value(LogEntry::Event(event(7))).unwrap();
    assert_eq!(entry["event"]["event"], "exhausted");
    assert_eq!(entry["event"]["depth"], 7);
}
