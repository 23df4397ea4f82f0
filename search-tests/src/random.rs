//! Random programs, the same for the same seed.

use crate::program::{Kind, Program, Sink};
use crate::subject::Op;

/// A source of random programs.
#[derive(Debug)]
pub struct Programs {
    state: u64,
}

/// Which operations there are, besides enqueues and dequeues.
#[derive(Clone, Copy, Debug)]
struct Mix {
    is_deferred: bool,
    is_observed: bool,
    is_cleared: bool,
    is_set: bool,
}

impl Programs {
    pub fn from_seed(seed: u64) -> Self {
        Self {
            state: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        }
    }

    /// A number below `end`: xorshift64*.
    fn below(&mut self, end: usize) -> usize {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        let number = self.state.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % end
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())]
    }

    fn op(&mut self, capacity: usize, mix: Mix) -> Op {
        let Mix {
            is_deferred,
            is_observed,
            is_cleared,
            is_set,
        } = mix;
        let n = 2 + self.below(2);
        let depth = self.below(capacity + 2);
        let mut ops = vec![
            Op::Enqueue,
            Op::Enqueue,
            Op::EnqueueN(n),
            Op::Dequeue,
            Op::Dequeue,
            Op::DequeueN(n),
            Op::TakePeak,
        ];
        if is_observed {
            ops.extend([Op::Observe(depth), Op::ObserveWith(depth)]);
        }
        if is_cleared {
            ops.extend([Op::DequeueN(usize::MAX), Op::Clear]);
        }
        if is_set {
            ops.extend([
                Op::SetCapacity(depth),
                Op::SetCapacity(2 * capacity),
                Op::SetThresholds(60, 30),
            ]);
        }
        if is_deferred {
            ops.extend([Op::Take, Op::Take, Op::ComeBy, Op::Deliver]);
        }
        if is_deferred && is_cleared {
            ops.push(Op::TakeAll);
        }
        self.one_of(&ops)
    }

    fn ops(&mut self, most: usize, capacity: usize, mix: Mix) -> Vec<Op> {
        (0..self.below(most) + 1)
            .map(|_| self.op(capacity, mix))
            .collect()
    }
}

impl Iterator for Programs {
    type Item = Program;

    /// Two threads with up to three operations each, or three with up to two.
    fn next(&mut self) -> Option<Program> {
        let dequeued = 1 + self.below(3);
        let sink = self.one_of(&[
            Sink::InPlace,
            Sink::InPlace,
            Sink::PanicsOnce,
            Sink::DequeuesOnce(dequeued),
            Sink::HandedOver,
            Sink::Background,
        ]);
        let (limit, queue) = (Kind::Limit, Kind::Queue);
        let kind = self.one_of(&[limit, limit, queue, queue, Kind::Rendezvous]);
        let capacity = match self.below(7) {
            _ if kind == Kind::Rendezvous => 0,
            0 => 0,
            n => n + 1,
        };
        // The gauge of a queue is observed or cleared. See the guarantees for both at once.
        let is_observed = self.below(2) == 1;
        let mix = Mix {
            is_deferred: matches!(sink, Sink::HandedOver | Sink::Background),
            is_observed: is_observed || kind == Kind::Limit,
            is_cleared: !is_observed || kind == Kind::Limit,
            is_set: self.below(4) == 0,
        };
        let (threads, most) = self.one_of(&[(2, 3), (2, 3), (3, 2)]);
        Some(Program {
            capacity,
            thresholds: self.one_of(&[(80, 50), (50, 20), (100, 0)]),
            kind,
            before: self.ops(3, capacity, mix),
            threads: (0..threads)
                .map(|_| self.ops(most, capacity, mix))
                .collect(),
            sink,
        })
    }
}
