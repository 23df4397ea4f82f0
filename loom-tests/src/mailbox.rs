//! Where a model keeps the event of an operation that must not deliver it.

use std::sync::atomic::Ordering::SeqCst;
use std::thread::panicking;

use fillgauge::{Deliver, Delivery, LimitEvent};
use loom::cell::Cell;
use loom::sync::atomic::AtomicBool;
use loom::thread_local;

use crate::history::{Event, History};

/// The event that is pending, and whether the background thread was woken for it.
#[derive(Default)]
pub struct Mailbox {
    /// Loom fails if two threads use it and nothing orders them.
    event: Cell<Option<(Event, usize)>>,
    woken: AtomicBool,
}

// SAFETY: under loom only one thread runs at a time, and `Cell` checks that its uses are ordered.
unsafe impl Sync for Mailbox {}

impl Mailbox {
    pub fn store(&self, event: Event, depth: usize) {
        let before = self.event.replace(Some((event, depth)));
        assert_eq!(before, None, "two events pending");
    }

    pub fn wake(&self) {
        // Not a store: loom would let a later swap miss it.
        self.woken.swap(true, SeqCst);
    }

    /// Whether the background thread was woken since it last asked.
    pub fn is_woken(&self) -> bool {
        self.woken.swap(false, SeqCst)
    }

    pub fn deliver(&self, history: &History) {
        let Some((event, depth)) = self.event.replace(None) else {
            panic!("taken over twice: {:?}", history.moments());
        };
        history.deliver(event, depth);
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        assert!(
            self.event.get().is_none() || panicking(),
            "an event is lost"
        );
    }
}

thread_local! {
    /// This thread delivers what others left pending.
    static DELIVERS: std::cell::Cell<bool> = std::cell::Cell::new(false);
}

/// Delivers to a history, or leaves events in a mailbox.
pub struct Courier {
    history: &'static History,
    pub mailbox: Mailbox,
    /// Only the background thread delivers.
    background: bool,
}

impl Courier {
    pub fn new(history: &'static History, background: bool) -> Self {
        Self {
            history,
            mailbox: Mailbox::default(),
            background,
        }
    }

    /// Runs `deliver` as the background thread.
    pub fn in_background(deliver: impl FnOnce()) {
        DELIVERS.with(|delivers| delivers.set(true));
        deliver();
        DELIVERS.with(|delivers| delivers.set(false));
    }
}

impl Deliver for Courier {
    fn may_deliver(&self) -> bool {
        !self.background || DELIVERS.with(std::cell::Cell::get)
    }

    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        let (event, depth) = (Event::of(event), event.snapshot().depth);
        if delivery.is_deferred() {
            self.mailbox.store(event, depth);
            delivery.leave_pending();
            self.mailbox.wake();
        } else {
            self.history.deliver(event, depth);
        }
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        self.mailbox.deliver(self.history);
    }
}
