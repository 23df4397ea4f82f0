//! What a model needs of a gauge, right or wrong.

use fillgauge::Gauge;

/// An operation that a thread records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Enqueue,
    EnqueueN(usize),
    Dequeue,
    DequeueN(usize),
    Clear,
    Observe(usize),
}

/// What a gauge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub depth: usize,
    pub high_water: usize,
    pub warned: bool,
}

pub trait Subject: Sync {
    fn record(&self, op: Op);

    fn figures(&self) -> Figures;

    /// What was enqueued and dequeued up to this very moment, read without a step that loom would see.
    fn counters_now(&self) -> (usize, usize);
}

impl Subject for Gauge {
    fn record(&self, op: Op) {
        match op {
            Op::Enqueue => self.record_enqueue(),
            Op::EnqueueN(n) => self.record_enqueue_n(n),
            Op::Dequeue => self.record_dequeue(),
            Op::DequeueN(n) => self.record_dequeue_n(n),
            Op::Clear => self.record_clear(),
            Op::Observe(depth) => self.observe_depth(depth),
        }
    }

    fn figures(&self) -> Figures {
        let snapshot = self.snapshot();
        Figures {
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            warned: snapshot.warned,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        self.counters_now()
    }
}
