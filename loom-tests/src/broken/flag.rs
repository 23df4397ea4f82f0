use std::sync::atomic::Ordering::SeqCst;

use fillgauge::modelled::AtomicUsize;

use crate::history::{Event, History, Points};
use crate::subject::{Figures, Op, Subject};

/// The gauge that everyone writes by hand. One counter stops at 0. The multiplication of the
/// percentage saturates. A thread that saw a depth beyond a threshold swaps the flag, however old
/// that depth is, and delivers the event.
pub struct Flag {
    depth: AtomicUsize,
    high_water: AtomicUsize,
    /// 0 or 1.
    warned: AtomicUsize,
    points: Points,
    history: &'static History,
}

impl Flag {
    pub fn new(points: Points, history: &'static History) -> Self {
        Self {
            depth: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            warned: AtomicUsize::new(0),
            points,
            history,
        }
    }

    fn evaluate(&self, depth: usize) {
        self.high_water.fetch_max(depth, SeqCst);
        let percent = depth.saturating_mul(100) / self.points.capacity;
        let (warn, rearm) = self.points.thresholds;
        if percent >= warn.into() && self.warned.swap(1, SeqCst) == 0 {
            self.history.deliver(Event::NearCapacity, depth);
        } else if percent <= rearm.into() && self.warned.swap(0, SeqCst) == 1 {
            self.history.deliver(Event::Recovered, depth);
        }
    }
}

impl Subject for Flag {
    fn record(&self, op: Op) {
        let depth = match op {
            Op::Enqueue => self.depth.fetch_add(1, SeqCst) + 1,
            Op::EnqueueN(n) => self.depth.fetch_add(n, SeqCst) + n,
            Op::Observe(depth) | Op::ObserveWith(depth) => {
                self.depth.swap(depth, SeqCst);
                depth
            }
            Op::Deliver | Op::ComeBy => return,
            Op::Dequeue | Op::DequeueN(_) | Op::Clear | Op::Take | Op::TakeAll => {
                let n = match op {
                    Op::Dequeue | Op::Take => 1,
                    Op::DequeueN(n) => n,
                    _ => usize::MAX,
                };
                let mut depth = self.depth.load(SeqCst);
                while let Err(now) =
                    self.depth
                        .compare_exchange(depth, depth.saturating_sub(n), SeqCst, SeqCst)
                {
                    depth = now;
                }
                depth.saturating_sub(n)
            }
            _ => panic!("{op:?} is not for the flag"),
        };
        self.evaluate(depth);
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
