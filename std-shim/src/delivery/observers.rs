//! Who observes the events of a gauge, in this order: the sinks of the gauge, those of its registry,
//! the log, the handlers of warnings, the handler of all events.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use tracing::Level;

use super::guard::Callees;
use super::log::{Log, is_logged};
use super::log_limit::is_worth_a_line;
use super::{guard, handlers};
use crate::event::{LimitEvent, LimitWarning};

/// A sink of a gauge or of a registry.
pub(crate) type EventSink = dyn Fn(&LimitEvent) + Send + Sync;

/// The sinks of a gauge.
#[derive(Clone, Default)]
pub(crate) struct EventSinks(pub(crate) Arc<Callees<EventSink>>);

// A sink that panics is called again, as a handler is: what it may leave broken is its own.
impl UnwindSafe for EventSinks {}
impl RefUnwindSafe for EventSinks {}

/// A handler of the warnings of a registry.
pub(crate) type WarningHandler = dyn Fn(&LimitWarning) + Send + Sync;

/// The observers of one registry.
#[derive(Clone, Default)]
pub(crate) struct Own {
    pub(crate) sinks: Callees<EventSink>,
    pub(crate) warning_handlers: Callees<WarningHandler>,
    /// Its events reach neither the log nor the handlers of the process.
    pub(crate) is_silent: bool,
}

/// Everyone who observes the events of one gauge.
pub(crate) struct Observers {
    /// Those of the gauge.
    pub(crate) sinks: Option<EventSinks>,
    /// Those of its registry.
    pub(crate) own: Option<Arc<Own>>,
}

impl Observers {
    /// The log and the handlers of the process.
    pub(crate) const PROCESS: Self = Self {
        sinks: None,
        own: None,
    };

    fn is_silent(&self) -> bool {
        self.own.as_ref().is_some_and(|own| own.is_silent)
    }

    /// Whether anyone but the log wants `event`. No foreign code runs.
    fn want(&self, event: &LimitEvent) -> bool {
        let is_warning = event.core_event().warning().is_some();
        let own = self.own.as_deref();
        self.sinks.is_some()
            || own.is_some_and(|own| {
                !own.sinks.is_empty() || is_warning && !own.warning_handlers.is_empty()
            })
            || !self.is_silent()
                && (handlers::want_events() || is_warning && handlers::want_warnings())
    }

    /// Whether `event` is to be logged, if its gauge may log one more line.
    fn logs(&self, event: &LimitEvent) -> bool {
        !self.is_silent() && is_logged(event.level()) && is_worth_a_line(event)
    }

    /// Whether any observer wants `event`. `may_log` says whether its gauge may log one more line.
    /// No foreign code runs.
    pub(crate) fn may_want(&self, event: &LimitEvent, may_log: impl FnOnce() -> bool) -> bool {
        // In this order: a line that may not be logged counts as suppressed, here or when it is
        // delivered.
        self.want(event) || self.logs(event) && may_log()
    }

    /// Whether any observer may want a recovery. No foreign code runs.
    pub(crate) fn may_want_recoveries(&self) -> bool {
        let own = self.own.as_deref();
        self.sinks.is_some()
            || own.is_some_and(|own| !own.sinks.is_empty())
            || !self.is_silent() && (handlers::want_events() || is_logged(Level::DEBUG))
    }

    /// Lets every observer have `event`. `take_line` takes the right to log one more line, and says
    /// how many were suppressed before it.
    pub(crate) fn notify(
        &self,
        event: &LimitEvent,
        log: &Log,
        take_line: impl Fn() -> Option<usize>,
    ) {
        let panicked = |observer: &str, panic: String| {
            log_panic(observer, event, &panic, log, &take_line);
        };
        let own = self.own.as_deref();
        let sinks = self.sinks.iter().flat_map(|sinks| sinks.0.iter());
        for sink in sinks.chain(own.map_or(&[][..], |own| &own.sinks)) {
            if let Err(panic) = guard::run(|| sink(event)) {
                panicked("event sink", panic);
            }
        }
        if self.logs(event) {
            if let Some(suppressed) = take_line() {
                log.write_event(event, suppressed);
            }
        }
        let handlers = own.map_or(&[][..], |own| &own.warning_handlers);
        let process_wants = !self.is_silent() && handlers::want_warnings();
        if !handlers.is_empty() || process_wants {
            if let Some(warning) = event.warning() {
                for handler in handlers {
                    if let Err(panic) = guard::run(|| handler(&warning)) {
                        panicked("warning handler", panic);
                    }
                }
                if process_wants {
                    handlers::handle_warning(&warning, panicked);
                }
            }
        }
        if !self.is_silent() && handlers::want_events() {
            handlers::handle_event(event, panicked);
        }
    }
}

#[cold]
fn log_panic(
    observer: &str,
    event: &LimitEvent,
    panic: &str,
    log: &Log,
    take_line: impl Fn() -> Option<usize>,
) {
    if !is_logged(Level::ERROR) {
        return;
    }
    if let Some(suppressed) = take_line() {
        log.write_panic(observer, event, panic, suppressed);
    }
}
