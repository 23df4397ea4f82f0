//! The words of the protocol under the model checker: each access is a step in the one order of steps that an execution
//! is, and a model may watch what each step changes.

use core::sync::atomic::{AtomicUsize as Plain, Ordering};
use std::boxed::Box;
use std::cell::RefCell;

use loom::sync::atomic::AtomicUsize as Explored;

std::thread_local! {
    // All threads of a model run on the one thread of its test.
    static WATCHER: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Calls `watcher` after each change of a word, before any other thread of the model takes a step. It must take no step
/// itself: it may read with [`AtomicUsize::now`].
pub fn watch(watcher: impl Fn() + 'static) {
    WATCHER.set(Some(Box::new(watcher)));
}

/// A word that a model can watch.
#[derive(Debug)]
pub struct AtomicUsize {
    explored: Explored,
    now: Plain,
}

impl AtomicUsize {
    /// A word with this value.
    pub fn new(value: usize) -> Self {
        Self {
            explored: Explored::new(value),
            now: Plain::new(value),
        }
    }

    /// The value at this moment, which loom takes no notice of.
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    fn changed(&self, value: usize) {
        self.now.store(value, Ordering::Relaxed);
        WATCHER.with_borrow(|watcher| {
            if let Some(watcher) = watcher {
                watcher();
            }
        });
    }

    /// The value.
    ///
    /// Loom takes a sequentially consistent load for an acquire load, which may return an old value. An addition of
    /// nothing reads the newest one, so that loom explores exactly the interleavings.
    pub fn load(&self, order: Ordering) -> usize {
        if order == Ordering::SeqCst {
            self.explored.fetch_add(0, order)
        } else {
            self.explored.load(order)
        }
    }

    /// Stores `value`.
    pub fn store(&self, value: usize, order: Ordering) {
        self.explored.store(value, order);
        self.changed(value);
    }

    /// Adds `n`, wrapping, and returns the value before.
    pub fn fetch_add(&self, n: usize, order: Ordering) -> usize {
        let before = self.explored.fetch_add(n, order);
        self.changed(before.wrapping_add(n));
        before
    }

    /// Sets `bits` and returns the value before.
    pub fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
        let before = self.explored.fetch_or(bits, order);
        self.changed(before | bits);
        before
    }

    /// Keeps `bits` and returns the value before.
    pub fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
        let before = self.explored.fetch_and(bits, order);
        self.changed(before & bits);
        before
    }

    /// Stores `value` and returns the value before.
    pub fn swap(&self, value: usize, order: Ordering) -> usize {
        let before = self.explored.swap(value, order);
        self.changed(value);
        before
    }

    /// Stores `new` if the value is `current`; in any case the result holds the value before.
    ///
    /// # Errors
    ///
    /// The value, if it is another.
    pub fn compare_exchange(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        let outcome = self
            .explored
            .compare_exchange(current, new, success, failure);
        if outcome.is_ok() {
            self.changed(new);
        }
        outcome
    }
}
