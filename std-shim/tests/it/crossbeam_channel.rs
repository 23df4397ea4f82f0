//! Tracked channels of crossbeam-channel, beyond crossbeam's own tests.

use std::cell::Cell;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{
    RecvError, RecvTimeoutError, Select, SendError, SendTimeoutError, TryRecvError, TrySendError,
    select,
};
use fillgauge_std::channels::crossbeam::{Receiver, Sender, selected};
use fillgauge_std::{LimitEventKind, QueueRegistry, flush_events, track};

use crate::probed::{AtRest, Chance, Edges, Model};
use crate::size::native_or_miri;
use crate::std_channel::until;

const SOME_TIME: Duration = Duration::from_secs(30);

type Put = fn(&Sender<usize>, usize);
type Take = fn(&Receiver<usize>) -> usize;

/// Every way to put an item in.
const PUTS: [(&str, Put); 6] = [
    ("try_send", |sender, item| sender.try_send(item).unwrap()),
    ("send", |sender, item| sender.send(item).unwrap()),
    ("send_timeout", |sender, item| {
        sender.send_timeout(item, SOME_TIME).unwrap();
    }),
    ("send_deadline", |sender, item| {
        sender
            .send_deadline(item, Instant::now() + SOME_TIME)
            .unwrap();
    }),
    ("select!", |sender, item| {
        select! {
            send(sender, item) -> sent => {
                selected(sender, &sent);
                sent.unwrap();
            }
            default => panic!("there is room"),
        }
    }),
    ("Select", |sender, item| {
        let mut select = Select::new();
        select.send(sender);
        let sent = select.select().send(sender, item);
        selected(sender, &sent);
        sent.unwrap();
    }),
];

/// Every way to take one out.
const TAKES: [(&str, Take); 10] = [
    ("try_recv", |receiver| receiver.try_recv().unwrap()),
    ("recv", |receiver| receiver.recv().unwrap()),
    ("recv_timeout", |receiver| {
        receiver.recv_timeout(SOME_TIME).unwrap()
    }),
    ("recv_deadline", |receiver| {
        receiver.recv_deadline(Instant::now() + SOME_TIME).unwrap()
    }),
    ("iter", |receiver| receiver.iter().next().unwrap()),
    ("try_iter", |receiver| receiver.try_iter().next().unwrap()),
    ("&into_iter", |receiver| {
        receiver.into_iter().next().unwrap()
    }),
    ("into_iter", |receiver| {
        receiver.clone().into_iter().next().unwrap()
    }),
    ("select!", |receiver| {
        let item = select! {
            recv(receiver) -> item => item,
            default => panic!("there is one"),
        };
        selected(receiver, &item);
        item.unwrap()
    }),
    ("Select", |receiver| {
        let mut select = Select::new();
        select.recv(receiver);
        let item = select.select().recv(receiver);
        selected(receiver, &item);
        item.unwrap()
    }),
];

fn channel<T: Send + 'static>(
    registry: &QueueRegistry,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    let channel = track("jobs").capacity(capacity).registry(registry);
    channel.crossbeam_channel()
}

fn unbounded(registry: &QueueRegistry, capacity: usize) -> (Sender<usize>, Receiver<usize>) {
    let channel = track("jobs").capacity(capacity).registry(registry);
    channel.crossbeam_unbounded()
}

type Make = fn(&QueueRegistry, usize) -> (Sender<usize>, Receiver<usize>);

const MADE: [Make; 2] = [channel, unbounded];

#[test]
fn every_way_in_and_every_way_out_moves_the_depth() {
    for made in MADE {
        for (put_name, put) in PUTS {
            for (take_name, take) in TAKES {
                let edges = Edges::registry();
                let (sender, receiver) = made(&edges.registry, 5);
                let gauge = Arc::clone(sender.gauge());
                let case = format!("{put_name}, {take_name}, {:?}", sender.capacity());
                for item in 0..5 {
                    put(&sender, item);
                    assert_eq!(
                        (gauge.depth(), sender.len()),
                        (item + 1, item + 1),
                        "{case}"
                    );
                    assert_eq!(gauge.has_warned(), item >= 3, "{case}");
                }
                for item in 0..5 {
                    assert_eq!(take(&receiver), item, "{case}");
                    assert_eq!(
                        (gauge.depth(), receiver.len()),
                        (4 - item, 4 - item),
                        "{case}"
                    );
                    flush_events(SOME_TIME).unwrap();
                    assert_eq!(gauge.has_warned(), item < 2, "{case}");
                }
                assert_eq!(edges.kinds(), Edges::UP_FULL_AND_DOWN, "{case}");
                assert_eq!((gauge.high_water(), gauge.warnings()), (5, 1), "{case}");
            }
        }
    }
}

#[test]
fn a_send_delivers_on_its_own_thread_and_a_receive_does_not() {
    for (put_name, put) in PUTS {
        let edges = Edges::registry();
        let (sender, receiver) = channel(&edges.registry, 1);
        put(&sender, 7);
        let here = thread::current().id();
        assert_eq!(edges.threads(), [here, here], "{put_name}");
        for (take_name, take) in TAKES {
            let _ = sender.try_send(7);
            edges.clear();
            take(&receiver);
            until("it has recovered", || !edges.kinds().is_empty());
            assert_eq!(edges.kinds(), [LimitEventKind::Recovered], "{take_name}");
            assert_ne!(edges.threads(), [here], "{take_name}");
        }
    }
}

#[test]
fn what_select_completes_is_found_later_without_selected() {
    let registry = QueueRegistry::new("select").silent();
    let (sender, receiver) = channel(&registry, 5);
    for item in 0..4 {
        select! { send(&&sender, item) -> sent => sent.unwrap() }
    }
    assert_eq!(sender.gauge().depth(), 0);
    assert_eq!(registry.report().gauges[0].depth, 4);
    assert_eq!(sender.gauge().depth(), 4);
    select! { recv(&&receiver) -> item => assert_eq!(item, Ok(0)) }
    assert_eq!(sender.gauge().depth(), 4);
    assert_eq!(sender.try_send(5), Ok(()));
    assert_eq!(sender.gauge().depth(), 4);
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(sender.gauge().depth(), 3);
}

/// Each half is dropped first, at any time: the depth, the errors and the counts.
#[test]
fn whoever_goes_first_nothing_is_left_behind() {
    for made in MADE {
        for (name, put) in PUTS {
            for left in 0..=5 {
                let edges = Edges::registry();
                // The receiver.
                let (sender, receiver) = made(&edges.registry, 5);
                let gauge = Arc::clone(sender.gauge());
                (0..left).for_each(|item| put(&sender, item));
                let other = receiver.clone();
                drop(receiver);
                assert_eq!(gauge.depth(), left, "{name}: a receiver is left");
                drop(other);
                let case = format!("{name}, {left} left");
                assert_eq!(gauge.depth(), 0, "{case}");
                flush_events(SOME_TIME).unwrap();
                assert!(!gauge.has_warned(), "{case}");
                assert_eq!(edges.registry.report().gauges[0].depth, 0, "{case}");
                assert_eq!(sender.try_send(7), Err(TrySendError::Disconnected(7)));
                assert_eq!(sender.send(7), Err(SendError(7)));
                let in_time = sender.send_timeout(7, SOME_TIME);
                assert_eq!(in_time, Err(SendTimeoutError::Disconnected(7)));
                let in_time = sender.send_deadline(7, Instant::now());
                assert_eq!(in_time, Err(SendTimeoutError::Disconnected(7)));
                select! { send(sender, 7) -> sent => selected(&sender, &sent) }
                let backpressure = sender.backpressure();
                assert_eq!((backpressure.disconnected, backpressure.refused), (5, 0));
                assert_eq!((gauge.depth(), gauge.high_water()), (0, left), "{case}");
                drop(sender);
                assert_eq!(Arc::strong_count(&gauge), 1, "{case}");
                drop(gauge);

                // The senders.
                let (sender, receiver) = made(&edges.registry, 5);
                let gauge = Arc::clone(sender.gauge());
                (0..left).for_each(|item| put(&sender, item));
                let other = sender.clone();
                drop(sender);
                assert_eq!(gauge.depth(), left, "{case}: a sender is left");
                drop(other);
                assert_eq!(gauge.depth(), left, "{case}");
                let report = edges.registry.report();
                assert_eq!(report.gauges[0].depth, left, "{case}");
                assert_eq!(receiver.iter().count(), left, "{case}");
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
                assert_eq!(receiver.recv(), Err(RecvError));
                let in_time = receiver.recv_timeout(SOME_TIME);
                assert_eq!(in_time, Err(RecvTimeoutError::Disconnected));
                assert_eq!(gauge.depth(), 0, "{case}");
                drop(receiver);
                assert_eq!(Arc::strong_count(&gauge), 1, "{case}");
                drop(gauge);
                assert!(edges.registry.report().gauges.is_empty());
            }
        }
    }
}

#[test]
fn refusals_waits_and_timeouts_are_counted() {
    let registry = QueueRegistry::new("counts").silent();
    let (sender, receiver) = channel(&registry, 1);
    sender.send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    let a_little = Duration::from_millis(5);
    let in_time = sender.send_timeout(2, a_little);
    assert_eq!(in_time, Err(SendTimeoutError::Timeout(2)));
    let in_time = sender.send_deadline(2, Instant::now() + a_little);
    assert_eq!(in_time, Err(SendTimeoutError::Timeout(2)));
    let counts = sender.backpressure();
    assert_eq!((counts.refused, counts.waits, counts.waiting), (3, 2, 0));
    assert!(counts.waited >= 2 * a_little);
    thread::scope(|scope| {
        scope.spawn(|| sender.send(2).unwrap());
        until("it waits", || receiver.backpressure().waiting == 1);
        assert_eq!(receiver.gauge().depth(), 1);
        assert_eq!(receiver.recv(), Ok(1));
        assert_eq!(receiver.recv(), Ok(2));
    });
    let counts = sender.gauge().backpressure();
    assert_eq!((counts.refused, counts.waits, counts.waiting), (3, 3, 0));
    assert_eq!(registry.report().gauges[0].backpressure.unwrap().waits, 3);
}

#[test]
fn a_receiver_that_goes_sends_the_waiters_away() {
    for round in 0..native_or_miri(200, 3) {
        let registry = QueueRegistry::new("waiters").silent();
        let (sender, receiver) = channel(&registry, 2);
        let gauge = Arc::clone(sender.gauge());
        (0..2).for_each(|item| sender.send(item).unwrap());
        thread::scope(|scope| {
            for _ in 0..3 {
                let sender = sender.clone();
                scope.spawn(move || match round % 2 {
                    0 => sender.send(7).is_err(),
                    _ => sender.send_timeout(7, SOME_TIME).is_err(),
                });
            }
            until("they wait", || gauge.backpressure().waiting == 3);
            drop(receiver);
        });
        let counts = gauge.backpressure();
        assert_eq!(
            (counts.waiting, counts.waits, counts.disconnected),
            (0, 3, 3)
        );
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
        assert_eq!(gauge.high_water(), 2);
    }
}

#[test]
fn a_receiver_that_goes_while_producers_send_leaves_nothing() {
    for made in MADE {
        for round in 0..native_or_miri(300, 3) {
            let edges = Edges::registry();
            let (sender, receiver) = made(&edges.registry, 4);
            let gauge = Arc::clone(sender.gauge());
            thread::scope(|scope| {
                for _ in 0..3 {
                    let sender = sender.clone();
                    scope.spawn(move || while sender.send(7).is_ok() {});
                }
                for _ in 0..round % 20 {
                    receiver.recv().unwrap();
                }
                drop(receiver);
            });
            flush_events(SOME_TIME).unwrap();
            assert_eq!(
                (gauge.depth(), gauge.has_warned()),
                (0, false),
                "round {round}"
            );
            edges.assert_alternating();
        }
    }
}

#[test]
fn the_registrys_receiver_goes_with_the_last_one_of_the_user() {
    let registry = QueueRegistry::new("reports").silent();
    let is_done = AtomicUsize::new(0);
    thread::scope(|scope| {
        scope.spawn(|| {
            while is_done.load(Ordering::Relaxed) == 0 {
                let report = registry.report();
                assert!(report.gauges.iter().all(|gauge| gauge.depth <= 2));
            }
        });
        for _ in 0..native_or_miri(3_000, 10) {
            let (sender, receiver) = channel(&registry, 2);
            sender.send(1).unwrap();
            drop(receiver);
            assert_eq!(sender.send(2), Err(SendError(2)));
            let (sender, receiver) = channel(&registry, 2);
            sender.send(1).unwrap();
            drop(sender);
            assert_eq!(receiver.recv(), Ok(1));
            assert_eq!(receiver.recv(), Err(RecvError));
        }
        is_done.store(1, Ordering::Relaxed);
    });
}

/// Makes a report when it is dropped, and panics.
struct Hostile(QueueRegistry);

impl Drop for Hostile {
    fn drop(&mut self) {
        assert_eq!(self.0.report().gauges[0].depth, 0);
        if !thread::panicking() {
            panic!("an item that panics when it is dropped");
        }
    }
}

#[test]
fn items_that_are_dropped_with_the_receiver_may_report_and_panic() {
    let registry = QueueRegistry::new("hostile").silent();
    let (sender, receiver) = track("items")
        .capacity(2)
        .registry(&registry)
        .crossbeam_unbounded();
    let gauge = Arc::clone(sender.gauge());
    (0..3).for_each(|_| assert!(sender.send(Hostile(registry.clone())).is_ok()));
    let dropping = thread::spawn(move || drop(receiver));
    assert!(dropping.join().is_err());
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    let sent = thread::spawn(move || drop(sender.send(Hostile(registry))));
    assert!(sent.join().is_err());
    assert_eq!(gauge.backpressure().disconnected, 1);
}

#[test]
fn a_rendezvous_has_no_depth_and_counts_its_waits() {
    let edges = Edges::registry();
    let (sender, receiver) = channel(&edges.registry, 0);
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    thread::scope(|scope| {
        scope.spawn(|| sender.send(2).unwrap());
        until("it waits", || receiver.backpressure().waiting == 1);
        assert_eq!(receiver.recv(), Ok(2));
    });
    let gauge = sender.gauge();
    assert_eq!(
        (gauge.depth(), gauge.high_water(), gauge.capacity()),
        (0, 0, 0)
    );
    let counts = sender.backpressure();
    assert_eq!((counts.refused, counts.waits), (1, 1));
    assert!(edges.kinds().is_empty());
}

#[test]
fn a_walk_agrees_with_the_model() {
    for seed in 1..=native_or_miri(40, 2) as u64 {
        let mut chance = Chance(seed);
        let capacity = 1 + chance.below(12);
        let edges = Edges::registry();
        let (sender, receiver) = channel(&edges.registry, capacity);
        let mut model = Model::new(capacity);
        for step in 0..native_or_miri(500, 30) {
            if chance.below(100) < 50 {
                let (_, put) = PUTS[chance.below(PUTS.len())];
                if model.has_room() {
                    put(&sender, step);
                    model.put(step);
                } else {
                    assert_eq!(sender.try_send(step), Err(TrySendError::Full(step)));
                    model.refused += 1;
                }
            } else if let Some(item) = model.take() {
                let (_, take) = TAKES[chance.below(TAKES.len())];
                assert_eq!(take(&receiver), item);
                flush_events(SOME_TIME).unwrap();
            } else {
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
            }
            model.assert_agrees(sender.gauge());
        }
        drop(receiver);
        flush_events(SOME_TIME).unwrap();
        edges.assert_alternating();
    }
}

#[test]
fn two_million_items_leave_nothing_behind() {
    const ITEMS: usize = native_or_miri(250_000, 20);
    const PRODUCERS: usize = native_or_miri(8, 2);
    let edges = Edges::registry();
    let (sender, receiver) = channel(&edges.registry, 64);
    let gauge = Arc::clone(sender.gauge());
    let taken: usize = thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            let sender = sender.clone();
            scope.spawn(move || (0..ITEMS).for_each(|item| sender.send(item).unwrap()));
        }
        drop(sender);
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || receiver.into_iter().count())
            })
            .collect();
        drop(receiver);
        consumers
            .into_iter()
            .map(|consumer| consumer.join().unwrap())
            .sum()
    });
    assert_eq!(taken, PRODUCERS * ITEMS);
    flush_events(SOME_TIME).unwrap();
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    assert!((1..=64).contains(&gauge.high_water()));
    edges.assert_alternating();
}

#[test]
fn at_rest_it_is_settled() {
    for observed in [false, true] {
        let edges = Edges::registry();
        let silent = QueueRegistry::new("unobserved").silent();
        let registry = if observed { &edges.registry } else { &silent };
        for capacity in [3, 10] {
            let (sender, receiver) = channel(registry, capacity);
            let gauge = Arc::clone(sender.gauge());
            AtRest {
                put: |item| sender.try_send(item).is_ok(),
                take: || receiver.try_recv().is_ok(),
                length: || receiver.len(),
                gauge: &gauge,
            }
            .run();
        }
        edges.assert_alternating();
    }
}

#[test]
fn both_halves_are_as_free_as_crossbeams() {
    fn any<T: Unpin + UnwindSafe + RefUnwindSafe>() {}
    fn shared<T: Send + Sync>() {}
    fn debug(half: impl std::fmt::Debug) -> String {
        format!("{half:?}")
    }
    any::<Sender<&mut Cell<u8>>>();
    any::<Receiver<&mut Cell<u8>>>();
    shared::<Sender<Cell<u8>>>();
    shared::<Receiver<Cell<u8>>>();
    let (sender, receiver) = channel::<u8>(&QueueRegistry::new("free").silent(), 1);
    assert!(debug(&sender).starts_with("Sender { gauge: QueueProbe"));
    assert!(debug(&receiver).starts_with("Receiver { gauge: QueueProbe"));
    assert!(sender.same_channel(&sender.clone()) && receiver.same_channel(&receiver.clone()));
    assert!(sender.is_empty() && !sender.is_full() && receiver.is_empty() && !receiver.is_full());
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(1), Some(1)));
}
