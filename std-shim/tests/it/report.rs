//! What a registry reports.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fillgauge_std::{
    LimitCategory, LimitEventKind, QueueRegistry, Report, Thresholds, TrackedLimit, track,
};

use crate::size::native_or_miri;

#[test]
fn it_lists_live_gauges_in_order_of_registration_with_all_that_is_known() {
    let registry = QueueRegistry::new("order").silent();
    let of = |name| track(name).capacity(10).registry(&registry);
    let mut gauges: Vec<_> = (0..200)
        .map(|number| of("gauge").label(format!("number {number}")).gauge())
        .collect();
    for number in [150, 70, 3] {
        gauges.remove(number);
    }
    gauges.push(of("gauge").label("the last").gauge());
    let (sender, receiver) = of("channel").sync_channel();
    for item in 0..12 {
        let _ = sender.try_send(item);
    }
    receiver.recv().unwrap();
    gauges[2].observe_depth(9);

    let report = registry.report();
    assert_eq!(report.registry, "order");
    let labels = report.gauges.iter().map(|gauge| gauge.label.clone());
    let left = (0..200).filter(|number| ![3, 70, 150].contains(number));
    let expected = left.map(|number| Some(format!("number {number}")));
    assert!(labels.eq(expected.chain([Some("the last".to_owned()), None])));
    let instances: Vec<_> = registry
        .snapshot()
        .iter()
        .map(|gauge| gauge.instance)
        .collect();
    assert!(instances.is_sorted() && instances.len() == 199);

    let channel = report.gauges.last().unwrap();
    assert_eq!((channel.depth, channel.high_water), (9, 10));
    let backpressure = channel.backpressure.unwrap();
    assert_eq!((backpressure.rejected, backpressure.parks), (2, 0));
    let totals = channel.totals.unwrap();
    assert_eq!((totals.enqueued, totals.dequeued), (10, 1));
    let kinds: Vec<_> = channel
        .last_edges
        .iter()
        .map(|edge| (edge.kind, edge.depth))
        .collect();
    assert_eq!(
        kinds,
        [
            (LimitEventKind::NearCapacity, 8),
            (LimitEventKind::Full, 10)
        ]
    );
    let observed = &report.gauges[2];
    assert!(observed.warned && observed.backpressure.is_none());
    assert_eq!(observed.last_edges[0].depth, 9);
}

#[test]
fn it_keeps_the_last_eight_edges_with_their_times() {
    let registry = QueueRegistry::new("edges").silent();
    let gauge = registry.register("edges", 10);
    for _ in 0..7 {
        [8, 10, 0]
            .iter()
            .for_each(|depth| gauge.observe_depth(*depth));
    }
    let report = registry.report();
    let edges = &report.gauges[0].last_edges;
    let kinds: Vec<_> = edges
        .iter()
        .map(|edge| (edge.kind.as_str(), edge.depth))
        .collect();
    let cycle = [("near_capacity", 8), ("full", 10), ("recovered", 0)];
    let expected: Vec<_> = cycle.iter().cycle().skip(1).take(8).copied().collect();
    assert_eq!(kinds, expected);
    assert!(edges.iter().map(|edge| edge.at.unwrap()).is_sorted());
}

#[test]
fn sums_include_the_gauges_that_are_gone() {
    let registry = QueueRegistry::new("sums").silent();
    let of = |name, capacity| track(name).capacity(capacity).registry(&registry);
    for high in 1..=10 {
        let gauge = of("frames", 10).for_queue().gauge();
        gauge.record_enqueue_n(high);
        gauge.record_dequeue_n(high);
    }
    let live = of("frames", 20).gauge();
    live.observe_depth(16);
    let half = of("frames", 10).gauge();
    half.record_enqueue_n(5);
    drop(of("bytes", 7).gauge());
    let report = registry.report();
    let names: Vec<_> = report
        .limits
        .iter()
        .map(|limit| limit.name.as_ref())
        .collect();
    assert_eq!(names, ["bytes", "frames"]);
    assert_eq!(
        (report.limits[0].registered, report.limits[0].gauges),
        (1, 0)
    );
    let frames = &report.limits[1];
    assert_eq!(frames.category, LimitCategory::Queue);
    assert_eq!(
        (frames.registered, frames.gauges, frames.warned),
        (12, 2, 1)
    );
    assert_eq!((frames.depth, frames.capacity), (21, 30));
    assert_eq!((frames.max_fill_percent, frames.high_water), (80, 16));
    assert_eq!(frames.warnings, 3 + 1);
    let totals = frames.totals.unwrap();
    assert_eq!((totals.enqueued, totals.dequeued), (55 + 16 + 5, 55));
}

#[test]
fn sums_of_names_that_are_equal_are_one() {
    let registry = QueueRegistry::new("equal names").silent();
    drop(registry.register("vm_pipes", 4)); // Of category queue.
    let gauges = [
        registry.register(TrackedLimit::VmPipes, 4),
        registry.register(&fillgauge_std::Limit::resource("vm_pipes"), 4),
    ];
    let report = registry.report();
    let sums: Vec<_> = report
        .limits
        .iter()
        .map(|limit| {
            (
                limit.name.as_ref(),
                limit.category,
                limit.gauges,
                limit.registered,
            )
        })
        .collect();
    let expected = [
        ("vm_pipes", LimitCategory::Queue, 0, 1),
        ("vm_pipes", LimitCategory::Resource, 2, 2),
    ];
    assert_eq!(sums, expected);
    drop(gauges);
}

#[test]
fn sums_never_step_back_while_gauges_come_and_go() {
    const THREADS: usize = 3;
    const ROUNDS: usize = native_or_miri(3_000, 5);
    let registry = QueueRegistry::new("never back").silent();
    let working = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..ROUNDS {
                    let gauge = track("busy")
                        .capacity(4)
                        .for_queue()
                        .registry(&registry)
                        .gauge();
                    gauge.record_enqueue_n(4);
                    gauge.record_dequeue_n(4);
                }
                working.fetch_sub(1, Ordering::Relaxed);
            });
        }
        let mut before = [0; 4];
        while working.load(Ordering::Relaxed) > 0 {
            let report = registry.report();
            let Some(limit) = report.limits.first() else {
                continue;
            };
            let totals = limit.totals.unwrap();
            let sums = [
                limit.registered,
                limit.warnings,
                totals.enqueued,
                totals.dequeued,
            ];
            let never_back = sums.iter().zip(before).all(|(sum, before)| *sum >= before);
            assert!(never_back, "{before:?}, then {sums:?}");
            before = sums;
        }
    });
    let report = registry.report();
    let limit = &report.limits[0];
    let all = THREADS * ROUNDS;
    assert_eq!(
        (limit.gauges, limit.registered, limit.warnings),
        (0, all, all)
    );
    let totals = limit.totals.unwrap();
    assert_eq!((totals.enqueued, totals.dequeued), (4 * all, 4 * all));
}

#[test]
fn its_table_is_for_people() {
    let registry = QueueRegistry::new("table").silent();
    let of = |name| track(name).registry(&registry);
    let gauges = [
        of("jobs").capacity(10).gauge(),
        of("bytes")
            .capacity(usize::MAX)
            .label("evil\n\x1b[2J")
            .gauge(),
        of("unbounded").gauge(),
        of("early")
            .capacity(3)
            .thresholds(Thresholds::new(1, 0).unwrap())
            .gauge(),
    ];
    gauges[0].observe_depth(9);
    gauges[0].observe_depth(3);
    gauges[1].observe_depth(usize::MAX / 2);
    gauges[2].observe_depth(7);
    gauges[3].observe_depth(1);
    let table = registry.report().to_string();
    let expected = "\
name       label            category                depth           high-water              capacity  fill                        warnings
jobs                        queue                       3                    9                    10  ######------------..  30 %         1
bytes      evil\\n\\u{1b}[2J  queue     9223372036854775807  9223372036854775807  18446744073709551615  ##########..........  49 %         0
unbounded                   queue                       7                    7                     0                         0 %         0
early                       queue                       1                    1                     3  #######.............  33 %         1
";
    assert_eq!(table, expected, "\n{table}");
}

#[cfg(feature = "serde")]
#[test]
fn it_survives_being_written_and_read() {
    let registry = QueueRegistry::new("serde").silent();
    let (sender, receiver) = track("frames")
        .capacity(5)
        .registry(&registry)
        .sync_channel();
    (0..5).for_each(|item| sender.send(item).unwrap());
    receiver.recv().unwrap();
    let _labelled = track("bytes")
        .capacity(9)
        .label("session 7")
        .registry(&registry)
        .gauge();
    let report = registry.report();
    let text = serde_json::to_string(&report).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), report);
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["gauges"][0]["last_edges"][0]["kind"], "near_capacity");
    assert_eq!(value["gauges"][1]["label"], "session 7");
}

#[cfg(not(feature = "serde"))]
#[test]
fn it_can_be_kept() {
    fn kept<T: Clone + Send + Sync + 'static>(_: T) {}
    kept::<Report>(QueueRegistry::new("kept").report());
}
