use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{SendError, TryRecvError, TrySendError};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_std::{
    Backpressure, TrackedLimit, TrackedReceiver, TrackedSyncSender, tracked_sync_channel,
};

use crate::size::native_or_miri;

fn channel<T>(capacity: usize) -> (TrackedSyncSender<T>, TrackedReceiver<T>) {
    tracked_sync_channel(TrackedLimit::PendingSidecarResponses, capacity)
}

/// Waits for another thread to bring about `condition`.
pub(crate) fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(60),
            "waited in vain until {what}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_million_items_leave_nothing_behind() {
    const ITEMS: usize = native_or_miri(1_000_000, 30);
    let (sender, receiver) = channel(native_or_miri(64, 5));
    let producer = sender.clone();
    let thread = thread::spawn(move || {
        for mut item in 0..ITEMS {
            while let Err(TrySendError::Full(back)) = producer.try_send(item) {
                item = back;
                thread::yield_now();
            }
        }
    });
    for item in 0..ITEMS {
        assert_eq!(receiver.recv(), Ok(item));
    }
    thread.join().unwrap();
    let gauge = sender.gauge();
    assert_eq!(gauge.depth(), 0);
    until("the last event is delivered", || !gauge.has_warned());
    assert_eq!((gauge.enqueued(), gauge.dequeued()), (ITEMS, ITEMS));
    assert!(
        (1..=gauge.capacity()).contains(&gauge.high_water()),
        "{gauge:?}"
    );
}

#[test]
fn many_producers_leave_nothing_behind() {
    const ITEMS: usize = native_or_miri(50_000, 4);
    const PRODUCERS: usize = native_or_miri(4, 2);
    for capacity in [1, 3, native_or_miri(64, 5)] {
        let (sender, receiver) = channel(capacity);
        let gauge = Arc::clone(sender.gauge());
        thread::scope(|scope| {
            for _ in 0..PRODUCERS {
                let sender = sender.clone();
                scope.spawn(move || (0..ITEMS).for_each(|item| sender.send(item).unwrap()));
            }
            drop(sender);
            scope.spawn(|| {
                while Arc::strong_count(&gauge) > 2 {
                    let snapshot = gauge.snapshot();
                    assert!(snapshot.depth <= capacity && snapshot.high_water <= capacity);
                }
            });
            // The depth that was reached, when the sends rest: until then its mark may be missing.
            until("the channel was full", || gauge.high_water() == capacity);
            assert_eq!(receiver.iter().count(), PRODUCERS * ITEMS);
            drop(receiver);
        });
        assert_eq!(gauge.depth(), 0);
        until("the last event is delivered", || !gauge.has_warned());
        assert_eq!(
            (gauge.high_water(), gauge.enqueued()),
            (capacity, PRODUCERS * ITEMS)
        );
    }
}

#[test]
fn sends_to_a_receiver_that_is_gone_count_nothing() {
    let (sender, receiver) = channel(4);
    drop(receiver);
    for item in 0..10 {
        assert_eq!(sender.send(item), Err(SendError(item)));
        assert_eq!(sender.try_send(item), Err(TrySendError::Disconnected(item)));
    }
    let gauge = sender.gauge();
    assert_eq!(
        (gauge.depth(), gauge.high_water(), gauge.warnings()),
        (0, 0, 0)
    );
    assert_eq!(sender.backpressure().disconnected, 20);
}

#[test]
fn a_receiver_that_goes_takes_its_backlog_along() {
    let (sender, receiver) = channel(5);
    for item in 0..5 {
        sender.send(item).unwrap();
    }
    assert!(sender.gauge().has_warned());
    drop(receiver);
    let gauge = sender.gauge();
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    assert_eq!(gauge.high_water(), 5);
}

#[test]
fn a_receiver_that_goes_while_producers_send_leaves_nothing() {
    for round in 0..native_or_miri(300, 5) {
        let (sender, receiver) = channel(4);
        let gauge = Arc::clone(sender.gauge());
        thread::scope(|scope| {
            for _ in 0..native_or_miri(3, 2) {
                let sender = sender.clone();
                scope.spawn(move || while sender.send(()).is_ok() {});
            }
            for _ in 0..round % 20 {
                receiver.recv().unwrap();
            }
            drop(receiver);
        });
        assert_eq!(gauge.depth(), 0, "round {round}");
        until("the last event is delivered", || !gauge.has_warned());
        assert_eq!(gauge.enqueued(), gauge.dequeued(), "round {round}");
    }
}

#[test]
fn items_outlive_their_senders_and_still_count() {
    let (sender, receiver) = channel(4);
    let gauge = Arc::clone(sender.gauge());
    sender.send(1).unwrap();
    sender.send(2).unwrap();
    drop(sender);
    assert_eq!(gauge.depth(), 2);
    assert_eq!(receiver.into_iter().collect::<Vec<_>>(), [1, 2]);
    assert_eq!(gauge.depth(), 0);
}

#[test]
fn parked_producers_are_counted_apart_from_the_depth() {
    let (sender, receiver) = channel(4);
    for item in 0..4 {
        sender.send(item).unwrap();
    }
    let backpressure = thread::scope(|scope| {
        let receiver = receiver; // dropped if an assertion fails, which lets the producers go
        for item in 4..8 {
            let sender = sender.clone();
            scope.spawn(move || sender.send(item).unwrap());
        }
        until("four producers wait", || sender.backpressure().waiting == 4);
        let gauge = sender.gauge();
        assert_eq!((gauge.depth(), gauge.high_water()), (4, 4));
        assert_eq!((gauge.fill_percent(), gauge.warnings()), (100, 1));
        thread::sleep(Duration::from_millis(10));
        assert_eq!(receiver.iter().take(8).count(), 8);
        until("the producers are done", || {
            receiver.backpressure().waiting == 0
        });
        receiver.backpressure()
    });
    assert_eq!(
        (sender.gauge().depth(), sender.gauge().high_water()),
        (0, 4)
    );
    assert_eq!((backpressure.waiting, backpressure.waits), (0, 4));
    assert!(
        backpressure.waited >= Duration::from_millis(40),
        "{backpressure:?}"
    );
    assert_eq!((backpressure.refused, backpressure.disconnected), (0, 0));
}

#[test]
fn parked_producers_are_let_go_when_the_receiver_goes() {
    let (sender, receiver) = channel(1);
    sender.send(0).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(|| sender.send(1));
        until("the producer waits", || sender.backpressure().waiting == 1);
        drop(receiver);
        assert_eq!(waiting.join().unwrap(), Err(SendError(1)));
    });
    assert_eq!(sender.gauge().depth(), 0);
    let backpressure = sender.backpressure();
    assert_eq!((backpressure.waiting, backpressure.disconnected), (0, 1));
}

#[test]
fn a_channel_that_never_fills_reads_no_clock_and_parks_nobody() {
    let (sender, receiver) = channel(4);
    for item in 0..100 {
        sender.send(item).unwrap();
        receiver.recv().unwrap();
    }
    assert_eq!(sender.backpressure(), Backpressure::default());
}

#[test]
fn a_rendezvous_hands_over_and_reads_zero() {
    const ITEMS: usize = native_or_miri(1_000, 10);
    let (sender, receiver) = channel(0);
    assert_eq!(sender.try_send(0), Err(TrySendError::Full(0)));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    thread::scope(|scope| {
        let receiver = receiver; // dropped if an assertion fails, which lets the producer go
        let producer = sender.clone();
        scope.spawn(move || (0..ITEMS).for_each(|item| producer.send(item).unwrap()));
        for item in 0..ITEMS {
            assert_eq!(receiver.recv(), Ok(item));
            let snapshot = sender.gauge().snapshot();
            assert_eq!(
                (snapshot.depth, snapshot.high_water, snapshot.fill_percent),
                (0, 0, 0)
            );
        }
    });
    let gauge = sender.gauge();
    assert_eq!(
        (gauge.depth(), gauge.high_water(), gauge.warnings()),
        (0, 0, 0)
    );
    assert_eq!((gauge.enqueued(), gauge.dequeued()), (ITEMS, ITEMS));
}

#[test]
fn every_way_of_receiving_is_counted() {
    let (sender, receiver) = channel(8);
    (0..8).for_each(|item| sender.send(item).unwrap());
    assert_eq!(receiver.recv(), Ok(0));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.recv_timeout(Duration::ZERO), Ok(2));
    assert_eq!(receiver.iter().next(), Some(3));
    assert_eq!((&receiver).into_iter().next(), Some(4));
    assert_eq!(receiver.try_iter().take(2).collect::<Vec<_>>(), [5, 6]);
    assert_eq!(receiver.gauge().depth(), 1);
    assert_eq!(receiver.iter().next(), Some(7));
    assert_eq!(sender.gauge().dequeued(), 8);
    assert_eq!(receiver.try_iter().next(), None);
    drop(sender);
    assert_eq!(receiver.iter().next(), None);
    assert_eq!(receiver.gauge().depth(), 0);
}

#[test]
fn items_that_panic_when_the_receiver_drops_them_leave_nothing() {
    struct Fragile;
    impl Drop for Fragile {
        fn drop(&mut self) {
            if !thread::panicking() {
                panic!("dropped");
            }
        }
    }
    let (sender, receiver) = channel(2);
    sender.send(Fragile).unwrap();
    let outcome = panic::catch_unwind(AssertUnwindSafe(move || drop(receiver)));
    assert!(outcome.is_err());
    assert_eq!(sender.gauge().depth(), 0);
}

/// An item whose destructor uses the channel that it is dropped with.
#[test]
fn items_may_use_the_gauge_when_they_are_dropped() {
    struct Item(
        Arc<Mutex<Option<TrackedSyncSender<Item>>>>,
        Arc<AtomicUsize>,
    );
    impl Drop for Item {
        fn drop(&mut self) {
            if let Some(sender) = &*self.0.lock().unwrap() {
                self.1.fetch_max(sender.gauge().depth(), Ordering::SeqCst);
            }
        }
    }
    let (sender, receiver) = channel(4);
    let (shared, most) = (Arc::new(Mutex::new(None)), Arc::new(AtomicUsize::new(0)));
    for _ in 0..3 {
        assert!(
            sender
                .send(Item(Arc::clone(&shared), Arc::clone(&most)))
                .is_ok()
        );
    }
    *shared.lock().unwrap() = Some(sender.clone());
    drop(receiver);
    assert_eq!(most.load(Ordering::SeqCst), 3);
    assert_eq!(sender.gauge().depth(), 0);
    shared.lock().unwrap().take();
}

#[test]
fn debug_shows_the_gauge_of_either_half() {
    let (sender, receiver) = channel(4);
    sender.send(1).unwrap();
    for shown in [format!("{sender:?}"), format!("{receiver:?}")] {
        assert!(shown.contains("depth: 1"), "{shown}");
    }
}
