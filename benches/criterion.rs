//! The same operations as in `ratios`, one by one under criterion, for looking deeper: distributions, and comparisons with a
//! run before (`cargo bench --bench criterion -- --save-baseline NAME`, then `--baseline NAME`).

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use fillgauge::{Gauge, Limit, QueueRegistry};
use fillgauge_std::{TrackedLimit, tracked_sync_channel};

static LIMIT: Limit = Limit::queue("bench");
const CAPACITY: usize = 1_024;

fn recording(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recording");
    let deeper_before = |gauge: Gauge| {
        gauge.record_enqueue_n(CAPACITY / 2);
        gauge.record_dequeue_n(CAPACITY / 2);
        gauge
    };
    let warned = Gauge::new(&LIMIT, CAPACITY);
    warned.record_enqueue_n(CAPACITY * 9 / 10);
    let gauges = [
        ("armed", deeper_before(Gauge::new(&LIMIT, CAPACITY))),
        (
            "armed, for a queue",
            deeper_before(Gauge::for_queue(&LIMIT, CAPACITY)),
        ),
        ("at its high-water mark", Gauge::new(&LIMIT, CAPACITY)),
        ("warned", warned),
    ];
    for (state, gauge) in &gauges {
        group.bench_function(format!("enqueue + dequeue, {state}"), |bencher| {
            bencher.iter(|| {
                black_box(gauge).record_enqueue();
                black_box(gauge).record_dequeue();
            });
        });
    }
    let sampled = Gauge::new(&LIMIT, CAPACITY);
    sampled.observe_depth(CAPACITY);
    group.bench_function("observe_depth", |bencher| {
        bencher.iter(|| black_box(&sampled).observe_depth(black_box(900)));
    });
    group.bench_function("a warning and a recovery", |bencher| {
        bencher.iter(|| {
            black_box(&sampled).observe_depth(black_box(1_000));
            black_box(&sampled).observe_depth(black_box(0));
        });
    });
    group.bench_function("snapshot", |bencher| {
        bencher.iter(|| black_box(&gauges[0].1).snapshot());
    });
    group.finish();
}

fn registering(criterion: &mut Criterion) {
    static REGISTRY: QueueRegistry<16> = QueueRegistry::new();
    let mut group = criterion.benchmark_group("register + drop");
    group.bench_function("fillgauge", |bencher| {
        bencher.iter(|| black_box(REGISTRY.register(&LIMIT, 64)).ok());
    });
    group.bench_function("fillgauge-std", |bencher| {
        bencher.iter(|| black_box(fillgauge_std::register_limit(TrackedLimit::VmPipes, 64)));
    });
    group.finish();
}

fn channels(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send + recv");
    let (sender, receiver) = std::sync::mpsc::sync_channel(CAPACITY);
    group.bench_function("std", |bencher| {
        bencher.iter(|| {
            sender.send(black_box(1)).ok();
            black_box(receiver.recv()).ok()
        });
    });
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::V8SessionFrames, CAPACITY);
    group.bench_function("fillgauge-std", |bencher| {
        bencher.iter(|| {
            sender.send(black_box(1)).ok();
            black_box(receiver.recv()).ok()
        });
    });
    group.finish();
}

criterion_group!(benches, recording, registering, channels);
criterion_main!(benches);
