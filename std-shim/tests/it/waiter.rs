//! Tasks that await the edges of a gauge.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use fillgauge_std::{LimitEventKind, QueueGauge, QueueRegistry, Waiter, track};

use crate::size::native_or_miri;

fn gauge() -> Arc<QueueGauge> {
    let registry = QueueRegistry::new("awaited").silent();
    track("awaited")
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge()
}

fn poll<F: Future>(future: F) -> Poll<F::Output> {
    pin!(future).poll(&mut Context::from_waker(Waker::noop()))
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

#[test]
fn it_returns_at_once_if_the_state_holds() {
    let gauge = gauge();
    gauge.record_enqueue_n(8);
    let mut waiter = gauge.waiter();
    for _ in 0..2 {
        assert!(poll(waiter.wait_near_capacity()).is_ready());
        assert!(poll(waiter.wait_recovered()).is_pending());
    }
    gauge.record_dequeue_n(3);
    assert!(poll(waiter.wait_recovered()).is_ready());
    assert!(poll(waiter.wait_near_capacity()).is_pending());
}

#[test]
fn a_change_comes_after_the_waiter_and_after_what_it_has_seen() {
    let gauge = gauge();
    gauge.record_enqueue_n(8);
    let mut waiter = gauge.waiter();
    assert!(poll(waiter.changed()).is_pending(), "it warned before");
    gauge.record_enqueue_n(2);
    assert_eq!(poll(waiter.changed()), Poll::Ready(LimitEventKind::Full));
    assert!(poll(waiter.changed()).is_pending());
    gauge.record_dequeue_n(10);
    gauge.record_enqueue_n(9);
    let mut clone = waiter.clone();
    for waiter in [&mut waiter, &mut clone] {
        let latest = Poll::Ready(LimitEventKind::NearCapacity);
        assert_eq!(poll(waiter.changed()), latest);
        assert!(poll(waiter.changed()).is_pending());
    }
    gauge.record_enqueue();
    assert!(poll(waiter.wait_near_capacity()).is_ready());
    assert!(poll(waiter.changed()).is_pending(), "the wait has seen it");
}

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn every_task_is_woken_and_one_that_is_gone_is_not_kept() {
    let gauge = gauge();
    let mut waiters: Vec<Waiter> = (0..40).map(|_| gauge.waiter()).collect();
    let count = Arc::<Count>::default();
    let waker = Waker::from(Arc::clone(&count));
    let mut waits: Vec<_> = waiters
        .iter_mut()
        .map(|waiter| Box::pin(waiter.wait_near_capacity()))
        .collect();
    for wait in &mut waits {
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
    drop(waits.pop());
    gauge.record_enqueue_n(8);
    assert_eq!(count.0.load(Ordering::SeqCst), 39);
    drop((waits, waker));
    assert_eq!(Arc::strong_count(&count), 1);
}

/// The waker is foreign code: it may panic, and do all that a handler may.
#[test]
fn a_waker_is_behind_the_guard() {
    struct Hostile(Arc<QueueGauge>);
    impl Wake for Hostile {
        fn wake(self: Arc<Self>) {
            self.0.record_enqueue();
            assert!(poll(self.0.waiter().wait_near_capacity()).is_ready());
            panic!("the executor is gone");
        }
    }
    let gauge = gauge();
    let mut waiter = gauge.waiter();
    {
        let waker = Waker::from(Arc::new(Hostile(Arc::clone(&gauge))));
        let mut wait = pin!(waiter.wait_near_capacity());
        let polled = wait.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        gauge.record_enqueue_n(8);
        assert_eq!((gauge.depth(), gauge.warnings()), (9, 1));
        assert!(
            wait.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
        );
    }
    gauge.record_dequeue_n(9);
    assert!(poll(waiter.wait_recovered()).is_ready());
}

/// It is not lost to the other that one panics, whichever is woken first.
#[test]
fn a_waker_that_panics_keeps_no_other_task_from_being_woken() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor is gone");
        }
    }
    let gauge = gauge();
    let mut waiters: Vec<Waiter> = (0..60).map(|_| gauge.waiter()).collect();
    let count = Arc::<Count>::default();
    let wakers = [
        Waker::from(Arc::new(Panics)),
        Waker::from(Arc::clone(&count)),
    ];
    let waits = waiters.iter_mut().zip(wakers.iter().cycle());
    let waits: Vec<_> = waits
        .map(|(waiter, waker)| {
            let mut wait = Box::pin(waiter.wait_near_capacity());
            assert!(
                wait.as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
            wait
        })
        .collect();
    gauge.record_enqueue_n(8);
    assert_eq!(count.0.load(Ordering::SeqCst), 30);
    drop(waits);
}

#[test]
fn a_wait_that_is_dropped_has_seen_nothing() {
    let gauge = gauge();
    let mut waiter = gauge.waiter();
    gauge.record_enqueue_n(8);
    assert!(poll(waiter.wait_recovered()).is_pending());
    let warned = Poll::Ready(LimitEventKind::NearCapacity);
    assert_eq!(poll(waiter.changed()), warned);
}

#[test]
fn a_waiter_keeps_its_gauge_and_comes_beside_other_sinks() {
    let registry = QueueRegistry::new("kept").silent();
    let events = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&events);
    let track = track("kept")
        .capacity(10)
        .label("seventh")
        .registry(&registry);
    let gauge = track
        .sink(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .gauge();
    let waiter = gauge.waiter();
    gauge.observe_depth(8);
    assert_eq!(events.load(Ordering::Relaxed), 1);
    assert_eq!(
        registry.report().gauges[0].label.as_deref(),
        Some("seventh")
    );
    drop(gauge);
    assert_eq!(registry.snapshot().len(), 1);
    drop(waiter);
    assert_eq!(registry.snapshot().len(), 0);
    // Its slot is used again, without the waiter.
    let next = registry.register("next", 10);
    next.observe_depth(8);
    assert_eq!(events.load(Ordering::Relaxed), 1);
}

#[test]
fn the_edges_of_a_budget_and_of_a_channel_can_be_awaited() {
    let registry = QueueRegistry::new("others").silent();
    let budget = track("budget").capacity(10).registry(&registry).budget();
    let mut edges = budget.waiter();
    assert!(poll(edges.wait_near_capacity()).is_pending());
    let held = budget.try_reserve(8).unwrap();
    assert!(poll(edges.wait_near_capacity()).is_ready());
    drop(held);
    // What is given back is delivered by the background thread.
    assert_eq!(block_on(edges.changed()), LimitEventKind::Recovered);
    assert!(poll(edges.wait_recovered()).is_ready());

    let (sender, receiver) = track("channel")
        .capacity(5)
        .registry(&registry)
        .sync_channel();
    let mut edges = sender.gauge().waiter();
    (0..4).for_each(|item| sender.send(item).unwrap());
    assert_eq!(block_on(edges.changed()), LimitEventKind::NearCapacity);
    assert_eq!(receiver.try_iter().count(), 4);
    assert_eq!(block_on(edges.changed()), LimitEventKind::Recovered);
}

#[cfg(feature = "crossbeam")]
#[test]
fn the_edges_of_a_channel_that_knows_its_length_can_be_awaited() {
    let registry = QueueRegistry::new("probe").silent();
    let (sender, receiver) = track("probe")
        .capacity(5)
        .registry(&registry)
        .crossbeam_channel();
    let mut edges = sender.gauge().waiter();
    assert!(poll(edges.wait_near_capacity()).is_pending());
    (0..4).for_each(|item| sender.send(item).unwrap());
    assert_eq!(block_on(edges.changed()), LimitEventKind::NearCapacity);
    assert!(poll(edges.wait_recovered()).is_pending());
    assert_eq!(receiver.try_iter().count(), 4);
    assert_eq!(block_on(edges.changed()), LimitEventKind::Recovered);
}

/// Producers that pause and go on: a wake-up that is lost would let one wait for ever.
#[test]
fn producers_pause_and_go_on() {
    const PRODUCERS: usize = 3;
    let items = native_or_miri(5_000, 12);
    let registry = QueueRegistry::new("paused").silent();
    let (sender, receiver) = track("paused")
        .capacity(16)
        .registry(&registry)
        .sync_channel();
    thread::scope(|scope| {
        for _ in 0..PRODUCERS {
            let sender = sender.clone();
            let mut edges = sender.gauge().waiter();
            scope.spawn(move || {
                for item in 0..items {
                    block_on(edges.wait_recovered());
                    sender.send(item).unwrap();
                }
            });
        }
        drop(sender);
        assert_eq!(receiver.iter().count(), PRODUCERS * items);
    });
}
