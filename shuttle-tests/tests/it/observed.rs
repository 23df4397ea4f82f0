//! What the observers of one execution see: the log and the warning handler.

use std::cell::RefCell;
use std::fmt::Debug;
use std::rc::Rc;
use std::sync::Once;

use fillgauge_std::set_limit_warning_handler;
use shuttle::thread::{self, ThreadId};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

/// An event that reached an observer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) by: Observer,
    pub(crate) edge: Edge,
    pub(crate) depth: usize,
    pub(crate) capacity: usize,
    pub(crate) instance: usize,
    pub(crate) thread: ThreadId,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Observer {
    Log,
    Handler,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    NearCapacity,
    Full,
    Recovered,
}

type Reaction = Rc<dyn Fn()>;

// All tasks of an execution run on one thread of the system, and no other execution at that time.
thread_local! {
    static SEEN: RefCell<Vec<Seen>> = const { RefCell::new(Vec::new()) };
    static REACTION: RefCell<Option<Reaction>> = const { RefCell::new(None) };
}

/// From now on the handler does `reaction` to each warning of this execution, and then keeps it.
pub(crate) fn on_warning(reaction: impl Fn() + 'static) {
    static SUBSCRIBE: Once = Once::new();
    SUBSCRIBE.call_once(|| tracing::subscriber::set_global_default(Log).unwrap());
    SEEN.take();
    REACTION.set(Some(Rc::new(reaction)));
    set_limit_warning_handler(Box::new(|warning| {
        let reaction = REACTION.with_borrow(Clone::clone);
        if let Some(reaction) = reaction {
            reaction();
        }
        see(Seen {
            by: Observer::Handler,
            edge: Edge::NearCapacity,
            depth: warning.observed,
            capacity: warning.capacity,
            instance: warning.instance,
            thread: thread::current().id(),
        });
    }));
}

/// What was seen, in its order; of the handler when it is done.
pub(crate) fn seen() -> Vec<Seen> {
    SEEN.with_borrow(Clone::clone)
}

/// Drops the reaction with what it owns.
pub(crate) fn forget_reaction() {
    drop(REACTION.take());
}

fn see(seen: Seen) {
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
        let edge = match line.message.as_str() {
            "bounded limit near capacity" => Edge::NearCapacity,
            "bounded limit reached capacity" => Edge::Full,
            "bounded limit drained back below threshold" => Edge::Recovered,
            _ => return,
        };
        see(Seen {
            by: Observer::Log,
            edge,
            depth: line.depth,
            capacity: line.capacity,
            instance: line.instance,
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
        if field.name() == "message" {
            self.message = format!("{value:?}");
        }
    }
}
