//! Programs: the gauge, what is recorded before, and what each thread then records.

use std::collections::BTreeSet;
use std::fmt;

use fillgauge::modelled::AtomicUsize;
use fillgauge::{Budget, Gauge, GaugeConfig, Limit, Thresholds};

use crate::history::{History, Points};
use crate::mailbox::Courier;
use crate::search::{self, Counts, Failure, Settings};
use crate::subject::{Delivers, Op, Sampled, Subject};

static QUEUE: Limit = Limit::queue("queue");

/// Who delivers the events of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sink {
    /// The thread that causes them, whatever it does.
    InPlace,
    /// The same, and the first warning panics.
    PanicsOnce,
    /// The same, and at the first warning the sink itself dequeues so many.
    DequeuesOnce(usize),
    /// The thread that causes them, unless it must not: then the background thread, or the next
    /// that may.
    HandedOver,
    /// The background thread.
    Background,
}

/// What a gauge watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Limit,
    /// Every item that is recorded out is recorded in, in either order.
    Queue,
    /// A queue without room. Its capacity is 0, which of the other kinds means unbounded.
    Rendezvous,
    /// It admits and refuses. Capacity 0 is a bound.
    Budget,
}

/// A gauge, and what several threads record on it at once.
#[derive(Clone)]
pub struct Program {
    pub capacity: usize,
    /// Percentages at which it warns, and is armed again.
    pub thresholds: (u8, u8),
    pub kind: Kind,
    /// Recorded before the threads start.
    pub before: Vec<Op>,
    /// What each thread records.
    pub threads: Vec<Vec<Op>>,
    pub sink: Sink,
}

impl Program {
    /// The program on the real gauge.
    ///
    /// # Errors
    ///
    /// A promise is broken.
    pub fn search(&self, settings: Settings) -> Result<Counts, Box<Failure>> {
        self.search_sampled(settings, false)
    }

    /// The same. A queue that knows its length is sampled before the observation, if `is_old`.
    ///
    /// # Errors
    ///
    /// A promise is broken.
    pub fn search_sampled(&self, settings: Settings, is_old: bool) -> Result<Counts, Box<Failure>> {
        self.search_on(settings, |points, history| match self.sink {
            _ if self.kind == Kind::Budget => {
                assert!(!matches!(self.sink, Sink::HandedOver | Sink::Background));
                Box::new(Budget::with_config(self.config(points)).with_sink(history))
            }
            Sink::InPlace | Sink::PanicsOnce | Sink::DequeuesOnce(_) => {
                let gauge = Gauge::with_config(self.config(points)).with_sink(history);
                sampled(gauge, is_old)
            }
            Sink::HandedOver | Sink::Background => {
                let courier = Courier::new(history, self.sink == Sink::Background);
                sampled(Gauge::with_delivery(self.config(points), courier), is_old)
            }
        })
    }

    /// The program on another gauge.
    ///
    /// # Errors
    ///
    /// A promise is broken.
    pub fn search_on(
        &self,
        settings: Settings,
        subject: impl FnOnce(Points, &'static History) -> Box<dyn Subject>,
    ) -> Result<Counts, Box<Failure>> {
        search::run(self, settings, subject)
    }

    fn config(&self, points: Points) -> GaugeConfig {
        let (warn, rearm) = self.thresholds;
        let thresholds = Thresholds::new(warn.into(), rearm.into()).unwrap();
        let config = match self.kind {
            Kind::Limit => GaugeConfig::new(&QUEUE, points.capacity),
            Kind::Queue => GaugeConfig::for_queue(&QUEUE, points.capacity),
            Kind::Rendezvous => GaugeConfig::rendezvous(&QUEUE),
            Kind::Budget => GaugeConfig::new(&QUEUE, points.capacity),
        };
        config.thresholds(thresholds)
    }

    /// The points that the gauge begins with.
    pub fn points(&self) -> Points {
        self.points_of(self.capacity, self.thresholds)
    }

    /// From the percentages in wider integers, apart from what the gauge computes.
    fn points_of(&self, capacity: usize, (warn, rearm): (u8, u8)) -> Points {
        let first_depth_of = |percent: u8| {
            let hundredfold = u128::from(percent) * capacity as u128;
            usize::try_from(hundredfold.div_ceil(100)).unwrap()
        };
        let (warn_depth, rearm_depth) = match (capacity, self.kind) {
            (0, Kind::Limit | Kind::Queue) => (usize::MAX, usize::MAX),
            (0, Kind::Rendezvous | Kind::Budget) => (usize::MAX, 0),
            _ => (first_depth_of(warn), first_depth_of(rearm + 1) - 1),
        };
        Points {
            capacity,
            thresholds: (warn, rearm),
            warn_depth,
            rearm_depth,
            for_queue: matches!(self.kind, Kind::Queue | Kind::Rendezvous),
            most: match (self.kind, capacity) {
                (Kind::Limit | Kind::Budget, _) | (Kind::Queue, 0) => usize::MAX,
                (Kind::Queue | Kind::Rendezvous, capacity) => capacity,
            },
            unit: (self.capacity / 64).max(1),
        }
    }

    /// The settings that the gauge may come to have.
    pub fn choices(&self) -> Choices {
        let mut choices = Choices {
            program: self.clone(),
            capacities: vec![self.capacity],
            thresholds: vec![self.thresholds],
        };
        for op in self.before.iter().chain(self.threads.iter().flatten()) {
            match *op {
                Op::SetCapacity(capacity) if !choices.capacities.contains(&capacity) => {
                    choices.capacities.push(capacity);
                }
                Op::SetThresholds(warn, rearm) if !choices.thresholds.contains(&(warn, rearm)) => {
                    choices.thresholds.push((warn, rearm));
                }
                _ => {}
            }
        }
        choices
    }

    /// The number of an operation: those of the first thread come first.
    pub fn number(&self, thread: usize, index: usize) -> usize {
        let before: usize = self.threads[..thread].iter().map(Vec::len).sum();
        before + index
    }

    /// The difference of the counters after `op`, in plain integers.
    pub fn applied(&self, op: Op, difference: isize) -> isize {
        let after = match op {
            Op::Enqueue => difference + 1,
            Op::EnqueueN(n) => difference + n.cast_signed(),
            Op::Dequeue | Op::Take => difference - 1,
            Op::DequeueN(n) if n <= usize::MAX / 32 => difference - n.cast_signed(),
            Op::DequeueN(n) => difference.min(0).max(difference.saturating_sub_unsigned(n)),
            Op::Clear | Op::TakeAll => difference.min(0),
            Op::Deliver | Op::ComeBy | Op::TakePeak => difference,
            Op::SetCapacity(_) | Op::SetThresholds(..) => difference,
            Op::Observe(depth) | Op::ObserveWith(depth) => depth.cast_signed(),
            Op::Fill(n) => difference + n.cast_signed(),
            Op::Drain => 0,
            // Alone, and it fits.
            Op::Reserve(n) => difference + n.cast_signed(),
            Op::GiveBack(n) => difference - n.cast_signed(),
            Op::Borrow(_) => difference,
        };
        match self.kind {
            Kind::Limit => after.max(0),
            Kind::Queue | Kind::Rendezvous | Kind::Budget => after,
        }
    }

    /// The differences to which `ops` lead, one after the other, in all orders that are allowed:
    /// `earlier[i]` has the bits of those that come before operation `i`.
    pub fn differences(&self, start: isize, ops: &[Op], earlier: &[u32]) -> BTreeSet<isize> {
        let all = (1 << ops.len()) - 1;
        let mut reached = BTreeSet::from([(0_u32, start)]);
        let mut ends = BTreeSet::new();
        // A set of operations is a greater number than its subsets: ascending order has them all.
        while let Some((done, difference)) = reached.pop_first() {
            if done == all {
                ends.insert(difference);
            }
            for (index, op) in ops.iter().enumerate() {
                let bit = 1 << index;
                if done & bit == 0 && earlier[index] & !done == 0 {
                    reached.insert((done | bit, self.applied(*op, difference)));
                }
            }
        }
        ends
    }
}

/// The capacities and the thresholds that a gauge may come to have, each with a number.
#[derive(Clone, Debug)]
pub struct Choices {
    program: Program,
    capacities: Vec<usize>,
    thresholds: Vec<(u8, u8)>,
}

impl Choices {
    pub fn capacity(&self, capacity: usize) -> Option<usize> {
        self.capacities.iter().position(|one| *one == capacity)
    }

    pub fn thresholds(&self, thresholds: Thresholds) -> Option<usize> {
        self.thresholds.iter().position(|(warn, rearm)| {
            (usize::from(*warn), usize::from(*rearm))
                == (thresholds.warn_percent(), thresholds.rearm_percent())
        })
    }

    /// The points of a capacity and of thresholds, by their numbers.
    pub fn points(&self, capacity: usize, thresholds: usize) -> Points {
        (self.program).points_of(self.capacities[capacity], self.thresholds[thresholds])
    }

    pub fn program(&self) -> &Program {
        &self.program
    }

    /// Whether there is but one choice.
    pub fn is_fixed(&self) -> bool {
        self.capacities.len() == 1 && self.thresholds.len() == 1
    }
}

fn sampled<D: Delivers + 'static>(gauge: Gauge<D>, is_old: bool) -> Box<dyn Subject> {
    Box::new(Sampled {
        gauge,
        length: AtomicUsize::new(0),
        is_old,
    })
}

impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            capacity,
            thresholds: (warn, rearm),
            ..
        } = self;
        let kind = match self.kind {
            Kind::Limit => "",
            Kind::Queue => "for a queue, ",
            Kind::Rendezvous => "a rendezvous, ",
            Kind::Budget => "a budget, ",
        };
        write!(
            f,
            "capacity {capacity} ({warn} %, {rearm} %), {kind}{:?}, before {:?}, threads {:?}",
            self.sink, self.before, self.threads
        )
    }
}
