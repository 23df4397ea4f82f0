//! A budget in a registry, and what is reserved of it through one of its handles.

use std::collections::VecDeque;
use std::fmt;
use std::ptr::NonNull;

use fillgauge::{BudgetHandle, LimitExceeded, Reservation};

use super::gauge::{Figures, LIMIT, ReferenceGauge};
use super::history::Operation;
use crate::recorder::{kind, take_events};

pub(super) struct HeldBudget {
    /// They borrow the handle, and are dropped before it.
    reservations: VecDeque<Reservation<'static>>,
    handle: NonNull<BudgetHandle>,
}

impl HeldBudget {
    pub(super) fn new(handle: BudgetHandle) -> Self {
        Self {
            reservations: VecDeque::new(),
            handle: NonNull::from(Box::leak(Box::new(handle))),
        }
    }

    fn handle(&self) -> &'static BudgetHandle {
        // SAFETY: it comes from a box, which lives as long as this. Only the reservations keep the
        // reference for longer than a method.
        #[allow(unsafe_code)]
        unsafe {
            self.handle.as_ref()
        }
    }

    /// Reserves for what would put in, gives back for what would take out. Compares the budget with
    /// the reference, and returns the kinds of the events.
    pub(super) fn act(
        &mut self,
        reference: &mut ReferenceGauge,
        operation: Operation,
        at: fmt::Arguments<'_>,
    ) -> Vec<char> {
        let budget = self.handle();
        match operation {
            Operation::EnqueueOne => self.reserve(reference, 1, at),
            Operation::Enqueue(amount) => {
                let n = amount.of(reference);
                self.reserve(reference, n, at)
            }
            Operation::Hold(amount) => {
                let n = amount.of(reference);
                let mut kinds = self.reserve(reference, n, at);
                kinds.extend(self.give_back(reference, true, at));
                kinds
            }
            Operation::DequeueOne | Operation::Dequeue(_) => self.give_back(reference, false, at),
            Operation::Observe(amount) => {
                let n = amount.of(reference);
                self.split_and_merge(n);
                compare(budget, reference, Vec::new(), at)
            }
            Operation::Clear => {
                let mut kinds = Vec::new();
                while !self.reservations.is_empty() {
                    kinds.extend(self.give_back(reference, false, at));
                }
                kinds
            }
            Operation::Refuse(_) => compare(budget, reference, Vec::new(), at),
            Operation::SetCapacity(amount) => {
                let capacity = amount.of(reference);
                budget.set_capacity(capacity);
                let expected = reference.set_capacity(capacity);
                compare(budget, reference, expected, at)
            }
            Operation::SetThresholds(thresholds) => {
                budget.set_thresholds(thresholds);
                assert_eq!(budget.thresholds(), thresholds);
                let expected = reference.set_thresholds(thresholds);
                compare(budget, reference, expected, at)
            }
        }
    }

    /// Gives back all that was reserved through this handle.
    pub(super) fn end(mut self, reference: &mut ReferenceGauge) -> Vec<char> {
        self.act(reference, Operation::Clear, format_args!("the end"))
    }

    fn reserve(
        &mut self,
        reference: &mut ReferenceGauge,
        n: usize,
        at: fmt::Arguments<'_>,
    ) -> Vec<char> {
        let budget = self.handle();
        let (used, capacity) = (budget.used(), budget.capacity());
        let figures = |exceeded: LimitExceeded| {
            (
                exceeded.limit(),
                exceeded.requested(),
                exceeded.used(),
                exceeded.capacity(),
            )
        };
        let expected = reference.reserve(n);
        match budget.try_reserve(n) {
            Ok(reservation) => {
                assert_eq!(reservation.amount(), n, "{at}");
                self.reservations.push_back(reservation);
                let expected = expected.unwrap_or_else(|| panic!("admitted: {at}"));
                compare(budget, reference, expected, at)
            }
            Err(exceeded) => {
                assert_eq!(figures(exceeded), (&LIMIT, n, used, capacity), "{at}");
                assert_eq!(expected, None, "refused: {at}");
                compare(budget, reference, Vec::new(), at)
            }
        }
    }

    fn give_back(
        &mut self,
        reference: &mut ReferenceGauge,
        newest: bool,
        at: fmt::Arguments<'_>,
    ) -> Vec<char> {
        let reservation = if newest {
            self.reservations.pop_back()
        } else {
            self.reservations.pop_front()
        };
        let Some(reservation) = reservation else {
            return Vec::new();
        };
        let expected = reference.give_back(reservation.amount());
        drop(reservation);
        compare(self.handle(), reference, expected, at)
    }

    /// The oldest reservation becomes two, and what is left of it goes into the next.
    fn split_and_merge(&mut self, n: usize) {
        let Some(mut oldest) = self.reservations.pop_front() else {
            return;
        };
        let amount = oldest.amount();
        let part = oldest.split(n);
        assert_eq!(part.is_some(), n <= amount);
        if let Some(part) = part {
            assert_eq!((part.amount(), oldest.amount()), (n, amount - n));
            self.reservations.push_back(part);
        }
        match self.reservations.front_mut() {
            Some(next) => next.merge(oldest).expect("it is of the same budget"),
            None => self.reservations.push_front(oldest),
        }
    }
}

fn compare(
    budget: &BudgetHandle,
    reference: &ReferenceGauge,
    expected: Vec<char>,
    at: fmt::Arguments<'_>,
) -> Vec<char> {
    let figures = reference.figures();
    assert_eq!(Figures::from(budget), figures, "read one by one: {at}");
    assert_eq!(Figures::from(&budget.snapshot()), figures, "snapshot: {at}");
    let kinds: Vec<char> = take_events().iter().map(kind).collect();
    assert_eq!(kinds, expected, "events: {at}");
    kinds
}

/// Another handle, through which nothing is reserved yet.
impl Clone for HeldBudget {
    fn clone(&self) -> Self {
        Self::new(self.handle().clone())
    }
}

impl fmt::Debug for HeldBudget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle().fmt(f)
    }
}

impl Drop for HeldBudget {
    fn drop(&mut self) {
        self.reservations.clear();
        // SAFETY: it comes from a box, and nothing borrows it any more.
        #[allow(unsafe_code)]
        drop(unsafe { Box::from_raw(self.handle.as_ptr()) });
    }
}
