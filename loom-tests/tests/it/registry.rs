//! Slots that are claimed and given back, the handles to them, and snapshots meanwhile.

use std::sync::{Arc, Mutex};

use fillgauge::{Gauge, Limit, Preset, QueueGauge, QueueRegistry, QueueSnapshot, Totals};
use fillgauge_loom_tests::broken::{Claim, UncheckedSlot, UncountedSlot, UntaggedStack};
use fillgauge_loom_tests::{Outcomes, explore, leaked};
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

static FIRST: Limit = Limit::queue("first");
static SECOND: Limit = Limit::memory("second");

fn registry<const N: usize>() -> &'static QueueRegistry<N> {
    leaked(QueueRegistry::new())
}

// Claims.

/// What hands out slots, right or wrong.
trait Slots: Sync {
    /// A claim to a slot, which gives it back when it is dropped.
    type Claim: Send + 'static;

    fn claim(&'static self) -> Option<Self::Claim>;

    fn slot_of(claim: &Self::Claim) -> usize;
}

impl<const N: usize> Slots for QueueRegistry<N> {
    type Claim = QueueGauge;

    fn claim(&'static self) -> Option<QueueGauge> {
        self.register(&FIRST, 10).ok()
    }

    fn slot_of(claim: &QueueGauge) -> usize {
        std::ptr::from_ref::<Gauge>(claim).addr()
    }
}

impl Slots for UntaggedStack {
    type Claim = Claim;

    fn claim(&'static self) -> Option<Self::Claim> {
        self.take()
    }

    fn slot_of(claim: &Self::Claim) -> usize {
        claim.index()
    }
}

/// Of two registrations that race for the last slot one gets it and the other is refused.
fn a_race_for_the_last_slot<S: Slots>(slots: &'static S, outcomes: &Outcomes) {
    let thread = thread::spawn(|| slots.claim());
    let ours = slots.claim();
    let theirs = thread.join().unwrap();
    outcomes.note(match (ours, theirs) {
        (Some(_), None) => "ours",
        (None, Some(_)) => "theirs",
        (None, None) => panic!("nobody got it"),
        (Some(_), Some(_)) => panic!("both got it"),
    });
}

#[test]
fn a_race_for_a_slot_that_was_never_used() {
    let outcomes = leaked(Outcomes::default());
    explore(None, 110, || {
        a_race_for_the_last_slot(registry::<1>(), outcomes)
    });
    outcomes.assert_seen(&["ours", "theirs"]);
}

#[test]
fn a_race_for_a_slot_that_was_given_back() {
    let outcomes = leaked(Outcomes::default());
    explore(None, 110, || {
        let registry = registry::<1>();
        drop(registry.claim());
        a_race_for_the_last_slot(registry, outcomes);
    });
    outcomes.assert_seen(&["ours", "theirs"]);
}

#[test]
#[should_panic(expected = "both got it")]
fn canary_a_race_for_the_last_slot() {
    struct CheckedThenTaken(AtomicUsize);
    impl Slots for CheckedThenTaken {
        type Claim = ();

        fn claim(&'static self) -> Option<()> {
            (self.0.load(Ordering::SeqCst) > 0).then(|| {
                self.0.fetch_sub(1, Ordering::SeqCst);
            })
        }

        fn slot_of((): &()) -> usize {
            0
        }
    }
    explore(None, 0, || {
        let slots = leaked(CheckedThenTaken(AtomicUsize::new(1)));
        a_race_for_the_last_slot(slots, &Outcomes::default());
    });
}

/// Other threads take both free slots during a registration and give one back. It gets no slot that
/// is taken.
fn slots_taken_and_given_back_meanwhile<S: Slots>(slots: &'static S) {
    let (first, second) = (slots.claim(), slots.claim());
    drop(first);
    drop(second);
    let thread = thread::spawn(|| {
        let claims = (slots.claim(), slots.claim());
        drop(claims.0);
        claims.1
    });
    let mut claims = vec![slots.claim()];
    claims.push(thread.join().unwrap());
    claims.extend((0..3).map(|_| slots.claim()));
    let mut taken: Vec<usize> = claims.iter().flatten().map(S::slot_of).collect();
    taken.sort_unstable();
    taken.dedup();
    assert_eq!(
        taken.len(),
        claims.iter().flatten().count(),
        "a slot was handed out twice"
    );
    assert_eq!(taken.len(), 2, "a slot was lost");
}

#[test]
fn slots_are_taken_and_given_back_meanwhile() {
    explore(Some(3), 310, || {
        slots_taken_and_given_back_meanwhile(registry::<2>())
    });
}

#[test]
#[should_panic(expected = "a slot was handed out twice")]
fn canary_slots_are_taken_and_given_back_meanwhile() {
    explore(Some(3), 0, || {
        slots_taken_and_given_back_meanwhile(leaked(UntaggedStack::of_two()))
    });
}

/// Registrations that race get numbers of their own.
#[test]
fn numbers_of_registrations_that_race() {
    explore(Some(3), 74, || {
        let registry = registry::<2>();
        let thread = thread::spawn(|| registry.claim().unwrap());
        let (ours, theirs) = (registry.claim().unwrap(), thread.join().unwrap());
        assert_eq!(ours.instance() + theirs.instance(), 1 + 2);
        let shown: usize = registry.snapshot().map(|entry| entry.instance).sum();
        assert_eq!(shown, 1 + 2);
    });
}

// Handles.

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
    explore(None, 6, || {
        let registry = registry::<1>();
        let first = registry.claim().unwrap();
        let handles = Arc::new(Mutex::new(vec![first.clone(), first]));
        last_handles_dropped_together(
            move || {
                // Popped first: the drop is outside of the lock, which loom does not see.
                let handle = handles.lock().unwrap().pop();
                drop(handle);
            },
            || {
                let claims = (0..2).map(|_| registry.claim().map(std::mem::forget));
                claims.flatten().count()
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

/// A handle is cloned while its origin is dropped and the slot is wanted again. The clone keeps its
/// gauge, and the next registration of the slot begins at zero.
fn a_clone_outlives_its_origin<H: Clone + Send + 'static>(
    handle: H,
    register: impl Fn() -> Option<H>,
    record: fn(&H),
    depth: fn(&H) -> usize,
    outcomes: &Outcomes,
) {
    let origin = handle.clone();
    let thread = thread::spawn(move || {
        let clone = handle.clone();
        drop(handle);
        record(&clone);
        assert_eq!(depth(&clone), 1, "another's gauge");
    });
    drop(origin);
    if let Some(next) = register() {
        outcomes.note("handed over");
        assert_eq!(depth(&next), 0, "another's figures");
        record(&next);
        thread.join().unwrap();
        assert_eq!(depth(&next), 1, "another's figures");
    } else {
        outcomes.note("refused");
        thread.join().unwrap();
        assert!(register().is_some(), "never given back");
    }
}

#[test]
fn a_clone_outlives_the_handle_that_it_was_made_of() {
    let outcomes = leaked(Outcomes::default());
    explore(Some(3), 49, || {
        let registry = registry::<1>();
        a_clone_outlives_its_origin(
            registry.claim().unwrap(),
            || registry.claim(),
            |handle| handle.record_enqueue(),
            |handle| handle.depth(),
            outcomes,
        );
    });
    outcomes.assert_seen(&["handed over", "refused"]);
}

#[test]
#[should_panic(expected = "another's")]
fn canary_a_clone_outlives_the_handle_that_it_was_made_of() {
    explore(Some(3), 0, || {
        let slot = leaked(UncountedSlot::free());
        a_clone_outlives_its_origin(
            slot.claim().unwrap(),
            || slot.claim(),
            |handle| handle.record_enqueue(),
            |handle| handle.depth(),
            &Outcomes::default(),
        );
    });
}

/// A registration whose slot another thread has just given back is live, and shown.
#[test]
fn a_registration_in_a_slot_just_given_back() {
    let outcomes = leaked(Outcomes::default());
    explore(Some(3), 17, || {
        let registry = registry::<1>();
        let first = registry.claim().unwrap();
        let thread = thread::spawn(move || drop(first));
        let early = registry.claim();
        outcomes.note(if early.is_some() {
            "handed over"
        } else {
            "refused"
        });
        thread.join().unwrap();
        let second = early.or_else(|| registry.claim()).unwrap();
        let shown: Vec<usize> = registry.snapshot().map(|entry| entry.instance).collect();
        assert_eq!((second.instance(), &shown[..]), (2, &[2][..]));
    });
    outcomes.assert_seen(&["handed over", "refused"]);
}

// Snapshots.

/// What a snapshot shows of a registration: its instance, whether it is of the first limit, its
/// capacity, depth and high-water mark.
type Entry = (usize, bool, usize, usize, usize);

fn entry(snapshot: &QueueSnapshot) -> Entry {
    let is_first = *snapshot.name == FIRST;
    let (depth, high_water) = (snapshot.depth, snapshot.high_water);
    (
        snapshot.instance,
        is_first,
        snapshot.capacity,
        depth,
        high_water,
    )
}

/// Of the first limit with capacity 10, which goes to depth 2 and back to 1. Or of the second with
/// 20 and no depth.
fn assert_unmixed(entry: Entry) {
    assert!(
        matches!(entry, (1, true, 10, 0..=2, 0..=2) | (2, false, 20, 0, 0)),
        "a mix of two registrations: {entry:?}"
    );
}

/// A snapshot races with the release of a slot and its next registration. It shows one or the other
/// or none, and no mix.
#[test]
fn a_snapshot_against_release_and_registration() {
    let outcomes = leaked(Outcomes::default());
    explore(Some(3), 11_000, || {
        let registry = registry::<1>();
        let first = registry.register(&FIRST, 10).unwrap();
        let thread = thread::spawn(move || {
            first.record_enqueue_n(2);
            first.record_dequeue();
            drop(first);
            registry.register(&SECOND, 20).unwrap()
        });
        let shown = registry.snapshot().next();
        if let Some(shown) = &shown {
            assert_unmixed(entry(shown));
            let is_second = shown.instance == 2;
            assert!(
                !is_second || (shown.totals, shown.warned) == (Some(Totals::new(0, 0)), false),
                "a mix of two registrations: {shown:?}"
            );
        }
        outcomes.note(match shown.map(|shown| shown.instance) {
            None => "none",
            Some(1) => "the first",
            Some(_) => "the second",
        });
        let second = thread.join().unwrap();
        assert_eq!(second.instance(), 2);
        assert_eq!(registry.snapshot().count(), 1);
    });
    outcomes.assert_seen(&["none", "the first", "the second"]);
}

#[test]
#[should_panic(expected = "a mix of two registrations")]
fn canary_a_snapshot_against_release_and_registration() {
    explore(Some(3), 0, || {
        let slot = leaked(UncheckedSlot::free());
        slot.activate(1, true, 10);
        let thread = thread::spawn(move || {
            slot.record_enqueue();
            slot.deactivate();
            slot.activate(2, false, 20);
        });
        if let Some((instance, is_first, capacity, depth)) = slot.snapshot() {
            assert_unmixed((instance, is_first, capacity, depth, depth));
        }
        thread.join().unwrap();
    });
}

/// Presets come first in a snapshot. They and a gauge that is live throughout are shown once,
/// whatever comes and goes beside them.
#[test]
fn presets_and_neighbours_are_shown_once() {
    explore(Some(3), 12_000, || {
        let preset: &'static Gauge = leaked(Gauge::new(&FIRST, 1));
        let presets: &'static [Preset] = leaked([preset.preset()]);
        let registry: &'static QueueRegistry<2> =
            leaked(QueueRegistry::new().with_presets(presets));
        let leaving = registry.register(&SECOND, 20).unwrap();
        let staying = registry.register(&FIRST, 10).unwrap();
        let thread = thread::spawn(move || {
            preset.record_enqueue();
            drop(leaving);
            registry.register(&SECOND, 30).unwrap()
        });
        let shown: Vec<QueueSnapshot> = registry.snapshot().collect();
        assert_eq!((shown[0].instance, shown[0].capacity), (0, 1), "{shown:?}");
        let times = |instance| {
            shown
                .iter()
                .filter(|entry| entry.instance == instance)
                .count()
        };
        assert_eq!((times(0), times(staying.instance())), (1, 1), "{shown:?}");
        let others = shown
            .iter()
            .map(entry)
            .filter(|(instance, ..)| ![0, 2].contains(instance));
        for other in others {
            assert!(
                matches!(other, (1, false, 20, 0, 0) | (3, false, 30, 0, 0)),
                "{shown:?}"
            );
        }
        let entered = thread.join().unwrap();
        assert_eq!((entered.instance(), preset.has_warned()), (3, true));
    });
}

/// A snapshot of a gauge that is in use shows a depth that the gauge had, or less by what was
/// recorded meanwhile.
#[test]
fn a_snapshot_of_a_gauge_in_use() {
    explore(Some(3), 16, || {
        let gauge: &'static Gauge = leaked(Gauge::new(&FIRST, 2));
        gauge.record_enqueue();
        let thread = thread::spawn(|| {
            gauge.record_dequeue();
            gauge.record_enqueue();
        });
        let shown = gauge.snapshot();
        assert!(shown.depth <= 1, "{shown:?}");
        let totals = shown.totals.unwrap();
        assert!(
            totals.enqueued - totals.dequeued == shown.depth || shown.depth == 0,
            "{shown:?}"
        );
        thread.join().unwrap();
    });
}
