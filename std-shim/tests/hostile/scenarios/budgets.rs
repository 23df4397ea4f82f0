//! Budgets whose observers are hostile: whatever they do, what is in use is right.

use std::cell::{Cell, RefCell};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    Budget, OwnedReservation, QueueRegistry, flush_events, set_limit_event_handler,
    set_limit_warning_handler, track,
};

use super::Scenario;
use super::log::Log;
use crate::foreign::on_allocation;

pub(super) const ALL: &[Scenario] = &[
    (
        "observers that panic take nothing of a budget",
        panicking_observers,
    ),
    (
        "observers reserve of the budget that warns",
        reserving_observers,
    ),
    (
        "an observer drops what was reserved, and the budget with it",
        dropping_observer,
    ),
    ("giving back allocates nothing", giving_back_without_memory),
    (
        "what a thread holds is given back when it ends, whatever observers do",
        giving_back_at_the_end_of_a_thread,
    ),
    (
        "what is given back with no threads is delivered by a flush",
        giving_back_without_threads,
    ),
];

const SOME_TIME: Duration = Duration::from_secs(5);

/// A budget whose every kind of observer calls `act`.
fn observed_by_all(act: impl Fn(&Budget) + Clone + Send + Sync + 'static) -> Arc<Budget> {
    let budget: Arc<Mutex<Weak<Budget>>> = Arc::default();
    let of_budget = Arc::clone(&budget);
    let act = move || {
        let budget = of_budget.lock().unwrap().upgrade();
        if let Some(budget) = budget {
            act(&budget);
        }
    };
    let acts = [(); 5].map(|()| act.clone());
    let [in_log, in_warning, in_event, in_registry, in_sink] = acts;
    Log::install().on_line(move |_| in_log());
    set_limit_warning_handler(Box::new(move |_| in_warning()));
    set_limit_event_handler(Box::new(move |_| in_event()));
    let registry = QueueRegistry::new("hostile").sink(move |_| in_registry());
    let made = track("observed by all")
        .capacity(8)
        .registry(&registry)
        .sink(move |_| in_sink())
        .budget();
    *budget.lock().unwrap() = Arc::downgrade(&made);
    made
}

/// Reserves and gives back on some threads, then says whether nothing is left.
fn exercise(budget: &Arc<Budget>) {
    thread::scope(|scope| {
        for amount in [1, 3, 8] {
            scope.spawn(move || {
                for _ in 0..50 {
                    let borrowed = budget.try_reserve(amount);
                    let owned = budget.try_reserve_owned(1);
                    drop((borrowed, owned));
                }
            });
        }
    });
    flush_events(SOME_TIME).unwrap();
    let all = budget.try_reserve(8).unwrap();
    flush_events(SOME_TIME).unwrap();
    assert!(budget.has_warned());
    drop(all);
    flush_events(SOME_TIME).unwrap();
    assert_eq!((budget.used(), budget.has_warned()), (0, false));
    assert!(budget.warnings() > 0 && budget.high_water() <= 8);
}

fn panicking_observers() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let budget = observed_by_all(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        panic!("disk full");
    });
    exercise(&budget);
    assert!(calls.load(Ordering::Relaxed) > 2);
}

fn reserving_observers() {
    let budget = observed_by_all(|budget| {
        drop(budget.try_reserve(1));
        drop(budget.try_reserve(100));
        let snapshot = budget.snapshot();
        assert!(snapshot.depth <= 8);
    });
    exercise(&budget);
    assert!(budget.refused() > 0);
}

fn dropping_observer() {
    let shelf: Arc<Mutex<Vec<OwnedReservation>>> = Arc::default();
    let shelved = Arc::clone(&shelf);
    let budget = observed_by_all(move |_| {
        let reservations = shelved.lock().map(|mut shelf| std::mem::take(&mut *shelf));
        drop(reservations.unwrap());
    });
    for _ in 0..20 {
        let reserved = budget.try_reserve_owned(3).unwrap();
        shelf.lock().unwrap().push(reserved);
        let rest = budget.try_reserve_owned(5).unwrap();
        flush_events(SOME_TIME).unwrap();
        assert!(shelf.lock().unwrap().is_empty());
        drop(rest);
        flush_events(SOME_TIME).unwrap();
        assert_eq!((budget.used(), budget.has_warned()), (0, false));
    }
    // The last reference is what the observer drops.
    let reserved = budget.try_reserve_owned(3).unwrap();
    shelf.lock().unwrap().push(reserved);
    let rest = budget.try_reserve_owned(5).unwrap();
    let gone = Arc::downgrade(&budget);
    drop((budget, rest));
    flush_events(SOME_TIME).unwrap();
    shelf.lock().unwrap().clear();
    assert!(gone.upgrade().is_none());
}

fn giving_back_without_threads() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let budget = observed_by_all(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    let all = budget.try_reserve_owned(7).unwrap();
    let in_place = calls.load(Ordering::Relaxed);
    assert_eq!(in_place, 5, "one of each kind");
    drop(all);
    assert_eq!(calls.load(Ordering::Relaxed), in_place);
    flush_events(SOME_TIME).unwrap();
    // The handler of warnings hears of no recovery.
    assert_eq!(calls.load(Ordering::Relaxed), 2 * in_place - 1);
    assert!(!budget.has_warned());
}

fn giving_back_without_memory() {
    thread_local! {
        static GIVES_BACK: Cell<bool> = const { Cell::new(false) };
    }
    static ASKED: AtomicUsize = AtomicUsize::new(0);

    on_allocation(|| {
        ASKED.fetch_add(usize::from(GIVES_BACK.get()), Ordering::SeqCst);
    });
    let budget = observed_by_all(|_| {});
    for _ in 0..3 {
        let all = budget.try_reserve_owned(8).unwrap();
        GIVES_BACK.set(true);
        drop(all);
        GIVES_BACK.set(false);
        flush_events(SOME_TIME).unwrap();
        assert!(!budget.has_warned());
    }
    assert_eq!(ASKED.load(Ordering::SeqCst), 0);
}

/// In a destructor of the thread, when other values of the thread may be gone.
fn giving_back_at_the_end_of_a_thread() {
    thread_local! {
        static HELD: RefCell<Vec<OwnedReservation>> = const { RefCell::new(Vec::new()) };
    }
    let budget = observed_by_all(|_| panic!("disk full"));
    for _ in 0..50 {
        let shared = Arc::clone(&budget);
        let ended = thread::spawn(move || {
            // Before and after what the crate has for a thread.
            HELD.with_borrow_mut(Vec::clear);
            let all = shared.try_reserve_owned(8).unwrap();
            HELD.with_borrow_mut(|held| held.push(all));
        });
        ended.join().unwrap();
        assert_eq!(budget.used(), 0);
    }
    flush_events(SOME_TIME).unwrap();
    assert!(!budget.has_warned() && budget.warnings() > 0);
}
