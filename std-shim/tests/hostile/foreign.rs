//! The foreign code of a row: where it is called, and what it does.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, TryLockError};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    QueueGauge, QueueRegistry, TrackedLimit, log_queue_snapshot, queue_snapshot, register_limit,
    set_limit_warning_handler,
};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::channel::{Channel, Receiver, Sender};
use crate::row::{Action, Actor, Row, Shared, lock};

struct Foreign {
    row: Row,
    act: Box<dyn Fn() + Send + Sync>,
    /// A gauge that nobody else holds.
    gauge: Mutex<Option<Arc<QueueGauge>>>,
}

static FOREIGN: OnceLock<Foreign> = OnceLock::new();
static IS_ARMED: AtomicBool = AtomicBool::new(false);
static ACTED: AtomicUsize = AtomicUsize::new(0);

/// So often it acts: what it does may lead to its being called.
const MOST_ACTS: usize = 3;

/// From now on the foreign code does its worst.
pub(crate) fn arm() {
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
    let gauge = register_limit(TrackedLimit::VmPtys, 10);
    gauge.observe_depth(9);
    let foreign = Foreign {
        row,
        act: Box::new(move || act(row.action, &shared)),
        gauge: Mutex::new(Some(gauge)),
    };
    assert!(FOREIGN.set(foreign).is_ok());
    match row.actor {
        Actor::Subscriber | Actor::Payload | Actor::Formatter | Actor::Allocator => {
            tracing::subscriber::set_global_default(Observer).unwrap();
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
    }
}

/// Calls the foreign code as the actor of the row does.
pub(crate) fn provoke() {
    let Some(foreign) = FOREIGN.get() else { return };
    if !IS_ARMED.load(Ordering::SeqCst) {
        return;
    }
    match foreign.row.actor {
        Actor::Subscriber | Actor::Handler => attack(),
        Actor::Destructor => drop(Bomb),
        Actor::Payload => panic::panic_any(Bomb),
        Actor::Formatter => {
            let (registry, snapshot) = (QueueRegistry::global(), queue_snapshot());
            write!(Writer, "{registry:?} {snapshot:?}").unwrap();
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
    if acted < MOST_ACTS || foreign.row.action == Action::Panics {
        (foreign.act)();
    }
}

fn act<C: Channel>(action: Action, shared: &Shared<C>) {
    match action {
        Action::Panics => panic!("hostile"),
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
        }
        Action::DropsLastGauge => {
            let gauge = FOREIGN
                .get()
                .and_then(|foreign| lock(&foreign.gauge).take());
            drop(gauge);
        }
        Action::ReplacesHandler => set_limit_warning_handler(Box::new(|_| {})),
        Action::Snapshots => {
            let shown = format!("{:?} {:?}", queue_snapshot(), QueueRegistry::global());
            assert!(shown.contains("live"));
            log_queue_snapshot();
        }
        Action::LogsThroughChannel => {
            let log = lock(&shared.log.0);
            shared.drains.store(1, Ordering::SeqCst);
            log.send(0).unwrap();
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

/// Acts when something is formatted into it.
struct Writer;

impl Write for Writer {
    fn write_str(&mut self, _: &str) -> fmt::Result {
        attack();
        Ok(())
    }
}

/// Calls the foreign code at each event.
struct Observer;

impl Subscriber for Observer {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        provoke();
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
