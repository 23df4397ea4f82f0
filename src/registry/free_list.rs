//! The slots of a registry, and which of them are free.

use crate::alarm::delivery::StaticSink;
use crate::budget::account::Account;
use crate::gauge::Gauge;
use crate::snapshot::QueueSnapshot;
use crate::sync::{AtomicUsize, Ordering, const_fn};

/// The most slots that a registry can have.
pub(super) const MAX_SLOTS: usize = TaggedIndex::INDEX_MASK;

/// 64 bytes with 32-bit words, where nothing is kept apart.
pub(super) struct Slot {
    pub(super) gauge: Gauge,
    /// Handles that share the gauge. Of a free slot that was used before: the free slot below it in
    /// the stack, a [`TaggedIndex`].
    pub(super) handles_or_next: AtomicUsize,
}

// With `std` the rules of the thresholds have a word of their own.
#[cfg(all(target_pointer_width = "32", not(feature = "std")))]
const _: () = assert!(size_of::<Slot>() <= 64);

impl Slot {
    /// The budget in the slot, which uses one of its counters.
    #[inline]
    pub(super) const fn account(&self) -> Account<'_, StaticSink> {
        Account::new(self.gauge.alarm(), self.gauge.first_counter())
    }

    /// The figures of what is in the slot, if it is one and the same from beginning to end.
    pub(super) fn snapshot_if_live(&self) -> Option<QueueSnapshot> {
        let alarm = self.gauge.alarm();
        alarm.read_if_live(|| {
            if alarm.is_enforced() {
                self.account().snapshot()
            } else {
                self.gauge.snapshot()
            }
        })
    }

    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                gauge: Gauge::vacant(),
                handles_or_next: AtomicUsize::new(0),
            }
        }
    }
}

/// The free slots: a stack of those that were given back, and behind it those that were never used.
pub(super) struct FreeList {
    /// A [`TaggedIndex`] to the head of the stack.
    head: AtomicUsize,
    /// All slots from this index on were never used.
    next_fresh: AtomicUsize,
}

impl FreeList {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                head: AtomicUsize::new(TaggedIndex::NONE.0),
                next_fresh: AtomicUsize::new(0),
            }
        }
    }

    /// Takes a free slot; the caller owns it.
    ///
    /// The stack is tried again at the end because `next_fresh` has no way back: once all slots
    /// were used, an empty stack means that all were taken at that moment.
    pub(super) fn take<'slots>(&self, slots: &'slots [Slot]) -> Option<(usize, &'slots Slot)> {
        self.pop(slots)
            .or_else(|| self.take_fresh(slots))
            .or_else(|| self.pop(slots))
    }

    fn take_fresh<'slots>(&self, slots: &'slots [Slot]) -> Option<(usize, &'slots Slot)> {
        let index = self
            .next_fresh
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |index| {
                slots.get(index).map(|_| index.wrapping_add(1))
            })
            .ok()?;
        Some((index, slots.get(index)?))
    }

    fn pop<'slots>(&self, slots: &'slots [Slot]) -> Option<(usize, &'slots Slot)> {
        // Acquire, here and on failure: pairs with the compare-exchange in `give_back`, whose
        // thread wrote `handles_or_next` and ended the slot's previous life.
        let mut head = TaggedIndex(self.head.load(Ordering::Acquire));
        loop {
            let index = head.index()?;
            let slot = slots.get(index)?;
            // If another thread has taken the slot already, this may be any old link, or a number
            // of handles. The tag of `head` has changed then, and the compare-exchange fails.
            let next_free = TaggedIndex(slot.handles_or_next.load(Ordering::Relaxed));
            let next = head.with_next_tag(next_free);
            match self.head.compare_exchange_weak(
                head.0,
                next.0,
                Ordering::Acquire,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some((index, slot)),
                Err(now) => head = TaggedIndex(now),
            }
        }
    }

    pub(super) fn give_back(&self, index: usize, slot: &Slot) {
        let mut head = self.head.load(Ordering::Relaxed);
        loop {
            slot.handles_or_next.store(head, Ordering::Relaxed);
            let next = TaggedIndex(head).with_next_tag(TaggedIndex::to(index));
            // Release: pairs with the acquire in `pop`. The slots further down stay covered: each
            // compare-exchange continues the release sequence of the one that pushed them.
            match self.head.compare_exchange_weak(
                head,
                next.0,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }
}

/// A slot's index plus one, or 0 for none, in the lower half of a word; in the upper half a tag
/// that changes with every use of the word, so that a compare-exchange fails when the stack was
/// popped and pushed meanwhile, unless the tag has come round just then.
#[derive(Clone, Copy)]
struct TaggedIndex(usize);

impl TaggedIndex {
    const NONE: Self = Self(0);
    const INDEX_BITS: u32 = usize::BITS / 2;
    const INDEX_MASK: usize = (1 << Self::INDEX_BITS) - 1;

    const fn to(index: usize) -> Self {
        Self(index.wrapping_add(1))
    }

    const fn index(self) -> Option<usize> {
        (self.0 & Self::INDEX_MASK).checked_sub(1)
    }

    /// What to write in place of `self` to point where `target` points.
    const fn with_next_tag(self, target: Self) -> Self {
        let tag = (self.0 & !Self::INDEX_MASK).wrapping_add(1 << Self::INDEX_BITS);
        Self(tag | target.0 & Self::INDEX_MASK)
    }
}
