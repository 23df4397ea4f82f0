//! Tracked channels of async-channel, beyond its own tests.

use std::cell::Cell;
use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use async_channel::{RecvError, SendError, TryRecvError, TrySendError};
use fillgauge_std::channels::async_channel::{
    Receiver, Recv, Send, Sender, WeakReceiver, WeakSender,
};
use fillgauge_std::{LimitEventKind, QueueRegistry, flush_events, track};
use futures_lite::StreamExt;
use futures_lite::future::block_on;
use futures_lite::stream::Stream;

use crate::probed::{AtRest, Chance, Edges, Model};
use crate::size::native_or_miri;
use crate::std_channel::until;

const SOME_TIME: Duration = Duration::from_secs(30);

type Put = fn(&Sender<usize>, usize);
type Take = fn(&Receiver<usize>) -> usize;

/// Every way to put an item in.
const PUTS: [(&str, Put); 4] = [
    ("try_send", |sender, item| sender.try_send(item).unwrap()),
    ("send", |sender, item| block_on(sender.send(item)).unwrap()),
    ("send_blocking", |sender, item| {
        sender.send_blocking(item).unwrap();
    }),
    ("force_send", |sender, item| {
        assert_eq!(sender.force_send(item), Ok(None));
    }),
];

/// Every way to take one out.
const TAKES: [(&str, Take); 4] = [
    ("try_recv", |receiver| receiver.try_recv().unwrap()),
    ("recv", |receiver| block_on(receiver.recv()).unwrap()),
    ("recv_blocking", |receiver| {
        receiver.recv_blocking().unwrap()
    }),
    ("stream", |receiver| {
        block_on(pin!(receiver.clone()).next()).unwrap()
    }),
];

fn channel<T: core::marker::Send + 'static>(
    registry: &QueueRegistry,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    let channel = track("jobs").capacity(capacity).registry(registry);
    channel.async_channel()
}

fn unbounded(registry: &QueueRegistry, capacity: usize) -> (Sender<usize>, Receiver<usize>) {
    let channel = track("jobs").capacity(capacity).registry(registry);
    channel.async_unbounded()
}

type Make = fn(&QueueRegistry, usize) -> (Sender<usize>, Receiver<usize>);

const MADE: [Make; 2] = [channel, unbounded];

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn every_way_in_and_every_way_out_moves_the_depth() {
    // A channel of capacity 1 is another queue.
    for capacity in [1, 5] {
        for made in MADE {
            for (put_name, put) in PUTS {
                for (take_name, take) in TAKES {
                    let edges = Edges::registry();
                    let (sender, receiver) = made(&edges.registry, capacity);
                    let gauge = Arc::clone(sender.gauge());
                    let case = format!("{put_name}, {take_name}, {capacity}");
                    for item in 0..capacity {
                        put(&sender, item);
                        assert_eq!(
                            (gauge.depth(), sender.len()),
                            (item + 1, item + 1),
                            "{case}"
                        );
                        assert_eq!(gauge.has_warned(), (item + 1) * 5 >= capacity * 4, "{case}");
                    }
                    for item in 0..capacity {
                        assert_eq!(take(&receiver), item, "{case}");
                        let left = capacity - 1 - item;
                        assert_eq!((gauge.depth(), receiver.len()), (left, left), "{case}");
                        flush_events(SOME_TIME).unwrap();
                        assert_eq!(gauge.has_warned(), left * 2 > capacity, "{case}");
                    }
                    assert_eq!(edges.kinds(), Edges::UP_FULL_AND_DOWN, "{case}");
                    assert_eq!(
                        (gauge.high_water(), gauge.warnings()),
                        (capacity, 1),
                        "{case}"
                    );
                }
            }
        }
    }
}

#[test]
fn a_forced_item_takes_the_place_of_another() {
    for capacity in [1, 5] {
        let edges = Edges::registry();
        let (sender, receiver) = channel(&edges.registry, capacity);
        (0..capacity).for_each(|item| sender.try_send(item).unwrap());
        for item in 0..3 {
            assert_eq!(sender.force_send(capacity + item), Ok(Some(item)));
            assert_eq!(sender.gauge().depth(), capacity);
        }
        let backpressure = sender.backpressure();
        assert_eq!(
            (backpressure.refused, sender.gauge().high_water()),
            (0, capacity)
        );
        drop(receiver);
        assert_eq!(sender.force_send(7), Err(SendError(7)));
        assert_eq!(sender.backpressure().disconnected, 1);
    }
}

#[test]
fn a_send_delivers_in_its_poll_and_a_receive_does_not() {
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

/// A send that is dropped after so many polls, while a receive makes room before one of them.
#[test]
fn a_send_that_is_cancelled_leaves_nothing_behind() {
    for polls in 0..4 {
        for room_before in 0..=4 {
            let registry = QueueRegistry::new("cancelled").silent();
            let (sender, receiver) = channel(&registry, 1);
            sender.try_send(1).unwrap();
            let mut sent = false;
            let mut waited = false;
            {
                let mut send = pin!(sender.send(2));
                for number in 0..polls {
                    if number == room_before {
                        assert_eq!(receiver.try_recv(), Ok(1));
                    }
                    match poll(send.as_mut()) {
                        Poll::Pending => waited = true,
                        Poll::Ready(outcome) => {
                            assert_eq!(outcome, Ok(()));
                            sent = true;
                            break;
                        }
                    }
                    assert_eq!(sender.backpressure().waiting, 1);
                }
            }
            let case = format!("{polls} polls, room before {room_before}");
            let left = usize::from(sent) + usize::from(room_before >= polls);
            assert_eq!(
                (sender.gauge().depth(), sender.len()),
                (left, left),
                "{case}"
            );
            let counts = sender.backpressure();
            assert_eq!(counts.waiting, 0, "{case}");
            assert_eq!(counts.waits, usize::from(waited), "{case}");
            assert_eq!((counts.refused, counts.disconnected), (0, 0), "{case}");
            while receiver.try_recv().is_ok() {}
            assert_eq!(sender.gauge().depth(), 0, "{case}");
        }
    }
}

#[test]
fn a_receive_that_is_cancelled_takes_nothing() {
    for polls in 0..3 {
        let registry = QueueRegistry::new("cancelled").silent();
        let (sender, receiver) = channel(&registry, 2);
        {
            let mut recv = pin!(receiver.recv());
            for _ in 0..polls {
                assert_eq!(poll(recv.as_mut()), Poll::Pending);
            }
            sender.try_send(1).unwrap();
        }
        assert_eq!((sender.gauge().depth(), sender.len()), (1, 1));
        {
            let mut stream = pin!(receiver.clone());
            let mut context = Context::from_waker(Waker::noop());
            let next = stream.as_mut().poll_next(&mut context);
            assert_eq!(next, Poll::Ready(Some(1)));
            for _ in 0..polls {
                assert_eq!(stream.as_mut().poll_next(&mut context), Poll::Pending);
            }
        }
        assert_eq!((sender.gauge().depth(), receiver.receiver_count()), (0, 1));
    }
}

/// Many tasks that send and receive, each cancelled after some polls.
#[test]
fn cancellation_at_random_leaves_nothing_behind() {
    for seed in 1..=native_or_miri(200, 3) as u64 {
        let mut chance = Chance(seed);
        let capacity = 1 + chance.below(3);
        // Without observers no check of the background thread overlaps one of these.
        let registry = QueueRegistry::new("cancelled").silent();
        let (sender, receiver) = channel(&registry, capacity);
        let mut sends: Vec<Pin<Box<Send<'_, usize>>>> = Vec::new();
        let mut recvs: Vec<Pin<Box<Recv<'_, usize>>>> = Vec::new();
        let (mut sent, mut taken) = (0, 0);
        for step in 0..native_or_miri(300, 30) {
            match chance.below(6) {
                0 => sends.push(Box::pin(sender.send(step))),
                1 => recvs.push(Box::pin(receiver.recv())),
                2 if !sends.is_empty() => drop(sends.swap_remove(chance.below(sends.len()))),
                3 if !recvs.is_empty() => drop(recvs.swap_remove(chance.below(recvs.len()))),
                4 if !sends.is_empty() => {
                    let index = chance.below(sends.len());
                    if poll(sends[index].as_mut()).is_ready() {
                        drop(sends.swap_remove(index));
                        sent += 1;
                    }
                }
                5 if !recvs.is_empty() => {
                    let index = chance.below(recvs.len());
                    if poll(recvs[index].as_mut()).is_ready() {
                        drop(recvs.swap_remove(index));
                        taken += 1;
                    }
                }
                _ => {}
            }
            assert_eq!(
                sender.gauge().depth(),
                sent - taken,
                "seed {seed}, step {step}"
            );
            assert!(sender.backpressure().waiting <= sends.len());
        }
        drop((sends, recvs));
        assert_eq!(sender.backpressure().waiting, 0, "seed {seed}");
        drop(receiver);
        let gauge = sender.gauge();
        assert_eq!(
            (gauge.depth(), gauge.has_warned()),
            (0, false),
            "seed {seed}"
        );
    }
}

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
                let (other, weak) = (receiver.clone(), receiver.downgrade());
                assert_eq!(sender.receiver_count(), 2);
                drop(receiver);
                assert_eq!((gauge.depth(), sender.receiver_count()), (left, 1));
                drop(other);
                let case = format!("{name}, {left} left");
                assert_eq!((gauge.depth(), sender.receiver_count()), (0, 0), "{case}");
                assert!(sender.is_closed() && weak.upgrade().is_none(), "{case}");
                flush_events(SOME_TIME).unwrap();
                assert!(!gauge.has_warned(), "{case}");
                assert_eq!(edges.registry.report().gauges[0].depth, 0, "{case}");
                assert_eq!(sender.try_send(7), Err(TrySendError::Closed(7)));
                assert_eq!(block_on(sender.send(7)), Err(SendError(7)));
                assert_eq!(sender.send_blocking(7), Err(SendError(7)));
                assert_eq!(sender.force_send(7), Err(SendError(7)));
                block_on(sender.closed());
                let counts = sender.backpressure();
                assert_eq!((counts.disconnected, counts.refused), (4, 0), "{case}");
                assert_eq!((gauge.depth(), gauge.high_water()), (0, left), "{case}");
                drop(sender);
                // A weak half keeps no gauge.
                assert_eq!(Arc::strong_count(&gauge), 1, "{case}");
                drop((gauge, weak));

                // The senders.
                let (sender, receiver) = made(&edges.registry, 5);
                let gauge = Arc::clone(sender.gauge());
                (0..left).for_each(|item| put(&sender, item));
                let (other, weak) = (sender.clone(), sender.downgrade());
                assert_eq!(receiver.sender_count(), 2);
                drop(sender);
                assert!(
                    weak.upgrade()
                        .is_some_and(|sender| sender.same_channel(&other))
                );
                drop(other);
                assert!(weak.upgrade().is_none(), "{case}");
                assert_eq!(
                    (gauge.depth(), receiver.sender_count()),
                    (left, 0),
                    "{case}"
                );
                assert_eq!(edges.registry.report().gauges[0].depth, left, "{case}");
                let rest = block_on(receiver.clone().collect::<Vec<_>>());
                assert_eq!(rest.len(), left, "{case}");
                assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
                assert_eq!(receiver.recv_blocking(), Err(RecvError));
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
fn a_closed_channel_keeps_its_depth() {
    let registry = QueueRegistry::new("closed").silent();
    for by_sender in [true, false] {
        let (sender, receiver) = channel(&registry, 5);
        let close = || match by_sender {
            true => sender.close(),
            false => receiver.close(),
        };
        (0..4).for_each(|item| sender.try_send(item).unwrap());
        assert!(close() && !close());
        assert!(sender.is_closed() && receiver.is_closed());
        assert!(sender.downgrade().upgrade().is_none());
        assert!(receiver.downgrade().upgrade().is_none());
        assert_eq!((sender.receiver_count(), receiver.sender_count()), (1, 1));
        assert_eq!(sender.try_send(7), Err(TrySendError::Closed(7)));
        assert_eq!(
            (sender.gauge().depth(), sender.gauge().has_warned()),
            (4, true)
        );
        assert_eq!(receiver.try_recv(), Ok(0));
        assert_eq!(sender.gauge().depth(), 3);
    }
}

#[test]
fn weak_receivers_count_when_they_are_upgraded() {
    let registry = QueueRegistry::new("weak").silent();
    let (sender, receiver) = channel(&registry, 5);
    (0..4).for_each(|item| sender.try_send(item).unwrap());
    let weak = receiver.downgrade();
    let upgraded = weak.clone().upgrade().unwrap();
    assert!(upgraded.same_channel(&receiver));
    assert_eq!(sender.receiver_count(), 2);
    drop(receiver);
    assert_eq!((sender.receiver_count(), sender.gauge().depth()), (1, 4));
    assert_eq!(upgraded.try_recv(), Ok(0));
    drop(upgraded);
    assert!(weak.upgrade().is_none());
    assert_eq!((sender.receiver_count(), sender.gauge().depth()), (0, 0));
}

#[test]
fn refusals_and_waits_are_counted() {
    let registry = QueueRegistry::new("counts").silent();
    let (sender, receiver) = channel(&registry, 1);
    sender.try_send(1).unwrap();
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    thread::scope(|scope| {
        scope.spawn(|| sender.send_blocking(2).unwrap());
        until("it waits", || receiver.backpressure().waiting == 1);
        scope.spawn(|| block_on(sender.send(3)).unwrap());
        until("both wait", || receiver.backpressure().waiting == 2);
        assert_eq!(receiver.gauge().depth(), 1);
        for item in 1..=3 {
            let received = receiver.recv_blocking().unwrap();
            assert!(item == 1 || received != 1);
        }
    });
    let counts = sender.gauge().backpressure();
    assert_eq!((counts.refused, counts.waits, counts.waiting), (1, 2, 0));
}

#[test]
fn a_receiver_that_goes_sends_the_waiters_away() {
    for _ in 0..native_or_miri(200, 3) {
        let registry = QueueRegistry::new("waiters").silent();
        let (sender, receiver) = channel(&registry, 2);
        let gauge = Arc::clone(sender.gauge());
        (0..2).for_each(|item| sender.try_send(item).unwrap());
        thread::scope(|scope| {
            for _ in 0..2 {
                let sender = &sender;
                scope.spawn(move || block_on(sender.send(7)).unwrap_err());
                scope.spawn(move || sender.send_blocking(7).unwrap_err());
            }
            until("they wait", || gauge.backpressure().waiting == 4);
            drop(receiver);
        });
        let counts = gauge.backpressure();
        assert_eq!(
            (counts.waiting, counts.waits, counts.disconnected),
            (0, 4, 4)
        );
        assert_eq!(
            (gauge.depth(), gauge.has_warned(), gauge.high_water()),
            (0, false, 2)
        );
    }
}

#[test]
fn a_receiver_that_goes_while_producers_send_leaves_nothing() {
    for capacity in [1, 4] {
        for round in 0..native_or_miri(300, 3) {
            let edges = Edges::registry();
            let (sender, receiver) = channel(&edges.registry, capacity);
            let gauge = Arc::clone(sender.gauge());
            thread::scope(|scope| {
                for _ in 0..3 {
                    let sender = sender.clone();
                    scope.spawn(move || while block_on(sender.send(7)).is_ok() {});
                }
                for _ in 0..round % 20 {
                    receiver.recv_blocking().unwrap();
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
fn a_report_does_not_hold_a_channel_open() {
    let registry = QueueRegistry::new("reports").silent();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !is_done.load(Ordering::Relaxed) {
                let report = registry.report();
                assert!(report.gauges.iter().all(|gauge| gauge.depth <= 2));
            }
        });
        for _ in 0..native_or_miri(3_000, 10) {
            let (sender, receiver) = channel(&registry, 2);
            sender.try_send(1).unwrap();
            assert_eq!(sender.receiver_count(), 1);
            drop(receiver);
            assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
            let (sender, receiver) = channel(&registry, 2);
            sender.try_send(1).unwrap();
            drop(sender);
            assert_eq!(receiver.try_recv(), Ok(1));
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
        is_done.store(true, Ordering::Relaxed);
    });
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
            scope.spawn(move || {
                block_on(async {
                    for item in 0..ITEMS {
                        sender.send(item).await.unwrap();
                    }
                });
            });
        }
        drop(sender);
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let receiver = receiver.clone();
                scope.spawn(move || block_on(receiver.count()))
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
        for capacity in [1, 3, 10] {
            let (sender, receiver) = channel(registry, capacity);
            AtRest {
                // Every fourth one is forced in.
                put: |item| match item % 4 {
                    0 => sender.force_send(item).is_ok(),
                    _ => sender.try_send(item).is_ok(),
                },
                take: || receiver.try_recv().is_ok(),
                length: || receiver.len(),
                gauge: sender.gauge(),
            }
            .run();
        }
        edges.assert_alternating();
    }
}

#[test]
fn all_types_are_as_free_as_those_of_async_channel() {
    fn any<T: UnwindSafe + RefUnwindSafe>() {}
    fn shared<T: core::marker::Send + Sync>() {}
    any::<Sender<&mut Cell<u8>>>();
    any::<Receiver<&mut Cell<u8>>>();
    any::<WeakSender<&mut Cell<u8>>>();
    any::<WeakReceiver<&mut Cell<u8>>>();
    shared::<Sender<Cell<u8>>>();
    shared::<Receiver<Cell<u8>>>();
    shared::<WeakSender<Cell<u8>>>();
    shared::<WeakReceiver<Cell<u8>>>();
    shared::<Send<'_, u8>>();
    shared::<Recv<'_, u8>>();
    let (sender, receiver) = channel::<u8>(&QueueRegistry::new("free").silent(), 1);
    assert!(format!("{sender:?}").starts_with("Sender { gauge: QueueProbe"));
    assert!(format!("{receiver:?}").starts_with("Receiver { gauge: QueueProbe"));
    assert!(format!("{:?}", sender.send(1)).ends_with("is_waiting: false, .. }"));
    assert_eq!((sender.capacity(), receiver.capacity()), (Some(1), Some(1)));
}
