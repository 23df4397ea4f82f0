//! The capacity and the thresholds change while others record. An operation goes by the settings
//! before the change or after it, and promise 3 holds by those that come last.

use std::sync::atomic::Ordering::{self, Relaxed, SeqCst};

use fillgauge::Thresholds;
use fillgauge::modelled::AtomicUsize;
use fillgauge_search_tests::history::{Event, History, Points};
use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise;
use fillgauge_search_tests::search::Settings;
use fillgauge_search_tests::search_all;
use fillgauge_search_tests::subject::Op::{self, *};
use fillgauge_search_tests::subject::{Figures, Subject};

use crate::pairs::{CAPACITY, MOST_STATES, REARM, THRESHOLDS, WARN, pairs_of};

/// Changes of which each moves a point over one of the depths below.
const CHANGES: [Op; 5] = [
    SetCapacity(2),
    SetCapacity(CAPACITY - 2),
    SetCapacity(2 * CAPACITY),
    SetCapacity(0),
    SetThresholds(20, 10),
];

fn program(kind: Kind, before: &[Op], threads: Vec<Vec<Op>>) -> Program {
    Program {
        capacity: CAPACITY,
        thresholds: THRESHOLDS,
        kind,
        before: before.to_vec(),
        threads,
        sink: Sink::InPlace,
    }
}

/// Each program with each of these pasts, on each kind of gauge.
fn with_pasts(threads: &[Vec<Vec<Op>>]) -> Vec<Program> {
    let pasts: [&[Op]; 6] = [
        &[],
        &[EnqueueN(REARM)],
        &[EnqueueN(WARN - 1)],
        &[EnqueueN(CAPACITY)],
        &[EnqueueN(WARN), DequeueN(WARN - REARM - 1)],
        // Unbounded, and bounded again.
        &[SetCapacity(0), EnqueueN(WARN), SetCapacity(CAPACITY)],
    ];
    let mut programs = Vec::new();
    for kind in [Kind::Limit, Kind::Queue] {
        for before in pasts {
            let threads = threads.iter().cloned();
            programs.extend(threads.map(|threads| program(kind, before, threads)));
        }
    }
    programs
}

#[test]
fn a_change_meets_every_operation() {
    let ops = [
        Enqueue,
        EnqueueN(3),
        Dequeue,
        DequeueN(3),
        Clear,
        Observe(WARN),
    ];
    let mut threads = Vec::new();
    for change in CHANGES {
        threads.extend(ops.map(|op| vec![vec![change], vec![op]]));
    }
    search_all(&with_pasts(&threads), MOST_STATES).assert_clean(360, 600_000);
}

#[test]
fn a_change_meets_another_change() {
    let threads: Vec<_> = pairs_of(&CHANGES).collect();
    search_all(&with_pasts(&threads), MOST_STATES).assert_clean(180, 850_000);
}

/// Not all of their states: some of these programs have tens of millions.
#[test]
fn a_change_meets_two_others_or_one_and_an_operation() {
    let mut programs = Vec::new();
    for before in [EnqueueN(WARN - 1), EnqueueN(CAPACITY)] {
        for threads in [
            // Raised and lowered again, while another change is interrupted at any step.
            vec![vec![SetCapacity(2)], vec![SetCapacity(20), SetCapacity(4)]],
            vec![vec![SetCapacity(2)], vec![SetCapacity(20)], vec![Enqueue]],
            vec![
                vec![SetCapacity(20)],
                vec![SetThresholds(20, 10)],
                vec![Dequeue],
            ],
        ] {
            programs.push(program(Kind::Limit, &[before], threads));
        }
    }
    search_all(&programs, 500_000).assert_kept(6, 1_500_000);
}

/// What is wrong with a [`Resized`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fault {
    None,
    /// The points are three relaxed words.
    ThreeRelaxedStores,
    /// The warn point is stored once, also if there was another change.
    StoredOnce,
    /// A change does not check.
    DoesNotCheck,
    /// A check goes by points that do not belong together.
    NoGuard,
}

/// A gauge with one counter, whose capacity can change.
struct Resized {
    depth: AtomicUsize,
    high_water: AtomicUsize,
    /// Bits, and the number of warnings.
    state: AtomicUsize,
    capacity: AtomicUsize,
    warn: AtomicUsize,
    rearm: AtomicUsize,
    /// As the real gauge has them in a word, for the promises.
    rules: AtomicUsize,
    thresholds: Thresholds,
    history: &'static History,
    fault: Fault,
}

const WARNED: usize = 1;
const RUNNING: usize = 2;
const ONE_WARNING: usize = 4;

impl Resized {
    fn new(points: Points, history: &'static History, fault: Fault) -> Self {
        let (warn, rearm) = points.thresholds;
        let word = AtomicUsize::new;
        Self {
            depth: word(0),
            high_water: word(0),
            state: word(0),
            capacity: word(points.capacity),
            warn: word(points.warn_depth),
            rearm: word(points.rearm_depth),
            rules: word(usize::from(warn) | usize::from(rearm) << 7),
            thresholds: Thresholds::new(warn.into(), rearm.into()).unwrap(),
            history,
            fault,
        }
    }

    fn points(&self) -> (usize, usize) {
        let ordering = self.ordering();
        (self.warn.load(ordering), self.rearm.load(ordering))
    }

    fn ordering(&self) -> Ordering {
        match self.fault {
            Fault::ThreeRelaxedStores => Relaxed,
            _ => SeqCst,
        }
    }

    fn set_capacity(&self, capacity: usize) {
        let (thresholds, ordering) = (self.thresholds, self.ordering());
        self.capacity.store(capacity, ordering);
        let mut capacity = self.capacity.load(ordering);
        loop {
            (self.warn).store(thresholds.warn_depth(capacity), ordering);
            (self.rearm).store(thresholds.rearm_depth(capacity), ordering);
            let now = self.capacity.load(ordering);
            if self.fault == Fault::StoredOnce || now == capacity {
                break;
            }
            capacity = now;
        }
        if self.fault != Fault::DoesNotCheck {
            self.check();
        }
    }

    fn check(&self) {
        loop {
            let state = self.state.load(SeqCst);
            let depth = self.depth.load(SeqCst);
            let (warn, rearm) = self.points();
            let (next, event) = match state & WARNED {
                _ if state & RUNNING != 0 => return,
                _ if rearm >= warn && self.fault != Fault::NoGuard => return,
                0 if depth >= warn => ((state + ONE_WARNING) | WARNED, Event::NearCapacity),
                WARNED if depth <= rearm => (state & !WARNED, Event::Recovered),
                _ => return,
            };
            if (self.state)
                .compare_exchange(state, next | RUNNING, SeqCst, SeqCst)
                .is_ok()
            {
                self.history.deliver(event, depth);
                self.state.fetch_sub(RUNNING, SeqCst);
            }
        }
    }
}

impl Subject for Resized {
    fn record(&self, op: Op) {
        match op {
            Enqueue | EnqueueN(_) => {
                let n = if let EnqueueN(n) = op { n } else { 1 };
                let depth = self.depth.fetch_add(n, SeqCst) + n;
                self.high_water.fetch_max(depth, Relaxed);
                if depth >= self.warn.load(self.ordering()) {
                    self.check();
                }
            }
            Dequeue => {
                self.depth.fetch_sub(1, SeqCst);
                self.check();
            }
            SetCapacity(capacity) => self.set_capacity(capacity),
            _ => panic!("{op:?} is not for this gauge"),
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            depth: self.depth.load(SeqCst),
            high_water: self.high_water.load(Relaxed),
            warned: self.state.load(SeqCst) & WARNED != 0,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.depth.now(), 0)
    }

    fn settings_now(&self) -> Option<[usize; 3]> {
        Some([self.state.now(), self.capacity.now(), self.rules.now()])
    }
}

/// The program breaks the promise with the fault, and keeps all of them without.
fn assert_found(fault: Fault, promise: Promise, before: &[Op], threads: Vec<Vec<Op>>) {
    let program = program(Kind::Limit, before, threads);
    let search = |fault| {
        program.search_on(Settings::up_to(MOST_STATES), |points, history| {
            Box::new(Resized::new(points, history, fault))
        })
    };
    let failure = search(fault).expect_err("the fault is not found");
    assert_eq!(failure.broken.promise, promise, "{failure}");
    search(Fault::None).unwrap_or_else(|failure| panic!("{failure}"));
    (program.search(Settings::up_to(MOST_STATES))).unwrap_or_else(|failure| panic!("{failure}"));
}

/// While a smaller capacity is stored, a depth may be at the new warn point and at the old re-arm
/// point. Each edge leads to the other.
#[test]
fn a_check_by_points_that_do_not_belong_together_goes_on_for_ever() {
    const MOST: usize = 10_000;
    let threads = vec![vec![SetCapacity(2)], vec![Enqueue]];
    let program = program(Kind::Limit, &[EnqueueN(REARM - 1)], threads);
    let search = |fault| {
        let searched = program.search_on(Settings::up_to(MOST), |points, history| {
            Box::new(Resized::new(points, history, fault))
        });
        searched.unwrap_or_else(|failure| panic!("{failure}"))
    };
    assert!(!search(Fault::NoGuard).is_complete);
    assert!(search(Fault::None).is_complete);
}

#[test]
fn three_relaxed_stores_are_found() {
    let threads = vec![vec![SetCapacity(2)], vec![Enqueue]];
    let fault = Fault::ThreeRelaxedStores;
    assert_found(fault, Promise::Settledness, &[Enqueue], threads);
}

#[test]
fn a_warn_point_that_is_stored_once_is_found() {
    let threads = vec![vec![SetCapacity(20)], vec![SetCapacity(2)]];
    let fault = Fault::StoredOnce;
    assert_found(fault, Promise::Settledness, &[], threads);
}

#[test]
fn a_change_that_does_not_check_is_found() {
    let threads = vec![vec![SetCapacity(4)], vec![Enqueue]];
    let fault = Fault::DoesNotCheck;
    assert_found(fault, Promise::Settledness, &[EnqueueN(WARN - 1)], threads);
}
