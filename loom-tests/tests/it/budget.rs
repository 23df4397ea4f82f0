//! Requests that meet: what fits is admitted, what does not is refused, and the alarm suits what is
//! in use.

use fillgauge::{Budget, Limit};
use fillgauge_loom_tests::{explore, leaked};
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::SeqCst;
use loom::thread;

static BYTES: Limit = Limit::memory("bytes");

/// What admits and refuses.
trait Limits: Sync {
    fn try_reserve(&self, n: usize) -> bool;
}

impl Limits for Budget {
    fn try_reserve(&self, n: usize) -> bool {
        Budget::try_reserve(self, n)
            .map(|held| held.forget())
            .is_ok()
    }
}

/// Adds, looks, and takes back: as many do by hand.
struct AddsAndTakesBack {
    used: AtomicUsize,
    capacity: usize,
}

impl Limits for AddsAndTakesBack {
    fn try_reserve(&self, n: usize) -> bool {
        if self.used.fetch_add(n, SeqCst) + n <= self.capacity {
            return true;
        }
        self.used.fetch_sub(n, SeqCst);
        false
    }
}

/// Two requests fit one after the other, and not together: one of them gets it.
#[test]
fn one_of_two_requests_gets_it() {
    explore(None, 10, || {
        let budget = leaked(Budget::new(&BYTES, 3));
        let other = thread::spawn(|| budget.try_reserve(2).is_ok_and(|held| held.forget() == 2));
        let admitted = budget.try_reserve(2).is_ok_and(|held| held.forget() == 2);
        assert!(admitted != other.join().unwrap(), "both or neither");
    });
}

/// A request that never fits meets one that does.
fn check_greedy<L: Limits + 'static>(floor: usize, limits: impl Fn() -> L + Send + Sync + 'static) {
    explore(None, floor, move || {
        let limits: &'static L = leaked(limits());
        let greedy = thread::spawn(|| limits.try_reserve(4));
        assert!(limits.try_reserve(2), "refused falsely");
        assert!(!greedy.join().unwrap(), "more than there is");
    });
}

#[test]
fn a_request_that_never_fits_keeps_no_other_out() {
    check_greedy(5, || Budget::new(&BYTES, 3));
}

#[test]
#[should_panic(expected = "refused falsely")]
fn canary_that_adds_and_takes_back() {
    check_greedy(1, || AddsAndTakesBack {
        used: AtomicUsize::new(0),
        capacity: 3,
    });
}

/// A request meets one that ends. Afterwards the alarm is as what is in use demands.
#[test]
fn a_request_meets_a_reservation_that_ends() {
    explore(Some(3), 50, || {
        let budget = leaked(Budget::new(&BYTES, 4));
        let held = budget.try_reserve(2).unwrap();
        let ends = thread::spawn(move || drop(held));
        let more = budget.try_reserve(2).unwrap();
        ends.join().unwrap();
        assert_eq!(budget.used(), 2);
        assert!(!budget.has_warned(), "2 of 4 are 50 %: {budget:?}");
        drop(more);
    });
}

/// A request that overlaps a change goes by the old or the new capacity.
#[test]
fn a_request_meets_a_smaller_capacity() {
    explore(Some(3), 50, || {
        let budget = leaked(Budget::new(&BYTES, 10));
        let setter = thread::spawn(|| budget.set_capacity(2));
        let held = budget.try_reserve(2).unwrap();
        setter.join().unwrap();
        assert!(budget.has_warned(), "2 of 2: {budget:?}");
        assert!(budget.try_reserve(1).is_err());
        drop(held);
        assert!(!budget.has_warned());
    });
}
