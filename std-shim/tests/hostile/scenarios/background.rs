//! The background thread: when it is stuck, when there is none, and what becomes of what it was to
//! deliver.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    LogLimit, QueueRegistry, TrackedLimit, TrackedReceiver, TrackedSyncSender, flush_events,
    queue_snapshot, register_limit, set_limit_warning_handler, set_log_limit, track,
    tracked_sync_channel,
};

use super::log::Log;
use super::{Gate, Scenario, has_no_threads, hold_up_the_background_thread, spawn, until};
use crate::process::threads;
use crate::row::lock;

pub(super) const ALL: &[Scenario] = &[
    (
        "a handler that never returns holds up the background thread alone",
        stuck_handler,
    ),
    (
        "gauges that come and go while a handler never returns",
        churn_while_stuck,
    ),
    (
        "no threads: events wait for a producer, or for a flush",
        no_threads,
    ),
    (
        "no threads: events of a dropped gauge wait for a flush",
        no_threads_and_a_dropped_gauge,
    ),
    (
        "a gauge that is dropped with a pending event",
        dropped_with_a_pending_event,
    ),
    ("a log that goes through a tracked channel", log_pipeline),
    (
        "what is left to the background thread is logged where it happened",
        scoped_log,
    ),
    ("a scoped log that is gone", scoped_log_that_is_gone),
    (
        "a scoped log that panics, and panics when it is dropped meanwhile",
        scoped_log_that_panics,
    ),
    (
        "a scoped log hears what a gauge had suppressed that is dropped",
        scoped_log_of_a_dropped_gauge,
    ),
    (
        "a background gauge that is moved out of its registry",
        moved_out,
    ),
    (
        "the background thread is started once, and when it is needed",
        started_once,
    ),
];

fn channel() -> (TrackedSyncSender<usize>, TrackedReceiver<usize>) {
    tracked_sync_channel(TrackedLimit::VmPipes, 5)
}

/// A handler that never returns, on the background thread.
fn get_stuck() {
    let (gate, is_reached) = Gate::new();
    set_limit_warning_handler(Box::new(move |warning| {
        if warning.name == TrackedLimit::V8HeapBytes {
            gate.pass();
        }
    }));
    let heap = track(TrackedLimit::V8HeapBytes)
        .capacity(10)
        .background()
        .gauge();
    heap.observe_depth(9);
    is_reached.recv().unwrap();
    // It stays in the registry.
    std::mem::forget(heap);
}

fn stuck_handler() {
    set_log_limit(LogLimit::OFF);
    let log = Log::install();
    get_stuck();
    let before = threads();
    let shown = format!("{:?}", QueueRegistry::global());
    assert!(
        shown.contains("delivering: v8_heap_bytes #1 for "),
        "{shown}"
    );

    let (sender, receiver) = channel();
    for round in 0..10 {
        for item in 0..5 {
            sender.send(item).unwrap();
        }
        let items: Vec<usize> = receiver.try_iter().collect();
        assert_eq!(items, [0, 1, 2, 3, 4], "round {round}");
        assert!(!receiver.gauge().has_warned());
    }
    // The recoveries were taken over by the next warnings, but for the last.
    let nine_recoveries = "+=-".repeat(9) + "+=";
    assert_eq!(log.in_short("vm_pipes"), nine_recoveries);
    let error = flush_events(Duration::from_millis(50)).unwrap_err();
    assert_eq!(
        log.in_short("vm_pipes"),
        nine_recoveries + "-",
        "flushed on this thread"
    );
    assert_eq!(error.waiting(), 0);
    let text = error.to_string();
    assert!(
        text.contains("an observer of v8_heap_bytes #1 for "),
        "{text}"
    );
    assert!(threads() <= before, "{} threads", threads());
}

/// Neither threads nor memory grow with what comes and goes.
fn churn_while_stuck() {
    let lines = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lines);
    Log::install().instead(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    get_stuck();
    let before = threads();
    let mut memory = [0; 2];
    for memory in &mut memory {
        for _ in 0..5_000 {
            let (sender, receiver) = channel();
            (0..5).for_each(|item| sender.send(item).unwrap());
            assert_eq!(receiver.try_iter().count(), 5);
            // Takes the recovery over.
            (0..5).for_each(|item| sender.send(item).unwrap());
            assert_eq!(receiver.try_iter().count(), 5);
            sender.gauge().deliver_pending();
        }
        *memory = resident_kilobytes();
    }
    assert!(threads() <= before, "{} threads", threads());
    assert!(memory[1] < memory[0] + 3_000, "{memory:?} kB");
    assert_eq!(queue_snapshot().len(), 1);
    assert!(lines.load(Ordering::SeqCst) >= 10_000 * 6);
}

fn resident_kilobytes() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().trim_end_matches(" kB");
    number.parse().unwrap()
}

fn no_threads() {
    assert!(has_no_threads() && thread::Builder::new().spawn(|| ()).is_err());
    let log = Log::install();
    let (sender, receiver) = channel();
    (0..4).for_each(|item| sender.send(item).unwrap());
    let consumer = spawn(move || {
        let items = receiver.iter().take(4).count();
        (items, receiver, thread::current().id())
    });
    let (items, receiver, consumer_id) = consumer.join().unwrap();
    assert_eq!(items, 4);
    assert!(sender.gauge().has_pending_event());
    assert!(log.lines().iter().all(|line| line.thread != consumer_id));
    assert_eq!(log.in_short("vm_pipes"), "+");

    (0..4).for_each(|item| sender.send(item).unwrap());
    assert_eq!(log.in_short("vm_pipes"), "+-+", "the producer takes over");
    assert_eq!(receiver.try_iter().count(), 4);
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(log.in_short("vm_pipes"), "+-+-");
}

fn no_threads_and_a_dropped_gauge() {
    let log = Log::install();
    let (sender, receiver) = channel();
    (0..4).for_each(|item| sender.send(item).unwrap());
    drop((receiver, sender));
    assert!(queue_snapshot().is_empty());
    assert_eq!(log.in_short("vm_pipes"), "+");
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(log.in_short("vm_pipes"), "+-");
}

fn dropped_with_a_pending_event() {
    let (log, (gate, is_reached)) = (Log::install(), Gate::new());
    let held = gate.clone();
    log.on_line(move |line| {
        if line.is_of("vm_sockets") && line.message.contains("drained") {
            held.pass();
        }
    });
    // Holds up the background thread.
    let (other_sender, other) = tracked_sync_channel(TrackedLimit::VmSockets, 5);
    (0..4).for_each(|item| other_sender.send(item).unwrap());
    assert_eq!(other.try_iter().count(), 4);
    is_reached.recv().unwrap();

    let (sender, receiver) = channel();
    (0..4).for_each(|item| sender.send(item).unwrap());
    drop(receiver);
    assert_eq!(queue_snapshot().len(), 2);
    let gauge = Arc::downgrade(sender.gauge());
    drop(sender);
    assert_eq!(
        queue_snapshot().len(),
        1,
        "its event is pending, and it is gone"
    );
    let shown = format!("{:?}", QueueRegistry::global());
    assert!(shown.contains("live: 1"), "{shown}");
    assert_eq!(log.in_short("vm_pipes"), "+");

    gate.open();
    until("the event is delivered", || {
        log.in_short("vm_pipes") == "+-"
    });
    until("the gauge is freed", || gauge.strong_count() == 0);
}

/// The writer of the log, behind a lock, sends each line on a tracked channel.
fn log_pipeline() {
    struct Writer(TrackedSyncSender<Vec<u8>>);

    impl std::io::Write for Writer {
        fn write(&mut self, line: &[u8]) -> std::io::Result<usize> {
            self.0.send(line.to_vec()).map_err(std::io::Error::other)?;
            Ok(line.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    let (sender, receiver) = track(TrackedLimit::VmPipes)
        .capacity(10)
        .background()
        .sync_channel();
    let gauge = Arc::clone(sender.gauge());
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_writer(Mutex::new(Writer(sender)))
        .init();
    let written = Arc::new(Mutex::new(String::new()));
    let text = Arc::clone(&written);
    thread::spawn(move || {
        for line in receiver {
            thread::sleep(Duration::from_micros(100));
            lock(&text).push_str(&String::from_utf8(line).unwrap());
        }
    });
    for number in 0..1_000 {
        tracing::info!(number, "a line");
    }
    flush_events(Duration::from_secs(10)).unwrap();
    let has = |needle: &str| lock(&written).contains(needle);
    until("all is written", || has("number=999"));
    until("the channel's own warning is written", || {
        has("bounded limit near capacity")
    });
    assert!(gauge.warnings() > 0);
    assert!(threads() <= 3, "{} threads", threads());
}

fn scoped_log() {
    let (global, scoped) = (Log::install(), Log::default());
    tracing::subscriber::with_default(scoped.clone(), || {
        let (sender, receiver) = channel();
        (0..4).for_each(|item| sender.send(item).unwrap());
        assert_eq!(receiver.try_iter().count(), 4);
        until("the recovery is logged", || {
            scoped.in_short("vm_pipes") == "+-"
        });
    });
    assert!(global.lines().is_empty());
    let this = thread::current().id();
    assert!(scoped.lines()[1].thread != this, "on the background thread");
}

fn scoped_log_that_is_gone() {
    let (global, scoped) = (Log::install(), Log::default());
    let (gate, _heap) = hold_up_the_background_thread();
    tracing::subscriber::with_default(scoped.clone(), || {
        let (sender, receiver) = channel();
        (0..4).for_each(|item| sender.send(item).unwrap());
        assert_eq!(receiver.try_iter().count(), 4);
    });
    gate.open();
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(scoped.in_short("vm_pipes"), "+");
    assert_eq!(
        global.in_short("vm_pipes"),
        "-",
        "the log of the thread that delivers"
    );
}

fn scoped_log_that_panics() {
    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let (gate, is_reached) = Gate::new();
    let (scoped, owned, held) = (Log::default(), PanicsWhenDropped, gate.clone());
    scoped.instead(move |line| {
        let _ = &owned;
        if line.message.contains("drained") {
            held.pass();
            panic!("logged");
        }
    });
    let (sender, receiver) = channel();
    tracing::subscriber::with_default(scoped, || {
        (0..4).for_each(|item| sender.send(item).unwrap());
        assert_eq!(receiver.try_iter().count(), 4);
        is_reached.recv().unwrap();
    });
    // The background thread has the last reference.
    gate.open();
    flush_events(Duration::from_secs(5)).unwrap();
    sender.send(4).unwrap();
    assert_eq!(receiver.recv(), Ok(4));
}

fn scoped_log_of_a_dropped_gauge() {
    let (global, scoped) = (Log::install(), Log::default());
    tracing::subscriber::with_default(scoped.clone(), || {
        let pipes = register_limit(TrackedLimit::VmPipes, 10);
        for _ in 0..50 {
            pipes.observe_depth(9);
            pipes.observe_depth(0);
        }
        drop(pipes);
        until("it is said", || {
            scoped.in_short("vm_pipes") == "+-".repeat(5) + "."
        });
    });
    let said = scoped.of("vm_pipes").pop().unwrap();
    assert_eq!(said.number("suppressed"), 90);
    assert!(global.lines().is_empty());
}

fn moved_out() {
    let log = Log::install();
    let gauge = track(TrackedLimit::VmPipes)
        .capacity(10)
        .background()
        .gauge();
    let gauge = Arc::into_inner(gauge).unwrap();
    gauge.observe_depth(9);
    drop(gauge);
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(log.in_short("vm_pipes"), "+");
}

fn started_once() {
    let before = threads();
    let (sender, receiver) = channel();
    let through = |sender: &TrackedSyncSender<usize>, receiver: &TrackedReceiver<usize>| {
        (0..5).for_each(|item| sender.send(item).unwrap());
        assert_eq!(receiver.try_iter().count(), 5);
    };
    through(&sender, &receiver);
    assert_eq!(threads(), before, "nobody wants to know");

    let lines = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&lines);
    Log::install().on_line(move |_| {
        count.fetch_add(1, Ordering::SeqCst);
    });
    let channels: Vec<_> = (0..50).map(|_| channel()).collect();
    for (sender, receiver) in &channels {
        through(sender, receiver);
    }
    until("all is logged", || lines.load(Ordering::SeqCst) == 150);
    assert_eq!(threads(), before + 1);
}
