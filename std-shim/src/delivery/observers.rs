//! The observers of an event: the log and the warning handler, in this order.

use std::sync::Arc;

use fillgauge::{Edge, LimitEvent, LimitWarning, QueueSnapshot};
use tracing::dispatcher::{self, WeakDispatch};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level};

use super::guard;
use crate::sync::Slot;

/// Boxed, since a slot holds one word.
type Handler = Box<dyn Fn(&LimitWarning) + Send + Sync>;

/// The target of all lines, to filter them by, whatever module writes them.
const TARGET: &str = "fillgauge_std";

static HANDLER: Slot<Handler> = Slot::new();

/// Installs the handler that receives every warning of the process, in place of the one before:
/// each time a gauge reaches its warn threshold, and each
/// [`warn_limit_exhausted`](crate::warn_limit_exhausted).
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
    let previous = HANDLER.replace(Arc::new(handler));
    // What the previous handler owned may do anything when it is dropped.
    if let Err(panic) = guard::run(|| drop(previous)) {
        Log::LOCAL.write(|| {
            tracing::error!(target: TARGET, panic, "limit warning handler panicked when it was dropped");
        });
    }
}

/// Whether any observer may want the events of `edge`. No foreign code runs.
#[inline]
pub(crate) fn may_want(edge: Edge) -> bool {
    match edge {
        Edge::NearCapacity => is_logged(Level::WARN) || HANDLER.is_set(),
        Edge::Full => is_logged(Level::INFO),
        Edge::Recovered => is_logged(Level::DEBUG),
    }
}

/// Whether any observer wants `event`. `may_log` says whether its gauge may log one more line. No
/// foreign code runs.
pub(crate) fn want(event: &LimitEvent, may_log: impl FnOnce() -> bool) -> bool {
    let handled = event.warning().is_some() && HANDLER.is_set();
    // In this order: a line that may not be logged counts as suppressed, here or when it is
    // delivered.
    handled || is_logged(level_of(event)) && may_log()
}

/// Lets every observer have `event`. `take_line` takes the right to log one more line, and says how
/// many were suppressed before it.
#[inline]
pub(crate) fn notify(event: &LimitEvent, log: &Log, take_line: impl Fn() -> Option<usize>) {
    if is_logged(level_of(event)) {
        if let Some(suppressed) = take_line() {
            log.write(|| write(event, suppressed));
        }
    }
    if let Some(warning) = event.warning() {
        if let Err(panic) = handle(&warning) {
            log_panic(&warning, panic, log, take_line);
        }
    }
}

fn handle(warning: &LimitWarning) -> Result<(), String> {
    let handler = HANDLER.load();
    if handler.is_none() {
        return Ok(());
    }
    // The handler may have been replaced meanwhile, and this be the last reference.
    guard::run_with(handler, |handler| {
        if let Some(handler) = &**handler {
            handler(warning);
        }
    })
}

#[cold]
fn log_panic(
    warning: &LimitWarning,
    panic: String,
    log: &Log,
    take_line: impl Fn() -> Option<usize>,
) {
    if !is_logged(Level::ERROR) {
        return;
    }
    if let Some(suppressed) = take_line() {
        log.write(|| {
            tracing::error!(
                target: TARGET,
                limit = warning.name.as_str(),
                instance = warning.instance,
                panic,
                suppressed = some(suppressed),
                "limit warning handler panicked"
            );
        });
    }
}

/// Whether what was suppressed can be said. Otherwise the count is kept.
pub(crate) fn can_say() -> bool {
    is_logged(Level::WARN)
}

/// Logs that `suppressed` lines were not logged.
pub(crate) fn say_suppressed(
    log: &Log,
    limit: &'static fillgauge::Limit,
    instance: usize,
    suppressed: usize,
) {
    if suppressed > 0 {
        log.write(|| {
            tracing::warn!(
                target: TARGET,
                limit = limit.as_str(),
                category = limit.category().as_str(),
                instance,
                suppressed,
                "bounded limit events were not logged"
            );
        });
    }
}

/// Logs the figures of a gauge.
pub(crate) fn log_usage(gauge: &QueueSnapshot) {
    Log::LOCAL.write(|| {
        tracing::debug!(
            target: TARGET,
            limit = gauge.name.as_str(),
            category = gauge.category.as_str(),
            instance = gauge.instance,
            depth = gauge.depth,
            high_water = gauge.high_water,
            capacity = gauge.capacity,
            fill_percent = gauge.fill_percent,
            warnings = gauge.warnings,
            "limit usage"
        );
    });
}

/// Where lines go.
pub(crate) struct Log(Option<WeakDispatch>);

impl Log {
    /// The subscriber of whatever thread writes.
    pub(crate) const LOCAL: Self = Self(None);

    /// The subscriber of this thread, for a thread that writes in its place. Weakly, since it may
    /// be gone by then.
    pub(crate) fn current() -> Self {
        // Nothing of the subscriber runs here: it is not even asked what it is.
        Self(Some(dispatcher::get_default(Dispatch::downgrade)))
    }

    #[cold]
    fn write(&self, line: impl FnOnce()) {
        let log = self.0.as_ref().and_then(WeakDispatch::upgrade);
        // The subscriber may have been dropped meanwhile, so that its destructor runs here. If that
        // panics, there is no subscriber left to report it to.
        let written = guard::run_with(log, |log| match log {
            // There was none, or `tracing` hid it, as it does from what a subscriber itself causes.
            Some(log) if !log.is::<NoSubscriber>() => dispatcher::with_default(log, line),
            _ => line(),
        });
        drop(written);
    }
}

/// Whether any subscriber may want lines of `level`: what `tracing` itself asks first.
fn is_logged(level: Level) -> bool {
    level <= STATIC_MAX_LEVEL && level <= LevelFilter::current()
}

/// The level of the line of `event`.
fn level_of(event: &LimitEvent) -> Level {
    match event {
        LimitEvent::NearCapacity(_) | LimitEvent::Exhausted(_) => Level::WARN,
        LimitEvent::Full(_) => Level::INFO,
        _ => Level::DEBUG,
    }
}

fn write(event: &LimitEvent, suppressed: usize) {
    let gauge = event.snapshot();
    // Level and message of an event are fixed where it is written, hence a macro.
    macro_rules! emit {
        ($level:ident, $message:literal, $depth:ident) => {
            tracing::$level!(
                target: TARGET,
                limit = gauge.name.as_str(),
                category = gauge.category.as_str(),
                instance = gauge.instance,
                $depth = gauge.depth,
                capacity = gauge.capacity,
                fill_percent = gauge.fill_percent,
                suppressed = some(suppressed),
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

/// A field that is there only if it says something.
fn some(count: usize) -> Option<usize> {
    (count > 0).then_some(count)
}
