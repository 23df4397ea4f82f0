//! What a warning handler may do.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    LimitWarning, QueueRegistry, TrackedLimit, register_limit, set_limit_warning_handler,
    tracked_sync_channel, warn_limit_exhausted,
};
use tracing::Level;

use crate::handler_turn;
use crate::tape::{log_slowly, taped};

/// Installs a handler that runs `act` on warnings of `limit` only, for the length of `body`.
fn with_handler(
    limit: TrackedLimit,
    act: impl Fn(&LimitWarning) + Send + Sync + 'static,
    body: impl FnOnce(),
) {
    let _turn = handler_turn();
    set_limit_warning_handler(Box::new(move |warning| {
        if warning.name == limit {
            act(warning);
        }
    }));
    body();
    set_limit_warning_handler(Box::new(|_| {}));
}

#[test]
fn it_may_panic_and_that_is_logged() {
    let gauge = register_limit(TrackedLimit::VmInodes, 10);
    let logged = taped(|| {
        with_handler(
            TrackedLimit::VmInodes,
            |warning| {
                panic!(
                    "no patience with {} of {}",
                    warning.observed, warning.capacity
                )
            },
            || {
                gauge.observe_depth(8);
                gauge.observe_depth(3);
                gauge.observe_depth(9);
                warn_limit_exhausted(TrackedLimit::VmInodes, 10, 10);
            },
        );
    });
    let messages: Vec<_> = logged.iter().map(|event| event.message.as_str()).collect();
    assert_eq!(
        messages,
        [
            "bounded limit near capacity",
            "limit warning handler panicked",
            "bounded limit drained back below threshold",
            "bounded limit near capacity",
            "limit warning handler panicked",
            "bounded limit exhausted",
            "limit warning handler panicked",
        ]
    );
    assert_eq!(logged[1].level, Level::ERROR);
    assert!(logged[1].fields.contains(&"limit=\"vm_inodes\"".to_owned()));
    assert!(
        logged[1]
            .fields
            .contains(&"panic=\"no patience with 8 of 10\"".to_owned())
    );
    assert_eq!(
        (gauge.depth(), gauge.warnings(), gauge.has_warned()),
        (9, 2, true)
    );
}

#[test]
fn it_may_send_on_the_channel_that_warns() {
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::SidecarStdinFrames, 10);
    let warned = sender.clone();
    with_handler(
        TrackedLimit::SidecarStdinFrames,
        move |_| warned.send("from the handler").unwrap(),
        || {
            for _ in 0..8 {
                sender.send("from the producer").unwrap();
            }
        },
    );
    assert_eq!((sender.gauge().depth(), sender.gauge().warnings()), (9, 1));
    assert_eq!(
        receiver
            .try_iter()
            .filter(|item| *item == "from the handler")
            .count(),
        1
    );
    assert_eq!(
        (sender.gauge().depth(), sender.gauge().has_warned()),
        (0, false)
    );
}

/// While the consumer is slow to log a recovery the producers fill the queue again. So it is the
/// consumer that finds the next warning due. A handler that waits for room must not wait on the
/// consumer's thread.
#[test]
fn it_may_wait_for_room_in_the_channel_that_warns() {
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::VmSocketDatagramQueueLen, 4);
    let warned = sender.clone();
    let gauge = Arc::clone(sender.gauge());
    let (done, all_received) = mpsc::channel();
    let consumer = thread::spawn(move || {
        log_slowly(Duration::from_millis(5));
        let from_producers = |item: &&str| *item == "from a producer";
        done.send(receiver.iter().filter(from_producers).take(600).count())
    });
    let handled = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&handled);
    with_handler(
        TrackedLimit::VmSocketDatagramQueueLen,
        move |_| {
            // At the end the receiver is gone.
            let _ = warned.send("from the handler");
            counted.fetch_add(1, Ordering::SeqCst);
        },
        || {
            for _ in 0..3 {
                let sender = sender.clone();
                thread::spawn(move || {
                    (0..200).for_each(|_| sender.send("from a producer").unwrap());
                });
            }
            let received = all_received.recv_timeout(Duration::from_secs(60));
            assert_eq!(received, Ok(600), "deadlocked: {gauge:?}");
        },
    );
    consumer.join().unwrap().unwrap();
    assert!(handled.load(Ordering::SeqCst) > 0);
}

#[test]
fn it_may_drain_the_channel_that_warns() {
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::PendingExecutionEvents, 5);
    let receiver = Arc::new(Mutex::new(receiver));
    let drained = Arc::clone(&receiver);
    with_handler(
        TrackedLimit::PendingExecutionEvents,
        move |_| assert_eq!(drained.lock().unwrap().try_iter().count(), 4),
        || (0..8).for_each(|item| sender.send(item).unwrap()),
    );
    assert_eq!((sender.gauge().depth(), sender.gauge().warnings()), (0, 2));
    assert!(!sender.gauge().has_warned());
}

#[test]
fn it_may_register_gauges_and_drop_the_one_that_warns() {
    let registry = Arc::new(QueueRegistry::default());
    let held = Arc::new(Mutex::new(Some(
        registry.register(TrackedLimit::VmConnections, 10),
    )));
    let gauge = Arc::clone(held.lock().unwrap().as_ref().unwrap());
    let successors = Arc::new(Mutex::new(Vec::new()));
    let (of_handler, made) = (Arc::clone(&registry), Arc::clone(&successors));
    with_handler(
        TrackedLimit::VmConnections,
        move |_| {
            drop(held.lock().unwrap().take());
            made.lock()
                .unwrap()
                .push(of_handler.register(TrackedLimit::VmSockets, 1));
            assert_eq!(of_handler.snapshot().len(), 2);
        },
        || gauge.observe_depth(9),
    );
    drop(gauge);
    let entries = registry.snapshot();
    assert_eq!(entries.len(), 1);
    assert_eq!(entries[0].name, TrackedLimit::VmSockets);
}

#[test]
fn it_may_replace_itself_and_what_it_owned_is_dropped() {
    /// Counts its drops, and uses the registry while at it.
    struct Owned(Arc<AtomicUsize>);
    impl Drop for Owned {
        fn drop(&mut self) {
            drop(register_limit(TrackedLimit::VmFilesystemBytes, 1));
            set_limit_warning_handler(Box::new(|_| {}));
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    let drops = Arc::new(AtomicUsize::new(0));
    let calls = Arc::new(AtomicUsize::new(0));
    let (owned, counted) = (Owned(Arc::clone(&drops)), Arc::clone(&calls));
    let gauge = register_limit(TrackedLimit::VmFilesystemBytes, 10);
    with_handler(
        TrackedLimit::VmFilesystemBytes,
        move |_| {
            let _ = &owned;
            counted.fetch_add(1, Ordering::SeqCst);
            set_limit_warning_handler(Box::new(|_| {}));
        },
        || {
            gauge.observe_depth(9);
            gauge.observe_depth(0);
            gauge.observe_depth(9);
        },
    );
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(drops.load(Ordering::SeqCst), 1);
    assert_eq!(gauge.warnings(), 2);
}

#[test]
fn it_may_cause_the_warning_of_another_gauge() {
    let other = register_limit(TrackedLimit::WasmMemoryBytes, 10);
    let gauge = register_limit(TrackedLimit::V8ArrayBufferBytes, 10);
    let from_handler = Arc::clone(&other);
    with_handler(
        TrackedLimit::V8ArrayBufferBytes,
        move |_| from_handler.observe_depth(8),
        || gauge.observe_depth(8),
    );
    assert_eq!((gauge.warnings(), other.warnings()), (1, 1));
}
