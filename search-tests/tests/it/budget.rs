//! Requests of a budget meet each other, what is given back, and changes of the capacity.

use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use fillgauge::modelled::AtomicUsize;
use fillgauge_search_tests::history::Points;
use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise;
use fillgauge_search_tests::search::Settings;
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};
use fillgauge_search_tests::subject::{Figures, Subject};

use crate::pairs::{CAPACITY, MOST_STATES, REARM, THRESHOLDS, WARN, pairs_of};

fn program(before: &[Op], threads: Vec<Vec<Op>>, sink: Sink) -> Program {
    Program {
        capacity: CAPACITY,
        thresholds: THRESHOLDS,
        kind: Kind::Budget,
        before: before.to_vec(),
        threads,
        sink,
    }
}

/// So much is in use, and it has not warned, or it has.
fn pasts() -> Vec<Vec<Op>> {
    let mut pasts = vec![vec![]];
    pasts.extend([REARM, WARN - 1, WARN, CAPACITY].map(|n| vec![Reserve(n)]));
    pasts.push(vec![Reserve(WARN), GiveBack(WARN - REARM - 1)]);
    pasts
}

fn programs(threads: &[Vec<Vec<Op>>], sink: Sink) -> Vec<Program> {
    let mut programs = Vec::new();
    for before in pasts() {
        let in_use = before.iter().fold(0, |sum, op| match op {
            Reserve(n) => sum + n,
            GiveBack(n) => sum - n,
            _ => sum,
        });
        for threads in threads {
            let given_back = threads.iter().flatten().map(|op| match op {
                GiveBack(n) => *n,
                _ => 0,
            });
            if given_back.sum::<usize>() <= in_use {
                programs.push(program(&before, threads.clone(), sink));
            }
        }
    }
    programs
}

const OPS: [Op; 10] = [
    Reserve(1),
    Reserve(5),
    Borrow(3),
    Borrow(CAPACITY),
    GiveBack(1),
    GiveBack(3),
    SetCapacity(2),
    SetCapacity(2 * CAPACITY),
    SetCapacity(0),
    SetThresholds(20, 10),
];

#[test]
fn every_pair_keeps_every_promise() {
    let pairs: Vec<_> = pairs_of(&OPS).collect();
    search_all(&programs(&pairs, Sink::InPlace), MOST_STATES).assert_clean(300, 400_000);
}

#[test]
fn every_pair_keeps_every_promise_if_the_sink_panics() {
    let pairs: Vec<_> = pairs_of(&OPS[..6]).collect();
    let mut programs = programs(&pairs, Sink::PanicsOnce);
    // What comes before the threads does not panic.
    programs.retain(|program| {
        let warns = |op: &Op| matches!(op, Reserve(n) if *n >= WARN);
        !program.before.iter().any(warns)
    });
    search_all(&programs, MOST_STATES).assert_clean(45, 120_000);
}

/// Two requests fit one after the other, and not together. One of them always gets it, whatever a
/// third does. Not all states: some of these programs have tens of millions.
#[test]
fn three_requests_are_refused_only_if_they_do_not_fit() {
    let threads = [
        vec![vec![Borrow(5)], vec![Borrow(5)], vec![Borrow(4)]],
        vec![vec![Reserve(5)], vec![Reserve(5)], vec![GiveBack(1)]],
        vec![
            vec![Borrow(5), Borrow(5)],
            vec![Borrow(5)],
            vec![Reserve(1)],
        ],
    ];
    search_all(&programs(&threads, Sink::InPlace), 200_000).assert_kept(15, 330_000);
}

/// What is wrong with a [`ByHand`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    /// It adds, checks, and takes back.
    AddsFirst,
    /// It compares, and then adds.
    ComparesFirst,
}

/// The budget that everyone writes by hand. It does not warn.
struct ByHand {
    used: AtomicUsize,
    high_water: AtomicUsize,
    refused: AtomicUsize,
    capacity: usize,
    fault: Fault,
}

impl ByHand {
    fn new(points: Points, fault: Fault) -> Self {
        Self {
            used: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            refused: AtomicUsize::new(0),
            capacity: points.capacity,
            fault,
        }
    }

    fn try_reserve(&self, n: usize) -> bool {
        let admitted = match self.fault {
            Fault::AddsFirst => {
                let used = self.used.fetch_add(n, SeqCst) + n;
                let fits = used <= self.capacity;
                if !fits {
                    self.used.fetch_sub(n, SeqCst);
                }
                fits.then_some(used)
            }
            Fault::ComparesFirst => {
                let fits = self.used.load(SeqCst) + n <= self.capacity;
                fits.then(|| self.used.fetch_add(n, SeqCst) + n)
            }
        };
        match admitted {
            Some(used) => {
                self.high_water.fetch_max(used, Relaxed);
            }
            None => {
                self.refused.fetch_add(1, Relaxed);
            }
        }
        admitted.is_some()
    }
}

impl Subject for ByHand {
    fn record(&self, op: Op) {
        match op {
            Reserve(n) => {
                self.try_reserve(n);
            }
            Borrow(n) => {
                if self.try_reserve(n) {
                    self.used.fetch_sub(n, SeqCst);
                }
            }
            GiveBack(n) => {
                self.used.fetch_sub(n, SeqCst);
            }
            _ => panic!("{op:?} is not for this budget"),
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            depth: self.used.load(SeqCst),
            high_water: self.high_water.load(Relaxed),
            warned: false,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.used.now(), 0)
    }

    fn refused_now(&self) -> Option<usize> {
        Some(self.refused.now())
    }
}

#[test]
fn budgets_by_hand_are_found() {
    // Two requests of which one fits.
    let program = program(&[], vec![vec![Borrow(5)], vec![Borrow(5)]], Sink::InPlace);
    for fault in [Fault::AddsFirst, Fault::ComparesFirst] {
        let searched = program.search_on(Settings::up_to(MOST_STATES), |points, _| {
            Box::new(ByHand::new(points, fault))
        });
        let failure = searched.expect_err("the fault is not found");
        assert_eq!(failure.broken.promise, Promise::Admission, "{failure}");
    }
    search_all(&[program], MOST_STATES).assert_clean(1, 30);
}
