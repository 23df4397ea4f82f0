//! Atomics for an explicit-state search. A word has a number; its value is in the memory of an
//! explorer, which executes every access, and which may stop an operation at any of them.

use core::cell::Cell;
use core::panic::Location;

// No program of the search changes a pointer, so no access to one is a step.
pub use core::sync::atomic::{AtomicPtr, Ordering};

/// An access to a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Reads.
    Load,
    /// Writes this value and reads nothing.
    Store(usize),
    /// Writes this value.
    Swap(usize),
    /// Adds this value, wrapping.
    Add(usize),
    /// Sets these bits.
    Or(usize),
    /// Keeps these bits alone.
    And(usize),
    /// Writes this value if it is greater.
    Max(usize),
    /// Writes the second value if the word has the first.
    CompareExchange(usize, usize),
}

impl Access {
    /// What the access writes to a word that has `value`.
    pub fn written(self, value: usize) -> Option<usize> {
        match self {
            Self::Load => None,
            Self::Store(new) | Self::Swap(new) => Some(new),
            Self::Add(n) => Some(value.wrapping_add(n)),
            Self::Or(bits) => Some(value | bits),
            Self::And(bits) => Some(value & bits),
            Self::Max(other) => Some(value.max(other)),
            Self::CompareExchange(current, new) => (value == current).then_some(new),
        }
    }
}

/// Executes the accesses of a thread.
pub trait Explorer {
    /// Adds a word. Returns its number.
    fn create(&self, value: usize, place: &'static Location<'static>) -> usize;

    /// Executes `access` and returns the value before it; for a store, anything. May unwind
    /// instead.
    fn access(&self, word: usize, access: Access, order: Ordering) -> usize;

    /// The newest value of a word, without an access.
    fn now(&self, word: usize) -> usize;
}

std::thread_local! {
    static EXPLORER: Cell<Option<&'static dyn Explorer>> = const { Cell::new(None) };
}

/// Sets the explorer of this thread.
pub fn use_explorer(explorer: &'static dyn Explorer) {
    EXPLORER.set(Some(explorer));
}

#[expect(clippy::expect_used, reason = "a mistake in a test")]
fn explorer() -> &'static dyn Explorer {
    EXPLORER
        .get()
        .expect("this thread has no explorer: call `use_explorer` first")
}

/// A fence, which the search does not model.
pub fn fence(_order: Ordering) {
    panic!("the search does not model fences");
}

/// A word in the memory of the explorer.
#[derive(Debug)]
pub struct AtomicUsize {
    word: usize,
}

impl AtomicUsize {
    /// A new word with this value.
    #[track_caller]
    pub fn new(value: usize) -> Self {
        let word = explorer().create(value, Location::caller());
        Self { word }
    }

    /// The newest value, without an access.
    pub fn now(&self) -> usize {
        explorer().now(self.word)
    }

    fn access(&self, access: Access, order: Ordering) -> usize {
        explorer().access(self.word, access, order)
    }

    /// The value.
    pub fn load(&self, order: Ordering) -> usize {
        self.access(Access::Load, order)
    }

    /// Stores `value`.
    pub fn store(&self, value: usize, order: Ordering) {
        self.access(Access::Store(value), order);
    }

    /// Adds `n`, wrapping, and returns the value before.
    pub fn fetch_add(&self, n: usize, order: Ordering) -> usize {
        self.access(Access::Add(n), order)
    }

    /// Subtracts `n`, wrapping, and returns the value before.
    pub fn fetch_sub(&self, n: usize, order: Ordering) -> usize {
        self.fetch_add(n.wrapping_neg(), order)
    }

    /// Sets `bits` and returns the value before.
    pub fn fetch_or(&self, bits: usize, order: Ordering) -> usize {
        self.access(Access::Or(bits), order)
    }

    /// Keeps `bits` alone and returns the value before.
    pub fn fetch_and(&self, bits: usize, order: Ordering) -> usize {
        self.access(Access::And(bits), order)
    }

    /// Raises the value to `value` and returns the value before.
    pub fn fetch_max(&self, value: usize, order: Ordering) -> usize {
        self.access(Access::Max(value), order)
    }

    /// Stores `value` and returns the value before.
    pub fn swap(&self, value: usize, order: Ordering) -> usize {
        self.access(Access::Swap(value), order)
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
        _failure: Ordering,
    ) -> Result<usize, usize> {
        let before = self.access(Access::CompareExchange(current, new), success);
        if before == current {
            Ok(before)
        } else {
            Err(before)
        }
    }

    /// Like [`compare_exchange`](Self::compare_exchange), without spurious failures.
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

    /// Stores what `update` makes of the value, unless that is nothing; again if it became another.
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
