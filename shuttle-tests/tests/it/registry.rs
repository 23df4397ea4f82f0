//! Random programs on a growing registry, and canaries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};

use fillgauge_shuttle_tests::{explore, pick};
use fillgauge_std::{QueueGauge, QueueRegistry, QueueSnapshot, TrackedLimit};
use shuttle::sync::Mutex;
use shuttle::thread;

/// What the programs need of a registry, right or wrong.
trait Registers: Send + Sync + 'static {
    fn register(&self, name: TrackedLimit, capacity: usize) -> Arc<QueueGauge>;
    fn snapshot(&self) -> Vec<QueueSnapshot>;
    /// How many entries it keeps.
    fn entries(&self) -> usize;
}

impl Registers for QueueRegistry {
    fn register(&self, name: TrackedLimit, capacity: usize) -> Arc<QueueGauge> {
        self.register(name, capacity)
    }

    fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.snapshot()
    }

    fn entries(&self) -> usize {
        let shown = format!("{self:?}");
        let number = shown.trim_matches(|c: char| !c.is_ascii_digit());
        number.parse().unwrap()
    }
}

/// What the tasks know of a gauge.
#[derive(Clone)]
struct Known {
    name: TrackedLimit,
    capacity: usize,
    handles: usize,
    /// The last handle has been dropped.
    gone: bool,
    enqueues_begun: usize,
    enqueues_done: usize,
}

/// What the tasks know of all gauges, by instance, and the handles. The locks are those of std:
/// they are held only between two points at which shuttle switches.
#[derive(Default)]
struct Ledger {
    known: std::sync::Mutex<BTreeMap<usize, Known>>,
    handles: std::sync::Mutex<Vec<Arc<QueueGauge>>>,
}

impl Ledger {
    fn known(&self) -> BTreeMap<usize, Known> {
        self.known.lock().unwrap().clone()
    }

    fn update<R>(&self, gauge: &QueueGauge, update: impl FnOnce(&mut Known) -> R) -> R {
        let instance = gauge.instance();
        update(self.known.lock().unwrap().get_mut(&instance).unwrap())
    }

    fn take_handle(&self) -> Option<Arc<QueueGauge>> {
        let mut handles = self.handles.lock().unwrap();
        let last = handles.len().checked_sub(1)?;
        Some(handles.swap_remove(pick(&[0, last / 2, last])))
    }

    fn put_handle(&self, handle: Arc<QueueGauge>) {
        self.handles.lock().unwrap().push(handle);
    }

    fn drop_handle(&self, handle: Arc<QueueGauge>) {
        let instance = handle.instance();
        let is_last = self.update(&handle, |known| {
            known.handles -= 1;
            known.handles == 0
        });
        drop(handle);
        if is_last {
            self.known.lock().unwrap().get_mut(&instance).unwrap().gone = true;
        }
    }
}

fn register(registry: &impl Registers, ledger: &Ledger) {
    let (name, capacity) = (pick(TrackedLimit::ALL), pick(&[1, 10, 100]));
    let gauge = registry.register(name, capacity);
    let known = Known {
        name,
        capacity,
        handles: 1,
        gone: false,
        enqueues_begun: 0,
        enqueues_done: 0,
    };
    let instance = gauge.instance();
    let before = ledger.known.lock().unwrap().insert(instance, known);
    assert!(before.is_none(), "two gauges have one instance");
    ledger.put_handle(gauge);
}

fn snapshot(registry: &impl Registers, ledger: &Ledger) -> Vec<QueueSnapshot> {
    let before = ledger.known();
    let snapshot = registry.snapshot();
    let after = ledger.known();
    let mut shown = BTreeSet::new();
    for entry in &snapshot {
        assert!(shown.insert(entry.instance), "shown twice: {entry:?}");
        // It may be about to be registered.
        let Some(known) = after.get(&entry.instance) else {
            continue;
        };
        assert_eq!(entry.name, known.name);
        assert_eq!(entry.capacity, known.capacity);
        assert!(entry.depth <= known.enqueues_begun, "{entry:?}");
        if let Some(known) = before.get(&entry.instance) {
            assert!(!known.gone, "shown when it was gone: {entry:?}");
            assert!(entry.depth >= known.enqueues_done, "{entry:?}");
        }
    }
    for (instance, known) in &before {
        let is_live_throughout = known.handles > 0 && after[instance].handles > 0;
        assert!(
            !is_live_throughout || shown.contains(instance),
            "not shown: {instance}"
        );
    }
    snapshot
}

fn work(registry: &impl Registers, ledger: &Ledger) {
    for _ in 0..pick(&[2, 4, 8]) {
        match pick(&[0, 0, 1, 2, 2, 3, 4]) {
            0 => register(registry, ledger),
            1 => drop(snapshot(registry, ledger)),
            choice => {
                let Some(handle) = ledger.take_handle() else {
                    continue;
                };
                match choice {
                    2 => ledger.drop_handle(handle),
                    3 => {
                        ledger.update(&handle, |known| known.handles += 1);
                        ledger.put_handle(Arc::clone(&handle));
                        ledger.put_handle(handle);
                    }
                    _ => {
                        ledger.update(&handle, |known| known.enqueues_begun += 1);
                        handle.record_enqueue();
                        ledger.update(&handle, |known| known.enqueues_done += 1);
                        ledger.put_handle(handle);
                    }
                }
            }
        }
    }
}

/// Three tasks register, share, use and drop gauges and take snapshots at random. Every live gauge
/// is shown, and no dropped one. In the end the registry holds the live gauges, with their figures.
fn program<R: Registers>(registry: R) {
    let (registry, ledger) = (Arc::new(registry), Arc::new(Ledger::default()));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (registry, ledger) = (Arc::clone(&registry), Arc::clone(&ledger));
            thread::spawn(move || work(&*registry, &ledger))
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    let live = snapshot(&*registry, &ledger).len();
    let handles = ledger.handles.lock().unwrap();
    let held: BTreeSet<_> = handles.iter().map(|gauge| gauge.instance()).collect();
    assert_eq!(live, held.len(), "live and not shown");
    assert_eq!(registry.entries(), held.len(), "entries stay");
    drop(handles);
    while let Some(handle) = ledger.take_handle() {
        ledger.drop_handle(handle);
    }
    assert!(snapshot(&*registry, &ledger).is_empty());
    assert_eq!(registry.entries(), 0, "entries stay");
}

#[test]
fn a_registry_shows_what_is_live() {
    explore(10_000, || program(QueueRegistry::default()));
}

/// A list of weak references as one would first write it.
#[derive(Default)]
struct Naive {
    registry: QueueRegistry,
    gauges: Mutex<Vec<Weak<QueueGauge>>>,
    keeps_entries: bool,
}

impl Naive {
    fn prune(&self) {
        if !self.keeps_entries {
            let mut gauges = self.gauges.lock().unwrap();
            gauges.retain(|gauge| gauge.strong_count() > 0);
        }
    }
}

impl Registers for Naive {
    fn register(&self, name: TrackedLimit, capacity: usize) -> Arc<QueueGauge> {
        let gauge = self.registry.register(name, capacity);
        self.gauges.lock().unwrap().push(Arc::downgrade(&gauge));
        gauge
    }

    /// It holds the gauges while it reads them without the lock.
    fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.prune();
        let gauges: Vec<_> = {
            let gauges = self.gauges.lock().unwrap();
            gauges.iter().filter_map(Weak::upgrade).collect()
        };
        gauges.iter().map(|gauge| gauge.snapshot()).collect()
    }

    fn entries(&self) -> usize {
        self.prune();
        self.gauges.lock().unwrap().len()
    }
}

#[test]
#[should_panic(expected = "shown when it was gone")]
fn canary_a_snapshot_that_keeps_gauges_alive() {
    explore(10_000, || program(Naive::default()));
}

#[test]
#[should_panic(expected = "entries stay")]
fn canary_entries_that_stay() {
    explore(10_000, || {
        program(Naive {
            keeps_entries: true,
            ..Naive::default()
        });
    });
}
