//! The example `service`: its parts in this process, and the program as a person runs it.

#[path = "../../examples/service/app/mod.rs"]
mod app;

use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime};

use fillgauge_std::{LimitEventKind, QueueRegistry, Report, watch};

use crate::examples::example;
use crate::serve::{get, shared};
use app::ledger::Event;
use app::{Gauges, Ledger, Outcome, ServiceLimit, Settings, Stage, faults};

/// A run of some seconds in which `slow` is slow.
fn settings(slow: Option<Stage>) -> Settings {
    Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        requests: 2_000,
        sessions: 250,
        at_once: 250,
        pause: Duration::from_millis(500),
        slow,
        time: Duration::from_secs(60),
        keeps_gauges: false,
    }
}

/// A watch for which time runs a hundred times as fast: there is no advice on less than a minute.
struct Watching {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Watching {
    fn start(registry: &QueueRegistry) -> Self {
        let mut watch = watch(registry);
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::spawn(move || {
            let begin = Instant::now();
            while !stopped.load(Ordering::Relaxed) {
                watch.poll_at(begin.elapsed() * 100, SystemTime::now());
                thread::sleep(Duration::from_millis(20));
            }
        });
        Self {
            stop,
            thread: Some(thread),
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

struct Run {
    outcome: Outcome,
    gauges: Gauges,
    events: Vec<Event>,
    registry: QueueRegistry,
}

impl Run {
    fn of(settings: &Settings) -> Self {
        let _shared = shared();
        let ledger = Arc::new(Ledger::default());
        let registry = ledger.registry("service").silent();
        let watching = Watching::start(&registry);
        let (outcome, gauges) = app::run(settings, &registry, &ledger).unwrap();
        drop(watching);
        let events = ledger.events();
        Self {
            outcome,
            gauges,
            events,
            registry,
        }
    }

    fn events(&self, kind: LimitEventKind, limit: ServiceLimit) -> usize {
        let is_wanted = |event: &&Event| event.kind == kind && event.limit == limit.as_str();
        self.events.iter().filter(is_wanted).count()
    }

    /// All gauges at 0, none above its capacity, one warning a crossing, and exact sums.
    fn assert_faultless(&self) {
        let faults = faults(&self.outcome, &self.events);
        assert!(faults.is_empty(), "{faults:#?}\n{}", self.outcome.report);
    }

    /// The report shows where it is slow, and the run has met what it is for.
    fn assert_names(&self, stage: Stage) {
        let (before, after) = self.outcome.slow_phase.as_ref().unwrap();
        let stalled = app::stalled(before, after);
        let slow = app::slow_stage(before, after).map(Stage::as_str);
        assert_eq!(slow, Some(stage.as_str()), "{stalled:?}\n{after}");

        // The advice names it, too.
        let names = |limit: &Stage| {
            let advice = self::limit(after, limit.limit()).advice.as_deref();
            advice.is_some_and(|advice| {
                advice.ends_with("the stage behind it is slow") || advice.ends_with("for too long")
            })
        };
        let named = Stage::ALL.into_iter().filter(names);
        let named: Vec<_> = named.map(Stage::as_str).collect();
        assert_eq!(named, [stage.as_str()], "{after}");

        let held_up = stage.limit();
        assert!(self.events(LimitEventKind::NearCapacity, held_up) > 0);
        assert!(self.events(LimitEventKind::Full, held_up) > 0);
        let limit = limit(after, held_up);
        assert!(limit.near_capacity > Duration::ZERO, "{limit:?}");
        assert!(limit.pressure.unwrap().avg10() > 0.0, "{limit:?}");

        let counts = self.outcome.counts;
        assert!(self.outcome.clients.disconnected > 0, "{counts:?}");
        assert!(counts.lost > 0, "{counts:?}");
        if stage != Stage::Sessions {
            assert!(counts.busy > 0 && counts.late > 0, "{counts:?}");
        }
    }

    fn chain(&self) -> (Option<usize>, &str) {
        let (_, after) = self.outcome.slow_phase.as_ref().unwrap();
        let chain = &after.chains[0];
        (chain.bottleneck, &chain.text)
    }
}

fn limit(report: &Report, limit: ServiceLimit) -> &fillgauge_std::LimitReport {
    let mut limits = report.limits.iter();
    limits.find(|sums| sums.name == limit.as_str()).unwrap()
}

#[test]
fn slow_jobs_are_named() {
    let run = Run::of(&settings(Some(Stage::Jobs)));
    run.assert_faultless();
    run.assert_names(Stage::Jobs);
    let text = "requests: what takes from jobs and feeds work_permits is slow";
    assert_eq!(run.chain(), (Some(1), text));
}

#[test]
fn slow_work_is_named() {
    let run = Run::of(&settings(Some(Stage::Permits)));
    run.assert_faultless();
    run.assert_names(Stage::Permits);
    let text = "requests: what takes from work_permits and feeds records is slow";
    assert_eq!(run.chain(), (Some(2), text));
}

#[test]
fn a_slow_writer_is_named() {
    let run = Run::of(&settings(Some(Stage::Writer)));
    run.assert_faultless();
    run.assert_names(Stage::Writer);
    let text = "requests: what takes from records is slow";
    assert_eq!(run.chain(), (Some(3), text));
}

#[test]
fn slow_sessions_are_named_and_hold_up_no_others() {
    let run = Run::of(&Settings {
        requests: 4_000,
        ..settings(Some(Stage::Sessions))
    });
    run.assert_faultless();
    run.assert_names(Stage::Sessions);
    let (before, after) = run.outcome.slow_phase.as_ref().unwrap();
    let stalled: Vec<_> = app::stalled(before, after)
        .into_iter()
        .map(|(_, stalled)| stalled)
        .collect();
    let (sessions, others) = stalled.split_last().unwrap();
    assert!(
        others.iter().all(|stalled| *stalled < *sessions / 4),
        "{stalled:?}"
    );
}

#[test]
fn a_thousand_sessions_leave_exact_sums_with_their_gauges_and_without() {
    let mut run = Run::of(&Settings {
        requests: 8_000,
        sessions: 1_000,
        at_once: 300,
        pause: Duration::from_millis(300),
        keeps_gauges: true,
        ..settings(None)
    });
    run.assert_faultless();
    let gauges = &run.outcome.report.gauges;
    let labels: HashSet<_> = gauges
        .iter()
        .filter_map(|gauge| gauge.label.as_ref())
        .collect();
    assert_eq!((gauges.len(), labels.len()), (1_004, 1_000));
    let registered = limit(&run.outcome.report, ServiceLimit::SessionLines).registered;
    assert_eq!((registered, run.outcome.clients.sessions), (1_000, 1_000));
    // Seven of eight sessions have all their requests done. Each of the others read one answer.
    let clients = run.outcome.clients;
    assert_eq!(clients.disconnected, 125);
    assert!((7_000..=7_125).contains(&clients.ok), "{clients:?}");

    drop(run.gauges);
    let report = run.registry.report();
    assert!(report.gauges.is_empty() && report.chains.is_empty());
    for (with, without) in run.outcome.report.limits.iter().zip(&report.limits) {
        let mut without = without.clone();
        assert_eq!(without.gauges, 0);
        // What only live gauges have.
        (without.gauges, without.capacity) = (with.gauges, with.capacity);
        without.pressure = with.pressure;
        without.stuck = with.stuck;
        without.advice.clone_from(&with.advice);
        assert_eq!(&without, with);
    }
    run.outcome.report = report;
    let faults = faults(&run.outcome, &run.events);
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Each of these would be a fault of the gauges, or of the books: the checks notice every one.
#[test]
fn the_checks_notice_what_does_not_hold() {
    let run = Run::of(&Settings {
        requests: 800,
        sessions: 100,
        at_once: 100,
        pause: Duration::from_millis(50),
        keeps_gauges: true,
        ..settings(Some(Stage::Permits))
    });
    run.assert_faultless();

    let notices = |change: &dyn Fn(&mut Outcome, &mut Vec<Event>), fault: &str| {
        let (mut outcome, mut events) = (run.outcome.clone(), run.events.clone());
        change(&mut outcome, &mut events);
        let faults = faults(&outcome, &events);
        assert!(
            faults.iter().any(|found| found.contains(fault)),
            "{fault}: {faults:#?}"
        );
    };
    notices(&|outcome, _| outcome.is_cut = true, "ran out of time");
    notices(&|outcome, _| outcome.slow_phase = None, "did not end");

    for index in 0..run.outcome.report.gauges.len() {
        notices(
            &|outcome, _| outcome.report.gauges[index].depth = 1,
            "depth of",
        );
        notices(
            &|outcome, _| outcome.report.gauges[index].warned = true,
            "warned of",
        );
        let over = |outcome: &mut Outcome, _: &mut Vec<Event>| {
            let gauge = &mut outcome.report.gauges[index];
            gauge.high_water = gauge.capacity + 1;
        };
        notices(&over, "high-water mark of");
        let waits = |outcome: &mut Outcome, _: &mut Vec<Event>| {
            let held = &mut outcome.report.gauges[index].backpressure;
            held.get_or_insert_default().waiting = 1;
        };
        notices(&waits, "waiting of");
    }

    for index in 0..run.outcome.report.limits.len() {
        let name = run.outcome.report.limits[index].name.clone();
        let of = |figure: &str| format!("{figure} of {name}");
        notices(
            &|outcome, _| outcome.report.limits[index].warnings += 1,
            &of("warnings"),
        );
        notices(
            &|outcome, _| outcome.report.limits[index].registered += 1,
            &of("gauges so far"),
        );
        notices(
            &|outcome, _| outcome.report.limits[index].refused += 1,
            &of("refused"),
        );
        let over = |outcome: &mut Outcome, _: &mut Vec<Event>| {
            outcome.report.limits[index].high_water = usize::MAX;
        };
        notices(&over, &of("high-water mark"));
        let Some(totals) = run.outcome.report.limits[index].totals else {
            continue;
        };
        assert!(totals.enqueued > 0, "{name}");
        let lost = |outcome: &mut Outcome, _: &mut Vec<Event>| {
            let totals = outcome.report.limits[index].totals.as_mut().unwrap();
            totals.dequeued -= 1;
        };
        notices(&lost, &of("totals"));
    }
    notices(
        &|outcome, _| drop(outcome.report.limits.pop()),
        "no sums of",
    );

    // A warning that did not come, one that came twice, and a recovery that did not come.
    let warns = |event: &Event| event.kind == LimitEventKind::NearCapacity;
    let recovers = |event: &Event| event.kind == LimitEventKind::Recovered;
    let warning = run.events.iter().position(warns).unwrap();
    let recovery = run.events.iter().rposition(recovers).unwrap();
    notices(&|_, events| _ = events.remove(warning), "warnings of");
    notices(&|_, events| _ = events.remove(warning), "comes twice");
    notices(
        &|_, events| events.insert(warning, events[warning]),
        "warnings of",
    );
    notices(
        &|_, events| events.insert(warning, events[warning]),
        "comes twice",
    );
    notices(&|_, events| _ = events.remove(recovery), "no recovery of");

    type Count = fn(&mut app::Counts) -> &mut usize;
    let counts: [Count; 11] = [
        |counts| &mut counts.sessions,
        |counts| &mut counts.requests,
        |counts| &mut counts.busy,
        |counts| &mut counts.late,
        |counts| &mut counts.gone,
        |counts| &mut counts.accepted,
        |counts| &mut counts.taken,
        |counts| &mut counts.recorded,
        |counts| &mut counts.written,
        |counts| &mut counts.answered,
        |counts| &mut counts.lost,
    ];
    for count in counts {
        notices(&|outcome, _| *count(&mut outcome.counts) += 1, "");
    }
}

/// A program that does not outlive a test that fails.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_program_names_the_slow_stage_and_serves_its_status() {
    let child = example(
        "service",
        &[
            "--slow",
            "writer",
            "--requests",
            "1000",
            "--sessions",
            "125",
            "--at-once",
            "125",
            "--pause",
            "250",
            "--status",
            "127.0.0.1:0",
            "--linger",
        ],
    )
    .stdout(Stdio::piped())
    .spawn()
    .unwrap();
    let mut running = Running(child);
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let line = next();
    let url = line.strip_prefix("status page: http://").unwrap();
    let address = url.strip_suffix('/').unwrap().parse().unwrap();
    assert!(get(address, "/status.json").contains(r#""registry":"service""#));

    assert!(next().starts_with("125 sessions, of which 16 disconnected"));
    let counts = next();
    assert!(
        counts.contains(" requests: ") && counts.contains(" busy"),
        "{counts}"
    );
    let stalled = next();
    assert!(stalled.starts_with("stalled in the slow phase: jobs "));
    assert_eq!(next(), "the slow stage: writer", "{stalled}");
    let table: Vec<_> = (0..6).map(|_| next()).collect();
    let first_words = table
        .iter()
        .map(|line| line.split_whitespace().next().unwrap());
    let names = [
        "name",
        "request_bytes",
        "jobs",
        "work_permits",
        "records",
        "requests:",
    ];
    assert!(first_words.eq(names), "{table:#?}");
    let last = "every gauge is at 0, none was fuller than its capacity, and the sums are exact";
    assert_eq!(next(), last);
    // It lingers, and the gauges of its stages with it.
    assert!(get(address, "/metrics").contains(r#"fillgauge_depth{limit="jobs""#));
    assert_eq!(running.0.try_wait().unwrap(), None);
}

#[test]
fn bad_arguments_are_refused_in_one_line_and_help_names_every_option() {
    for (arguments, message) in [
        (&["--slow", "everything"][..], "everything"),
        (&["--requests", "9"], "not a number from 10"),
        (&["--sessions", "0"], "not a number from 1"),
        (&["--at-once", "0"], "not a number from 1"),
        (&["--linger"], "--linger needs --status"),
        (&["--status", "nowhere"], "nowhere"),
        (&["a"], "\"a\""),
    ] {
        let output = example("service", arguments).output().unwrap();
        let report = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{report}");
        assert!(
            report.starts_with("service: ") && report.contains(message),
            "{report}"
        );
        assert_eq!(
            (report.lines().count(), output.stdout.len()),
            (1, 0),
            "{report}"
        );
    }
    let output = example("service", &["--help"]).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "--slow",
        "--requests",
        "--sessions",
        "--at-once",
        "--pause",
        "--seconds",
        "--listen",
        "--status",
        "--linger",
        "--help",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

/// Clients that have no time left end, and the service ends after them. The program says so.
#[test]
fn the_time_of_the_clients_is_bounded() {
    let output = example("service", &["--seconds", "1"]).output().unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{report}");
    assert!(report.contains("the clients ran out of time"), "{report}");
}
