//! Events, and the sink that reports them to the explorer.

use fillgauge::{LimitEvent, LimitSink};

use crate::explorer;

/// An event of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    NearCapacity,
    Full,
    Recovered,
}

impl Event {
    const ALL: [Self; 3] = [Self::NearCapacity, Self::Full, Self::Recovered];

    pub fn of(event: &LimitEvent) -> Self {
        match event {
            LimitEvent::NearCapacity(_) => Self::NearCapacity,
            LimitEvent::Full(_) => Self::Full,
            LimitEvent::Recovered(_) => Self::Recovered,
            other => panic!("unexpected event: {other:?}"),
        }
    }

    /// An event and its depth in a word.
    pub fn to_word(self, depth: usize) -> usize {
        depth * Self::ALL.len() + self as usize
    }

    pub fn from_word(word: usize) -> (Self, usize) {
        (Self::ALL[word % Self::ALL.len()], word / Self::ALL.len())
    }
}

/// The points of a gauge.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    pub capacity: usize,
    /// The percentages at which it warns, and is armed again.
    pub thresholds: (u8, u8),
    pub warn_depth: usize,
    pub rearm_depth: usize,
    /// Keeps underflows, which read as 0.
    pub for_queue: bool,
    /// Depths above this read as this.
    pub most: usize,
    /// Depths are multiples of this, so that 64 bits stand for all of them.
    pub unit: usize,
}

/// The sink. What it receives is part of the explorer's state.
#[derive(Debug)]
pub struct History;

impl History {
    pub fn deliver(&self, event: Event, depth: usize) {
        explorer::run_sink(event, depth);
    }

    /// The trace of a failure has them.
    pub fn moments(&self) -> &'static str {
        "see the trace"
    }
}

impl LimitSink for History {
    fn on_event(&self, event: &LimitEvent) {
        self.deliver(Event::of(event), event.snapshot().depth);
    }
}
