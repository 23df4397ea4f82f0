//! Limits that are enforced.

use std::cell::Cell;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    Budget, LimitEventKind, LimitExceeded, QueueRegistry, Thresholds, flush_events, track,
};

use crate::size::native_or_miri;

const SOME_TIME: Duration = Duration::from_secs(30);

/// What a registry has heard: kind, depth, label, and the thread that delivered it.
type Heard = Arc<Mutex<Vec<(LimitEventKind, usize, Option<String>, thread::ThreadId)>>>;

fn registry() -> (QueueRegistry, Heard) {
    let heard = Heard::default();
    let list = Arc::clone(&heard);
    let registry = QueueRegistry::new("budgets").silent().sink(move |event| {
        let label = event.label().map(str::to_owned);
        let depth = event.core_event().snapshot().depth;
        let thread = thread::current().id();
        list.lock()
            .unwrap()
            .push((event.kind(), depth, label, thread));
    });
    (registry, heard)
}

/// Its edges.
fn kinds(heard: &Heard) -> Vec<(LimitEventKind, usize)> {
    let heard = heard.lock().unwrap();
    let kinds = heard.iter().map(|entry| (entry.0, entry.1));
    let edges = [LimitEventKind::NearCapacity, LimitEventKind::Recovered];
    kinds.filter(|(kind, _)| edges.contains(kind)).collect()
}

#[test]
fn each_event_tells_its_label_and_a_warning_is_delivered_in_place() {
    let (registry, heard) = registry();
    let bytes = track("bytes")
        .capacity(10)
        .label("vm 7")
        .registry(&registry)
        .budget();
    let seven = bytes.try_reserve(7).unwrap();
    let one = bytes.try_reserve(1).unwrap();
    assert_eq!(kinds(&heard), [(LimitEventKind::NearCapacity, 8)]);
    drop((seven, one));
    flush_events(SOME_TIME).unwrap();
    assert_eq!(kinds(&heard)[1], (LimitEventKind::Recovered, 1));
    let heard = heard.lock().unwrap();
    assert_eq!(heard[0].3, thread::current().id());
    assert!(heard.iter().all(|entry| entry.2.as_deref() == Some("vm 7")));
}

#[test]
fn giving_back_runs_no_observer() {
    thread_local! {
        static GIVES_BACK: Cell<bool> = const { Cell::new(false) };
    }
    static CALLED: AtomicBool = AtomicBool::new(false);
    let registry = QueueRegistry::new("giving back").silent().sink(|_| {
        CALLED.fetch_or(GIVES_BACK.get(), Ordering::SeqCst);
    });
    let budget = track("given back").capacity(4).registry(&registry).budget();
    for _ in 0..10 {
        let all = budget.try_reserve_owned(4).unwrap();
        GIVES_BACK.set(true);
        drop(all);
        GIVES_BACK.set(false);
    }
    flush_events(SOME_TIME).unwrap();
    assert!(!budget.has_warned() && budget.warnings() > 0);
    assert!(!CALLED.load(Ordering::SeqCst));
}

#[test]
fn everything_of_a_background_budget_is_left_to_the_background_thread() {
    let (registry, heard) = registry();
    let budget = track("quiet")
        .capacity(4)
        .registry(&registry)
        .background()
        .budget();
    let in_background = budget.try_reserve(4).unwrap();
    drop(in_background);
    flush_events(SOME_TIME).unwrap();
    let warnings = budget.warnings();
    assert_eq!(kinds(&heard).len(), 2 * warnings);
}

#[test]
fn it_is_reported_beside_gauges_in_order_of_registration() {
    let (registry, _) = registry();
    let first = registry.register("queue", 10);
    let bytes = track("bytes")
        .capacity(100)
        .label("a")
        .registry(&registry)
        .budget();
    let last = registry.register("queue", 10);
    assert_eq!(
        (first.instance(), bytes.instance(), last.instance()),
        (1, 2, 3)
    );
    let _held = bytes.try_reserve(90).unwrap();
    bytes.try_reserve(11).unwrap_err();

    let names: Vec<_> = (registry.snapshot().iter())
        .map(|gauge| gauge.name.as_str())
        .collect();
    assert_eq!(names, ["queue", "bytes", "queue"]);
    let report = registry.report();
    let gauge = &report.gauges[1];
    assert_eq!(
        (gauge.depth, gauge.capacity, gauge.high_water),
        (90, 100, 90)
    );
    assert_eq!((gauge.refused, gauge.totals, gauge.warned), (1, None, true));
    assert_eq!(gauge.label.as_deref(), Some("a"));
    assert_eq!(gauge.last_edges.len(), 1);
    assert_eq!(gauge.backpressure, None);
    let limit = &report.limits[0];
    assert_eq!(
        (&*limit.name, limit.gauges, limit.registered),
        ("bytes", 1, 1)
    );
    assert_eq!((limit.totals, limit.refused), (None, 1));
}

#[test]
fn what_a_budget_leaves_is_in_the_sums() {
    let (registry, _) = registry();
    for _ in 0..3 {
        let budget = track("gone").capacity(10).registry(&registry).budget();
        let reservation = budget.try_reserve_owned(9).unwrap();
        drop(budget);
        assert_eq!(registry.snapshot().len(), 1, "the reservation keeps it");
        reservation.budget().try_reserve(2).unwrap_err();
    }
    flush_events(SOME_TIME).unwrap();
    let report = registry.report();
    assert!(report.gauges.is_empty());
    let limit = &report.limits[0];
    assert_eq!((limit.registered, limit.warnings, limit.refused), (3, 3, 3));
    assert_eq!((limit.high_water, limit.totals), (9, None));
}

#[test]
fn a_refusal_says_what_was_asked_of_what() {
    let (registry, _) = registry();
    let budget = track("spool").capacity(4).registry(&registry).budget();
    let three = budget.try_reserve_owned(3).unwrap();
    let exceeded = budget.try_reserve_owned(2).unwrap_err();
    let expected = "limit exceeded: 2 more for `spool` (3 of 4 in use)";
    assert_eq!(exceeded.to_string(), expected);
    assert_eq!((budget.refused(), budget.remaining()), (1, 1));
    drop(three);
    assert_eq!(budget.used(), 0);
}

#[test]
fn reservations_split_merge_and_forget() {
    let (registry, _) = registry();
    let budget = |name| track(name).capacity(100).registry(&registry).budget();
    let (one, other) = (budget("one"), budget("other"));
    let mut request = one.try_reserve_owned(60).unwrap();
    assert!(request.split(61).is_none());
    let head = request.split(20).unwrap();
    assert_eq!((head.amount(), request.amount(), one.used()), (20, 40, 60));
    drop(request);
    assert_eq!(one.used(), 20);
    let mut head = head;
    head.merge(one.try_reserve_owned(5).unwrap()).unwrap();
    assert_eq!((head.amount(), one.used()), (25, 25));
    let back = head.merge(other.try_reserve_owned(7).unwrap()).unwrap_err();
    assert_eq!((back.amount(), head.amount(), other.used()), (7, 25, 7));
    assert_eq!(head.forget(), 25);
    drop(back);
    assert_eq!((one.used(), other.used()), (25, 0));
}

#[test]
fn it_has_a_peak_from_one_report_to_the_next() {
    let (registry, _) = registry();
    let budget = track("peaks").capacity(100).registry(&registry).budget();
    let peak = |scraper| registry.report_for(scraper).gauges[0].window_peak;
    assert_eq!([peak("a"), peak("b")], [None; 2]);
    drop(budget.try_reserve(60).unwrap());
    assert_eq!(peak("a"), Some(60));
    drop(budget.try_reserve(20).unwrap());
    assert_eq!([peak("a"), peak("b")], [Some(20), Some(60)]);
    assert_eq!((peak("a"), budget.high_water()), (Some(0), 60));
}

#[test]
fn what_ends_early_gives_back() {
    fn early(budget: &Arc<Budget>) -> Result<(), LimitExceeded> {
        let _first = budget.try_reserve_owned(3)?;
        let _second = budget.try_reserve_owned(3)?;
        unreachable!("it does not fit");
    }
    async fn forever(budget: &Arc<Budget>) {
        let _held = budget.try_reserve_owned(3).unwrap();
        std::future::pending::<()>().await;
    }

    let (registry, _) = registry();
    let budget = track("early").capacity(5).registry(&registry).budget();
    assert_eq!(early(&budget).unwrap_err().requested(), 3);
    assert_eq!(budget.used(), 0, "after an early return");

    let panicked = panic::catch_unwind(AssertUnwindSafe(|| {
        let _held = budget.try_reserve_owned(3).unwrap();
        panic::resume_unwind(Box::new(()));
    }));
    panicked.unwrap_err();
    assert_eq!(budget.used(), 0, "after a panic");

    {
        let mut task = pin!(forever(&budget));
        let mut context = Context::from_waker(Waker::noop());
        assert!(task.as_mut().poll(&mut context).is_pending());
        assert_eq!(budget.used(), 3);
    }
    assert_eq!(budget.used(), 0, "after a task is cancelled");
}

#[test]
fn a_pool_that_grows_admits_more_and_recovers() {
    let (registry, heard) = registry();
    let pool = track("pool").capacity(10).registry(&registry).budget();
    let eight = pool.try_reserve(8).unwrap();
    pool.set_capacity(20);
    assert!(!pool.has_warned());
    let recovered = (LimitEventKind::Recovered, 8);
    assert_eq!(
        kinds(&heard),
        [(LimitEventKind::NearCapacity, 8), recovered]
    );
    pool.set_thresholds(Thresholds::new(30, 10).unwrap());
    assert!(pool.has_warned());
    pool.set_capacity(4);
    assert_eq!(
        (pool.used(), pool.remaining(), pool.fill_percent()),
        (8, 0, 200)
    );
    pool.try_reserve(1).unwrap_err();
    drop(pool.try_reserve(0).unwrap());
    drop(eight);
}

#[test]
fn threads_never_exceed_it() {
    const ROUNDS: usize = native_or_miri(20_000, 40);
    let (registry, heard) = registry();
    let budget = track("contended").capacity(5).registry(&registry).budget();
    thread::scope(|scope| {
        for amount in 1..=3 {
            let budget = &budget;
            scope.spawn(move || {
                for _ in 0..ROUNDS {
                    let held = budget.try_reserve_owned(amount);
                    assert!(budget.used() <= 5);
                    drop(held);
                }
            });
        }
    });
    flush_events(SOME_TIME).unwrap();
    assert_eq!((budget.used(), budget.has_warned()), (0, false));
    let heard = kinds(&heard);
    assert_eq!(heard.len(), 2 * budget.warnings());
    for (position, (kind, _)) in heard.iter().enumerate() {
        let expected = [LimitEventKind::NearCapacity, LimitEventKind::Recovered];
        assert_eq!(*kind, expected[position % 2]);
    }
}
