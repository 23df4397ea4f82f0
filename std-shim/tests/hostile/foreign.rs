//! The foreign code of a row: where it is called, and what it does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::{self, Write};
use std::mem;
use std::panic;
#[cfg(feature = "edge-waiter")]
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
#[cfg(feature = "edge-waiter")]
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    LimitEvent, LimitSink, LimitWarning, QueueGauge, QueueRegistry, Track, TrackedLimit,
    log_queue_snapshot, queue_snapshot, register_limit, remove_limit_event_handler,
    remove_limit_warning_handler, set_limit_event_handler, set_limit_warning_handler, track, watch,
};
#[cfg(feature = "edge-waiter")]
use fillgauge_std::{LimitEventKind, Waiter};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::channel::{Channel, Receiver, Sender};
use crate::row::{Action, Actor, Row, Shared, lock};

struct Foreign {
    row: Row,
    act: Box<dyn Fn() + Send + Sync>,
    /// That of the gauges below.
    registry: Option<QueueRegistry>,
    /// A gauge that nobody else holds.
    gauge: Mutex<Option<Arc<QueueGauge>>>,
    /// Another, which goes with a registry of its own when a sink that owns a bomb is called.
    doomed: Mutex<Option<Arc<QueueGauge>>>,
}

static FOREIGN: OnceLock<Foreign> = OnceLock::new();
static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ACTED: AtomicUsize = AtomicUsize::new(0);

/// So often it acts: what it does may lead to its being called.
const MOST_ACTS: usize = 3;

/// From now on the foreign code does its worst.
pub(crate) fn arm() {
    #[cfg(feature = "edge-waiter")]
    poll_tasks();
    IS_ARMED.store(true, Ordering::SeqCst);
}

pub(crate) fn disarm() {
    IS_ARMED.store(false, Ordering::SeqCst);
}

/// How often it did.
pub(crate) fn acted() -> usize {
    ACTED.load(Ordering::SeqCst)
}

pub(crate) fn install<C: Channel>(row: Row, shared: &Arc<Shared<C>>) {
    let shared = Arc::clone(shared);
    let registry = registry(row.actor);
    let gauge = gauge(row.actor, registry.as_ref());
    gauge.observe_depth(9);
    let doomed = gauge_of_its_own(row.actor);
    let foreign = Foreign {
        row,
        act: Box::new(move || act(row.action, &shared)),
        registry,
        gauge: Mutex::new(Some(gauge)),
        doomed: Mutex::new(Some(doomed)),
    };
    assert!(FOREIGN.set(foreign).is_ok());
    match row.actor {
        Actor::Subscriber | Actor::Payload | Actor::Formatter | Actor::Allocator => {
            tracing::subscriber::set_global_default(Observer(provoke)).unwrap();
        }
        Actor::Handler => set_limit_warning_handler(Box::new(|_| provoke())),
        Actor::Destructor => {
            let bomb = Bomb;
            set_limit_warning_handler(Box::new(move |_| {
                let _ = &bomb;
                if IS_ARMED.load(Ordering::SeqCst) {
                    // The bomb goes with the last reference, which the caller has.
                    set_limit_warning_handler(Box::new(|_| {}));
                }
            }));
        }
        Actor::EventHandler => set_limit_event_handler(Box::new(|_| provoke())),
        Actor::EventHandlerDestructor => {
            let bomb = Bomb;
            set_limit_event_handler(Box::new(move |_| {
                let _ = &bomb;
                if IS_ARMED.load(Ordering::SeqCst) {
                    remove_limit_event_handler();
                }
            }));
        }
        Actor::DrainHandler => {
            tracing::subscriber::set_global_default(Observer(|| ())).unwrap();
            let watch = watch(QueueRegistry::global()).patience(Duration::from_millis(5));
            let watch = watch.on_drain(|_| provoke());
            // Until the process ends.
            mem::forget(watch.every(Duration::from_millis(1)).unwrap());
        }
        Actor::GaugeSink
        | Actor::CoreSink
        | Actor::RegistrySink
        | Actor::RegistryHandler
        | Actor::Waker
        | Actor::SinkDestructor
        | Actor::RegistryDestructor => {
            // What they cause is logged.
            tracing::subscriber::set_global_default(Observer(|| ())).unwrap();
        }
    }
}

/// A label that would write on the line before and hide the rest of its own, and has no end.
pub(crate) fn label() -> String {
    "\r\u{1b}[1A\0\u{202e}\u{1b}]0;".to_owned() + &"\u{1b}[8m".repeat(2_000)
}

/// A registry whose sinks or handlers are the foreign code, if the row has one.
pub(crate) fn registry(actor: Actor) -> Option<QueueRegistry> {
    let registry = QueueRegistry::new(label());
    match actor {
        Actor::RegistrySink => Some(registry.sink(|_| provoke())),
        Actor::RegistryHandler => Some(registry.warning_handler(|_| provoke())),
        Actor::RegistryDestructor => {
            let (events, warnings) = (Keeper::new(), Keeper::new());
            let registry = registry.sink(move |event| events.sink(event));
            let more = Keeper::new();
            let registry = registry.sink(move |event| more.sink(event));
            Some(registry.warning_handler(move |warning| warnings.handler(warning)))
        }
        _ => None,
    }
}

/// The same with sinks that are the foreign code, if the row has them.
pub(crate) fn add_sinks(actor: Actor, track: Track<'_>) -> Track<'_> {
    static CORE_SINK: CoreSink = CoreSink;
    match actor {
        Actor::GaugeSink => track.sink(|_| provoke()),
        Actor::CoreSink => track.core_sink(&CORE_SINK),
        Actor::SinkDestructor => {
            // Two, which both act at the end of the same gauge.
            let (first, second) = (Keeper::new(), Keeper::new());
            let track = track.sink(move |event| first.sink(event));
            track.sink(move |event| second.sink(event))
        }
        _ => track,
    }
}

fn gauge(actor: Actor, registry: Option<&QueueRegistry>) -> Arc<QueueGauge> {
    let gauge = track(TrackedLimit::VmPtys)
        .capacity(10)
        .label(label())
        .registry(registry.unwrap_or(QueueRegistry::global()));
    add_sinks(actor, gauge).gauge()
}

/// The tasks that await edges.
#[cfg(feature = "edge-waiter")]
static TASKS: Mutex<Vec<Pin<Box<dyn Future<Output = LimitEventKind> + Send>>>> =
    Mutex::new(Vec::new());

/// A task awaits the edges of the gauge, if the row has one.
#[cfg(feature = "edge-waiter")]
pub(crate) fn await_edges(actor: Actor, mut edges: Waiter) {
    if actor == Actor::Waker {
        lock(&TASKS).push(Box::pin(async move {
            loop {
                edges.changed().await;
            }
        }));
    }
}

/// Afterwards each task waits.
#[cfg(feature = "edge-waiter")]
fn poll_tasks() {
    let waker = Waker::from(Arc::new(HostileWaker));
    for task in &mut *lock(&TASKS) {
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
    }
}

/// Acts when it wakes.
#[cfg(feature = "edge-waiter")]
struct HostileWaker;

#[cfg(feature = "edge-waiter")]
impl Wake for HostileWaker {
    fn wake(self: Arc<Self>) {
        provoke();
    }
}

fn gauge_of_its_own(actor: Actor) -> Arc<QueueGauge> {
    gauge(actor, registry(actor).as_ref())
}

struct CoreSink;

impl LimitSink for CoreSink {
    fn on_event(&self, _: &fillgauge::LimitEvent) {
        provoke();
    }
}

/// What a sink or a handler owns that acts when it is dropped, and when it is called drops a gauge
/// with others.
struct Keeper {
    _bomb: Bomb,
}

impl Keeper {
    fn new() -> Self {
        Self { _bomb: Bomb }
    }

    fn sink(&self, _: &LimitEvent) {
        self.drop_doomed();
    }

    fn handler(&self, _: &LimitWarning) {
        self.drop_doomed();
    }

    fn drop_doomed(&self) {
        let foreign = FOREIGN.get();
        if let Some(foreign) = foreign.filter(|_| IS_ARMED.load(Ordering::SeqCst)) {
            let doomed = lock(&foreign.doomed).take();
            drop(doomed);
        }
    }
}

/// Calls the foreign code as the actor of the row does.
pub(crate) fn provoke() {
    let Some(foreign) = FOREIGN.get() else { return };
    if !IS_ARMED.load(Ordering::SeqCst) {
        return;
    }
    match foreign.row.actor {
        Actor::Subscriber
        | Actor::Handler
        | Actor::EventHandler
        | Actor::GaugeSink
        | Actor::CoreSink
        | Actor::RegistrySink
        | Actor::RegistryHandler
        | Actor::Waker
        | Actor::DrainHandler => attack(),
        Actor::Destructor
        | Actor::EventHandlerDestructor
        | Actor::SinkDestructor
        | Actor::RegistryDestructor => drop(Bomb),
        Actor::Payload => panic::panic_any(Bomb),
        Actor::Formatter => {
            let (registry, snapshot) = (QueueRegistry::global(), queue_snapshot());
            let report = registry.report();
            write!(Writer, "{registry:?} {snapshot:?} {report}").unwrap();
            if let Some(gauge) = &*lock(&foreign.gauge) {
                write!(Writer, "{gauge:?}").unwrap();
            }
        }
        // It acts when memory is asked for.
        Actor::Allocator => drop(std::hint::black_box(vec![0_u8; 100])),
    }
}

fn attack() {
    let Some(foreign) = FOREIGN.get() else { return };
    if !IS_ARMED.load(Ordering::SeqCst) {
        return;
    }
    let acted = ACTED.fetch_add(1, Ordering::SeqCst);
    if acted < MOST_ACTS || matches!(foreign.row.action, Action::Panics | Action::PanicsTwice) {
        (foreign.act)();
    }
}

fn act<C: Channel>(action: Action, shared: &Shared<C>) {
    match action {
        Action::Panics => panic!("hostile"),
        Action::PanicsTwice => panic::panic_any(PanicsWhenDropped),
        Action::WaitsForRoom => {
            if let Some(sender) = shared.sender() {
                while shared.try_send(&sender) {}
                shared.drains.store(1, Ordering::SeqCst);
                shared.send(&sender);
            }
        }
        Action::Receives => {
            // The thread that calls may be the one that receives.
            for _ in 0..20 {
                match shared.receiver.try_lock() {
                    Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
                    _ => break,
                }
            }
            if shared.receiver.try_lock().is_ok() {
                shared.try_recv();
            }
        }
        Action::ReceivesElsewhere => {
            drop(shared.elsewhere.0.clone());
            let _ = lock(&shared.elsewhere.1).try_recv();
        }
        Action::Registers => {
            let gauge = register_limit(TrackedLimit::VmOpenFds, 10);
            gauge.observe_depth(9);
            gauge.observe_depth(0);
            let registry = QueueRegistry::new("short-lived").sink(|_| attack());
            let gauge = track("short-lived")
                .capacity(10)
                .label(label())
                .sink(|_| attack())
                .registry(&registry)
                .gauge();
            gauge.observe_depth(9);
        }
        Action::DropsLastGauge => {
            let gauge = FOREIGN
                .get()
                .and_then(|foreign| lock(&foreign.gauge).take());
            drop(gauge);
        }
        Action::ReplacesHandlers => {
            set_limit_warning_handler(Box::new(|_| {}));
            set_limit_event_handler(Box::new(|_| {}));
        }
        Action::RemovesHandlers => {
            remove_limit_warning_handler();
            remove_limit_event_handler();
        }
        Action::Reports => {
            let shown = format!("{:?} {:?}", queue_snapshot(), QueueRegistry::global());
            assert!(shown.contains("live"));
            log_queue_snapshot();
            let own = FOREIGN.get().and_then(|foreign| foreign.registry.as_ref());
            for registry in own.into_iter().chain([QueueRegistry::global()]) {
                let report = registry.report();
                assert_eq!(report.registry, registry.name());
                drop(format!("{report} {report:?}"));
            }
        }
        Action::LogsThroughChannel => {
            let log = lock(&shared.log.0);
            shared.drains.store(1, Ordering::SeqCst);
            assert!(log.send(0));
        }
    }
}

/// Acts when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        attack();
    }
}

/// What a panic carries.
struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("hostile when dropped");
    }
}

/// Acts when something is formatted into it.
struct Writer;

impl Write for Writer {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        attack();
        Ok(())
    }
}

/// Reads each event, then calls this.
struct Observer(fn());

impl Subscriber for Observer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        drop(format!("{event:?}"));
        (self.0)();
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Acts when memory is asked for, if the row says so.
struct Allocator;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

thread_local! {
    static IS_ALLOCATING: Cell<bool> = const { Cell::new(false) };
}

/// What a scenario does when memory is asked for.
static ON_ALLOCATION: OnceLock<fn()> = OnceLock::new();

pub(crate) fn on_allocation(act: fn()) {
    ON_ALLOCATION.set(act).unwrap();
}

/// Whether this thread is in the middle of an allocation.
pub(crate) fn is_allocating() -> bool {
    IS_ALLOCATING.get()
}

/// This thread asks for memory in peace: it is the consumer that the others wait for.
pub(crate) fn spare_this_thread() {
    IS_ALLOCATING.set(true);
}

impl Allocator {
    fn act() {
        let is_hostile = IS_ARMED.load(Ordering::SeqCst)
            && FOREIGN
                .get()
                .is_some_and(|foreign| foreign.row.actor == Actor::Allocator);
        let hook = ON_ALLOCATION.get();
        if (is_hostile || hook.is_some()) && !IS_ALLOCATING.replace(true) {
            match hook {
                Some(act) => act(),
                None => attack(),
            }
            IS_ALLOCATING.set(false);
        }
    }
}

// SAFETY: memory comes from the system's allocator, and goes back to it.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::act();
        // SAFETY: the caller's contract is that of this function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        Self::act();
        // SAFETY: the caller's contract is that of this function.
        unsafe { System.dealloc(memory, layout) }
    }
}
