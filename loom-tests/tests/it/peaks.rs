//! Observers that take the mark of a window meet records, readers and each other.

use fillgauge::{Gauge, Limit, WindowPeaks};
use fillgauge_loom_tests::{explore, leaked};
use loom::sync::atomic::AtomicUsize;
use loom::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, SeqCst};
use loom::thread;

static QUEUE: Limit = Limit::queue("queue");

/// The gauge was 9 deep, and is 2 deep now.
fn after_a_burst() -> Gauge {
    let gauge = Gauge::for_queue(&QUEUE, 64);
    gauge.record_enqueue_n(9);
    gauge.record_dequeue_n(7);
    gauge
}

/// What has a depth and the mark of a window.
trait Windowed: Sync {
    fn enqueue(&self, n: usize);
    fn take(&self) -> usize;
    fn high_water(&self) -> usize;
}

impl Windowed for Gauge {
    fn enqueue(&self, n: usize) {
        self.record_enqueue_n(n);
    }

    fn take(&self) -> usize {
        self.take_window_peak()
    }

    fn high_water(&self) -> usize {
        Gauge::high_water(self)
    }
}

/// How the twin of a gauge is wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// The depth that the next window begins with is read before the mark is taken.
    ReadsDepthFirst,
    /// The mark is taken before it is kept.
    KeepsLate,
}

/// The protocol in short.
struct Twin {
    fault: Fault,
    depth: AtomicUsize,
    mark: AtomicUsize,
    earlier: AtomicUsize,
}

impl Twin {
    fn after_a_burst(fault: Fault) -> Self {
        Self {
            fault,
            depth: AtomicUsize::new(2),
            mark: AtomicUsize::new(9),
            earlier: AtomicUsize::new(0),
        }
    }
}

impl Windowed for Twin {
    fn enqueue(&self, n: usize) {
        let depth = self.depth.fetch_add(n, SeqCst) + n;
        // The newest value: loom takes a sequentially consistent load for an acquire load.
        if depth > self.mark.fetch_add(0, SeqCst) {
            self.mark.fetch_max(depth, Relaxed);
        }
    }

    fn take(&self) -> usize {
        let early = self.depth.fetch_add(0, SeqCst);
        let mut mark = self.mark.load(Acquire);
        loop {
            if self.fault != Fault::KeepsLate {
                self.earlier.fetch_max(mark, Relaxed);
            }
            match self.mark.compare_exchange(mark, 0, AcqRel, Acquire) {
                Ok(_) => break,
                Err(now) => mark = now,
            }
        }
        self.earlier.fetch_max(mark, Relaxed);
        let depth = match self.fault {
            Fault::ReadsDepthFirst => early,
            _ => self.depth.fetch_add(0, SeqCst),
        };
        self.mark.fetch_max(depth, Relaxed);
        mark
    }

    fn high_water(&self) -> usize {
        let mark = self.mark.load(Acquire);
        mark.max(self.earlier.load(Relaxed))
    }
}

/// At rest the mark is at least the depth.
fn check_enqueue_meets_observer<W: Windowed + 'static>(
    floor: usize,
    windowed: impl Fn() -> W + Send + Sync + 'static,
) {
    explore(Some(3), floor, move || {
        let windowed: &'static W = leaked(windowed());
        let producer = thread::spawn(|| windowed.enqueue(4));
        assert_eq!(windowed.take(), 9);
        producer.join().unwrap();
        assert_eq!(windowed.take(), 6, "a peak is lost");
    });
}

#[test]
fn an_enqueue_meets_an_observer() {
    check_enqueue_meets_observer(20, after_a_burst);
}

#[test]
fn the_protocol_in_short() {
    check_enqueue_meets_observer(5, || Twin::after_a_burst(Fault::None));
}

#[test]
#[should_panic(expected = "a peak is lost")]
fn canary_that_reads_the_depth_before_it_takes_the_mark() {
    check_enqueue_meets_observer(1, || Twin::after_a_burst(Fault::ReadsDepthFirst));
}

/// The high-water mark never steps back.
fn check_reader_meets_observer<W: Windowed + 'static>(
    floor: usize,
    windowed: impl Fn() -> W + Send + Sync + 'static,
) {
    explore(Some(3), floor, move || {
        let windowed: &'static W = leaked(windowed());
        let observer = thread::spawn(|| windowed.take());
        assert_eq!(windowed.high_water(), 9, "stepped back");
        assert_eq!(observer.join().unwrap(), 9);
    });
}

#[test]
fn a_reader_meets_an_observer() {
    check_reader_meets_observer(5, after_a_burst);
}

#[test]
#[should_panic(expected = "stepped back")]
fn canary_that_takes_the_mark_before_it_keeps_it() {
    check_reader_meets_observer(1, || Twin::after_a_burst(Fault::KeepsLate));
}

/// The peaks of two observers.
trait Peaks: Sync {
    fn take(&self, observer: usize, gauge: &Gauge) -> usize;
}

impl Peaks for WindowPeaks<2> {
    fn take(&self, observer: usize, gauge: &Gauge) -> usize {
        WindowPeaks::take(self, observer, gauge).unwrap()
    }
}

/// Leaves the depth that there is for the other observer.
struct LeavesTheDepth([AtomicUsize; 2]);

impl Peaks for LeavesTheDepth {
    fn take(&self, observer: usize, gauge: &Gauge) -> usize {
        let peak = gauge.take_window_peak();
        self.0[1 - observer].fetch_max(gauge.depth(), Relaxed);
        peak.max(self.0[observer].swap(0, Relaxed))
    }
}

fn check_observers<P: Peaks + 'static>(
    floor: usize,
    peaks: impl Fn() -> P + Send + Sync + 'static,
) {
    explore(Some(3), floor, move || {
        let gauge: &'static Gauge = leaked(after_a_burst());
        let peaks: &'static P = leaked(peaks());
        let other = thread::spawn(|| peaks.take(1, gauge));
        let first = peaks.take(0, gauge);
        let other = other.join().unwrap();
        let seen = [0, 1].map(|observer| peaks.take(observer, gauge));
        assert_eq!(first.max(seen[0]), 9, "a peak is lost");
        assert_eq!(other.max(seen[1]), 9, "a peak is lost");
    });
}

#[test]
fn two_observers_lose_no_peak() {
    check_observers(20, WindowPeaks::<2>::new);
}

#[test]
#[should_panic(expected = "a peak is lost")]
fn canary_that_leaves_the_depth() {
    check_observers(1, || {
        LeavesTheDepth([AtomicUsize::new(0), AtomicUsize::new(0)])
    });
}
