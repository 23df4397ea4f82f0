//! Sinks, event handlers, labels and registries of one's own.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;
use std::{io, thread};

use fillgauge_std::{
    LogLimit, QueueGauge, QueueRegistry, TrackedLimit, flush_events, remove_limit_event_handler,
    set_limit_event_handler, set_limit_warning_handler, set_log_limit, track, tracked_sync_channel,
};

use super::log::Log;
use super::{Scenario, hold_up_the_background_thread};
use crate::foreign::{label, on_allocation};
use crate::row::lock;

pub(super) const ALL: &[Scenario] = &[
    (
        "labels and names that are hostile are shown in one line each",
        hostile_labels,
    ),
    (
        "observers that panic: each in its turn, and all panics are logged",
        panicking_observers,
    ),
    (
        "sinks of a gauge that is moved out panic when they are dropped",
        sinks_of_a_moved_gauge,
    ),
    (
        "a gauge in its allocator while a registry gets a sink",
        allocator_while_a_registry_changes,
    ),
    (
        "a gauge in its allocator while the registry is made",
        || {
            first_use_beside_an_allocator(|| drop(QueueRegistry::global().report()));
        },
    ),
    (
        "a gauge in its allocator while a handler is set first",
        || {
            first_use_beside_an_allocator(remove_limit_event_handler);
        },
    ),
    ("an event that is handed over takes no memory", handing_over),
    (
        "a gauge that is gone and has a pending event counts in the sums",
        sums_of_a_gauge_with_a_pending_event,
    ),
    (
        "a registry that is gone delivers what its gauges went through",
        last_events_of_a_registry,
    ),
];

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

fn hostile_labels() {
    #[derive(Clone, Default)]
    struct Text(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Text {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            lock(&self.0).extend_from_slice(text);
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    let text = Text::default();
    let writer = text.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_ansi(false)
        .with_writer(move || writer.clone())
        .init();
    let labels = [label(), String::new(), "\n".to_owned(), "é".repeat(100_000)];
    let seen = Arc::new(Mutex::new(Vec::new()));
    for label in &labels {
        let (events, warnings) = (Arc::clone(&seen), Arc::clone(&seen));
        let registry = QueueRegistry::new(label.as_str()).warning_handler(move |warning| {
            let label = warning.label().unwrap();
            lock(&warnings).push((label.to_owned(), warning.registry().to_owned()));
        });
        let pipes = track(TrackedLimit::VmPipes)
            .capacity(10)
            .label(label.as_str())
            .sink(move |event| {
                let label = event.label().unwrap();
                lock(&events).push((label.to_owned(), event.registry().to_owned()));
                panic!("for a line of the log");
            })
            .registry(&registry)
            .gauge();
        pipes.observe_depth(9);
        let whole = (label.clone(), label.clone());
        assert_eq!(std::mem::take(&mut *lock(&seen)), [whole.clone(), whole]);

        let report = registry.report();
        assert_eq!(report.registry, *label);
        assert_eq!(report.gauges[0].label.as_ref(), Some(label));
        assert_is_tame(&report.to_string(), 2);
        drop(format!("{pipes:?} {registry:?} {report:?}"));
    }
    // A warning and a panic of each.
    let text = String::from_utf8(lock(&text.0).clone()).unwrap();
    assert_is_tame(&text, 2 * labels.len());
}

fn assert_is_tame(text: &str, lines: usize) {
    assert_eq!(text.lines().count(), lines, "{text:?}");
    for line in text.lines() {
        assert!(line.chars().count() < 2_000, "{line:?}");
        let is_tame = |c: char| !c.is_control() && c != '\u{202e}';
        assert!(line.chars().all(is_tame), "{line:?}");
    }
}

fn panicking_observers() {
    set_log_limit(LogLimit::OFF);
    let log = Log::install();
    let turns = Arc::new(Mutex::new(Vec::new()));
    let turn = |name: &'static str| {
        let turns = Arc::clone(&turns);
        move || {
            lock(&turns).push(name);
            panic!("the {name}");
        }
    };
    let of_the_log = turn("log");
    log.on_line(move |line| {
        if line.message.starts_with("bounded") {
            of_the_log();
        }
    });
    let (sink, handler) = (
        turn("sink of the registry"),
        turn("handler of the registry"),
    );
    let registry = QueueRegistry::new("panicking")
        .sink(move |_| sink())
        .warning_handler(move |_| handler());
    let handler = turn("warning handler");
    set_limit_warning_handler(Box::new(move |_| handler()));
    let handler = turn("event handler");
    set_limit_event_handler(Box::new(move |_| handler()));
    let (first, second) = (turn("sink"), turn("second sink"));
    let (sender, receiver) = track(TrackedLimit::VmPipes)
        .capacity(5)
        .label("session 7")
        .sink(move |_| first())
        .sink(move |_| second())
        .registry(&registry)
        .sync_channel();
    (0..4).for_each(|item| sender.send(item).unwrap());
    assert_eq!(receiver.try_iter().count(), 4);
    flush_events(Duration::from_secs(5)).unwrap();

    let of_all = ["sink", "second sink", "sink of the registry", "log"];
    let of_warnings = ["handler of the registry", "warning handler"];
    let mut expected = [&of_all[..], &of_warnings, &["event handler"]].concat();
    expected.extend(of_all);
    expected.push("event handler");
    assert_eq!(*lock(&turns), expected);

    // The log panicked at its own lines, and has the rest.
    let lines = log.of("vm_pipes");
    let panics: Vec<_> = lines.iter().map(|line| &*line.message).collect();
    let sinks = ["limit event sink panicked"; 3];
    let handlers = ["limit warning handler panicked"; 2];
    let of_event = ["limit event handler panicked"];
    assert_eq!(
        panics,
        [&sinks[..], &handlers, &of_event, &sinks, &of_event].concat()
    );
    for line in lines {
        assert_eq!(line.fields["label"], "session 7");
        assert_eq!(line.fields["registry"], "panicking");
    }
}

fn sinks_of_a_moved_gauge() {
    let heard = Arc::new(AtomicUsize::new(0));
    let sink = || {
        let (owned, heard) = (PanicsWhenDropped, Arc::clone(&heard));
        move || {
            let _ = &owned;
            heard.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (first, second, third, fourth) = (sink(), sink(), sink(), sink());
    let registry = QueueRegistry::new("moved out")
        .sink(move |_| third())
        .sink(move |_| fourth());
    let gauge = track(TrackedLimit::VmPipes)
        .capacity(10)
        .background()
        .sink(move |_| first())
        .sink(move |_| second())
        .registry(&registry)
        .gauge();
    drop(registry);
    let gauge = Arc::into_inner(gauge).unwrap();
    gauge.observe_depth(9);
    drop(gauge);
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(heard.load(Ordering::SeqCst), 4);
    assert_eq!(Arc::strong_count(&heard), 1, "a sink stays");
}

fn allocator_while_a_registry_changes() {
    static HEAP: OnceLock<Arc<QueueGauge>> = OnceLock::new();
    static HEARD: AtomicUsize = AtomicUsize::new(0);

    let count = |_: &_| {
        HEARD.fetch_add(1, Ordering::SeqCst);
    };
    let mut registry = QueueRegistry::new("memory").background().sink(count);
    let heap = registry.register(TrackedLimit::V8HeapBytes, 10);
    assert!(HEAP.set(heap).is_ok());
    on_allocation(|| {
        let heap = HEAP.get().unwrap();
        heap.observe_depth(9);
        heap.observe_depth(0);
    });
    for _ in 0..10 {
        registry = registry.sink(count).warning_handler(|_| ());
    }
    flush_events(Duration::from_secs(5)).unwrap();
    assert!(HEARD.load(Ordering::SeqCst) > 10);
}

/// The first allocation of `first_use` is recorded on a gauge, whose sink does the same as that.
fn first_use_beside_an_allocator(first_use: fn()) {
    static HEAP: OnceLock<Arc<QueueGauge>> = OnceLock::new();
    static HEARD: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static IS_NEXT: Cell<bool> = const { Cell::new(false) };
    }

    let registry = QueueRegistry::new("memory").silent().sink(move |_| {
        first_use();
        HEARD.fetch_add(1, Ordering::SeqCst);
    });
    assert!(HEAP.set(registry.register("heap", 10)).is_ok());
    on_allocation(|| {
        if IS_NEXT.replace(false) {
            HEAP.get().unwrap().observe_depth(9);
        }
    });
    let user = thread::spawn(move || {
        IS_NEXT.set(true);
        first_use();
        IS_NEXT.set(false);
    });
    user.join().unwrap();
    assert_eq!(HEARD.load(Ordering::SeqCst), 1);
}

fn handing_over() {
    thread_local! {
        static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
    }

    let log = Log::install();
    let register = |limit| track(limit).capacity(10).background().gauge();
    // Starts the background thread.
    register(TrackedLimit::VmSockets).observe_depth(9);
    flush_events(Duration::from_secs(5)).unwrap();
    let heap = register(TrackedLimit::V8HeapBytes);
    on_allocation(|| ALLOCATIONS.set(ALLOCATIONS.get() + 1));
    for depth in [9, 0, 9] {
        let before = ALLOCATIONS.get();
        heap.observe_depth(depth);
        assert_eq!(ALLOCATIONS.get(), before, "at {depth}");
        flush_events(Duration::from_secs(5)).unwrap();
    }
    assert_eq!(log.in_short("v8_heap_bytes"), "+-+");
}

fn last_events_of_a_registry() {
    let (gate, _heap) = hold_up_the_background_thread();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let (by_gauge, by_registry) = (Arc::clone(&heard), Arc::clone(&heard));
    let registry = QueueRegistry::new("short-lived")
        .sink(move |event| lock(&by_registry).push(event.kind().as_str()))
        .silent();
    let (sender, receiver) = track(TrackedLimit::VmPipes)
        .capacity(5)
        .background()
        .sink(move |event| lock(&by_gauge).push(event.kind().as_str()))
        .registry(&registry)
        .sync_channel();
    // The warning waits. The recovery is found when the warning has been delivered.
    (0..4).for_each(|item| sender.send(item).unwrap());
    assert_eq!(receiver.try_iter().count(), 4);
    drop((sender, receiver, registry));
    assert!(lock(&heard).is_empty());
    gate.open();
    flush_events(Duration::from_secs(5)).unwrap();
    let expected = ["near_capacity", "near_capacity", "recovered", "recovered"];
    assert_eq!(*lock(&heard), expected);
    assert_eq!(Arc::strong_count(&heard), 1, "a sink stays");
}

fn sums_of_a_gauge_with_a_pending_event() {
    let (gate, _heap) = hold_up_the_background_thread();

    let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmPipes, 5);
    (0..4).for_each(|item| sender.send(item).unwrap());
    let sums = || {
        let limits = QueueRegistry::global().report().limits;
        let mut limits = limits.into_iter();
        limits.find(|limit| limit.name == "vm_pipes").unwrap()
    };
    let before = sums();
    assert_eq!(
        (before.gauges, before.registered, before.warnings),
        (1, 1, 1)
    );
    assert_eq!(before.high_water, 4);
    drop(receiver);
    thread::spawn(move || drop(sender)).join().unwrap();
    let pending = sums();
    gate.open();
    flush_events(Duration::from_secs(5)).unwrap();
    for sums in [pending, sums()] {
        assert_eq!((sums.gauges, sums.registered, sums.warnings), (0, 1, 1));
        assert_eq!((sums.high_water, sums.depth, sums.warned), (4, 0, 0));
        let totals = sums.totals.unwrap();
        assert_eq!((totals.enqueued, totals.dequeued), (4, 4));
    }
}
