//! Random programs on a budget that tasks share.

use std::sync::Arc;
use std::time::Duration;

use fillgauge_shuttle_tests::{explore, pick};
use fillgauge_std::{
    Budget, LimitEventKind, OwnedReservation, QueueRegistry, flush_events, refuse_threads, track,
};
use shuttle::sync::Mutex;
use shuttle::thread;

const CAPACITY: usize = 5;

/// What the sink has seen: kind, depth, and whether its thread was giving something back.
#[derive(Clone, Default)]
struct Seen(Arc<std::sync::Mutex<Vec<(LimitEventKind, usize)>>>);

shuttle::thread_local! {
    static GIVES_BACK: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

fn give_back<T>(what: T) {
    GIVES_BACK.with(|gives_back| gives_back.set(true));
    drop(what);
    GIVES_BACK.with(|gives_back| gives_back.set(false));
}

/// Reserves, gives back, hands over to other tasks, and reports.
fn work(budget: &Arc<Budget>, registry: &QueueRegistry, shelf: &Mutex<Vec<OwnedReservation>>) {
    let mut held = Vec::new();
    for _ in 0..pick(&[2, 4, 6]) {
        match pick(&[0, 0, 0, 1, 1, 2, 3, 4]) {
            0 => held.extend(budget.try_reserve_owned(pick(&[1, 2, 4, 6]))),
            1 => give_back(held.pop()),
            2 => {
                let handed_over = held.pop();
                let taken = {
                    let mut shelf = shelf.lock().unwrap();
                    let taken = shelf.pop();
                    shelf.extend(handed_over);
                    taken
                };
                held.extend(taken);
            }
            3 => {
                let report = registry.report();
                assert!(report.gauges[0].depth <= CAPACITY);
            }
            _ => drop(flush_events(Duration::ZERO)),
        }
        assert!(budget.used() <= CAPACITY);
        assert!(budget.high_water() <= CAPACITY);
    }
    give_back(held);
}

fn program(may_start_threads: bool) {
    refuse_threads(!may_start_threads);
    let seen = Seen::default();
    let list = seen.clone();
    let registry = QueueRegistry::new("budgets").silent().sink(move |event| {
        GIVES_BACK.with(|gives_back| assert!(!gives_back.get(), "an observer in a drop"));
        let depth = event.core_event().snapshot().depth;
        if event.kind() != LimitEventKind::Full {
            list.0.lock().unwrap().push((event.kind(), depth));
        }
        thread::yield_now();
    });
    let limit = track("budget").capacity(CAPACITY).registry(&registry);
    let budget = if pick(&[true, false]) {
        limit.budget()
    } else {
        limit.background().budget()
    };
    let shelf = Arc::new(Mutex::new(Vec::new()));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (budget, registry, shelf) =
                (Arc::clone(&budget), registry.clone(), Arc::clone(&shelf));
            thread::spawn(move || work(&budget, &registry, &shelf))
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    shelf.lock().unwrap().clear();
    while flush_events(Duration::MAX).is_err() {
        thread::yield_now();
    }
    assert_eq!((budget.used(), budget.has_warned()), (0, false));
    let warnings = budget.warnings();
    drop(budget);
    let report = registry.report();
    assert!(report.gauges.is_empty());
    assert_eq!(report.limits[0].warnings, warnings);

    let seen = seen.0.lock().unwrap();
    for (position, (kind, depth)) in seen.iter().enumerate() {
        let is_warning = position % 2 == 0;
        let expected = if is_warning {
            LimitEventKind::NearCapacity
        } else {
            LimitEventKind::Recovered
        };
        assert_eq!(*kind, expected, "{seen:?}");
        assert!(
            if is_warning { *depth >= 4 } else { *depth <= 2 },
            "{seen:?}"
        );
    }
    assert_eq!(seen.len(), 2 * warnings, "{seen:?}");
}

#[test]
fn tasks_share_a_budget() {
    explore(4_000, || program(true));
}

#[test]
fn tasks_share_a_budget_where_no_thread_can_be_started() {
    explore(1_000, || program(false));
}
