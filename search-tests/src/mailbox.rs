//! Where a program keeps the event of an operation that must not deliver it.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;

use fillgauge::searched::AtomicUsize;
use fillgauge::{Deliver, Delivery, LimitEvent};

use crate::explorer::fail;
use crate::history::{Event, History};

/// The event that is pending, and whether the background thread was woken for it.
#[derive(Debug)]
pub struct Mailbox {
    /// 0, or one more than the event's word.
    event: AtomicUsize,
    woken: AtomicUsize,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            event: AtomicUsize::new(0),
            woken: AtomicUsize::new(0),
        }
    }
}

impl Mailbox {
    pub fn store(&self, event: Event, depth: usize) {
        let before = self.event.swap(event.to_word(depth) + 1, SeqCst);
        if before != 0 {
            fail("two events pending");
        }
    }

    pub fn wake(&self) {
        self.woken.swap(1, SeqCst);
    }

    /// Whether the background thread was woken since it last asked.
    pub fn is_woken(&self) -> bool {
        self.woken.swap(0, SeqCst) == 1
    }

    pub fn deliver(&self, history: &History) {
        let word = self.event.swap(0, SeqCst);
        let Some(word) = word.checked_sub(1) else {
            fail("a pending event is taken over twice");
        };
        let (event, depth) = Event::from_word(word);
        history.deliver(event, depth);
    }
}

thread_local! {
    /// This thread delivers what others left pending.
    static DELIVERS: Cell<bool> = const { Cell::new(false) };
}

/// Delivers to a history, or leaves events in a mailbox.
#[derive(Debug)]
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
        /// The explorer may stop an operation by unwinding.
        struct Reset;

        impl Drop for Reset {
            fn drop(&mut self) {
                DELIVERS.set(false);
            }
        }

        DELIVERS.set(true);
        let _reset = Reset;
        deliver();
    }
}

impl Deliver for Courier {
    fn may_deliver(&self) -> bool {
        !self.background || DELIVERS.get()
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
