//! What the models share.
//!
//! | module | |
//! |---|---|
//! | [`model`] | a model of one gauge: the threads, and what each of them records |
//! | [`history`] | what happened in one execution, and the promises that it is held against |
//! | [`subject`] | what a model needs of a gauge, right or wrong |
//! | [`mailbox`] | where an event waits that another thread is to deliver |
//! | [`broken`] | gauges that break a promise, for the canaries |

#[cfg(not(fillgauge_loom))]
compile_error!(
    "build with --cfg fillgauge_loom: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

pub mod broken;
pub mod history;
pub mod mailbox;
pub mod model;
pub mod subject;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Instant;

/// Runs `model` in every interleaving with at most `preemptions` preemptions (`None` for all interleavings), and fails
/// if there were fewer than `floor` of them: a model that explores nothing proves nothing.
pub fn explore(preemptions: Option<usize>, floor: usize, model: impl Fn() + Sync + Send + 'static) {
    let executions = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&executions);
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.max_branches = 10_000;
    let start = Instant::now();
    builder.check(move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    });
    let executions = executions.load(Ordering::Relaxed);
    println!(
        "{}: {executions} executions, {:.1} s",
        thread::current().name().unwrap_or("model"),
        start.elapsed().as_secs_f32()
    );
    assert!(
        executions >= floor,
        "{executions} executions, expected at least {floor}"
    );
}

/// What executions of a model came to: that there were many says little if all were alike.
#[derive(Default)]
pub struct Outcomes(Mutex<BTreeSet<&'static str>>);

impl Outcomes {
    /// Notes what this execution came to.
    pub fn note(&self, outcome: &'static str) {
        self.0.lock().unwrap().insert(outcome);
    }

    /// Fails unless the executions came to just these, in the order of the alphabet.
    pub fn assert_seen(&self, outcomes: &[&'static str]) {
        assert!(
            self.0.lock().unwrap().iter().eq(outcomes),
            "other outcomes: {:?}",
            self.0
        );
    }
}

/// A static for the length of an execution, of which gauges and registries need some: it is never freed.
pub fn leaked<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}
