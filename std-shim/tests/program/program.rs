// A program that uses every public item of `queue_tracker`, in every way that a program can.
// `main.rs` includes it after a `use` line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::{Debug, Write as _};
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::sync::{Arc, LazyLock, Mutex};
use std::thread;
use std::time::Duration;

/// What the program prints.
type Output = Vec<String>;

/// Every limit, in the order of declaration.
const ALL: [TrackedLimit; 32] = [
    TrackedLimit::JavascriptEventChannel,
    TrackedLimit::V8SessionFrames,
    TrackedLimit::SidecarStdinFrames,
    TrackedLimit::SidecarStdoutFrames,
    TrackedLimit::CompletedSidecarResponses,
    TrackedLimit::PendingProcessEvents,
    TrackedLimit::PendingProcessEventBytes,
    TrackedLimit::PendingExecutionEvents,
    TrackedLimit::PendingExecutionEventBytes,
    TrackedLimit::PendingKernelStdinBytes,
    TrackedLimit::PendingWasmSignals,
    TrackedLimit::PendingSidecarResponses,
    TrackedLimit::OutboundSidecarRequests,
    TrackedLimit::VmProcesses,
    TrackedLimit::VmOpenFds,
    TrackedLimit::VmPipes,
    TrackedLimit::VmPtys,
    TrackedLimit::VmSockets,
    TrackedLimit::VmConnections,
    TrackedLimit::VmSocketBufferedBytes,
    TrackedLimit::VmSocketDatagramQueueLen,
    TrackedLimit::VmFilesystemBytes,
    TrackedLimit::VmInodes,
    TrackedLimit::VmRecursiveFsDepth,
    TrackedLimit::VmRecursiveFsEntries,
    TrackedLimit::V8HeapBytes,
    TrackedLimit::V8ArrayBufferBytes,
    TrackedLimit::V8ExternalMemoryBytes,
    TrackedLimit::V8CpuTimeMs,
    TrackedLimit::V8WallClockMs,
    TrackedLimit::WasmFuelMs,
    TrackedLimit::WasmMemoryBytes,
];

/// What the handler has received.
static WARNED: Mutex<Vec<LimitWarning>> = Mutex::new(Vec::new());

static STATIC_GAUGE: LazyLock<Arc<QueueGauge>> =
    LazyLock::new(|| register_limit(TrackedLimit::V8ArrayBufferBytes, 1 << 20));

/// A type of the program's own that holds what the module gives.
#[derive(Debug)]
struct Session {
    frames: TrackedSyncSender<Vec<u8>>,
    taken: TrackedReceiver<Vec<u8>>,
    gauge: Arc<QueueGauge>,
    before: Option<QueueSnapshot>,
}

/// A trait of the program's own on types of the module.
trait Describe {
    fn describe(&self) -> String;
}

impl Describe for QueueGauge {
    fn describe(&self) -> String {
        format!("{}: {} of {}", self.name().as_str(), self.depth(), self.capacity())
    }
}

impl Describe for QueueSnapshot {
    fn describe(&self) -> String {
        let Self { name, category, depth, high_water, capacity, fill_percent } = self;
        format!("{name:?} {category:?} {depth} {high_water} {capacity} {fill_percent}")
    }
}

impl Describe for LimitWarning {
    fn describe(&self) -> String {
        let LimitWarning { name, category, observed, capacity, fill_percent } = self.clone();
        format!("{name:?} {category:?} {observed} {capacity} {fill_percent}")
    }
}

impl<T> Describe for TrackedSyncSender<T> {
    fn describe(&self) -> String {
        self.gauge().describe()
    }
}

/// An exhaustive `match`.
fn group(limit: TrackedLimit) -> &'static str {
    match limit {
        TrackedLimit::JavascriptEventChannel
        | TrackedLimit::V8SessionFrames
        | TrackedLimit::SidecarStdinFrames
        | TrackedLimit::SidecarStdoutFrames => "frames",
        TrackedLimit::CompletedSidecarResponses
        | TrackedLimit::PendingSidecarResponses
        | TrackedLimit::OutboundSidecarRequests => "rpc",
        TrackedLimit::PendingProcessEvents
        | TrackedLimit::PendingProcessEventBytes
        | TrackedLimit::PendingExecutionEvents
        | TrackedLimit::PendingExecutionEventBytes
        | TrackedLimit::PendingKernelStdinBytes
        | TrackedLimit::PendingWasmSignals => "pending",
        TrackedLimit::VmProcesses
        | TrackedLimit::VmOpenFds
        | TrackedLimit::VmPipes
        | TrackedLimit::VmPtys
        | TrackedLimit::VmSockets
        | TrackedLimit::VmConnections
        | TrackedLimit::VmSocketBufferedBytes
        | TrackedLimit::VmSocketDatagramQueueLen
        | TrackedLimit::VmFilesystemBytes
        | TrackedLimit::VmInodes
        | TrackedLimit::VmRecursiveFsDepth
        | TrackedLimit::VmRecursiveFsEntries => "vm",
        TrackedLimit::V8HeapBytes
        | TrackedLimit::V8ArrayBufferBytes
        | TrackedLimit::V8ExternalMemoryBytes
        | TrackedLimit::V8CpuTimeMs
        | TrackedLimit::V8WallClockMs => "v8",
        TrackedLimit::WasmFuelMs | TrackedLimit::WasmMemoryBytes => "wasm",
    }
}

fn weight(category: LimitCategory) -> u8 {
    match category {
        LimitCategory::Queue => 1,
        LimitCategory::Resource => 2,
        LimitCategory::Memory => 3,
        LimitCategory::Cpu => 4,
    }
}

/// A name of the program's own.
#[derive(Clone, Copy)]
struct Mine;

impl From<Mine> for TrackedLimit {
    fn from(_: Mine) -> Self {
        Self::VmInodes
    }
}

fn same<T: Debug + Clone + PartialEq + Eq>(value: &T) -> bool {
    value.clone() == *value
}

fn shared<T: Send + Sync>(_: &T) {}

pub(crate) fn run() -> Output {
    let mut out = Output::new();
    names(&mut out);
    gauges(&mut out);
    registries(&mut out);
    channels(&mut out);
    warnings(&mut out);
    functions(&mut out);
    out
}

fn names(out: &mut Output) {
    const POINTS: [usize; 2] = [WARN_FILL_PERCENT, REARM_FILL_PERCENT];
    out.push(format!("{POINTS:?}"));
    let mut by_number = BTreeMap::new();
    let mut seen: HashSet<TrackedLimit> = HashSet::new();
    for limit in ALL {
        let copied = limit;
        assert!(seen.insert(copied) && copied == limit && same(&limit));
        by_number.insert(limit as usize, limit as u8 as char);
        out.push(format!(
            "{} {limit:?} {} {} {:?} {} {}",
            limit as usize,
            limit.as_str(),
            limit.category().as_str(),
            limit.category(),
            group(limit),
            weight(limit.category()),
        ));
    }
    out.push(format!("{}", by_number.len()));
    let as_names: Vec<&'static str> = ALL.iter().copied().map(TrackedLimit::as_str).collect();
    out.push(as_names.join(" "));
    let as_tags = ALL.map(TrackedLimit::category).map(LimitCategory::as_str);
    out.push(as_tags.join(" "));
    let table: [usize; 32] = std::array::from_fn(|number| ALL[number] as usize);
    out.push(format!("{table:?}"));
}

fn gauges(out: &mut Output) {
    let gauge: Arc<QueueGauge> = register_queue(TrackedLimit::PendingWasmSignals, 10);
    let clone = Arc::clone(&gauge);
    shared(&gauge);
    for depth in [0, 3, 7, 8, 9, 10, 12, 6, 5, 2, 0] {
        clone.observe_depth(depth);
        let figures = (gauge.depth(), gauge.high_water(), gauge.capacity());
        out.push(format!("{figures:?} {}", gauge.describe()));
    }
    for _ in 0..4 {
        gauge.record_enqueue();
    }
    for _ in 0..6 {
        gauge.record_dequeue();
    }
    out.push(format!("{} {}", gauge.depth(), gauge.high_water()));
    match gauge.name() {
        TrackedLimit::PendingWasmSignals => out.push("pending wasm signals".to_owned()),
        other => out.push(format!("not {other:?}")),
    }
    out.push(format!("{:?} {}", gauge.name(), gauge.name() as usize));
    out.push(format!("{:?}", gauge.category() == LimitCategory::Queue));
    assert!(!format!("{gauge:?}").is_empty());
    let names: HashMap<TrackedLimit, Arc<QueueGauge>> =
        [gauge, STATIC_GAUGE.clone()].into_iter().map(|gauge| (gauge.name(), gauge)).collect();
    let mut keys: Vec<usize> = names.keys().map(|name| *name as usize).collect();
    keys.sort_unstable();
    out.push(format!("{keys:?}"));
    register_limit(TrackedLimit::VmInodes, 1);
    register_queue(TrackedLimit::PendingWasmSignals, 1);
    QueueRegistry::global().register(TrackedLimit::VmPtys, 1);
    queue_snapshot();
    let unbounded = register_limit(TrackedLimit::VmInodes, 0);
    out.push(format!("{}", unbounded.name() == Mine.into()));
    unbounded.observe_depth(usize::MAX / 2);
    out.push(format!("{} {}", unbounded.describe(), unbounded.high_water()));
}

fn registries(out: &mut Output) {
    let registry = QueueRegistry::default();
    shared(&registry);
    let mut gauges: Vec<Arc<QueueGauge>> = ALL
        .iter()
        .zip(1..)
        .map(|(limit, capacity)| registry.register(*limit, capacity))
        .collect();
    for (depth, gauge) in gauges.iter().enumerate() {
        gauge.observe_depth(depth);
    }
    gauges.remove(20);
    gauges.remove(7);
    gauges.push(registry.register(TrackedLimit::VmPtys, 99));
    let mut counts: HashMap<TrackedLimit, usize> = HashMap::new();
    let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
    for s in registry.snapshot() {
        *counts.entry(s.name).or_default() += s.name as usize;
        *groups.entry(group(s.name)).or_insert(0) += match s.name {
            TrackedLimit::VmPtys | TrackedLimit::VmPipes => 100,
            _ => 1,
        };
        assert!(same(&s) && ALL.contains(&s.name));
        out.push(s.describe());
    }
    let mut counts: Vec<(usize, usize)> =
        counts.into_iter().map(|(name, count)| (name as usize, count)).collect();
    counts.sort_unstable();
    out.push(format!("{counts:?} {groups:?}"));
    let built = QueueSnapshot {
        name: TrackedLimit::VmPipes,
        category: LimitCategory::Resource,
        depth: 1,
        high_water: 2,
        capacity: 4,
        fill_percent: 25,
    };
    let changed = QueueSnapshot { depth: 2, fill_percent: 50, ..built.clone() };
    out.push(format!("{} {:?} {}", changed.describe(), built, built == changed));
    drop(gauges);
    out.push(format!("{}", registry.snapshot().len()));

    let _gauge = QueueRegistry::global().register(TrackedLimit::WasmMemoryBytes, 64);
    let of_global = |snapshot: Vec<QueueSnapshot>| {
        let mut named = snapshot.into_iter();
        named.find(|s| matches!(s.name, TrackedLimit::WasmMemoryBytes)).map(|s| s.capacity)
    };
    out.push(format!("{:?}", of_global(queue_snapshot())));
    out.push(format!("{:?}", of_global(QueueRegistry::global().snapshot())));
    log_queue_snapshot();
}

fn channels(out: &mut Output) {
    let (sender, receiver) = tracked_sync_channel::<Vec<u8>>(TrackedLimit::V8SessionFrames, 2);
    let session = Session {
        gauge: Arc::clone(sender.gauge()),
        frames: sender,
        taken: receiver,
        before: queue_snapshot().into_iter().find(|s| s.name == TrackedLimit::V8SessionFrames),
    };
    assert!(!format!("{session:?}").is_empty());
    out.push(format!("{:?}", session.before));
    let frames = session.frames.clone();
    let sent: Result<(), SendError<Vec<u8>>> = frames.send(vec![1]);
    out.push(format!("{sent:?} {}", session.gauge.describe()));
    let tried: Result<(), TrySendError<Vec<u8>>> = frames.try_send(vec![2]);
    out.push(format!("{tried:?} {}", session.frames.describe()));
    out.push(format!("{:?}", frames.try_send(vec![3])));
    let taken: Result<Vec<u8>, RecvError> = session.taken.recv();
    out.push(format!("{taken:?} {}", session.gauge.depth()));
    let timed: Result<Vec<u8>, RecvTimeoutError> = session.taken.recv_timeout(Duration::ZERO);
    out.push(format!("{timed:?}"));
    let none: Result<Vec<u8>, TryRecvError> = session.taken.try_recv();
    out.push(format!("{none:?} {:?}", session.taken.recv_timeout(Duration::from_millis(1))));
    let Session { frames: first, taken, gauge, .. } = session;
    let sum = thread::scope(|scope| {
        for number in 0..4_u8 {
            let frames = frames.clone();
            scope.spawn(move || (0..50).for_each(|_| frames.send(vec![number]).unwrap()));
        }
        drop((first, frames));
        let mut sum = 0;
        while let Ok(frame) = taken.recv() {
            sum += usize::from(frame[0]);
        }
        sum
    });
    out.push(format!("{sum} {} {:?}", gauge.depth(), taken.try_recv()));
    drop(taken);
    let (sender, receiver) = tracked_sync_channel(TrackedLimit::OutboundSidecarRequests, 1);
    drop(receiver);
    let sent: Result<(), SendError<char>> = sender.try_send('a').map_err(|error| match error {
        TrySendError::Full(value) | TrySendError::Disconnected(value) => SendError(value),
    });
    out.push(format!("{sent:?} {:?}", sender.send('b')));
}

fn warnings(out: &mut Output) {
    set_limit_warning_handler(Box::new(|warning: &LimitWarning| {
        WARNED.lock().unwrap().push(warning.clone());
    }));
    let gauges = [
        register_limit(TrackedLimit::VmPipes, 10),
        register_limit(TrackedLimit::V8HeapBytes, 1000),
    ];
    for percent in [10, 79, 80, 100, 51, 85, 50, 90, 0] {
        for gauge in &gauges {
            gauge.observe_depth(gauge.capacity() * percent / 100);
        }
    }
    warn_limit_exhausted(TrackedLimit::V8CpuTimeMs, 33_000, 30_000);
    warn_limit_exhausted(TrackedLimit::WasmFuelMs, 5, 0);
    let (sender, _receiver) = tracked_sync_channel(TrackedLimit::SidecarStdinFrames, 5);
    (0..5).for_each(|frame| sender.try_send(frame).unwrap());
    set_limit_warning_handler(Box::new(|_| {}));
    gauges[0].observe_depth(10);
    let warned = std::mem::take(&mut *WARNED.lock().unwrap());
    let mut counts: HashMap<TrackedLimit, usize> = HashMap::new();
    for warning in &warned {
        *counts.entry(warning.name).or_insert(0) += 1;
        out.push(format!("{} {warning:?}", warning.describe()));
    }
    out.push(warned.iter().map(|warning| warning.name).map(TrackedLimit::as_str).collect());
    out.push(format!("{:?}", counts.get(&TrackedLimit::VmPipes)));
    let built = LimitWarning {
        name: TrackedLimit::VmPtys,
        category: TrackedLimit::VmPtys.category(),
        observed: 9,
        capacity: 10,
        fill_percent: 90,
    };
    let LimitWarning { fill_percent, .. } = built;
    let mut text = String::new();
    write!(text, "{:?} {fill_percent}", LimitWarning { observed: 8, ..built.clone() }).unwrap();
    out.push(text);
}

/// The functions have the types that a program may write down.
fn functions(out: &mut Output) {
    type Handler = Box<dyn Fn(&LimitWarning) + Send + Sync>;
    type Channel = (TrackedSyncSender<u8>, TrackedReceiver<u8>);
    let register: [fn(TrackedLimit, usize) -> Arc<QueueGauge>; 2] =
        [register_queue, register_limit];
    let of_registry: fn(&QueueRegistry, TrackedLimit, usize) -> Arc<QueueGauge> =
        QueueRegistry::register;
    let snapshots: [fn() -> Vec<QueueSnapshot>; 1] = [queue_snapshot];
    let snapshot_of: fn(&QueueRegistry) -> Vec<QueueSnapshot> = QueueRegistry::snapshot;
    let channel: fn(TrackedLimit, usize) -> Channel = tracked_sync_channel;
    let exhausted: fn(TrackedLimit, usize, usize) = warn_limit_exhausted;
    let set: fn(Handler) = set_limit_warning_handler;
    let log: fn() = log_queue_snapshot;
    let global: fn() -> &'static QueueRegistry = QueueRegistry::global;
    let default: fn() -> QueueRegistry = QueueRegistry::default;
    let record: [fn(&QueueGauge); 2] = [QueueGauge::record_enqueue, QueueGauge::record_dequeue];
    let observe: fn(&QueueGauge, usize) = QueueGauge::observe_depth;
    let figures: [fn(&QueueGauge) -> usize; 3] =
        [QueueGauge::depth, QueueGauge::high_water, QueueGauge::capacity];
    let name: fn(&QueueGauge) -> TrackedLimit = QueueGauge::name;
    let category: fn(&QueueGauge) -> LimitCategory = QueueGauge::category;
    let send: fn(&TrackedSyncSender<u8>, u8) -> Result<(), SendError<u8>> =
        TrackedSyncSender::<u8>::send;
    let gauge_of: fn(&TrackedSyncSender<u8>) -> &Arc<QueueGauge> = TrackedSyncSender::gauge;
    let recv: fn(&TrackedReceiver<u8>) -> Result<u8, RecvError> = TrackedReceiver::recv;

    let registry = default();
    let gauge = of_registry(&registry, TrackedLimit::VmConnections, 4);
    record[0](&gauge);
    record[0](&gauge);
    record[1](&gauge);
    out.push(format!("{:?}", figures.map(|figure| figure(&gauge))));
    observe(&gauge, 3);
    out.push(format!("{:?} {:?}", name(&gauge), category(&gauge)));
    out.push(format!("{:?}", snapshot_of(&registry)));
    let (sender, receiver) = channel(TrackedLimit::SidecarStdoutFrames, 3);
    send(&sender, 7).unwrap();
    out.push(format!("{} {:?}", gauge_of(&sender).describe(), recv(&receiver)));
    let gauges = register.map(|register| register(TrackedLimit::PendingProcessEvents, 6));
    let is_ours = |s: &QueueSnapshot| s.name == TrackedLimit::PendingProcessEvents;
    let found = snapshots.map(|snapshot| snapshot().into_iter().filter(is_ours).count());
    out.push(format!("{found:?} {}", snapshot_of(global()).into_iter().filter(is_ours).count()));
    drop(gauges);
    set(Box::new(|_| {}));
    exhausted(TrackedLimit::V8WallClockMs, 1, 1);
    log();
}
