//! How long gauges are near their capacity, and their pressure.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fillgauge_std::{
    GaugeReport, LimitEventKind, LimitReport, Pressure, PressureMeter, QueueGauge, QueueRegistry,
    track, watch,
};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::std_channel::until;

const MOMENT: Duration = Duration::from_millis(5);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An episode of a schedule, in milliseconds: how long it is armed before, when it gets full after
/// the warning, how long it takes.
type Episode = (u64, u64, u64);

/// The moments of the warning and of the recovery of each episode.
fn spans(schedule: &[Episode]) -> Vec<(u64, u64)> {
    let mut at = 0;
    let span = |&(armed, _, lasts): &Episode| {
        let start = at + armed;
        at = start + lasts;
        (start, at)
    };
    schedule.iter().map(span).collect()
}

/// For how long of `from..to` some span lasts.
fn overlap(spans: &[(u64, u64)], from: u64, to: u64) -> u64 {
    let within = |&(start, end): &(u64, u64)| end.min(to).saturating_sub(start.max(from));
    spans.iter().map(within).sum()
}

/// The three averages after periods of which these shares were near capacity: each share by its
/// weight, without a recurrence.
fn weighted(shares: &[f64], period: f64) -> [f64; 3] {
    [10.0, 60.0, 300.0].map(|window: f64| {
        let share = |(age, share): (usize, &f64)| {
            let end = (-period * age as f64 / window).exp();
            let start = (-period * (age + 1) as f64 / window).exp();
            share * (end - start)
        };
        100.0 * shares.iter().rev().enumerate().map(share).sum::<f64>()
    })
}

/// As Linux computes it every two seconds, in fixed point: `kernel/sched/psi.c` and
/// `include/linux/sched/loadavg.h` of Linux 6.
fn of_linux(shares: &[f64]) -> [f64; 3] {
    const FIXED_1: u64 = 1 << 11;
    let mut averages = [0_u64; 3];
    for share in shares {
        let percent = (share * 100.0) as u64 * FIXED_1;
        for (average, exp) in averages.iter_mut().zip([1677, 1981, 2034]) {
            let mut sum = *average * exp + percent * (FIXED_1 - exp);
            if percent >= *average {
                sum += FIXED_1 - 1;
            }
            *average = sum / FIXED_1;
        }
    }
    averages.map(|average| average as f64 / FIXED_1 as f64)
}

fn averages(pressure: Pressure) -> [f64; 3] {
    [pressure.avg10(), pressure.avg60(), pressure.avg300()]
}

fn are_near(a: [f64; 3], b: [f64; 3], tolerance: [f64; 3]) -> bool {
    let mut pairs = a.into_iter().zip(b).zip(tolerance);
    pairs.all(|((a, b), tolerance)| (a - b).abs() <= tolerance)
}

proptest! {
    #[test]
    fn times_and_pressure_are_those_of_the_schedule(
        schedule in vec((0_u64..20_000, 0_u64..20_000, 0_u64..20_000), 0..40),
    ) {
        const PERIOD: u64 = 2_000;
        let near = spans(&schedule);
        let (mut full, mut edges) = (Vec::new(), Vec::new());
        for ((_, until_full, lasts), &(start, end)) in schedule.iter().zip(&near) {
            edges.push((start, LimitEventKind::NearCapacity));
            if until_full < lasts {
                full.push((start + until_full, end));
                edges.push((start + until_full, LimitEventKind::Full));
            }
            edges.push((end, LimitEventKind::Recovered));
        }

        let millis = Duration::from_millis;
        let mut meter = PressureMeter::new();
        meter.poll(Duration::ZERO);
        let mut edges = edges.into_iter().peekable();
        let mut shares = Vec::new();
        for period in 1..=600 {
            let at = period * PERIOD;
            while let Some((moment, kind)) = edges.next_if(|(moment, _)| *moment <= at) {
                meter.edge(kind, millis(moment));
            }
            prop_assert_eq!(meter.near_capacity(millis(at)), millis(overlap(&near, 0, at)));
            prop_assert_eq!(meter.full(millis(at)), millis(overlap(&full, 0, at)));
            shares.push(overlap(&near, at - PERIOD, at) as f64 / PERIOD as f64);
            let pressure = averages(meter.poll(millis(at)));
            if period % 50 != 0 {
                continue;
            }
            let expected = weighted(&shares, 2.0);
            prop_assert!(
                are_near(pressure, expected, [0.0051; 3]),
                "{pressure:?}, expected {expected:?}"
            );
            // Its factors are rounded to 11 bits, and shares to whole percent.
            let linux = of_linux(&shares);
            prop_assert!(
                are_near(pressure, linux, [1.1, 1.1, 2.1]),
                "{pressure:?}, of Linux {linux:?}"
            );
        }
    }

    #[test]
    fn it_is_the_same_in_periods_of_any_length(
        periods in vec(1_u64..5_000, 1..50),
        is_near in any::<bool>(),
    ) {
        let mut meter = PressureMeter::new();
        if is_near {
            meter.edge(LimitEventKind::NearCapacity, Duration::ZERO);
        }
        meter.poll(Duration::ZERO);
        let mut at = 0;
        for period in periods {
            at += period;
            let pressure = averages(meter.poll(Duration::from_millis(at)));
            let share = f64::from(u8::from(is_near));
            let expected = weighted(&[share], at as f64 / 1_000.0);
            prop_assert!(
                are_near(pressure, expected, [0.0051; 3]),
                "{pressure:?}, expected {expected:?}"
            );
        }
    }
}

#[test]
fn a_clock_that_steps_back_lets_no_time_pass() {
    let mut meter = PressureMeter::new();
    meter.edge(LimitEventKind::NearCapacity, seconds(10));
    assert_eq!(meter.poll(seconds(10)), Pressure::default());
    let pressure = meter.poll(seconds(20));
    assert_eq!(pressure.avg10(), 63.21);
    assert_eq!(meter.poll(seconds(5)), pressure);
    meter.edge(LimitEventKind::Recovered, seconds(5));
    assert_eq!(meter.near_capacity(seconds(30)), Duration::ZERO);
    // An edge that is earlier than the one before comes at the same time.
    let mut meter = PressureMeter::new();
    meter.edge(LimitEventKind::NearCapacity, seconds(10));
    meter.edge(LimitEventKind::Recovered, seconds(20));
    meter.edge(LimitEventKind::NearCapacity, seconds(5));
    assert_eq!(meter.near_capacity(seconds(20)), seconds(10));
    assert_eq!(meter.near_capacity(seconds(21)), seconds(11));
}

fn gauge(registry: &QueueRegistry, name: &'static str) -> std::sync::Arc<QueueGauge> {
    track(name).capacity(10).registry(registry).gauge()
}

fn only_gauge(registry: &QueueRegistry) -> GaugeReport {
    registry.report().gauges.remove(0)
}

fn only_limit(registry: &QueueRegistry) -> LimitReport {
    registry.report().limits.remove(0)
}

#[test]
fn time_near_capacity_grows_while_it_lasts_and_stays_when_the_gauge_is_gone() {
    let registry = QueueRegistry::new("near").silent();
    let [first, second] = [gauge(&registry, "jobs"), gauge(&registry, "jobs")];
    let before = only_gauge(&registry);
    assert_eq!(
        (before.near_capacity, before.full),
        (Duration::ZERO, Duration::ZERO)
    );

    first.observe_depth(8);
    let mut latest = only_gauge(&registry);
    for _ in 0..3 {
        thread::sleep(MOMENT);
        let now = only_gauge(&registry);
        assert!(now.near_capacity >= latest.near_capacity + MOMENT);
        assert_eq!(now.full, Duration::ZERO);
        latest = now;
    }
    first.observe_depth(10);
    thread::sleep(MOMENT);
    let full = only_gauge(&registry);
    assert!(full.full >= MOMENT && full.near_capacity >= full.full + 3 * MOMENT);

    first.observe_depth(5);
    let over = only_gauge(&registry);
    assert!(over.near_capacity >= full.near_capacity);
    thread::sleep(MOMENT);
    assert_eq!(only_gauge(&registry).near_capacity, over.near_capacity);

    // Of a limit: the sums, also of one that goes while it is near.
    second.observe_depth(9);
    thread::sleep(MOMENT);
    let live = only_limit(&registry);
    assert!(live.near_capacity >= over.near_capacity + MOMENT);
    assert_eq!(live.full, over.full);
    drop((first, second));
    let gone = only_limit(&registry);
    assert!(gone.near_capacity >= live.near_capacity);
    thread::sleep(MOMENT);
    assert_eq!(only_limit(&registry), gone);
}

#[test]
fn the_sums_never_step_back_while_gauges_come_and_go() {
    let registry = QueueRegistry::new("come and go").silent();
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    let gauge = gauge(&registry, "jobs");
                    gauge.observe_depth(9);
                    gauge.observe_depth(0);
                    gauge.observe_depth(10);
                }
            });
        }
        let mut latest = (Duration::ZERO, Duration::ZERO);
        for _ in 0..300 {
            let report = registry.report();
            if let Some(limit) = report.limits.first() {
                let now = (limit.near_capacity, limit.full);
                assert!(
                    now.0 >= latest.0 && now.1 >= latest.1,
                    "{latest:?}, then {now:?}"
                );
                latest = now;
            }
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
    });
}

#[test]
fn a_watch_measures_the_pressure_of_every_kind_of_gauge() {
    let registry = QueueRegistry::new("watched").silent();
    let idle = gauge(&registry, "idle");
    let jobs = gauge(&registry, "jobs");
    let budget = track("bytes").capacity(10).registry(&registry).budget();
    let (sender, receiver) = track("frames")
        .capacity(4)
        .registry(&registry)
        .sync_channel();
    let pressures = || {
        let gauges = registry.report().gauges;
        gauges
            .iter()
            .map(|gauge| gauge.pressure)
            .collect::<Vec<_>>()
    };
    assert_eq!(pressures(), [None; 4]);
    assert_eq!(only_limit(&registry).pressure, None);

    let mut watching = watch(&registry);
    let mut poll = |at| {
        let begin = Instant::now();
        watching.poll_at(seconds(at), SystemTime::now());
        (begin, Instant::now())
    };
    let first = poll(0);
    assert_eq!(pressures(), [Some(Pressure::default()); 4]);
    thread::sleep(MOMENT);
    let begin = Instant::now();
    jobs.observe_depth(9);
    let held = budget.try_reserve(9).unwrap();
    (0..4).for_each(|item| sender.send(item).unwrap());
    let near = (begin, Instant::now());
    thread::sleep(MOMENT);
    let second = poll(10);
    // What was near for a part of the period has a part of the pressure.
    let share = |near: Duration, period: Duration| near.div_duration_f64(period);
    let least = share(second.0 - near.1, second.1 - first.0);
    let most = share(second.1 - near.0, second.0 - first.1);
    assert!(least > 0.0 && most < 1.0);
    let [idle_pressure, others @ ..] = &pressures()[..] else {
        panic!("there are gauges");
    };
    assert_eq!(*idle_pressure, Some(Pressure::default()));
    for pressure in others {
        let share = pressure.unwrap().avg10() / 63.21;
        let bounds = least - 0.001..=most + 0.001;
        assert!(bounds.contains(&share), "{share}, not in {bounds:?}");
    }
    thread::sleep(MOMENT);
    poll(20);
    poll(1_000_000);
    let all = Pressure::default();
    assert!(
        pressures()[1..]
            .iter()
            .all(|pressure| averages(pressure.unwrap()) == [100.0; 3])
    );
    assert_eq!(pressures()[0], Some(all));
    let limits = registry.report().limits;
    let of = |name: &str| {
        limits
            .iter()
            .find(|limit| limit.name == name)
            .unwrap()
            .pressure
    };
    assert_eq!((of("idle"), of("jobs")), (Some(all), pressures()[1]));

    jobs.observe_depth(5);
    drop(held);
    receiver.try_iter().for_each(drop);
    poll(1_000_001);
    poll(2_000_000);
    assert_eq!(pressures(), [Some(all); 4]);
    drop(watching);
    assert_eq!(pressures(), [None; 4]);
    drop(idle);
}

#[test]
fn always_near_is_what_the_formula_says_at_each_poll() {
    let registry = QueueRegistry::new("always near").silent();
    let jobs = gauge(&registry, "jobs");
    jobs.observe_depth(10);
    let mut watch = watch(&registry);
    watch.poll_at(Duration::ZERO, SystemTime::now());
    for second in 1..=600 {
        watch.poll_at(seconds(second), SystemTime::now());
        let pressure = only_gauge(&registry).pressure.unwrap();
        let expected = weighted(&[1.0], second as f64);
        assert!(
            are_near(averages(pressure), expected, [0.0051; 3]),
            "{pressure:?}"
        );
    }
    jobs.observe_depth(0);
    watch.poll_at(seconds(601), SystemTime::now());
    let after = only_gauge(&registry).pressure.unwrap();
    for second in 1..=600_u64 {
        watch.poll_at(seconds(601 + second), SystemTime::now());
        let pressure = averages(only_gauge(&registry).pressure.unwrap());
        let windows = averages(after).into_iter().zip([10.0, 60.0, 300.0]);
        let decayed =
            windows.map(|(from, window): (f64, f64)| from * (-(second as f64) / window).exp());
        let decayed: Vec<_> = decayed.collect();
        assert!(are_near(
            pressure,
            [decayed[0], decayed[1], decayed[2]],
            [0.011; 3]
        ));
    }
}

#[test]
fn the_table_shows_pressure_and_who_waits() {
    let registry = QueueRegistry::new("table").silent();
    let (sender, receiver) = track("jobs").capacity(1).registry(&registry).sync_channel();
    sender.send(0).unwrap();
    let _idle = gauge(&registry, "idle");
    let mut watch = watch(&registry).patience(Duration::MAX);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    thread::scope(|scope| {
        scope.spawn(|| sender.send(1).unwrap_err());
        until("it waits", || sender.backpressure().waiting == 1);
        poll(1_000_000);
        let table = registry.report().to_string();
        let lines: Vec<_> = table.lines().map(str::trim_end).collect();
        assert!(
            lines[0].ends_with("warnings       pressure      waiting"),
            "{table}"
        );
        assert!(
            lines[1].contains("100 %         1  100 100 100 %  1 for 0."),
            "{table}"
        );
        assert!(lines[2].ends_with("0 %         0"), "{table}");
        drop(receiver);
    });
}

#[test]
fn a_watch_whose_clock_steps_back_counts_no_time_twice() {
    let registry = QueueRegistry::new("steps back").silent();
    let jobs = gauge(&registry, "jobs");
    jobs.observe_depth(10);
    let mut watch = watch(&registry);
    let mut poll = |at| {
        watch.poll_at(seconds(at), SystemTime::now());
        only_gauge(&registry).pressure.unwrap().avg10()
    };
    poll(0);
    assert_eq!(poll(10), 63.21);
    for at in [0, 5, 10] {
        assert_eq!(poll(at), 63.21, "no time has passed");
    }
    assert_eq!(poll(20), 86.47);
}
