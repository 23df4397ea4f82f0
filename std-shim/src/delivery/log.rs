//! The log: `tracing` events.

use fillgauge::{Drain, Limit, LimitEventKind, QueueSnapshot};
use tracing::dispatcher::{self, WeakDispatch};
use tracing::field::{self, DisplayValue};
use tracing::level_filters::{LevelFilter, STATIC_MAX_LEVEL};
use tracing::subscriber::NoSubscriber;
use tracing::{Dispatch, Level};

use super::guard;
use crate::event::{LimitEvent, Origin, RegistryName, Shown};
use crate::watch::DrainEvent;

/// The target of all lines, to filter them by, whatever module writes them.
const TARGET: &str = "fillgauge_std";

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

    /// Logs `event`, before which `suppressed` lines of its gauge were not logged.
    pub(super) fn write_event(&self, event: &LimitEvent, suppressed: usize) {
        self.write(|| write_event(event, suppressed));
    }

    /// Logs that an observer of `event` panicked.
    pub(super) fn write_panic(
        &self,
        observer: &str,
        event: &LimitEvent,
        panic: &str,
        suppressed: usize,
    ) {
        let gauge = event.snapshot();
        self.write(|| {
            tracing::error!(
                target: TARGET,
                limit = gauge.name.as_str(),
                instance = gauge.instance,
                label = shown(event.label()),
                registry = foreign(event.registry()),
                panic,
                suppressed = some(suppressed),
                "limit {observer} panicked"
            );
        });
    }

    /// Logs that what is asked for the depth of a gauge panicked.
    pub(crate) fn write_panic_of_poll(
        &self,
        limit: &'static Limit,
        instance: usize,
        label: Option<&str>,
        panic: &str,
    ) {
        self.write(|| {
            tracing::error!(
                target: TARGET,
                limit = limit.as_str(),
                instance,
                label = shown(label),
                panic,
                "the closure of a polled gauge panicked: it is not called again"
            );
        });
    }

    /// Logs that a handler panicked when it was dropped.
    pub(super) fn write_panic_of_drop(&self, handler: &str, panic: &str) {
        self.write(|| {
            tracing::error!(target: TARGET, panic, "limit {handler} panicked when it was dropped");
        });
    }

    /// Logs that `suppressed` lines of a limit were not logged. `origin` says of which gauge, if it
    /// is known.
    pub(crate) fn say_suppressed(
        &self,
        limit: &'static Limit,
        instance: usize,
        origin: Option<&Origin>,
        suppressed: usize,
    ) {
        if suppressed == 0 {
            return;
        }
        let label = origin.and_then(|origin| origin.label.as_deref());
        let registry = origin.map(|origin| origin.registry.as_str());
        self.write(|| {
            tracing::warn!(
                target: TARGET,
                limit = limit.as_str(),
                category = limit.category().as_str(),
                instance,
                label = shown(label),
                registry = registry.and_then(foreign),
                suppressed,
                "bounded limit events were not logged"
            );
        });
    }

    /// Logs that a queue is stuck, or drains again, before which `suppressed` lines of its gauge
    /// were not logged.
    pub(crate) fn write_drain(&self, event: &DrainEvent, suppressed: usize) {
        let gauge = event.snapshot();
        macro_rules! emit {
            ($level:ident, $message:literal) => {
                tracing::$level!(
                    target: TARGET,
                    limit = gauge.name.as_str(),
                    category = gauge.category.as_str(),
                    instance = gauge.instance,
                    label = shown(event.label()),
                    registry = foreign(event.registry()),
                    depth = gauge.depth,
                    capacity = gauge.capacity,
                    seconds = event.lasted().as_secs_f64(),
                    suppressed = some(suppressed),
                    $message
                )
            };
        }
        self.write(|| match event.kind() {
            Drain::Stuck => emit!(warn, "bounded queue is stuck: nothing is dequeued"),
            _ => emit!(info, "bounded queue drains again"),
        });
    }

    /// Logs that the handler of a watch panicked.
    pub(crate) fn write_panic_of_watch(&self, event: &DrainEvent, panic: &str) {
        let gauge = event.snapshot();
        self.write(|| {
            tracing::error!(
                target: TARGET,
                limit = gauge.name.as_str(),
                instance = gauge.instance,
                label = shown(event.label()),
                registry = foreign(event.registry()),
                panic,
                "the handler of a watch panicked"
            );
        });
    }

    /// Logs that a task that awaits an edge could not be woken.
    #[cfg(feature = "edge-waiter")]
    pub(crate) fn write_panic_of_waker(&self, panic: &str) {
        self.write(|| {
            tracing::error!(
                target: TARGET,
                panic,
                "the waker of a task that awaits an edge panicked"
            );
        });
    }

    /// Logs the figures of a gauge.
    pub(crate) fn write_usage(&self, gauge: &QueueSnapshot, label: Option<&str>) {
        self.write(|| {
            tracing::debug!(
                target: TARGET,
                limit = gauge.name.as_str(),
                category = gauge.category.as_str(),
                instance = gauge.instance,
                label = shown(label),
                depth = gauge.depth,
                high_water = gauge.high_water,
                capacity = gauge.capacity,
                fill_percent = gauge.fill_percent,
                warnings = gauge.warnings,
                "limit usage"
            );
        });
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
pub(super) fn is_logged(level: Level) -> bool {
    level <= STATIC_MAX_LEVEL && level <= LevelFilter::current()
}

/// Whether what was suppressed can be said. Otherwise the count is kept.
pub(crate) fn can_say() -> bool {
    is_logged(Level::WARN)
}

fn write_event(event: &LimitEvent, suppressed: usize) {
    let (gauge, episode) = (event.snapshot(), event.episode());
    // Level and message of an event are fixed where it is written, hence a macro.
    macro_rules! emit {
        ($level:ident, $message:literal, $depth:ident) => {
            tracing::$level!(
                target: TARGET,
                limit = gauge.name.as_str(),
                category = gauge.category.as_str(),
                instance = gauge.instance,
                label = shown(event.label()),
                registry = foreign(event.registry()),
                $depth = gauge.depth,
                capacity = gauge.capacity,
                fill_percent = gauge.fill_percent,
                seconds = episode.map(|episode| episode.lasted.as_secs_f64()),
                deepest = episode.map(|episode| episode.deepest),
                waits = episode.and_then(|episode| some(episode.waits)),
                refused = episode.and_then(|episode| some(episode.refused)),
                suppressed = some(suppressed),
                $message
            )
        };
    }
    match event.kind() {
        LimitEventKind::NearCapacity => emit!(warn, "bounded limit near capacity", observed),
        LimitEventKind::Exhausted => emit!(warn, "bounded limit exhausted", observed),
        LimitEventKind::Full => emit!(info, "bounded limit reached capacity", depth),
        LimitEventKind::Recovered => {
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

fn shown(label: Option<&str>) -> Option<DisplayValue<Shown<'_>>> {
    label.map(Shown).map(field::display)
}

/// The name of a registry that is not that of the process.
fn foreign(registry: &str) -> Option<DisplayValue<Shown<'_>>> {
    let is_foreign = registry != RegistryName::GLOBAL.as_str();
    shown(is_foreign.then_some(registry))
}
