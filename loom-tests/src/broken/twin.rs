use std::sync::atomic::Ordering::SeqCst;

use fillgauge::modelled::AtomicUsize;

use crate::history::{Event, History, Points};
use crate::mailbox::Mailbox;
use crate::subject::{Figures, Op, Subject};

/// The step that a [`Twin`] lacks, or takes in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: what its canaries turn red is the fault, then, and not the twin.
    None,
    /// An edge is delivered while another is being delivered.
    TwoAtATime,
    /// After an edge it does not check again.
    NoSecondLook,
    /// It reads what was dequeued, then what was enqueued, and no more.
    TornReading,
    /// It reads them the other way round.
    SwappedReading,
    /// It reads the counters before the state that it then moves.
    EvidenceOfAnotherState,
    /// It moves the state whatever that has become meanwhile.
    StateByStore,
    /// Strays are made good by adding what is missing.
    StraysByAddition,
    /// Clearing takes out what there was when it looked.
    ClearByAddition,
    /// Clearing makes good what a paired gauge is owed.
    ClearOfWhatIsOwed,
    /// The mark is written by whoever saw a lower one.
    MarkByStore,
    /// The mark is that of a difference, also of one below zero.
    MarkOfDeficit,
    /// An observer leaves the state to those who count.
    ObserverDoesNotLook,
    /// A consumer keeps to the bound that it has, though an observer may have taken `enqueued` back.
    OldBound,
    /// An observer does not ask whether somebody took something meanwhile.
    ObserverKeepsDeficit,
    /// A pending event is taken over by a store, whatever became of it meanwhile.
    TakesOverByStore,
    /// An event is no longer delivered before it is left pending.
    LeavesInTwoSteps,
    /// The background thread is woken before the event is left pending.
    WakesFirst,
    /// The thread that delivers a pending event does not check the gauge afterwards.
    EndsUnchecked,
    /// An observer takes what it saw for the depth, whatever happened since.
    OldEvidence,
}

/// The gauge's protocol without its cached bounds, and with a fault.
pub struct Twin {
    enqueued: AtomicUsize,
    dequeued: AtomicUsize,
    /// A value that `enqueued` had, for those who keep to it.
    cached_enqueued: AtomicUsize,
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
const ONE_WARNING: usize = 16;

impl Twin {
    pub fn with(fault: Fault) -> impl Fn(Points, &'static History) -> Self {
        move |points, history| Self {
            enqueued: AtomicUsize::new(0),
            dequeued: AtomicUsize::new(0),
            cached_enqueued: AtomicUsize::new(0),
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
        if self.points.paired {
            depth.min(self.points.capacity)
        } else {
            depth
        }
    }

    fn enqueue(&self, n: usize) {
        let enqueued = self.enqueued.fetch_add(n, SeqCst) + n;
        let dequeued = self.dequeued.load(SeqCst);
        self.mark(if self.fault == Fault::MarkOfDeficit {
            enqueued.wrapping_sub(dequeued)
        } else {
            self.depth_of(enqueued, dequeued)
        });
        self.deliver_pending_edges(true);
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
        if self.fault == Fault::OldBound {
            if self.cached_enqueued.load(SeqCst) > dequeued + self.points.rearm_depth {
                return;
            }
            self.cached_enqueued
                .swap(self.enqueued.load(SeqCst), SeqCst);
        }
        if !self.points.paired {
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
        loop {
            let dequeued = self.dequeued.load(SeqCst);
            let enqueued = self.enqueued.load(SeqCst);
            if enqueued <= dequeued {
                if self.fault == Fault::ClearOfWhatIsOwed {
                    self.absorb_strays(dequeued);
                }
                break;
            }
            if self.fault == Fault::ClearByAddition {
                self.dequeued.fetch_add(enqueued - dequeued, SeqCst);
                break;
            }
            if self
                .dequeued
                .compare_exchange(dequeued, enqueued, SeqCst, SeqCst)
                .is_ok()
            {
                break;
            }
        }
        self.deliver_pending_edges(may_deliver);
    }

    fn observe(&self, depth: usize) {
        let before = self.dequeued.load(SeqCst);
        self.enqueued.swap(before + depth, SeqCst);
        let dequeued = self.dequeued.load(SeqCst);
        if self.fault != Fault::ObserverKeepsDeficit {
            self.absorb_strays(dequeued);
        }
        self.mark(self.depth_of(before + depth, dequeued));
        match self.fault {
            Fault::ObserverDoesNotLook => {}
            Fault::OldEvidence => self.deliver_pending_edges_from(true, Some(depth)),
            _ => self.deliver_pending_edges(true),
        }
    }

    fn deliver_pending_edges(&self, may_deliver: bool) {
        self.deliver_pending_edges_from(may_deliver, None);
    }

    fn deliver_pending_edges_from(&self, may_deliver: bool, mut evidence: Option<usize>) {
        loop {
            let early = self.consistent_depth();
            let state = self.state.load(SeqCst);
            if state & DELIVERING != 0 {
                return;
            }
            if state & PENDING != 0 {
                if !may_deliver || !self.take_over(state) {
                    return;
                }
                self.mailbox.deliver(self.history);
                self.state.fetch_sub(DELIVERING, SeqCst);
                if self.fault == Fault::EndsUnchecked {
                    return;
                }
                continue;
            }
            let depth = match evidence.take() {
                Some(evidence) => evidence,
                None if self.fault == Fault::EvidenceOfAnotherState => early,
                None => self.consistent_depth(),
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
                return;
            }
            if !may_deliver {
                self.leave(event, depth);
                return;
            }
            self.history.deliver(event, depth);
            self.state.fetch_sub(delivering, SeqCst);
            if self.fault == Fault::NoSecondLook {
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

    /// A depth that was: that of an instant at which nobody took anything.
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
            Op::Observe(depth) => self.observe(depth),
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
