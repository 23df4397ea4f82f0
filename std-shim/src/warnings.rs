//! Where the events of all gauges go: to `tracing`, and warnings to the handler.

use std::any::Any;
use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::{Arc, PoisonError, RwLock};

use fillgauge::{Limit, LimitEvent, LimitSink, LimitWarning};

use crate::sync::{thread, thread_local};

type Handler = Arc<dyn Fn(&LimitWarning) + Send + Sync>;

static HANDLER: RwLock<Option<Handler>> = RwLock::new(None);

/// The sink of every gauge of this crate.
pub(crate) static SINK: Sink = Sink;

pub(crate) struct Sink;

impl LimitSink for Sink {
    fn on_event(&self, event: &LimitEvent) {
        log(event);
        if let Some(warning) = event.warning() {
            handle(&warning);
        }
    }
}

/// Installs the handler that receives every warning of the process, in place of the one before: each time a gauge
/// reaches its warn threshold, and each [`warn_limit_exhausted`].
///
/// It runs after the `tracing` event and outside of every lock, on the thread whose operation went over the threshold, or
/// on one that was about to deliver the gauge's previous event. It may send on tracked channels, register and drop gauges
/// and install another handler. A panic in it is caught and logged. It should be quick: that thread waits for it, as does
/// the next event of that gauge.
///
/// If that thread is in a tracked receiver, the handler runs on a thread of its own: it might wait for room in the very
/// channel that the receiver drains. Those who record dequeues themselves should not wait in the handler for what
/// their consumer does.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use fillgauge_std::{TrackedLimit, register_limit, set_limit_warning_handler};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let sink = Arc::clone(&seen);
/// set_limit_warning_handler(Box::new(move |warning| {
///     sink.lock().unwrap().push((warning.name.as_str(), warning.fill_percent));
/// }));
///
/// let pipes = register_limit(TrackedLimit::VmPipes, 10);
/// pipes.observe_depth(9);
/// pipes.observe_depth(10); // still near capacity: no second warning
/// assert_eq!(*seen.lock().unwrap(), [("vm_pipes", 90)]);
/// ```
pub fn set_limit_warning_handler(handler: Box<dyn Fn(&LimitWarning) + Send + Sync>) {
    let previous = HANDLER
        .write()
        .unwrap_or_else(PoisonError::into_inner)
        .replace(Arc::from(handler));
    // Here the lock is released: what the previous handler owned may do anything when it is dropped.
    drop(previous);
}

/// Warns that a limit is used up which nobody samples on the way, such as a budget of processor time: `observed` of
/// `capacity`.
///
/// ```
/// use fillgauge_std::{TrackedLimit, warn_limit_exhausted};
///
/// warn_limit_exhausted(TrackedLimit::V8CpuTimeMs, 30_000, 30_000);
/// ```
pub fn warn_limit_exhausted(name: impl Into<&'static Limit>, observed: usize, capacity: usize) {
    SINK.on_event(&LimitEvent::exhausted(name.into(), observed, capacity));
}

thread_local! {
    /// This thread records what a tracked receiver took.
    static RECEIVING: Cell<bool> = const { Cell::new(false) };
}

/// Runs `record` as part of a tracked receiver: a handler that it leads to must not keep this thread.
#[inline]
pub(crate) fn while_receiving(record: impl FnOnce()) {
    struct Ends;
    impl Drop for Ends {
        #[inline]
        fn drop(&mut self) {
            RECEIVING.with(|receiving| receiving.set(false));
        }
    }
    RECEIVING.with(|receiving| receiving.set(true));
    let _ends = Ends;
    record();
}

fn handle(warning: &LimitWarning) {
    let handler = HANDLER
        .read()
        .unwrap_or_else(PoisonError::into_inner)
        .clone();
    let Some(handler) = handler else { return };
    let warning = *warning;
    if RECEIVING.with(Cell::get) {
        let elsewhere = Arc::clone(&handler);
        let spawned = thread::Builder::new()
            .name("limit-warning".to_owned())
            .spawn(move || call(elsewhere, &warning));
        if spawned.is_ok() {
            return;
        }
        // Without a thread to be had it runs here: a warning is not lost.
    }
    call(handler, &warning);
}

fn call(handler: Handler, warning: &LimitWarning) {
    // Dropped inside too: it may be the last reference to a handler that was replaced meanwhile.
    let outcome = panic::catch_unwind(AssertUnwindSafe(move || handler(warning)));
    if let Err(payload) = outcome {
        tracing::error!(
            limit = warning.name.as_str(),
            instance = warning.instance,
            panic = panic_message(&*payload),
            "limit warning handler panicked"
        );
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(message) = payload.downcast_ref::<&str>() {
        message
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message
    } else {
        "not a string"
    }
}

fn log(event: &LimitEvent) {
    let gauge = event.snapshot();
    // Level and message of an event are fixed where it is written, hence a macro.
    macro_rules! emit {
        ($level:ident, $message:literal, $depth:ident) => {
            tracing::$level!(
                limit = gauge.name.as_str(),
                category = gauge.category.as_str(),
                instance = gauge.instance,
                $depth = gauge.depth,
                capacity = gauge.capacity,
                fill_percent = gauge.fill_percent,
                $message
            )
        };
    }
    match event {
        LimitEvent::NearCapacity(_) => emit!(warn, "bounded limit near capacity", observed),
        LimitEvent::Exhausted(_) => emit!(warn, "bounded limit exhausted", observed),
        LimitEvent::Full(_) => emit!(info, "bounded limit reached capacity", depth),
        LimitEvent::Recovered(_) => {
            emit!(debug, "bounded limit drained back below threshold", depth);
        }
        // The core may grow kinds of events; none is lost for that.
        _ => emit!(debug, "bounded limit event", depth),
    }
}
