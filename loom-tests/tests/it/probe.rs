//! A probe of a queue whose length is a word of its own: each operation moves that word, and checks
//! afterwards. The state and the word are store buffering.

use fillgauge::{Limit, Probe};
use fillgauge_loom_tests::{explore, leaked};
use loom::sync::atomic::Ordering::{AcqRel, Acquire, SeqCst};
use loom::sync::atomic::{AtomicUsize, fence};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

/// Checks after an operation on the queue of this length.
trait Checks: Sync {
    fn check(&self, length: &AtomicUsize);

    fn has_warned(&self) -> bool;
}

impl Checks for Probe {
    fn check(&self, length: &AtomicUsize) {
        Probe::check_after_rmw(self, || length.load(Acquire));
    }

    fn has_warned(&self) -> bool {
        Probe::has_warned(self)
    }
}

/// The same protocol in short, with or without its fences. It warns at 2, and is armed again at 1.
struct Twin {
    has_warned: AtomicUsize,
    fence_before_state: bool,
    fence_after_edge: bool,
}

impl Twin {
    fn new(fence_before_state: bool, fence_after_edge: bool) -> Self {
        Self {
            has_warned: AtomicUsize::new(0),
            fence_before_state,
            fence_after_edge,
        }
    }
}

impl Checks for Twin {
    fn check(&self, length: &AtomicUsize) {
        if self.fence_before_state {
            fence(SeqCst);
        }
        let mut warned = self.has_warned.load(Acquire);
        loop {
            let depth = length.load(Acquire);
            let next = match warned {
                0 if depth >= 2 => 1,
                1 if depth <= 1 => 0,
                _ => return,
            };
            // Acquire and release, as weak as it may be.
            let edge = (self.has_warned).compare_exchange(warned, next, AcqRel, Acquire);
            warned = edge.map_or_else(|now| now, |_| next);
            if self.fence_after_edge {
                fence(SeqCst);
            }
        }
    }

    fn has_warned(&self) -> bool {
        self.has_warned.load(Acquire) == 1
    }
}

/// `before` items are in the queue. One thread puts an item in and the other takes one out. At rest
/// the state is the one that suits the length.
fn check_model<C: Checks + 'static>(
    before: usize,
    floor: usize,
    probe: impl Fn() -> C + Send + Sync + 'static,
) {
    explore(Some(3), floor, move || {
        let probe: &'static C = leaked(probe());
        let length: &'static AtomicUsize = leaked(AtomicUsize::new(0));
        for _ in 0..before {
            length.fetch_add(1, AcqRel);
            probe.check(length);
        }
        let consumer = thread::spawn(move || {
            length.fetch_sub(1, AcqRel);
            probe.check(length);
        });
        length.fetch_add(1, AcqRel);
        probe.check(length);
        consumer.join().unwrap();
        let has_warned = length.load(Acquire) >= 2;
        assert_eq!(probe.has_warned(), has_warned, "silent or latched");
    });
}

fn probe() -> Probe {
    Probe::new(&QUEUE, 2)
}

#[test]
fn up_against_down_from_armed() {
    check_model(1, 100, probe);
}

#[test]
fn up_against_down_from_warned() {
    check_model(2, 100, probe);
}

#[test]
fn the_protocol_in_short_from_armed() {
    check_model(1, 10, || Twin::new(true, true));
}

#[test]
fn the_protocol_in_short_from_warned() {
    check_model(2, 10, || Twin::new(true, true));
}

#[test]
#[should_panic(expected = "silent or latched")]
fn canary_without_the_fence_before_the_state() {
    check_model(1, 1, || Twin::new(false, true));
}

#[test]
#[should_panic(expected = "silent or latched")]
fn canary_without_the_fence_after_an_edge() {
    check_model(1, 1, || Twin::new(true, false));
}
