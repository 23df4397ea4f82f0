//! The promises of a gauge, as folds over what happened so far. A fold keeps as little as it can,
//! so that different pasts with the same future are one state.

use std::fmt;
use std::mem::replace;
use std::ops::RangeInclusive;

use crate::history::{Event, Points};
use crate::in_force::InForce;
use crate::memory::THREADS;
use crate::program::{Choices, Kind, Program, Sink};
use crate::subject::{Figures, Op};

/// The most writes of the counters while no operation ends. A correction that repeats writes once for
/// each other operation in progress. Three threads come to less than this.
const MOST_WRITES: u8 = 12;

/// What a gauge promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Promise {
    Alternation,
    Soundness,
    Settledness,
    Conservation,
    HighWater,
    /// A budget never exceeds its capacity, and refuses only what does not fit.
    Admission,
    /// An event that was left pending is delivered once, and somebody is woken for it.
    Delivery,
    /// Afterwards the gauge goes down to 0 and up to its warn point as it should.
    GoesOn,
    /// No operation panics.
    Returns,
    /// Operations do not repeat for ever because of each other: one of them ends.
    Progress,
}

/// A promise that is broken, and how.
#[derive(Clone, Debug)]
pub struct Broken {
    pub promise: Promise,
    pub how: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.promise, self.how)
    }
}

pub(crate) fn require(
    holds: bool,
    promise: Promise,
    how: impl FnOnce() -> String,
) -> Result<(), Broken> {
    if holds {
        Ok(())
    } else {
        Err(Broken {
            promise,
            how: how(),
        })
    }
}

/// The bit that stands for a depth, if there is one. The unit is the same for all points.
fn bit_of(depth: usize, points: &Points) -> Option<u64> {
    let units = u32::try_from(depth / points.unit).ok()?;
    1_u64
        .checked_shl(units)
        .filter(|_| depth.is_multiple_of(points.unit))
}

/// What was while a thread is in an operation on a budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Request {
    most_used: usize,
    /// A bit each.
    capacities: u8,
}

impl Request {
    /// The capacities that were in force.
    fn capacities(self, choices: &Choices) -> impl Iterator<Item = usize> + '_ {
        let numbers = (0..8).filter(move |number| self.capacities >> number & 1 != 0);
        numbers.map(|number| choices.points(number, 0).capacity)
    }
}

/// What the promises need to know of the past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Promises {
    /// Admission, for each thread.
    pub requests: [Request; THREADS],
    /// The operations that were refused, a bit each.
    refused: u32,
    pub in_force: InForce,
    // Alternation.
    warned: bool,
    full: bool,
    in_sink: bool,
    // Soundness: the depths since the sink returned, a bit each.
    since: u64,
    depth: usize,
    // High water.
    greatest: usize,
    at_rest: usize,
    // Progress: how often a counter was written since an operation ended.
    writes: u8,
    // Settledness: a panic may have left an edge that no operation has checked since.
    unchecked: bool,
    /// The sink panics or dequeues at the next warning.
    pub acts: bool,
    /// The thread and the operation in which the sink has dequeued since the gauge was at rest.
    pub sink_dequeues_in: Option<(usize, u8)>,
    /// The difference of the counters when the gauge was last at rest.
    start: isize,
    /// The operations that each thread had recorded by then.
    recorded: [u8; THREADS],
    /// By operation: the observations that overlapped it since. Empty if it does not matter.
    overlaps: Vec<u32>,
}

impl Promises {
    /// Of a gauge that is empty and has done nothing.
    pub fn new(program: &Program) -> Self {
        let has_order = program.threads.iter().any(|ops| ops.len() > 1);
        let operations = program.threads.iter().map(Vec::len).sum();
        let in_force = InForce::new(program);
        Self {
            requests: [Request::default(); THREADS],
            refused: 0,
            in_force,
            warned: false,
            full: false,
            in_sink: false,
            since: 1,
            depth: 0,
            greatest: 0,
            at_rest: 0,
            writes: 0,
            unchecked: false,
            acts: matches!(program.sink, Sink::PanicsOnce | Sink::DequeuesOnce(_)),
            sink_dequeues_in: None,
            start: 0,
            recorded: [0; THREADS],
            overlaps: vec![0; if has_order { operations } else { 0 }],
        }
    }

    /// A counter was written. The counters differ by this from here on.
    ///
    /// # Errors
    ///
    /// Counters are written again and again, and no operation ends.
    pub fn counters_differ_by(
        &mut self,
        difference: isize,
        choices: &Choices,
    ) -> Result<(), Broken> {
        self.depth_is(difference, choices);
        self.writes += 1;
        require(self.writes <= MOST_WRITES, Promise::Progress, || {
            format!("{MOST_WRITES} writes of the counters, and no operation has ended")
        })
    }

    fn depth_is(&mut self, difference: isize, choices: &Choices) {
        self.depth = self.in_force.depth(difference, choices);
        let mut add = |depth| {
            let unit = &self.in_force.points(choices);
            self.since |= bit_of(depth, unit).expect("a depth of 0 to 63 units");
            self.greatest = self.greatest.max(depth);
        };
        add(self.depth);
        if !choices.is_fixed() {
            // An operation may have found that depths are clamped, and another that they are not.
            add(usize::try_from(difference).unwrap_or(0));
        }
    }

    /// Thread `thread` begins an operation.
    pub fn begins(&mut self, thread: usize, difference: isize, program: &Program) {
        if program.kind == Kind::Budget {
            self.requests[thread] = Request {
                most_used: difference.cast_unsigned(),
                capacities: 1 << self.in_force.capacity,
            };
        }
    }

    /// Thread `thread` has changed the use of a budget, from one number to another.
    ///
    /// # Errors
    ///
    /// It has exceeded every capacity since it began.
    pub fn admits(
        &mut self,
        thread: usize,
        change: RangeInclusive<isize>,
        choices: &Choices,
    ) -> Result<(), Broken> {
        let has_risen = !change.is_empty() && change.start() != change.end();
        let used = change.end().cast_unsigned();
        let own = self.requests[thread];
        if own.capacities == 0 {
            return Ok(());
        }
        for request in &mut self.requests {
            if request.capacities != 0 {
                request.most_used = request.most_used.max(used);
            }
        }
        let fits = own.capacities(choices).any(|capacity| used <= capacity);
        require(fits || !has_risen, Promise::Admission, || {
            format!("{used} in use are more than was ever allowed")
        })
    }

    /// Thread `thread` counts a refusal of its operation `index`.
    ///
    /// # Errors
    ///
    /// It has fitted all the time.
    pub fn refuses(
        &mut self,
        (thread, index): (usize, usize),
        choices: &Choices,
    ) -> Result<(), Broken> {
        let program = choices.program();
        let (Op::Reserve(n) | Op::Borrow(n)) = program.threads[thread][index] else {
            panic!("a refusal of no request");
        };
        self.refused |= 1 << program.number(thread, index);
        let request = self.requests[thread];
        let mut capacities = request.capacities(choices);
        let exceeds = capacities.any(|capacity| request.most_used + n > capacity);
        require(exceeds, Promise::Admission, || {
            format!("{n} were refused, and would have fitted all the time")
        })
    }

    /// A sink has panicked in operation `number`, a request: it has nothing.
    pub fn gives_back_what_panicked(&mut self, number: usize) {
        self.refused |= 1 << number;
    }

    /// A setting was written.
    pub fn settings_are(&mut self, in_force: InForce, difference: isize, choices: &Choices) {
        self.in_force = in_force;
        self.in_force.add_to_past();
        for request in &mut self.requests {
            if request.capacities != 0 {
                request.capacities |= 1 << in_force.capacity;
            }
        }
        self.depth_is(difference, choices);
    }

    /// The sink is called. Returns whether it panics or dequeues.
    ///
    /// # Errors
    ///
    /// The event is out of turn, or its depth is wrong.
    pub fn delivers(
        &mut self,
        event: Event,
        depth: usize,
        choices: &Choices,
    ) -> Result<bool, Broken> {
        let in_turn = match event {
            Event::NearCapacity => !replace(&mut self.warned, true),
            Event::Full => self.warned && !replace(&mut self.full, true),
            Event::Recovered => replace(&mut self.warned, false),
        };
        self.full &= self.warned;
        let alone = !replace(&mut self.in_sink, true);
        require(in_turn && alone, Promise::Alternation, || {
            format!("{event:?} is out of turn")
        })?;
        let stands = self.in_force.allows(event, depth, choices);
        let was =
            bit_of(depth, &self.in_force.points(choices)).is_some_and(|bit| self.since & bit != 0);
        require(stands && was, Promise::Soundness, || {
            format!("{event:?} at a depth that never was: {depth}")
        })?;
        Ok(event == Event::NearCapacity && replace(&mut self.acts, false))
    }

    /// The sink returns, also by a panic.
    pub fn returned(&mut self, choices: &Choices) {
        self.in_sink = false;
        self.since = bit_of(self.depth, &self.in_force.points(choices)).unwrap_or(0);
        self.in_force.starts_here();
    }

    /// `operation` starts while `others` are in progress. Returns whether it checks what a panic
    /// may have left.
    pub fn started(
        &mut self,
        operation: usize,
        ops: &[Op],
        others: impl Iterator<Item = usize>,
    ) -> bool {
        if ops[operation].is_change() {
            self.in_force.change_begins();
        }
        let is_observation = |op| matches!(op, Op::Observe(_) | Op::ObserveWith(_));
        for other in others {
            if self.overlaps.is_empty() {
                break;
            }
            if is_observation(ops[other]) {
                self.overlaps[operation] |= 1 << other;
            }
            if is_observation(ops[operation]) {
                self.overlaps[other] |= 1 << operation;
            }
        }
        // A peak that is taken checks nothing: its thread must not deliver.
        self.unchecked && ops[operation] != Op::TakePeak
    }

    /// An operation ends that did `check` what an earlier panic may have left.
    pub fn ended(&mut self, by_panic: bool, checked: bool, is_change: bool) {
        self.writes = 0;
        if is_change {
            self.in_force.change_ends();
        }
        if by_panic {
            self.unchecked = true;
        } else if checked {
            self.unchecked = false;
        }
    }

    /// No operation is in progress. The threads have recorded `recorded`; the counters differ by
    /// `difference`.
    ///
    /// # Errors
    ///
    /// A promise is broken.
    pub fn rests(
        &mut self,
        (program, choices): (&Program, &Choices),
        recorded: [u8; THREADS],
        difference: isize,
        figures: Figures,
    ) -> Result<(), Broken> {
        let points = self.in_force.points(choices);
        let depth = self.in_force.depth(difference, choices);
        let mark = figures.high_water;
        self.at_rest = self.at_rest.max(depth);
        require(self.warned == figures.warned, Promise::Alternation, || {
            format!("an edge was not delivered: {figures:?}")
        })?;
        self.conserves(program, recorded, difference)?;
        require(figures.depth == depth, Promise::Conservation, || {
            format!("reads {} at depth {depth}", figures.depth)
        })?;
        if !self.unchecked {
            require(
                self.warned || depth < points.warn_depth,
                Promise::Settledness,
                || format!("silent at depth {depth}"),
            )?;
            require(
                !self.warned || depth > points.rearm_depth,
                Promise::Settledness,
                || format!("latched at depth {depth}"),
            )?;
        }
        require(
            (self.at_rest..=self.greatest).contains(&mark),
            Promise::HighWater,
            || {
                let Self {
                    at_rest, greatest, ..
                } = self;
                format!("the mark {mark} is not in {at_rest}..={greatest}")
            },
        )?;
        self.start = difference;
        self.recorded = recorded;
        self.sink_dequeues_in = None;
        self.overlaps.fill(0);
        Ok(())
    }

    /// The difference is that of the operations since the last rest, one after the other, in an
    /// order that keeps the order within each thread. Two operations of one thread may count in
    /// either order if one observation overlapped both. What the sink dequeues comes after the
    /// operation that called it.
    fn conserves(
        &self,
        program: &Program,
        recorded: [u8; THREADS],
        difference: isize,
    ) -> Result<(), Broken> {
        if program.kind == Kind::Budget {
            return self.gives_back(program, recorded, difference);
        }
        let (mut ops, mut numbers, mut earlier) = (Vec::new(), Vec::new(), Vec::new());
        let (mut first_number, mut before_sink) = (0, 0);
        for (thread, thread_ops) in program.threads.iter().enumerate() {
            let since = usize::from(self.recorded[thread])..usize::from(recorded[thread]);
            let first = ops.len();
            for index in since {
                let number = first_number + index;
                let overlaps = |number: usize| self.overlaps.get(number).unwrap_or(&0);
                let comes_before =
                    |other: &usize| overlaps(number) & overlaps(numbers[*other]) == 0;
                earlier.push(
                    (first..ops.len())
                        .filter(comes_before)
                        .map(|other| 1_u32 << other)
                        .sum::<u32>(),
                );
                if self.sink_dequeues_in == Some((thread, index as u8)) {
                    before_sink = 1 << ops.len();
                }
                ops.push(thread_ops[index]);
                numbers.push(number);
            }
            first_number += thread_ops.len();
        }
        if let (Sink::DequeuesOnce(n), Some(_)) = (program.sink, self.sink_dequeues_in) {
            ops.push(Op::DequeueN(n));
            earlier.push(before_sink);
        }
        let allowed = program.differences(self.start, &ops, &earlier);
        require(allowed.contains(&difference), Promise::Conservation, || {
            format!("the counters differ by {difference}, not by one of {allowed:?}")
        })
    }

    /// What was admitted is in use, until it is given back.
    fn gives_back(
        &self,
        program: &Program,
        recorded: [u8; THREADS],
        difference: isize,
    ) -> Result<(), Broken> {
        let mut expected = self.start;
        for (thread, ops) in program.threads.iter().enumerate() {
            let since = usize::from(self.recorded[thread])..usize::from(recorded[thread]);
            for (index, op) in ops.iter().enumerate() {
                let is_refused = self.refused >> program.number(thread, index) & 1 != 0;
                expected += match *op {
                    _ if !since.contains(&index) => 0,
                    Op::Reserve(n) if !is_refused => n.cast_signed(),
                    Op::GiveBack(n) => -n.cast_signed(),
                    _ => 0,
                };
            }
        }
        require(difference == expected, Promise::Conservation, || {
            format!("{difference} are in use, not {expected}")
        })
    }

    /// As if the gauge had never been at rest.
    pub fn forget_rests(&mut self) {
        self.at_rest = 0;
    }

    /// `op` was recorded by the only thread there is.
    pub fn recorded_alone(&mut self, op: Op, program: &Program) {
        self.start = program.applied(op, self.start);
    }
}
