//! A subscriber that keeps what is logged.

use std::collections::HashMap;
use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

use crate::row::lock;

#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) message: String,
    pub(crate) fields: HashMap<&'static str, String>,
    pub(crate) thread: ThreadId,
}

impl Line {
    /// A field that is a number, or 0 where there is none.
    pub(crate) fn number(&self, field: &str) -> usize {
        self.fields
            .get(field)
            .map_or(0, |text| text.parse().unwrap())
    }

    pub(crate) fn is_of(&self, limit: &str) -> bool {
        self.fields.get("limit").is_some_and(|text| text == limit)
    }
}

/// Whether the line is kept.
type Hook = Box<dyn Fn(&Line) -> bool + Send + Sync>;

/// What was logged, shared with its subscriber.
#[derive(Clone, Default)]
pub(crate) struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    hook: Arc<Mutex<Option<Arc<Hook>>>>,
}

impl Log {
    /// The log of the process.
    pub(crate) fn install() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(log.clone()).unwrap();
        log
    }

    /// Runs `hook` at each line, before it is kept.
    pub(crate) fn on_line(&self, hook: impl Fn(&Line) + Send + Sync + 'static) {
        *lock(&self.hook) = Some(Arc::new(Box::new(move |line| {
            hook(line);
            true
        })));
    }

    /// Runs `hook` at each line, which is not kept.
    pub(crate) fn instead(&self, hook: impl Fn(&Line) + Send + Sync + 'static) {
        *lock(&self.hook) = Some(Arc::new(Box::new(move |line| {
            hook(line);
            false
        })));
    }

    pub(crate) fn lines(&self) -> Vec<Line> {
        lock(&self.lines).clone()
    }

    pub(crate) fn of(&self, limit: &str) -> Vec<Line> {
        let mut lines = self.lines();
        lines.retain(|line| line.is_of(limit));
        lines
    }

    /// The messages of `limit`, in short: `+` near capacity, `=` full, `-` recovered, `!` handler
    /// panicked, `x` exhausted, `.` what was suppressed.
    pub(crate) fn in_short(&self, limit: &str) -> String {
        let short = |line: &Line| match line.message.as_str() {
            "bounded limit near capacity" => '+',
            "bounded limit reached capacity" => '=',
            "bounded limit drained back below threshold" => '-',
            "bounded limit exhausted" => 'x',
            "limit warning handler panicked" => '!',
            "bounded limit events were not logged" => '.',
            other => panic!("unexpected: {other}"),
        };
        self.of(limit).iter().map(short).collect()
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("fillgauge_std")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line {
            message: String::new(),
            fields: HashMap::new(),
            thread: thread::current().id(),
        };
        event.record(&mut line);
        let hook = lock(&self.hook).clone();
        if hook.is_none_or(|hook| hook(&line)) {
            lock(&self.lines).push(line);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            write!(self.message, "{value:?}").unwrap();
        } else {
            self.fields.insert(field.name(), format!("{value:?}"));
        }
    }
}
