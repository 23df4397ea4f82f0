//! A task that registers meets an event that is delivered: it is ready, or woken.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool as Plain, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use fillgauge::{EdgeWaiter, Gauge, Limit, LimitEvent, LimitSink};
use fillgauge_loom_tests::{explore, leaked};
use loom::future::AtomicWaker;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

fn gauge(sink: &'static dyn LimitSink) -> &'static Gauge {
    leaked(Gauge::for_queue(&QUEUE, 2).with_sink(sink))
}

/// Notes that it was woken.
#[derive(Default)]
struct Woken(Plain);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, SeqCst);
    }
}

/// Polls `waiting` once.
fn poll_once(waiting: impl Future, woken: &Arc<Woken>) -> bool {
    let waker = Waker::from(Arc::clone(woken));
    let mut context = Context::from_waker(&waker);
    pin!(waiting).poll(&mut context).is_ready()
}

/// What a task can await.
trait Awaits: LimitSink + 'static {
    /// Polls for the warning once. The task stays registered.
    fn is_ready(&self, woken: &Arc<Woken>) -> bool;
}

impl Awaits for EdgeWaiter {
    fn is_ready(&self, woken: &Arc<Woken>) -> bool {
        let mut waiter = self.waiter().unwrap();
        let is_ready = poll_once(waiter.wait_near_capacity(), woken);
        // It goes on to wait.
        std::mem::forget(waiter);
        is_ready
    }
}

/// Registers, and does not look again.
struct LooksOnce {
    has_warned: AtomicBool,
    waker: AtomicWaker,
}

impl LimitSink for LooksOnce {
    fn on_event(&self, _event: &LimitEvent) {
        self.has_warned.store(true, Release);
        self.waker.wake();
    }
}

impl Awaits for LooksOnce {
    fn is_ready(&self, woken: &Arc<Woken>) -> bool {
        let waiting = std::future::poll_fn(|context| {
            if self.has_warned.load(Acquire) {
                return Poll::Ready(());
            }
            self.waker.register_by_ref(context.waker());
            Poll::Pending
        });
        poll_once(waiting, woken)
    }
}

fn check_registration<A: Awaits>(floor: usize, edges: impl Fn() -> A + Send + Sync + 'static) {
    explore(Some(3), floor, move || {
        let edges: &'static A = leaked(edges());
        let gauge = gauge(edges);
        let producer = thread::spawn(|| gauge.record_enqueue_n(2));
        let woken = Arc::<Woken>::default();
        let is_ready = edges.is_ready(&woken);
        producer.join().unwrap();
        assert!(is_ready || woken.0.load(SeqCst), "asleep for ever");
    });
}

#[test]
fn a_task_that_waits_meets_a_warning() {
    check_registration(10, EdgeWaiter::new);
}

#[test]
#[should_panic(expected = "asleep for ever")]
fn canary_that_does_not_look_again() {
    check_registration(1, || LooksOnce {
        has_warned: AtomicBool::new(false),
        waker: AtomicWaker::new(),
    });
}

/// It is polled once and dropped, wherever the event is. The next one finds what it needs.
#[test]
fn a_waiter_is_dropped_while_an_event_comes() {
    explore(Some(3), 10, || {
        let edges: &'static EdgeWaiter = leaked(EdgeWaiter::new());
        let gauge = gauge(edges);
        let producer = thread::spawn(|| gauge.record_enqueue_n(2));
        let mut waiter = edges.waiter().unwrap();
        assert!(edges.waiter().is_none());
        poll_once(waiter.wait_near_capacity(), &Arc::default());
        drop(waiter);
        let woken = Arc::<Woken>::default();
        let is_ready = edges.is_ready(&woken);
        producer.join().unwrap();
        assert!(is_ready || woken.0.load(SeqCst), "asleep for ever");
    });
}

/// An event that comes after the one that was seen is not missed.
#[test]
fn a_change_meets_a_recovery() {
    explore(Some(3), 10, || {
        let edges: &'static EdgeWaiter = leaked(EdgeWaiter::new());
        let gauge = gauge(edges);
        gauge.record_enqueue_n(2);
        let mut waiter = edges.waiter().unwrap();
        assert!(poll_once(waiter.changed(), &Arc::default()));
        let consumer = thread::spawn(|| gauge.record_dequeue());
        let woken = Arc::<Woken>::default();
        let is_ready = poll_once(waiter.changed(), &woken);
        consumer.join().unwrap();
        assert!(is_ready || woken.0.load(SeqCst), "asleep for ever");
        assert_eq!(poll_once(waiter.changed(), &woken), !is_ready);
    });
}
