//! The search: every state of a program, each of them once, in the order of the steps that lead to
//! it.

use std::any::Any;
use std::collections::{BTreeSet, HashSet, VecDeque};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::explorer::{self, Outcomes, is_by_panic, next_outcomes, with};
use crate::history::{History, Points};
use crate::program::Program;
use crate::promises::{Broken, Promise};
use crate::state::State;
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

/// A search of one program.
struct Search<'a> {
    program: &'a Program,
    subject: Box<dyn Subject>,
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
    explorer::start(program, settings.is_plain);
    let search = Search {
        program,
        subject: subject(program.points(), &History),
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
        let mut numbered: Vec<_> = self
            .program
            .threads
            .concat()
            .into_iter()
            .enumerate()
            .collect();
        for _ in 0..2 {
            for (number, op) in &numbered {
                with(|explorer| explorer.run_alone(Some(*number)));
                // What breaks here breaks in the search.
                drop(self.try_record(*op));
            }
            numbered.reverse();
            with(|explorer| {
                explorer.state.clone_from(&initial);
                explorer.run_alone(None);
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
                        if next.is_end(self.program) {
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
        let result = self.try_record(op);
        let outcomes = with(|explorer| explorer.end_step(self.program, result))?;
        if with(|explorer| explorer.state.is_at_rest()) {
            self.check_rest()?;
        }
        Ok((with(|explorer| explorer.state.clone()), outcomes))
    }

    fn try_record(&self, op: Op) -> Result<(), Box<dyn Any + Send>> {
        catch_unwind(AssertUnwindSafe(|| self.subject.record(op)))
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

    /// When all threads have ended, the gauge goes down to 0 and up to its warn point as it should.
    fn check_end(&self, state: &State) -> Result<(), Broken> {
        with(|explorer| {
            explorer.state.clone_from(state);
            explorer.run_alone(None);
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
        let by_panic = is_by_panic(self.try_record(op))?;
        with(|explorer| {
            let promises = &mut explorer.state.promises;
            promises.ended(by_panic, checks);
            promises.recorded_alone(op, self.program);
            explorer.broken.take().map_or(Ok(()), Err)
        })?;
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
        if state.is_end(self.program) {
            drop(self.check_end(&state));
        }
        let trace = with(|explorer| explorer.trace.take()).unwrap_or_default();
        Failure {
            broken,
            program: self.program.clone(),
            trace,
        }
    }

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
