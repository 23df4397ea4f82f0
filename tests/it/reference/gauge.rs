//! A gauge in plain wide integers. It keeps what the documentation promises of one operation after
//! the other.

use fillgauge::{
    BudgetHandle, Gauge, Limit, LimitCategory, Probe, QueueSnapshot, Thresholds, Totals,
};

use super::history::{Point, Setup};

const MAX: i128 = usize::MAX as i128;

/// More than this at once takes what there is.
const SPLIT: i128 = MAX / 32;

pub(super) static LIMIT: Limit = Limit::memory("reference");

/// Everything that a gauge reads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Figures {
    name: &'static Limit,
    category: LimitCategory,
    pub(super) instance: usize,
    depth: usize,
    high_water: usize,
    capacity: usize,
    fill_percent: usize,
    warned: bool,
    warnings: usize,
    totals: Option<Totals>,
    refused: usize,
}

impl From<&QueueSnapshot> for Figures {
    fn from(snapshot: &QueueSnapshot) -> Self {
        Self {
            name: snapshot.name,
            category: snapshot.category,
            instance: snapshot.instance,
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            capacity: snapshot.capacity,
            fill_percent: snapshot.fill_percent,
            warned: snapshot.warned,
            warnings: snapshot.warnings,
            totals: snapshot.totals,
            refused: snapshot.refused,
        }
    }
}

impl From<&Gauge> for Figures {
    fn from(gauge: &Gauge) -> Self {
        Self {
            name: gauge.limit(),
            category: gauge.limit().category(),
            instance: gauge.instance(),
            depth: gauge.depth(),
            high_water: gauge.high_water(),
            capacity: gauge.capacity(),
            fill_percent: gauge.fill_percent(),
            warned: gauge.has_warned(),
            warnings: gauge.warnings(),
            totals: Some(Totals::new(gauge.enqueued(), gauge.dequeued())),
            refused: gauge.refused(),
        }
    }
}

impl From<&BudgetHandle> for Figures {
    fn from(budget: &BudgetHandle) -> Self {
        Self {
            name: budget.limit(),
            category: budget.limit().category(),
            instance: budget.instance(),
            depth: budget.used(),
            high_water: budget.high_water(),
            capacity: budget.capacity(),
            fill_percent: budget.fill_percent(),
            warned: budget.has_warned(),
            warnings: budget.warnings(),
            totals: None,
            refused: budget.refused(),
        }
    }
}

impl From<&Probe> for Figures {
    fn from(probe: &Probe) -> Self {
        Self {
            name: probe.limit(),
            category: probe.limit().category(),
            instance: 0,
            depth: probe.depth(),
            high_water: probe.high_water(),
            capacity: probe.capacity(),
            fill_percent: probe.fill_percent(),
            warned: probe.has_warned(),
            warnings: probe.warnings(),
            totals: None,
            refused: probe.refused(),
        }
    }
}

impl Figures {
    /// As of what counts nothing.
    pub(super) fn without_totals(self) -> Self {
        Self {
            totals: None,
            ..self
        }
    }
}

/// Its operations return the events that they cause, in short. The figures in each are those after
/// the operation.
#[derive(Debug)]
pub(super) struct ReferenceGauge {
    setup: Setup,
    /// Depths above the capacity read as the capacity.
    clamps: bool,
    zero_is_bound: bool,
    is_budget: bool,
    instance: usize,
    /// Enqueued less dequeued; below 0 if the gauge of a queue waits for enqueues.
    balance: i128,
    high_water: i128,
    warned: bool,
    full: bool,
    warnings: usize,
    dequeued: usize,
    refused: usize,
    /// Strays of the last operation, which may or may not count as dequeued.
    strays: i128,
}

impl ReferenceGauge {
    /// A gauge whose counters have both come to the start of the setup, with no other trace.
    pub(super) fn new(setup: Setup, instance: usize) -> Self {
        Self {
            setup,
            clamps: setup.for_queue,
            zero_is_bound: setup.is_rendezvous(),
            is_budget: false,
            instance,
            balance: 0,
            high_water: 0,
            warned: false,
            full: false,
            warnings: 0,
            dequeued: setup.start,
            refused: 0,
            strays: 0,
        }
    }

    /// A budget of which nothing is in use.
    pub(super) fn new_budget(setup: Setup, instance: usize) -> Self {
        Self {
            zero_is_bound: true,
            is_budget: true,
            ..Self::new(setup, instance)
        }
    }

    /// The events if `n` is admitted, `None` if it is refused.
    pub(super) fn reserve(&mut self, n: usize) -> Option<Vec<char>> {
        if self.balance + n as i128 > self.capacity().max(self.balance) {
            self.refuse(1);
            return None;
        }
        self.balance += n as i128;
        Some(self.edges())
    }

    pub(super) fn give_back(&mut self, n: usize) -> Vec<char> {
        self.balance -= n as i128;
        self.edges()
    }

    pub(super) fn enqueue(&mut self, n: usize) -> Vec<char> {
        self.balance = (self.balance + n as i128).min(self.end_of_range());
        self.edges()
    }

    pub(super) fn dequeue(&mut self, n: usize) -> Vec<char> {
        let n = n as i128;
        let there = self.balance.max(0);
        if n > SPLIT {
            self.take(n.min(there));
        } else if self.setup.for_queue {
            self.take(n);
        } else {
            self.take(n.min(there));
            self.strays = n - n.min(there);
        }
        self.edges()
    }

    pub(super) fn observe(&mut self, depth: usize) -> Vec<char> {
        let depth = (depth as i128).min(self.end_of_range());
        // A total never steps back: what is less than was counted has been dequeued.
        self.take((self.balance - depth).max(0));
        self.balance = depth;
        self.edges()
    }

    /// How much of `n` the range has room for.
    pub(super) fn room_for(&self, n: usize) -> usize {
        (n as i128).min(self.end_of_range() - self.balance) as usize
    }

    pub(super) fn refuse(&mut self, n: usize) {
        self.refused = self.refused.wrapping_add(n);
    }

    pub(super) fn clear(&mut self) -> Vec<char> {
        self.take(self.balance.max(0));
        self.edges()
    }

    pub(super) fn set_capacity(&mut self, capacity: usize) -> Vec<char> {
        self.setup.capacity = capacity;
        // What a queue has in it beyond a capacity that was changed is shown.
        self.clamps = false;
        self.edges()
    }

    pub(super) fn set_thresholds(&mut self, thresholds: Thresholds) -> Vec<char> {
        self.setup.thresholds = thresholds;
        self.edges()
    }

    fn take(&mut self, n: i128) {
        self.balance -= n;
        self.dequeued = self.dequeued.wrapping_add(n as usize);
    }

    fn edges(&mut self) -> Vec<char> {
        let (depth, capacity) = (self.depth(), self.capacity());
        self.high_water = self.high_water.max(depth);
        let mut edges = Vec::new();
        if capacity == 0 {
            // It cannot warn, but recover from a warning of before.
            if self.warned && (depth == 0 || !self.zero_is_bound) {
                self.warned = false;
                self.full = false;
                edges.push('-');
            } else if self.warned && !self.full {
                self.full = true;
                edges.push('=');
            }
            return edges;
        }
        let warn = self.setup.thresholds.warn_percent() as i128;
        let rearm = self.setup.thresholds.rearm_percent() as i128;
        if !self.warned && 100 * depth >= warn * capacity {
            self.warned = true;
            self.warnings += 1;
            edges.push('+');
        }
        if self.warned && !self.full && depth >= capacity {
            self.full = true;
            edges.push('=');
        }
        // In whole percent, the fill is no more than `rearm`.
        if self.warned && 100 * depth < (rearm + 1) * capacity {
            self.warned = false;
            self.full = false;
            edges.push('-');
        }
        edges
    }

    /// Takes over from the real gauge how many strays of the last operation it counted as dequeued.
    pub(super) fn count_strays(&mut self, dequeued: usize) {
        let counted = dequeued.wrapping_sub(self.dequeued);
        assert!(
            counted as i128 <= self.strays,
            "{dequeued} dequeued, {} without strays, and {} strays",
            self.dequeued,
            self.strays
        );
        self.dequeued = dequeued;
        self.strays = 0;
    }

    pub(super) fn figures(&self) -> Figures {
        let depth = self.depth();
        let fill = (100 * depth).checked_div(self.capacity()).unwrap_or(0);
        let figures = Figures {
            name: &LIMIT,
            category: LimitCategory::Memory,
            instance: self.instance,
            depth: depth as usize,
            high_water: self.high_water as usize,
            capacity: self.setup.capacity,
            fill_percent: fill.min(MAX) as usize,
            warned: self.warned,
            warnings: self.warnings,
            // Conservation, modulo the word.
            totals: Some(Totals::new(
                self.dequeued.wrapping_add(self.balance as usize),
                self.dequeued,
            )),
            refused: self.refused,
        };
        if self.is_budget {
            figures.without_totals()
        } else {
            figures
        }
    }

    fn depth(&self) -> i128 {
        let is_unbounded = self.capacity() == 0 && !self.zero_is_bound;
        if self.clamps && !is_unbounded {
            self.balance.clamp(0, self.capacity())
        } else {
            self.balance.max(0)
        }
    }

    fn capacity(&self) -> i128 {
        self.setup.capacity as i128
    }

    /// Seven eighths of the word.
    fn end_of_range(&self) -> i128 {
        MAX - MAX / 8 - 1
    }

    /// Whether a single enqueue, which is not checked, would leave the range.
    pub(super) fn is_at_end_of_range(&self) -> bool {
        self.balance == self.end_of_range()
    }

    /// Whether the range has room for the underflow that a dequeue of `n` leaves.
    pub(super) fn can_underflow_by(&self, n: usize) -> bool {
        let n = n as i128;
        !self.setup.for_queue || n > SPLIT || n - self.balance <= MAX - self.end_of_range()
    }

    pub(super) fn balance(&self) -> i128 {
        self.balance
    }

    pub(super) fn at(&self, point: Point) -> i128 {
        let thresholds = self.setup.thresholds;
        match point {
            Point::Nothing => 0,
            Point::Rearm => thresholds.rearm_percent() as i128 * self.capacity() / 100,
            Point::Warn => thresholds.warn_percent() as i128 * self.capacity() / 100,
            Point::Capacity => self.capacity(),
            Point::HighWater => self.high_water,
            Point::Split => SPLIT,
            Point::EndOfRange => self.end_of_range(),
            Point::Max => MAX,
        }
    }
}
