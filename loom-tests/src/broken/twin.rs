use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use fillgauge::modelled::AtomicUsize;

use crate::history::{Event, History, Points};
use crate::mailbox::Mailbox;
use crate::subject::{Figures, Op, Subject};

/// The step that a [`Twin`] lacks, or takes in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None. The models pass, so a canary fails by its fault and not by the twin.
    None,
    /// An edge is delivered while another is being delivered.
    TwoAtATime,
    /// After an edge it does not check again.
    NoSecondCheck,
    /// It reads what was dequeued, then what was enqueued, and no more.
    TornReading,
    /// It reads them the other way round.
    SwappedReading,
    /// It reads the counters before the state that it then moves.
    CountersBeforeState,
    /// It moves the state whatever that has become meanwhile.
    StateByStore,
    /// Strays are absorbed by adding what is missing.
    StraysByAddition,
    /// Clearing takes out what there was when it read the counters.
    ClearByAddition,
    /// Clearing absorbs the underflow of a queue.
    ClearOfUnderflow,
    /// Clearing does not check whether something came meanwhile.
    ClearOnce,
    /// The mark is written by the thread that saw a lower one.
    MarkByStore,
    /// The mark is the difference of the counters, also if that is negative.
    MarkOfUnderflow,
    /// An observer does not check. It leaves that to the threads that count.
    ObserverDoesNotCheck,
    /// An observer does not check whether the other counter moved meanwhile.
    ObservesOnce,
    /// Of two corrections that meet, the one that repeats does not ask whether the other relies on it.
    ReleasesAnyway,
    /// A pending event is taken over by a store, whatever happened to it meanwhile.
    TakesOverByStore,
    /// RUNNING is cleared before PENDING is set, in two steps.
    LeavesInTwoSteps,
    /// The background thread is woken before the event is left pending.
    WakesFirst,
    /// The thread that delivers a pending event does not check the gauge afterwards.
    EndsUnchecked,
    /// A producer takes its upper bound for the depth.
    BoundAsDepth,
    /// A producer keeps what was enqueued as what was dequeued.
    BoundOfOwnCounter,
    /// A producer computes its bound before it adds.
    BoundBeforeAddition,
}

/// The gauge's protocol with a fault, and with or without its cached bounds.
pub struct Twin {
    enqueued: AtomicUsize,
    cached_dequeued: AtomicUsize,
    dequeued: AtomicUsize,
    cached_enqueued: AtomicUsize,
    keeps_bounds: bool,
    high_water: AtomicUsize,
    state: AtomicUsize,
    mailbox: Mailbox,
    points: Points,
    fault: Fault,
    history: &'static History,
}

const WARNED: usize = 1;
const FULL: usize = 2;
const DELIVERING: usize = 4;
const PENDING: usize = 8;
const CORRECTING: usize = 16;
const AGAIN: usize = 32;
const ONE_WARNING: usize = 64;

impl Twin {
    pub fn with(fault: Fault) -> impl Fn(Points, &'static History) -> Self {
        Self::new(fault, false)
    }

    /// The same, and no thread checks whose bound is far from an edge.
    pub fn keeping_bounds(fault: Fault) -> impl Fn(Points, &'static History) -> Self {
        Self::new(fault, true)
    }

    fn new(fault: Fault, keeps_bounds: bool) -> impl Fn(Points, &'static History) -> Self {
        move |points, history| Self {
            enqueued: AtomicUsize::new(0),
            cached_dequeued: AtomicUsize::new(0),
            dequeued: AtomicUsize::new(0),
            cached_enqueued: AtomicUsize::new(0),
            keeps_bounds,
            high_water: AtomicUsize::new(0),
            state: AtomicUsize::new(0),
            mailbox: Mailbox::default(),
            points,
            fault,
            history,
        }
    }

    fn depth_of(&self, enqueued: usize, dequeued: usize) -> usize {
        let depth = enqueued.saturating_sub(dequeued);
        if self.points.for_queue {
            depth.min(self.points.capacity)
        } else {
            depth
        }
    }

    fn enqueue(&self, n: usize) {
        let early =
            (self.fault == Fault::BoundBeforeAddition).then(|| self.enqueued.load(SeqCst) + n);
        let enqueued = self.enqueued.fetch_add(n, SeqCst) + n;
        if self.keeps_bounds && self.is_far_below(early.unwrap_or(enqueued)) {
            return;
        }
        let dequeued = self.dequeued.load(SeqCst);
        if self.keeps_bounds {
            let own = self.fault == Fault::BoundOfOwnCounter;
            self.cached_dequeued
                .store(if own { enqueued } else { dequeued }, Relaxed);
        }
        self.mark(if self.fault == Fault::MarkOfUnderflow {
            enqueued.wrapping_sub(dequeued)
        } else {
            self.depth_of(enqueued, dequeued)
        });
        self.deliver_pending_edges(true);
    }

    /// Whether the depth is at most the mark, and below the warn point.
    fn is_far_below(&self, enqueued: usize) -> bool {
        // An upper bound. One that is negative is great.
        let bound = enqueued.wrapping_sub(self.cached_dequeued.load(Relaxed));
        if self.fault == Fault::BoundAsDepth {
            self.mark(bound);
        }
        bound < self.points.warn_depth && bound <= self.high_water.load(SeqCst)
    }

    /// Whether the depth is above the re-arm point.
    fn is_far_above(&self, dequeued: usize) -> bool {
        // A lower bound.
        let bound = self.cached_enqueued.load(Relaxed).wrapping_sub(dequeued);
        bound.cast_signed() > self.points.rearm_depth.cast_signed()
    }

    fn mark(&self, depth: usize) {
        let mut mark = self.high_water.load(SeqCst);
        while mark < depth {
            if self.fault == Fault::MarkByStore {
                self.high_water.swap(depth, SeqCst);
                return;
            }
            match self
                .high_water
                .compare_exchange(mark, depth, SeqCst, SeqCst)
            {
                Ok(_) => return,
                Err(now) => mark = now,
            }
        }
    }

    fn dequeue(&self, n: usize, may_deliver: bool) {
        let dequeued = self.dequeued.fetch_add(n, SeqCst) + n;
        if self.keeps_bounds {
            if self.is_far_above(dequeued) {
                return;
            }
            let enqueued = self.enqueued.load(SeqCst);
            self.cached_enqueued.store(enqueued, Relaxed);
        }
        if !self.points.for_queue {
            self.absorb_strays(dequeued);
        }
        self.deliver_pending_edges(may_deliver);
    }

    fn absorb_strays(&self, dequeued: usize) {
        let mut enqueued = self.enqueued.load(SeqCst);
        while enqueued < dequeued {
            if self.fault == Fault::StraysByAddition {
                self.enqueued.fetch_add(dequeued - enqueued, SeqCst);
                return;
            }
            match self
                .enqueued
                .compare_exchange(enqueued, dequeued, SeqCst, SeqCst)
            {
                Ok(_) => return,
                Err(now) => enqueued = now,
            }
        }
    }

    fn clear(&self, may_deliver: bool) {
        if !self.try_clear() {
            self.correct_again(|| self.try_clear());
        }
        self.deliver_pending_edges(may_deliver);
    }

    /// False if something came meanwhile.
    fn try_clear(&self) -> bool {
        loop {
            let dequeued = self.dequeued.load(SeqCst);
            let enqueued = self.enqueued.load(SeqCst);
            if enqueued <= dequeued {
                if !self.points.for_queue || self.fault == Fault::ClearOfUnderflow {
                    self.absorb_strays(dequeued);
                }
                return true;
            }
            if self.fault == Fault::ClearByAddition {
                self.dequeued.fetch_add(enqueued - dequeued, SeqCst);
                return true;
            }
            if self
                .dequeued
                .compare_exchange(dequeued, enqueued, SeqCst, SeqCst)
                .is_ok()
            {
                return self.fault == Fault::ClearOnce || self.enqueued.load(SeqCst) == enqueued;
            }
        }
    }

    fn observe(&self, depth: usize) {
        if !self.try_observe(depth) {
            self.correct_again(|| self.try_observe(depth));
        }
        self.mark(self.consistent_depth());
        if self.fault != Fault::ObserverDoesNotCheck {
            self.deliver_pending_edges(true);
        }
    }

    /// False if the other counter moved meanwhile.
    fn try_observe(&self, depth: usize) -> bool {
        loop {
            let dequeued = self.dequeued.load(SeqCst);
            let enqueued = self.enqueued.load(SeqCst);
            let (moved, from, to, other, unmoved) = if enqueued < dequeued + depth {
                let raised = dequeued + depth;
                (&self.enqueued, enqueued, raised, &self.dequeued, dequeued)
            } else {
                let lowered = enqueued - depth;
                (&self.dequeued, dequeued, lowered, &self.enqueued, enqueued)
            };
            if moved.compare_exchange(from, to, SeqCst, SeqCst).is_ok() {
                return self.fault == Fault::ObservesOnce || other.load(SeqCst) == unmoved;
            }
        }
    }

    fn correct_again(&self, attempt: impl Fn() -> bool) {
        if self.state.fetch_or(CORRECTING | AGAIN, SeqCst) & CORRECTING != 0 {
            return;
        }
        loop {
            self.state.fetch_and(!AGAIN, SeqCst);
            while !attempt() {}
            let mut state = self.state.load(SeqCst);
            while state & AGAIN == 0 || self.fault == Fault::ReleasesAnyway {
                let released = state & !(CORRECTING | AGAIN);
                match self.state.compare_exchange(state, released, SeqCst, SeqCst) {
                    Ok(_) => return,
                    Err(now) => state = now,
                }
            }
        }
    }

    fn deliver_pending_edges(&self, may_deliver: bool) {
        loop {
            let early = self.consistent_depth();
            let state = self.state.load(SeqCst);
            if state & DELIVERING != 0 {
                return;
            }
            if state & PENDING != 0 {
                if !may_deliver {
                    return;
                }
                if !self.take_over(state) {
                    continue;
                }
                self.mailbox.deliver(self.history);
                self.state.fetch_sub(DELIVERING, SeqCst);
                if self.fault == Fault::EndsUnchecked {
                    return;
                }
                continue;
            }
            let depth = if self.fault == Fault::CountersBeforeState {
                early
            } else {
                self.consistent_depth()
            };
            let Some((event, next)) = self.pending_edge(state, depth) else {
                return;
            };
            let delivering = if self.fault == Fault::TwoAtATime {
                0
            } else {
                DELIVERING
            };
            if self.fault == Fault::StateByStore {
                self.state.swap(next | delivering, SeqCst);
            } else if self
                .state
                .compare_exchange(state, next | delivering, SeqCst, SeqCst)
                .is_err()
            {
                continue;
            }
            if !may_deliver {
                self.leave(event, depth);
                return;
            }
            self.history.deliver(event, depth);
            self.state.fetch_sub(delivering, SeqCst);
            if self.fault == Fault::NoSecondCheck {
                return;
            }
        }
    }

    fn take_over(&self, state: usize) -> bool {
        let taken_over = state & !PENDING | DELIVERING;
        if self.fault == Fault::TakesOverByStore {
            self.state.swap(taken_over, SeqCst);
            return true;
        }
        self.state
            .compare_exchange(state, taken_over, SeqCst, SeqCst)
            .is_ok()
    }

    fn leave(&self, event: Event, depth: usize) {
        self.mailbox.store(event, depth);
        if self.fault == Fault::WakesFirst {
            self.mailbox.wake();
        }
        if self.fault == Fault::LeavesInTwoSteps {
            self.state.fetch_sub(DELIVERING, SeqCst);
            self.state.fetch_add(PENDING, SeqCst);
        } else {
            self.state.fetch_add(PENDING - DELIVERING, SeqCst);
        }
        if self.fault != Fault::WakesFirst {
            self.mailbox.wake();
        }
    }

    /// The depth at an instant at which no thread dequeued.
    fn consistent_depth(&self) -> usize {
        if self.fault == Fault::SwappedReading {
            let enqueued = self.enqueued.load(SeqCst);
            return self.depth_of(enqueued, self.dequeued.load(SeqCst));
        }
        loop {
            let dequeued = self.dequeued.load(SeqCst);
            let enqueued = self.enqueued.load(SeqCst);
            if self.fault == Fault::TornReading || dequeued == self.dequeued.load(SeqCst) {
                return self.depth_of(enqueued, dequeued);
            }
        }
    }

    fn pending_edge(&self, state: usize, depth: usize) -> Option<(Event, usize)> {
        let warned = state & WARNED != 0;
        if !warned && depth >= self.points.warn_depth {
            Some((Event::NearCapacity, (state + ONE_WARNING) | WARNED))
        } else if warned && depth <= self.points.rearm_depth {
            Some((Event::Recovered, state & !(WARNED | FULL)))
        } else if warned && depth >= self.points.capacity && state & FULL == 0 {
            Some((Event::Full, state | FULL))
        } else {
            None
        }
    }
}

impl Subject for Twin {
    fn record(&self, op: Op) {
        match op {
            Op::Enqueue => self.enqueue(1),
            Op::EnqueueN(n) => self.enqueue(n),
            Op::Dequeue => self.dequeue(1, true),
            Op::DequeueN(n) => self.dequeue(n, true),
            Op::Clear => self.clear(true),
            Op::Take => self.dequeue(1, false),
            Op::TakeAll => self.clear(false),
            Op::Deliver => {
                if self.mailbox.is_woken() {
                    self.deliver_pending_edges(true);
                }
            }
            Op::ComeBy => self.deliver_pending_edges(true),
            Op::Observe(depth) | Op::ObserveWith(depth) => self.observe(depth),
            _ => panic!("{op:?} is not for the twin"),
        }
    }

    fn figures(&self) -> Figures {
        let enqueued = self.enqueued.load(SeqCst);
        let dequeued = self.dequeued.load(SeqCst);
        Figures {
            depth: self.depth_of(enqueued, dequeued),
            high_water: self.high_water.load(SeqCst),
            warned: self.state.load(SeqCst) & WARNED != 0,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.enqueued.now(), self.dequeued.now())
    }

    fn has_pending_event(&self) -> bool {
        self.state.load(SeqCst) & PENDING != 0
    }
}
