//! The handlers of the process: one of warnings, one of all events.

use std::sync::Arc;

use super::guard;
use super::log::Log;
use crate::event::{LimitEvent, LimitWarning};
use crate::sync::Slot;

/// Boxed, since a slot holds one word.
type Handler<Event> = Box<dyn Fn(&Event) + Send + Sync>;

static ON_WARNING: Slot<Handler<LimitWarning>> = Slot::new();
static ON_WARNING_OF_THE_ORIGINAL: Slot<Handler<LimitWarning>> = Slot::new();
static ON_EVENT: Slot<Handler<LimitEvent>> = Slot::new();

/// Installs the handler that receives every warning of the process, in place of the one before:
/// each time a gauge reaches its warn threshold, and each
/// [`warn_limit_exhausted`](crate::warn_limit_exhausted). To hear of recoveries too, install a
/// [`set_limit_event_handler`].
///
/// It runs after the `tracing` event, outside of every lock, on one of these threads:
///
/// | the warning is caused by | it runs on |
/// |---|---|
/// | a send, a record or an observation of yours, `warn_limit_exhausted` | that thread |
/// | a receive, or anything that is dropped | the [background thread](crate#who-delivers) |
/// | anything on a channel or registry that is `background()` | the background thread |
///
/// A queue of your own does the same, if its consumer records through `gauge.deferred()`, see
/// [`Gauge::deferred`](fillgauge::Gauge::deferred).
///
/// A producer takes over the warning that waits for the background thread. Warnings of one gauge
/// reach the handler one after the other, in their order.
///
/// The handler may send on tracked channels, also wait for room in the one that warns. It may
/// receive, register and drop gauges, and install another handler. A panic in it is caught and
/// logged. It should be quick: the thread waits for it, and so does the next event of that gauge.
///
/// ```
/// use std::sync::{Arc, Mutex};
/// use fillgauge_std::{register_limit, set_limit_warning_handler};
///
/// let seen = Arc::new(Mutex::new(Vec::new()));
/// let list = Arc::clone(&seen);
/// set_limit_warning_handler(Box::new(move |warning| {
///     list.lock().unwrap().push((warning.name.as_str(), warning.fill_percent));
/// }));
///
/// let pipes = register_limit("pipes", 10);
/// pipes.observe_depth(9);
/// pipes.observe_depth(10); // still near capacity: no second warning
/// assert_eq!(*seen.lock().unwrap(), [("pipes", 90)]);
/// ```
pub fn set_limit_warning_handler(handler: Box<dyn Fn(&LimitWarning) + Send + Sync>) {
    replace(&ON_WARNING, Some(handler), "warning handler");
}

/// Removes the handler that [`set_limit_warning_handler`] has installed, if there is one.
///
/// A call of it that has begun on another thread may still be in progress.
///
/// ```
/// use fillgauge_std::{register_limit, remove_limit_warning_handler, set_limit_warning_handler};
///
/// set_limit_warning_handler(Box::new(|warning| panic!("{} is near capacity", warning.name)));
/// remove_limit_warning_handler();
/// register_limit("pipes", 10).observe_depth(9);
/// ```
pub fn remove_limit_warning_handler() {
    replace(&ON_WARNING, None, "warning handler");
}

/// Installs the handler that receives every event of the process, in place of the one before:
/// warnings, limits that became full, recoveries.
///
/// It runs after the warning handler, on the same threads and by the same rules, see
/// [`set_limit_warning_handler`].
///
/// ```
/// use std::sync::atomic::{AtomicBool, Ordering};
/// use fillgauge_std::{LimitEventKind, register_limit, set_limit_event_handler};
///
/// static PAUSED: AtomicBool = AtomicBool::new(false);
///
/// set_limit_event_handler(Box::new(|event| match event.kind() {
///     LimitEventKind::NearCapacity => PAUSED.store(true, Ordering::Relaxed),
///     LimitEventKind::Recovered => PAUSED.store(false, Ordering::Relaxed),
///     _ => {}
/// }));
///
/// let sessions = register_limit("sessions", 10);
/// sessions.observe_depth(8);
/// assert!(PAUSED.load(Ordering::Relaxed));
/// sessions.observe_depth(5);
/// assert!(!PAUSED.load(Ordering::Relaxed));
/// ```
pub fn set_limit_event_handler(handler: Box<dyn Fn(&LimitEvent) + Send + Sync>) {
    replace(&ON_EVENT, Some(handler), "event handler");
}

/// Removes the handler that [`set_limit_event_handler`] has installed, if there is one.
///
/// A call of it that has begun on another thread may still be in progress.
///
/// ```
/// use fillgauge_std::{register_limit, remove_limit_event_handler, set_limit_event_handler};
///
/// set_limit_event_handler(Box::new(|event| panic!("{}", event.kind())));
/// remove_limit_event_handler();
/// register_limit("pipes", 10).observe_depth(9);
/// ```
pub fn remove_limit_event_handler() {
    replace(&ON_EVENT, None, "event handler");
}

/// The warning handler of `queue_tracker`, which runs beside the other.
pub(crate) fn set_handler_of_the_original(handler: Handler<LimitWarning>) {
    replace(
        &ON_WARNING_OF_THE_ORIGINAL,
        Some(handler),
        "warning handler",
    );
}

fn replace<E>(slot: &'static Slot<Handler<E>>, handler: Option<Handler<E>>, name: &str) {
    let previous = slot.replace(handler.map(Arc::new));
    // What the previous handler owned may do anything when it is dropped.
    if let Err(panic) = guard::run(|| drop(previous)) {
        Log::LOCAL.write_panic_of_drop(name, &panic);
    }
}

/// Whether there is a handler of warnings.
pub(super) fn want_warnings() -> bool {
    ON_WARNING.is_set() || ON_WARNING_OF_THE_ORIGINAL.is_set()
}

/// Whether there is a handler of all events.
pub(super) fn want_events() -> bool {
    ON_EVENT.is_set()
}

/// Runs the handlers of warnings.
pub(super) fn handle_warning(warning: &LimitWarning, mut panicked: impl FnMut(&str, String)) {
    for slot in [&ON_WARNING, &ON_WARNING_OF_THE_ORIGINAL] {
        if let Err(panic) = handle(slot, warning) {
            panicked("warning handler", panic);
        }
    }
}

/// Runs the handler of all events.
pub(super) fn handle_event(event: &LimitEvent, mut panicked: impl FnMut(&str, String)) {
    if let Err(panic) = handle(&ON_EVENT, event) {
        panicked("event handler", panic);
    }
}

fn handle<E>(slot: &'static Slot<Handler<E>>, event: &E) -> Result<(), String> {
    if !slot.is_set() {
        return Ok(());
    }
    let handler = slot.load();
    // The handler may have been replaced meanwhile, and this be the last reference.
    guard::run_with(handler, |handler| {
        if let Some(handler) = &**handler {
            handler(event);
        }
    })
}
