//! A limit that is enforced.

use std::future::{Future, pending};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use fillgauge::{
    Budget, GaugeConfig, Limit, LimitEvent, LimitEventKind, LimitExceeded, LimitSink, Reservation,
    Thresholds,
};
use proptest::prelude::*;

use crate::recorder::{RECORDER, kind, take_events};
use crate::short_events;
use crate::size::native_or_miri;

static BYTES: Limit = Limit::memory("bytes");

fn budget(capacity: usize) -> Budget {
    Budget::new(&BYTES, capacity).with_sink(&RECORDER)
}

#[test]
fn it_warns_is_full_and_recovers_as_a_gauge_does() {
    let budget = budget(10);
    let first = budget.try_reserve(8).unwrap();
    let second = budget.try_reserve(2).unwrap();
    assert_eq!((budget.used(), budget.remaining()), (10, 0));
    drop(first);
    assert_eq!(short_events(), [('+', 8), ('=', 10), ('-', 2)]);
    assert_eq!((budget.high_water(), budget.warnings()), (10, 1));
    drop(second);
    assert_eq!(budget.used(), 0);
}

#[test]
fn what_does_not_fit_is_refused_and_counted() {
    let budget = budget(10);
    let _held = budget.try_reserve(4).unwrap();
    for (n, fits) in [(7, false), (usize::MAX, false), (6, true), (0, true)] {
        match budget.try_reserve(n) {
            Ok(_) => assert!(fits, "{n}"),
            Err(exceeded) => {
                assert!(!fits, "{n}");
                let expected = format!("limit exceeded: {n} more for `bytes` (4 of 10 in use)");
                assert_eq!(exceeded.to_string(), expected);
            }
        }
        assert_eq!(budget.used(), 4, "{n}");
    }
    let snapshot = budget.snapshot();
    assert_eq!((snapshot.refused, snapshot.totals), (2, None));
    assert_eq!((snapshot.depth, snapshot.high_water), (4, 10));
}

#[test]
fn capacity_0_admits_nothing_but_0() {
    for config in [
        GaugeConfig::new(&BYTES, 0),
        GaugeConfig::for_queue(&BYTES, 0),
        GaugeConfig::rendezvous(&BYTES),
    ] {
        let budget = Budget::with_config(config).with_sink(&RECORDER);
        assert!(budget.try_reserve(1).is_err());
        assert!(budget.try_reserve(0).is_ok());
        assert_eq!((budget.used(), budget.remaining()), (0, 0));
        assert!(take_events().is_empty());
    }
}

#[test]
fn what_a_smaller_capacity_has_no_room_for_stays() {
    let budget = budget(10);
    let mut held = budget.try_reserve(9).unwrap();
    budget.set_capacity(5);
    assert_eq!((budget.used(), budget.fill_percent()), (9, 180));
    assert!(budget.try_reserve(1).is_err());
    drop(held.split(5));
    drop(budget.try_reserve(1).unwrap());
    budget.set_capacity(0);
    assert!(budget.has_warned(), "more is in use than there may be");
    drop(held);
    assert!(!budget.has_warned());
    let kinds: String = take_events().iter().map(kind).collect();
    assert_eq!(kinds, "+=-");
}

#[test]
fn other_thresholds_hold_at_once() {
    let budget = budget(10);
    let held = budget.try_reserve(6).unwrap();
    budget.set_thresholds(Thresholds::new(60, 20).unwrap());
    assert_eq!(budget.thresholds().warn_percent(), 60);
    budget.set_thresholds(Thresholds::new(90, 70).unwrap());
    drop(held);
    assert_eq!(short_events(), [('+', 6), ('-', 6)]);
}

#[test]
fn a_reservation_is_split_merged_and_forgotten() {
    let (budget, other) = (budget(10), budget(10));
    let mut all = budget.try_reserve(10).unwrap();
    let part = all.split(4).unwrap();
    assert_eq!((all.amount(), part.amount()), (6, 4));
    assert!(all.split(7).is_none());
    assert_eq!(all.amount(), 6, "a split that fails takes nothing");
    assert!(all.merge(part).is_ok());
    let foreign = other.try_reserve(1).unwrap();
    let foreign = all.merge(foreign).unwrap_err();
    assert_eq!((foreign.amount(), all.amount()), (1, 10));
    drop(foreign);
    assert_eq!((all.forget(), budget.used(), other.used()), (10, 10, 0));
    take_events();
}

#[test]
fn it_gives_back_however_its_scope_ends() {
    fn returns_early(budget: &Budget) -> Result<(), LimitExceeded> {
        let _held = budget.try_reserve(8)?;
        let _more = budget.try_reserve(8)?;
        Ok(())
    }
    let budget = budget(10);
    assert!(returns_early(&budget).is_err());
    assert_eq!(budget.used(), 0);

    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let _held = budget.try_reserve(8);
        panic!("in the scope of a reservation");
    }));
    assert!(outcome.is_err() && budget.used() == 0);

    {
        let request = async {
            let _held = budget.try_reserve(8);
            pending::<()>().await;
        };
        let mut request = pin!(request);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(request.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(budget.used(), 8);
    }
    assert_eq!(budget.used(), 0, "the future is cancelled");
    take_events();
}

#[test]
fn a_sink_that_panics_leaves_nothing_reserved() {
    struct Panics;
    impl LimitSink for Panics {
        fn on_event(&self, event: &LimitEvent) {
            assert!(!matches!(event, LimitEvent::NearCapacity(_)), "broken");
        }
    }
    let budget = Budget::new(&BYTES, 10).with_sink(&Panics);
    let outcome = catch_unwind(AssertUnwindSafe(|| budget.try_reserve(8).is_ok()));
    assert!(outcome.is_err());
    assert_eq!((budget.used(), budget.has_warned()), (0, false));
}

/// A sink that itself requests and gives back. It is not called within its own call, and what it
/// leaves is checked when it returns.
#[test]
fn a_sink_may_use_the_budget() {
    struct Requests;
    static SEEN: Mutex<Vec<(LimitEventKind, usize)>> = Mutex::new(Vec::new());
    static KEPT: Mutex<Option<Reservation<'_>>> = Mutex::new(None);
    static BUDGET: Budget = Budget::new(&BYTES, 10).with_sink(&Requests);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    impl LimitSink for Requests {
        fn on_event(&self, event: &LimitEvent) {
            assert_eq!(CALLS.fetch_add(1, Ordering::Relaxed), 0, "nested");
            SEEN.lock()
                .unwrap()
                .push((event.kind(), event.snapshot().depth));
            match event.kind() {
                LimitEventKind::NearCapacity => {
                    *KEPT.lock().unwrap() = BUDGET.try_reserve(2).ok();
                    assert!(BUDGET.try_reserve(1).is_err());
                }
                LimitEventKind::Full => drop(KEPT.lock().unwrap().take()),
                _ => assert!(BUDGET.try_reserve(1).is_ok()),
            }
            CALLS.fetch_sub(1, Ordering::Relaxed);
        }
    }
    let held = BUDGET.try_reserve(8).unwrap();
    assert_eq!((BUDGET.used(), BUDGET.has_warned()), (8, true));
    drop(held);
    assert_eq!((BUDGET.used(), BUDGET.has_warned()), (0, false));
    let seen = SEEN.lock().unwrap();
    let expected = [
        (LimitEventKind::NearCapacity, 8),
        (LimitEventKind::Full, 10),
        (LimitEventKind::Recovered, 0),
    ];
    assert_eq!(*seen, expected);
}

/// Two requests of which one fits: the one that comes second is refused.
#[test]
fn one_of_two_requests_always_gets_it() {
    let budget = Budget::new(&BYTES, 10);
    let admitted = AtomicUsize::new(0);
    let rounds = native_or_miri(20_000, 10);
    let request = || {
        for _ in 0..rounds {
            let held = budget.try_reserve(6);
            admitted.fetch_add(usize::from(held.is_ok()), Ordering::Relaxed);
            assert!(budget.used() <= 10);
        }
    };
    thread::scope(|scope| {
        scope.spawn(request);
        scope.spawn(request);
    });
    let admitted = admitted.into_inner();
    assert_eq!(admitted + budget.refused(), 2 * rounds);
    assert!(admitted >= rounds, "{admitted}");
    assert_eq!((budget.used(), budget.has_warned()), (0, false));
    assert!(budget.high_water() <= 10);
}

/// What is done to a budget. A reservation is named by a number, modulo how many there are.
#[derive(Clone, Debug)]
enum Operation {
    Reserve(usize),
    Drop(usize),
    Split(usize, usize),
    Merge(usize),
    SetCapacity(usize),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let amount = prop_oneof![0..12_usize, any::<usize>()];
    let operation = prop_oneof![
        4 => amount.clone().prop_map(Operation::Reserve),
        3 => any::<usize>().prop_map(Operation::Drop),
        1 => (any::<usize>(), 0..6_usize).prop_map(|(number, n)| Operation::Split(number, n)),
        1 => any::<usize>().prop_map(Operation::Merge),
        1 => amount.prop_map(Operation::SetCapacity),
    ];
    prop::collection::vec(operation, 0..100)
}

proptest! {
    #[test]
    fn any_history_is_that_of_plain_integers(
        mut capacity in prop_oneof![0..20_usize, any::<usize>()],
        operations in operations(),
    ) {
        take_events();
        let budget = budget(capacity);
        let mut held: Vec<Reservation<'_>> = Vec::new();
        let (mut most, mut refused) = (0, 0);
        let (mut warned, mut full, mut kinds) = (false, false, String::new());
        for operation in operations {
            let of = |number: usize| number % held.len();
            let used: usize = held.iter().map(Reservation::amount).sum();
            match operation {
                Operation::Reserve(n) => match budget.try_reserve(n) {
                    Ok(reservation) => {
                        prop_assert!(n == 0 || used as u128 + n as u128 <= capacity as u128);
                        held.push(reservation);
                    }
                    Err(exceeded) => {
                        prop_assert!(used as u128 + n as u128 > capacity as u128);
                        prop_assert_eq!((exceeded.requested(), exceeded.used()), (n, used));
                        prop_assert_eq!(exceeded.capacity(), capacity);
                        refused += 1;
                    }
                },
                Operation::SetCapacity(n) => {
                    capacity = n;
                    budget.set_capacity(n);
                }
                _ if held.is_empty() => {}
                Operation::Drop(number) => drop(held.swap_remove(of(number))),
                Operation::Split(number, n) => {
                    let number = of(number);
                    let part = held[number].split(n);
                    held.extend(part);
                }
                Operation::Merge(number) => {
                    let other = held.swap_remove(of(number));
                    match held.last_mut() {
                        Some(last) => prop_assert!(last.merge(other).is_ok()),
                        None => held.push(other),
                    }
                }
            }
            let used: usize = held.iter().map(Reservation::amount).sum();
            most = most.max(used);
            let thresholds = Thresholds::DEFAULT;
            if !warned && used >= thresholds.warn_depth(capacity) {
                warned = true;
                kinds.push('+');
            }
            let is_low = used <= thresholds.rearm_depth(capacity);
            if warned && !full && used >= capacity && !is_low {
                full = true;
                kinds.push('=');
            }
            if warned && is_low {
                (warned, full) = (false, false);
                kinds.push('-');
            }
            prop_assert_eq!(budget.used(), used);
            prop_assert_eq!(budget.remaining(), capacity.saturating_sub(used));
            prop_assert_eq!((budget.high_water(), budget.refused()), (most, refused));
            prop_assert_eq!(budget.has_warned(), warned);
        }
        drop(held);
        if warned {
            kinds.push('-');
        }
        let events: String = take_events().iter().map(kind).collect();
        prop_assert_eq!(events, kinds);
        prop_assert_eq!(budget.used(), 0);
    }
}
