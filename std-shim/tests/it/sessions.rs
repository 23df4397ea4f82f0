//! Many short sessions, each with a label, under load.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fillgauge_std::{LimitEventKind, QueueRegistry, flush_events, track};

use crate::size::native_or_miri;

const SESSIONS: usize = native_or_miri(1_000, 6);
const THREADS: usize = 4;
const FRAMES: usize = 40;
const CAPACITY: usize = 10;

/// What the sinks have heard of one session: warnings and recoveries.
type Heard = HashMap<String, [usize; 2]>;

#[test]
fn each_warning_names_its_session_and_the_sums_are_exact() {
    let heard: Arc<Mutex<Heard>> = Arc::default();
    let list = Arc::clone(&heard);
    let registry = QueueRegistry::new("sessions").silent().sink(move |event| {
        let mut heard = list.lock().unwrap();
        let session = heard.entry(event.label().unwrap().to_owned()).or_default();
        match event.kind() {
            LimitEventKind::NearCapacity => session[0] += 1,
            LimitEventKind::Recovered => session[1] += 1,
            _ => {}
        }
    });
    let warned: Mutex<HashMap<String, usize>> = Mutex::default();
    thread::scope(|scope| {
        for first in 0..THREADS {
            let (registry, warned) = (&registry, &warned);
            scope.spawn(move || {
                for number in (first..SESSIONS).step_by(THREADS) {
                    let label = format!("session {number}");
                    let warnings = run_session(registry, &label);
                    warned.lock().unwrap().insert(label, warnings);
                }
            });
        }
        for _ in 0..native_or_miri(100, 2) {
            let report = registry.report();
            assert!(report.gauges.iter().all(|gauge| gauge.label.is_some()));
            assert!(registry.snapshot().len() <= THREADS);
            thread::yield_now();
        }
    });
    flush_events(Duration::from_secs(30)).unwrap();

    let (heard, warned) = (heard.lock().unwrap(), warned.into_inner().unwrap());
    assert_eq!(warned.len(), SESSIONS);
    for (label, warnings) in &warned {
        let [heard_warnings, recoveries] = heard[label];
        assert_eq!(heard_warnings, *warnings, "{label}");
        assert_eq!(
            recoveries, *warnings,
            "{label}: every session is empty at its end"
        );
    }
    let report = registry.report();
    assert!(report.gauges.is_empty());
    let [limit] = &report.limits[..] else {
        panic!("{report:?}");
    };
    assert_eq!(limit.registered, SESSIONS);
    assert_eq!(limit.warnings, warned.values().sum::<usize>());
    let totals = limit.totals.unwrap();
    assert_eq!(
        (totals.enqueued, totals.dequeued),
        (SESSIONS * FRAMES, SESSIONS * FRAMES)
    );
    assert_eq!(limit.high_water, CAPACITY);
}

/// Sends all frames of a session, and returns how often its gauge has warned.
fn run_session(registry: &QueueRegistry, label: &str) -> usize {
    let (sender, receiver) = track("session_frames")
        .capacity(CAPACITY)
        .label(label)
        .registry(registry)
        .sync_channel();
    let gauge = Arc::clone(sender.gauge());
    // The queue is full once, before anything is taken.
    (0..CAPACITY).for_each(|frame| sender.send(frame).unwrap());
    thread::scope(|scope| {
        scope.spawn(move || (CAPACITY..FRAMES).for_each(|frame| sender.send(frame).unwrap()));
        assert!(receiver.iter().eq(0..FRAMES));
    });
    drop(receiver);
    gauge.warnings()
}
