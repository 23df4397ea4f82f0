//! Foreign code that was once able to harm a channel.

use std::cell::Cell;
use std::fmt::{self, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_std::{
    LogLimit, QueueGauge, QueueRegistry, TrackedLimit, TrackedSyncSender, flush_events,
    queue_snapshot, register_limit, set_limit_warning_handler, set_log_limit, tracked_sync_channel,
};

use super::Scenario;
use super::log::Log;
use crate::foreign::{is_allocating, on_allocation};
use crate::process::threads;

pub(super) const ALL: &[Scenario] = &[
    (
        "a subscriber that panics loses no item",
        panicking_subscriber,
    ),
    (
        "a subscriber that panics while a receiver is dropped",
        panicking_subscriber_in_unwind,
    ),
    (
        "a subscriber that waits for room does not keep the receiver",
        waiting_subscriber,
    ),
    ("a receive in a subscriber", receiving_subscriber),
    (
        "a writer that registers while a registry is formatted",
        registering_writer,
    ),
    (
        "a handler that replaces itself and panics, and panics when it is dropped",
        panicking_handler_that_is_replaced,
    ),
    (
        "no observer runs in the middle of an allocation",
        counting_allocator,
    ),
    (
        "an observer that flushes gets an error at once",
        flushing_observer,
    ),
];

fn channel() -> (TrackedSyncSender<u8>, fillgauge_std::TrackedReceiver<u8>) {
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmPipes, 5);
    for item in 0..4 {
        sender.send(item).unwrap();
    }
    (sender, receiver)
}

fn panicking_subscriber() {
    Log::install().on_line(|_| panic!("disk full"));
    let (sender, receiver) = channel();
    let items: Vec<u8> = receiver.try_iter().collect();
    assert_eq!(items, [0, 1, 2, 3]);
    // While the background thread delivers, a crossing may be undone before anybody checks.
    flush_events(Duration::from_secs(5)).unwrap();
    for item in 4..8 {
        sender.send(item).unwrap();
    }
    assert_eq!(receiver.iter().take(4).collect::<Vec<_>>(), [4, 5, 6, 7]);
    flush_events(Duration::from_secs(5)).unwrap();
    assert_eq!(
        (receiver.gauge().depth(), receiver.gauge().warnings()),
        (0, 2)
    );
}

fn panicking_subscriber_in_unwind() {
    Log::install().on_line(|_| panic!("disk full"));
    let (sender, receiver) = channel();
    let worker = thread::spawn(move || {
        let _receiver = receiver;
        panic!("worker failed");
    });
    assert!(worker.join().is_err());
    assert!(sender.send(4).is_err());
    assert_eq!(sender.gauge().depth(), 0);
    flush_events(Duration::from_secs(5)).unwrap();
}

fn waiting_subscriber() {
    static SENDER: OnceLock<TrackedSyncSender<u8>> = OnceLock::new();
    Log::install().on_line(|line| {
        if line.message == "bounded limit drained back below threshold" {
            let sender = SENDER.get().unwrap();
            while sender.try_send(0).is_ok() {}
            sender.send(9).unwrap();
        }
    });
    let (sender, receiver) = channel();
    assert!(SENDER.set(sender).is_ok());
    // The third of these recovers. The one that was waited for comes too.
    assert!(receiver.iter().any(|item| item == 9));
    assert!(threads() <= 2, "{} threads", threads());
}

fn receiving_subscriber() {
    thread_local! {
        static IS_RECEIVING: Cell<bool> = const { Cell::new(false) };
        static ELSEWHERE: fillgauge_std::TrackedReceiver<u8> = {
            let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmSockets, 5);
            (0..5).for_each(|item| sender.send(item).unwrap());
            receiver
        };
    }
    let this = thread::current().id();
    Log::install().on_line(move |_| {
        if !IS_RECEIVING.replace(true) {
            let _ = ELSEWHERE.with(|elsewhere| elsewhere.try_recv());
            IS_RECEIVING.set(false);
        }
    });
    let on_the_consumer = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&on_the_consumer);
    set_limit_warning_handler(Box::new(move |warning| {
        if warning.name == TrackedLimit::VmPipes && thread::current().id() == this {
            count.fetch_add(1, Ordering::SeqCst);
        }
    }));
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmPipes, 5);
    // While one drains, the other fills: the consumer is often the first to find that a warning is
    // due.
    let filler = thread::spawn(move || while sender.send(0).is_ok() {});
    for _ in 0..20_000 {
        receiver.recv().unwrap();
    }
    drop(receiver);
    filler.join().unwrap();
    assert_eq!(on_the_consumer.load(Ordering::SeqCst), 0);
}

/// Registers a gauge, and reads all of them, each time that something is written to it.
struct Registering(usize);

impl Write for Registering {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        self.0 += 1;
        let gauge = register_limit(TrackedLimit::VmInodes, 10);
        gauge.observe_depth(9);
        assert!(!queue_snapshot().is_empty());
        Ok(())
    }
}

fn registering_writer() {
    let gauge = register_limit(TrackedLimit::VmInodes, 10);
    let (sender, receiver) = channel();
    let mut writer = Registering(0);
    write!(
        writer,
        "{:?} {:?} {:?} {sender:?} {receiver:?} {:?}",
        QueueRegistry::global(),
        QueueRegistry::default(),
        gauge,
        queue_snapshot()
    )
    .unwrap();
    assert!(writer.0 > 10);
}

fn flushing_observer() {
    set_limit_warning_handler(Box::new(|_| {
        let start = Instant::now();
        let flushed = flush_events(Duration::from_secs(30));
        assert!(start.elapsed() < Duration::from_secs(10));
        let text = flushed.unwrap_err().to_string();
        assert!(
            text.starts_with("an observer cannot wait for events"),
            "{text}"
        );
        // The panic of an assertion would be caught.
        FLUSHED.set(text).unwrap();
    }));
    static FLUSHED: OnceLock<String> = OnceLock::new();
    let _channel = channel();
    assert!(FLUSHED.get().is_some());
}

fn panicking_handler_that_is_replaced() {
    struct PanicsWhenDropped;

    impl Drop for PanicsWhenDropped {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }

    let owned = PanicsWhenDropped;
    let handled = Arc::new(AtomicUsize::new(0));
    let by_the_next = Arc::clone(&handled);
    let next = OnceLock::from(by_the_next);
    set_limit_warning_handler(Box::new(move |_| {
        let (_, next) = (&owned, Arc::clone(next.get().unwrap()));
        set_limit_warning_handler(Box::new(move |_| {
            next.fetch_add(1, Ordering::SeqCst);
        }));
        panic!("replaced");
    }));
    let (_sender, receiver) = channel();
    assert_eq!(receiver.try_iter().count(), 4);
    drop(channel());
    assert_eq!(handled.load(Ordering::SeqCst), 1);
}

/// An allocator that counts on a gauge, which crosses a threshold with each call.
fn counting_allocator() {
    static HEAP: OnceLock<Arc<QueueGauge>> = OnceLock::new();
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    static WITHIN: AtomicUsize = AtomicUsize::new(0);

    fn see() {
        SEEN.fetch_add(1, Ordering::SeqCst);
        WITHIN.fetch_add(usize::from(is_allocating()), Ordering::SeqCst);
    }

    set_log_limit(LogLimit::OFF);
    Log::install().instead(|_| see());
    set_limit_warning_handler(Box::new(|_| see()));
    let registry = QueueRegistry::default().background();
    let heap = registry.register(TrackedLimit::V8HeapBytes, 10);
    assert!(HEAP.set(heap).is_ok());
    on_allocation(|| {
        let heap = HEAP.get().unwrap();
        heap.observe_depth(9);
        heap.observe_depth(0);
    });
    for _ in 0..100 {
        // Gauges whose events are handed over, and that come and go meanwhile.
        let (sender, receiver) = channel();
        assert_eq!(receiver.try_iter().count(), 4);
        drop((sender, receiver));
        flush_events(Duration::from_secs(5)).unwrap();
    }
    assert!(SEEN.load(Ordering::SeqCst) > 200);
    assert_eq!(WITHIN.load(Ordering::SeqCst), 0);
}
