//! What is no row of the table: each in a process of its own.

mod background;
mod budgets;
mod faults;
mod log;
mod observers;
mod storms;

use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};
use std::{env, thread};

use fillgauge_std::{QueueGauge, TrackedLimit, set_limit_event_handler, track};

use crate::process::{self, Outcome};

pub(crate) type Scenario = (&'static str, fn());

fn all() -> impl Iterator<Item = Scenario> {
    [
        faults::ALL,
        background::ALL,
        budgets::ALL,
        observers::ALL,
        storms::ALL,
    ]
    .into_iter()
    .flatten()
    .copied()
}

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    all().map(|(name, _)| name)
}

const LIMIT: Duration = Duration::from_secs(60);

/// Says that no thread can be started in this process, unless with a stack size of its own.
const NO_THREADS: &str = "no threads";

pub(crate) fn judge(name: &str) -> Outcome {
    // More than the system gives a thread.
    let no_threads = ("RUST_MIN_STACK", "70368744177664");
    let variables: &[_] = if name.contains(NO_THREADS) {
        &[no_threads]
    } else {
        &[]
    };
    process::run(&["--scenario", name], LIMIT, variables)
}

pub(crate) fn run(name: &str) {
    let scenario = all().find(|(this, _)| *this == name);
    let (_, scenario) = scenario.unwrap_or_else(|| panic!("no scenario is called {name}"));
    scenario();
}

/// Waits for another thread to bring about `condition`.
fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(20),
            "waited in vain until {what}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// Starts a thread also where none can be started without a stack size of its own.
fn spawn<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(run)
        .unwrap()
}

/// Holds up those who come to it until it is opened.
#[derive(Clone)]
struct Gate {
    opened: Arc<(std::sync::Mutex<bool>, std::sync::Condvar)>,
    reached: mpsc::Sender<()>,
}

impl Gate {
    /// A gate, and what says that somebody has come to it.
    fn new() -> (Self, mpsc::Receiver<()>) {
        let (reached, is_reached) = mpsc::channel();
        let opened = Arc::default();
        (Self { opened, reached }, is_reached)
    }

    fn pass(&self) {
        let _ = self.reached.send(());
        let (is_open, opened) = &*self.opened;
        let is_open = is_open.lock().unwrap();
        drop(opened.wait_while(is_open, |is_open| !*is_open).unwrap());
    }

    fn open(&self) {
        let (is_open, opened) = &*self.opened;
        *is_open.lock().unwrap() = true;
        opened.notify_all();
    }
}

/// Until the gate is opened. The thread delivers the event of this gauge meanwhile.
fn hold_up_the_background_thread() -> (Gate, Arc<QueueGauge>) {
    let (gate, is_reached) = Gate::new();
    let held = gate.clone();
    set_limit_event_handler(Box::new(move |event| {
        if event.snapshot().name == TrackedLimit::V8HeapBytes {
            held.pass();
        }
    }));
    let heap = track(TrackedLimit::V8HeapBytes)
        .capacity(10)
        .background()
        .gauge();
    heap.observe_depth(9);
    is_reached.recv().unwrap();
    (gate, heap)
}

/// Whether this process cannot start threads.
fn has_no_threads() -> bool {
    env::var_os("RUST_MIN_STACK").is_some()
}
