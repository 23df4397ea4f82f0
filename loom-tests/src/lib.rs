//! What the models share: how an execution is run, what it saw, and the promises that are checked at its end.

#[cfg(not(fillgauge_loom))]
compile_error!(
    "build with --cfg fillgauge_loom: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use fillgauge::{Gauge, LimitEvent, LimitSink};

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
        RECORD.with_borrow_mut(Vec::clear);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!("{executions} executions");
    assert!(
        executions >= floor,
        "{executions} executions, expected at least {floor}"
    );
}

thread_local! {
    // All threads of a model run on the one thread of its test.
    static RECORD: RefCell<Vec<LimitEvent>> = const { RefCell::new(Vec::new()) };
}

/// Records the events of the current execution.
pub struct Recorder;

pub static RECORDER: Recorder = Recorder;

impl LimitSink for Recorder {
    fn on_event(&self, event: &LimitEvent) {
        RECORD.with_borrow_mut(|events| events.push(*event));
    }
}

/// The events of the current execution so far.
pub fn events() -> Vec<LimitEvent> {
    RECORD.with_borrow(Vec::clone)
}

/// Alternation: warnings and recoveries take turns, a warning first; `Full` only between them, once.
pub fn assert_alternation() {
    let (mut warned, mut full) = (false, false);
    for event in events() {
        match event {
            LimitEvent::NearCapacity(_) => {
                assert!(!warned, "two warnings in a row: {:?}", events());
                (warned, full) = (true, false);
            }
            LimitEvent::Full(_) => {
                assert!(warned && !full, "full out of turn: {:?}", events());
                full = true;
            }
            LimitEvent::Recovered(_) => {
                assert!(warned, "a recovery out of turn: {:?}", events());
                warned = false;
            }
            other => panic!("unexpected event: {other:?}"),
        }
    }
}

/// Settledness, conservation and high water of a gauge at rest, whose true depth is `depth`.
pub fn assert_settled(gauge: &Gauge, depth: usize, warn_depth: usize, rearm_depth: usize) {
    assert_eq!(gauge.depth(), depth, "conservation");
    assert!(gauge.high_water() >= depth, "high water");
    if depth >= warn_depth {
        assert!(gauge.has_warned(), "silent at depth {depth}");
    }
    if depth <= rearm_depth {
        assert!(!gauge.has_warned(), "latched at depth {depth}");
    }
    let last = events()
        .into_iter()
        .rev()
        .find(|event| !matches!(event, LimitEvent::Full(_)));
    let told = matches!(last, Some(LimitEvent::NearCapacity(_)));
    assert_eq!(gauge.has_warned(), told, "the latch and the last event differ");
}
