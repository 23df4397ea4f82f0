//! The search: every state of a program, each of them once.
//!
//! A state is the memory, what the promises need to know of the past, and for each thread the
//! operation that it is in, with the values that the accesses of that operation have returned so
//! far: the *record*. An operation is a function of its record. So a thread takes a step like this:
//! its operation runs from the beginning and is given the values of the record; the first access
//! after those is executed on the memory of the state; the next one stops the operation, by
//! unwinding. Accesses that destructors make meanwhile have no effect. When an operation has ended,
//! its record is empty: states merge.
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
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::thread::panicking;

use fillgauge::searched::{self, Access, Ordering};

use crate::history::{History, Points, Told};
use crate::memory::{Discipline, Memory, THREADS};
use crate::program::Program;
use crate::promises::{Broken, Promise, Promises};
use crate::subject::{Op, Subject};

/// How far a search goes.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub most_states: usize,
    /// Every access is a step of its own, and no states are merged but equal ones.
    pub is_plain: bool,
}

impl Settings {
    /// The search as it should be, with at most so many states.
    pub fn up_to(most_states: usize) -> Self {
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
    pub trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  {:?}", self.broken, self.program)?;
        for line in &self.trace {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

/// Where a thread is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
struct Thread {
    /// The operation that it is in, or that comes next.
    next: u8,
    record: Vec<usize>,
    /// The operation started after a panic, so it checks what that left.
    checks: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct State {
    memory: Memory,
    threads: Vec<Thread>,
    promises: Promises,
}

impl State {
    fn hash128(&self) -> u128 {
        let mut hasher = TwoLanes([0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F]);
        self.hash(&mut hasher);
        u128::from(hasher.0[0]) << 64 | u128::from(hasher.0[1])
    }

    fn end_hash(&self) -> u128 {
        let mut end = self.clone();
        end.promises.forget_rests();
        end.hash128()
    }

    fn is_at_rest(&self) -> bool {
        self.threads.iter().all(|thread| thread.record.is_empty())
    }

    fn recorded(&self) -> [u8; THREADS] {
        let mut recorded = [0; THREADS];
        for (recorded, thread) in recorded.iter_mut().zip(&self.threads) {
            *recorded = thread.next;
        }
        recorded
    }
}

/// Two hashes of 64 bits: with a million states, two of them collide once in 10^26 searches.
struct TwoLanes([u64; 2]);

impl TwoLanes {
    fn fold(lane: u64, word: u64, factor: u64) -> u64 {
        let product = u128::from(lane ^ word) * u128::from(factor);
        (product as u64) ^ (product >> 64) as u64 ^ lane.rotate_left(29)
    }
}

impl Hasher for TwoLanes {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0[0] = Self::fold(self.0[0], word, 0xD6E8_FEB8_6659_FD93);
        self.0[1] = Self::fold(self.0[1], word, 0xA076_1D64_78BD_642F);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0[0]
    }
}

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
            Access::Load => Self { read: bit, written: 0 },
            Access::Store(_) => Self { read: 0, written: bit },
            _ => Self { read: bit, written: bit },
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

/// The program that is searched, and the step that is taken.
struct Explorer {
    points: Points,
    is_plain: bool,
    ops: Vec<Op>,
    words: Vec<Word>,
    /// The words of the counters: enqueued, and if there are two, dequeued.
    counters: Vec<usize>,
    /// By operation.
    touched: Vec<Touched>,
    has_learned: bool,
    state: State,
    mode: Mode,
    thread: usize,
    /// The number of the operation that runs, unless it is none of the threads'.
    operation: Option<usize>,
    /// What the other threads may still do.
    others: Touched,
    replayed: usize,
    outcomes: Outcomes,
    /// How many of `outcomes` were taken.
    taken: usize,
    is_spent: bool,
    /// Accesses after the stop.
    inert: usize,
    broken: Option<Broken>,
    trace: Option<Vec<String>>,
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

fn with<R>(f: impl FnOnce(&mut Explorer) -> R) -> R {
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
    fn new(program: &Program, settings: Settings) -> Self {
        let ops = program.threads.concat();
        let operations = ops.len();
        assert!(program.threads.len() <= THREADS && operations <= 32);
        Self {
            points: program.points(),
            is_plain: settings.is_plain,
            words: Vec::new(),
            counters: Vec::new(),
            touched: vec![Touched::default(); operations],
            has_learned: false,
            state: State {
                memory: Memory::default(),
                threads: vec![Thread::default(); program.threads.len()],
                promises: Promises::new(program),
            },
            ops,
            mode: Mode::Alone,
            thread: 0,
            operation: None,
            others: Touched::default(),
            replayed: 0,
            outcomes: Outcomes::new(),
            taken: 0,
            is_spent: false,
            inert: 0,
            broken: None,
            trace: None,
        }
    }

    /// Takes a step, or repeats it, and returns its value; `None` if the operation is to stop.
    fn take(&mut self, step: Step) -> Option<usize> {
        match self.mode {
            Mode::Alone => {}
            Mode::Stopped => {
                self.inert += 1;
                assert!(self.inert < 10_000, "a stopped operation goes on for ever");
                return None;
            }
            Mode::Step => {
                let record = &self.state.threads[self.thread].record;
                if let Some(value) = record.get(self.replayed) {
                    self.replayed += 1;
                    return Some(*value);
                }
            }
        }
        self.learn(step);
        if self.mode == Mode::Alone {
            return self.execute(step, 0);
        }
        let timing = self.timing(step);
        if timing != Timing::Early && self.is_spent {
            self.mode = Mode::Stopped;
            return None;
        }
        self.is_spent |= timing == Timing::ByItself;
        let outcome = self.choose(step);
        let value = self.execute(step, outcome)?;
        self.state.threads[self.thread].record.push(value);
        self.replayed += 1;
        Some(value)
    }

    /// Which outcome a step has this time.
    fn choose(&mut self, step: Step) -> usize {
        let Step::Access(word, access, discipline) = step else {
            return 0;
        };
        let memory = &self.state.memory;
        let of = memory.outcomes(self.thread, word, access, discipline);
        if of == 1 {
            return 0;
        }
        if self.taken == self.outcomes.len() {
            self.outcomes.push((0, of));
        }
        let (outcome, of_before) = self.outcomes[self.taken];
        assert_eq!(of, of_before, "an operation is no function of its record");
        self.taken += 1;
        outcome
    }

    fn learn(&mut self, step: Step) {
        if let (Step::Access(word, access, _), Some(operation)) = (step, self.operation) {
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
        let is_shared = Touched::by(word, access).conflicts_with(self.others);
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
                    memory.execute(self.thread, word, access, discipline, outcome)
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
        self.operation.is_none() || !self.touched.iter().any(is_written)
    }

    /// Enqueued less dequeued.
    fn difference(&self) -> isize {
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
        let who = match self.operation {
            Some(operation) => {
                format!("thread {} {:?}", self.thread, self.ops[operation])
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
        let first: usize = program.threads[..thread].iter().map(Vec::len).sum();
        let next = usize::from(self.state.threads[thread].next);
        self.touched[first + next..first + program.threads[thread].len()]
            .iter()
            .fold(Touched::default(), |sum, touched| sum.and(*touched))
    }
}

/// What the line of source that made a word calls it.
fn name_of(place: &Location<'_>) -> String {
    let name = || {
        let source = std::fs::read_to_string(place.file()).ok()?;
        let line = source.lines().nth(place.line() as usize - 1)?;
        let (name, _) = line.trim().split_once(':')?;
        Some(name.to_owned())
    };
    name().unwrap_or_else(|| place.to_string())
}

/// A search of one program.
struct Search<'a> {
    program: &'a Program,
    subject: Box<dyn Subject>,
    ops: Vec<Op>,
}

/// How a state was reached first.
#[derive(Clone, Copy)]
struct Origin {
    parent: u32,
    thread: u8,
    /// Which of the outcomes of the step, counted in their order.
    outcome: u16,
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
) -> Result<Counts, Failure> {
    searched::use_explorer(&ThisThread);
    EXPLORER.set(Some(Explorer::new(program, settings)));
    let search = Search {
        program,
        subject: subject(program.points(), &History),
        ops: program.threads.concat(),
    };
    search.subject.counters_now();
    let initial = search.prepare().map_err(|broken| Failure {
        broken,
        program: program.clone(),
        trace: Vec::new(),
    })?;
    loop {
        if let Some(counts) = search.explore(&initial, settings.most_states)? {
            return Ok(counts);
        }
    }
}

impl Search<'_> {
    /// Runs what comes before the threads, and learns what their operations access.
    fn prepare(&self) -> Result<State, Broken> {
        for op in &self.program.before {
            self.record_alone(*op)?;
        }
        let initial = with(|explorer| explorer.state.clone());
        let mut numbered: Vec<_> = (0..self.ops.len()).collect();
        for _ in 0..2 {
            for number in &numbered {
                with(|explorer| explorer.operation = Some(*number));
                // What breaks here breaks in the search.
                drop(catch_unwind(AssertUnwindSafe(|| {
                    self.subject.record(self.ops[*number]);
                })));
            }
            numbered.reverse();
            with(|explorer| {
                explorer.state = initial.clone();
                explorer.operation = None;
                explorer.broken = None;
            });
        }
        Ok(initial)
    }

    /// Visits every state; `None` if it has learned that more words are shared.
    fn explore(&self, initial: &State, most_states: usize) -> Result<Option<Counts>, Failure> {
        let mut origins = vec![Origin {
            parent: 0,
            thread: 0,
            outcome: 0,
        }];
        let mut seen = HashSet::from([initial.hash128()]);
        let mut queue = VecDeque::from([(0, initial.clone())]);
        let mut counts = Counts::default();
        with(|explorer| explorer.has_learned = false);
        while let Some((parent, state)) = queue.pop_front() {
            for (thread, ops) in self.program.threads.iter().enumerate() {
                if usize::from(state.threads[thread].next) == ops.len() {
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
                    outcome += 1;
                    counts.steps += 1;
                    let stepped = self.step(&state, thread, outcomes);
                    if with(|explorer| explorer.has_learned) {
                        return Ok(None);
                    }
                    let failure = |broken| self.failure(initial, &origins, origin, broken);
                    let (next, outcomes) = stepped.map_err(failure)?;
                    remaining = next_outcomes(outcomes);
                    let hash = next.hash128();
                    if seen.insert(hash) {
                        if self.is_end(&next) {
                            counts.ends.insert(next.end_hash());
                            self.check_end(&next).map_err(failure)?;
                        }
                        if origins.len() == most_states {
                            return Ok(Some(counts));
                        }
                        queue.push_back((u32::try_from(origins.len()).unwrap(), next));
                        origins.push(origin);
                        counts.states = origins.len();
                    }
                }
            }
        }
        counts.is_complete = true;
        Ok(Some(counts))
    }

    /// Thread `thread` takes a step, with these outcomes and then the first ones. Returns the state
    /// after it, and all the outcomes.
    fn step(
        &self,
        state: &State,
        thread: usize,
        outcomes: Outcomes,
    ) -> Result<(State, Outcomes), Broken> {
        let op = with(|explorer| explorer.start_step(self.program, state, thread, outcomes));
        let result = catch_unwind(AssertUnwindSafe(|| self.subject.record(op)));
        let at_rest = with(|explorer| {
            if let Some(broken) = explorer.broken.take() {
                return Err(broken);
            }
            if explorer.mode != Mode::Stopped {
                explorer.end_operation(result)?;
            }
            if !explorer.is_plain || self.is_end(&explorer.state) {
                explorer.merge(self.program);
            }
            explorer.mode = Mode::Alone;
            explorer.operation = None;
            Ok(explorer.state.is_at_rest())
        })?;
        if at_rest {
            self.check_rest()?;
        }
        Ok(with(|explorer| {
            let outcomes = std::mem::take(&mut explorer.outcomes);
            (explorer.state.clone(), outcomes)
        }))
    }

    /// No operation is in progress, unless an event is pending.
    fn check_rest(&self) -> Result<(), Broken> {
        if self.subject.has_pending_event() {
            return Ok(());
        }
        let figures = self.subject.figures();
        with(|explorer| {
            let (recorded, difference) = (explorer.state.recorded(), explorer.difference());
            let promises = &mut explorer.state.promises;
            promises.rests(self.program, recorded, difference, figures)
        })
    }

    /// Whether all threads have ended.
    fn is_end(&self, state: &State) -> bool {
        (state.threads.iter().zip(&self.program.threads))
            .all(|(thread, ops)| usize::from(thread.next) == ops.len())
    }

    /// When all threads have ended, the gauge goes down to 0 and up to its warn point as it should.
    fn check_end(&self, state: &State) -> Result<(), Broken> {
        with(|explorer| {
            explorer.state = state.clone();
            explorer.mode = Mode::Alone;
            explorer.operation = None;
        });
        self.deliver_what_is_left()?;
        let records = |op| {
            self.record_alone(op)?;
            self.deliver_what_is_left()
        };
        let difference = with(|explorer| explorer.difference());
        for _ in 0..difference {
            records(Op::Dequeue)?;
        }
        for _ in difference..0 {
            records(Op::Enqueue)?;
        }
        self.assert_goes_on(0)?;
        let points = self.program.points();
        for depth in 1..=points.warn_depth.min(points.capacity) {
            records(Op::Enqueue)?;
            self.assert_goes_on(depth)?;
        }
        Ok(())
    }

    fn assert_goes_on(&self, depth: usize) -> Result<(), Broken> {
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
        let checks = with(|explorer| {
            explorer.broken = None;
            explorer.state.promises.started(0, &[op], [].into_iter())
        });
        let result = catch_unwind(AssertUnwindSafe(|| self.subject.record(op)));
        with(|explorer| {
            let by_panic = is_by_panic(result)?;
            explorer.state.promises.ended(by_panic, checks);
            explorer.broken.take().map_or(Ok(()), Err)
        })?;
        with(|explorer| explorer.state.promises.recorded_alone(op, self.program));
        self.check_rest()
    }

    fn failure(
        &self,
        initial: &State,
        origins: &[Origin],
        last: Origin,
        broken: Broken,
    ) -> Failure {
        let mut path = vec![last];
        while path.last().unwrap().parent != 0 {
            path.push(origins[path.last().unwrap().parent as usize]);
        }
        let mut state = initial.clone();
        for origin in path.iter().rev() {
            match self.step_again(&state, *origin) {
                Ok(next) => state = next,
                Err(_) => break,
            }
        }
        // What comes after the threads is part of the trace if it is where the promise breaks.
        if self.is_end(&state) {
            drop(self.check_end(&state));
        }
        let trace = with(|explorer| explorer.trace.take()).unwrap_or_default();
        Failure {
            broken,
            program: self.program.clone(),
            trace,
        }
    }
}

impl Search<'_> {
    /// Takes a step once more, and adds it to the trace.
    fn step_again(&self, state: &State, origin: Origin) -> Result<State, Broken> {
        let mut outcomes = Outcomes::new();
        let trace = with(|explorer| explorer.trace.take()).unwrap_or_default();
        for _ in 0..origin.outcome {
            let (_, all) = self.step(state, origin.thread.into(), outcomes)?;
            outcomes = next_outcomes(all).unwrap_or_default();
        }
        with(|explorer| explorer.trace = Some(trace));
        let (next, _) = self.step(state, origin.thread.into(), outcomes)?;
        Ok(next)
    }
}

impl Explorer {
    /// Makes everything ready for a step. Returns the operation that takes it.
    fn start_step(
        &mut self,
        program: &Program,
        state: &State,
        thread: usize,
        outcomes: Outcomes,
    ) -> Op {
        self.state.clone_from(state);
        self.mode = Mode::Step;
        self.thread = thread;
        self.replayed = 0;
        self.outcomes = outcomes;
        self.taken = 0;
        self.is_spent = false;
        self.inert = 0;
        self.others = (0..program.threads.len())
            .filter(|other| *other != thread)
            .map(|other| self.touched_by(other, program))
            .fold(Touched::default(), Touched::and);
        let first_of = |thread| program.threads[..thread].iter().map(Vec::len).sum::<usize>();
        let number_of = |(thread, at): (usize, &Thread)| first_of(thread) + usize::from(at.next);
        let number = number_of((thread, &state.threads[thread]));
        self.operation = Some(number);
        if state.threads[thread].record.is_empty() {
            let others = state
                .threads
                .iter()
                .enumerate()
                .filter(|(other, at)| *other != thread && !at.record.is_empty())
                .map(number_of);
            let promises = &mut self.state.promises;
            let checks = promises.started(number, &self.ops, others);
            self.state.threads[thread].checks = checks;
        }
        self.ops[number]
    }

    /// The operation has ended, by itself or by a panic.
    fn end_operation(&mut self, result: Result<(), Box<dyn Any + Send>>) -> Result<(), Broken> {
        let by_panic = is_by_panic(result)?;
        let thread = &mut self.state.threads[self.thread];
        thread.next += 1;
        thread.record.clear();
        let checks = std::mem::take(&mut thread.checks);
        self.state.promises.ended(by_panic, checks);
        Ok(())
    }
}

/// Whether an operation ended by a panic of the sink. Any other panic is a failure.
fn is_by_panic(result: Result<(), Box<dyn Any + Send>>) -> Result<bool, Broken> {
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
