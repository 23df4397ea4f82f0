//! Random programs on a growing registry, and canaries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use fillgauge_shuttle_tests::{TO_FIND, explore, pick};
use fillgauge_std::{
    GaugeReport, LimitEvent, LimitEventKind, LimitReport, QueueGauge, QueueRegistry, QueueSnapshot,
    Report, TrackedLimit, flush_events, refuse_threads, track,
};
use shuttle::sync::Mutex;
use shuttle::thread;

/// What the programs need of a registry, right or wrong.
trait Registers: Send + Sync + 'static {
    fn register(
        &self,
        name: TrackedLimit,
        capacity: usize,
        label: Option<&'static str>,
    ) -> Arc<QueueGauge>;
    fn snapshot(&self) -> Vec<QueueSnapshot>;
    fn report(&self) -> Report;
    /// How many entries it keeps.
    fn entries(&self) -> usize;
}

impl Registers for QueueRegistry {
    fn register(
        &self,
        name: TrackedLimit,
        capacity: usize,
        label: Option<&'static str>,
    ) -> Arc<QueueGauge> {
        let gauge = track(name).capacity(capacity).registry(self);
        match label {
            Some(label) => gauge.label(label).gauge(),
            None => gauge.gauge(),
        }
    }

    fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.snapshot()
    }

    fn report(&self) -> Report {
        self.report()
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
    label: Option<&'static str>,
    handles: usize,
    being_dropped: usize,
    /// The last handle has been dropped.
    gone: bool,
    enqueues_begun: usize,
    enqueues_done: usize,
    dequeues_begun: usize,
    dequeues_done: usize,
    /// When a handle was about to be dropped.
    warnings: usize,
    /// What the sink of the registry saw last.
    last_event: Option<LimitEventKind>,
    warnings_seen: usize,
}

/// What the tasks know of all gauges, by instance, and the handles. The locks are those of std:
/// they are held only between two points at which shuttle switches.
#[derive(Default)]
struct Ledger {
    known: std::sync::Mutex<BTreeMap<usize, Known>>,
    handles: std::sync::Mutex<Vec<Arc<QueueGauge>>>,
    /// The greatest sums that a report has shown, by limit.
    greatest: std::sync::Mutex<BTreeMap<String, Sums>>,
}

/// The sums of a limit that never step back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sums {
    registered: usize,
    warnings: usize,
    enqueued: usize,
    dequeued: usize,
}

impl Sums {
    fn of(limit: &LimitReport) -> Self {
        let totals = limit.totals.unwrap();
        Self {
            registered: limit.registered,
            warnings: limit.warnings,
            enqueued: totals.enqueued,
            dequeued: totals.dequeued,
        }
    }

    /// What has certainly happened.
    fn done(known: &BTreeMap<usize, Known>) -> BTreeMap<String, Self> {
        let mut all = BTreeMap::<_, Self>::new();
        for known in known.values() {
            let sums = all.entry(known.name.as_str().to_owned()).or_default();
            sums.registered += 1;
            sums.warnings += known.warnings;
            sums.enqueued += known.enqueues_done;
            sums.dequeued += known.dequeues_done;
        }
        all
    }

    fn greatest(self, other: Self) -> Self {
        Self {
            registered: self.registered.max(other.registered),
            warnings: self.warnings.max(other.warnings),
            enqueued: self.enqueued.max(other.enqueued),
            dequeued: self.dequeued.max(other.dequeued),
        }
    }
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
        self.update(&handle, |known| {
            known.handles -= 1;
            known.being_dropped += 1;
        });
        let warnings = handle.warnings();
        drop(handle);
        let mut known = self.known.lock().unwrap();
        let known = known.get_mut(&instance).unwrap();
        known.being_dropped -= 1;
        known.warnings = known.warnings.max(warnings);
        // Another task may still be about to drop one.
        known.gone = known.handles + known.being_dropped == 0;
    }

    /// The sink of the registry.
    fn see(&self, event: &LimitEvent) {
        // It takes its time.
        thread::yield_now();
        let mut known = self.known.lock().unwrap();
        let known = known.get_mut(&event.snapshot().instance).unwrap();
        assert_eq!(event.label(), known.label);
        let (kind, last) = (event.kind(), known.last_event.replace(event.kind()));
        let in_turn = match kind {
            LimitEventKind::NearCapacity => {
                known.warnings_seen += 1;
                matches!(last, None | Some(LimitEventKind::Recovered))
            }
            LimitEventKind::Full => last == Some(LimitEventKind::NearCapacity),
            _ => !matches!(last, None | Some(LimitEventKind::Recovered)),
        };
        assert!(in_turn, "out of turn: {kind} after {last:?}");
    }
}

fn register(registry: &impl Registers, ledger: &Ledger) {
    // Few names, so that a limit has several gauges.
    let name = pick(&[TrackedLimit::VmPipes, TrackedLimit::VmSockets]);
    let capacity = pick(&[1, 2, 100]);
    let label = pick(&[None, Some("session 7"), Some("")]);
    let gauge = registry.register(name, capacity, label);
    let known = Known {
        name,
        capacity,
        label,
        handles: 1,
        being_dropped: 0,
        gone: false,
        enqueues_begun: 0,
        enqueues_done: 0,
        dequeues_begun: 0,
        dequeues_done: 0,
        warnings: 0,
        last_event: None,
        warnings_seen: 0,
    };
    let instance = gauge.instance();
    let before = ledger.known.lock().unwrap().insert(instance, known);
    assert!(before.is_none(), "two gauges have one instance");
    ledger.put_handle(gauge);
}

/// A gauge as a snapshot or a report shows it.
#[derive(Debug)]
struct Shown {
    instance: usize,
    name: String,
    capacity: usize,
    depth: usize,
}

fn assert_shown(all: &[Shown], before: &BTreeMap<usize, Known>, after: &BTreeMap<usize, Known>) {
    let mut shown = BTreeSet::new();
    for entry in all {
        assert!(shown.insert(entry.instance), "shown twice: {entry:?}");
        // It may be about to be registered.
        let Some(known) = after.get(&entry.instance) else {
            continue;
        };
        assert_eq!(entry.name, known.name.as_str());
        assert_eq!(entry.capacity, known.capacity);
        let dequeued = before
            .get(&entry.instance)
            .map_or(0, |known| known.dequeues_done);
        assert!(entry.depth + dequeued <= known.enqueues_begun, "{entry:?}");
        if let Some(before) = before.get(&entry.instance) {
            assert!(!before.gone, "shown when it was gone: {entry:?}");
            let least = before.enqueues_done.saturating_sub(known.dequeues_begun);
            assert!(entry.depth >= least, "{entry:?}");
        }
    }
    for (instance, known) in before {
        let is_live_throughout = known.handles > 0 && after[instance].handles > 0;
        assert!(
            !is_live_throughout || shown.contains(instance),
            "not shown: {instance}"
        );
    }
}

fn snapshot(registry: &impl Registers, ledger: &Ledger) -> Vec<QueueSnapshot> {
    let before = ledger.known();
    let snapshot = registry.snapshot();
    let shown: Vec<_> = snapshot
        .iter()
        .map(|gauge| Shown {
            instance: gauge.instance,
            name: gauge.name.to_string(),
            capacity: gauge.capacity,
            depth: gauge.depth,
        })
        .collect();
    assert_shown(&shown, &before, &ledger.known());
    snapshot
}

/// Each live gauge is shown as in a snapshot, with its label. No sum is less than in any report
/// before, or than what was done before.
fn report(registry: &impl Registers, ledger: &Ledger) -> Report {
    let before = ledger.known();
    let greatest = ledger.greatest.lock().unwrap().clone();
    let report = registry.report();
    let after = ledger.known();
    let shown: Vec<_> = report
        .gauges
        .iter()
        .map(|gauge| Shown {
            instance: gauge.instance,
            name: gauge.name.to_string(),
            capacity: gauge.capacity,
            depth: gauge.depth,
        })
        .collect();
    assert_shown(&shown, &before, &after);
    for gauge in &report.gauges {
        if let Some(known) = after.get(&gauge.instance) {
            assert_eq!(gauge.label.as_deref(), known.label);
        }
    }
    let shown: BTreeMap<_, _> = report
        .limits
        .iter()
        .map(|limit| (limit.name.to_string(), Sums::of(limit)))
        .collect();
    for least in [greatest, Sums::done(&before)] {
        for (name, least) in least {
            let sums = shown.get(&name).copied().unwrap_or_default();
            assert_eq!(
                sums.greatest(least),
                sums,
                "stepped back from {least:?}: {name}"
            );
        }
    }
    let mut greatest = ledger.greatest.lock().unwrap();
    for (name, sums) in shown {
        let most = after.values().filter(|known| known.name.as_str() == name);
        let enqueued: usize = most.clone().map(|known| known.enqueues_begun).sum();
        let dequeued: usize = most.map(|known| known.dequeues_begun).sum();
        assert!(
            sums.enqueued <= enqueued && sums.dequeued <= dequeued,
            "counted twice: {name} {sums:?}"
        );
        let before = greatest.entry(name).or_default();
        *before = before.greatest(sums);
    }
    drop(greatest);
    report
}

fn work(registry: &impl Registers, ledger: &Ledger) {
    for _ in 0..pick(&[2, 4, 8]) {
        match pick(&[0, 0, 1, 2, 2, 3, 4, 4, 5, 6]) {
            0 => register(registry, ledger),
            1 => drop(snapshot(registry, ledger)),
            6 => drop(report(registry, ledger)),
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
                    4 => {
                        ledger.update(&handle, |known| known.enqueues_begun += 1);
                        handle.record_enqueue();
                        ledger.update(&handle, |known| known.enqueues_done += 1);
                        ledger.put_handle(handle);
                    }
                    _ => {
                        dequeue(&handle, ledger);
                        ledger.put_handle(handle);
                    }
                }
            }
        }
    }
}

/// Takes one of those that were put in. The event is left to the background thread.
fn dequeue(handle: &QueueGauge, ledger: &Ledger) {
    let may_dequeue = ledger.update(handle, |known| {
        let may_dequeue = known.dequeues_begun < known.enqueues_done;
        known.dequeues_begun += usize::from(may_dequeue);
        may_dequeue
    });
    if may_dequeue {
        handle.deferred().record_dequeue();
        ledger.update(handle, |known| known.dequeues_done += 1);
    }
}

/// Three tasks register, share, use and drop gauges, take snapshots and write reports at random.
/// Every live gauge is shown, and no dropped one. In the end the registry holds the live gauges,
/// with their figures, and sums of all.
fn program<R: Registers>(make: impl FnOnce(QueueRegistry) -> R) {
    refuse_threads(pick(&[true, false]));
    let ledger = Arc::new(Ledger::default());
    let sink = Arc::downgrade(&ledger);
    let registry = QueueRegistry::new("own").sink(move |event| {
        if let Some(ledger) = sink.upgrade() {
            ledger.see(event);
        }
    });
    let registry = Arc::new(make(registry));
    let tasks: Vec<_> = (0..3)
        .map(|_| {
            let (registry, ledger) = (Arc::clone(&registry), Arc::clone(&ledger));
            thread::spawn(move || work(&*registry, &ledger))
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    assert_exact_sums(&*registry, &ledger);
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
    assert_exact_sums(&*registry, &ledger);
    assert_eq!(registry.entries(), 0, "entries stay");
}

/// The sums are exact at rest, and the sink has seen every warning.
fn assert_exact_sums(registry: &impl Registers, ledger: &Ledger) {
    // A gauge that was dropped while its event was being delivered may warn once more.
    drop(report(registry, ledger));
    flush_events(Duration::ZERO).unwrap();
    let report = report(registry, ledger);
    let mut known = ledger.known();
    for known in known.values_mut() {
        known.warnings = known.warnings_seen;
    }
    let shown = report.limits.iter();
    let shown: BTreeMap<_, _> = shown
        .map(|limit| (limit.name.to_string(), Sums::of(limit)))
        .collect();
    assert_eq!(shown, Sums::done(&known), "sums at rest");
}

#[test]
fn a_registry_shows_what_is_live() {
    explore(10_000, || program(|registry| registry));
}

/// A list of weak references as one would first write it.
struct Naive {
    registry: QueueRegistry,
    gauges: Mutex<Vec<Weak<QueueGauge>>>,
    keeps_entries: bool,
}

impl Naive {
    fn new(registry: QueueRegistry, keeps_entries: bool) -> Self {
        Self {
            registry,
            gauges: Mutex::default(),
            keeps_entries,
        }
    }

    fn prune(&self) {
        if !self.keeps_entries {
            let mut gauges = self.gauges.lock().unwrap();
            gauges.retain(|gauge| gauge.strong_count() > 0);
        }
    }
}

impl Registers for Naive {
    fn register(
        &self,
        name: TrackedLimit,
        capacity: usize,
        label: Option<&'static str>,
    ) -> Arc<QueueGauge> {
        let gauge = Registers::register(&self.registry, name, capacity, label);
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

    fn report(&self) -> Report {
        self.registry.report()
    }

    fn entries(&self) -> usize {
        self.prune();
        self.gauges.lock().unwrap().len()
    }
}

#[test]
#[should_panic(expected = "shown when it was gone")]
fn canary_a_snapshot_that_keeps_gauges_alive() {
    explore(TO_FIND, || program(|registry| Naive::new(registry, false)));
}

#[test]
#[should_panic(expected = "entries stay")]
fn canary_entries_that_stay() {
    explore(TO_FIND, || program(|registry| Naive::new(registry, true)));
}

/// A registry whose report reads the sums of gauges that are gone, and then the live gauges.
struct ReadsApart(QueueRegistry);

impl Registers for ReadsApart {
    fn register(
        &self,
        name: TrackedLimit,
        capacity: usize,
        label: Option<&'static str>,
    ) -> Arc<QueueGauge> {
        Registers::register(&self.0, name, capacity, label)
    }

    fn snapshot(&self) -> Vec<QueueSnapshot> {
        self.0.snapshot()
    }

    fn report(&self) -> Report {
        let sums = self.0.report();
        let mut report = self.0.report();
        let gauges = report.gauges.clone();
        for limit in &mut report.limits {
            let gone = sums.limits.iter().find(|sums| sums.name == limit.name);
            let enqueued = |gauges: &[GaugeReport]| -> usize {
                let gauges = gauges.iter().filter(|gauge| gauge.name == limit.name);
                gauges.map(|gauge| gauge.totals.unwrap().enqueued).sum()
            };
            let live = enqueued(&gauges);
            let gone = gone.map_or(0, |gone| {
                gone.totals.unwrap().enqueued - enqueued(&sums.gauges)
            });
            limit.totals.as_mut().unwrap().enqueued = gone + live;
        }
        report
    }

    fn entries(&self) -> usize {
        self.0.entries()
    }
}

#[test]
#[should_panic(expected = "stepped back")]
fn canary_sums_that_are_read_apart_from_the_gauges() {
    explore(TO_FIND, || program(ReadsApart));
}
