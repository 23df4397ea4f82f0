//! Two counters, and a cached copy of each on the other side.
//!
//! # The words
//!
//! ```text
//! alarm       state · window_mark · earlier_mark · refused · capacity · warn_depth · rearm_depth ·
//!             identity · limit · sink
//! producers   enqueued · cached_dequeued
//! consumers   dequeued · cached_enqueued
//! ```
//!
//! `enqueued` and `dequeued` only grow, wrapping. Their difference is the depth. It may be
//! negative: an *underflow*. Each is written by one side, and by corrections (`corrections`). Both
//! are sequentially consistent. On 64-bit targets the three groups lie 128 bytes apart.
//!
//! `cached_dequeued` is a value that `dequeued` had, so `enqueued - cached_dequeued` is at least
//! the depth. `cached_enqueued` is a value that `enqueued` had, so `cached_enqueued - dequeued` is
//! at most the depth. Both are relaxed: any old value is good. A record whose bound is on the safe
//! side of every threshold reads nothing of the other side.
//!
//! # Who checks
//!
//! | what changed the depth last | who checks afterwards |
//! |---|---|
//! | an enqueue | the producer, unless its upper bound is below the warn point, or it has warned and the bound is below the capacity |
//! | a dequeue | the consumer, unless its lower bound is above the re-arm point, or it is armed |
//! | a correction | the thread that corrected |
//! | a stray that was absorbed | nobody: the depth is 0, and the dequeue checks |
//!
//! A rising edge is found by the last thread that moved `enqueued`, and a falling edge by the last
//! that moved `dequeued`. So `Gauge::read` may give up when both counters moved under it: the
//! threads that moved them check later.
//!
//! A record loads the state after it has changed its counter. If a sink panicked before, it finds
//! UNCHECKED.
//!
//! # The high-water mark
//!
//! A producer whose upper bound is above the mark reads `dequeued` after its addition. The
//! difference is at most the depth that its addition made. It is at least the depth at rest, if
//! that addition was the last. Otherwise it is negative, and no mark. A correction that raises the
//! depth does the same.

use core::mem::MaybeUninit;

use super::Gauge;
use crate::alarm::delivery::{Caller, Deliver};
use crate::alarm::state::AlarmState;
use crate::alarm::{Alarm, DepthSource, Reading};
use crate::snapshot::Totals;
use crate::sync::{RelaxedUsize, SeqCstUsize, const_fn};
#[cfg(fillgauge_search)]
use crate::thresholds::{PointRules, Thresholds};

/// Keeps what different threads write on cache lines of their own: no word of one side is nearer
/// than 128 bytes to one of the other. That is two lines of most processors, since prefetchers
/// fetch lines in pairs, and one of some. Nothing on targets of 32 bits and less, where memory is
/// dear and few have a cache that cores fight over.
///
/// By distance and not by alignment: over-aligned allocations are slower, and gauges come and go.
/// Without a value, so that none is written when they do.
#[derive(Debug)]
pub(super) struct CacheGap {
    _padding: MaybeUninit<[u8; Self::BYTES]>,
}

impl CacheGap {
    const BYTES: usize = if cfg!(target_pointer_width = "64") {
        120
    } else {
        0
    };

    #[inline(always)]
    pub(super) const fn new() -> Self {
        Self {
            _padding: MaybeUninit::uninit(),
        }
    }
}

/// The greatest depth. The eighth of the word above it is for underflows.
pub(super) const MAX_DEPTH: usize = usize::MAX - usize::MAX / 8 - 1;

/// Whether a difference of the counters, taken modulo the word, is negative.
#[inline]
pub(super) const fn is_underflow(difference: usize) -> bool {
    difference > MAX_DEPTH
}

/// What producers write.
#[derive(Debug)]
pub(super) struct Producers {
    pub(super) enqueued: SeqCstUsize,
    pub(super) cached_dequeued: RelaxedUsize,
}

/// What consumers write.
#[derive(Debug)]
pub(super) struct Consumers {
    pub(super) dequeued: SeqCstUsize,
    pub(super) cached_enqueued: RelaxedUsize,
}

impl Producers {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                enqueued: SeqCstUsize::new(0),
                cached_dequeued: RelaxedUsize::new(0),
            }
        }
    }

    pub(super) fn reset(&self) {
        self.enqueued.reset(0);
        self.cached_dequeued.reset(0);
    }
}

impl Consumers {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                dequeued: SeqCstUsize::new(0),
                cached_enqueued: RelaxedUsize::new(0),
            }
        }
    }

    pub(super) fn reset(&self) {
        self.dequeued.reset(0);
        self.cached_enqueued.reset(0);
    }
}

impl<D: Deliver> Gauge<D> {
    #[inline]
    pub(super) fn enqueue(&self, n: usize) {
        let (producers, alarm) = (&self.producers, &self.alarm);
        let enqueued = producers.enqueued.add_fetch(n);
        // An upper bound of the depth.
        let mut bound = enqueued.wrapping_sub(producers.cached_dequeued.get());
        let mut is_new_mark = false;
        let warn_depth = alarm.warn_depth();
        let mark = alarm.window_mark();
        if bound > mark {
            let is_recent = bound <= usize::MAX / 2;
            let dequeued = self.consumers.dequeued.get();
            bound = enqueued.wrapping_sub(dequeued);
            is_new_mark = bound > mark;
            // At the mark the next enqueue reads it anyway. A store would hold up the next record.
            if bound != mark || !is_recent {
                producers.cached_dequeued.set(dequeued);
            }
        }
        if is_new_mark
            || bound >= warn_depth && alarm.may_rise_to(bound)
            || alarm.must_deliver_now(Caller::Delivers)
        {
            self.enqueue_slow(enqueued);
        }
    }

    /// An enqueue after which there may be an edge or a new mark, or an event to take over, or
    /// after a panic of the sink.
    #[inline(never)]
    fn enqueue_slow(&self, enqueued: usize) {
        let alarm = &self.alarm;
        let state = alarm.state();
        let dequeued = self.consumers.dequeued.get();
        self.producers.cached_dequeued.set(dequeued);
        let depth = self.depth_between(state, enqueued, dequeued);
        alarm.raise_mark(depth);
        if depth >= alarm.warn_depth() || Alarm::<D>::must_deliver(state, Caller::Delivers) {
            alarm.check(self, Caller::Delivers);
        }
    }

    /// `n`, or as many as the range has room for.
    #[inline]
    pub(super) fn in_range(&self, n: usize) -> usize {
        let producers = &self.producers;
        let bound = producers
            .enqueued
            .get()
            .wrapping_sub(producers.cached_dequeued.get());
        let room = MAX_DEPTH.saturating_sub(bound);
        if n <= room { n } else { self.in_exact_range(n) }
    }

    #[cold]
    fn in_exact_range(&self, n: usize) -> usize {
        let dequeued = self.consumers.dequeued.get();
        self.producers.cached_dequeued.set(dequeued);
        let difference = self.producers.enqueued.get().wrapping_sub(dequeued);
        // Not the depth that is read. A queue may have more in than its capacity for a moment. Its
        // underflow makes room for as many; that of another gauge is about to be absorbed.
        let depth = if is_underflow(difference) && !self.alarm.state().is_for_queue() {
            0
        } else {
            difference
        };
        n.min(MAX_DEPTH.wrapping_sub(depth))
    }

    #[inline]
    pub(super) fn dequeue(&self, n: usize, caller: Caller) {
        let consumers = &self.consumers;
        let dequeued = consumers.dequeued.add_fetch(n);
        let state = self.alarm.state();
        // If not, no dequeue crosses an edge.
        let must_deliver = Alarm::<D>::must_deliver(state, caller);
        let must_check = state.has_warned() || must_deliver;
        // A lower bound of the depth.
        let mut bound = consumers.cached_enqueued.get().wrapping_sub(dequeued);
        let is_low = |bound| must_check && bound <= self.alarm.rearm_depth();
        if (bound as isize) < 0 || is_low(bound) {
            // It is negative, or so old that it wrapped, or great; or near an edge.
            let is_recent = is_underflow(bound);
            if is_recent && state.is_for_queue() && !must_check {
                return;
            }
            let enqueued = self.producers.enqueued.get();
            bound = enqueued.wrapping_sub(dequeued);
            // Of an empty queue the next dequeue reads it anyway. A store would hold up the next
            // record.
            if bound != 0 || !is_recent {
                consumers.cached_enqueued.set(enqueued);
            }
            if is_underflow(bound) {
                bound = 0;
                if !state.is_for_queue() {
                    self.absorb_strays(dequeued);
                }
            }
        }
        if is_low(bound) || must_deliver {
            self.alarm.check(self, caller);
        }
    }
}

impl<D> Gauge<D> {
    /// The depth that two counters stand for. Of a queue it may exceed the capacity for a moment,
    /// while records are in progress.
    #[inline]
    pub(super) fn depth_between(
        &self,
        state: AlarmState,
        enqueued: usize,
        dequeued: usize,
    ) -> usize {
        let difference = enqueued.wrapping_sub(dequeued);
        if is_underflow(difference) {
            0
        } else {
            self.alarm.clamped(state, difference)
        }
    }

    #[inline]
    pub(super) fn reading(
        &self,
        state: AlarmState,
        (enqueued, dequeued): (usize, usize),
    ) -> Reading {
        Reading {
            depth: self.depth_between(state, enqueued, dequeued),
            totals: Some(Totals::new(enqueued, dequeued)),
        }
    }

    /// The counters as they were at one instant; `None` if both moved.
    fn consistent_counters(&self) -> Option<(usize, usize)> {
        let dequeued = self.consumers.dequeued.get();
        let enqueued = self.producers.enqueued.get();
        let dequeued_again = self.consumers.dequeued.get();
        // Neither goes back: a counter that is as it was did not move in between.
        let unmoved = dequeued == dequeued_again || self.producers.enqueued.get() == enqueued;
        unmoved.then_some((enqueued, dequeued_again))
    }
}

impl<D> DepthSource for Gauge<D> {
    #[inline]
    fn read(&self, state: AlarmState) -> Option<Reading> {
        let counters = self.consistent_counters()?;
        Some(self.reading(state, counters))
    }

    fn depth(&self) -> usize {
        self.depth()
    }
}

#[cfg(any(fillgauge_loom, fillgauge_search))]
impl<D> Gauge<D> {
    /// `enqueued` and `dequeued` at this moment, for a model that watches them.
    pub fn counters_now(&self) -> (usize, usize) {
        (self.producers.enqueued.now(), self.consumers.dequeued.now())
    }
}

#[cfg(fillgauge_search)]
impl<D> Gauge<D> {
    /// The mark of the window at this moment.
    pub fn window_now(&self) -> usize {
        self.alarm.window_now()
    }

    /// The words of the state, of the capacity and of the thresholds at this moment.
    pub fn settings_now(&self) -> [usize; 3] {
        self.alarm.settings_now()
    }

    /// Whether depths above the capacity read as that, by the word of the state.
    pub fn clamps(state: usize) -> bool {
        AlarmState(state).clamps()
    }

    /// What the word of the thresholds stands for.
    pub fn thresholds_of(word: usize) -> Thresholds {
        PointRules::from_word(word).thresholds()
    }
}
