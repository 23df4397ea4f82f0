//! The depth of what has no wrapper, or knows its own length: a report asks for it.

use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use super::source::Source;
use crate::delivery::guard::{self, Callees};
use crate::delivery::log::Log;
use crate::sync::atomic::{AtomicBool, Ordering};

/// Returns the depth. `None` if there is nothing to read any more. Then a gauge is gone and reads
/// 0, and a probe keeps the depth of its last check.
type Read = dyn Fn() -> Option<usize> + Send + Sync;

/// What is asked for the depth of a gauge.
pub(crate) struct Poll {
    read: Callees<Read>,
    /// Whether a thread is asking. It may be this one: what is asked may make a report.
    is_asked: AtomicBool,
    is_gone: AtomicBool,
}

// A closure that panics is not called again.
impl UnwindSafe for Poll {}
impl RefUnwindSafe for Poll {}

impl Poll {
    pub(crate) fn new<D: Into<Option<usize>>>(
        read: impl Fn() -> D + Send + Sync + 'static,
    ) -> Arc<Self> {
        let mut callees: Callees<Read> = Callees::default();
        callees.push(Arc::new(move || read().into()));
        Arc::new(Self {
            read: callees,
            is_asked: AtomicBool::new(false),
            is_gone: AtomicBool::new(false),
        })
    }

    /// Whether there is nothing to read any more.
    pub(super) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Has `source` observe its depth, unless somebody asks for it already. No lock is held.
    pub(super) fn ask(&self, source: &dyn Source) {
        if self.is_gone() || self.is_asked.swap(true, Ordering::Acquire) {
            return;
        }
        // The thread that asked before may just have found out.
        if !self.is_gone() {
            self.ask_once(source);
        }
        self.is_asked.store(false, Ordering::Release);
    }

    /// The depth, if it can be read. A panic is caught and logged.
    pub(super) fn read(&self, source: &dyn Source) -> Option<usize> {
        let mut depth = None;
        let asked = guard::run(|| depth = self.read.iter().find_map(|read| read()));
        if let Err(panic) = asked {
            let label = source.outlet().label();
            let (limit, instance) = (source.limit(), source.instance());
            Log::LOCAL.write_panic_of_poll(limit, instance, label.as_deref(), &panic);
        }
        depth
    }

    fn ask_once(&self, source: &dyn Source) {
        if !source.observe(&|| self.read(source)) {
            // Pairs with the load in `is_gone`: what is gone reads 0.
            self.is_gone.store(true, Ordering::Release);
        }
    }
}
