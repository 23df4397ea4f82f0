//! What the service counts itself, and the events of its gauges: the other side of the books.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use fillgauge_std::{LimitEvent, LimitEventKind, QueueRegistry};

/// What the service has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Connections.
    pub(crate) sessions: usize,
    /// Requests that came in whole.
    pub(crate) requests: usize,
    /// Requests that were refused by the budget.
    pub(crate) busy: usize,
    /// Requests that gave up while they waited for room in `jobs`.
    pub(crate) late: usize,
    /// Requests whose client had gone while they waited for room in `jobs`.
    pub(crate) gone: usize,
    /// Jobs that went into `jobs`.
    pub(crate) accepted: usize,
    /// Jobs that came out of `jobs`.
    pub(crate) taken: usize,
    /// Records that went into `records`.
    pub(crate) recorded: usize,
    /// Records that were written.
    pub(crate) written: usize,
    /// Answers that went into `session_lines`.
    pub(crate) answered: usize,
    /// Answers whose session had ended.
    pub(crate) lost: usize,
}

/// An event of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) kind: LimitEventKind,
    /// The name of the limit.
    pub(crate) limit: &'static str,
    /// The number of the gauge.
    pub(crate) instance: usize,
}

/// Counts, and collects events.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    counts: Mutex<Counts>,
    events: Mutex<Vec<Event>>,
}

impl Ledger {
    /// A registry whose events come here.
    pub(crate) fn registry(self: &Arc<Self>, name: &str) -> QueueRegistry {
        let ledger = Arc::clone(self);
        QueueRegistry::new(name).sink(move |event| ledger.note(event))
    }

    fn note(&self, event: &LimitEvent) {
        let snapshot = event.snapshot();
        lock(&self.events).push(Event {
            kind: event.kind(),
            limit: snapshot.name.as_str(),
            instance: snapshot.instance,
        });
    }

    /// Changes what is counted.
    pub(super) fn count(&self, change: impl FnOnce(&mut Counts)) {
        change(&mut lock(&self.counts));
    }

    pub(crate) fn counts(&self) -> Counts {
        *lock(&self.counts)
    }

    /// The events so far. Those of one gauge are in their order.
    pub(crate) fn events(&self) -> Vec<Event> {
        lock(&self.events).clone()
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
