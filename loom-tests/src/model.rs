//! A model of one gauge: what is recorded before, what each thread then records, and what must come
//! of it.

use std::collections::BTreeSet;

use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
use loom::thread;

use crate::broken::{Fault, Twin};
use crate::history::{Event, History, Points};
use crate::mailbox::Courier;
use crate::subject::{Op, Subject};
use crate::{explore, leaked};

static QUEUE: Limit = Limit::queue("queue");

/// A gauge, and what several threads record on it at once. Every execution is checked for all
/// promises of a gauge: alternation, soundness, settledness, conservation and high water.
///
/// For conservation, the depth at rest is that of the same operations one after the other, in an
/// order that keeps the order within each thread. Afterwards the gauge goes down to 0 and up to its
/// warn point, and is checked at each step.
#[derive(Clone, Copy)]
pub struct Model {
    pub capacity: usize,
    /// Percentages at which it warns, and is armed again.
    pub thresholds: (u8, u8),
    /// The gauge of a queue.
    pub for_queue: bool,
    /// Who delivers.
    pub delivery: Delivery,
    /// Where the counters start.
    pub start: usize,
    /// Recorded before the threads start.
    pub before: &'static [Op],
    /// What each thread records; the last of them is the one that starts the others.
    pub threads: &'static [&'static [Op]],
    /// What the sink itself records at the first warning.
    pub on_warning: Option<Op>,
    /// The events of every execution, from its beginning on, if they are known.
    pub events: Option<&'static [Event]>,
    /// The most preemptions of an execution; `None` for all interleavings.
    pub preemptions: Option<usize>,
    /// The fewest executions there are.
    pub floor: usize,
}

/// Who delivers the events of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The thread that causes them, whatever it does.
    InPlace,
    /// The thread that causes them, unless it must not: then the background thread, or the next
    /// that may.
    HandedOver,
    /// The background thread.
    Background,
}

impl Model {
    /// A gauge that warns at 2, when it is full, and is armed again at 1.
    pub const PAIR: Self = Self {
        capacity: 2,
        thresholds: (80, 50),
        for_queue: false,
        delivery: Delivery::InPlace,
        start: 0,
        before: &[],
        threads: &[],
        on_warning: None,
        events: None,
        preemptions: None,
        floor: 1,
    };

    /// A gauge that warns at 2, far from full, and is armed again at 1.
    pub const ROOMY: Self = Self {
        capacity: 10,
        thresholds: (20, 10),
        ..Self::PAIR
    };

    /// Checks the model on the real gauge.
    pub fn check(self) {
        match self.delivery {
            Delivery::InPlace => self.check_on(move |points, history| {
                let gauge = Gauge::with_config(self.config(points)).with_sink(history);
                start_at(&gauge, self.start, self.for_queue);
                gauge
            }),
            Delivery::HandedOver | Delivery::Background => self.check_on(move |points, history| {
                let courier = Courier::new(history, self.delivery == Delivery::Background);
                Gauge::with_delivery(self.config(points), courier)
            }),
        }
    }

    /// Checks the model on the gauge's twin with a fault, within two preemptions.
    pub fn check_fault(self, fault: Fault) {
        let bounded = Self {
            preemptions: Some(2),
            floor: 1,
            ..self
        };
        bounded.check_on(Twin::with(fault));
    }

    /// Checks the model on another gauge.
    pub fn check_on<S: Subject + 'static>(
        self,
        subject: impl Fn(Points, &'static History) -> S + Send + Sync + 'static,
    ) {
        let points = self.points();
        let depths_at_rest = [false, true].map(|sink_records| self.depths_at_rest(sink_records));
        explore(self.preemptions, self.floor, move || {
            let history = leaked(History::new(points, self.on_warning));
            let subject = leaked(subject(points, history));
            history.begin(subject);
            for op in self.before {
                subject.record(*op);
            }
            if !subject.has_pending_event() {
                history.assert_promises(subject.figures());
            }
            self.run_threads(subject);
            self.deliver_what_is_left(subject, history);
            let figures = subject.figures();
            let depths_at_rest = &depths_at_rest[usize::from(history.sink_has_recorded())];
            assert!(
                depths_at_rest.contains(&figures.depth),
                "a depth of no order of the operations: {figures:?} and not one of {depths_at_rest:?}, {:?}",
                history.moments()
            );
            history.assert_promises(figures);
            if let Some(events) = self.events {
                assert_eq!(history.events(), events, "{:?}", history.moments());
            }
            self.assert_that_it_goes_on(subject, history);
        });
    }

    fn run_threads(&self, subject: &'static dyn Subject) {
        let [others @ .., own] = self.threads else {
            panic!("a model without threads");
        };
        let record = move |ops: &[Op]| ops.iter().for_each(|op| subject.record(*op));
        let threads: Vec<_> = others
            .iter()
            .map(|ops| thread::spawn(move || record(ops)))
            .collect();
        record(own);
        for thread in threads {
            thread.join().unwrap();
        }
    }

    /// After the threads, delivers what is pending. The background thread was woken for it.
    fn deliver_what_is_left(&self, subject: &dyn Subject, history: &History) {
        subject.record(Op::Deliver);
        assert!(
            !subject.has_pending_event() || self.delivery == Delivery::InPlace,
            "nobody was woken: {:?}",
            history.moments()
        );
    }

    /// What the threads left behind must not show later: down to 0 and up to the warn point, in one
    /// thread.
    fn assert_that_it_goes_on(&self, subject: &dyn Subject, history: &History) {
        if self.capacity > 10 {
            return;
        }
        let records = |op| {
            subject.record(op);
            self.deliver_what_is_left(subject, history);
        };
        for _ in 0..subject.figures().depth {
            records(Op::Dequeue);
        }
        history.assert_promises(subject.figures());
        let goes_on = |depth| {
            let now = subject.figures().depth;
            assert_eq!(now, depth, "a flaw shows later: {:?}", history.moments());
        };
        goes_on(0);
        for depth in 1..=history.points().warn_depth.min(self.capacity) {
            records(Op::Enqueue);
            history.assert_promises(subject.figures());
            goes_on(depth);
        }
    }

    fn config(&self, points: Points) -> GaugeConfig {
        let (warn, rearm) = self.thresholds;
        let thresholds = Thresholds::new(warn.into(), rearm.into()).unwrap();
        let config = if self.for_queue {
            GaugeConfig::for_queue(&QUEUE, points.capacity)
        } else {
            GaugeConfig::new(&QUEUE, points.capacity)
        };
        config.thresholds(thresholds)
    }

    /// From the percentages by search, apart from what the gauge computes.
    fn points(&self) -> Points {
        let (warn, rearm) = self.thresholds;
        let (warn_depth, rearm_depth) = match self.capacity {
            0 => (usize::MAX, 0),
            _ => (
                self.first_depth_of(warn),
                self.first_depth_of(rearm + 1) - 1,
            ),
        };
        Points {
            capacity: self.capacity,
            thresholds: self.thresholds,
            warn_depth,
            rearm_depth,
            for_queue: self.for_queue,
        }
    }

    fn first_depth_of(&self, percent: u8) -> usize {
        let (mut below, mut first) = (0, self.capacity);
        while below + 1 < first {
            let middle = below + (first - below) / 2;
            if middle as u128 * 100 / self.capacity as u128 >= percent.into() {
                first = middle;
            } else {
                below = middle;
            }
        }
        first
    }

    /// The depths that the operations lead to, one after the other, in all their orders. What the
    /// sink records, if it does, may come anywhere after the depth has reached the warn point.
    fn depths_at_rest(&self, sink_records: bool) -> BTreeSet<usize> {
        let mut depth = 0;
        for op in self.before {
            depth = self.applied(*op, depth);
        }
        let sink_op = self.on_warning.filter(|_| sink_records);
        let mut depths = BTreeSet::new();
        self.orders(depth, self.threads, sink_op, false, &mut depths);
        depths
    }

    fn orders(
        &self,
        depth: isize,
        threads: &[&[Op]],
        sink_op: Option<Op>,
        warned: bool,
        depths: &mut BTreeSet<usize>,
    ) {
        let warned =
            warned || usize::try_from(depth).is_ok_and(|depth| depth >= self.points().warn_depth);
        let mut at_rest = sink_op.is_none();
        for (index, thread) in threads.iter().enumerate() {
            if let [op, rest @ ..] = thread {
                at_rest = false;
                let mut threads = threads.to_vec();
                threads[index] = rest;
                self.orders(self.applied(*op, depth), &threads, sink_op, warned, depths);
            }
        }
        if let Some(op) = sink_op.filter(|_| warned) {
            self.orders(self.applied(op, depth), threads, None, warned, depths);
        }
        if at_rest {
            let depth = usize::try_from(depth).unwrap_or(0);
            depths.insert(if self.for_queue {
                depth.min(self.capacity)
            } else {
                depth
            });
        }
    }

    /// The depth after `op`, in plain integers.
    fn applied(&self, op: Op, depth: isize) -> isize {
        let after = match op {
            Op::Enqueue => depth + 1,
            Op::EnqueueN(n) => depth + n.cast_signed(),
            Op::Dequeue | Op::Take => depth - 1,
            Op::DequeueN(n) if n <= usize::MAX / 32 => depth - n.cast_signed(),
            Op::DequeueN(n) => depth.min(0).max(depth.saturating_sub_unsigned(n)),
            Op::Clear | Op::TakeAll => depth.min(0),
            Op::Deliver | Op::ComeBy | Op::TakePeak => depth,
            Op::SetCapacity(_) | Op::SetThresholds(..) => depth,
            Op::Observe(depth) | Op::ObserveWith(depth) => depth.cast_signed(),
            Op::Fill(n) => depth + n.cast_signed(),
            Op::Drain => 0,
            Op::Reserve(_) | Op::Borrow(_) | Op::GiveBack(_) => panic!("{op:?} needs a budget"),
        };
        if self.for_queue { after } else { after.max(0) }
    }
}

/// Takes the counters of a new gauge to `start`, and leaves its other figures as they are: by
/// strays, or for a queue by underflows that are set off.
fn start_at(gauge: &Gauge, start: usize, for_queue: bool) {
    const MOST: usize = usize::MAX / 32;
    let mut left = start;
    while left > 0 {
        let step = left.min(MOST);
        gauge.record_dequeue_n(step);
        if for_queue {
            gauge.record_enqueue_n(step);
        }
        left -= step;
    }
    assert_eq!((gauge.enqueued(), gauge.dequeued()), (start, start));
}
