//! What sets a depth from outside: clears, dequeues of everything, observations; and strays that
//! are absorbed.
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
//! neither wanted: from 5, one lowers to 2, one raises to 7, together 4. Each that finds the other
//! counter moved sets CORRECTING and AGAIN.
//!
//! - If CORRECTING was not set, this thread repeats its correction until the other counter stays.
//!   It clears AGAIN before, and CORRECTING afterwards, if AGAIN is still clear.
//! - If it was set, this thread is done. It moved its counter before it set AGAIN. The other thread
//!   corrects once more after that, and overwrites it.
//!
//! So a thread repeats only if another operation has ended, or has moved a counter for the first
//! time: this is lock-free.
//!
//! A clear that repeats takes what came meanwhile. On the gauge of a queue it finds an underflow
//! instead, if a dequeue came too that is ahead of its enqueue. Then it leaves what is there.
//!
//! # Strays
//!
//! A dequeue that finds more out than in raises `enqueued` to its own count. The thread that does
//! it first does it for all dequeues before, so no stray is absorbed twice. The gauge of a queue
//! keeps the underflow instead, for the enqueue that is recorded later.

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
        let for_queue = self.alarm.state().is_for_queue();
        let (mut left, mut taken) = (n, 0);
        let mut take = || {
            let attempt = self.attempt(self.producers.enqueued.get(), |difference| {
                if is_underflow(difference) {
                    taken = 0;
                    // Strays are absorbed. The underflow of a queue waits for its enqueues.
                    return if for_queue { difference } else { 0 };
                }
                taken = difference.min(left);
                difference.wrapping_sub(taken)
            });
            left = left.wrapping_sub(taken);
            // All that was asked for is gone, wherever the other counter is.
            if left == 0 { Attempt::Exact } else { attempt }
        };
        if take() == Attempt::Met {
            self.attempt_again(take);
        }
        self.alarm.check(self, caller);
    }

    /// Whether the counters said something else before.
    #[inline]
    pub(super) fn observe(&self, depth: usize) -> bool {
        let depth = depth.min(MAX_DEPTH);
        // What it was at the last observation. To load a word right after it was moved takes half
        // as long as to move it, and a raise finds out anyway.
        let enqueued = self.consumers.cached_enqueued.get();
        let attempt = self.attempt(enqueued, |_| depth);
        if attempt == Attempt::Met {
            self.observe_again(depth);
            return true;
        }
        let state = self.alarm.state();
        let depth = self.alarm.clamped(state, depth);
        self.alarm.raise_mark_if_new(depth);
        if self.alarm.must_check(state, depth, Caller::Delivers) {
            self.alarm.check(self, Caller::Delivers);
        }
        attempt == Attempt::Exact
    }

    /// Observes until two samples in a row are equal, or a sample is what the counters say.
    ///
    /// Of several threads, take the last that moves a counter. It samples afterwards, and finds the
    /// same. So that is what is there, or the thread that has changed it since observes later.
    #[inline]
    pub(super) fn observe_samples(&self, mut sample: impl FnMut() -> usize) {
        let mut depth = sample();
        for _ in 1..MAX_SAMPLES {
            if !self.observe(depth) {
                return;
            }
            let again = sample();
            if again == depth {
                return;
            }
            depth = again;
        }
        self.observe(depth);
    }

    #[cold]
    fn observe_again(&self, depth: usize) {
        self.attempt_again(|| self.attempt(self.producers.enqueued.get(), |_| depth));
        if let Some(reading) = self.read(self.alarm.state()) {
            self.alarm.raise_mark_if_new(reading.depth);
        }
        self.alarm.check(self, Caller::Delivers);
    }
}

impl<D> Gauge<D> {
    /// Moves one counter so that their difference is `target` of what it was. `enqueued` may be
    /// old.
    #[inline]
    fn attempt(&self, mut enqueued: usize, mut target: impl FnMut(usize) -> usize) -> Attempt {
        let (producers, consumers) = (&self.producers, &self.consumers);
        let is_exact = |exact| if exact { Attempt::Exact } else { Attempt::Met };
        loop {
            let dequeued = consumers.dequeued.get();
            let difference = enqueued.wrapping_sub(dequeued);
            let target = target(difference);
            if is_less(difference, target) {
                let raised = dequeued.wrapping_add(target);
                if let Err(now) = producers.enqueued.compare_exchange(enqueued, raised) {
                    enqueued = now;
                    continue;
                }
                consumers.cached_enqueued.set(raised);
                producers.cached_dequeued.set(dequeued);
                return is_exact(consumers.dequeued.get() == dequeued);
            }
            let now = producers.enqueued.get();
            if now != enqueued {
                enqueued = now;
            } else if difference == target {
                if consumers.dequeued.get() == dequeued {
                    return Attempt::Unchanged;
                }
            } else {
                let lowered = enqueued.wrapping_sub(target);
                if consumers
                    .dequeued
                    .compare_exchange(dequeued, lowered)
                    .is_ok()
                {
                    consumers.cached_enqueued.set(enqueued);
                    return is_exact(producers.enqueued.get() == enqueued);
                }
            }
        }
    }

    /// Repeats an attempt that met another correction, or any other record.
    #[cold]
    fn attempt_again(&self, mut attempt: impl FnMut() -> Attempt) {
        let word = self.alarm.state_word();
        let before = word.set_bits(AlarmState::CORRECTING | AlarmState::AGAIN);
        if before & AlarmState::CORRECTING != 0 {
            return;
        }
        loop {
            word.clear_bits(AlarmState::AGAIN);
            while attempt() == Attempt::Met {}
            let mut state = word.get();
            while state & AlarmState::AGAIN == 0 {
                match word.compare_exchange(state, state & !AlarmState::CORRECTING) {
                    Ok(()) => return,
                    Err(now) => state = now,
                }
            }
        }
    }

    /// Absorbs the strays among the first `dequeued` dequeues: raises `enqueued` to that number,
    /// unless it is there. The depth is 0 at that moment: neither an edge nor a new mark.
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

/// Whether a difference of the counters is less than another one, underflows included.
#[inline]
const fn is_less(difference: usize, other: usize) -> bool {
    const UNDERFLOWS: usize = usize::MAX - MAX_DEPTH;
    difference.wrapping_add(UNDERFLOWS) < other.wrapping_add(UNDERFLOWS)
}
