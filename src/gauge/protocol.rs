//! How a gauge keeps its promises, which stand in `gauge`.

// `enqueued` and `dequeued` grow, wrapping; their difference is the depth, or a deficit. Producers write the one,
// consumers the other, and `shared` is read by both and written at edges and at new high-water marks. All protocol words
// are SeqCst (`sync::Word`), so that what follows argues about one total order of accesses. Two operations break the
// pattern: `observe_depth` sets `enqueued`, also back, and `make_good` raises it for a consumer.
//
// An edge. `settle` reads the latch, then takes a reading of the counters that is exact for some instant (`reading`),
// and moves the latch by compare-exchange from the very state it read: no other edge lies between, which is promise 2.
// The new state has DELIVERING set, and while it is, nobody moves the latch: one event at a time, which is promise 1.
// When the sink has returned, the bit is cleared and `settle` looks again.
//
// Promise 3, a gauge at rest at or above its warn point. Consider the last of: the additions to and swaps of
// `enqueued`, and the clearings of DELIVERING. Whoever did it looks at the gauge afterwards: after a clearing, `settle`
// does; after an addition, the producer does unless it has an upper bound of the depth below the warn point, which the
// final depth contradicts. That look finds DELIVERING not set (a clearing would follow), `enqueued` unmoved, hence an
// exact reading of at least the final depth, and its compare-exchange fails only against another that is followed by a
// clearing, or against the SAMPLED bit, that is followed by a swap. So the gauge has warned. The argument allows a
// look to give up when `enqueued` moved under it: whoever moved it looks later, or was `make_good`, and the depth is 0.
// At or below the re-arm point it is the same with `dequeued` for `enqueued` and a lower bound for the upper one.
//
// The cached bounds. `dequeued` never goes backwards, so an old value of it, `dequeued_seen`, makes an upper bound of
// the depth, and a producer that finds this bound under the warn point and the high-water mark touches no other
// line. In the same way `enqueued_seen` makes a lower bound for consumers, unless `observe_depth` swapped `enqueued`
// back. It therefore sets SAMPLED first: a consumer that finds the bit does without the bound; one that does not find
// it recorded its dequeue before the bit was set, hence before the observer read `dequeued`, and is part of the
// observation. Of a sampled gauge every dequeue looks for both kinds of edges.
//
// Strays. A dequeue that finds more out than in raises `enqueued` to its own count (`make_good`), which is done once for
// all strays before it, whoever comes first. The depth is 0 then, which is no edge that a producer's look could miss.
// A paired gauge keeps the deficit instead.
//
// Promise 5. A producer that may be above the mark reads `dequeued` after its addition: the difference is at most the
// depth that its addition made, and at least the depth at rest if it was the last; or it is a deficit, and no mark. An
// observer does the same with what it wrote.

use core::cell::Cell;

use super::Gauge;
use crate::delivery::{Caller, Deliver, Delivery};
use crate::event::{Edge, LimitEvent};
use crate::latch::{Latch, Points};
use crate::snapshot::QueueSnapshot;
use crate::thresholds::fill_percent;

impl<D: Deliver> Gauge<D> {
    /// Deficits of up to four dequeues of this size at once do not pass for depths.
    const MANY: usize = usize::MAX / 32;

    #[inline]
    pub(super) fn enqueue(&self, n: usize) {
        let (producers, shared) = (&self.producers, &self.shared);
        let enqueued = producers.enqueued.add(n);
        // An upper bound of the depth.
        let bound = enqueued.wrapping_sub(producers.dequeued_seen.get());
        if bound >= shared.warn_depth.get() {
            return self.enqueue_near(enqueued, bound);
        }
        let high_water = shared.high_water.get();
        if bound > high_water {
            let dequeued = self.consumers.dequeued.get();
            producers.dequeued_seen.set(dequeued);
            let depth = enqueued.wrapping_sub(dequeued);
            // Consumers may be ahead, also when the bound is already a deficit itself.
            if depth > high_water && !self.is_deficit(depth) {
                shared.high_water.raise(depth);
            }
        }
    }

    /// An enqueue after which the depth may be at the warn point or above; `bound` is an upper bound of it.
    #[inline(never)]
    fn enqueue_near(&self, enqueued: usize, bound: usize) {
        let latch = self.latch();
        let (points, high_water) = (self.points(), self.high_water());
        // A paired gauge has no mark above its capacity; its bound may lag there, short of wrapping.
        let marks_end =
            latch.is_paired() && high_water >= points.capacity && bound <= usize::MAX / 4;
        if latch.has_warned()
            && !Self::is_pending(latch)
            && (bound <= high_water || marks_end)
            && latch.due(bound, points).is_none()
        {
            // Neither an edge nor a new mark: no need to read what consumers write.
            return;
        }
        let dequeued = self.consumers.dequeued.get();
        self.producers.dequeued_seen.set(dequeued);
        let depth = self.depth_between(latch, enqueued, dequeued);
        self.raise_high_water(depth);
        if latch.due(depth, points).is_some() || Self::is_pending(latch) {
            self.settle(Caller::Delivers);
        }
    }

    /// An enqueue that may lead beyond the range.
    #[cold]
    pub(super) fn enqueue_up_to(&self, n: usize) {
        let dequeued = self.consumers.dequeued.get();
        self.producers.dequeued_seen.set(dequeued);
        let difference = self.producers.enqueued.get().wrapping_sub(dequeued);
        // Not the depth that is read: a paired gauge may have more in than its capacity, or be owed enqueues, which makes
        // room for as many. A deficit of strays is about to be made good.
        let depth = if self.is_deficit(difference) && !self.latch().is_paired() {
            0
        } else {
            difference
        };
        let room = self.ceiling().wrapping_sub(depth);
        self.enqueue(n.min(room));
    }

    #[inline]
    pub(super) fn dequeue_n(&self, n: usize, caller: Caller) {
        if n <= Self::MANY {
            self.dequeue(n, caller);
        } else {
            self.dequeue_up_to(n, caller);
        }
    }

    #[inline]
    pub(super) fn dequeue(&self, n: usize, caller: Caller) {
        self.dequeued_to(self.consumers.dequeued.add(n), caller);
    }

    /// Dequeues `n` or what there is, and leaves no deficit, however large `n`.
    pub(super) fn dequeue_up_to(&self, n: usize, caller: Caller) {
        let paired = self.latch().is_paired();
        loop {
            let dequeued = self.consumers.dequeued.get();
            let enqueued = self.producers.enqueued.get();
            self.consumers.enqueued_seen.set(enqueued);
            let depth = enqueued.wrapping_sub(dequeued);
            if self.is_deficit(depth) {
                if paired {
                    // The enqueues that it waits for are recorded later.
                    return;
                }
                self.make_good(dequeued);
                continue;
            }
            let rest = dequeued.wrapping_add(n.min(depth));
            if self.consumers.dequeued.replace(dequeued, rest).is_ok() {
                return self.dequeued_to(rest, caller);
            }
        }
    }

    /// What there is to do after a dequeue that made the count `dequeued`.
    #[inline]
    fn dequeued_to(&self, dequeued: usize, caller: Caller) {
        let consumers = &self.consumers;
        let latch = self.latch();
        let is_quiet = Self::is_quiet(latch, caller);
        // A lower bound of the depth; if it is negative, more is out than was seen in.
        let mut bound = consumers.enqueued_seen.get().wrapping_sub(dequeued);
        // Not only if it is negative: a deficit of half the word, and a dequeue more, leave a bound that passes for a great
        // depth.
        let quarter = bound >> (usize::BITS - 2);
        if quarter != 0 {
            // To an armed gauge that keeps its deficits no dequeue matters. Its bound may lag, short of wrapping.
            if quarter == 3 && is_quiet && latch.is_paired() {
                return;
            }
            let enqueued = self.producers.enqueued.get();
            consumers.enqueued_seen.set(enqueued);
            bound = enqueued.wrapping_sub(dequeued);
            let is_negative = bound > isize::MAX as usize;
            if is_negative {
                return self.dequeue_low(dequeued, latch, caller);
            }
        }
        if is_quiet {
            return;
        }
        let takes_over = caller == Caller::Delivers && Self::is_pending(latch);
        if bound <= self.shared.rearm_depth.get() || latch.is_sampled() || takes_over {
            self.dequeue_low(dequeued, latch, caller);
        }
    }

    /// A dequeue that may be a stray, or after which the depth may be at the re-arm point or below.
    #[inline(never)]
    fn dequeue_low(&self, dequeued: usize, latch: Latch, caller: Caller) {
        let enqueued = self.producers.enqueued.get();
        self.consumers.enqueued_seen.set(enqueued);
        if !latch.is_paired() && self.is_deficit(enqueued.wrapping_sub(dequeued)) {
            self.make_good(dequeued);
        }
        if !Self::is_quiet(latch, caller) {
            self.settle(caller);
        }
    }

    #[inline]
    pub(super) fn observe(&self, depth: usize) {
        let before = self.latch();
        if !before.is_sampled() {
            self.shared.latch.set_bits(Latch::SAMPLED);
        }
        let depth = depth.min(self.ceiling());
        let dequeued = self.consumers.dequeued.get();
        let enqueued = dequeued.wrapping_add(depth);
        self.producers.enqueued.swap(enqueued);
        self.producers.dequeued_seen.set(dequeued);
        let latch = self.latch();
        let is_due = latch.due(depth, self.points()).is_some() || Self::is_pending(latch);
        if depth > self.high_water() || self.consumers.dequeued.get() != dequeued {
            self.observed(enqueued, dequeued);
        } else if is_due {
            // Of the instant of the swap, which is after the last edge if the latch is as it was
            // before.
            let reading = (latch == before).then_some((enqueued, dequeued));
            self.settle_from(Caller::Delivers, latch, reading);
        }
    }

    /// An observation that raises the high-water mark, or met with a dequeue.
    #[inline(never)]
    fn observed(&self, enqueued: usize, dequeued_before: usize) {
        // Dequeues recorded between the load and the swap saw no deficit, but may have left one.
        let dequeued = self.consumers.dequeued.get();
        if dequeued != dequeued_before {
            self.make_good(dequeued);
        }
        let latch = self.latch();
        let depth = self.depth_between(latch, enqueued, dequeued);
        self.raise_high_water(depth);
        if latch.due(depth, self.points()).is_some() || Self::is_pending(latch) {
            self.settle(Caller::Delivers);
        }
    }

    /// Makes good the strays among the first `dequeued` dequeues: raises `enqueued` to that number, unless it is there.
    /// Whoever is first raises it for all before, so no stray is made good twice. The depth is 0 at that moment: neither
    /// an edge nor a new mark.
    #[cold]
    fn make_good(&self, dequeued: usize) {
        let mut enqueued = self.producers.enqueued.get();
        while self.is_deficit(enqueued.wrapping_sub(dequeued)) {
            match self.producers.enqueued.replace(enqueued, dequeued) {
                Ok(()) => {
                    // Strays alone would take `enqueued` round the word while this bound stays.
                    self.producers.dequeued_seen.set(dequeued);
                    return;
                }
                Err(now) => enqueued = now,
            }
        }
    }

    /// Whether no dequeue has anything to check: the gauge is armed and was never sampled, so that
    /// none crosses a threshold, and there is no event that `caller` may take over.
    #[inline]
    fn is_quiet(latch: Latch, caller: Caller) -> bool {
        latch.is_quiet() && !(caller == Caller::Delivers && Self::is_pending(latch))
    }

    /// Whether there is an event to take over.
    #[inline]
    fn is_pending(latch: Latch) -> bool {
        D::LEAVES_PENDING && latch.is_pending()
    }

    /// Delivers the pending event and the edges that are due, if `caller` may; otherwise leaves the
    /// event of the first edge pending. Does nothing while another thread owns an event: that one
    /// checks afterwards.
    pub(super) fn settle(&self, caller: Caller) {
        self.settle_from(caller, self.latch(), None);
    }

    /// The same, from the latch as it was read, and a [`reading`](Self::reading) that was taken
    /// after that.
    #[cold]
    #[inline(never)]
    fn settle_from(&self, caller: Caller, mut latch: Latch, mut reading: Option<(usize, usize)>) {
        let word = &self.shared.latch;
        let mut caller = match caller {
            Caller::Delivers if self.deliver.may_deliver() => Caller::Delivers,
            _ => Caller::Defers,
        };
        let mut delivered = 0;
        // Each turn begins with what the latch was at an instant after the turn before. If another
        // thread has moved it since, the compare-exchange fails, and that thread checks.
        while !latch.is_running() {
            let after = Cell::new(latch);
            if Self::is_pending(latch) {
                if caller == Caller::Defers {
                    return;
                }
                reading = None;
                let taken_over = latch.taken_over();
                if let Err(now) = word.replace(latch.0, taken_over.0) {
                    // Another thread has taken the event over, or has set SAMPLED.
                    latch = Latch(now);
                    continue;
                }
                self.deliver
                    .deliver_pending(Delivery::new(word, caller, &after));
            } else {
                let reading = reading.take().or_else(|| self.reading(latch));
                let Some((enqueued, dequeued)) = reading else {
                    return;
                };
                let points = self.points();
                let depth = Self::depth_in(points.capacity, latch, enqueued.wrapping_sub(dequeued));
                let Some(edge) = latch.due(depth, points) else {
                    return;
                };
                let next = latch.over(edge);
                if !self.deliver.wants(edge) {
                    if word.replace(latch.0, next.0).is_err() {
                        return;
                    }
                    latch = next;
                    continue;
                }
                if word.replace(latch.0, next.running().0).is_err() {
                    return;
                }
                let figures = || self.figures(next, depth, enqueued, dequeued);
                let event = match edge {
                    Edge::NearCapacity => LimitEvent::NearCapacity(figures()),
                    Edge::Full => LimitEvent::Full(figures()),
                    Edge::Recovered => LimitEvent::Recovered(figures()),
                };
                self.deliver
                    .deliver(&event, Delivery::new(word, caller, &after));
            }
            latch = after.get();
            if Self::is_pending(latch) {
                // It was left to another thread.
                return;
            }
            // An operation may find a pending event, and cross the warn point and the capacity.
            // Further edges are those of others, which may go on for ever: they are left to another
            // thread.
            delivered = u8::saturating_add(delivered, 1);
            if D::LEAVES_PENDING && delivered == 3 {
                caller = Caller::Defers;
            }
        }
    }
}

impl<D> Gauge<D> {
    /// The two counters as they were at one instant; `None` if they moved in a way that lets whoever moved them look
    /// instead: `enqueued` for the rising edges and `dequeued` for the falling one, or of a sampled gauge either for both.
    fn reading(&self, latch: Latch) -> Option<(usize, usize)> {
        let dequeued = self.consumers.dequeued.get();
        let enqueued = self.producers.enqueued.get();
        let dequeued_again = self.consumers.dequeued.get();
        if dequeued == dequeued_again {
            return Some((enqueued, dequeued));
        }
        // Of a sampled gauge an equal `enqueued` may have been another in between.
        let unmoved = !latch.is_sampled() && self.producers.enqueued.get() == enqueued;
        unmoved.then_some((enqueued, dequeued_again))
    }

    #[inline]
    fn raise_high_water(&self, depth: usize) {
        if depth > self.shared.high_water.get() {
            self.shared.high_water.raise(depth);
        }
    }

    #[inline]
    pub(super) fn depth_between(&self, latch: Latch, enqueued: usize, dequeued: usize) -> usize {
        Self::depth_in(self.capacity(), latch, enqueued.wrapping_sub(dequeued))
    }

    /// The depth that a difference of the counters stands for. Of a paired gauge, records in progress
    /// may take it over the capacity.
    #[inline]
    fn depth_in(capacity: usize, latch: Latch, difference: usize) -> usize {
        if difference > Self::ceiling_of(capacity) {
            0
        } else if latch.is_paired() {
            difference.min(capacity)
        } else {
            difference
        }
    }

    /// Whether a difference of the counters, taken modulo the word, is negative.
    fn is_deficit(&self, difference: usize) -> bool {
        difference > self.ceiling()
    }

    #[inline]
    pub(super) fn ceiling(&self) -> usize {
        Self::ceiling_of(self.capacity())
    }

    /// The greatest depth: half of what the capacity leaves of the word is for depths above it, half for deficits, which
    /// have an eighth of the word in any case.
    #[inline]
    const fn ceiling_of(capacity: usize) -> usize {
        const MOST: usize = usize::MAX / 4 * 3;
        let capacity = if capacity < MOST { capacity } else { MOST };
        usize::MAX - (usize::MAX - capacity) / 2
    }

    #[inline]
    pub(super) fn latch(&self) -> Latch {
        Latch(self.shared.latch.get())
    }

    #[inline]
    fn points(&self) -> Points {
        Points {
            capacity: self.capacity(),
            warn_depth: self.shared.warn_depth.get(),
            rearm_depth: self.shared.rearm_depth.get(),
        }
    }

    /// Inlined, so that nothing is copied on the way into an event: that takes longer than the code
    /// saves.
    #[inline(always)]
    pub(super) fn figures(
        &self,
        latch: Latch,
        depth: usize,
        enqueued: usize,
        dequeued: usize,
    ) -> QueueSnapshot {
        let limit = self.limit();
        let capacity = self.capacity();
        QueueSnapshot {
            name: limit,
            category: limit.category(),
            instance: self.instance(),
            depth,
            high_water: self.high_water().max(depth),
            capacity,
            fill_percent: fill_percent(depth, capacity),
            warned: latch.has_warned(),
            warnings: latch.warnings(),
            enqueued,
            dequeued,
        }
    }
}

#[cfg(any(fillgauge_loom, fillgauge_search))]
impl<D> Gauge<D> {
    /// `enqueued` and `dequeued` at this moment, for a model that watches them.
    pub fn counters_now(&self) -> (usize, usize) {
        (self.producers.enqueued.now(), self.consumers.dequeued.now())
    }
}
