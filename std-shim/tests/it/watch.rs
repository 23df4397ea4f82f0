//! Watches of stuck queues, and peaks for scrapers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, SystemTime};

use fillgauge_std::{Limit, QueueRegistry, Report, Watch, track, watch};
use tracing::Level;

use crate::size::native_or_miri;
use crate::tape::taped;

const SECOND: Duration = Duration::from_secs(1);

fn moment(seconds: u32) -> SystemTime {
    SystemTime::UNIX_EPOCH + 1_000_000 * SECOND + seconds * SECOND
}

fn poll(watch: &mut Watch, seconds: u32) {
    watch.poll_at(seconds * SECOND, moment(seconds));
}

/// What a watch of `registry` with a patience of ten seconds says.
fn heard(registry: &QueueRegistry) -> (Watch, Arc<Mutex<Vec<String>>>) {
    let heard = Arc::<Mutex<Vec<_>>>::default();
    let list = Arc::clone(&heard);
    let watch = watch(registry)
        .patience(10 * SECOND)
        .on_drain(move |event| {
            let name = event.label().unwrap_or(event.snapshot().name.as_str());
            let seconds = event.lasted().as_secs();
            list.lock()
                .unwrap()
                .push(format!("{name} {:?} {seconds}", event.kind()));
        });
    (watch, heard)
}

fn take(heard: &Mutex<Vec<String>>) -> Vec<String> {
    std::mem::take(&mut heard.lock().unwrap())
}

fn stuck(report: &Report) -> Vec<(bool, Option<SystemTime>)> {
    let gauges = report.gauges.iter();
    gauges
        .map(|gauge| (gauge.stuck, gauge.stuck_since))
        .collect()
}

#[test]
fn a_queue_is_stuck_while_nothing_is_dequeued() {
    let registry = QueueRegistry::new("stuck").silent();
    let (sender, receiver) = track("jobs")
        .capacity(100)
        .registry(&registry)
        .sync_channel();
    let idle = track("idle")
        .capacity(100)
        .for_queue()
        .registry(&registry)
        .gauge();
    assert_eq!(registry.report().limits[0].stuck, None, "nobody watches");
    let (mut watch, heard) = heard(&registry);
    sender.send(1).unwrap();
    for seconds in [0, 5, 9] {
        poll(&mut watch, seconds);
        sender.send(2).unwrap();
    }
    let quiet = registry.report();
    assert_eq!(stuck(&quiet), [(false, None); 2]);
    assert_eq!(
        quiet
            .limits
            .iter()
            .map(|limit| limit.stuck)
            .collect::<Vec<_>>(),
        [Some(0); 2]
    );
    assert_eq!(take(&heard), [""; 0]);

    poll(&mut watch, 11);
    poll(&mut watch, 15);
    assert_eq!(take(&heard), ["jobs Stuck 11"], "once");
    let report = registry.report();
    assert_eq!(stuck(&report), [(true, Some(moment(0))), (false, None)]);
    assert_eq!(
        (report.limits[1].stuck, report.limits[0].stuck),
        (Some(1), Some(0))
    );

    receiver.recv().unwrap();
    poll(&mut watch, 20);
    assert_eq!(take(&heard), ["jobs Draining 20"]);
    assert_eq!(stuck(&registry.report()), [(false, None); 2]);

    // It begins anew at the poll that found something dequeued.
    poll(&mut watch, 29);
    poll(&mut watch, 30);
    assert_eq!(take(&heard), ["jobs Stuck 10"]);
    drop(watch);
    let report = registry.report();
    assert_eq!(
        (report.limits[1].stuck, report.gauges[0].stuck),
        (None, false)
    );
    drop(idle);
}

/// A limit that is no queue may be in use for as long as it likes. What does not count each dequeue
/// would seem stuck while it works.
#[test]
fn only_queues_that_count_are_watched() {
    static FILES: Limit = Limit::resource("files");
    let registry = QueueRegistry::new("kinds").silent();
    let files = track(&FILES)
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge();
    files.record_enqueue();
    let permits = track("permits").capacity(10).registry(&registry).budget();
    let _held = permits.try_reserve(5).unwrap();
    let observed = track("observed").capacity(10).registry(&registry).gauge();
    observed.observe_depth(5);
    let polled = track("polled").capacity(10).registry(&registry);
    let _polled = polled.clone().polled(|| 5);
    let _for_queue = polled.for_queue().polled(|| 5);
    let (mut watch, heard) = heard(&registry);
    poll(&mut watch, 0);
    poll(&mut watch, 100);
    assert_eq!(take(&heard), [""; 0]);
}

/// With totals a channel that knows its own length is watched too.
#[cfg(feature = "crossbeam")]
#[test]
fn a_channel_that_is_to_count_is_watched() {
    let registry = QueueRegistry::new("totals").silent();
    let plain = track("plain").capacity(10).registry(&registry);
    let (_plain, _kept) = {
        let (sender, receiver) = plain.crossbeam_channel();
        sender.send(1).unwrap();
        (sender, receiver)
    };
    let counts = track("counts").capacity(10).totals().registry(&registry);
    let (sender, receiver) = counts.crossbeam_channel();
    sender.send(1).unwrap();
    let (mut watch, heard) = heard(&registry);
    poll(&mut watch, 0);
    poll(&mut watch, 10);
    assert_eq!(take(&heard), ["counts Stuck 10"]);
    // One goes, and one comes: it is as full as before.
    receiver.recv().unwrap();
    sender.send(2).unwrap();
    poll(&mut watch, 20);
    assert_eq!(take(&heard), ["counts Draining 20"]);
}

#[test]
fn gauges_that_come_and_go_are_not_mixed_up() {
    let registry = QueueRegistry::new("sessions").silent();
    let session = |label: &'static str| {
        let session = track("frames")
            .capacity(10)
            .label(label)
            .registry(&registry);
        let gauge = session.for_queue().gauge();
        gauge.record_enqueue();
        gauge
    };
    let (mut watch, heard) = heard(&registry);
    let (a, b, _d) = (session("a"), session("b"), session("d"));
    poll(&mut watch, 0);
    drop(a);
    let c = session("c");
    poll(&mut watch, 5);
    b.record_dequeue();
    b.record_enqueue();
    poll(&mut watch, 10);
    poll(&mut watch, 16);
    assert_eq!(take(&heard), ["d Stuck 10", "c Stuck 11"]);
    drop(c);
    poll(&mut watch, 20);
    assert_eq!(take(&heard), ["b Stuck 10"]);
}

#[test]
fn it_is_logged_unless_the_registry_is_silent() {
    for silent in [false, true] {
        let registry = QueueRegistry::new("logged");
        let registry = if silent { registry.silent() } else { registry };
        let jobs = track("jobs")
            .capacity(10)
            .label("a\nb")
            .for_queue()
            .registry(&registry)
            .gauge();
        jobs.record_enqueue();
        let mut watch = watch(&registry).patience(SECOND).on_drain(|_| panic!("no"));
        let logged = taped(|| {
            poll(&mut watch, 0);
            poll(&mut watch, 2);
            jobs.record_dequeue();
            poll(&mut watch, 3);
        });
        let levels: Vec<_> = logged.iter().map(|line| line.level).collect();
        // The panics of the handler are faults of the program, and always logged.
        let expected = if silent {
            vec![Level::ERROR; 2]
        } else {
            vec![Level::WARN, Level::ERROR, Level::INFO, Level::ERROR]
        };
        assert_eq!(levels, expected, "{logged:?}");
        if !silent {
            let fields = [
                "limit=\"jobs\"",
                "category=\"queue\"",
                "instance=1",
                "label=a\\nb",
                "registry=logged",
                "depth=1",
                "capacity=10",
                "seconds=2.0",
            ];
            assert_eq!(logged[0].fields, fields);
        }
    }
}

#[test]
fn a_queue_that_flaps_logs_no_more_than_a_gauge_may() {
    let registry = QueueRegistry::new("flaps");
    let jobs = track("jobs")
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge();
    let mut watch = watch(&registry).patience(SECOND);
    let logged = taped(|| {
        for round in 0..20 {
            jobs.record_enqueue();
            poll(&mut watch, 3 * round);
            poll(&mut watch, 3 * round + 1);
            jobs.record_dequeue();
            poll(&mut watch, 3 * round + 2);
        }
    });
    assert_eq!(logged.len(), 10, "a burst");
}

#[test]
fn a_watch_asks_what_is_polled() {
    let registry = QueueRegistry::new("polled").silent();
    let depth = Arc::new(AtomicUsize::new(3));
    let read = Arc::clone(&depth);
    let polled = track("polled").capacity(10).registry(&registry);
    let polled = polled.polled(move || read.load(Ordering::Relaxed));
    let (mut watch, _) = heard(&registry);
    poll(&mut watch, 0);
    assert_eq!(polled.depth(), 3);
    depth.store(9, Ordering::Relaxed);
    poll(&mut watch, 1);
    assert_eq!((polled.depth(), polled.warnings()), (9, 1));
}

/// It is asked before its window ends.
#[test]
fn what_is_polled_has_peaks() {
    let registry = QueueRegistry::new("polled").silent();
    let depth = Arc::new(AtomicUsize::new(3));
    let read = Arc::clone(&depth);
    let polled = track("polled").capacity(10).registry(&registry);
    let _polled = polled.polled(move || read.load(Ordering::Relaxed));
    let report = || {
        let gauge = &registry.report_for("scraper").gauges[0];
        (gauge.depth, gauge.window_peak)
    };
    assert_eq!(report(), (3, None));
    depth.store(9, Ordering::Relaxed);
    assert_eq!(report(), (9, Some(9)));
    depth.store(2, Ordering::Relaxed);
    assert_eq!(
        report(),
        (2, Some(9)),
        "the depth in which the window began"
    );
    assert_eq!(report(), (2, Some(2)));
}

#[test]
fn a_watch_of_a_long_period_ends_when_it_is_dropped() {
    let registry = QueueRegistry::new("long").silent();
    let _jobs = track("jobs").registry(&registry).gauge();
    let (ended, is_ended) = mpsc::channel::<()>();
    let watching = watch(&registry)
        .on_drain(move |_| ended.send(()).unwrap())
        .every(Duration::MAX)
        .unwrap();
    drop(watching);
    let closed = is_ended.recv_timeout(Duration::from_secs(60));
    assert_eq!(closed, Err(mpsc::RecvTimeoutError::Disconnected));
}

#[test]
fn a_thread_polls_until_its_watch_is_dropped() {
    let registry = QueueRegistry::new("driven").silent();
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let _polled = track("polled").registry(&registry).polled(move || {
        count.fetch_add(1, Ordering::Relaxed);
        0
    });
    let jobs = track("jobs")
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge();
    jobs.record_enqueue();
    let watching = watch(&registry)
        .patience(Duration::ZERO)
        .every(Duration::from_millis(1))
        .unwrap();
    while asked.load(Ordering::Relaxed) < 3 {
        thread::yield_now();
    }
    assert!(registry.report().gauges[1].stuck);
    drop(watching);
    // It ends, and takes back what it has found.
    while registry.report().limits[0].stuck.is_some() {
        thread::yield_now();
    }
    let before = asked.load(Ordering::Relaxed);
    thread::sleep(Duration::from_millis(20));
    assert_eq!(asked.load(Ordering::Relaxed), before);
}

/// Of several watches reports show what the last one has found.
#[test]
fn a_watch_that_ends_leaves_what_another_has_found() {
    let registry = QueueRegistry::new("two").silent();
    let jobs = track("jobs")
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge();
    jobs.record_enqueue();
    let (mut first, _) = heard(&registry);
    let (mut second, _) = heard(&registry);
    for watch in [&mut first, &mut second] {
        poll(watch, 0);
        poll(watch, 10);
    }
    drop(first);
    assert!(registry.report().gauges[0].stuck);
    drop(second);
    assert!(!registry.report().gauges[0].stuck);
}

#[test]
fn one_watch_takes_several_registries() {
    let registries = ["a", "b"].map(|name| QueueRegistry::new(name).silent());
    let gauges = registries.each_ref().map(|registry| {
        let gauge = track("jobs")
            .capacity(10)
            .for_queue()
            .registry(registry)
            .gauge();
        gauge.record_enqueue();
        gauge
    });
    let [a, b] = &registries;
    let (mut watch, heard) = heard(a);
    watch = watch.and(b).and(a);
    poll(&mut watch, 0);
    poll(&mut watch, 10);
    assert_eq!(take(&heard), ["jobs Stuck 10"; 2], "each once");
    for registry in &registries {
        assert!(registry.report().gauges[0].stuck);
    }
    drop(gauges);
}

/// Bursts that are over between two scrapes. Each scraper sees each of them once, whatever the
/// other one does.
#[test]
fn each_of_two_scrapers_sees_every_peak() {
    let registry = QueueRegistry::new("peaks").silent();
    let jobs = track("jobs")
        .capacity(1_000)
        .for_queue()
        .registry(&registry)
        .gauge();
    let peak = |scraper| registry.report_for(scraper).gauges[0].window_peak.unwrap();
    let burst = |items| {
        jobs.record_enqueue_n(items);
        jobs.record_dequeue_n(items);
    };
    for scraper in ["fast", "slow"] {
        assert_eq!(registry.report_for(scraper).gauges[0].window_peak, None);
    }
    let mut seen_by_slow = Vec::new();
    for round in 1..=6 {
        burst(100 * round);
        assert_eq!(peak("fast"), 100 * round);
        assert_eq!(peak("fast"), 0);
        if round % 3 == 0 {
            seen_by_slow.push(peak("slow"));
        }
        burst(7);
    }
    assert_eq!(seen_by_slow, [300, 600]);
    assert_eq!(registry.report().gauges[0].window_peak, None, "for nobody");
}

/// Two scrapers at once may find a peak in the next window of one of them, and lose none.
#[test]
fn scrapers_at_once_lose_no_peak() {
    const ROUNDS: usize = native_or_miri(2_000, 4);
    let registry = QueueRegistry::new("at once").silent();
    let jobs = track("jobs")
        .capacity(1_000_000)
        .for_queue()
        .registry(&registry)
        .gauge();
    let peak = |scraper| registry.report_for(scraper).gauges[0].window_peak.unwrap();
    for scraper in ["a", "b"] {
        drop(registry.report_for(scraper));
    }
    for round in 1..=ROUNDS {
        thread::scope(|scope| {
            let [a, b] = ["a", "b"].map(|scraper| scope.spawn(move || peak(scraper)));
            jobs.record_enqueue_n(round);
            jobs.record_dequeue_n(round);
            let seen = [a, b].map(|scraper| scraper.join().unwrap());
            for (scraper, seen) in ["a", "b"].into_iter().zip(seen) {
                assert_eq!(peak(scraper).max(seen), round, "{scraper} in round {round}");
            }
        });
        for scraper in ["a", "b", "a", "b"] {
            peak(scraper);
        }
    }
}

#[test]
fn the_table_has_a_column_for_what_is_there() {
    let registry = QueueRegistry::new("table").silent();
    let jobs = track("jobs")
        .capacity(10)
        .for_queue()
        .registry(&registry)
        .gauge();
    jobs.record_enqueue_n(3);
    let head = |report: &Report| report.to_string().lines().next().unwrap().to_owned();
    let plain = "name  category  depth  high-water  capacity  fill                        warnings";
    assert_eq!(head(&registry.report()), plain);
    let mut watch = watch(&registry).patience(SECOND);
    let now = SystemTime::now();
    watch.poll_at(Duration::ZERO, now - 2 * SECOND);
    watch.poll_at(2 * SECOND, now);
    drop(registry.report_for("table"));
    let mut report = registry.report_for("table");
    report.at = Some(now + 75 * SECOND);
    assert_eq!(
        report.to_string(),
        "\
name  category  depth  peak  high-water  capacity  fill                        warnings  stuck for
jobs  queue         3     3           3        10  ######..............  30 %         0       77 s
"
    );
}

/// Depths that only rise are a leak. A burst is over at the next window: its peak is high, and the
/// depth is low again.
#[test]
fn depth_and_peak_tell_a_leak_from_a_burst() {
    let registry = QueueRegistry::new("leak").silent();
    let [leak, burst] = ["leak", "burst"].map(|name| {
        let limit = track(name).capacity(100).registry(&registry);
        limit.budget()
    });
    let (mut depths, mut leaked) = (Vec::new(), Vec::new());
    drop(registry.report_for("prometheus"));
    for _ in 0..5 {
        leaked.push(leak.try_reserve_owned(10).unwrap());
        drop(burst.try_reserve(50).unwrap());
        let report = registry.report_for("prometheus");
        let seen = report
            .gauges
            .iter()
            .map(|gauge| (gauge.depth, gauge.window_peak.unwrap()));
        depths.push(seen.collect::<Vec<_>>());
    }
    let leaks: Vec<_> = depths.iter().map(|seen| seen[0]).collect();
    assert_eq!(leaks, [10, 20, 30, 40, 50].map(|depth| (depth, depth)));
    assert!(depths.iter().all(|seen| seen[1] == (0, 50)));
}
