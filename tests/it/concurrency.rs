//! Real threads: what the models prove within their bounds, with many more operations.

use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Barrier, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge::{
    Gauge, GaugeConfig, Limit, LimitCategory, LimitEvent, LimitSink, QueueRegistry, Thresholds,
};

use crate::size::native_or_miri;

static LIMIT: Limit = Limit::queue("queue");

/// How long to wait for threads to meet before a test fails for it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Keeps the kinds of events in the order in which they came, from whatever thread.
struct Tape(Mutex<Vec<LimitEvent>>);

impl Tape {
    const fn new() -> Self {
        Self(Mutex::new(Vec::new()))
    }

    /// Takes the tape and checks that warnings and recoveries alternate. Returns the number of
    /// warnings.
    fn alternating(&self) -> usize {
        let events = std::mem::take(&mut *self.0.lock().unwrap());
        let edges: Vec<_> = events
            .iter()
            .filter(|event| !matches!(event, LimitEvent::Full(_)))
            .collect();
        for (index, edge) in edges.iter().enumerate() {
            let warning = matches!(edge, LimitEvent::NearCapacity(_));
            assert_eq!(warning, index % 2 == 0, "{events:?}");
        }
        edges.len().div_ceil(2)
    }
}

impl LimitSink for Tape {
    fn on_event(&self, event: &LimitEvent) {
        self.0.lock().unwrap().push(*event);
    }
}

#[test]
fn threads_that_cross_together_cause_one_event() {
    const THREADS: usize = native_or_miri(8, 4);
    const CROSSINGS: usize = native_or_miri(10_000, 4);
    static TAPE: Tape = Tape::new();
    // Warns at 3 and is armed again at 1. All threads but two find the warn point crossed. It is
    // never full.
    const EARLY: Thresholds = match Thresholds::new(30, 10) {
        Ok(thresholds) => thresholds,
        Err(_) => panic!("re-arm is below warn"),
    };
    static GAUGE: Gauge =
        Gauge::with_config(GaugeConfig::new(&LIMIT, 10).thresholds(EARLY)).with_sink(&TAPE);
    // Events, depth and state after each half of each crossing. They are checked at the end: a
    // thread that panics at a barrier leaves the others waiting.
    static HALVES: Mutex<Vec<(Vec<LimitEvent>, usize, bool)>> = Mutex::new(Vec::new());
    let barrier = Barrier::new(THREADS);
    let all_at_once = |record: fn(&Gauge)| {
        barrier.wait();
        record(&GAUGE);
        if barrier.wait().is_leader() {
            let events = std::mem::take(&mut *TAPE.0.lock().unwrap());
            HALVES
                .lock()
                .unwrap()
                .push((events, GAUGE.depth(), GAUGE.has_warned()));
        }
    };
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..CROSSINGS {
                    all_at_once(Gauge::record_enqueue);
                    all_at_once(Gauge::record_dequeue);
                }
            });
        }
    });
    let halves = HALVES.lock().unwrap();
    assert_eq!((halves.len(), GAUGE.warnings()), (2 * CROSSINGS, CROSSINGS));
    for (half, (events, depth, warned)) in halves.iter().enumerate() {
        if half % 2 == 0 {
            assert!(
                matches!(events[..], [LimitEvent::NearCapacity(_)]),
                "{half}: {events:?}"
            );
            assert_eq!((*depth, *warned), (THREADS, true), "{half}");
        } else {
            assert!(
                matches!(events[..], [LimitEvent::Recovered(_)]),
                "{half}: {events:?}"
            );
            assert_eq!((*depth, *warned), (0, false), "{half}");
        }
    }
}

#[test]
fn free_running_threads_leave_the_gauge_at_zero_and_armed() {
    static TAPE: Tape = Tape::new();
    for round in 0..native_or_miri(50, 4) {
        let gauge = Gauge::new(&LIMIT, native_or_miri(4, 3)).with_sink(&TAPE);
        let most = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..native_or_miri(4, 3) {
                scope.spawn(|| {
                    for _ in 0..native_or_miri(2_000, 8) {
                        gauge.record_enqueue();
                        most.fetch_max(gauge.depth(), Ordering::Relaxed);
                        gauge.record_dequeue();
                    }
                });
            }
        });
        assert_eq!(
            (gauge.depth(), gauge.has_warned()),
            (0, false),
            "round {round}"
        );
        assert!(gauge.high_water() <= gauge.capacity() && most.into_inner() <= gauge.capacity());
        assert_eq!(TAPE.alternating(), gauge.warnings());
    }
}

#[test]
fn stray_dequeues_among_threads_are_never_counted_twice() {
    for round in 0..native_or_miri(200, 4) {
        let gauge = Gauge::new(&LIMIT, 100);
        thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| (0..native_or_miri(100, 6)).for_each(|_| gauge.record_dequeue()));
            }
        });
        assert_eq!(gauge.enqueued(), gauge.dequeued(), "round {round}");
        gauge.record_enqueue_n(5);
        assert_eq!(gauge.depth(), 5, "round {round}");
    }
}

#[test]
fn observers_and_consumers_leave_the_right_state_behind() {
    static TAPE: Tape = Tape::new();
    let steps = native_or_miri(200, 6);
    for round in 0..native_or_miri(200, 4) {
        let gauge = Gauge::new(&LIMIT, 10).with_sink(&TAPE);
        thread::scope(|scope| {
            for lowest in 0..2 {
                let gauge = &gauge;
                scope.spawn(move || {
                    for step in 0..steps {
                        gauge.observe_depth((lowest + step * 7) % 11);
                    }
                });
            }
            scope.spawn(|| (0..steps).for_each(|_| gauge.record_dequeue()));
        });
        let depth = gauge.depth();
        assert!(
            depth < 8 || gauge.has_warned(),
            "round {round}: silent at {depth}"
        );
        assert!(
            depth > 5 || !gauge.has_warned(),
            "round {round}: still warned at {depth}"
        );
        assert_eq!(TAPE.alternating(), gauge.warnings());
    }
}

/// Store buffering: the producer sets the warning and reads the consumer's counter, while the
/// consumer adds to its counter and reads the warning. One of them must see the other's write,
/// which takes sequential consistency.
#[test]
fn a_warning_that_meets_a_drain_is_taken_back() {
    for round in 0..native_or_miri(2_000, 20) {
        let gauge = Gauge::new(&LIMIT, 10);
        gauge.record_enqueue_n(7);
        thread::scope(|scope| {
            scope.spawn(|| gauge.record_enqueue());
            scope.spawn(|| (0..3).for_each(|_| gauge.record_dequeue()));
        });
        let at_rest = (gauge.depth(), gauge.has_warned());
        assert_eq!(at_rest, (5, false), "round {round}");
    }
}

/// Threads change a queue that knows its length, and sample it. At rest the gauge reads that length.
#[test]
fn samplers_settle_on_the_length() {
    static TAPE: Tape = Tape::new();
    for round in 0..native_or_miri(500, 10) {
        let gauge = Gauge::new(&LIMIT, 5).with_sink(&TAPE);
        let length = AtomicUsize::new(0);
        let barrier = Barrier::new(3);
        thread::scope(|scope| {
            for filled in [true, true, false] {
                let (gauge, length, barrier) = (&gauge, &length, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    for _ in 0..native_or_miri(20, 3) {
                        if filled {
                            length.fetch_add(2, Ordering::SeqCst);
                        } else {
                            length.store(0, Ordering::SeqCst);
                        }
                        gauge.observe_with(|| length.load(Ordering::SeqCst));
                    }
                });
            }
        });
        let length = length.into_inner();
        assert_eq!(gauge.depth(), length, "round {round}");
        assert!(gauge.has_warned() || length < 4, "round {round}: {length}");
        assert!(!gauge.has_warned() || length > 2, "round {round}: {length}");
        TAPE.alternating();
    }
}

/// Corrections up and down at once, and a clear: one of them holds.
#[test]
fn of_corrections_that_meet_one_holds() {
    for round in 0..native_or_miri(2_000, 20) {
        let gauge = Gauge::new(&LIMIT, 10);
        gauge.record_enqueue_n(5);
        let barrier = Barrier::new(3);
        let corrections: [fn(&Gauge); 3] = [
            |gauge| gauge.observe_depth(2),
            |gauge| gauge.observe_depth(7),
            Gauge::record_clear,
        ];
        thread::scope(|scope| {
            for correct in corrections {
                let (gauge, barrier) = (&gauge, &barrier);
                scope.spawn(move || {
                    barrier.wait();
                    correct(gauge);
                });
            }
        });
        let depth = gauge.depth();
        assert!([0, 2, 7].contains(&depth), "round {round}: {depth}");
    }
}

/// One slot, whose registrations differ in limit, capacity and depth.
#[test]
fn a_slot_that_changes_hands_shows_one_registration_at_a_time() {
    const ROUNDS: usize = native_or_miri(5_000, 100);
    static LIMITS: [OnceLock<Limit>; ROUNDS] = [const { OnceLock::new() }; ROUNDS];
    static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
    let working = AtomicUsize::new(1);
    thread::scope(|scope| {
        scope.spawn(|| {
            let _working = Working(&working);
            for (round, limit) in LIMITS.iter().enumerate() {
                let limit = limit.get_or_init(|| Limit::memory("slot"));
                let gauge = REGISTRY.register(limit, round).unwrap();
                gauge.record_enqueue_n(round);
            }
        });
        while working.load(Ordering::Relaxed) > 0 {
            for entry in REGISTRY.snapshot() {
                let round = entry.instance - 1;
                assert_eq!(entry.category, LimitCategory::Memory);
                assert!(
                    ptr::eq(entry.name, LIMITS[round].get().unwrap()),
                    "{entry:?}"
                );
                assert_eq!(entry.capacity, round, "{entry:?}");
                assert!([0, round].contains(&entry.depth), "{entry:?}");
            }
        }
    });
}

/// Counts a thread that works, until it ends or panics.
struct Working<'a>(&'a AtomicUsize);

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Each limit has a capacity of its own. Each registration observes a depth that encodes its
/// instance and its limit, so that a mixed entry shows.
#[test]
fn snapshots_show_no_mix_of_two_registrations() {
    const THREADS: usize = native_or_miri(8, 3);
    const SLOTS: usize = THREADS - native_or_miri(2, 1);
    static LIMITS: [Limit; 8] = [
        Limit::queue("0"),
        Limit::resource("1"),
        Limit::memory("2"),
        Limit::cpu("3"),
        Limit::queue("4"),
        Limit::resource("5"),
        Limit::memory("6"),
        Limit::cpu("7"),
    ];
    static REGISTRY: QueueRegistry<SLOTS> = QueueRegistry::new();
    let (entries, working) = (AtomicUsize::new(0), AtomicUsize::new(THREADS));
    let start = Instant::now();
    thread::scope(|scope| {
        for (index, limit) in LIMITS.iter().take(THREADS).enumerate() {
            let (entries, working) = (&entries, &working);
            scope.spawn(move || {
                let _working = Working(working);
                let mut registrations = 0;
                let unseen = || entries.load(Ordering::Relaxed) == 0;
                while registrations < native_or_miri(5_000, 12)
                    || unseen() && start.elapsed() < PATIENCE
                {
                    // Fewer slots than threads: some are refused.
                    let Ok(gauge) = REGISTRY.register(limit, 1_000 * (index + 1)) else {
                        thread::yield_now();
                        continue;
                    };
                    registrations += 1;
                    let other = gauge.clone();
                    drop(gauge);
                    for _ in 0..2 {
                        other.observe_depth(other.instance() * THREADS + index);
                    }
                }
            });
        }
        while working.load(Ordering::Relaxed) > 0 {
            let mut instances = Vec::new();
            for entry in REGISTRY.snapshot() {
                entries.fetch_add(1, Ordering::Relaxed);
                let index: usize = entry.name.as_str().parse().unwrap();
                assert_eq!(entry.capacity, 1_000 * (index + 1), "{entry:?}");
                assert_eq!(entry.category, LIMITS[index].category(), "{entry:?}");
                let observed = entry.instance * THREADS + index;
                assert!([0, observed].contains(&entry.depth), "{entry:?}");
                assert!([0, observed].contains(&entry.high_water), "{entry:?}");
                assert!(
                    !instances.contains(&entry.instance),
                    "{} twice",
                    entry.instance
                );
                instances.push(entry.instance);
            }
        }
    });
    assert!(entries.into_inner() > 0, "no snapshot met a live gauge");
    assert_eq!(REGISTRY.snapshot().count(), 0);
    let all: Vec<_> = (0..SLOTS)
        .map(|_| REGISTRY.register(&LIMIT, 1).unwrap())
        .collect();
    assert!(REGISTRY.register(&LIMIT, 1).is_err());
    drop(all);
}
