//! Slots that are handed out, shared or read in a way that is easily written.

use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// The index that stands for none.
const NONE: usize = usize::MAX;

/// Two slots whose free list is a stack without a tag: whoever is about to pop does not notice that others popped and
/// pushed meanwhile.
pub struct UntaggedStack {
    top: AtomicUsize,
    below: [AtomicUsize; 2],
}

/// A slot taken from an [`UntaggedStack`], which gets it back.
pub struct Claim {
    index: usize,
    stack: &'static UntaggedStack,
}

impl UntaggedStack {
    pub fn of_two() -> Self {
        Self {
            top: AtomicUsize::new(0),
            below: [AtomicUsize::new(1), AtomicUsize::new(NONE)],
        }
    }

    pub fn take(&'static self) -> Option<Claim> {
        let mut top = self.top.load(SeqCst);
        loop {
            let below = self.below.get(top)?.load(SeqCst);
            match self.top.compare_exchange(top, below, SeqCst, SeqCst) {
                Ok(index) => return Some(Claim { index, stack: self }),
                Err(now) => top = now,
            }
        }
    }

    fn give_back(&self, index: usize) {
        let mut top = self.top.load(SeqCst);
        loop {
            self.below[index].store(top, SeqCst);
            match self.top.compare_exchange(top, index, SeqCst, SeqCst) {
                Ok(_) => return,
                Err(now) => top = now,
            }
        }
    }
}

impl Claim {
    pub fn index(&self) -> usize {
        self.index
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.stack.give_back(self.index);
    }
}

/// A slot that is given back by the first handle that goes.
pub struct UncountedSlot {
    is_free: AtomicBool,
    depth: AtomicUsize,
}

#[derive(Clone)]
pub struct UncountedHandle(&'static UncountedSlot);

impl UncountedSlot {
    pub fn free() -> Self {
        Self {
            is_free: AtomicBool::new(true),
            depth: AtomicUsize::new(0),
        }
    }

    pub fn claim(&'static self) -> Option<UncountedHandle> {
        self.is_free.swap(false, SeqCst).then(|| {
            self.depth.store(0, SeqCst);
            UncountedHandle(self)
        })
    }
}

impl UncountedHandle {
    pub fn record_enqueue(&self) {
        self.0.depth.fetch_add(1, SeqCst);
    }

    pub fn depth(&self) -> usize {
        self.0.depth.load(SeqCst)
    }
}

impl Drop for UncountedHandle {
    fn drop(&mut self) {
        self.0.is_free.store(true, SeqCst);
    }
}

/// A slot whose snapshot looks at the instance once, before it reads the rest.
pub struct UncheckedSlot {
    instance: AtomicUsize,
    is_first: AtomicBool,
    capacity: AtomicUsize,
    depth: AtomicUsize,
}

impl UncheckedSlot {
    pub fn free() -> Self {
        Self {
            instance: AtomicUsize::new(0),
            is_first: AtomicBool::new(false),
            capacity: AtomicUsize::new(0),
            depth: AtomicUsize::new(0),
        }
    }

    pub fn open(&self, instance: usize, is_first: bool, capacity: usize) {
        self.is_first.store(is_first, SeqCst);
        self.capacity.store(capacity, SeqCst);
        self.depth.store(0, SeqCst);
        self.instance.store(instance, SeqCst);
    }

    pub fn close(&self) {
        self.instance.store(0, SeqCst);
    }

    pub fn record_enqueue(&self) {
        self.depth.fetch_add(1, SeqCst);
    }

    /// Instance, limit, capacity and depth.
    pub fn snapshot(&self) -> Option<(usize, bool, usize, usize)> {
        match self.instance.load(SeqCst) {
            0 => None,
            instance => Some((
                instance,
                self.is_first.load(SeqCst),
                self.capacity.load(SeqCst),
                self.depth.load(SeqCst),
            )),
        }
    }
}
