//! What executes the accesses of the operations of this thread, in one of two ways.
//!
//! - *Alone*: there is one thread, and every access takes effect at once. So runs what comes before
//!   the threads of a program and after them.
//! - *To find what comes next*: nothing has an effect. The operation is given the values of a
//!   record, and the first access beyond them is noted and stops it, by unwinding. Accesses that
//!   destructors make meanwhile are ignored.

use std::any::Any;
use std::cell::RefCell;
use std::mem::{replace, take};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::thread::panicking;

use fillgauge::searched::{self, Access, Ordering};

use crate::history::Event;
use crate::memory::Discipline;
use crate::program::{Program, Sink};
use crate::promises::{Broken, Promise};
use crate::script::{Next, Step};
use crate::state::{By, Setting, State};
use crate::subject::{Op, Subject};

/// A word as the gauge made it.
#[derive(Clone, Debug)]
pub struct Word {
    pub place: &'static Location<'static>,
    discipline: Option<Discipline>,
}

#[derive(Debug)]
enum Mode {
    Alone,
    /// The operation is given the rest of these values, which are in reverse.
    Finds(Vec<usize>),
    /// This comes next. Nothing has an effect any more.
    Found(Step),
}

/// The explorer of a thread.
pub struct Explorer {
    pub setting: Setting,
    pub state: State,
    pub words: Vec<Word>,
    /// What the sink itself records on.
    pub subject: Option<Rc<dyn Subject>>,
    mode: Mode,
    /// What was broken alone.
    broken: Option<Broken>,
    /// The steps that are taken alone, if they are noted.
    pub steps: Option<Vec<(Step, usize)>>,
    /// Accesses after the stop.
    ignored: usize,
    learns: Learns,
}

/// What the words are whose values are read without an access.
#[derive(Clone, Copy, Debug)]
enum Learns {
    Nothing,
    Counters,
    Settings,
    Refusals,
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

/// Gives this thread an explorer of `program`.
pub fn start(program: &Program) {
    searched::use_explorer(&ThisThread);
    EXPLORER.set(Some(Explorer {
        setting: Setting {
            choices: program.choices(),
            sink: program.sink,
            counters: Vec::new(),
            settings: Vec::new(),
            refusals: Vec::new(),
        },
        state: State::new(program),
        words: Vec::new(),
        subject: None,
        mode: Mode::Alone,
        broken: None,
        steps: None,
        ignored: 0,
        learns: Learns::Nothing,
    }));
}

/// Learns which words of `subject` are the counters and the settings.
pub fn learn_words(subject: &dyn Subject) {
    let learn = |learns| with(|explorer| explorer.learns = learns);
    learn(Learns::Counters);
    subject.counters_now();
    learn(Learns::Settings);
    subject.settings_now();
    learn(Learns::Refusals);
    subject.refused_now();
    learn(Learns::Nothing);
}

/// Has the explorer of this thread do something.
pub fn with<R>(f: impl FnOnce(&mut Explorer) -> R) -> R {
    EXPLORER.with_borrow_mut(|explorer| f(explorer.as_mut().expect("no program is searched")))
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
        let value = with(|explorer| {
            let before = &mut explorer.words[word].discipline;
            let discipline = Discipline::with(*before, access, order);
            *before = Some(discipline);
            explorer.take(Step::Access(word, access, discipline))
        });
        value.unwrap_or_else(stop)
    }

    fn now(&self, word: usize) -> usize {
        with(|explorer| {
            let setting = &mut explorer.setting;
            let words = match explorer.learns {
                Learns::Nothing => None,
                Learns::Counters => Some(&mut setting.counters),
                Learns::Settings => Some(&mut setting.settings),
                Learns::Refusals => Some(&mut setting.refusals),
            };
            if let Some(words) = words
                && !words.contains(&word)
            {
                words.push(word);
            }
            explorer.state.memory.newest(word)
        })
    }
}

/// The sink: it is called, does what the program says, and returns.
pub fn run_sink(event: Event, depth: usize) {
    let take = |step| with(|explorer| explorer.take(step)).unwrap_or_else(stop);
    let acts = take(Step::CallSink(event, depth)) != 0;
    let (sink, subject) = with(|explorer| (explorer.setting.sink, explorer.subject.clone()));
    if acts && let (Sink::DequeuesOnce(n), Some(subject)) = (sink, subject) {
        subject.record(Op::DequeueN(n));
    }
    take(Step::SinkReturns);
    let has_found = with(|explorer| matches!(explorer.mode, Mode::Found(_)));
    if acts && sink == Sink::PanicsOnce && !has_found {
        resume_unwind(Box::new(SinkPanic));
    }
}

/// Stops the operation that runs. A panic of the sink goes on.
fn stop() -> usize {
    if panicking() {
        return 0;
    }
    resume_unwind(Box::new(Stop));
}

/// Ends the operation that runs: it has gone wrong. Like a panic, without a message on the screen.
pub fn fail(how: &str) -> ! {
    resume_unwind(Box::new(how.to_owned()));
}

impl Explorer {
    /// The value of a step; `None` if the operation is to stop.
    fn take(&mut self, step: Step) -> Option<usize> {
        match &mut self.mode {
            Mode::Alone => {
                let value = self.state.take(step, By::Alone, &self.setting);
                let value = value.unwrap_or_else(|broken| {
                    self.broken.get_or_insert(broken);
                    0
                });
                if let Some(steps) = &mut self.steps {
                    steps.push((step, value));
                }
                Some(value)
            }
            Mode::Finds(values) => {
                let value = values.pop();
                if value.is_none() {
                    self.mode = Mode::Found(step);
                }
                value
            }
            Mode::Found(_) => {
                self.ignored += 1;
                assert!(
                    self.ignored < 10_000,
                    "an operation goes on for ever in a destructor"
                );
                None
            }
        }
    }
}

/// What `op` does after the values of a record.
pub fn find_next(subject: &dyn Subject, op: Op, mut values: Vec<usize>) -> Next {
    values.reverse();
    with(|explorer| {
        explorer.mode = Mode::Finds(values);
        explorer.ignored = 0;
    });
    let result = catch_unwind(AssertUnwindSafe(|| subject.record(op)));
    let mode = with(|explorer| replace(&mut explorer.mode, Mode::Alone));
    match (mode, result) {
        (Mode::Found(step), _) => Next::Step(step),
        (_, Ok(())) => Next::Ends,
        (_, Err(payload)) if payload.is::<SinkPanic>() => Next::EndsByPanic,
        (_, Err(payload)) => Next::Fails(message_of(&*payload)),
    }
}

/// Runs `op` alone. Returns whether the sink has panicked.
///
/// # Errors
///
/// It breaks a promise, or panics for another reason.
pub fn run_alone(subject: &dyn Subject, op: Op) -> Result<bool, Broken> {
    let result = catch_unwind(AssertUnwindSafe(|| subject.record(op)));
    if let Some(broken) = with(|explorer| take(&mut explorer.broken)) {
        return Err(broken);
    }
    match result {
        Ok(()) => Ok(false),
        Err(payload) if payload.is::<SinkPanic>() => Ok(true),
        Err(payload) => Err(Broken {
            promise: Promise::Returns,
            how: message_of(&*payload),
        }),
    }
}

fn message_of(payload: &(dyn Any + Send)) -> String {
    let message = payload
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| payload.downcast_ref::<&str>().copied())
        .unwrap_or("a panic without a message");
    message.to_owned()
}
