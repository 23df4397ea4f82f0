//! Instructions of an operation, counted by valgrind: the same every time, whatever else the
//! machine does.
//!
//! `cargo bench --bench instructions` prints a table and fails if an operation of ours takes a
//! greater part of the peer's instructions than it is allowed.

use std::hint::black_box;
use std::process::{Command, ExitCode};
use std::sync::mpsc::sync_channel;
use std::{env, process};

use agentos_bridge::queue_tracker as original;
use fillgauge::{Gauge, Limit};
use fillgauge_std::{TrackedLimit, tracked_sync_channel};

static LIMIT: Limit = Limit::queue("bench");
const CAPACITY: usize = 1_024;

/// An operation to be counted, done `n` times.
struct Row {
    name: &'static str,
    operation: fn(n: usize),
    bound: Option<Bound>,
}

/// The greatest part of the instructions of another row that one may take.
struct Bound {
    part: f64,
    of: &'static str,
}

const fn row(name: &'static str, operation: fn(n: usize)) -> Row {
    Row {
        name,
        operation,
        bound: None,
    }
}

impl Row {
    const fn at_most(self, part: f64, of: &'static str) -> Self {
        Self {
            bound: Some(Bound { part, of }),
            ..self
        }
    }
}

const PAIR: &str = "pair: original";
const WARNED: &str = "pair, warned: original";
const OBSERVED: &str = "observe_depth: original";
const OBSERVED_WARNED: &str = "observe_depth, warned: original";
const CHANNEL: &str = "channel, send + recv: std";
const REGISTERED: &str = "register + drop, 10 live: fillgauge-std";

/// The bounds are a fifth above what was counted when they were set.
const ROWS: &[Row] = &[
    row("pair: two bare additions", bare_pairs),
    row(PAIR, original_pairs),
    row("pair: fillgauge", |n| pairs(&deeper_before(gauge()), n)).at_most(0.53, PAIR),
    row("pair: fillgauge, for a queue", |n| {
        pairs(&deeper_before(for_queue()), n)
    })
    .at_most(0.42, PAIR),
    row("pair: fillgauge, at its high-water mark", |n| {
        pairs(&gauge(), n)
    })
    .at_most(0.66, PAIR),
    row("pair: fillgauge-std", std_pairs).at_most(0.59, PAIR),
    row(WARNED, warned_original_pairs),
    row("pair, warned: fillgauge", |n| pairs(&warned(8), n)).at_most(0.66, WARNED),
    row("pair, warned: fillgauge, at its mark", |n| {
        pairs(&warned(0), n)
    })
    .at_most(0.78, WARNED),
    row(OBSERVED, |n| original_observations(n, 400)),
    row("observe_depth: fillgauge", |n| observations(n, 400)).at_most(1.25, OBSERVED),
    row(OBSERVED_WARNED, |n| original_observations(n, 900)),
    row("observe_depth, warned: fillgauge", |n| observations(n, 900)).at_most(1.4, OBSERVED_WARNED),
    row(CHANNEL, std_channel),
    row("channel, send + recv: original", original_channel),
    row("channel, send + recv: fillgauge-std", tracked_channel).at_most(1.38, CHANNEL),
    row("register + drop, 10 live: original", |n| {
        original_registrations(n, 10)
    }),
    row(REGISTERED, |n| registrations(n, 10)).at_most(2.6, "register + drop, 10 live: original"),
    row("register + drop, 10,000 live: fillgauge-std", |n| {
        registrations(n, 10_000)
    })
    .at_most(1.2, REGISTERED),
];

fn find(name: &str) -> usize {
    ROWS.iter()
        .position(|row| row.name == name)
        .expect("a row of this name")
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [name, n] = &arguments[..] {
        (ROWS[find(name)].operation)(n.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let counts: Vec<f64> = ROWS.iter().map(|row| instructions(row.name)).collect();
    let mut kept = true;
    println!("instructions of one operation");
    for (row, count) in ROWS.iter().zip(&counts) {
        print!("  {:<44} {count:>7.1}", row.name);
        if let Some(Bound { part, of }) = row.bound {
            let ratio = count / counts[find(of)];
            print!("   {ratio:.2}x of \"{of}\", at most {part:.2}x");
            if ratio > part {
                print!("   TOO MUCH");
                kept = false;
            }
        }
        println!();
    }
    if kept {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Instructions of one operation of the row: those of many less those of few.
fn instructions(name: &str) -> f64 {
    const FEW: usize = 1_000;
    const MANY: usize = 6_000;
    (collected(name, MANY) - collected(name, FEW)) / (MANY - FEW) as f64
}

/// Instructions of this program when it does the operation of a row `n` times.
fn collected(name: &str, n: usize) -> f64 {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(env::current_exe().expect("a path"))
        .args([name, &n.to_string()])
        .output();
    let output = output.unwrap_or_else(|error| {
        eprintln!("this needs valgrind (Debian: valgrind): {error}");
        process::exit(1);
    });
    let report = String::from_utf8_lossy(&output.stderr);
    report
        .lines()
        .find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
        .unwrap_or_else(|| {
            eprintln!("valgrind does not say what it collected: {report}");
            process::exit(1);
        })
}

fn gauge() -> Gauge {
    Gauge::new(&LIMIT, CAPACITY)
}

fn for_queue() -> Gauge {
    Gauge::for_queue(&LIMIT, CAPACITY)
}

/// Near capacity, and before that deeper by so many.
fn warned(deeper: usize) -> Gauge {
    let gauge = gauge();
    gauge.record_enqueue_n(CAPACITY * 9 / 10 + deeper);
    gauge.record_dequeue_n(deeper);
    gauge
}

fn deeper_before(gauge: Gauge) -> Gauge {
    gauge.record_enqueue_n(CAPACITY / 2);
    gauge.record_dequeue_n(CAPACITY / 2);
    gauge
}

fn bare_pairs(n: usize) {
    use std::sync::atomic::{AtomicUsize, Ordering};
    let word = AtomicUsize::new(0);
    for _ in 0..n {
        black_box(&word).fetch_add(1, Ordering::SeqCst);
        black_box(&word).fetch_sub(1, Ordering::SeqCst);
    }
}

fn pairs(gauge: &Gauge, n: usize) {
    for _ in 0..n {
        black_box(gauge).record_enqueue();
        black_box(gauge).record_dequeue();
    }
}

fn std_pairs(n: usize) {
    let gauge = fillgauge_std::register_queue(TrackedLimit::V8SessionFrames, CAPACITY);
    gauge.record_enqueue_n(CAPACITY / 2);
    gauge.record_dequeue_n(CAPACITY / 2);
    for _ in 0..n {
        black_box(&gauge).record_enqueue();
        black_box(&gauge).record_dequeue();
    }
}

fn original_gauge() -> std::sync::Arc<original::QueueGauge> {
    original::register_queue(original::TrackedLimit::V8SessionFrames, CAPACITY)
}

fn original_pairs(n: usize) {
    let gauge = original_gauge();
    for _ in 0..n {
        black_box(&gauge).record_enqueue();
        black_box(&gauge).record_dequeue();
    }
}

fn warned_original_pairs(n: usize) {
    let gauge = original_gauge();
    gauge.observe_depth(CAPACITY * 9 / 10);
    for _ in 0..n {
        black_box(&gauge).record_enqueue();
        black_box(&gauge).record_dequeue();
    }
}

fn observations(n: usize, lowest: usize) {
    let gauge = gauge();
    for step in 0..n {
        black_box(&gauge).observe_depth(lowest + (step & 63));
    }
}

fn original_observations(n: usize, lowest: usize) {
    let gauge = original_gauge();
    for step in 0..n {
        black_box(&gauge).observe_depth(lowest + (step & 63));
    }
}

/// One item at a time through a channel.
macro_rules! through {
    ($channel:expr, $n:expr) => {{
        let (sender, receiver) = $channel;
        for item in 0..$n {
            sender.send(item).unwrap();
            black_box(receiver.recv().unwrap());
        }
    }};
}

fn std_channel(n: usize) {
    through!(sync_channel(CAPACITY), n);
}

fn tracked_channel(n: usize) {
    through!(
        tracked_sync_channel(TrackedLimit::V8SessionFrames, CAPACITY),
        n
    );
}

fn original_channel(n: usize) {
    through!(
        original::tracked_sync_channel(original::TrackedLimit::V8SessionFrames, CAPACITY),
        n
    );
}

fn registrations(n: usize, live: usize) {
    let registry = fillgauge_std::QueueRegistry::default();
    let register = || registry.register(TrackedLimit::VmPipes, 64);
    let _live: Vec<_> = (0..live).map(|_| register()).collect();
    for _ in 0..n {
        black_box(register());
    }
}

fn original_registrations(n: usize, live: usize) {
    let registry = original::QueueRegistry::default();
    let register = || registry.register(original::TrackedLimit::VmPipes, 64);
    let _live: Vec<_> = (0..live).map(|_| register()).collect();
    for _ in 0..n {
        black_box(register());
    }
}
