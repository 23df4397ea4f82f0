//! Small programs on one gauge, searched exhaustively.
//!
//! | module | |
//! |---|---|
//! | [`program`] | a program: the gauge, what is recorded before, and what each thread records |
//! | [`search`] | the search |
//! | [`state`] | where a program is |
//! | [`script`] | what an operation does next |
//! | [`explorer`] | what executes the accesses of an operation |
//! | [`trace`] | the steps on the way to a failure |
//! | [`memory`] | the memory model: which values an access may read, and where a store may go |
//! | [`in_force`] | the settings of the gauge, and those that an operation may still go by |
//! | [`promises`] | the promises of a gauge, as folds over what happened so far |
//! | [`random`] | random programs |
//! | [`history`], [`mailbox`] | where events go |
//! | [`subject`], [`broken`] | the operations, and gauges that break a promise; shared with `loom-tests` |

#[cfg(not(fillgauge_search))]
compile_error!(
    "build with --cfg fillgauge_search: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

pub mod broken;
pub mod explorer;
pub mod history;
pub mod in_force;
pub mod mailbox;
pub mod memory;
pub mod program;
pub mod promises;
pub mod random;
pub mod script;
pub mod search;
pub mod state;
#[path = "../../loom-tests/src/subject.rs"]
pub mod subject;
pub mod trace;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use program::Program;
use search::{Failure, Settings};

/// What the searches of many programs came to.
#[derive(Debug, Default)]
pub struct Report {
    pub programs: usize,
    pub states: usize,
    pub steps: usize,
    /// Programs with more states than were allowed.
    pub incomplete: usize,
    pub failures: Vec<Box<Failure>>,
    pub time: Duration,
}

impl Report {
    /// Adds what more programs came to.
    pub fn add(&mut self, more: Self) {
        self.programs += more.programs;
        self.states += more.states;
        self.steps += more.steps;
        self.incomplete += more.incomplete;
        self.failures.extend(more.failures);
        self.time += more.time;
    }

    /// Every promise was kept, in every state of every program. See [`assert_kept`](Self::assert_kept).
    pub fn assert_clean(&self, programs: usize, states: usize) {
        self.assert_kept(programs, states);
        assert_eq!(self.incomplete, 0, "{self}");
    }

    /// Prints the report. Fails if a promise is broken, or if there were fewer programs or states
    /// than these: a search that explores nothing proves nothing.
    pub fn assert_kept(&self, programs: usize, states: usize) {
        println!("{}: {self}", thread::current().name().unwrap_or("search"));
        let mut alike = BTreeMap::<_, Vec<_>>::new();
        for failure in &self.failures {
            let Failure {
                broken, program, ..
            } = &**failure;
            let kind = (
                broken.promise,
                program.kind,
                format!("{:?}", program.threads),
            );
            alike.entry(kind).or_default().push(failure);
        }
        for ((promise, kind, threads), failures) in &alike {
            println!(
                "{promise:?}, {kind:?}, threads {threads}: {} programs, the first of which is\n{}",
                failures.len(),
                failures[0]
            );
        }
        assert!(self.failures.is_empty(), "{self}");
        assert!(
            self.programs >= programs && self.states >= states,
            "{self}; expected at least {programs} programs and {states} states"
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} programs, {} states, {} steps, {:.1} s",
            self.programs,
            self.states,
            self.steps,
            self.time.as_secs_f32()
        )?;
        if self.incomplete > 0 {
            write!(f, "; {} programs have too many states", self.incomplete)?;
        }
        if !self.failures.is_empty() {
            write!(f, "; {} programs break a promise", self.failures.len())?;
        }
        Ok(())
    }
}

/// Searches all `programs` on all cores, each with at most `most_states` states.
pub fn search_all(programs: &[Program], most_states: usize) -> Report {
    let (next, report) = (AtomicUsize::new(0), Mutex::new(Report::default()));
    let start = Instant::now();
    let search_some = || {
        while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let result = program.search(Settings::up_to(most_states));
            let mut report = report.lock().unwrap();
            report.programs += 1;
            match result {
                Ok(counts) => {
                    report.states += counts.states;
                    report.steps += counts.steps;
                    report.incomplete += usize::from(!counts.is_complete);
                }
                Err(failure) => report.failures.push(failure),
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, Into::into) {
            scope.spawn(search_some);
        }
    });
    Report {
        time: start.elapsed(),
        ..report.into_inner().unwrap()
    }
}
