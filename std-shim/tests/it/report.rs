//! What a registry reports.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::SystemTime;

use fillgauge_std::{
    Backpressure, Limit, LimitCategory, LimitEventKind, LimitRef, LimitUnit, QueueGauge,
    QueueRegistry, Report, Thresholds, TrackedLimit, chain, track,
};

use crate::size::native_or_miri;
use crate::std_channel::until;

#[test]
fn what_was_refused_is_in_the_figures_and_in_the_sums() {
    let registry = QueueRegistry::new("refusals").silent();
    let of = |name| track(name).capacity(1).registry(&registry);
    let permits = of("permits").gauge();
    permits.record_refused(3);
    let (sender, receiver) = of("permits").sync_channel();
    for item in 0..3 {
        let _ = sender.try_send(item);
    }
    let refused = || {
        let report = registry.report();
        let gauges: Vec<_> = report.gauges.iter().map(|gauge| gauge.refused).collect();
        (gauges, report.limits[0].refused)
    };
    assert_eq!(refused(), (vec![3, 2], 5));
    assert_eq!(sender.backpressure().refused, sender.gauge().refused());
    drop(permits);
    assert_eq!(refused(), (vec![2], 5));
    drop((sender, receiver));
    assert_eq!(refused(), (vec![], 5));
}

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
    assert_eq!((backpressure.refused, backpressure.waits), (2, 0));
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

#[test]
fn a_limit_says_what_it_counts_and_what_it_is_for() {
    static HEAP: Limit = Limit::memory("heap").with_unit(LimitUnit::Bytes);
    static HEAP_WITH_HELP: Limit = Limit::memory("heap").with_help("The heap of a session");
    let registry = QueueRegistry::new("units").silent();
    let gauges = [
        registry.register("jobs", 4),
        registry.register(LimitRef::Static(&HEAP), 4),
        registry.register(LimitRef::Static(&HEAP_WITH_HELP), 4),
    ];
    let report = registry.report();
    let units = report.gauges.iter().map(|gauge| gauge.unit.as_str());
    assert!(units.eq(["items", "bytes", "items"]));
    let limits = report
        .limits
        .iter()
        .map(|limit| (&*limit.name, limit.unit.as_str(), limit.help.as_deref()));
    let help = Some("The heap of a session");
    assert!(limits.eq([("heap", "bytes", help), ("jobs", "items", None)]));
    drop(gauges);
    assert_eq!(registry.report().limits[0].unit, LimitUnit::Bytes);
    // Whatever was kept of that name before.
    let registry = QueueRegistry::new("units again").silent();
    let _gauges = [
        registry.register(&Limit::memory("units_kept"), 4),
        registry.register(&Limit::memory("units_kept").with_unit(LimitUnit::Bytes), 4),
    ];
    assert_eq!(registry.report().limits[0].unit, LimitUnit::Bytes);
}

#[test]
fn backpressure_is_summed_also_of_channels_that_are_gone() {
    let registry = QueueRegistry::new("channels").silent();
    let of = || track("frames").capacity(1).registry(&registry);
    let limit = || registry.report().limits[0].backpressure;
    let plain = of().gauge();
    assert_eq!(limit(), None);
    let (sender, receiver) = of().sync_channel();
    assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
    drop(receiver);
    assert!(sender.send(3).is_err());
    let refused = |backpressure: Backpressure| (backpressure.refused, backpressure.disconnected);
    assert_eq!(limit().map(refused), Some((1, 1)));
    drop((plain, sender));
    assert_eq!(limit().map(refused), Some((1, 1)));
    let (sender, _receiver) = of().sync_channel();
    assert!(sender.try_send(1).is_ok() && sender.try_send(2).is_err());
    thread::scope(|scope| {
        let _waiting = scope.spawn(|| sender.send(2));
        until("a producer waits", || limit().unwrap().waiting == 1);
        assert_eq!(limit().map(refused), Some((2, 1)));
        drop(_receiver);
    });
    // One that never had an item.
    let registry = QueueRegistry::new("refused only").silent();
    let (sender, _receiver) = track("rendezvous").registry(&registry).sync_channel();
    assert!(sender.try_send(1).is_err());
    drop((sender, _receiver));
    assert_eq!(
        registry.report().limits[0].backpressure.map(refused),
        Some((1, 0))
    );
}

#[test]
fn a_warned_gauge_says_since_when() {
    let registry = QueueRegistry::new("since").silent();
    let gauge = registry.register("jobs", 10);
    let since = || registry.report().gauges[0].warned_since;
    assert_eq!(since(), None);
    let before = SystemTime::now();
    gauge.observe_depth(10);
    let warned = since().unwrap();
    assert!((before..=SystemTime::now()).contains(&warned));
    gauge.observe_depth(9);
    assert_eq!(since(), Some(warned));
    gauge.observe_depth(5);
    assert_eq!(since(), None);
    gauge.observe_depth(8);
    assert!(since().unwrap() >= warned);
}

#[test]
fn a_chain_is_in_the_report_of_the_registry_of_its_first_gauge() {
    let registries = ["first", "second"].map(|name| QueueRegistry::new(name).silent());
    let of = |registry, name| track(name).capacity(10).registry(registry);
    let a = of(&registries[0], "a").gauge();
    let b = of(&registries[1], "b").label("session 7").gauge();
    let c = of(&registries[0], "c").gauge();
    let texts = || -> Vec<_> {
        let chains = registries[0].report().chains.into_iter();
        chains.map(|chain| chain.text).collect()
    };
    let kept = chain("across", [&a, &b, &c]);
    assert_eq!(texts(), ["across: no stage is near capacity"]);
    assert!(registries[1].report().chains.is_empty());
    a.observe_depth(9);
    b.observe_depth(8);
    let report = registries[0].report();
    assert_eq!(report.chains[0].bottleneck, Some(2));
    let text = "across: what takes from b (session 7) and feeds c is slow";
    assert_eq!(texts(), [text]);
    assert!(report.to_string().ends_with(&format!("{text}\n")));
    // It keeps no gauge.
    drop(b);
    assert!(registries[1].snapshot().is_empty());
    let report = registries[0].report();
    let gone = report.chains[0].stages.iter().map(|stage| stage.gone);
    assert!(gone.eq([false, true, false]));
    assert_eq!(texts(), ["across: what takes from a and feeds c is slow"]);
    let more: Vec<_> = (0..100)
        .map(|number| chain(format!("chain {number}"), [&a]))
        .collect();
    assert_eq!(texts().len(), 101);
    drop(more);
    assert_eq!(texts().len(), 1);
    drop(kept);
    assert!(texts().is_empty());
    let none: [&Arc<QueueGauge>; 0] = [];
    assert_eq!(chain("of nothing", none).name(), "of nothing");
}

/// What a stage is made of makes no difference: a probe of a channel, a budget, a gauge.
#[cfg(feature = "crossbeam")]
#[test]
fn stages_of_several_kinds_are_in_one_chain() {
    use fillgauge_std::ChainStage;

    let registry = QueueRegistry::new("kinds").silent();
    let of = |name| track(name).capacity(5).registry(&registry);
    let (parsed, _parser) = of("parsed").crossbeam_channel();
    let slots = of("slots").budget();
    let (written, _writer) = of("written").sync_channel::<u8>();
    let stages: [&dyn ChainStage; 3] = [parsed.gauge(), &slots, written.gauge()];
    let _chain = chain("lines", stages);
    (0..4).for_each(|line| parsed.send(line).unwrap());
    let text = || registry.report().chains[0].text.clone();
    assert_eq!(
        text(),
        "lines: what takes from parsed and feeds slots is slow"
    );
    let held = slots.try_reserve_owned(4).unwrap();
    assert_eq!(
        text(),
        "lines: what takes from slots and feeds written is slow"
    );
    drop((held, slots));
    assert!(registry.report().chains[0].stages[1].gone);
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
    let read = serde_json::from_str::<Report>(&text).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
    assert_eq!(read.to_string(), report.to_string());
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(value["gauges"][0]["last_edges"][0]["kind"], "near_capacity");
    assert_eq!(value["gauges"][1]["label"], "session 7");
    // Times are whole microseconds.
    let since = value["gauges"][0]["warned_since_us"].as_i64().unwrap();
    assert_eq!(value["gauges"][0]["last_edges"][0]["at_us"], since);
    let known = report.gauges[0].warned_since.unwrap();
    let known = known.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(u128::try_from(since).unwrap(), known.as_micros());
    assert_eq!(value["limits"][1]["backpressure"]["waited_us"], 0);
    assert_eq!(value["limits"][1]["unit"], "items");
    for outside in [r#""at_us":9223372036854775807.5"#, r#""at_us":"now""#] {
        let text = text.replace(&format!(r#""at_us":{since}"#), outside);
        assert!(serde_json::from_str::<Report>(&text).is_err());
    }
}

#[cfg(not(feature = "serde"))]
#[test]
fn it_can_be_kept() {
    fn kept<T: Clone + Send + Sync + 'static>(_: T) {}
    kept::<Report>(QueueRegistry::new("kept").report());
}

/// Its depth reads 0, and its total is kept all the same.
#[test]
fn the_totals_of_a_rendezvous_stay_in_the_sums() {
    use fillgauge_std::{GaugeConfig, Limit};

    static MEETING: Limit = Limit::queue("meeting");
    let registry = QueueRegistry::new("sums").silent();
    let gauge = registry.register_with(GaugeConfig::rendezvous(&MEETING));
    gauge.record_enqueue();
    let before = registry.report().limits[0].totals;
    drop(gauge);
    assert_eq!(registry.report().limits[0].totals, before);
}
