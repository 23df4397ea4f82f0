use std::sync::{Arc, Mutex};

use fillgauge::{Limit, QueueRegistry};
use fillgauge_loom_tests::explore;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;

static FIRST: Limit = Limit::queue("first");
static SECOND: Limit = Limit::memory("second");

/// What a snapshot shows of a registration: its instance, whether it is of the first limit, capacity and depth.
type Entry = (usize, bool, usize, usize);

/// Of the first limit with capacity 10 and depth 0 or 1, or of the second with 20 and depth 0.
fn assert_unmixed(entry: Entry) {
    assert!(
        matches!(entry, (1, true, 10, 0 | 1) | (2, false, 20, 0)),
        "a mix of two registrations: {entry:?}"
    );
}

/// A snapshot that races with the release of a slot and its next registration shows one or the other or none, and no mix.
#[test]
fn a_snapshot_against_release_and_registration() {
    explore(Some(3), 10_000, || {
        // A registry is a static; this one lives as long as its execution.
        let registry: &'static QueueRegistry<1> = Box::leak(Box::new(QueueRegistry::new()));
        let first = registry.register(&FIRST, 10).unwrap();
        let thread = thread::spawn(move || {
            first.record_enqueue();
            drop(first);
            registry.register(&SECOND, 20).unwrap()
        });
        for entry in registry.snapshot() {
            assert_unmixed((
                entry.instance,
                *entry.name == FIRST,
                entry.capacity,
                entry.depth,
            ));
        }
        let second = thread.join().unwrap();
        assert_eq!(second.instance(), 2);
        assert_eq!(registry.snapshot().count(), 1);
    });
}

/// Of two registrations that race for the last slot one gets it and the other is refused.
fn a_race_for_the_last_slot(claim: impl Fn() -> bool + Clone + Send + 'static) {
    let other = claim.clone();
    let thread = thread::spawn(other);
    let ours = claim();
    let theirs = thread.join().unwrap();
    assert!(ours || theirs, "nobody got it");
    assert!(!(ours && theirs), "both got it");
}

#[test]
fn a_race_for_a_slot_that_was_never_used() {
    explore(None, 5, || {
        let registry: &'static QueueRegistry<1> = Box::leak(Box::new(QueueRegistry::new()));
        a_race_for_the_last_slot(|| registry.register(&FIRST, 10).map(std::mem::forget).is_ok());
    });
}

#[test]
fn a_race_for_a_slot_that_was_given_back() {
    explore(None, 5, || {
        let registry: &'static QueueRegistry<1> = Box::leak(Box::new(QueueRegistry::new()));
        drop(registry.register(&FIRST, 10));
        a_race_for_the_last_slot(|| registry.register(&FIRST, 10).map(std::mem::forget).is_ok());
    });
}

#[test]
#[should_panic(expected = "both got it")]
fn canary_a_race_for_the_last_slot() {
    explore(None, 0, || {
        let free = Arc::new(AtomicUsize::new(1));
        a_race_for_the_last_slot(move || {
            let is_free = free.load(Ordering::SeqCst) > 0;
            if is_free {
                free.fetch_sub(1, Ordering::SeqCst);
            }
            is_free
        });
    });
}

/// The last two handles of a gauge, dropped together, give its slot back once.
fn last_handles_dropped_together(
    drop_one: impl Fn() + Clone + Send + 'static,
    times_free: impl Fn() -> usize,
) {
    let other = drop_one.clone();
    let thread = thread::spawn(other);
    drop_one();
    thread.join().unwrap();
    assert_eq!(times_free(), 1, "given back more or less than once");
}

#[test]
fn the_last_handles_give_the_slot_back_once() {
    explore(None, 3, || {
        let registry: &'static QueueRegistry<1> = Box::leak(Box::new(QueueRegistry::new()));
        let first = registry.register(&FIRST, 10).unwrap();
        let handles = Arc::new(Mutex::new(vec![first.clone(), first]));
        last_handles_dropped_together(
            move || {
                // Taken out first, so that the drop is outside of the lock, which loom does not see.
                let handle = handles.lock().unwrap().pop();
                drop(handle);
            },
            || {
                let claims = (0..2).map(|_| registry.register(&SECOND, 20).map(std::mem::forget));
                claims.filter(Result::is_ok).count()
            },
        );
    });
}

#[test]
#[should_panic(expected = "given back more or less than once")]
fn canary_the_last_handles_give_the_slot_back_once() {
    explore(None, 0, || {
        let handles = Arc::new(AtomicUsize::new(2));
        let given_back = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&given_back);
        last_handles_dropped_together(
            move || {
                handles.fetch_sub(1, Ordering::SeqCst);
                if handles.load(Ordering::SeqCst) == 0 {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            },
            move || given_back.load(Ordering::SeqCst),
        );
    });
}

/// A slot whose snapshot looks at the instance once, before it reads the rest.
struct UncheckedSlot {
    instance: AtomicUsize,
    is_first: AtomicBool,
    capacity: AtomicUsize,
    depth: AtomicUsize,
}

impl UncheckedSlot {
    fn open(&self, instance: usize, is_first: bool, capacity: usize) {
        self.is_first.store(is_first, Ordering::Release);
        self.capacity.store(capacity, Ordering::Release);
        self.depth.store(0, Ordering::Release);
        self.instance.store(instance, Ordering::Release);
    }

    fn snapshot(&self) -> Option<Entry> {
        match self.instance.load(Ordering::Acquire) {
            0 => None,
            instance => Some((
                instance,
                self.is_first.load(Ordering::Acquire),
                self.capacity.load(Ordering::Acquire),
                self.depth.load(Ordering::Acquire),
            )),
        }
    }
}

#[test]
#[should_panic(expected = "a mix of two registrations")]
fn canary_a_snapshot_against_release_and_registration() {
    explore(Some(3), 0, || {
        let slot = Arc::new(UncheckedSlot {
            instance: AtomicUsize::new(0),
            is_first: AtomicBool::new(false),
            capacity: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
        });
        slot.open(1, true, 10);
        let other = Arc::clone(&slot);
        let thread = thread::spawn(move || {
            other.depth.fetch_add(1, Ordering::SeqCst);
            other.instance.store(0, Ordering::Relaxed);
            other.open(2, false, 20);
        });
        if let Some(entry) = slot.snapshot() {
            assert_unmixed(entry);
        }
        thread.join().unwrap();
    });
}
