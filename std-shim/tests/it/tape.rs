//! Keeps the `tracing` events of one thread.

use std::cell::{Cell, RefCell};
use std::fmt::{Debug, Write};
use std::sync::Once;
use std::thread;
use std::time::Duration;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event: its level, its message, and its other fields as `name=value`, in order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logged {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: Vec<String>,
}

thread_local! {
    static TAPE: RefCell<Option<Vec<Logged>>> = const { RefCell::new(None) };
}

/// The subscriber of the whole process. It tapes the threads that ask for it. One subscriber for
/// each test would not do: the process caches which callsites are enabled, and tests on other
/// threads change that.
struct Taper;

thread_local! {
    static DELAY: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// From now on each event of this thread takes `delay` to be logged.
pub(crate) fn log_slowly(delay: Duration) {
    install();
    DELAY.set(delay);
}

fn install() {
    static INSTALL: Once = Once::new();
    INSTALL.call_once(|| tracing::subscriber::set_global_default(Taper).unwrap());
    // A callsite that another thread registered while the subscriber was installed may have missed
    // it.
    tracing::callsite::rebuild_interest_cache();
}

/// Runs `body` and returns the events of its thread meanwhile.
pub(crate) fn taped(body: impl FnOnce()) -> Vec<Logged> {
    install();
    TAPE.set(Some(Vec::new()));
    body();
    TAPE.take().unwrap()
}

impl Subscriber for Taper {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if !DELAY.get().is_zero() {
            thread::sleep(DELAY.get());
        }
        let mut logged = Logged {
            level: *event.metadata().level(),
            message: String::new(),
            fields: Vec::new(),
        };
        event.record(&mut logged);
        TAPE.with_borrow_mut(|tape| tape.as_mut().map(|tape| tape.push(logged)));
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Logged {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        } else {
            self.fields.push(format!("{field}={value:?}"));
        }
    }
}
