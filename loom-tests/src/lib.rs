//! What the models share: how an execution is run, what it saw, and the promises that are checked at its end.

#[cfg(not(fillgauge_loom))]
compile_error!(
    "build with --cfg fillgauge_loom: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use fillgauge::{LimitEvent, LimitSink};

/// Runs `model` in every interleaving with at most `preemptions` preemptions (`None` for all interleavings), and fails
/// if there were fewer than `floor` of them: a model that explores nothing proves nothing.
pub fn explore(preemptions: Option<usize>, floor: usize, model: impl Fn() + Sync + Send + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{executions} executions");
    assert!(
        executions >= floor,
        "{executions} executions, expected at least {floor}"
    );
}

/// What a gauge has told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Told {
    NearCapacity,
    Full,
    Recovered,
}

/// Keeps what is told in one execution, in its order.
pub struct Recorder {
    /// An access that loom sees: otherwise it would not try who tells first.
    clock: loom::sync::atomic::AtomicUsize,
    told: Mutex<Vec<(usize, Told, usize)>>,
}

impl Recorder {
    /// A recorder for the current execution: sinks are statics.
    pub fn new() -> &'static Self {
        Box::leak(Box::new(Self {
            clock: loom::sync::atomic::AtomicUsize::new(0),
            told: Mutex::new(Vec::new()),
        }))
    }

    pub fn tell(&self, event: Told, depth: usize) {
        let time = self.clock.fetch_add(1, Ordering::SeqCst);
        self.told.lock().unwrap().push((time, event, depth));
    }

    /// What was told, with the depths, in its order.
    pub fn told(&self) -> Vec<(Told, usize)> {
        let mut told = self.told.lock().unwrap().clone();
        told.sort_by_key(|(time, ..)| *time);
        told.into_iter()
            .map(|(_, event, depth)| (event, depth))
            .collect()
    }

    /// Alternation: warnings and recoveries take turns, a warning first; `Full` comes between them, once. Returns whether
    /// the last of them was a warning.
    pub fn assert_alternation(&self) -> bool {
        let told = self.told();
        let (mut warned, mut full) = (false, false);
        for (event, _) in &told {
            match event {
                Told::NearCapacity => {
                    assert!(!warned, "out of turn: {told:?}");
                    (warned, full) = (true, false);
                }
                Told::Full => {
                    assert!(warned && !full, "out of turn: {told:?}");
                    full = true;
                }
                Told::Recovered => {
                    assert!(warned, "out of turn: {told:?}");
                    warned = false;
                }
            }
        }
        warned
    }
}

impl LimitSink for Recorder {
    fn on_event(&self, event: &LimitEvent) {
        let told = match event {
            LimitEvent::NearCapacity(_) => Told::NearCapacity,
            LimitEvent::Full(_) => Told::Full,
            LimitEvent::Recovered(_) => Told::Recovered,
            other => panic!("unexpected event: {other:?}"),
        };
        self.tell(told, event.snapshot().depth);
    }
}

/// What a gauge reads at rest.
#[derive(Debug)]
pub struct Rest {
    pub depth: usize,
    pub high_water: usize,
    pub warned: bool,
}

impl Rest {
    /// Settledness: never silent at the warn point, never latched at the re-arm point. And the mark is not below the
    /// depth.
    pub fn assert_settled(&self, warn_depth: usize, rearm_depth: usize) {
        assert!(self.depth < warn_depth || self.warned, "silent: {self:?}");
        assert!(
            self.depth > rearm_depth || !self.warned,
            "latched: {self:?}"
        );
        assert!(self.depth <= self.high_water, "{self:?}");
    }
}
