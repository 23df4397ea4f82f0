//! An atomic under the model checker: of the words of the protocol every access is a step in one
//! order of steps, and a model may watch what each step changes; the registry's keep the orderings
//! that they name.

use core::sync::atomic::{AtomicUsize as Plain, Ordering};
use std::boxed::Box;
use std::cell::RefCell;

use loom::sync::atomic::AtomicUsize as Explored;

std::thread_local! {
    // All threads of a model run on the one thread of its test.
    static WATCHER: RefCell<Option<Box<dyn Fn()>>> = const { RefCell::new(None) };
}

/// Calls `watcher` after each change of a word, before any other thread of the model takes a step.
/// It must take no step itself: it may read with [`AtomicUsize::now`].
pub fn watch(watcher: impl Fn() + 'static) {
    WATCHER.set(Some(Box::new(watcher)));
}

/// A word that a model can watch.
#[derive(Debug)]
pub struct AtomicUsize {
    explored: Explored,
    /// Loom remembers the last access of each atomic. When a thread loads and then writes, its own
    /// load hides that of another thread from the write, and the orders of these two are not tried.
    /// So each access takes a turn first, which is a write; not so the words of the protocol, whose
    /// every access is one.
    turn: Explored,
    now: Plain,
}

impl AtomicUsize {
    /// A word with this value.
    pub fn new(value: usize) -> Self {
        Self {
            explored: Explored::new(value),
            turn: Explored::new(0),
            now: Plain::new(value),
        }
    }

    /// The value at this moment, which loom takes no notice of.
    pub fn now(&self) -> usize {
        self.now.load(Ordering::Relaxed)
    }

    fn take_turn(&self, order: Ordering) {
        if order != Ordering::SeqCst {
            // Relaxed, so that it orders nothing else: what is loaded may still be old.
            self.turn.fetch_add(0, Ordering::Relaxed);
        }
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
    /// Loom takes a sequentially consistent load for an acquire load, which may return an old
    /// value. An addition of nothing reads the newest one, so that loom explores exactly the
    /// interleavings.
    pub fn load(&self, order: Ordering) -> usize {
        self.take_turn(order);
        if order == Ordering::SeqCst {
            self.explored.fetch_add(0, order)
        } else {
            self.explored.load(order)
        }
    }

    /// Stores `value`.
    pub fn store(&self, value: usize, order: Ordering) {
        self.take_turn(order);
        self.explored.store(value, order);
        self.changed(value);
    }

    /// Adds `n`, wrapping, and returns the value before.
    pub fn fetch_add(&self, n: usize, order: Ordering) -> usize {
        self.take_turn(order);
        let before = self.explored.fetch_add(n, order);
        self.changed(before.wrapping_add(n));
        before
    }

    /// Subtracts `n`, wrapping, and returns the value before.
    pub fn fetch_sub(&self, n: usize, order: Ordering) -> usize {
        self.fetch_add(n.wrapping_neg(), order)
    }

    /// Sets `bits` and returns the value before.
    pub fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
        self.take_turn(order);
        let before = self.explored.fetch_or(bits, order);
        self.changed(before | bits);
        before
    }

    /// Raises the value to `value` and returns the value before.
    pub fn fetch_max(&self, value: usize, order: Ordering) -> usize {
        self.take_turn(order);
        let before = self.explored.fetch_max(value, order);
        self.changed(before.max(value));
        before
    }

    /// Keeps `bits` alone and returns the value before.
    pub fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
        self.take_turn(order);
        let before = self.explored.fetch_and(bits, order);
        self.changed(before & bits);
        before
    }

    /// Stores `value` and returns the value before.
    pub fn swap(&self, value: usize, order: Ordering) -> usize {
        self.take_turn(order);
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
        self.take_turn(success);
        let outcome = self
            .explored
            .compare_exchange(current, new, success, failure);
        if outcome.is_ok() {
            self.changed(new);
        }
        outcome
    }

    /// Like [`compare_exchange`](Self::compare_exchange); loom has no spurious failures.
    ///
    /// # Errors
    ///
    /// The value, if it is another.
    pub fn compare_exchange_weak(
        &self,
        current: usize,
        new: usize,
        success: Ordering,
        failure: Ordering,
    ) -> Result<usize, usize> {
        self.compare_exchange(current, new, success, failure)
    }

    /// Stores what `update` makes of the value, unless that is nothing, and tries again if it
    /// became another.
    ///
    /// # Errors
    ///
    /// The value of which it makes nothing.
    pub fn fetch_update(
        &self,
        success: Ordering,
        failure: Ordering,
        update: impl Fn(usize) -> Option<usize>,
    ) -> Result<usize, usize> {
        let mut value = self.load(failure);
        loop {
            let new = update(value).ok_or(value)?;
            match self.compare_exchange(value, new, success, failure) {
                Ok(_) => return Ok(value),
                Err(now) => value = now,
            }
        }
    }
}

/// The waker of a task.
#[cfg(feature = "edge-waiter")]
pub(crate) struct AtomicWaker(loom::future::AtomicWaker);

#[cfg(feature = "edge-waiter")]
impl AtomicWaker {
    pub(crate) fn new() -> Self {
        Self(loom::future::AtomicWaker::new())
    }

    pub(crate) fn register(&self, waker: &core::task::Waker) {
        self.0.register_by_ref(waker);
    }

    pub(crate) fn wake(&self) {
        self.0.wake();
    }

    pub(crate) fn take(&self) -> Option<core::task::Waker> {
        self.0.take_waker()
    }
}
