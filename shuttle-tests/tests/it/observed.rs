//! What the observers of one execution see: sinks, the log, handlers.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::{Arc, Once};

use fillgauge_shuttle_tests::pick;
use fillgauge_std::{
    LimitEvent, LimitEventKind, LimitWarning, set_limit_event_handler, set_limit_warning_handler,
};
use shuttle::thread::{self, ThreadId};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// An event that reached an observer.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) by: Observer,
    pub(crate) kind: LimitEventKind,
    pub(crate) depth: usize,
    pub(crate) capacity: usize,
    pub(crate) instance: usize,
    pub(crate) label: Option<String>,
    pub(crate) registry: String,
    pub(crate) thread: ThreadId,
}

/// In the order in which they see an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observer {
    Sink,
    RegistrySink,
    Log,
    RegistryHandler,
    Handler,
    EventHandler,
}

impl Observer {
    pub(crate) const ALL: [Self; 6] = [
        Self::Sink,
        Self::RegistrySink,
        Self::Log,
        Self::RegistryHandler,
        Self::Handler,
        Self::EventHandler,
    ];

    /// Whether it sees no other events.
    pub(crate) fn sees_warnings(self) -> bool {
        matches!(self, Self::RegistryHandler | Self::Handler)
    }
}

/// Who does something about a warning, and what.
type Reaction = (Observer, Rc<dyn Fn()>);

// All tasks of an execution run on one thread of the system, and no other execution at that time.
thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    static REACTION: RefCell<Option<Reaction>> = const { RefCell::new(None) };
    /// Every sink and every handler of a registry owns a reference.
    static OWNED: RefCell<Arc<()>> = RefCell::default();
}

/// From now on `reactor` does `reaction` about each warning of this execution, before it notes it.
pub(crate) fn observe(reactor: Option<Observer>, reaction: impl Fn() + 'static) {
    static SUBSCRIBE: Once = Once::new();
    SUBSCRIBE.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
    SEEN.take();
    OWNED.take();
    REACTION.set(reactor.map(|reactor| (reactor, Rc::new(reaction) as _)));
    set_limit_warning_handler(Box::new(|warning| see_warning(Observer::Handler, warning)));
    set_limit_event_handler(Box::new(|event| see_event(Observer::EventHandler, event)));
}

/// A sink.
pub(crate) fn sink(by: Observer) -> impl Fn(&LimitEvent) + Send + Sync + 'static {
    let owned = OWNED.with_borrow(Arc::clone);
    move |event| {
        let _ = &owned;
        see_event(by, event);
    }
}

/// A handler of a registry.
pub(crate) fn warning_handler(by: Observer) -> impl Fn(&LimitWarning) + Send + Sync + 'static {
    let owned = OWNED.with_borrow(Arc::clone);
    move |warning| {
        let _ = &owned;
        see_warning(by, warning);
    }
}

/// How many sinks and handlers of registries there are.
pub(crate) fn live_sinks() -> usize {
    OWNED.with_borrow(|owned| Arc::strong_count(owned) - 1)
}

/// What was seen, in its order: by each when it is done.
pub(crate) fn seen() -> Vec<Seen> {
    SEEN.with_borrow(Clone::clone)
}

/// Drops the reaction with what it owns.
pub(crate) fn forget_reaction() {
    drop(REACTION.take());
}

pub(crate) fn see_event(by: Observer, event: &LimitEvent) {
    let gauge = event.snapshot();
    see(Seen {
        by,
        kind: event.kind(),
        depth: gauge.depth,
        capacity: gauge.capacity,
        instance: gauge.instance,
        label: event.label().map(str::to_owned),
        registry: event.registry().to_owned(),
        thread: thread::current().id(),
    });
}

fn see_warning(by: Observer, warning: &LimitWarning) {
    see(Seen {
        by,
        kind: LimitEventKind::NearCapacity,
        depth: warning.observed,
        capacity: warning.capacity,
        instance: warning.instance,
        label: warning.label().map(str::to_owned),
        registry: warning.registry().to_owned(),
        thread: thread::current().id(),
    });
}

fn see(seen: Seen) {
    if seen.kind == LimitEventKind::NearCapacity {
        let reaction = REACTION.with_borrow(Clone::clone);
        if let Some((_, reaction)) = reaction.filter(|(reactor, _)| *reactor == seen.by) {
            reaction();
        }
    }
    // It takes its time. The log may not: what `tracing` borrows while it logs belongs to the
    // system's thread, which all tasks share.
    if seen.by != Observer::Log {
        (0..pick(&[1, 1, 1, 20])).for_each(|_| thread::yield_now());
    }
    SEEN.with_borrow_mut(|all| all.push(seen));
}

/// Keeps the lines of the shim. Shuttle logs too.
struct Log;

impl Subscriber for Log {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("fillgauge_std")
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::DEBUG)
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line::default();
        event.record(&mut line);
        let kind = match line.message.as_str() {
            "bounded limit near capacity" => LimitEventKind::NearCapacity,
            "bounded limit reached capacity" => LimitEventKind::Full,
            "bounded limit drained back below threshold" => LimitEventKind::Recovered,
            _ => return,
        };
        see(Seen {
            by: Observer::Log,
            kind,
            depth: line.depth,
            capacity: line.capacity,
            instance: line.instance,
            label: line.label,
            registry: line.registry.unwrap_or_else(|| "global".to_owned()),
            thread: thread::current().id(),
        });
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    depth: usize,
    capacity: usize,
    instance: usize,
    label: Option<String>,
    registry: Option<String>,
}

impl Visit for Line {
    fn record_u64(&mut self, field: &Field, value: u64) {
        let value = usize::try_from(value).unwrap();
        match field.name() {
            "observed" | "depth" => self.depth = value,
            "capacity" => self.capacity = value,
            "instance" => self.instance = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => self.message = format!("{value:?}"),
            "label" => self.label = Some(format!("{value:?}")),
            "registry" => self.registry = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
