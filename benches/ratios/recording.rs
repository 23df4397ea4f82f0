//! Records on one thread and on several.

use std::hint::black_box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Instant;

use arc_swap::ArcSwapOption;
use prometheus_client::metrics::gauge::Gauge as PrometheusClientGauge;

use crate::compare::{Contender, Run, contender, timed_by_itself};
use crate::peers::{
    CAPACITY, Counter, OneWord, TwoWords, TwoWordsAndALook, gauge, metrics_gauge, original_gauge,
    prometheus_gauge, queue_gauge, registered_gauge, shallow_gauge, wide_gauge,
    wide_original_gauge, wide_queue_gauge,
};

const OPERATIONS: usize = 200_000;

pub(crate) fn compare(run: &mut Run) {
    run.time(
        "enqueue + dequeue, one thread",
        OPERATIONS,
        vec![
            pairs("two bare additions", OneWord::default()),
            pairs("the same, two words", TwoWords::<16>::default()),
            pairs(
                "the same, and a look at a limit",
                TwoWordsAndALook::default(),
            ),
            pairs("fillgauge", gauge()),
            pairs("fillgauge, for a queue", queue_gauge()),
            pairs("fillgauge, at its high-water mark", shallow_gauge()),
            pairs("fillgauge-std", registered_gauge()),
            pairs("original", original_gauge()),
            pairs("prometheus", prometheus_gauge()),
            pairs("prometheus-client", PrometheusClientGauge::default()),
            pairs("metrics", metrics_gauge()),
        ],
    );

    let warned = |above: usize| {
        let gauge = gauge();
        gauge.record_enqueue_n(CAPACITY * 9 / 10 + above);
        gauge.record_dequeue_n(above);
        gauge
    };
    let warned_original = original_gauge();
    warned_original.observe_depth(CAPACITY * 9 / 10);
    run.time(
        "enqueue + dequeue, one thread, near capacity and warned",
        OPERATIONS,
        vec![
            pairs("two bare additions", OneWord::default()),
            pairs("fillgauge", warned(8)),
            pairs("fillgauge, at its high-water mark", warned(0)),
            pairs("original", warned_original),
        ],
    );

    for (what, lowest) in [
        ("observe_depth, far from the thresholds", CAPACITY * 4 / 10),
        ("observe_depth, near capacity and warned", CAPACITY * 9 / 10),
    ] {
        let (ours, theirs, prometheus) = (gauge(), original_gauge(), prometheus_gauge());
        run.time(
            what,
            OPERATIONS,
            vec![
                observations("original", lowest, move |depth| theirs.observe_depth(depth)),
                observations("fillgauge", lowest, move |depth| ours.observe_depth(depth)),
                observations("prometheus", lowest, move |depth| {
                    prometheus.set(depth as i64)
                }),
            ],
        );
    }

    run.time(
        "a warning and its recovery, with a handler",
        20_000,
        vec![
            crossings_of_the_original(),
            crossings(),
            atomics_of_crossings(),
        ],
    );

    let (ours, ours_for_queue) = (wide_gauge(), wide_queue_gauge());
    run.time(
        "two threads on one gauge, one enqueues and one dequeues, for each record",
        OPERATIONS,
        vec![
            two_sides("one word", OneWord::default()),
            two_sides("two words, side by side", TwoWords::<1>::default()),
            two_sides("two words, 64 bytes apart", TwoWords::<8>::default()),
            two_sides("two words, 128 bytes apart", TwoWords::<16>::default()),
            two_sides("fillgauge", &ours),
            two_sides("fillgauge, for a queue", &ours_for_queue),
            two_sides("original", wide_original_gauge()),
            two_sides("prometheus", prometheus_gauge()),
            two_sides("metrics", metrics_gauge()),
        ],
    );
    for gauge in [ours, ours_for_queue] {
        assert_eq!(
            (gauge.depth(), gauge.warnings()),
            (1 << 29, 0),
            "neither strays nor warns"
        );
    }

    for threads in [1, 2, 4, 8] {
        run.time(
            &format!("enqueue + dequeue, {threads} threads on one gauge"),
            5 * OPERATIONS,
            vec![
                many("two bare additions", threads, OneWord::default()),
                many(
                    "two bare additions, two words",
                    threads,
                    TwoWords::<16>::default(),
                ),
                many("fillgauge", threads, gauge()),
                many("fillgauge, for a queue", threads, queue_gauge()),
                many("original", threads, original_gauge()),
            ],
        );
    }
    for gauges in [10, 1_000, 10_000, 100_000] {
        run.time(
            &format!("enqueue + dequeue, {gauges} gauges one after the other"),
            OPERATIONS,
            vec![
                in_turn(
                    "two bare additions, two words",
                    gauges,
                    TwoWords::<16>::default,
                ),
                in_turn("fillgauge", gauges, gauge),
            ],
        );
    }
}

fn pairs<'a>(name: &str, counter: impl Counter + 'a) -> Contender<'a> {
    contender(name, move |n| {
        for _ in 0..n {
            black_box(&counter).enqueue();
            black_box(&counter).dequeue();
        }
    })
}

/// Observes `lowest`, the 63 depths above it, and so on again.
fn observations<'a>(name: &str, lowest: usize, observe: impl Fn(usize) + 'a) -> Contender<'a> {
    contender(name, move |n| {
        for step in 0..n {
            observe(black_box(lowest + (step & 63)));
        }
    })
}

/// Half of the operations on each side, from when both are there.
fn two_sides<'a>(name: &str, counter: impl Counter + 'a) -> Contender<'a> {
    timed_by_itself(name, move |n| {
        let begin = Barrier::new(2);
        thread::scope(|scope| {
            scope.spawn(|| {
                begin.wait();
                for _ in 0..n / 2 {
                    black_box(&counter).enqueue();
                }
                begin.wait();
            });
            begin.wait();
            let start = Instant::now();
            for _ in 0..n / 2 {
                black_box(&counter).dequeue();
            }
            begin.wait();
            start.elapsed()
        })
    })
}

/// The pairs are shared out among `threads`, from when all are there.
fn many<'a>(name: &str, threads: usize, counter: impl Counter + 'a) -> Contender<'a> {
    timed_by_itself(name, move |n| {
        let begin = Barrier::new(threads + 1);
        thread::scope(|scope| {
            let workers: Vec<_> = (0..threads)
                .map(|_| {
                    scope.spawn(|| {
                        begin.wait();
                        for _ in 0..n / threads {
                            black_box(&counter).enqueue();
                            black_box(&counter).dequeue();
                        }
                    })
                })
                .collect();
            begin.wait();
            let start = Instant::now();
            for worker in workers {
                worker.join().expect("it does not panic");
            }
            start.elapsed()
        })
    })
}

/// A pair on each gauge, round and round.
fn in_turn<'a, C: Counter + 'a>(name: &str, gauges: usize, make: impl Fn() -> C) -> Contender<'a> {
    let gauges: Vec<C> = (0..gauges).map(|_| make()).collect();
    contender(name, move |n| {
        for gauge in gauges.iter().cycle().take(n) {
            black_box(gauge).enqueue();
            black_box(gauge).dequeue();
        }
    })
}

fn crossings<'a>() -> Contender<'a> {
    let gauge = registered_gauge();
    contender("fillgauge-std", move |n| {
        fillgauge_std::set_limit_warning_handler(Box::new(|warning| {
            black_box(warning);
        }));
        for _ in 0..n {
            gauge.observe_depth(CAPACITY * 9 / 10);
            gauge.observe_depth(0);
        }
    })
}

fn crossings_of_the_original<'a>() -> Contender<'a> {
    let gauge = original_gauge();
    contender("original", move |n| {
        agentos_bridge::queue_tracker::set_limit_warning_handler(Box::new(|warning| {
            black_box(warning);
        }));
        for _ in 0..n {
            gauge.observe_depth(CAPACITY * 9 / 10);
            gauge.observe_depth(0);
        }
    })
}

/// What a crossing cannot do without: the locked instructions of two observations, of the state
/// that changes twice and is released once, and of a handler that can be replaced while it runs.
fn atomics_of_crossings<'a>() -> Contender<'a> {
    type Handler = Box<dyn Fn(usize) + Send + Sync>;
    let (depth, state) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let handler: ArcSwapOption<Handler> = ArcSwapOption::empty();
    handler.store(Some(Arc::new(Box::new(|depth| {
        black_box(depth);
    }))));
    contender("the atomics of it alone", move |n| {
        let change = |from, to| state.compare_exchange(from, to, SeqCst, SeqCst);
        for _ in 0..n {
            depth.swap(CAPACITY * 9 / 10, SeqCst);
            let _ = black_box(change(0, 3));
            let handler = handler.load();
            let handled = catch_unwind(AssertUnwindSafe(|| {
                if let Some(handler) = &*handler {
                    handler(depth.load(SeqCst));
                }
            }));
            let _ = black_box(handled.is_ok());
            drop(handler);
            state.fetch_and(!2, SeqCst);
            depth.swap(0, SeqCst);
            let _ = black_box(change(1, 0));
        }
    })
}
