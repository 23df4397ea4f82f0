//! A `&'static Limit` that can be replaced atomically: the one module of the core with unsafe code
//! of its own. (`queues::heapless` passes the contracts of two methods of heapless on.)

#![allow(unsafe_code)]

use core::ptr;

use crate::limit::Limit;
use crate::sync::{AtomicPtr, Ordering, const_fn};

/// What a slot is called that was never claimed. No handle reaches such a slot.
static UNNAMED: Limit = Limit::queue("");

/// Holds a `&'static Limit`, or null where none was set: an empty cell is all zero.
///
/// Invariant: the pointer is null or comes from a `&'static Limit`. The two functions that write it
/// take just that.
#[derive(Debug)]
pub(crate) struct AtomicLimit(AtomicPtr<Limit>);

impl AtomicLimit {
    const_fn! {
        pub(crate) const fn empty() -> Self {
            Self(AtomicPtr::new(ptr::null_mut()))
        }
    }

    const_fn! {
        pub(crate) const fn new(limit: &'static Limit) -> Self {
            Self(AtomicPtr::new(ptr::from_ref(limit).cast_mut()))
        }
    }

    pub(crate) fn reset(&self, limit: &'static Limit) {
        // Pairs with the load in `get`: the limit may have been made just now, on the heap.
        self.0
            .store(ptr::from_ref(limit).cast_mut(), Ordering::Release);
    }

    pub(crate) fn get(&self) -> &'static Limit {
        let limit = self.0.load(Ordering::Acquire);
        // SAFETY: by the invariant the pointer is null, for which `as_ref` gives `None`, or that of
        // a `&'static Limit`: aligned, valid for ever, and never written through. The load is an
        // acquire of the store in `reset`, so the limit's own bytes were written before.
        unsafe { limit.as_ref() }.unwrap_or(&UNNAMED)
    }
}
