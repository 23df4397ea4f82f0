//! Tracked tokio channels: what is left in the gauge after every way to use one.

use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use fillgauge_std::channels::tokio::error::{TryRecvError, TrySendError};
use fillgauge_std::channels::tokio::{
    OwnedPermit, Permit, PermitIterator, PollSendError, PollSender, Receiver, ReceiverStream,
    Sender, WeakSender,
};
use fillgauge_std::{QueueProbe, QueueRegistry, flush_events, track};
use tokio::runtime::Builder;

use crate::probed::rounds;
use crate::size::native_or_miri;
use crate::std_channel::until;

/// A registry of its own, whose events nobody wants: none is left to the background thread.
fn registry() -> QueueRegistry {
    QueueRegistry::new("tokio").silent()
}

fn channel_in<T: Send + 'static>(
    registry: &QueueRegistry,
    capacity: usize,
) -> (Sender<T>, Receiver<T>) {
    track("tokio")
        .capacity(capacity)
        .registry(registry)
        .tokio_channel()
}

pub(crate) fn channel<T: Send + 'static>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    channel_in(&registry(), capacity)
}

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
fn safe<T: UnwindSafe + RefUnwindSafe>() {}
fn sent<T: Send>(_: T) {}

#[test]
fn the_types_are_as_free_as_those_of_tokio() {
    shared::<Sender<Cell<u8>>>();
    shared::<Receiver<Cell<u8>>>();
    shared::<WeakSender<Cell<u8>>>();
    shared::<OwnedPermit<Cell<u8>>>();
    shared::<Permit<'_, Cell<u8>>>();
    shared::<PermitIterator<'_, Cell<u8>>>();
    shared::<PollSender<Cell<u8>>>();
    shared::<ReceiverStream<Cell<u8>>>();
    shared::<Arc<QueueProbe>>();
    safe::<Sender<Rc<RefCell<u8>>>>();
    safe::<Receiver<Rc<RefCell<u8>>>>();
    safe::<WeakSender<Rc<RefCell<u8>>>>();
    safe::<OwnedPermit<Rc<RefCell<u8>>>>();
    safe::<Permit<'_, Rc<RefCell<u8>>>>();
    safe::<PermitIterator<'_, Rc<RefCell<u8>>>>();
    safe::<PollSender<Rc<RefCell<u8>>>>();
    safe::<ReceiverStream<Rc<RefCell<u8>>>>();
    shared::<PollSendError<u8>>();
    let (sender, mut receiver) = channel::<Cell<u8>>(3);
    sent(sender.send(Cell::new(0)));
    sent(sender.send_timeout(Cell::new(0), Duration::ZERO));
    sent(sender.reserve());
    sent(sender.reserve_many(2));
    sent(sender.clone().reserve_owned());
    sent(sender.closed());
    sent(receiver.recv());
}

/// The figures at rest: those of the channel itself, and an alarm that fits them.
pub(crate) fn assert_at_rest<T>(what: &str, sender: &Sender<T>, is_open: bool) {
    let gauge = sender.gauge();
    let used = if is_open {
        sender.max_capacity() - sender.capacity()
    } else {
        0
    };
    assert_eq!(gauge.depth(), used, "{what}: {gauge:?}");
    assert_eq!(gauge.snapshot().depth, used, "{what}");
    assert!(gauge.high_water() >= used, "{what}: {gauge:?}");
    let (warn, rearm) = ((gauge.capacity() * 4).div_ceil(5), gauge.capacity() / 2);
    if used >= warn {
        assert!(gauge.has_warned(), "{what}: {gauge:?}");
    }
    if used <= rearm {
        assert!(!gauge.has_warned(), "{what}: {gauge:?}");
    }
}

pub(crate) type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(crate) fn poll(task: &mut Task) -> bool {
    let mut context = Context::from_waker(Waker::noop());
    task.as_mut().poll(&mut context).is_ready()
}

pub(crate) async fn pause() {
    let mut is_first = true;
    std::future::poll_fn(move |context| {
        if std::mem::take(&mut is_first) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Every way to send that has an await point, and what it does with what it gets.
const TASKS: usize = 8;

fn task(kind: usize, sender: Sender<usize>) -> Task {
    match kind {
        0 => Box::pin(async move {
            let _ = sender.send(0).await;
        }),
        1 => Box::pin(async move {
            let permit = sender.reserve().await;
            pause().await;
            drop(permit);
        }),
        2 => Box::pin(async move {
            let permit = sender.reserve().await;
            pause().await;
            if let Ok(permit) = permit {
                permit.send(2);
            }
        }),
        3 => Box::pin(async move {
            if let Ok(permits) = sender.reserve_many(3).await {
                pause().await;
                for permit in permits.take(2) {
                    permit.send(3);
                    pause().await;
                }
            }
        }),
        4 => Box::pin(async move {
            let permit = sender.reserve_owned().await;
            pause().await;
            drop(permit);
        }),
        5 => Box::pin(async move {
            let permit = sender.reserve_owned().await;
            pause().await;
            if let Ok(permit) = permit {
                let sender = permit.send(5);
                pause().await;
                drop(sender);
            }
        }),
        6 => Box::pin(async move {
            let permit = sender.reserve_owned().await;
            pause().await;
            if let Ok(permit) = permit {
                let sender = permit.release();
                pause().await;
                let _ = sender.send(6).await;
            }
        }),
        _ => Box::pin(async move {
            let permits = sender.reserve_many(2).await;
            pause().await;
            drop(permits);
        }),
    }
}

/// What the channel is in when a task is dropped.
const STATES: usize = 6;

/// Calls `between` after each poll of a task of each kind, in each state, and drops the task after
/// each number of polls.
fn cross_product(between: impl Fn(usize, &mut Option<Receiver<usize>>)) {
    const CAPACITY: usize = 4;
    for kind in 0..TASKS {
        for state in 0..STATES {
            for polls in 0..8 {
                let what = format!("task {kind}, state {state}, {polls} polls");
                let (sender, receiver) = channel(CAPACITY);
                let mut receiver = Some(receiver);
                let held = match state {
                    0 => None,
                    1 => sender.try_reserve_many(2).ok(),
                    _ => sender.try_reserve_many(4).ok(),
                };
                if state == 3 {
                    for permit in held.into_iter().flatten() {
                        permit.send(9);
                    }
                } else if state == 4 {
                    for (permit, _) in held.into_iter().flatten().zip(0..2) {
                        permit.send(9);
                    }
                } else if state == 5 {
                    // Another waits in front of it.
                    let mut first = task(3, sender.clone());
                    assert!(!poll(&mut first));
                    let mut second = task(kind, sender.clone());
                    poll(&mut second);
                    drop(first);
                    drop(held);
                    poll(&mut second);
                    assert_at_rest(&what, &sender, true);
                } else {
                    drop(held);
                }
                let mut task = task(kind, sender.clone());
                for turn in 0..polls {
                    if poll(&mut task) {
                        break;
                    }
                    let is_open = receiver.is_some();
                    assert_at_rest(&format!("{what}, turn {turn}"), &sender, is_open);
                    between(turn, &mut receiver);
                    let is_open = receiver.is_some();
                    assert_at_rest(&format!("{what}, after turn {turn}"), &sender, is_open);
                }
                drop(task);
                assert_at_rest(&what, &sender, receiver.is_some());
                let waiting = sender.backpressure();
                assert_eq!(waiting.waiting, 0, "{what}: {waiting:?}");
                if let Some(receiver) = &mut receiver {
                    while receiver.try_recv().is_ok() {}
                    assert_eq!(sender.capacity(), CAPACITY, "{what}");
                    assert_at_rest(&what, &sender, true);
                }
                drop(receiver);
                assert_at_rest(&what, &sender, false);
            }
        }
    }
}

#[test]
fn a_future_that_is_dropped_after_any_poll_leaves_nothing() {
    cross_product(|_, _| ());
}

#[test]
fn a_future_that_is_dropped_between_receives_leaves_nothing() {
    cross_product(|_, receiver| {
        if let Some(receiver) = receiver {
            let _ = receiver.try_recv();
        }
    });
}

#[test]
fn a_future_that_is_dropped_after_a_close_leaves_nothing() {
    cross_product(|turn, receiver| match receiver {
        Some(receiver) if turn == 0 => receiver.close(),
        Some(receiver) => drop(receiver.try_recv()),
        None => {}
    });
}

#[test]
fn a_future_that_outlives_the_receiver_leaves_nothing() {
    for gone_at in 0..4 {
        cross_product(|turn, receiver| {
            if turn == gone_at {
                drop(receiver.take());
            }
        });
    }
}

/// The same numbers each time.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound as u64) as usize
    }
}

#[test]
fn every_step_of_any_history_leaves_what_the_channel_says() {
    for seed in 1..=native_or_miri(2_000, 3) as u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let capacity = 1 + chance.below(6);
        let (sender, receiver) = channel::<usize>(capacity);
        let mut receiver = Some(receiver);
        let mut tasks: Vec<Task> = Vec::new();
        let mut permits = Vec::new();
        let mut refused = 0;
        for step in 0..60 {
            let choice = chance.below(16);
            let what = format!("seed {seed}, step {step}: {choice}");
            match choice {
                0 | 1 => {
                    let sent = sender.try_send(step);
                    refused += usize::from(matches!(sent, Err(TrySendError::Full(_))));
                }
                2 => match sender.clone().try_reserve_owned() {
                    Ok(permit) => permits.push(permit),
                    Err(TrySendError::Full(_)) => refused += 1,
                    Err(TrySendError::Closed(_)) => {}
                },
                3 => match sender.try_reserve_many(chance.below(capacity + 1)) {
                    Ok(permits) => permits.take(1).for_each(|permit| permit.send(step)),
                    Err(TrySendError::Full(())) => refused += 1,
                    Err(TrySendError::Closed(())) => {}
                },
                4 | 5 => match chance.below(TASKS) {
                    // They ask for three and for two, and would be refused.
                    3 if capacity < 3 => {}
                    7 if capacity < 2 => {}
                    kind => tasks.push(task(kind, sender.clone())),
                },
                6..=8 if !tasks.is_empty() => {
                    let index = chance.below(tasks.len());
                    if poll(&mut tasks[index]) {
                        drop(tasks.swap_remove(index));
                    }
                }
                9 if !tasks.is_empty() => {
                    let index = chance.below(tasks.len());
                    drop(tasks.swap_remove(index));
                }
                10 if !permits.is_empty() => {
                    let permit = permits.swap_remove(chance.below(permits.len()));
                    match chance.below(3) {
                        0 => drop(permit.send(step)),
                        1 => drop(permit.release()),
                        _ => drop(permit),
                    }
                }
                11 | 12 => drop(receiver.as_mut().map(Receiver::try_recv)),
                13 => {
                    let mut items = Vec::new();
                    let mut context = Context::from_waker(Waker::noop());
                    if let Some(receiver) = &mut receiver {
                        let limit = chance.below(3);
                        let _ = receiver.poll_recv_many(&mut context, &mut items, limit);
                    }
                }
                14 if step > 40 && chance.below(4) == 0 => {
                    receiver.iter_mut().for_each(Receiver::close)
                }
                15 if step > 40 && chance.below(4) == 0 => drop(receiver.take()),
                _ => {}
            }
            assert_at_rest(&what, &sender, receiver.is_some());
            assert_eq!(sender.gauge().refused(), refused, "{what}");
        }
        tasks.clear();
        permits.clear();
        assert_at_rest(&format!("seed {seed}"), &sender, receiver.is_some());
        assert_eq!(sender.backpressure().waiting, 0, "seed {seed}");
        drop(receiver);
        assert_at_rest(&format!("seed {seed}"), &sender, false);
    }
}

#[test]
fn each_method_of_the_receiver_checks() {
    type Take = fn(&mut Receiver<usize>);
    fn context() -> Context<'static> {
        Context::from_waker(Waker::noop())
    }
    let takes: [(&str, Take); 8] = [
        ("try_recv", |receiver| _ = receiver.try_recv()),
        ("blocking_recv", |receiver| _ = receiver.blocking_recv()),
        ("blocking_recv_many", |receiver| {
            receiver.blocking_recv_many(&mut Vec::new(), 1);
        }),
        ("poll_recv", |receiver| {
            assert!(receiver.poll_recv(&mut context()).is_ready());
        }),
        ("poll_recv_many", |receiver| {
            assert!(
                receiver
                    .poll_recv_many(&mut context(), &mut Vec::new(), 1)
                    .is_ready()
            );
        }),
        ("recv", |receiver| {
            let mut receive = std::pin::pin!(receiver.recv());
            assert!(receive.as_mut().poll(&mut context()).is_ready());
        }),
        ("recv_many", |receiver| {
            let mut items = Vec::new();
            let mut receive = std::pin::pin!(receiver.recv_many(&mut items, 1));
            assert!(receive.as_mut().poll(&mut context()).is_ready());
        }),
        ("close", |receiver| {
            receiver.close();
            let _ = receiver.try_recv();
        }),
    ];
    for (name, take) in takes {
        for has_sender in [true, false] {
            let (sender, mut receiver) = channel(5);
            let gauge = Arc::clone(sender.gauge());
            (0..5).for_each(|item| sender.try_send(item).unwrap());
            assert!(gauge.has_warned());
            let sender = has_sender.then_some(sender);
            for left in (0..5).rev() {
                take(&mut receiver);
                assert_eq!((gauge.depth(), receiver.len()), (left, left), "{name}");
            }
            assert!(!gauge.has_warned(), "{name}");
            drop(sender);
        }
    }
}

#[test]
fn a_blocking_send_waits_and_counts() {
    let (sender, mut receiver) = channel(1);
    sender.blocking_send(0).unwrap();
    assert_eq!(
        (sender.gauge().depth(), sender.gauge().has_warned()),
        (1, true)
    );
    assert_eq!(sender.backpressure().waits, 0);
    thread::scope(|scope| {
        let other = sender.clone();
        scope.spawn(move || other.blocking_send(1).unwrap());
        until("the producer waits", || sender.backpressure().waiting == 1);
        assert_eq!(receiver.blocking_recv(), Some(0));
        assert_eq!(receiver.blocking_recv(), Some(1));
    });
    let after = sender.backpressure();
    assert_eq!((after.waiting, after.waits, after.refused), (0, 1, 0));
    drop(receiver);
    assert!(sender.blocking_send(2).is_err());
    assert_eq!(sender.backpressure().disconnected, 1);
    assert_at_rest("after all", &sender, false);
}

#[test]
fn a_send_that_times_out_is_refused() {
    let runtime = Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let (sender, receiver) = channel(1);
        sender.send_timeout(0, Duration::ZERO).await.unwrap();
        let late = sender.send_timeout(1, Duration::from_millis(20)).await;
        assert!(late.is_err());
        let after = sender.backpressure();
        assert_eq!((after.waiting, after.waits, after.refused), (0, 1, 1));
        assert!(after.waited >= Duration::from_millis(10), "{after:?}");
        assert_at_rest("after it", &sender, true);
        drop(receiver);
        assert!(sender.send_timeout(2, Duration::ZERO).await.is_err());
        assert_eq!(sender.backpressure().disconnected, 1);
    });
}

#[test]
fn a_task_that_only_yields_does_not_wait() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let waits = runtime.block_on(async {
        let (sender, mut receiver) = channel(4);
        for item in 0..10_000 {
            // The budget of the task ends now and then.
            sender.send(item).await.unwrap();
            assert_eq!(receiver.recv().await, Some(item));
        }
        sender.backpressure().waits
    });
    assert_eq!(waits, 0);
}

#[test]
fn the_receiver_goes_with_items_permits_and_waiters_outstanding() {
    let registry = registry();
    let (sender, receiver) = channel_in(&registry, 4);
    sender.try_send(0).unwrap();
    let permits = sender.try_reserve_many(2).unwrap();
    let owned = sender.clone().try_reserve_owned().unwrap();
    let mut waiter = task(3, sender.clone());
    assert!(!poll(&mut waiter));
    assert_eq!(
        (sender.gauge().depth(), sender.gauge().has_warned()),
        (4, true)
    );
    assert_eq!(registry.report().gauges[0].depth, 4);
    drop(receiver);
    let is_clear = |what: &str| {
        assert_at_rest(what, &sender, false);
        let report = registry.report();
        let figures = &report.gauges[0];
        assert_eq!(
            (figures.depth, figures.warned, figures.gone),
            (0, false, false),
            "{what}"
        );
        assert_eq!(registry.snapshot()[0].depth, 0, "{what}");
    };
    is_clear("the receiver is gone");
    drop(owned.send(1));
    is_clear("an owned permit sent");
    permits.for_each(|permit| permit.send(2));
    is_clear("permits sent");
    assert!(poll(&mut waiter));
    is_clear("the waiter has its error");
    assert_eq!(sender.backpressure().disconnected, 1);
    assert_eq!(sender.backpressure().waiting, 0);
}

#[test]
fn the_last_sender_goes_and_the_items_stay() {
    for owned in [false, true] {
        let registry = registry();
        let (sender, mut receiver) = channel_in(&registry, 5);
        (0..4).for_each(|item| sender.try_send(item).unwrap());
        let gauge = Arc::clone(sender.gauge());
        if owned {
            let permit = sender.try_reserve_owned().unwrap();
            assert_eq!(gauge.depth(), 5);
            drop(permit);
        } else {
            drop(sender);
        }
        assert_eq!((gauge.depth(), gauge.has_warned()), (4, true));
        for left in (0..4).rev() {
            assert!(receiver.try_recv().is_ok());
            assert_eq!(gauge.depth(), left);
            assert_eq!(registry.report().gauges[0].depth, left);
        }
        assert!(!gauge.has_warned());
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }
}

#[test]
fn a_future_that_owns_the_last_sender_leaves_nothing() {
    for polls in 0..3 {
        let (sender, mut receiver) = channel(2);
        let gauge = Arc::clone(sender.gauge());
        sender.try_send(0).unwrap();
        sender.try_send(1).unwrap();
        let mut task = task(4, sender);
        for turn in 0..polls {
            assert!(!poll(&mut task));
            if turn == 0 {
                assert_eq!(receiver.try_recv(), Ok(0));
                assert_eq!(gauge.depth(), 2, "the slot is handed to the task");
            }
        }
        drop(task);
        let left = if polls == 0 { 2 } else { 1 };
        assert_eq!(
            (gauge.depth(), receiver.len()),
            (left, left),
            "{polls} polls"
        );
        assert!(receiver.is_closed());
    }
}

#[test]
fn a_runtime_that_ends_in_the_middle_leaves_nothing() {
    for round in 0..native_or_miri(60, 1) as u64 {
        let registry = registry();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let (sender, receiver) = channel_in(&registry, 1 + round as usize % 7);
        let gauge = Arc::clone(sender.gauge());
        let (passed, through) = (Arc::new(AtomicUsize::new(0)), round % 3);
        for kind in 0..TASKS {
            let sender = sender.clone();
            let passed = Arc::clone(&passed);
            runtime.spawn(async move {
                loop {
                    task(kind, sender.clone()).await;
                    passed.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        let mut kept = None;
        if through == 0 {
            kept = Some(receiver);
        } else {
            let mut receiver = receiver;
            runtime.spawn(async move { while receiver.recv().await.is_some() {} });
            until("some are through", || passed.load(Ordering::Relaxed) > 50);
        }
        drop(runtime);
        // Checks that overlapped may have left the depth of the earlier one.
        drop(sender.try_reserve());
        assert_at_rest(&format!("round {round}"), &sender, kept.is_some());
        assert_eq!(sender.backpressure().waiting, 0, "round {round}");
        if let Some(receiver) = &mut kept {
            while receiver.try_recv().is_ok() {}
            assert_eq!(
                (gauge.depth(), sender.capacity()),
                (0, sender.max_capacity())
            );
        }
    }
}

#[test]
fn reports_leave_no_sender_behind_and_are_not_counted() {
    let registry = registry();
    let (sender, mut receiver) = channel_in::<()>(&registry, 5);
    let weak = sender.downgrade();
    assert_eq!(registry.report().gauges[0].depth, 0);
    assert_eq!((sender.strong_count(), sender.weak_count()), (1, 1));
    assert_eq!((weak.strong_count(), weak.weak_count()), (1, 1));
    assert_eq!(
        (receiver.sender_strong_count(), receiver.sender_weak_count()),
        (1, 1)
    );
    drop(sender);
    assert!(weak.upgrade().is_none());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(registry.report().gauges.len(), 1);
    assert!(weak.gauge().is_some());
    drop(receiver);
    assert!(
        registry.report().gauges.is_empty(),
        "a weak sender keeps no gauge"
    );
    assert!(weak.gauge().is_none());
    assert_eq!((weak.strong_count(), weak.weak_count()), (0, 1));
}

/// A permit that sends after the receiver is gone leaves its item until all senders are gone, and
/// no longer: the gauge does not keep it.
#[test]
fn a_gauge_keeps_no_item() {
    let registry = registry();
    let (sender, receiver) = channel_in::<Arc<()>>(&registry, 5);
    let gauge = Arc::clone(sender.gauge());
    let item = Arc::new(());
    let permit = sender.try_reserve().unwrap();
    drop(receiver);
    permit.send(Arc::clone(&item));
    assert_eq!(sender.weak_count(), 0);
    drop(sender);
    assert_eq!(Arc::strong_count(&item), 1);
    assert_eq!((gauge.depth(), registry.report().gauges[0].depth), (0, 0));
}

#[test]
fn more_than_there_can_be_is_refused() {
    let registry = registry();
    let (sender, mut receiver) = channel_in::<()>(&registry, 5);
    let mut reserve = Box::pin(sender.reserve_many(6));
    let mut context = Context::from_waker(Waker::noop());
    let Poll::Ready(reserved) = reserve.as_mut().poll(&mut context) else {
        panic!("it waits for what never comes");
    };
    assert!(reserved.is_err());
    let backpressure = sender.backpressure();
    assert_eq!((backpressure.refused, backpressure.disconnected), (1, 0));
    // What is closed holds nobody back.
    while sender.try_send(()).is_ok() {}
    receiver.close();
    assert!(sender.blocking_send(()).is_err());
    let backpressure = sender.backpressure();
    assert_eq!((backpressure.waits, backpressure.disconnected), (0, 1));
}

/// The item is in, or out, when the waker runs: a panic of it must not hide that.
#[test]
fn a_waker_that_panics_hides_no_edge() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor is gone");
        }
    }
    let waker = Waker::from(Arc::new(Panics));
    let registry = registry();
    let counted = || {
        let track = track("tokio").capacity(1).totals().registry(&registry);
        track.tokio_channel::<u8>()
    };
    let totals = |sender: &Sender<u8>| {
        let totals = sender.gauge().snapshot().totals.unwrap();
        (totals.enqueued, totals.dequeued)
    };

    let (sender, mut receiver) = counted();
    assert!(
        receiver
            .poll_recv(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let sent = panic::catch_unwind(AssertUnwindSafe(|| sender.try_send(1)));
    assert!(sent.is_err());
    let gauge = sender.gauge();
    assert_eq!(
        (gauge.depth(), gauge.has_warned(), totals(&sender)),
        (1, true, (1, 0))
    );

    let mut wait = Box::pin(sender.send(2));
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let received = panic::catch_unwind(AssertUnwindSafe(|| receiver.try_recv()));
    assert!(received.is_err());
    assert_eq!(totals(&sender), (1, 1));
    drop(wait);
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
}

#[test]
fn a_send_delivers_on_its_thread_and_a_receive_on_another() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&seen);
    let (sender, mut receiver) = track("tokio")
        .capacity(5)
        .registry(&registry())
        .sink(move |event| {
            let name = thread::current().name().map(str::to_owned);
            list.lock()
                .unwrap()
                .push((event.kind().as_str(), name, event.snapshot().depth));
        })
        .tokio_channel();
    thread::scope(|scope| {
        let producer = thread::Builder::new().name("producer".to_owned());
        let fill = || (0..4).for_each(|item| sender.try_send(item).unwrap());
        producer.spawn_scoped(scope, fill).unwrap();
    });
    while receiver.try_recv().is_ok() {}
    flush_events(Duration::from_secs(60)).unwrap();
    let seen = seen.lock().unwrap();
    let figures: Vec<_> = seen
        .iter()
        .map(|(kind, _, depth)| (*kind, *depth))
        .collect();
    assert_eq!(figures, [("near_capacity", 4), ("recovered", 2)]);
    assert_eq!(seen[0].1.as_deref(), Some("producer"));
    assert_ne!(seen[1].1.as_deref(), Some("producer"));
}

/// A sink that does with the channel what it may.
#[test]
fn observers_may_use_the_channel_that_they_observe() {
    for what in 0..5 {
        let registry = registry();
        let held: Arc<Mutex<Option<Sender<usize>>>> = Arc::default();
        let (within, reported) = (Arc::clone(&held), registry.clone());
        let (sender, mut receiver) = track("tokio")
            .capacity(5)
            .registry(&registry)
            .sink(move |_| {
                let sender = within.lock().unwrap().clone();
                let Some(sender) = sender else { return };
                match what {
                    0 => panic!("in a sink"),
                    1 => drop(sender.try_send(9)),
                    2 => drop(reported.report()),
                    3 => drop(sender.try_reserve()),
                    _ => drop(reported.report_for("sink")),
                }
            })
            .tokio_channel();
        *held.lock().unwrap() = Some(sender.clone());
        for _ in 0..20 {
            while sender.try_send(0).is_ok() {}
            while receiver.try_recv().is_ok() {}
        }
        flush_events(Duration::from_secs(60)).unwrap();
        while receiver.try_recv().is_ok() {}
        flush_events(Duration::from_secs(60)).unwrap();
        assert_at_rest(&format!("sink {what}"), &sender, true);
        assert_eq!(sender.gauge().depth(), 0, "sink {what}");
        held.lock().unwrap().take();
    }
}

/// Producers that send in every way, and consumers that share the receiver.
#[test]
fn many_items_leave_nothing_behind() {
    const PRODUCERS: usize = native_or_miri(8, 2);
    const CONSUMERS: usize = native_or_miri(4, 1);
    const ITEMS: usize = native_or_miri(25_000, 3);
    for capacity in [1, 3, 64] {
        let registry = registry();
        let runtime = Builder::new_multi_thread()
            .worker_threads(3)
            .build()
            .unwrap();
        let (sender, receiver) = channel_in(&registry, capacity);
        let gauge = Arc::clone(sender.gauge());
        let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
        let received = runtime.block_on(async {
            for producer in 0..PRODUCERS {
                let sender = sender.clone();
                tokio::spawn(async move {
                    for item in 0..ITEMS {
                        match (producer + item) % 4 {
                            0 => sender.reserve().await.unwrap().send(item),
                            1 => drop(sender.clone().reserve_owned().await.unwrap().send(item)),
                            2 if sender.try_send(item).is_ok() => {}
                            _ => sender.send(item).await.unwrap(),
                        }
                    }
                });
            }
            drop(sender);
            let consumers: Vec<_> = (0..CONSUMERS)
                .map(|_| {
                    let receiver = Arc::clone(&receiver);
                    tokio::spawn(async move {
                        let mut received = 0;
                        while receiver.lock().await.recv().await.is_some() {
                            received += 1;
                        }
                        received
                    })
                })
                .collect();
            let mut received = 0;
            for consumer in consumers {
                received += consumer.await.unwrap();
            }
            received
        });
        assert_eq!(received, PRODUCERS * ITEMS);
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false), "{gauge:?}");
        assert!((1..=capacity).contains(&gauge.high_water()), "{gauge:?}");
        assert_eq!(gauge.backpressure().waiting, 0);
    }
}

/// Two threads change the channel at once. When both are done, the alarm fits what is left.
#[test]
fn at_rest_the_alarm_fits_the_depth() {
    const CAPACITY: usize = 10;
    let rounds = rounds(native_or_miri(20_000, 20));
    let (sender, mut receiver) = channel(CAPACITY);
    let (started, ended) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wait = |word: &AtomicUsize, round| {
        while word.load(Ordering::SeqCst) < round {
            thread::yield_now();
        }
    };
    thread::scope(|scope| {
        scope.spawn(|| {
            let mut chance = Chance(7);
            for round in 1..=rounds {
                wait(&started, round);
                (0..chance.below(6)).for_each(|item| _ = sender.try_send(item));
                ended.store(round, Ordering::SeqCst);
            }
        });
        let mut chance = Chance(11);
        for round in 1..=rounds {
            started.store(round, Ordering::SeqCst);
            (0..chance.below(6)).for_each(|_| _ = receiver.try_recv());
            wait(&ended, round);
            let used = CAPACITY - sender.capacity();
            let gauge = sender.gauge();
            assert!(
                used < 8 || gauge.has_warned(),
                "round {round}: {used} {gauge:?}"
            );
            assert!(
                used > 5 || !gauge.has_warned(),
                "round {round}: {used} {gauge:?}"
            );
        }
    });
    assert!(
        sender.gauge().warnings() > rounds / 100,
        "{:?}",
        sender.gauge()
    );
}
