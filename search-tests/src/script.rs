//! What an operation does next.
//!
//! An operation is a function of the values that its accesses have returned: of its *record*. So
//! what it does is a tree: a node for each record, with the access that comes next, and below it a
//! node for each value that this access may return. A node is found by running the operation: it is
//! given the values of the record, and what it asks for beyond them is the access of the node.

use fillgauge::searched::Access;

use crate::history::Event;
use crate::memory::Discipline;

/// A step of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Access(usize, Access, Discipline),
    CallSink(Event, usize),
    SinkReturns,
}

/// What an operation does next.
#[derive(Clone, Debug)]
pub enum Next {
    Step(Step),
    Ends,
    /// It ends by a panic of the sink.
    EndsByPanic,
    /// It panics for another reason.
    Fails(String),
}

/// A record of an operation.
#[derive(Debug)]
struct Node {
    next: Next,
    /// The record without its last value, and that value.
    before: (u32, usize),
    /// By the value that is returned next.
    after: Vec<(usize, u32)>,
}

/// What an operation does, as far as it is known.
#[derive(Debug)]
pub struct Script {
    nodes: Vec<Node>,
    /// The words that it accesses.
    pub touched: Touched,
}

impl Script {
    /// The record of an operation that has not started.
    pub const START: u32 = 0;

    pub fn new(first: Next) -> Self {
        let mut script = Self {
            nodes: Vec::new(),
            touched: Touched::default(),
        };
        script.push(first, (Self::START, 0));
        script
    }

    /// What comes after the record.
    pub fn next(&self, record: u32) -> &Next {
        &self.nodes[record as usize].next
    }

    /// The record with one more value, if what comes after it is known.
    pub fn after(&self, record: u32, value: usize) -> Option<u32> {
        let mut after = self.nodes[record as usize].after.iter();
        let (_, found) = after.find(|(returned, _)| *returned == value)?;
        Some(*found)
    }

    /// The values of a record.
    pub fn values(&self, mut record: u32) -> Vec<usize> {
        let mut values = Vec::new();
        while record != Self::START {
            let (before, value) = self.nodes[record as usize].before;
            values.push(value);
            record = before;
        }
        values.reverse();
        values
    }

    /// Adds what comes after a record with one more value. Returns that record.
    pub fn add(&mut self, record: u32, value: usize, next: Next) -> u32 {
        let added = self.push(next, (record, value));
        self.nodes[record as usize].after.push((value, added));
        added
    }

    fn push(&mut self, next: Next, before: (u32, usize)) -> u32 {
        if let Next::Step(Step::Access(word, access, _)) = next {
            self.touched = self.touched.and(Touched::by(word, access));
        }
        self.nodes.push(Node {
            next,
            before,
            after: Vec::new(),
        });
        u32::try_from(self.nodes.len() - 1).unwrap()
    }
}

/// The words that operations access, a bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Touched {
    read: u32,
    written: u32,
}

impl Touched {
    pub fn by(word: usize, access: Access) -> Self {
        let bit = 1 << word;
        Self {
            read: if matches!(access, Access::Store(_)) {
                0
            } else {
                bit
            },
            written: if access == Access::Load { 0 } else { bit },
        }
    }

    pub fn and(self, other: Self) -> Self {
        Self {
            read: self.read | other.read,
            written: self.written | other.written,
        }
    }

    pub fn reads(self, word: usize) -> bool {
        self.read & 1 << word != 0
    }

    pub fn writes(self, word: usize) -> bool {
        self.written & 1 << word != 0
    }

    pub fn conflicts_with(self, other: Self) -> bool {
        self.written & (other.read | other.written) != 0 || self.read & other.written != 0
    }
}
