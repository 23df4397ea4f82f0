//! The settings of a gauge that may change, and those that an operation may still go by.

use crate::history::{Event, Points};
use crate::program::{Choices, Kind, Program};

/// The settings of the gauge, by their numbers among the [`Choices`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct InForce {
    pub capacity: u8,
    pub thresholds: u8,
    /// Depths above the capacity read as the capacity.
    pub clamps: bool,
    /// Changes in progress.
    changes: u8,
    /// Those that were in force since the sink returned, or since a change in progress began, a bit
    /// each.
    capacities_since: u8,
    thresholds_since: u8,
}

impl InForce {
    /// Those that a gauge begins with.
    pub fn new(program: &Program) -> Self {
        let mut in_force = Self {
            capacity: 0,
            thresholds: 0,
            clamps: matches!(program.kind, Kind::Queue | Kind::Rendezvous),
            changes: 0,
            capacities_since: 0,
            thresholds_since: 0,
        };
        in_force.starts_here();
        in_force
    }

    /// A change is in progress from here on.
    pub fn change_begins(&mut self) {
        self.changes += 1;
    }

    /// A change has ended.
    pub fn change_ends(&mut self) {
        self.changes -= 1;
    }

    pub fn points(&self, choices: &Choices) -> Points {
        choices.points(self.capacity.into(), self.thresholds.into())
    }

    /// The depth that a difference of the counters stands for.
    pub fn depth(&self, difference: isize, choices: &Choices) -> usize {
        let depth = usize::try_from(difference).unwrap_or(0);
        if self.clamps {
            depth.min(self.points(choices).most)
        } else {
            depth
        }
    }

    /// Forgets what was in force before, unless an operation may still go by it.
    pub fn starts_here(&mut self) {
        if self.changes > 0 {
            return;
        }
        self.capacities_since = 1 << self.capacity;
        self.thresholds_since = 1 << self.thresholds;
    }

    pub fn add_to_past(&mut self) {
        self.capacities_since |= 1 << self.capacity;
        self.thresholds_since |= 1 << self.thresholds;
    }

    /// Whether an event stands at `depth`, by settings of which each was in force.
    pub fn allows(&self, event: Event, depth: usize, choices: &Choices) -> bool {
        let numbers = |bits: u8| (0..8).filter(move |number| bits >> number & 1 != 0);
        numbers(self.capacities_since).any(|capacity| {
            numbers(self.thresholds_since).any(|thresholds| {
                let points = choices.points(capacity, thresholds);
                match event {
                    Event::NearCapacity => depth >= points.warn_depth,
                    Event::Full => depth >= points.capacity,
                    Event::Recovered => depth <= points.rearm_depth,
                }
            })
        })
    }
}
