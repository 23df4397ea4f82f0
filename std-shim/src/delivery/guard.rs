//! The one place where foreign code is called: subscribers, handlers, and the destructors of what
//! they own and of what they panic with.
//!
//! No lock of this crate is held here. A panic ends here.

use std::any::Any;
use std::cell::Cell;
use std::mem;
use std::ops::Deref;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;

use crate::sync::thread_local;

/// What a thread is doing for this crate.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// An operation, or nothing.
    Caller,
    /// It delivers the pending event of the gauge with the outlet at this address.
    Deliverer(usize),
    /// It runs foreign code.
    Observer,
}

thread_local! {
    static ROLE: Cell<Role> = const { Cell::new(Role::Caller) };
}

impl Role {
    pub(crate) fn current() -> Self {
        ROLE.with(Cell::get)
    }

    /// The role of this thread until the result is dropped, then again what it was before.
    pub(crate) fn enter(self) -> Entered {
        Entered(ROLE.with(|role| role.replace(self)))
    }
}

/// A role that ends when this is dropped.
#[must_use]
pub(crate) struct Entered(Role);

impl Drop for Entered {
    fn drop(&mut self) {
        ROLE.with(|role| role.set(self.0));
    }
}

/// Runs `foreign` and drops what it owns. An error is the message of its panic.
pub(crate) fn run(foreign: impl FnOnce()) -> Result<(), String> {
    let _role = Role::Observer.enter();
    panic::catch_unwind(AssertUnwindSafe(foreign)).map_err(|payload| {
        let message = message_of(&*payload);
        drop_payload(payload);
        message
    })
}

/// The same with what `foreign` uses, which is dropped afterwards: never while a panic unwinds, or
/// a second one in a destructor would abort the process.
pub(crate) fn run_with<T>(used: T, foreign: impl FnOnce(&mut T)) -> Result<(), String> {
    let mut used = Some(used);
    let mut ended = run(|| {
        if let Some(value) = &mut used {
            foreign(value);
        }
        drop(used.take());
    });
    if used.is_some() {
        // The panic that was first is the one to report.
        ended = ended.and(run(|| drop(used.take())));
    }
    ended
}

/// Foreign code that is called at one place, and is shared. Each is dropped by itself: two
/// destructors that panic in one unwinding would abort the process.
pub(crate) struct Callees<F: ?Sized>(Vec<Arc<F>>);

impl<F: ?Sized> Callees<F> {
    pub(crate) fn push(&mut self, callee: Arc<F>) {
        self.0.push(callee);
    }
}

impl<F: ?Sized> Drop for Callees<F> {
    fn drop(&mut self) {
        for callee in self.0.drain(..) {
            drop(run(|| drop(callee)));
        }
    }
}

impl<F: ?Sized> Deref for Callees<F> {
    type Target = [Arc<F>];

    fn deref(&self) -> &[Arc<F>] {
        &self.0
    }
}

impl<F: ?Sized> Clone for Callees<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: ?Sized> Default for Callees<F> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Drops what a panic carried. Its destructor may panic too, and so may that of what this one
/// carries: the third is leaked, since there may be no end of them.
fn drop_payload(payload: Box<dyn Any + Send>) {
    let dropped = panic::catch_unwind(AssertUnwindSafe(|| drop(payload)));
    let dropped = dropped.or_else(|second| panic::catch_unwind(AssertUnwindSafe(|| drop(second))));
    if let Err(third) = dropped {
        mem::forget(third);
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "not a string".to_owned()
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    /// Panics when it is dropped, with one of its kind.
    struct Hydra;

    impl Drop for Hydra {
        fn drop(&mut self) {
            panic::panic_any(Hydra);
        }
    }

    #[test]
    fn a_panic_ends_here_whatever_it_carries() {
        assert_eq!(run(|| ()), Ok(()));
        assert_eq!(run(|| panic!("no {}", "room")), Err("no room".to_owned()));
        assert_eq!(run(|| panic!("plain")), Err("plain".to_owned()));
        let not_a_string = Err("not a string".to_owned());
        assert_eq!(run(|| panic::panic_any(7)), not_a_string);
        assert_eq!(run(|| panic::panic_any(Hydra)), not_a_string);
        let owned = Hydra;
        assert_eq!(run(move || drop(owned)), not_a_string);
    }

    #[test]
    fn a_panic_and_another_in_a_destructor_end_here() {
        let ended = run_with(Hydra, |_| panic!("the first"));
        assert_eq!(ended, Err("the first".to_owned()));
        assert_eq!(run_with(Hydra, |_| ()), Err("not a string".to_owned()));
        assert_eq!(run_with(7, |seven| assert_eq!(*seven, 7)), Ok(()));
    }

    #[test]
    fn callees_that_panic_when_they_are_dropped_go_one_by_one() {
        let mut callees = Callees::default();
        for _ in 0..3 {
            callees.push(Arc::new(Hydra));
        }
        let shared = callees.clone();
        drop(callees);
        assert!(shared.iter().all(|callee| Arc::strong_count(callee) == 1));
    }

    #[test]
    fn a_role_ends_with_what_it_was_for() {
        assert!(Role::current() == Role::Caller);
        let deliverer = Role::Deliverer(7).enter();
        let panicked = run(|| {
            assert!(Role::current() == Role::Observer);
            run(|| assert!(Role::current() == Role::Observer)).unwrap();
            assert!(Role::current() == Role::Observer);
            panic!("that is it");
        });
        assert_eq!(panicked, Err("that is it".to_owned()));
        assert!(Role::current() == Role::Deliverer(7));
        drop(deliverer);
        assert!(Role::current() == Role::Caller);
    }
}
