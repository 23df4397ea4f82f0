//! The steps on the way to a failure, as a reader wants them.

use std::fmt;
use std::fs;
use std::panic::Location;

use fillgauge::searched::Access;

use crate::explorer::Word;
use crate::memory::{Discipline, Memory};
use crate::script::{Step, Touched};
use crate::subject::Op;

/// The steps on the way to a failure. Reads of settings are left out.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    words: Vec<Word>,
    touched: Touched,
    lines: Vec<String>,
}

impl Trace {
    /// Of a gauge with these words; `touched` are those that operations access.
    pub fn new(words: Vec<Word>, touched: Touched) -> Self {
        Self {
            words,
            touched,
            lines: Vec::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Notes a step of a thread and its operation, or of what runs alone. The memory is that after
    /// the step.
    pub fn note(
        &mut self,
        by: Option<(usize, Op)>,
        step: Step,
        value: Option<usize>,
        memory: &Memory,
    ) {
        let who = match by {
            Some((thread, op)) => format!("thread {thread} {op:?}"),
            None => "alone".to_owned(),
        };
        let what = match step {
            Step::Access(word, Access::Load, _) if by.is_none() || !self.touched.writes(word) => {
                return;
            }
            Step::Access(word, access, discipline) => {
                let name = name_of(self.words[word].place);
                let what = match value {
                    Some(value) => described(access, discipline, value, memory.newest(word)),
                    None => format!("{access:?}"),
                };
                format!("{name}: {what}")
            }
            Step::CallSink(event, depth) => format!("the sink receives {event:?} at {depth}"),
            Step::SinkReturns => "the sink returns".to_owned(),
        };
        self.lines.push(format!("{who:<24} {what}"));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "    {line}")?;
        }
        Ok(())
    }
}

fn described(access: Access, discipline: Discipline, value: usize, newest: usize) -> String {
    match access {
        Access::Load if value != newest => format!("load -> {value}, stale: it is {newest}"),
        Access::Load => format!("load -> {value}"),
        Access::Store(new) if new != newest => format!("store {new}, before the newest: {newest}"),
        Access::Store(new) => format!("store {new}"),
        Access::CompareExchange(current, new) if current != value => {
            format!("compare {current} with {value}, fails to store {new}")
        }
        _ => {
            let after = access.written(value).unwrap_or(value);
            let relaxed = match discipline {
                Discipline::SeqCst => "",
                _ => ", relaxed",
            };
            format!("{access:?}, {value} -> {after}{relaxed}")
        }
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
