//! The search: every state of a program, each of them once.
//!
//! A state is the memory, what the promises need to know of the past, and for each thread the
//! operation that it is in, with the record of that. When an operation has ended, its record is
//! empty: states merge.
//!
//! Not every access is a step of its own:
//!
//! | access | when it is executed |
//! |---|---|
//! | to a word to which no other thread can still make a conflicting one | with the step before |
//! | a relaxed store | the same: a thread that does not know it may read the value before |
//! | a relaxed load | with the step after: what it may read now, it may read then |
//! | a write of a counter or a setting, what the sink does | as a step: promises order these |
//! | any other | as a step |
//!
//! Which words an operation accesses is learned on the way. Whenever the search learns of a new one,
//! it starts again.

use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::rc::Rc;

use crate::explorer::{self, find_next, run_alone, with};
use crate::history::{History, Points};
use crate::memory::{Discipline, THREADS};
use crate::program::{Kind, Program, Sink};
use crate::promises::{Broken, Promise, require};
use crate::script::{Next, Script, Step, Touched};
use crate::state::{By, Setting, State};
use crate::subject::{Op, Subject};
use crate::trace::Trace;

use fillgauge::searched::Access;

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub most_states: usize,
    /// Every access is a step of its own, and no states are merged but equal ones.
    pub is_plain: bool,
}

impl Settings {
    /// The search as it should be, with at most so many states.
    pub const fn up_to(most_states: usize) -> Self {
        Self {
            most_states,
            is_plain: false,
        }
    }
}

/// What a search went through.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    pub states: usize,
    pub steps: usize,
    /// What the program came to: hashes of the states in which all threads have ended, whether or
    /// not the gauge was at rest on the way.
    pub ends: BTreeSet<u128>,
    /// Whether these are all there are.
    pub is_complete: bool,
}

/// A program that breaks a promise, and a shortest way there.
#[derive(Clone, Debug)]
pub struct Failure {
    pub broken: Broken,
    pub program: Program,
    pub trace: Trace,
}

impl Failure {
    fn new(broken: Broken, program: &Program, trace: Trace) -> Box<Self> {
        Box::new(Self {
            broken,
            program: program.clone(),
            trace,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n  {:?}\n{}", self.broken, self.program, self.trace)
    }
}

/// When an access is executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// With the step before.
    Early,
    /// With the step after.
    Late,
    AsStep,
}

/// Which outcome to take, of how many, for each access of a step that has more than one.
type Outcomes = Vec<(usize, usize)>;

/// The outcomes to take next; `None` if these were the last.
fn next_outcomes(mut outcomes: Outcomes) -> Option<Outcomes> {
    while let Some((outcome, of)) = outcomes.pop() {
        if outcome + 1 < of {
            outcomes.push((outcome + 1, of));
            return Some(outcomes);
        }
    }
    None
}

/// How a state was reached first.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    thread: u8,
    /// Which of the outcomes of the step, counted in their order.
    outcome: u16,
}

/// A search of one program.
struct Search<'a> {
    program: &'a Program,
    settings: Settings,
    subject: Rc<dyn Subject>,
    setting: Setting,
    /// By the number of the operation.
    ops: Vec<Op>,
    scripts: Vec<Script>,
    has_learned: bool,
    /// The steps that are taken, if they are noted.
    trace: Option<Trace>,
}

/// Searches `program` on a gauge.
///
/// # Errors
///
/// A promise is broken.
pub fn run(
    program: &Program,
    settings: Settings,
    subject: impl FnOnce(Points, &'static History) -> Box<dyn Subject>,
) -> Result<Counts, Box<Failure>> {
    explorer::start(program);
    let subject: Rc<dyn Subject> = subject(program.points(), &History).into();
    with(|explorer| explorer.subject = Some(subject.clone()));
    explorer::learn_words(&*subject);
    let ops = program.threads.concat();
    assert!(program.threads.len() <= THREADS && ops.len() <= 32);
    let start_of = |op: &Op| Script::new(find_next(&*subject, *op, Vec::new()));
    let mut search = Search {
        program,
        settings,
        setting: with(|explorer| explorer.setting.clone()),
        scripts: ops.iter().map(start_of).collect(),
        subject,
        ops,
        has_learned: false,
        trace: None,
    };
    for op in &program.before {
        let recorded = search.record_alone(*op);
        recorded.map_err(|broken| Failure::new(broken, program, Trace::default()))?;
    }
    let initial = with(|explorer| explorer.state.clone());
    loop {
        if let Some(counts) = search.visit_all(&initial)? {
            return Ok(counts);
        }
    }
}

impl Search<'_> {
    /// Visits every state; `None` if it has learned that an operation accesses more words.
    fn visit_all(&mut self, initial: &State) -> Result<Option<Counts>, Box<Failure>> {
        let mut origins = vec![Origin {
            parent: 0,
            thread: 0,
            outcome: 0,
        }];
        let mut seen = HashSet::from([initial.hash128()]);
        let mut queue = VecDeque::from([(0, initial.clone())]);
        let mut counts = Counts::default();
        self.has_learned = false;
        while let Some((parent, state)) = queue.pop_front() {
            for thread in 0..state.threads.len() {
                if state.has_ended(thread, self.program) {
                    continue;
                }
                let mut remaining = Some(Outcomes::new());
                let mut outcome = 0;
                while let Some(outcomes) = remaining {
                    let origin = Origin {
                        parent,
                        thread: u8::try_from(thread).unwrap(),
                        outcome,
                    };
                    let stepped = self.step(&state, thread, outcomes);
                    if self.has_learned {
                        return Ok(None);
                    }
                    let (next, outcomes) = match stepped {
                        Ok(stepped) => stepped,
                        Err(broken) => {
                            return Err(self.failure(initial, &origins, origin, broken));
                        }
                    };
                    outcome += 1;
                    counts.steps += 1;
                    remaining = next_outcomes(outcomes);
                    if !seen.insert(next.hash128()) {
                        continue;
                    }
                    if next.is_end(self.program) {
                        counts.ends.insert(next.end_hash());
                        if let Err(broken) = self.check_end(&next) {
                            return Err(self.failure(initial, &origins, origin, broken));
                        }
                    }
                    if origins.len() == self.settings.most_states {
                        return Ok(Some(counts));
                    }
                    queue.push_back((u32::try_from(origins.len()).unwrap(), next));
                    origins.push(origin);
                    counts.states = origins.len();
                }
            }
        }
        counts.is_complete = true;
        Ok(Some(counts))
    }

    /// Thread `thread` takes a step, with these outcomes and then the first ones. Returns the state
    /// after it, and all the outcomes.
    fn step(
        &mut self,
        state: &State,
        thread: usize,
        mut outcomes: Outcomes,
    ) -> Result<(State, Outcomes), Broken> {
        let mut state = state.clone();
        let number = self.number(&state, thread);
        self.start_operation(&mut state, thread, number);
        let others = self.touched_by_others(&state, thread);
        let (mut taken, mut is_taken) = (0, false);
        loop {
            let record = state.threads[thread].record;
            let step = match self.scripts[number].next(record) {
                Next::Step(step) => *step,
                Next::Ends => {
                    state.end_operation(thread, (number, self.ops[number]), false);
                    break;
                }
                Next::EndsByPanic => {
                    state.end_operation(thread, (number, self.ops[number]), true);
                    break;
                }
                Next::Fails(message) => {
                    return Err(Broken {
                        promise: Promise::Returns,
                        how: message.clone(),
                    });
                }
            };
            let timing = self.timing(step, others);
            if is_taken && timing != Timing::Early {
                break;
            }
            is_taken |= timing == Timing::AsStep;
            let mut outcome = 0;
            let of = state.outcomes(step, thread);
            if of > 1 {
                if taken == outcomes.len() {
                    outcomes.push((0, of));
                }
                outcome = outcomes[taken].0;
                taken += 1;
            }
            let value = state.take(step, By::Thread(thread, outcome), &self.setting);
            if let Some(trace) = &mut self.trace {
                let by = Some((thread, self.ops[number]));
                trace.note(by, step, value.as_ref().ok().copied(), &state.memory);
            }
            state.threads[thread].record = self.record_after(number, record, value?);
        }
        if !self.settings.is_plain || state.is_end(self.program) {
            self.merge(&mut state);
        }
        if state.is_at_rest() {
            self.check_rest(&mut state)?;
        }
        Ok((state, outcomes))
    }

    /// The number of the operation that a thread is in, or that comes next.
    fn number(&self, state: &State, thread: usize) -> usize {
        self.program
            .number(thread, state.threads[thread].next.into())
    }

    fn start_operation(&self, state: &mut State, thread: usize, number: usize) {
        if state.threads[thread].record != Script::START {
            return;
        }
        let difference = self.setting.difference(&state.memory);
        state.promises.begins(thread, difference, self.program);
        let in_progress: Vec<_> = (0..state.threads.len())
            .filter(|other| state.threads[*other].record != Script::START)
            .map(|other| self.number(state, other))
            .collect();
        state.threads[thread].checks =
            state
                .promises
                .started(number, &self.ops, in_progress.into_iter());
    }

    /// The record with one more value. What comes after it is looked up, or found.
    fn record_after(&mut self, number: usize, record: u32, value: usize) -> u32 {
        let script = &mut self.scripts[number];
        if let Some(after) = script.after(record, value) {
            return after;
        }
        let mut values = script.values(record);
        values.push(value);
        let next = find_next(&*self.subject, self.ops[number], values);
        let touched = script.touched;
        let after = script.add(record, value, next);
        self.has_learned |= script.touched != touched;
        after
    }

    fn timing(&self, step: Step, others: Touched) -> Timing {
        let Step::Access(word, access, discipline) = step else {
            return Timing::AsStep;
        };
        if self.settings.is_plain
            || self.setting.counts(word, access)
            || self.setting.sets(word, access)
            || self.setting.refuses(word, access)
        {
            return Timing::AsStep;
        }
        if !Touched::by(word, access).conflicts_with(others) {
            return Timing::Early;
        }
        match (discipline, access) {
            (Discipline::SeqCst, _) => Timing::AsStep,
            (_, Access::Load) => Timing::Late,
            (_, Access::Store(_)) => Timing::Early,
            _ => Timing::AsStep,
        }
    }

    /// What a thread may still do.
    fn touched_by(&self, state: &State, thread: usize) -> Touched {
        let end = self
            .program
            .number(thread, self.program.threads[thread].len());
        self.scripts[self.number(state, thread)..end]
            .iter()
            .fold(Touched::default(), |sum, script| sum.and(script.touched))
    }

    fn touched_by_others(&self, state: &State, thread: usize) -> Touched {
        (0..state.threads.len())
            .filter(|other| *other != thread)
            .map(|other| self.touched_by(state, other))
            .fold(Touched::default(), Touched::and)
    }

    /// Makes equal what cannot be event apart.
    fn merge(&self, state: &mut State) {
        let mut touched = [Touched::default(); THREADS];
        for (thread, touched) in touched.iter_mut().enumerate().take(state.threads.len()) {
            if state.has_ended(thread, self.program) {
                state.memory.end_thread(thread);
            }
            *touched = self.touched_by(state, thread);
        }
        state.memory.merge(|word| {
            (
                touched.map(|touched| touched.reads(word)),
                touched.map(|touched| touched.writes(word)),
            )
        });
    }

    /// No operation is in progress, unless an event is pending.
    fn check_rest(&self, state: &mut State) -> Result<(), Broken> {
        with(|explorer| explorer.state.clone_from(state));
        if self.subject.has_pending_event() {
            return Ok(());
        }
        let figures = self.subject.figures();
        let difference = self.setting.difference(&state.memory);
        let recorded = state.recorded();
        let setting = (self.program, &self.setting.choices);
        (state.promises).rests(setting, recorded, difference, figures)?;
        // An observer that takes the mark now misses nothing that was there.
        let window = self.subject.window_now();
        require(
            window.is_none_or(|mark| mark >= figures.depth),
            Promise::HighWater,
            || format!("the mark {window:?} of the window, at {figures:?}"),
        )
    }

    /// When all threads have ended, the gauge goes down to 0 and up to its warn point as it should;
    /// without a bound, a little up.
    fn check_end(&self, state: &State) -> Result<(), Broken> {
        with(|explorer| {
            explorer.state.clone_from(state);
            // What the sink dequeued would be none of the steps below.
            explorer.state.promises.acts &= self.program.sink == Sink::PanicsOnce;
        });
        self.deliver_what_is_left()?;
        let records = |op| {
            self.record_alone(op)?;
            self.deliver_what_is_left()
        };
        let difference = with(|explorer| self.setting.difference(&explorer.state.memory));
        let in_force = with(|explorer| explorer.state.promises.in_force);
        let points = in_force.points(&self.setting.choices);
        let (enqueue, dequeue) = match points.unit {
            1 if self.program.kind == Kind::Budget => (Op::Reserve(1), Op::GiveBack(1)),
            1 => (Op::Enqueue, Op::Dequeue),
            unit => (Op::EnqueueN(unit), Op::DequeueN(unit)),
        };
        for _ in 0..difference / points.unit.cast_signed() {
            records(dequeue)?;
        }
        for _ in difference / points.unit.cast_signed()..0 {
            records(enqueue)?;
        }
        self.check_depth(0)?;
        let top = match (self.program.kind, points.capacity) {
            (Kind::Budget, 0) => 0,
            (_, 0) => 2,
            _ => points.warn_depth,
        };
        for depth in (points.unit..=top).step_by(points.unit) {
            records(enqueue)?;
            self.check_depth(in_force.depth(depth.cast_signed(), &self.setting.choices))?;
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize) -> Result<(), Broken> {
        let figures = self.subject.figures();
        if figures.depth == depth {
            return Ok(());
        }
        Err(Broken {
            promise: Promise::GoesOn,
            how: format!("a flaw shows later: {figures:?} where the depth is {depth}"),
        })
    }

    /// The background thread was woken for what is pending.
    fn deliver_what_is_left(&self) -> Result<(), Broken> {
        if !self.subject.has_pending_event() {
            return Ok(());
        }
        self.record_alone(Op::Deliver)?;
        if self.subject.has_pending_event() {
            return Err(Broken {
                promise: Promise::Delivery,
                how: "an event is pending and nobody was woken".to_owned(),
            });
        }
        Ok(())
    }

    /// Records `op` in the only thread there is.
    fn record_alone(&self, op: Op) -> Result<(), Broken> {
        let by_panic = self.record_alone_once(op)?;
        if by_panic && matches!(op, Op::Reserve(_)) {
            // The request was given back.
            self.record_alone_once(op)?;
        }
        Ok(())
    }

    /// Returns whether the sink has panicked.
    fn record_alone_once(&self, op: Op) -> Result<bool, Broken> {
        let checks = with(|explorer| {
            let promises = &mut explorer.state.promises;
            promises.started(0, &[op], [].into_iter())
        });
        let by_panic = run_alone(&*self.subject, op)?;
        let mut state = with(|explorer| {
            let promises = &mut explorer.state.promises;
            promises.ended(by_panic, checks, op.is_change());
            if !(by_panic && matches!(op, Op::Reserve(_))) {
                promises.recorded_alone(op, self.program);
            }
            explorer.state.clone()
        });
        self.check_rest(&mut state)?;
        with(|explorer| explorer.state = state);
        Ok(by_panic)
    }

    fn failure(
        &mut self,
        initial: &State,
        origins: &[Origin],
        last: Origin,
        broken: Broken,
    ) -> Box<Failure> {
        let mut path = vec![last];
        while path.last().unwrap().parent != 0 {
            path.push(origins[path.last().unwrap().parent as usize]);
        }
        let touched = self.scripts.iter().map(|script| script.touched);
        let touched = touched.fold(Touched::default(), Touched::and);
        let mut trace = Trace::new(with(|explorer| explorer.words.clone()), touched);
        let mut state = initial.clone();
        for origin in path.iter().rev() {
            let stepped = self.step_again(&state, *origin, &mut trace);
            match stepped {
                Ok(next) => state = next,
                Err(_) => break,
            }
        }
        // What comes after the threads is part of the trace if it is where the promise breaks.
        if state.is_end(self.program) {
            with(|explorer| explorer.steps = Some(Vec::new()));
            drop(self.check_end(&state));
            let steps = with(|explorer| explorer.steps.take()).unwrap_or_default();
            for (step, value) in steps {
                let memory = with(|explorer| explorer.state.memory.clone());
                trace.note(None, step, Some(value), &memory);
            }
        }
        Failure::new(broken, self.program, trace)
    }

    /// Takes a step once more, and adds it to the trace.
    fn step_again(
        &mut self,
        state: &State,
        origin: Origin,
        trace: &mut Trace,
    ) -> Result<State, Broken> {
        let thread = origin.thread.into();
        let mut outcomes = Outcomes::new();
        for _ in 0..origin.outcome {
            let (_, all) = self.step(state, thread, outcomes)?;
            outcomes = next_outcomes(all).unwrap_or_default();
        }
        self.trace = Some(std::mem::take(trace));
        let stepped = self.step(state, thread, outcomes);
        *trace = self.trace.take().unwrap_or_default();
        stepped.map(|(next, _)| next)
    }
}
