//! fillgauge against bare atomics, the raw channel and the original, as ratios within one run.
//!
//! Every contender of a comparison runs once a round, in turn, so that a machine that slows down slows all of them; the
//! ratio is taken round by round. What is printed is the median of the rounds, with the spread from the first to the
//! third quartile.

use std::env;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::Instant;

use agentos_bridge::queue_tracker as original;
use fillgauge::{Gauge, Limit};
use fillgauge_std::{QueueRegistry, TrackedLimit, tracked_sync_channel};

const ROUNDS: usize = 31;

/// Something to measure: does `n` operations.
struct Contender<'a> {
    name: &'a str,
    run: Box<dyn FnMut(usize) + 'a>,
}

fn contender<'a>(name: &'a str, run: impl FnMut(usize) + 'a) -> Contender<'a> {
    Contender {
        name,
        run: Box::new(run),
    }
}

/// Measures the contenders against the first of them, `operations` in each round.
fn compare(what: &str, operations: usize, mut contenders: Vec<Contender<'_>>) {
    let wanted = env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    if wanted.is_some_and(|wanted| !what.contains(&wanted)) {
        return;
    }
    let mut rounds: Vec<Vec<f64>> = Vec::new();
    for contender in &mut contenders {
        (contender.run)(operations / 10 + 1);
    }
    for _ in 0..ROUNDS {
        let round = contenders.iter_mut().map(|contender| {
            let start = Instant::now();
            (contender.run)(operations);
            start.elapsed().as_nanos() as f64 / operations as f64
        });
        rounds.push(round.collect());
    }
    println!("\n{what}");
    for (index, contender) in contenders.iter().enumerate() {
        let times = quartiles(rounds.iter().map(|round| round[index]));
        let ratios = quartiles(rounds.iter().map(|round| round[index] / round[0]));
        println!(
            "  {:<34} {:>10.1} ns   {:>7.2}x  ({:.2} to {:.2})",
            contender.name, times[1], ratios[1], ratios[0], ratios[2]
        );
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[quarter * (values.len() - 1) / 4])
}

static LIMIT: Limit = Limit::queue("bench");

fn pairs() {
    const OPERATIONS: usize = 300_000;
    let bare = AtomicUsize::new(0);
    let bare_split = (AtomicUsize::new(0), AtomicUsize::new(0));
    let ours = Gauge::new(&LIMIT, 1_024);
    let paired = Gauge::with_config(fillgauge::GaugeConfig::new(&LIMIT, 1_024).paired());
    let theirs =
        original::QueueRegistry::global().register(original::TrackedLimit::V8SessionFrames, 1_024);
    compare(
        "enqueue + dequeue, one thread",
        OPERATIONS,
        vec![
            contender("fetch_add + fetch_sub", |n| {
                for _ in 0..n {
                    black_box(bare.fetch_add(1, Ordering::SeqCst));
                    black_box(bare.fetch_sub(1, Ordering::SeqCst));
                }
            }),
            contender("two counters, fetch_add each", |n| {
                for _ in 0..n {
                    black_box(bare_split.0.fetch_add(1, Ordering::SeqCst));
                    black_box(bare_split.1.fetch_add(1, Ordering::SeqCst));
                }
            }),
            contender("fillgauge", |n| {
                for _ in 0..n {
                    black_box(&ours).record_enqueue();
                    black_box(&ours).record_dequeue();
                }
            }),
            contender("fillgauge, paired", |n| {
                for _ in 0..n {
                    black_box(&paired).record_enqueue();
                    black_box(&paired).record_dequeue();
                }
            }),
            contender("original", |n| {
                for _ in 0..n {
                    black_box(&theirs).record_enqueue();
                    black_box(&theirs).record_dequeue();
                }
            }),
        ],
    );
}

/// Observes `lowest`, the 63 depths above it, and so on again.
fn observations(what: &str, lowest: usize) {
    let ours = Gauge::new(&LIMIT, 1_024);
    let theirs =
        original::QueueRegistry::global().register(original::TrackedLimit::V8SessionFrames, 1_024);
    compare(
        what,
        300_000,
        vec![
            contender("original", |n| {
                for step in 0..n {
                    black_box(&theirs).observe_depth(lowest + (step & 63));
                }
            }),
            contender("fillgauge", |n| {
                for step in 0..n {
                    black_box(&ours).observe_depth(lowest + (step & 63));
                }
            }),
        ],
    );
}

fn channels(capacity: usize) {
    const OPERATIONS: usize = 200_000;
    /// Sends `n` items from a thread of its own, and receives them here.
    macro_rules! transfer {
        ($channel:expr) => {
            |n| {
                let (sender, receiver) = $channel;
                let producer = thread::spawn(move || {
                    for item in 0..n {
                        sender.send(item).unwrap();
                    }
                });
                for _ in 0..n {
                    black_box(receiver.recv().unwrap());
                }
                producer.join().unwrap();
            }
        };
    }
    compare(
        &format!("sync_channel of {capacity}, two threads, bulk"),
        OPERATIONS,
        vec![
            contender("std", transfer!(sync_channel(capacity))),
            contender(
                "fillgauge-std",
                transfer!(tracked_sync_channel(
                    TrackedLimit::V8SessionFrames,
                    capacity
                )),
            ),
            contender(
                "original",
                transfer!(original::tracked_sync_channel(
                    original::TrackedLimit::V8SessionFrames,
                    capacity
                )),
            ),
        ],
    );
}

fn registrations() {
    let registries: Vec<(usize, QueueRegistry, original::QueueRegistry)> = [10, 1_000, 10_000]
        .map(|live| (live, QueueRegistry::default(), Default::default()))
        .into();
    let held: Vec<_> = registries
        .iter()
        .map(|(live, ours, theirs)| {
            let ours: Vec<_> = (0..*live)
                .map(|_| ours.register(TrackedLimit::VmPipes, 64))
                .collect();
            let theirs: Vec<_> = (0..*live)
                .map(|_| theirs.register(original::TrackedLimit::VmPipes, 64))
                .collect();
            (ours, theirs)
        })
        .collect();
    let names: Vec<[String; 2]> = registries
        .iter()
        .map(|(live, ..)| ["fillgauge-std", "original"].map(|who| format!("{who}, {live} live")))
        .collect();
    let contenders = registries
        .iter()
        .zip(&names)
        .flat_map(|((_, ours, theirs), [our_name, their_name])| {
            [
                contender(our_name, move |n| {
                    for _ in 0..n {
                        black_box(ours.register(TrackedLimit::VmPipes, 64));
                    }
                }),
                contender(their_name, move |n| {
                    for _ in 0..n {
                        black_box(theirs.register(original::TrackedLimit::VmPipes, 64));
                    }
                }),
            ]
        })
        .collect();
    compare("register + drop", 2_000, contenders);
    drop(held);
}

fn main() {
    println!(
        "{ROUNDS} rounds in turn, medians; the ratio is against the first contender, with its quartiles"
    );
    println!("a gauge is {} bytes", size_of::<Gauge>());
    pairs();
    observations("observe_depth, far from the thresholds", 400);
    observations("observe_depth, warned", 900);
    channels(1_024);
    channels(64);
    registrations();
    black_box(Arc::new(()));
}
