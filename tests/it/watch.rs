//! Peaks from one look to the next, and queues that are not drained.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use fillgauge::{
    Budget, Drain, DrainWatch, Gauge, Limit, Probe, QueueRegistry, QueueSnapshot, WindowPeaks,
};

use crate::size::native_or_miri;

static QUEUE: Limit = Limit::queue("queue");

#[test]
fn a_window_begins_with_the_depth_that_there_is() {
    let gauge = Gauge::for_queue(&QUEUE, 64);
    assert_eq!(gauge.take_window_peak(), 0);
    gauge.record_enqueue_n(9);
    gauge.record_dequeue_n(7);
    assert_eq!([(); 2].map(|()| gauge.take_window_peak()), [9, 2]);
    gauge.record_enqueue();
    gauge.record_enqueue();
    gauge.record_dequeue_n(4);
    assert_eq!([(); 2].map(|()| gauge.take_window_peak()), [4, 0]);
    gauge.observe_depth(30);
    gauge.observe_depth(1);
    assert_eq!([(); 2].map(|()| gauge.take_window_peak()), [30, 1]);
    assert_eq!(gauge.high_water(), 30, "the lifetime mark stays");
    assert_eq!(gauge.snapshot().high_water, 30);
}

#[test]
fn budgets_probes_and_slots_have_windows_too() {
    static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
    let budget = Budget::new(&QUEUE, 10);
    drop(budget.try_reserve(7).unwrap());
    let three = budget.try_reserve(3).unwrap();
    assert_eq!([(); 2].map(|()| budget.take_window_peak()), [7, 3]);
    drop(three);
    assert_eq!([(); 2].map(|()| budget.take_window_peak()), [3, 0]);
    assert_eq!(budget.high_water(), 7);

    let probe = Probe::new(&QUEUE, 10);
    probe.check(|| 6);
    probe.check(|| 2);
    assert_eq!([(); 2].map(|()| probe.take_window_peak(|| 2)), [6, 2]);
    assert_eq!(probe.high_water(), 6);

    for _ in 0..2 {
        let handle = REGISTRY.register_budget(&QUEUE, 10).unwrap();
        assert_eq!((handle.take_window_peak(), handle.high_water()), (0, 0));
        drop(handle.try_reserve(5).unwrap());
        assert_eq!([(); 2].map(|()| handle.take_window_peak()), [5, 0]);
        assert_eq!(handle.high_water(), 5);
    }
}

/// Every history of this length of three observers, against a list of all depths.
#[test]
fn each_observer_sees_the_greatest_depth_since_its_own_look() {
    const LENGTH: u32 = 6;
    const CHOICES: usize = 6;
    for number in 0..CHOICES.pow(native_or_miri(LENGTH as usize, 2) as u32) {
        let (gauge, peaks) = (Gauge::new(&QUEUE, 100), WindowPeaks::<3>::new());
        let mut since: [Vec<usize>; 3] = [vec![0], vec![0], vec![0]];
        let mut rest = number;
        for _ in 0..LENGTH {
            let choice = rest % CHOICES;
            rest /= CHOICES;
            match choice {
                0 => gauge.record_enqueue_n(3),
                1 => gauge.record_dequeue_n(2),
                2 => gauge.observe_depth(1),
                observer => {
                    let depths = &mut since[observer - 3];
                    let peak = peaks.take(observer - 3, &gauge);
                    assert_eq!(peak, depths.iter().max().copied(), "history {number}");
                    *depths = vec![];
                }
            }
            since
                .iter_mut()
                .for_each(|depths| depths.push(gauge.depth()));
        }
    }
}

#[test]
fn there_are_no_other_observers() {
    let (gauge, peaks) = (Gauge::new(&QUEUE, 100), WindowPeaks::<1>::default());
    gauge.record_enqueue_n(4);
    assert_eq!(peaks.take(1, &gauge), None);
    assert_eq!(peaks.take(0, &gauge), Some(4), "nothing was lost");
    assert_eq!(WindowPeaks::<0>::new().take(0, &gauge), None);
}

/// Each burst is deeper than the one before, so that none hides in another.
#[test]
fn observers_on_threads_lose_no_peak() {
    let bursts = native_or_miri(2_000, 10);
    let (gauge, peaks) = (Gauge::for_queue(&QUEUE, 1 << 20), WindowPeaks::<2>::new());
    let (start, done) = (Barrier::new(3), AtomicUsize::new(0));
    thread::scope(|scope| {
        let observers = [0, 1].map(|observer| {
            let (gauge, peaks, start, done) = (&gauge, &peaks, &start, &done);
            scope.spawn(move || {
                start.wait();
                let mut greatest = 0;
                while done.load(Ordering::Acquire) == 0 {
                    greatest = greatest.max(peaks.take(observer, gauge).unwrap());
                }
                // What the other observer leaves last.
                start.wait();
                greatest = greatest.max(peaks.take(observer, gauge).unwrap());
                start.wait();
                greatest.max(peaks.take(observer, gauge).unwrap())
            })
        });
        start.wait();
        for depth in 1..=bursts {
            gauge.record_enqueue_n(depth);
            gauge.record_dequeue_n(depth);
        }
        done.store(1, Ordering::Release);
        start.wait();
        start.wait();
        for observer in observers {
            assert_eq!(observer.join().unwrap(), bursts);
        }
    });
    assert_eq!(gauge.high_water(), bursts);
}

/// What a watch says, look after look.
fn looks(patience: u64, looks: &[(QueueSnapshot, u64)]) -> Vec<Option<Drain>> {
    let mut watch = DrainWatch::new(patience);
    looks
        .iter()
        .map(|(snapshot, now)| watch.poll(snapshot, *now))
        .collect()
}

/// A queue into and out of which so many went.
fn queue(enqueued: usize, dequeued: usize) -> QueueSnapshot {
    let gauge = Gauge::for_queue(&QUEUE, 100);
    gauge.record_enqueue_n(enqueued);
    gauge.record_dequeue_n(dequeued);
    gauge.snapshot()
}

#[test]
fn a_queue_is_stuck_once_and_drains_once() {
    use Drain::{Draining, Stuck};
    let stuck = [
        (queue(3, 1), 5),
        (queue(4, 1), 10),
        (queue(9, 1), 15),
        (queue(9, 1), 99),
    ];
    assert_eq!(looks(10, &stuck), [None, None, Some(Stuck), None]);
    let one_taken = [
        (queue(3, 1), 0),
        (queue(3, 1), 10),
        (queue(3, 2), 11),
        (queue(3, 2), 21),
    ];
    assert_eq!(
        looks(10, &one_taken),
        [None, Some(Stuck), Some(Draining), Some(Stuck)]
    );
    let emptied = [
        (queue(3, 1), 0),
        (queue(3, 1), 10),
        (queue(3, 3), 11),
        (queue(3, 3), 99),
    ];
    assert_eq!(
        looks(10, &emptied),
        [None, Some(Stuck), Some(Draining), None]
    );
}

/// A leak is stuck, a burst that is worked off is not.
#[test]
fn a_burst_that_is_worked_off_is_not_stuck() {
    let burst: Vec<_> = (0..50)
        .map(|taken| (queue(60, taken), taken as u64 * 9))
        .collect();
    assert!(looks(10, &burst).iter().all(Option::is_none));
}

#[test]
fn an_item_that_comes_after_a_long_silence_is_not_stuck_at_once() {
    let silence = [(queue(0, 0), 0), (queue(1, 0), 1_000), (queue(1, 0), 1_009)];
    assert_eq!(looks(10, &silence), [None, None, None]);
}

#[test]
fn the_clock_of_a_watch_may_wrap() {
    let over_the_end = [
        (queue(2, 1), u64::MAX - 3),
        (queue(2, 1), 5),
        (queue(2, 1), 6),
    ];
    assert_eq!(looks(10, &over_the_end), [None, None, Some(Drain::Stuck)]);
    let back = [
        (queue(2, 1), 50),
        (queue(2, 1), 49),
        (queue(2, 1), 59),
        (queue(2, 1), 60),
    ];
    assert_eq!(looks(10, &back), [None, None, None, Some(Drain::Stuck)]);
}

#[test]
fn another_registration_begins_anew() {
    static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
    let mut watch = DrainWatch::new(10);
    let first = REGISTRY.register(&QUEUE, 10).unwrap();
    first.record_enqueue();
    assert_eq!(watch.poll(&first.snapshot(), 0), None);
    assert_eq!(watch.poll(&first.snapshot(), 10), Some(Drain::Stuck));
    assert_eq!(watch.stuck_since(), Some(0));
    drop(first);
    let second = REGISTRY.register(&QUEUE, 10).unwrap();
    second.record_enqueue();
    assert_eq!(watch.poll(&second.snapshot(), 15), None);
    assert_eq!(watch.stuck_since(), None);
    assert_eq!(watch.poll(&second.snapshot(), 25), Some(Drain::Stuck));
}

#[test]
fn what_has_no_totals_is_watched_by_its_depth() {
    let budget = Budget::new(&QUEUE, 10);
    let mut watch = DrainWatch::new(10);
    let (mut four, more) = (
        budget.try_reserve(4).unwrap(),
        budget.try_reserve(2).unwrap(),
    );
    assert_eq!(watch.poll(&budget.snapshot(), 0), None);
    drop(more);
    assert_eq!(
        watch.poll(&budget.snapshot(), 9),
        None,
        "two were given back"
    );
    assert_eq!(watch.poll(&budget.snapshot(), 18), None);
    assert_eq!(watch.poll(&budget.snapshot(), 19), Some(Drain::Stuck));
    drop(four.split(1));
    assert_eq!(watch.poll(&budget.snapshot(), 20), Some(Drain::Draining));
}
