//! Functions, closures and tees as sinks, and tasks that await edges.

use std::sync::Mutex;
#[cfg(feature = "edge-waiter")]
use std::sync::atomic::{AtomicUsize, Ordering};

use fillgauge::{
    Budget, Gauge, GaugeConfig, Limit, LimitEvent, LimitEventKind, LimitSink, Probe, Tee,
    Thresholds, WithSink,
};

static QUEUE: Limit = Limit::queue("queue");

#[test]
fn a_function_and_a_closure_are_sinks() {
    static SEEN: Mutex<Vec<LimitEventKind>> = Mutex::new(Vec::new());
    fn note(event: &LimitEvent) {
        SEEN.lock().unwrap().push(event.kind());
    }
    static POINTER: fn(&LimitEvent) = note;
    static GAUGE: Gauge = Gauge::new(&QUEUE, 10).with_sink(&POINTER);
    static ANOTHER: Gauge = Gauge::new(&QUEUE, 10).with_sink(&note);
    static THIRD: Gauge = Gauge::new(&QUEUE, 10).with_sink(&|event: &LimitEvent| note(event));
    for gauge in [&GAUGE, &ANOTHER, &THIRD] {
        gauge.record_enqueue_n(8);
    }
    assert_eq!(*SEEN.lock().unwrap(), [LimitEventKind::NearCapacity; 3]);
}

#[test]
fn a_tee_hands_each_event_to_both_in_order() {
    static SEEN: Mutex<Vec<(u8, LimitEventKind)>> = Mutex::new(Vec::new());
    struct Numbered(u8);
    impl LimitSink for Numbered {
        fn on_event(&self, event: &LimitEvent) {
            SEEN.lock().unwrap().push((self.0, event.kind()));
        }
    }
    static PAIR: Tee = Tee::new(&Numbered(1), &Numbered(2));
    static ALL: Tee = Tee::new(&PAIR, &Numbered(3));
    static GAUGE: Gauge = Gauge::new(&QUEUE, 10).with_sink(&ALL);
    GAUGE.record_enqueue_n(8);
    GAUGE.record_dequeue_n(8);
    let (warned, recovered) = (LimitEventKind::NearCapacity, LimitEventKind::Recovered);
    let expected = [1, 2, 3].map(|number| (number, warned));
    assert_eq!(SEEN.lock().unwrap()[..3], expected);
    assert_eq!(
        SEEN.lock().unwrap()[3..],
        expected.map(|(number, _)| (number, recovered))
    );
}

/// A wrapper whose gauge is a constant, whatever it is given.
struct Wrapper<G>(G);

macro_rules! wrapper {
    ($source:ident) => {
        impl Wrapper<$source> {
            const fn new<S>(config: GaugeConfig<S>) -> Self {
                Self($source::with_config(config))
            }
        }
    };
}

wrapper!(Gauge);
wrapper!(Budget);
wrapper!(Probe);

#[test]
fn settings_carry_the_sink_into_a_constant() {
    static SEEN: Mutex<Vec<LimitEventKind>> = Mutex::new(Vec::new());
    fn note(event: &LimitEvent) {
        SEEN.lock().unwrap().push(event.kind());
    }
    const SETTINGS: GaugeConfig<WithSink> = GaugeConfig::new(&QUEUE, 10).with_sink(&note);
    const EARLY: GaugeConfig<WithSink> = match Thresholds::new(60, 20) {
        Ok(early) => SETTINGS.thresholds(early),
        Err(_) => panic!("re-arm is below warn"),
    };
    static GAUGE: Wrapper<Gauge> = Wrapper::<Gauge>::new(EARLY);
    static BUDGET: Wrapper<Budget> = Wrapper::<Budget>::new(EARLY);
    static PROBE: Wrapper<Probe> = Wrapper::<Probe>::new(EARLY);
    static SILENT: Wrapper<Gauge> = Wrapper::<Gauge>::new(GaugeConfig::new(&QUEUE, 10));
    for gauge in [&GAUGE, &SILENT] {
        gauge.0.record_enqueue_n(6);
    }
    drop(BUDGET.0.try_reserve(6));
    PROBE.0.check(|| 6);
    let (warned, recovered) = (LimitEventKind::NearCapacity, LimitEventKind::Recovered);
    assert_eq!(*SEEN.lock().unwrap(), [warned, warned, recovered, warned]);

    let (without, sink) = EARLY.into_parts();
    assert!(sink.is_some() && without.into_parts().1.is_none());
    assert!(format!("{EARLY:?}").contains("StaticSink(Some(..))"));
}

#[cfg(feature = "edge-waiter")]
mod waiter {
    use std::future::Future;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::pin::pin;
    use std::sync::Arc;
    use std::task::{Context, Poll, Wake, Waker};
    use std::thread;

    use fillgauge::{EdgeWaiter, Waiter};

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn poll<F: Future>(future: F) -> Poll<F::Output> {
        pin!(future).poll(&mut Context::from_waker(Waker::noop()))
    }

    /// Waits for a change, and wakes `task` then.
    fn waiting(edges: &EdgeWaiter, task: Arc<impl Wake + Send + Sync + 'static>) -> Waiter<'_> {
        let waker = Waker::from(task);
        let mut waiter = edges.waiter().unwrap();
        let mut context = Context::from_waker(&waker);
        assert!(pin!(waiter.changed()).poll(&mut context).is_pending());
        waiter
    }

    fn gauge(edges: &'static EdgeWaiter) -> Gauge {
        Gauge::for_queue(&QUEUE, 10).with_sink(edges)
    }

    #[test]
    fn it_returns_at_once_if_the_state_holds() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        let mut waiter = EDGES.waiter().unwrap();
        assert!(poll(waiter.wait_recovered()).is_ready(), "it never warned");
        assert!(poll(waiter.wait_near_capacity()).is_pending());
        gauge.record_enqueue_n(10);
        for _ in 0..2 {
            assert!(poll(waiter.wait_near_capacity()).is_ready());
            assert!(poll(waiter.wait_recovered()).is_pending());
        }
        gauge.record_dequeue_n(5);
        assert!(poll(waiter.wait_recovered()).is_ready());
        assert!(poll(waiter.wait_near_capacity()).is_pending());
    }

    #[test]
    fn a_change_is_one_after_what_was_seen() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        let mut waiter = EDGES.waiter().unwrap();
        assert!(poll(waiter.changed()).is_pending());
        gauge.record_enqueue_n(8);
        assert_eq!(
            poll(waiter.changed()),
            Poll::Ready(LimitEventKind::NearCapacity)
        );
        assert!(poll(waiter.changed()).is_pending());
        gauge.record_enqueue_n(2);
        gauge.record_dequeue_n(9);
        assert_eq!(
            poll(waiter.changed()),
            Poll::Ready(LimitEventKind::Recovered)
        );
        gauge.record_enqueue_n(9);
        assert!(poll(waiter.wait_near_capacity()).is_ready());
        assert!(poll(waiter.changed()).is_pending(), "the wait has seen it");
    }

    #[test]
    fn it_is_given_out_once_at_a_time() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let first = EDGES.waiter().unwrap();
        assert!(EDGES.waiter().is_none());
        assert!(EDGES.waiter().is_none(), "to be refused gives nothing back");
        drop(first);
        assert!(EDGES.waiter().is_some());
    }

    #[test]
    fn one_that_is_refused_takes_no_wake_from_the_other() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        let count = Arc::<Count>::default();
        let _waiter = waiting(&EDGES, Arc::clone(&count));
        assert!(EDGES.waiter().is_none());
        gauge.record_enqueue_n(8);
        assert_eq!(count.0.load(Ordering::SeqCst), 1);
    }

    /// As of any sink: the gauge is right, and the next operation checks.
    #[test]
    fn a_waker_that_panics_loses_no_edge() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                panic!("the executor is gone");
            }
        }
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        let mut waiter = waiting(&EDGES, Arc::new(Panics));
        let recorded = catch_unwind(AssertUnwindSafe(|| gauge.record_enqueue_n(8)));
        assert!(recorded.is_err() && gauge.has_warned());
        assert!(poll(waiter.wait_near_capacity()).is_ready());
        gauge.record_dequeue_n(8);
        assert!(poll(waiter.wait_recovered()).is_ready());
        assert!(EDGES.waiter().is_none(), "it is still given out");
    }

    #[test]
    fn a_limit_that_is_exhausted_is_no_edge() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        gauge.record_enqueue_n(8);
        EDGES.on_event(&LimitEvent::exhausted(&QUEUE, 9, 8));
        let mut waiter = EDGES.waiter().unwrap();
        assert!(poll(waiter.wait_recovered()).is_pending());
        assert_eq!(
            poll(waiter.changed()),
            Poll::Ready(LimitEventKind::NearCapacity)
        );
    }

    #[test]
    fn a_waiter_that_is_dropped_keeps_no_task() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let gauge = gauge(&EDGES);
        let count = Arc::<Count>::default();
        let waiter = waiting(&EDGES, Arc::clone(&count));
        drop(waiter);
        assert_eq!(Arc::strong_count(&count), 1);
        gauge.record_enqueue_n(8);
        assert_eq!(count.0.load(Ordering::SeqCst), 0);
    }

    /// Runs a future on this thread, which sleeps meanwhile.
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

    /// A producer that pauses and goes on. It alone enqueues: nothing is ever refused.
    #[test]
    fn a_producer_pauses_and_goes_on() {
        static EDGES: EdgeWaiter = EdgeWaiter::new();
        let items = crate::size::native_or_miri(20_000, 100);
        let gauge = gauge(&EDGES);
        thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..items {
                    while gauge.depth() == 0 {
                        thread::yield_now();
                    }
                    gauge.record_dequeue();
                }
            });
            let mut waiter: Waiter<'_> = EDGES.waiter().unwrap();
            for _ in 0..items {
                block_on(waiter.wait_recovered());
                gauge.record_enqueue();
            }
        });
        assert!(gauge.high_water() <= 10, "{gauge:?}");
        assert_eq!(gauge.depth(), 0);
    }
}
