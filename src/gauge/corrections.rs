//! What sets a depth from outside: strays that are absorbed, clears, observations.
//!
//! A correction only adds. It adds to `enqueued` if more is there than was counted, and to
//! `dequeued` if less is there. So both counters stay totals, and cached counters stay bounds.
//!
//! # One correction
//!
//! It loads both counters and moves one of them by compare-and-swap. Then it loads the other again.
//! If that is as it was, the depth was exact at the compare-and-swap: the correction took place at
//! that instant.
//!
//! # Two that meet
//!
//! One raises the depth and one lowers it. Each succeeds on its own counter, and the depth is what
//! neither wanted: from 5, one lowers to 2, one raises to 7, together 4. The one that was second
//! finds that the other counter moved, and so may the first. So both try to set CORRECTING:
//!
//! - The one that sets it corrects again until the other counter stays, clears CORRECTING, and
//!   corrects once more.
//! - The one that finds it set is done. Its compare-and-swap came before CORRECTING is cleared, so
//!   the last correction of the other overwrites it.
//!
//! Each time that one repeats, another operation has ended: this is lock-free. After it, both
//! check.
//!
//! # Strays
//!
//! A dequeue that finds more out than in raises `enqueued` to its own count. The thread that does it
//! first does it for all dequeues before, so no stray is absorbed twice. The gauge of a queue keeps
//! the underflow instead, for the enqueue that is recorded later.

use super::Gauge;
use super::counters::{MAX_DEPTH, is_underflow};
use crate::alarm::DepthSource;
use crate::alarm::delivery::{Caller, Deliver};
use crate::alarm::state::AlarmState;

/// The most that is dequeued by one addition: underflows of up to four such dequeues at once do not
/// pass for depths.
const MAX_FAST_DEQUEUE: usize = usize::MAX / 32;

/// The most samples that one observation takes.
const MAX_SAMPLES: usize = 64;

/// What became of an attempt to correct.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Attempt {
    /// The counters were right already, at one instant.
    Unchanged,
    /// A counter was moved, and the depth was exact at that instant.
    Exact,
    /// A counter was moved, and the other had moved too.
    Met,
}

impl<D: Deliver> Gauge<D> {
    #[inline]
    pub(super) fn dequeue_n(&self, n: usize, caller: Caller) {
        if n <= MAX_FAST_DEQUEUE {
            self.dequeue(n, caller);
        } else {
            self.dequeue_saturating(n, caller);
        }
    }

    /// Dequeues `n` or what there is, and leaves no underflow, however large `n`.
    pub(super) fn dequeue_saturating(&self, n: usize, caller: Caller) {
        let mut left = n;
        if self.take(&mut left) == Attempt::Met {
            self.correct_again(|| self.take(&mut left));
        }
        self.alarm.check(self, caller);
    }

    /// Whether the counters said something else before.
    #[inline]
    pub(super) fn observe(&self, depth: usize) -> bool {
        let depth = depth.min(MAX_DEPTH);
        let attempt = self.set_depth(depth);
        if attempt == Attempt::Met {
            self.observe_again(depth);
            return true;
        }
        let state = self.alarm.state();
        let depth = self.alarm.clamped(state, depth);
        self.alarm.raise_high_water(depth);
        if self.alarm.must_check(state, depth, Caller::Delivers) {
            self.alarm.check(self, Caller::Delivers);
        }
        attempt == Attempt::Exact
    }

    /// Observes until a sample is what the counters say. The last of several threads that correct
    /// samples again afterwards, so an old sample does not stay.
    #[inline]
    pub(super) fn observe_samples(&self, mut sample: impl FnMut() -> usize) {
        for _ in 0..MAX_SAMPLES {
            if !self.observe(sample()) {
                return;
            }
        }
    }

    #[cold]
    fn observe_again(&self, depth: usize) {
        self.correct_again(|| self.set_depth(depth));
        if let Some(reading) = self.read(self.alarm.state()) {
            self.alarm.raise_high_water(reading.depth);
        }
        self.alarm.check(self, Caller::Delivers);
    }
}

impl<D> Gauge<D> {
    /// Moves one counter so that the depth is `depth`.
    #[inline]
    fn set_depth(&self, depth: usize) -> Attempt {
        let (producers, consumers) = (&self.producers, &self.consumers);
        loop {
            let dequeued = consumers.dequeued.get();
            let enqueued = producers.enqueued.get();
            let counted = enqueued.wrapping_sub(dequeued);
            if counted == depth {
                if consumers.dequeued.get() == dequeued {
                    return Attempt::Unchanged;
                }
            } else if counted < depth || is_underflow(counted) {
                let raised = dequeued.wrapping_add(depth);
                if producers
                    .enqueued
                    .compare_exchange(enqueued, raised)
                    .is_ok()
                {
                    producers.cached_dequeued.set(dequeued);
                    return if consumers.dequeued.get() == dequeued {
                        Attempt::Exact
                    } else {
                        Attempt::Met
                    };
                }
            } else {
                let lowered = enqueued.wrapping_sub(depth);
                if consumers
                    .dequeued
                    .compare_exchange(dequeued, lowered)
                    .is_ok()
                {
                    consumers.cached_enqueued.set(enqueued);
                    return if producers.enqueued.get() == enqueued {
                        Attempt::Exact
                    } else {
                        Attempt::Met
                    };
                }
            }
        }
    }

    /// Takes out up to `left` of what there is.
    fn take(&self, left: &mut usize) -> Attempt {
        let (producers, consumers) = (&self.producers, &self.consumers);
        let for_queue = self.alarm.state().is_for_queue();
        loop {
            let dequeued = consumers.dequeued.get();
            let enqueued = producers.enqueued.get();
            let depth = enqueued.wrapping_sub(dequeued);
            let taken = if !is_underflow(depth) {
                depth.min(*left)
            } else if for_queue {
                // The enqueues that it waits for are recorded later.
                0
            } else {
                self.absorb_strays(dequeued);
                continue;
            };
            if taken == 0 {
                return Attempt::Unchanged;
            }
            let rest = dequeued.wrapping_add(taken);
            if consumers.dequeued.compare_exchange(dequeued, rest).is_ok() {
                consumers.cached_enqueued.set(enqueued);
                *left = left.saturating_sub(taken);
                // What was asked for, it took. Otherwise there was nothing left, if `enqueued` is
                // as it was.
                return if *left == 0 || producers.enqueued.get() == enqueued {
                    Attempt::Exact
                } else {
                    Attempt::Met
                };
            }
        }
    }

    /// Repeats an attempt that met another correction, or any other record.
    #[cold]
    fn correct_again(&self, mut attempt: impl FnMut() -> Attempt) {
        let state = self.alarm.state_word();
        while state.set_bits(AlarmState::CORRECTING) & AlarmState::CORRECTING == 0 {
            while attempt() == Attempt::Met {}
            state.clear_bits(AlarmState::CORRECTING);
            // One that found the bit set moved a counter before, and relies on this.
            if attempt() != Attempt::Met {
                return;
            }
        }
    }

    /// Absorbs the strays among the first `dequeued` dequeues: raises `enqueued` to that number,
    /// unless it is there. The thread that is first does it for all before, so no stray is absorbed
    /// twice. The depth is 0 at that moment: neither an edge nor a new mark.
    #[cold]
    #[inline(never)]
    pub(super) fn absorb_strays(&self, dequeued: usize) {
        let mut enqueued = self.producers.enqueued.get();
        while is_underflow(enqueued.wrapping_sub(dequeued)) {
            match self.producers.enqueued.compare_exchange(enqueued, dequeued) {
                Ok(()) => {
                    // Strays alone would take `enqueued` round the word while this bound stays.
                    self.producers.cached_dequeued.set(dequeued);
                    return;
                }
                Err(now) => enqueued = now,
            }
        }
    }
}
