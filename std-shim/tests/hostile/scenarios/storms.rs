//! Many events: how much is logged, and in which order they arrive.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_std::{
    LimitEvent, LimitEventKind, LogLimit, TrackedLimit, flush_events, register_limit,
    set_limit_event_handler, set_limit_warning_handler, set_log_limit, track, tracked_sync_channel,
    warn_limit_exhausted,
};

use super::Scenario;
use super::log::{Line, Log};
use crate::process::threads;
use crate::row::lock;

pub(super) const ALL: &[Scenario] = &[
    ("a storm with a slow handler takes one thread more", storm),
    ("a storm in the background", storm_in_background),
    (
        "a queue of one logs a burst, then a line a second",
        queue_of_one,
    ),
    ("a limit that is exhausted again and again", exhausted),
    (
        "what a gauge has suppressed is said when it is dropped",
        said_when_dropped,
    ),
    (
        "what a gauge has suppressed is said by its next line",
        said_by_the_next_line,
    ),
    (
        "what is handed over and suppressed counts once",
        counted_once,
    ),
    ("a log without a limit", without_a_limit),
    (
        "a log without the recoveries of short episodes",
        without_short_episodes,
    ),
];

fn storm() {
    run_storm(false);
}

fn storm_in_background() {
    run_storm(true);
}

/// The events that an observer heard of, by gauge.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<HashMap<usize, Vec<KindAndDepth>>>>);

type KindAndDepth = (LimitEventKind, usize);

impl Heard {
    fn hear(&self, event: &LimitEvent) {
        let gauge = event.snapshot();
        let mut all = lock(&self.0);
        let of_gauge = all.entry(gauge.instance).or_default();
        of_gauge.push((event.kind(), gauge.depth));
    }
}

/// Four producers and two channels. Per gauge, all observers have all events in their order, one at
/// a time.
fn run_storm(is_background: bool) {
    set_log_limit(LogLimit::OFF);
    let log = Log::install();
    log.on_line(|_| thread::sleep(Duration::from_micros(20)));
    let handled = Arc::new(Mutex::new(HashMap::<usize, Vec<usize>>::new()));
    let busy = Arc::new([const { AtomicBool::new(false) }; 8]);
    let (all, one_at_a_time) = (Arc::clone(&handled), Arc::new(AtomicUsize::new(0)));
    let overlaps = Arc::clone(&one_at_a_time);
    set_limit_warning_handler(Box::new(move |warning| {
        if busy[warning.instance].swap(true, Ordering::SeqCst) {
            overlaps.fetch_add(1, Ordering::SeqCst);
        }
        thread::sleep(Duration::from_millis(2));
        lock(&all)
            .entry(warning.instance)
            .or_default()
            .push(warning.observed);
        busy[warning.instance].store(false, Ordering::SeqCst);
    }));

    let (by_handler, by_sinks) = (Heard::default(), Heard::default());
    let handler = by_handler.clone();
    set_limit_event_handler(Box::new(move |event| handler.hear(event)));

    let end = Instant::now() + Duration::from_secs(2);
    let most_threads = AtomicUsize::new(0);
    let gauges = thread::scope(|scope| {
        let channels = [(), ()].map(|()| {
            let sink = by_sinks.clone();
            let channel = track(TrackedLimit::VmPipes)
                .capacity(8)
                .sink(move |event| sink.hear(event));
            if is_background {
                channel.background().sync_channel::<usize>()
            } else {
                channel.sync_channel::<usize>()
            }
        });
        let mut gauges = Vec::new();
        for (sender, receiver) in channels {
            gauges.push(Arc::clone(sender.gauge()));
            for _ in 0..2 {
                let sender = sender.clone();
                scope.spawn(move || {
                    while Instant::now() < end {
                        sender.send(0).unwrap();
                    }
                });
            }
            scope.spawn(move || {
                // In bursts, so that it fills and drains.
                let mut received = 0;
                while receiver.recv().is_ok() {
                    received += 1;
                    if received % 8 == 0 {
                        thread::sleep(Duration::from_micros(50));
                    }
                }
            });
        }
        while Instant::now() < end {
            most_threads.fetch_max(threads(), Ordering::SeqCst);
            thread::sleep(Duration::from_millis(5));
        }
        gauges
    });
    flush_events(Duration::from_secs(10)).unwrap();

    // This one, four producers, two consumers, and the background thread.
    let most_threads = most_threads.into_inner();
    assert!(most_threads <= 8, "{most_threads} threads");
    assert_eq!(
        one_at_a_time.load(Ordering::SeqCst),
        0,
        "handlers of one gauge overlap"
    );
    let handled = lock(&handled);
    for gauge in gauges {
        let lines: Vec<Line> = log.of("vm_pipes");
        let of_this = |line: &&Line| line.number("instance") == gauge.instance();
        let lines: Vec<&Line> = lines.iter().filter(of_this).collect();
        assert_in_order(&lines);
        let warnings = lines
            .iter()
            .filter(|line| line.message.contains("near capacity"));
        let logged: Vec<usize> = warnings.map(|line| line.number("observed")).collect();
        assert!(logged.len() > 20, "hardly a storm: {}", logged.len());
        assert_eq!(logged.len(), gauge.warnings());
        assert_eq!(logged, handled[&gauge.instance()]);
        let logged: Vec<_> = lines.iter().map(|line| kind_and_depth(line)).collect();
        for heard in [&by_sinks, &by_handler] {
            assert_eq!(logged, lock(&heard.0)[&gauge.instance()]);
        }
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    }
}

fn kind_and_depth(line: &Line) -> KindAndDepth {
    match line.message.as_str() {
        "bounded limit near capacity" => (LimitEventKind::NearCapacity, line.number("observed")),
        "bounded limit reached capacity" => (LimitEventKind::Full, line.number("depth")),
        _ => (LimitEventKind::Recovered, line.number("depth")),
    }
}

/// Warnings and recoveries alternate, and a full queue comes between them.
fn assert_in_order(lines: &[&Line]) {
    let (mut warned, mut full) = (false, false);
    for line in lines {
        let in_turn = match line.message.as_str() {
            "bounded limit near capacity" => !std::mem::replace(&mut warned, true),
            "bounded limit reached capacity" => warned && !std::mem::replace(&mut full, true),
            _ => std::mem::replace(&mut warned, false),
        };
        full &= warned;
        assert!(in_turn, "out of turn: {line:?}");
    }
    assert!(!warned, "the last recovery is missing");
}

/// What was logged of `limit` but for the lines that say what was suppressed; and how many were
/// suppressed.
fn logged_and_suppressed(log: &Log, limit: &str) -> (usize, usize) {
    let lines = log.of(limit);
    let is_line = |line: &&Line| line.message != "bounded limit events were not logged";
    let logged = lines.iter().filter(is_line).count();
    let suppressed = lines.iter().map(|line| line.number("suppressed")).sum();
    (logged, suppressed)
}

fn queue_of_one() {
    const ITEMS: usize = 100_000;
    let log = Log::install();
    let start = Instant::now();
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmPipes, 1);
    for item in 0..ITEMS {
        sender.send(item).unwrap();
        assert_eq!(receiver.recv(), Ok(item));
    }
    flush_events(Duration::from_secs(10)).unwrap();
    let seconds = start.elapsed().as_secs() as usize;
    let (logged, suppressed) = logged_and_suppressed(&log, "vm_pipes");
    assert!(
        (10..=11 + seconds).contains(&logged),
        "{logged} lines in {seconds} s"
    );
    // Each item warns, fills and recovers, unless another event is being delivered meanwhile.
    let most = 3 * ITEMS;
    assert!(
        (2 * ITEMS..=most).contains(&(logged + suppressed)),
        "{suppressed} suppressed"
    );
    let warnings = sender.gauge().warnings();
    assert!(
        (ITEMS / 2..=ITEMS).contains(&warnings),
        "{warnings} warnings"
    );
}

fn exhausted() {
    let log = Log::install();
    let handled = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&handled);
    set_limit_warning_handler(Box::new(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    }));
    for _ in 0..917 {
        warn_limit_exhausted(TrackedLimit::V8CpuTimeMs, 30_000, 30_000);
        warn_limit_exhausted(TrackedLimit::WasmFuelMs, 1, 1);
    }
    assert_eq!(
        handled.load(Ordering::SeqCst),
        2 * 917,
        "handlers are not limited"
    );
    assert_eq!(log.in_short("wasm_fuel_ms"), "x".repeat(10));
    flush_events(Duration::from_secs(10)).unwrap();
    flush_events(Duration::from_secs(10)).unwrap();
    for limit in ["v8_cpu_time_ms", "wasm_fuel_ms"] {
        assert_eq!(log.in_short(limit), "x".repeat(10) + ".");
        assert_eq!(logged_and_suppressed(&log, limit), (10, 907));
    }
}

fn said_when_dropped() {
    let log = Log::install();
    let gauge = register_limit(TrackedLimit::VmPipes, 10);
    for _ in 0..50 {
        gauge.observe_depth(8);
        gauge.observe_depth(0);
    }
    assert_eq!(logged_and_suppressed(&log, "vm_pipes"), (10, 0));
    let instance = gauge.instance();
    drop(gauge);
    flush_events(Duration::from_secs(10)).unwrap();
    flush_events(Duration::from_secs(10)).unwrap();
    assert_eq!(logged_and_suppressed(&log, "vm_pipes"), (10, 90));
    assert_eq!(
        log.of("vm_pipes").last().unwrap().number("instance"),
        instance
    );
}

fn said_by_the_next_line() {
    set_log_limit(LogLimit::new(2, Duration::from_millis(500)));
    let log = Log::install();
    let gauge = register_limit(TrackedLimit::VmPipes, 10);
    for _ in 0..6 {
        gauge.observe_depth(8);
        gauge.observe_depth(0);
    }
    assert_eq!(logged_and_suppressed(&log, "vm_pipes"), (2, 0));
    thread::sleep(Duration::from_millis(600));
    gauge.observe_depth(8);
    assert_eq!(log.in_short("vm_pipes"), "+-+");
    assert_eq!(logged_and_suppressed(&log, "vm_pipes"), (3, 10));
    // There is nothing left to say.
    flush_events(Duration::from_secs(10)).unwrap();
    assert_eq!(log.in_short("vm_pipes"), "+-+");
}

fn without_a_limit() {
    set_log_limit(LogLimit::OFF);
    let log = Log::install();
    let gauge = register_limit(TrackedLimit::VmPipes, 10);
    for _ in 0..500 {
        gauge.observe_depth(8);
        gauge.observe_depth(0);
    }
    assert_eq!(log.in_short("vm_pipes"), "+-".repeat(500));
}

fn without_short_episodes() {
    const SHORTEST: Duration = Duration::from_millis(200);
    set_log_limit(LogLimit::OFF.min_episode(SHORTEST));
    let log = Log::install();
    let events = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&events);
    set_limit_event_handler(Box::new(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    }));
    let pipes = register_limit(TrackedLimit::VmPipes, 10);
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::V8HeapBytes, 4);
    let episode = |lasts: Duration| {
        pipes.observe_depth(8);
        (0..4).for_each(|item| sender.send(item).unwrap());
        thread::sleep(lasts);
        pipes.observe_depth(0);
        receiver.try_iter().for_each(drop);
        flush_events(Duration::from_secs(10)).unwrap();
    };
    (0..20).for_each(|_| episode(Duration::ZERO));
    episode(SHORTEST);
    // On a machine that is so slow that a short one takes as long, it is logged.
    for (limit, warning) in [("vm_pipes", "+"), ("v8_heap_bytes", "+=")] {
        let lines = log.of(limit);
        assert_eq!(log.in_short(limit).replace('-', ""), warning.repeat(21));
        let recoveries = lines.iter().filter(|line| line.message.contains("drained"));
        let lasted = recoveries.map(|line| line.fields["seconds"].parse().unwrap());
        let lasted: Vec<f64> = lasted.collect();
        assert!(
            lasted
                .iter()
                .all(|seconds| *seconds >= SHORTEST.as_secs_f64())
        );
        assert!((1..21).contains(&lasted.len()), "{lasted:?}");
    }
    assert_eq!(events.load(Ordering::Relaxed), 21 * 5);
}

fn counted_once() {
    let log = Log::install();
    set_log_limit(LogLimit::new(1, Duration::from_secs(3_600)));
    set_limit_warning_handler(Box::new(|_| ()));
    let heap = track(TrackedLimit::V8HeapBytes)
        .capacity(10)
        .background()
        .gauge();
    for _ in 0..50 {
        for depth in [9, 0] {
            heap.observe_depth(depth);
            flush_events(Duration::from_secs(10)).unwrap();
        }
    }
    let (logged, suppressed) = logged_and_suppressed(&log, "v8_heap_bytes");
    assert_eq!((logged, suppressed), (1, 99));
}
