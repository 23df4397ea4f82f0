//! The search reads stale values where the memory model allows it, and only there.

use std::sync::atomic::Ordering::{self, Relaxed, SeqCst};

use fillgauge::searched::AtomicUsize;

use fillgauge_search_tests::history::{Event, History, Points};
use fillgauge_search_tests::program::{Kind, Program, Sink};
use fillgauge_search_tests::promises::Promise;
use fillgauge_search_tests::search::{Counts, Failure, Settings};
use fillgauge_search_tests::subject::{Figures, Op, Subject};

/// Two producers, of one item and of one or more. Each says that it was there, then asks for the
/// other: if it was, the gauge warns. Store buffering: with relaxed accesses both may miss the other.
struct Asking {
    was_there: [AtomicUsize; 2],
    order: Ordering,
    depth: AtomicUsize,
    high_water: AtomicUsize,
    warned: AtomicUsize,
    points: Points,
    history: &'static History,
}

impl Asking {
    fn with(order: Ordering) -> impl Fn(Points, &'static History) -> Box<dyn Subject> {
        move |points, history| {
            Box::new(Self {
                was_there: [AtomicUsize::new(0), AtomicUsize::new(0)],
                order,
                depth: AtomicUsize::new(0),
                high_water: AtomicUsize::new(0),
                warned: AtomicUsize::new(0),
                points,
                history,
            })
        }
    }

    fn enqueue(&self, n: usize, own: usize) {
        let depth = self.depth.fetch_add(n, SeqCst) + n;
        self.high_water.fetch_max(depth, SeqCst);
        self.was_there[own].store(1, self.order);
        if self.was_there[1 - own].load(self.order) == 1 {
            let depth = self.depth.load(SeqCst);
            if depth >= self.points.warn_depth && self.warned.swap(1, SeqCst) == 0 {
                self.history.deliver(Event::NearCapacity, depth);
            }
        }
    }
}

impl Subject for Asking {
    fn record(&self, op: Op) {
        match op {
            Op::Enqueue => self.enqueue(1, 0),
            Op::EnqueueN(n) => self.enqueue(n, 1),
            _ => {
                let depth = self.depth.fetch_sub(1, SeqCst) - 1;
                if depth <= self.points.rearm_depth && self.warned.swap(0, SeqCst) == 1 {
                    self.history.deliver(Event::Recovered, depth);
                }
            }
        }
    }

    fn figures(&self) -> Figures {
        Figures {
            depth: self.depth.load(SeqCst),
            high_water: self.high_water.load(SeqCst),
            warned: self.warned.load(SeqCst) == 1,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.depth.now(), 0)
    }
}

fn search(order: Ordering) -> Result<Counts, Box<Failure>> {
    let program = Program {
        capacity: 10,
        thresholds: (20, 10),
        kind: Kind::Limit,
        before: vec![],
        threads: vec![vec![Op::Enqueue], vec![Op::EnqueueN(1)]],
        sink: Sink::InPlace,
    };
    program.search_on(Settings::up_to(10_000), Asking::with(order))
}

#[test]
fn relaxed_accesses_miss_each_other() {
    let failure = search(Relaxed).unwrap_err();
    assert_eq!(failure.broken.promise, Promise::Settledness, "{failure}");
}

#[test]
fn seq_cst_accesses_do_not() {
    let counts = search(SeqCst).unwrap_or_else(|failure| panic!("{failure}"));
    assert!(counts.is_complete);
}
