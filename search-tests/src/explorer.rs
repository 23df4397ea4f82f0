//! One step of a program.
//!
//! An operation is a function of the values that its accesses have returned: of its *record*. So a
//! thread takes a step like this: its operation runs from the beginning and is given the values of
//! the record; the first access after those is executed on the memory of the state; the next one
//! stops the operation, by unwinding. Accesses that destructors make meanwhile have no effect. When
//! an operation has ended, its record is empty: states merge.
//!
//! Not every access is a step of its own:
//!
//! | access | when it is executed |
//! |---|---|
//! | to a word to which no other thread can still make a conflicting one | together with the step before |
//! | a relaxed store | the same: whoever does not know it may read the value before, or store before it |
//! | a relaxed load | together with the step after: what it may read now, it may read then |
//! | a write of a counter, and what the sink does | in a step of its own: the promises are about their order |
//! | any other | in a step of its own |
//!
//! Which words an operation accesses is learned on the way. Whenever the search learns of a new one,
//! it starts again.

use std::any::Any;
use std::cell::RefCell;
use std::fs;
use std::mem::take;
use std::panic::{Location, resume_unwind};
use std::thread::panicking;

use fillgauge::searched::{self, Access, Ordering};

use crate::history::{Points, Told};
use crate::memory::{Discipline, THREADS};
use crate::program::Program;
use crate::promises::{Broken, Promise};
use crate::state::State;
use crate::subject::Op;

/// The words that operations access, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Touched {
    read: u32,
    written: u32,
}

impl Touched {
    fn by(word: usize, access: Access) -> Self {
        let bit = 1 << word;
        match access {
            Access::Load => Self {
                read: bit,
                written: 0,
            },
            Access::Store(_) => Self {
                read: 0,
                written: bit,
            },
            _ => Self {
                read: bit,
                written: bit,
            },
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            read: self.read | other.read,
            written: self.written | other.written,
        }
    }

    fn accesses(self, word: usize) -> bool {
        (self.read | self.written) & 1 << word != 0
    }

    fn conflicts_with(self, other: Self) -> bool {
        self.written & (other.read | other.written) != 0 || self.read & other.written != 0
    }
}

/// A step of an operation.
#[derive(Clone, Copy, Debug)]
enum Step {
    Access(usize, Access, Discipline),
    CallSink(Told, usize),
    SinkReturns,
}

/// When a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Timing {
    /// Together with the one before.
    Early,
    /// Together with the one after.
    Late,
    ByItself,
}

/// Which outcome to take, of how many, for each access of a step that has more than one.
pub type Outcomes = Vec<(usize, usize)>;

/// The outcomes to take next; `None` if these were the last.
pub fn next_outcomes(mut outcomes: Outcomes) -> Option<Outcomes> {
    while let Some((outcome, of)) = outcomes.pop() {
        if outcome + 1 < of {
            outcomes.push((outcome + 1, of));
            return Some(outcomes);
        }
    }
    None
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// There is one thread.
    Alone,
    /// A thread takes a step.
    Step,
    /// It has taken it. Nothing has an effect any more.
    Stopped,
}

/// A word as the gauge made it.
#[derive(Debug)]
struct Word {
    place: &'static Location<'static>,
    discipline: Option<Discipline>,
}

/// The step that is taken.
#[derive(Debug, Default)]
struct Run {
    thread: usize,
    /// The number of the operation that runs, unless it is none of the threads'.
    operation: Option<usize>,
    /// What the other threads may still do.
    others: Touched,
    /// Values of the record that were given so far.
    replayed: usize,
    outcomes: Outcomes,
    /// How many of `outcomes` were taken.
    taken: usize,
    /// The step is taken; what comes now belongs to it only if it is early.
    is_spent: bool,
    /// Accesses after the stop.
    inert: usize,
}

/// The program that is searched, and the step that is taken.
#[derive(Debug)]
pub struct Explorer {
    points: Points,
    is_plain: bool,
    ops: Vec<Op>,
    words: Vec<Word>,
    /// The words of the counters: enqueued, and if there are two, dequeued.
    counters: Vec<usize>,
    /// By operation.
    touched: Vec<Touched>,
    /// An operation has accessed a word that it was not known to access.
    pub has_learned: bool,
    pub state: State,
    mode: Mode,
    run: Run,
    pub broken: Option<Broken>,
    pub trace: Option<Vec<String>>,
}

/// Stops an operation.
struct Stop;

/// What the sink panics with.
struct SinkPanic;

/// The explorer of this thread.
struct ThisThread;

thread_local! {
    static EXPLORER: RefCell<Option<Explorer>> = const { RefCell::new(None) };
}

impl searched::Explorer for ThisThread {
    fn create(&self, value: usize, place: &'static Location<'static>) -> usize {
        with(|explorer| {
            explorer.words.push(Word {
                place,
                discipline: None,
            });
            explorer.state.memory.create(value)
        })
    }

    fn access(&self, word: usize, access: Access, order: Ordering) -> usize {
        let taken = with(|explorer| {
            let discipline = &mut explorer.words[word].discipline;
            let now = Discipline::with(*discipline, access, order);
            *discipline = Some(now);
            explorer.take(Step::Access(word, access, now))
        });
        taken.unwrap_or_else(stop)
    }

    fn now(&self, word: usize) -> usize {
        with(|explorer| {
            if !explorer.counters.contains(&word) {
                explorer.counters.push(word);
            }
            explorer.state.memory.newest(word)
        })
    }
}

/// Makes an explorer of `program` the one of this thread.
pub fn start(program: &Program, is_plain: bool) {
    searched::use_explorer(&ThisThread);
    EXPLORER.set(Some(Explorer::new(program, is_plain)));
}

/// Has the explorer of this thread do something.
pub fn with<R>(f: impl FnOnce(&mut Explorer) -> R) -> R {
    EXPLORER.with_borrow_mut(|explorer| f(explorer.as_mut().expect("no program is searched")))
}

/// Stops the operation that runs. A panic of the sink goes on, and nothing that it meets has an
/// effect.
fn stop() -> usize {
    if panicking() {
        return 0;
    }
    resume_unwind(Box::new(Stop));
}

/// The sink: it is called, and returns.
pub fn run_sink(told: Told, depth: usize) {
    let take = |step| with(|explorer| explorer.take(step)).unwrap_or_else(stop);
    let panics = take(Step::CallSink(told, depth)) != 0;
    take(Step::SinkReturns);
    if panics && with(|explorer| explorer.mode != Mode::Stopped) {
        resume_unwind(Box::new(SinkPanic));
    }
}

impl Explorer {
    fn new(program: &Program, is_plain: bool) -> Self {
        let ops = program.threads.concat();
        assert!(program.threads.len() <= THREADS && ops.len() <= 32);
        Self {
            points: program.points(),
            is_plain,
            words: Vec::new(),
            counters: Vec::new(),
            touched: vec![Touched::default(); ops.len()],
            has_learned: false,
            state: State::new(program),
            ops,
            mode: Mode::Alone,
            run: Run::default(),
            broken: None,
            trace: None,
        }
    }

    /// From here on there is one thread, whose accesses take effect at once. `operation` is the
    /// number of what it runs, if that is an operation of the program.
    pub fn run_alone(&mut self, operation: Option<usize>) {
        self.mode = Mode::Alone;
        self.run.operation = operation;
    }

    /// Makes ready for a step of `thread` in `state`, with these outcomes and then the first ones.
    /// Returns the operation that takes it.
    pub fn start_step(
        &mut self,
        program: &Program,
        state: &State,
        thread: usize,
        outcomes: Outcomes,
    ) -> Op {
        self.state.clone_from(state);
        self.mode = Mode::Step;
        let number_of = |thread: usize| program.number(thread, state.threads[thread].next.into());
        let number = number_of(thread);
        let others = (0..program.threads.len()).filter(|other| *other != thread);
        self.run = Run {
            thread,
            operation: Some(number),
            others: (others.clone().map(|other| self.touched_by(other, program)))
                .fold(Touched::default(), Touched::and),
            outcomes,
            ..Run::default()
        };
        if state.threads[thread].record.is_empty() {
            let in_progress = others.filter(|other| !state.threads[*other].record.is_empty());
            let promises = &mut self.state.promises;
            let checks = promises.started(number, &self.ops, in_progress.map(number_of));
            self.state.threads[thread].checks = checks;
        }
        self.ops[number]
    }

    /// The step was taken; `result` is that of its operation, if it has ended. Returns all the
    /// outcomes of the step.
    ///
    /// # Errors
    ///
    /// A promise is broken.
    pub fn end_step(
        &mut self,
        program: &Program,
        result: Result<(), Box<dyn Any + Send>>,
    ) -> Result<Outcomes, Broken> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        if self.mode != Mode::Stopped {
            let by_panic = is_by_panic(result)?;
            let thread = &mut self.state.threads[self.run.thread];
            thread.next += 1;
            thread.record.clear();
            let checks = take(&mut thread.checks);
            self.state.promises.ended(by_panic, checks);
        }
        if !self.is_plain || self.state.is_end(program) {
            self.merge(program);
        }
        self.run_alone(None);
        Ok(take(&mut self.run.outcomes))
    }

    /// Takes a step, or repeats it, and returns its value; `None` if the operation is to stop.
    fn take(&mut self, step: Step) -> Option<usize> {
        match self.mode {
            Mode::Alone => {}
            Mode::Stopped => {
                self.run.inert += 1;
                assert!(
                    self.run.inert < 10_000,
                    "a stopped operation goes on for ever"
                );
                return None;
            }
            Mode::Step => {
                let record = &self.state.threads[self.run.thread].record;
                if let Some(value) = record.get(self.run.replayed) {
                    self.run.replayed += 1;
                    return Some(*value);
                }
            }
        }
        self.learn(step);
        if self.mode == Mode::Alone {
            return self.execute(step, 0);
        }
        let timing = self.timing(step);
        if timing != Timing::Early && self.run.is_spent {
            self.mode = Mode::Stopped;
            return None;
        }
        self.run.is_spent |= timing == Timing::ByItself;
        let outcome = self.choose(step);
        let value = self.execute(step, outcome)?;
        self.state.threads[self.run.thread].record.push(value);
        self.run.replayed += 1;
        Some(value)
    }

    /// Which outcome a step has this time.
    fn choose(&mut self, step: Step) -> usize {
        let Step::Access(word, access, discipline) = step else {
            return 0;
        };
        let memory = &self.state.memory;
        let of = memory.outcomes(self.run.thread, word, access, discipline);
        if of == 1 {
            return 0;
        }
        if self.run.taken == self.run.outcomes.len() {
            self.run.outcomes.push((0, of));
        }
        let (outcome, of_before) = self.run.outcomes[self.run.taken];
        assert_eq!(of, of_before, "an operation is no function of its record");
        self.run.taken += 1;
        outcome
    }

    fn learn(&mut self, step: Step) {
        if let (Step::Access(word, access, _), Some(operation)) = (step, self.run.operation) {
            let touched = &mut self.touched[operation];
            let after = touched.and(Touched::by(word, access));
            self.has_learned |= after != *touched;
            *touched = after;
        }
    }

    fn timing(&self, step: Step) -> Timing {
        let Step::Access(word, access, discipline) = step else {
            return Timing::ByItself;
        };
        if self.is_plain {
            return Timing::ByItself;
        }
        if access != Access::Load && self.counters.contains(&word) {
            return Timing::ByItself;
        }
        let is_shared = Touched::by(word, access).conflicts_with(self.run.others);
        match (discipline, access) {
            _ if !is_shared => Timing::Early,
            (Discipline::SeqCst, _) => Timing::ByItself,
            (_, Access::Load) => Timing::Late,
            (_, Access::Store(_)) => Timing::Early,
            _ => Timing::ByItself,
        }
    }

    fn execute(&mut self, step: Step, outcome: usize) -> Option<usize> {
        let result = match step {
            Step::Access(word, access, discipline) => {
                let memory = &mut self.state.memory;
                let value = if self.mode == Mode::Alone {
                    memory.execute_alone(word, access)
                } else {
                    memory.execute(self.run.thread, word, access, discipline, outcome)
                };
                if access != Access::Load && self.counters.contains(&word) {
                    let depth = self.points.depth(self.difference());
                    self.state.promises.depth_is(depth);
                }
                Ok(value)
            }
            Step::CallSink(told, depth) => self
                .state
                .promises
                .told(told, depth, &self.points)
                .map(usize::from),
            Step::SinkReturns => {
                self.state.promises.returned();
                Ok(0)
            }
        };
        self.note(step, result.as_ref().ok().copied());
        match result {
            Ok(value) => Some(value),
            Err(broken) => {
                self.broken.get_or_insert(broken);
                if self.mode == Mode::Alone {
                    return Some(0);
                }
                self.mode = Mode::Stopped;
                None
            }
        }
    }

    /// Reads of settings, and of the figures.
    fn is_noise(&self, step: Step) -> bool {
        let Step::Access(word, Access::Load, _) = step else {
            return false;
        };
        let is_written = |touched: &Touched| touched.written & 1 << word != 0;
        self.run.operation.is_none() || !self.touched.iter().any(is_written)
    }

    /// Enqueued less dequeued.
    pub fn difference(&self) -> isize {
        let newest = |word: &usize| self.state.memory.newest(*word);
        let mut counters = self.counters.iter().map(newest);
        let enqueued = counters.next().unwrap_or(0);
        let dequeued = counters.next().unwrap_or(0);
        enqueued.wrapping_sub(dequeued).cast_signed()
    }

    fn note(&mut self, step: Step, value: Option<usize>) {
        if self.trace.is_none() || self.is_noise(step) {
            return;
        }
        let who = match self.run.operation {
            Some(operation) => {
                format!("thread {} {:?}", self.run.thread, self.ops[operation])
            }
            None => "alone".to_owned(),
        };
        let what = match step {
            Step::Access(word, access, discipline) => {
                let name = name_of(self.words[word].place);
                let newest = self.state.memory.newest(word);
                let value = value.unwrap_or(0);
                match access {
                    Access::Load if value != newest => {
                        format!("{name}: load -> {value}, of old; it is {newest}")
                    }
                    Access::Load => format!("{name}: load -> {value}"),
                    Access::Store(new) if new != newest => {
                        format!("{name}: store {new}, before the newest, {newest}")
                    }
                    Access::Store(new) => format!("{name}: store {new}"),
                    _ => {
                        let relaxed = match discipline {
                            Discipline::SeqCst => "",
                            _ => " (relaxed)",
                        };
                        format!("{name}: {access:?}{relaxed}, {value} -> {newest}")
                    }
                }
            }
            Step::CallSink(told, depth) => format!("the sink receives {told:?} at {depth}"),
            Step::SinkReturns => "the sink returns".to_owned(),
        };
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{who:<24} {what}"));
        }
    }

    /// Makes equal what cannot be told apart.
    fn merge(&mut self, program: &Program) {
        let mut touched = [Touched::default(); THREADS];
        for (thread, ops) in program.threads.iter().enumerate() {
            if usize::from(self.state.threads[thread].next) == ops.len() {
                self.state.memory.end_thread(thread);
            }
            touched[thread] = self.touched_by(thread, program);
        }
        let by = |word: usize| {
            (
                touched.map(|touched| touched.accesses(word)),
                touched.map(|touched| touched.written & 1 << word != 0),
            )
        };
        self.state.memory.merge(by);
    }

    /// What a thread may still do.
    fn touched_by(&self, thread: usize, program: &Program) -> Touched {
        let next = self.state.threads[thread].next.into();
        let end = program.threads[thread].len();
        self.touched[program.number(thread, next)..program.number(thread, end)]
            .iter()
            .fold(Touched::default(), |sum, touched| sum.and(*touched))
    }
}

/// What the line of source that made a word calls it.
fn name_of(place: &Location<'_>) -> String {
    let name = || {
        let source = fs::read_to_string(place.file()).ok()?;
        let line = source.lines().nth(place.line() as usize - 1)?;
        let (name, _) = line.trim().split_once(':')?;
        Some(name.to_owned())
    };
    name().unwrap_or_else(|| place.to_string())
}

/// Whether an operation ended by a panic of the sink.
///
/// # Errors
///
/// It panicked with anything else.
pub fn is_by_panic(result: Result<(), Box<dyn Any + Send>>) -> Result<bool, Broken> {
    let Err(payload) = result else {
        return Ok(false);
    };
    if payload.is::<SinkPanic>() {
        return Ok(true);
    }
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("an unknown payload");
    Err(Broken {
        promise: Promise::Returns,
        how: format!("panicked: {message}"),
    })
}
