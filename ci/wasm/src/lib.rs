//! What `ci/targets.sh` runs on wasm32-unknown-unknown. That target has neither threads nor a
//! clock: what asks for one panics, which traps.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fillgauge_std::{
    QueueRegistry, TrackedLimit, flush_events, queue_snapshot, set_limit_warning_handler, track,
    tracked_sync_channel, warn_limit_exhausted,
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

static LINES: AtomicUsize = AtomicUsize::new(0);
static WARNINGS: AtomicUsize = AtomicUsize::new(0);

struct Count;

impl Subscriber for Count {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        LINES.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Traps unless all events are delivered by the thread that causes them, and every line is logged.
#[unsafe(no_mangle)]
pub extern "C" fn check() -> usize {
    tracing::subscriber::set_global_default(Count).unwrap();
    set_limit_warning_handler(Box::new(|_| {
        WARNINGS.fetch_add(1, Ordering::Relaxed);
    }));
    let plain = tracked_sync_channel(TrackedLimit::VmPipes, 4);
    let background = track(TrackedLimit::VmPipes)
        .capacity(4)
        .background()
        .sync_channel();
    for (sender, receiver) in [plain, background] {
        for round in 1..=100 {
            for item in 0..4 {
                sender.try_send(item).unwrap();
            }
            assert!(sender.try_send(4).is_err());
            assert!(receiver.try_iter().eq(0..4));
            assert!(!sender.gauge().has_pending_event());
            assert_eq!(sender.gauge().warnings(), round);
        }
        assert_eq!(queue_snapshot().len(), 2);
        sender.send(4).unwrap();
        drop(receiver);
        assert!(sender.send(5).is_err());
        std::mem::forget(sender);
    }
    let registry = QueueRegistry::default().background();
    registry
        .register(TrackedLimit::VmInodes, 10)
        .observe_depth(8);
    for _ in 0..100 {
        warn_limit_exhausted(TrackedLimit::V8CpuTimeMs, 1, 1);
    }
    flush_events(Duration::from_secs(1)).unwrap();
    assert_eq!(WARNINGS.load(Ordering::Relaxed), 2 * 100 + 1 + 100);
    // A warning, full and a recovery for each of the rounds.
    assert_eq!(LINES.load(Ordering::Relaxed), 2 * 300 + 1 + 100);
    LINES.load(Ordering::Relaxed)
}
