use std::sync::atomic::Ordering::SeqCst;

use fillgauge::modelled::AtomicUsize;

use crate::history::{History, Points, Told};
use crate::mailbox::Mailbox;
use crate::subject::{Figures, Op, Subject};

/// The step that a [`Twin`] lacks, or takes in another order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// None: what its canaries turn red is the fault, then, and not the twin.
    None,
    /// An edge is told while another is being told.
    TwoAtATime,
    /// Having told an edge, it does not look again.
    NoSecondLook,
    /// It reads what was dequeued, then what was enqueued, and no more.
    TornReading,
    /// It reads them the other way round.
    SwappedReading,
    /// It reads the counters before the latch that it then moves.
    EvidenceOfAnotherState,
    /// It moves the latch whatever that has become meanwhile.
    LatchByStore,
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
    /// An observer leaves the latch to those who count.
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
    enqueued_seen: AtomicUsize,
    high_water: AtomicUsize,
    latch: AtomicUsize,
    mailbox: Mailbox,
    points: Points,
    fault: Fault,
    history: &'static History,
}

const WARNED: usize = 1;
const FULL: usize = 2;
const TELLING: usize = 4;
const PENDING: usize = 8;
const ONE_WARNING: usize = 16;

impl Twin {
    pub fn with(fault: Fault) -> impl Fn(Points, &'static History) -> Self {
        move |points, history| Self {
            enqueued: AtomicUsize::new(0),
            dequeued: AtomicUsize::new(0),
            enqueued_seen: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            latch: AtomicUsize::new(0),
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
        self.settle(true);
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
            if self.enqueued_seen.load(SeqCst) > dequeued + self.points.rearm_depth {
                return;
            }
            self.enqueued_seen.swap(self.enqueued.load(SeqCst), SeqCst);
        }
        if !self.points.paired {
            self.make_good(dequeued);
        }
        self.settle(may_deliver);
    }

    fn make_good(&self, dequeued: usize) {
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
                    self.make_good(dequeued);
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
        self.settle(may_deliver);
    }

    fn observe(&self, depth: usize) {
        let before = self.dequeued.load(SeqCst);
        self.enqueued.swap(before + depth, SeqCst);
        let dequeued = self.dequeued.load(SeqCst);
        if self.fault != Fault::ObserverKeepsDeficit {
            self.make_good(dequeued);
        }
        self.mark(self.depth_of(before + depth, dequeued));
        match self.fault {
            Fault::ObserverDoesNotLook => {}
            Fault::OldEvidence => self.settle_from(true, Some(depth)),
            _ => self.settle(true),
        }
    }

    fn settle(&self, may_deliver: bool) {
        self.settle_from(may_deliver, None);
    }

    fn settle_from(&self, may_deliver: bool, mut evidence: Option<usize>) {
        loop {
            let early = self.reading();
            let latch = self.latch.load(SeqCst);
            if latch & TELLING != 0 {
                return;
            }
            if latch & PENDING != 0 {
                if !may_deliver || !self.take_over(latch) {
                    return;
                }
                self.mailbox.deliver(self.history);
                self.latch.fetch_sub(TELLING, SeqCst);
                if self.fault == Fault::EndsUnchecked {
                    return;
                }
                continue;
            }
            let depth = match evidence.take() {
                Some(evidence) => evidence,
                None if self.fault == Fault::EvidenceOfAnotherState => early,
                None => self.reading(),
            };
            let Some((told, next)) = self.due(latch, depth) else {
                return;
            };
            let telling = if self.fault == Fault::TwoAtATime {
                0
            } else {
                TELLING
            };
            if self.fault == Fault::LatchByStore {
                self.latch.swap(next | telling, SeqCst);
            } else if self
                .latch
                .compare_exchange(latch, next | telling, SeqCst, SeqCst)
                .is_err()
            {
                return;
            }
            if !may_deliver {
                self.leave(told, depth);
                return;
            }
            self.history.tell(told, depth);
            self.latch.fetch_sub(telling, SeqCst);
            if self.fault == Fault::NoSecondLook {
                return;
            }
        }
    }

    fn take_over(&self, latch: usize) -> bool {
        let taken_over = latch & !PENDING | TELLING;
        if self.fault == Fault::TakesOverByStore {
            self.latch.swap(taken_over, SeqCst);
            return true;
        }
        self.latch
            .compare_exchange(latch, taken_over, SeqCst, SeqCst)
            .is_ok()
    }

    fn leave(&self, told: Told, depth: usize) {
        self.mailbox.store(told, depth);
        if self.fault == Fault::WakesFirst {
            self.mailbox.wake();
        }
        if self.fault == Fault::LeavesInTwoSteps {
            self.latch.fetch_sub(TELLING, SeqCst);
            self.latch.fetch_add(PENDING, SeqCst);
        } else {
            self.latch.fetch_add(PENDING - TELLING, SeqCst);
        }
        if self.fault != Fault::WakesFirst {
            self.mailbox.wake();
        }
    }

    /// A depth that was: that of an instant at which nobody took anything.
    fn reading(&self) -> usize {
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

    fn due(&self, latch: usize, depth: usize) -> Option<(Told, usize)> {
        let warned = latch & WARNED != 0;
        if !warned && depth >= self.points.warn_depth {
            Some((Told::NearCapacity, (latch + ONE_WARNING) | WARNED))
        } else if warned && depth <= self.points.rearm_depth {
            Some((Told::Recovered, latch & !(WARNED | FULL)))
        } else if warned && depth >= self.points.capacity && latch & FULL == 0 {
            Some((Told::Full, latch | FULL))
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
                    self.settle(true);
                }
            }
            Op::ComeBy => self.settle(true),
            Op::Observe(depth) => self.observe(depth),
        }
    }

    fn figures(&self) -> Figures {
        let enqueued = self.enqueued.load(SeqCst);
        let dequeued = self.dequeued.load(SeqCst);
        Figures {
            depth: self.depth_of(enqueued, dequeued),
            high_water: self.high_water.load(SeqCst),
            warned: self.latch.load(SeqCst) & WARNED != 0,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.enqueued.now(), self.dequeued.now())
    }

    fn has_pending_event(&self) -> bool {
        self.latch.load(SeqCst) & PENDING != 0
    }
}
