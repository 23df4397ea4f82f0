//! The same operations on the original and on this crate, in one thread, read the same after each
//! of them.

use std::cell::{Cell, RefCell};

use agentos_bridge::queue_tracker as original;
use fillgauge_std::{QueueRegistry, TrackedLimit, set_limit_warning_handler};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;

use crate::handler_turn;

/// Name, category, observed depth, capacity, fill.
type Warning = (&'static str, &'static str, usize, usize, usize);

thread_local! {
    static THEIRS: RefCell<Vec<Warning>> = const { RefCell::new(Vec::new()) };
    static OURS: RefCell<Vec<Warning>> = const { RefCell::new(Vec::new()) };
}

#[derive(Clone, Copy, Debug)]
enum Operation {
    Enqueue,
    Dequeue,
    Observe(usize),
}

/// Runs of one operation, long enough to cross the thresholds of a capacity up to 300, and
/// observations around any capacity. The capacity is at most what the original computes without
/// saturation.
fn histories() -> impl Strategy<Value = (usize, Vec<(Operation, usize)>)> {
    let capacities = prop_oneof![0..=300_usize, 0..=20_usize, 301..=usize::MAX / 300];
    capacities.prop_flat_map(|capacity| {
        let depth = prop_oneof![0..=capacity + 2, 0..=capacity.saturating_mul(2)];
        let operation = prop_oneof![
            3 => Just(Operation::Enqueue),
            3 => Just(Operation::Dequeue),
            2 => depth.prop_map(Operation::Observe),
        ];
        let run = (operation, 1..=capacity.clamp(3, 120));
        (Just(capacity), prop::collection::vec(run, 0..20))
    })
}

#[test]
fn any_history_reads_as_on_the_original() {
    let _turn = handler_turn();
    // The two types of warnings have the same fields.
    macro_rules! keep_in {
        ($warnings:ident) => {
            Box::new(|warning| {
                let name = warning.name.as_str();
                let category = warning.category.as_str();
                let (observed, capacity) = (warning.observed, warning.capacity);
                let seen = (name, category, observed, capacity, warning.fill_percent);
                $warnings.with_borrow_mut(|warnings| warnings.push(seen));
            })
        };
    }
    original::set_limit_warning_handler(keep_in!(THEIRS));
    set_limit_warning_handler(keep_in!(OURS));
    let warnings_seen = Cell::new(0);
    TestRunner::default()
        .run(&histories(), |(capacity, history)| {
            warnings_seen.set(warnings_seen.get() + compare(capacity, &history)?);
            Ok(())
        })
        .unwrap();
    set_limit_warning_handler(Box::new(|_| {}));
    let warnings_seen = warnings_seen.get();
    assert!(
        warnings_seen > 100,
        "only {warnings_seen} warnings: the histories cross too rarely"
    );
}

/// Returns how many warnings there were.
fn compare(capacity: usize, history: &[(Operation, usize)]) -> Result<usize, TestCaseError> {
    let (their_registry, our_registry) =
        (original::QueueRegistry::default(), QueueRegistry::default());
    let theirs = their_registry.register(original::TrackedLimit::PendingKernelStdinBytes, capacity);
    let ours = our_registry.register(TrackedLimit::PendingKernelStdinBytes, capacity);
    THEIRS.take();
    OURS.take();
    for &(operation, times) in history {
        for _ in 0..times {
            match operation {
                Operation::Enqueue => {
                    theirs.record_enqueue();
                    ours.record_enqueue();
                }
                Operation::Dequeue => {
                    theirs.record_dequeue();
                    ours.record_dequeue();
                }
                Operation::Observe(depth) => {
                    theirs.observe_depth(depth);
                    ours.observe_depth(depth);
                }
            }
            let (their_entry, our_entry) =
                (&their_registry.snapshot()[0], &our_registry.snapshot()[0]);
            prop_assert_eq!(our_entry.depth, their_entry.depth);
            prop_assert_eq!(our_entry.high_water, their_entry.high_water);
            prop_assert_eq!(our_entry.fill_percent, their_entry.fill_percent);
            prop_assert_eq!(our_entry.capacity, their_entry.capacity);
            prop_assert_eq!(OURS.with_borrow(Vec::clone), THEIRS.with_borrow(Vec::clone));
        }
    }
    Ok(OURS.take().len())
}
