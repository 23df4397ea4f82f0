//! The one module that names an atomics crate: portable-atomic, or loom under
//! `cfg(fillgauge_loom)`, or shuttle under `cfg(fillgauge_shuttle)`, or the explicit-state search
//! under `cfg(fillgauge_search)`.
//!
//! A word has a type for the discipline it is under, so that an ordering is stated here once and
//! not at every access:
//!
//! - [`SeqCstUsize`], the words of the gauge protocol: every access by an operation is sequentially
//!   consistent. Such accesses take place in one total order, hence the protocol is argued by
//!   interleaving alone.
//! - [`SettingUsize`], the settings of a gauge: sequentially consistent too, but for loom.
//! - [`MarkUsize`], the mark of a window: sequentially consistent, but for what its methods say.
//! - [`RelaxedUsize`], bounds that may be read stale, a mark that was kept, and sums that order
//!   nothing. Relaxed.
//!
//! All have `reset`, a release store for the one thread that claims a slot; its partner is
//! `Alarm::read_if_live`.

#[cfg(fillgauge_loom)]
pub mod modelled;
#[cfg(fillgauge_search)]
pub mod searched;

#[cfg(fillgauge_loom)]
use loom::sync::atomic;
#[cfg(not(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle)))]
use portable_atomic as atomic;
#[cfg(fillgauge_search)]
use searched as atomic;
#[cfg(fillgauge_shuttle)]
use shuttle::sync::atomic;

pub(crate) use atomic::{AtomicPtr, Ordering, fence};

/// A SeqCst fence of a thread that has done an atomic read-modify-write, between that and what
/// follows.
///
/// On x86-64 that was a locked instruction. No later load passes one, so only the compiler has to
/// be held back: Intel, Software Developer's Manual, volume 3A, "Loads and Stores Are Not Reordered
/// with Locked Instructions". Miri and the models know the memory of the language alone, and take
/// the fence.
#[inline]
pub(crate) fn fence_after_rmw() {
    if cfg!(all(
        target_arch = "x86_64",
        not(any(
            miri,
            fillgauge_loom,
            fillgauge_search,
            fillgauge_shuttle
        ))
    )) {
        core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst);
    } else {
        fence(Ordering::SeqCst);
    }
}

#[cfg(all(feature = "edge-waiter", not(fillgauge_loom)))]
pub(crate) use atomic_waker::AtomicWaker;
#[cfg(all(feature = "edge-waiter", fillgauge_loom))]
pub(crate) use modelled::AtomicWaker;

#[cfg(not(fillgauge_loom))]
pub(crate) use atomic::AtomicUsize;
#[cfg(fillgauge_loom)]
pub(crate) use modelled::AtomicUsize;

/// Declares a `const fn`; under loom, shuttle and the search, whose atomics have no const
/// constructor or a destructor, the same function without `const`.
macro_rules! const_fn {
    ($(#[$attribute:meta])* $visibility:vis const fn $($rest:tt)*) => {
        #[cfg(not(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle)))]
        $(#[$attribute])*
        $visibility const fn $($rest)*

        #[cfg(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle))]
        $(#[$attribute])*
        $visibility fn $($rest)*
    };
}
pub(crate) use const_fn;

/// `[const { element }; length]`; under loom, shuttle and the search, an array that is filled at
/// run time.
macro_rules! const_array {
    ($element:expr; $length:expr) => {{
        #[cfg(not(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle)))]
        {
            [const { $element }; $length]
        }
        #[cfg(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle))]
        {
            core::array::from_fn::<_, { $length }, _>(|_| $element)
        }
    }};
}
pub(crate) use const_array;

/// How a protocol word is loaded. `cfg(fillgauge_canary)` weakens it, and the tests under Miri must
/// fail then: `ci/miri.sh`.
const LOAD: Ordering = if cfg!(fillgauge_canary) {
    Ordering::Acquire
} else {
    Ordering::SeqCst
};

/// How a slot that changes hands is written. `cfg(fillgauge_canary)` weakens it, too.
const RESET: Ordering = if cfg!(fillgauge_canary) {
    Ordering::Relaxed
} else {
    Ordering::Release
};

/// A word of the gauge protocol: sequentially consistent.
#[derive(Debug)]
pub(crate) struct SeqCstUsize(AtomicUsize);

impl SeqCstUsize {
    const_fn! {
        #[cfg_attr(fillgauge_search, track_caller)]
        pub(crate) const fn new(value: usize) -> Self {
            Self(AtomicUsize::new(value))
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.0.load(LOAD)
    }

    /// After a fence, which orders it.
    #[inline]
    pub(crate) fn get_acquire(&self) -> usize {
        self.0.load(Ordering::Acquire)
    }

    #[cfg(any(fillgauge_loom, fillgauge_search))]
    pub(crate) fn now(&self) -> usize {
        self.0.now()
    }

    /// Adds `n`, wrapping, and returns the sum.
    #[inline]
    pub(crate) fn add_fetch(&self, n: usize) -> usize {
        self.0.fetch_add(n, Ordering::SeqCst).wrapping_add(n)
    }

    /// Writes `new` if the word is `current`; otherwise returns what it is.
    #[inline]
    pub(crate) fn compare_exchange(&self, current: usize, new: usize) -> Result<(), usize> {
        self.0
            .compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
    }

    /// Sets `bits`, and returns what the word was.
    pub(crate) fn set_bits(&self, bits: usize) -> usize {
        self.0.fetch_or(bits, Ordering::SeqCst)
    }

    /// Clears `bits`, and returns what the word was.
    pub(crate) fn clear_bits(&self, bits: usize) -> usize {
        self.0.fetch_and(!bits, Ordering::SeqCst)
    }

    pub(crate) fn reset(&self, value: usize) {
        self.0.store(value, RESET);
    }
}

/// A setting: sequentially consistent. An operation changes a counter and loads it; a change stores
/// it and loads the counters. One of the two sees what the other did.
#[derive(Debug)]
pub(crate) struct SettingUsize(atomic::AtomicUsize);

/// How a setting is loaded. Under loom it is an acquire load, which has fewer interleavings. That
/// is enough there: the counters are loaded by writes, and of two writes of a word the second one
/// sees what came before the first.
const LOAD_SETTING: Ordering = if cfg!(fillgauge_loom) {
    Ordering::Acquire
} else {
    Ordering::SeqCst
};

impl SettingUsize {
    const_fn! {
        #[cfg_attr(fillgauge_search, track_caller)]
        pub(crate) const fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.0.load(LOAD_SETTING)
    }

    /// The same for a thread that changes another setting: each of two such threads sees what the
    /// other one stored, or is seen by it. That takes more than an acquire load of loom.
    pub(crate) fn get_after_change(&self) -> usize {
        if cfg!(fillgauge_loom) {
            self.0.fetch_add(0, Ordering::SeqCst)
        } else {
            self.get()
        }
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn now(&self) -> usize {
        self.0.now()
    }

    /// A read-modify-write and never a store, as [`RelaxedUsize::raise`].
    pub(crate) fn set(&self, value: usize) {
        self.0.swap(value, Ordering::SeqCst);
    }

    /// Stores `new` if the word is `current`; otherwise returns what it is.
    pub(crate) fn compare_exchange(&self, current: usize, new: usize) -> Result<(), usize> {
        self.0
            .compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
    }

    pub(crate) fn reset(&self, value: usize) {
        self.0.store(value, RESET);
    }

    /// For the one thread that owns the slot.
    pub(crate) fn store(&self, value: usize, ordering: Ordering) {
        self.0.store(value, ordering);
    }
}

/// The mark of a window. An operation moves the depth and then loads the mark; an observer takes
/// the mark and then reads the depth. One of the two sees what the other did.
#[derive(Debug)]
pub(crate) struct MarkUsize(atomic::AtomicUsize);

/// How a mark is loaded after a sequentially consistent read-modify-write and a sequentially
/// consistent load. On 32-bit ARM these two are enough: a read-modify-write of ARMv7 ends with a
/// barrier, and no later load passes the load-acquire of ARMv8, which itself does not pass the
/// store-release of a read-modify-write. See the mappings of C11 to these processors.
const LOAD_MARK: Ordering = if cfg!(all(
    target_arch = "arm",
    not(any(fillgauge_loom, fillgauge_search, fillgauge_shuttle))
)) {
    Ordering::Relaxed
} else {
    LOAD_SETTING
};

/// An ordering of a mark. The search models a word under one ordering alone.
const fn of_mark(ordering: Ordering) -> Ordering {
    if cfg!(fillgauge_search) {
        Ordering::SeqCst
    } else {
        ordering
    }
}

impl MarkUsize {
    const_fn! {
        #[cfg_attr(fillgauge_search, track_caller)]
        pub(crate) const fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }
    }

    /// The mark, for a thread that has just moved the depth, and has loaded a sequentially
    /// consistent word since.
    #[inline]
    pub(crate) fn get_after_load(&self) -> usize {
        self.0.load(LOAD_MARK)
    }

    /// The mark, for a thread that then loads what was kept of it when it was taken.
    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.0.load(of_mark(Ordering::Acquire))
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn now(&self) -> usize {
        self.0.now()
    }

    /// Raises the mark. A read-modify-write sees the newest mark in any order.
    #[inline]
    pub(crate) fn raise(&self, value: usize) {
        self.0.fetch_max(value, of_mark(Ordering::Relaxed));
    }

    /// Makes it 0 if it is `current`; otherwise returns what it is.
    pub(crate) fn take(&self, current: usize) -> Result<(), usize> {
        self.0
            .compare_exchange(current, 0, Ordering::SeqCst, Ordering::SeqCst)
            .map(drop)
    }

    pub(crate) fn reset(&self, value: usize) {
        self.0.store(value, RESET);
    }
}

/// A value that is useful even if it is not the newest: relaxed.
#[derive(Debug)]
pub(crate) struct RelaxedUsize(atomic::AtomicUsize);

impl RelaxedUsize {
    const_fn! {
        #[cfg_attr(fillgauge_search, track_caller)]
        pub(crate) const fn new(value: usize) -> Self {
            Self(atomic::AtomicUsize::new(value))
        }
    }

    #[inline]
    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn now(&self) -> usize {
        self.0.now()
    }

    #[inline]
    pub(crate) fn set(&self, value: usize) {
        self.0.store(value, Ordering::Relaxed);
    }

    /// Raises the value to `value`. A read-modify-write and never a store, so that a reader of the
    /// result has read from the release sequence that the slot's `reset` heads.
    pub(crate) fn raise(&self, value: usize) {
        self.0.fetch_max(value, Ordering::Relaxed);
    }

    /// Adds `n`, wrapping.
    #[inline]
    pub(crate) fn add(&self, n: usize) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn reset(&self, value: usize) {
        self.0.store(value, RESET);
    }
}
