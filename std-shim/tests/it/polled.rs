//! Gauges that a report asks for their depth.

use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use fillgauge_std::{QueueGauge, QueueRegistry, flush_events, track};

use crate::tape::taped;

const SOME_TIME: Duration = Duration::from_secs(30);

/// A gauge of what has this length.
fn backlog(registry: &QueueRegistry, length: usize) -> (Arc<QueueGauge>, Arc<AtomicUsize>) {
    let length = Arc::new(AtomicUsize::new(length));
    let read = Arc::clone(&length);
    let backlog = track("backlog").capacity(10).registry(registry);
    (backlog.polled(move || read.load(Ordering::SeqCst)), length)
}

#[test]
fn a_report_reads_the_depth_and_nothing_else_does() {
    let registry = QueueRegistry::new("polled").silent();
    let (gauge, length) = backlog(&registry, 3);
    assert_eq!((gauge.depth(), registry.snapshot()[0].depth), (0, 0));
    assert_eq!(registry.report().gauges[0].depth, 3);
    length.store(7, Ordering::SeqCst);
    assert_eq!((gauge.depth(), registry.snapshot()[0].depth), (3, 3));
    let report = registry.report();
    assert_eq!((report.gauges[0].depth, report.gauges[0].gone), (7, false));
    assert_eq!(report.limits[0].depth, 7);
}

#[test]
fn it_warns_on_the_background_thread_and_recovers() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&heard);
    let registry = QueueRegistry::new("polled").silent().sink(move |event| {
        list.lock()
            .unwrap()
            .push((event.kind().as_str(), thread::current().id()));
    });
    let (gauge, length) = backlog(&registry, 8);
    for depth in [8, 9, 2, 3] {
        length.store(depth, Ordering::SeqCst);
        thread::scope(|scope| {
            let reporter = scope.spawn(|| drop(registry.report())).thread().id();
            thread::yield_now();
            let heard = heard.lock().unwrap();
            assert!(heard.iter().all(|(_, thread)| *thread != reporter));
        });
        flush_events(SOME_TIME).unwrap();
    }
    let kinds: Vec<_> = heard
        .lock()
        .unwrap()
        .iter()
        .map(|(kind, _)| *kind)
        .collect();
    assert_eq!(kinds, ["near_capacity", "recovered"]);
    let report = registry.report();
    assert_eq!(report.gauges[0].last_edges.len(), 2);
    assert_eq!((gauge.warnings(), gauge.high_water()), (1, 9));
}

/// `read` is called once, the gauge reads 0 and is marked as gone.
fn assert_gone(registry: &QueueRegistry, calls: &AtomicUsize) {
    for _ in 0..3 {
        let report = registry.report();
        assert_eq!((report.gauges[0].depth, report.gauges[0].gone), (0, true));
        assert!(report.to_string().contains("gone"));
    }
    assert_eq!(calls.load(Ordering::SeqCst), 2);
}

#[test]
fn what_has_nothing_to_read_any_more_is_gone() {
    let registry = QueueRegistry::new("polled").silent();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let _gauge = track("backlog")
        .capacity(10)
        .registry(&registry)
        .polled(move || {
            let call = counted.fetch_add(1, Ordering::SeqCst);
            (call == 0).then_some(9)
        });
    assert_eq!(registry.report().gauges[0].depth, 9);
    assert_gone(&registry, &calls);
    flush_events(SOME_TIME).unwrap();
    assert!(!registry.report().gauges[0].warned);
}

#[test]
fn one_that_panics_is_gone_and_the_log_says_so() {
    let registry = QueueRegistry::new("polled").silent();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let _gauge = track("backlog")
        .capacity(10)
        .label("a")
        .registry(&registry)
        .polled(move || match counted.fetch_add(1, Ordering::SeqCst) {
            0 => 9,
            _ => panic::panic_any("the broker is away"),
        });
    assert_eq!(registry.report().gauges[0].depth, 9);
    let lines = taped(|| assert_gone(&registry, &calls));
    assert_eq!(lines.len(), 1);
    assert_eq!(
        lines[0].message,
        "the closure of a polled gauge panicked: it is not called again"
    );
    assert!(
        lines[0]
            .fields
            .iter()
            .any(|field| field.contains("the broker is away"))
    );
    assert!(lines[0].fields.iter().any(|field| field == "label=a"));
}

/// No lock is held while it is asked, and it is not asked by what it does.
#[test]
fn what_is_asked_may_do_anything_with_its_registry() {
    let registry = QueueRegistry::new("polled").silent();
    let (own, shelf) = (
        registry.clone(),
        Arc::new(Mutex::new(None::<Arc<QueueGauge>>)),
    );
    let shelved = Arc::clone(&shelf);
    let gauge = track("backlog")
        .capacity(10)
        .registry(&registry)
        .polled(move || {
            let other = own.register("other", 4);
            other.record_enqueue();
            assert_eq!(own.report().gauges.len(), own.snapshot().len());
            drop(other);
            // Its own gauge goes, and this closure with it.
            drop(shelved.lock().unwrap().take());
            5
        });
    assert_eq!(registry.report().gauges[0].depth, 5);
    *shelf.lock().unwrap() = Some(gauge);
    assert_eq!(registry.report().gauges[0].depth, 5);
    assert!(registry.report().gauges.is_empty());
}

#[test]
fn a_report_that_waits_holds_up_no_other() {
    let registry = QueueRegistry::new("polled").silent();
    let (enter, entered) = mpsc::channel();
    let (leave, may_leave) = mpsc::channel::<()>();
    let may_leave = Mutex::new(may_leave);
    let _gauge = track("backlog")
        .capacity(10)
        .registry(&registry)
        .polled(move || {
            enter.send(()).unwrap();
            may_leave.lock().unwrap().recv().unwrap();
            6
        });
    thread::scope(|scope| {
        let slow = scope.spawn(|| registry.report().gauges[0].depth);
        entered.recv().unwrap();
        assert_eq!(registry.report().gauges[0].depth, 0, "what was read last");
        drop(registry.register("other", 4));
        leave.send(()).unwrap();
        assert_eq!(slow.join().unwrap(), 6);
    });
}

#[test]
fn what_it_owns_goes_with_the_gauge_also_if_that_panics() {
    struct Owned(Arc<AtomicUsize>);
    impl Drop for Owned {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
            panic::panic_any("in a destructor");
        }
    }
    let registry = QueueRegistry::new("polled").silent();
    let dropped = Arc::new(AtomicUsize::new(0));
    let owned = Owned(Arc::clone(&dropped));
    let gauge = track("backlog").registry(&registry).polled(move || {
        let Owned(count) = &owned;
        count.load(Ordering::SeqCst)
    });
    assert!(!registry.report().gauges[0].gone);
    drop(gauge);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(registry.report().gauges.is_empty());
}
