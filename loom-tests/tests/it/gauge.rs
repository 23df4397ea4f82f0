use std::sync::Arc;

use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};
use fillgauge_loom_tests::{Recorder, Rest, Told, explore};
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

/// Warns at 2, is armed again at 1.
const CAPACITY: usize = 2;
const WARN_DEPTH: usize = 2;
const REARM_DEPTH: usize = 1;

/// What the models need of a gauge, right or wrong.
trait Counts: Send + Sync + 'static {
    fn record_enqueue(&self);
    fn record_dequeue(&self);
    fn rest(&self) -> Rest;
}

impl Counts for Gauge {
    fn record_enqueue(&self) {
        self.record_enqueue();
    }

    fn record_dequeue(&self) {
        self.record_dequeue();
    }

    fn rest(&self) -> Rest {
        Rest {
            depth: self.depth(),
            high_water: self.high_water(),
            warned: self.has_warned(),
        }
    }
}

fn gauge(recorder: &'static Recorder) -> Gauge {
    Gauge::new(&QUEUE, CAPACITY).with_sink(recorder)
}

/// Two threads that each put in and take out twice leave the gauge at 0 and armed, and it has told warnings and recoveries
/// in turn.
fn two_threads_of_two_pairs<G: Counts>(gauge: fn(&'static Recorder) -> G) {
    let recorder = Recorder::new();
    let gauge = Arc::new(gauge(recorder));
    let pairs = |gauge: &dyn Counts| {
        for _ in 0..2 {
            gauge.record_enqueue();
            gauge.record_dequeue();
        }
    };
    let other = Arc::clone(&gauge);
    let thread = thread::spawn(move || pairs(&*other));
    pairs(&*gauge);
    thread.join().unwrap();
    let rest = gauge.rest();
    assert_eq!(recorder.assert_alternation(), rest.warned);
    assert_eq!(rest.depth, 0);
    assert!(rest.high_water == 1 || rest.high_water == 2, "{rest:?}");
    rest.assert_settled(WARN_DEPTH, REARM_DEPTH);
}

#[test]
fn two_threads_of_two_pairs_settle() {
    explore(Some(3), 50_000, || two_threads_of_two_pairs(gauge));
}

/// A producer that reaches the warn point while a consumer drains the queue leaves the gauge armed, and at the depth that
/// is left, also if a dequeue was a stray.
fn up_against_down<G: Counts>(gauge: fn(&'static Recorder) -> G) {
    let gauge = Arc::new(gauge(Recorder::new()));
    gauge.record_enqueue();
    let consumer = Arc::clone(&gauge);
    let thread = thread::spawn(move || {
        consumer.record_dequeue();
        consumer.record_dequeue();
    });
    gauge.record_enqueue();
    thread.join().unwrap();
    let rest = gauge.rest();
    assert!(rest.depth <= 1, "{rest:?}");
    rest.assert_settled(WARN_DEPTH, REARM_DEPTH);
}

#[test]
fn up_against_down_settles() {
    explore(Some(5), 20_000, || up_against_down(gauge));
}

/// An event carries a depth that the gauge had: these operations never make a depth above 2, so no event has more,
/// whenever the counters were read.
fn a_warning_while_an_item_passes<G: Counts>(gauge: fn(&'static Recorder) -> G) {
    let recorder = Recorder::new();
    let gauge = Arc::new(gauge(recorder));
    gauge.record_enqueue();
    let other = Arc::clone(&gauge);
    let thread = thread::spawn(move || {
        other.record_dequeue();
        other.record_enqueue();
    });
    gauge.record_enqueue();
    thread.join().unwrap();
    assert_eq!(gauge.rest().depth, 2);
    let told = recorder.told();
    assert!(!told.is_empty(), "silent");
    assert!(
        told.iter().all(|(_, depth)| *depth <= 2),
        "a depth that never was: {told:?}"
    );
}

/// Warns at 2 like the other, but of a capacity that no reading is clamped to or full at.
fn roomy_gauge(recorder: &'static Recorder) -> Gauge {
    let thresholds = Thresholds::new(20, 10).unwrap();
    Gauge::with_config(GaugeConfig::new(&QUEUE, 10).thresholds(thresholds)).with_sink(recorder)
}

#[test]
fn a_warning_while_an_item_passes_is_sound() {
    explore(Some(4), 10_000, || {
        a_warning_while_an_item_passes(roomy_gauge)
    });
}

/// The gauge that everyone writes by hand: one counter, and a flag that is swapped by whoever saw a depth beyond a point,
/// however old that depth is, and who then tells, in whatever order.
struct FlagOnStaleDepth {
    depth: AtomicUsize,
    high_water: AtomicUsize,
    warned: AtomicBool,
    recorder: &'static Recorder,
}

impl FlagOnStaleDepth {
    fn new(recorder: &'static Recorder) -> Self {
        Self {
            depth: AtomicUsize::new(0),
            high_water: AtomicUsize::new(0),
            warned: AtomicBool::new(false),
            recorder,
        }
    }

    fn evaluate(&self, depth: usize) {
        self.high_water.fetch_max(depth, Ordering::SeqCst);
        let warns = depth >= WARN_DEPTH;
        if (warns || depth <= REARM_DEPTH) && self.warned.swap(warns, Ordering::SeqCst) != warns {
            let told = if warns {
                Told::NearCapacity
            } else {
                Told::Recovered
            };
            self.recorder.tell(told, depth);
        }
    }
}

impl Counts for FlagOnStaleDepth {
    fn record_enqueue(&self) {
        let depth = self.depth.fetch_add(1, Ordering::SeqCst) + 1;
        self.evaluate(depth);
    }

    fn record_dequeue(&self) {
        let lowered = self
            .depth
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |depth| {
                depth.checked_sub(1)
            });
        if let Ok(depth) = lowered {
            self.evaluate(depth - 1);
        }
    }

    fn rest(&self) -> Rest {
        Rest {
            depth: self.depth.load(Ordering::SeqCst),
            high_water: self.high_water.load(Ordering::SeqCst),
            warned: self.warned.load(Ordering::SeqCst),
        }
    }
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_two_threads_of_two_pairs() {
    explore(Some(3), 0, || {
        two_threads_of_two_pairs(FlagOnStaleDepth::new)
    });
}

#[test]
#[should_panic(expected = "latched")]
fn canary_up_against_down() {
    explore(None, 0, || up_against_down(FlagOnStaleDepth::new));
}

/// Two counters, read one after the other: the depth in the event may be one that never was.
struct TornReading {
    enqueued: AtomicUsize,
    dequeued: AtomicUsize,
    warned: AtomicBool,
    recorder: &'static Recorder,
}

impl TornReading {
    fn new(recorder: &'static Recorder) -> Self {
        Self {
            enqueued: AtomicUsize::new(0),
            dequeued: AtomicUsize::new(0),
            warned: AtomicBool::new(false),
            recorder,
        }
    }

    fn depth(&self) -> usize {
        let dequeued = self.dequeued.fetch_add(0, Ordering::SeqCst);
        self.enqueued.fetch_add(0, Ordering::SeqCst) - dequeued
    }
}

impl Counts for TornReading {
    fn record_enqueue(&self) {
        self.enqueued.fetch_add(1, Ordering::SeqCst);
        let depth = self.depth();
        if depth >= WARN_DEPTH && !self.warned.swap(true, Ordering::SeqCst) {
            self.recorder.tell(Told::NearCapacity, depth);
        }
    }

    fn record_dequeue(&self) {
        self.dequeued.fetch_add(1, Ordering::SeqCst);
    }

    fn rest(&self) -> Rest {
        Rest {
            depth: self.depth(),
            high_water: self.depth(),
            warned: self.warned.load(Ordering::SeqCst),
        }
    }
}

#[test]
#[should_panic(expected = "a depth that never was")]
fn canary_a_warning_while_an_item_passes() {
    explore(Some(4), 0, || {
        a_warning_while_an_item_passes(TornReading::new)
    });
}
