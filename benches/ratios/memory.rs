//! Bytes of a gauge, and of a budget.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use agentos_bridge::queue_tracker as original;
use fillgauge::{Budget, Gauge, QueueRegistry};
use fillgauge_std::{TrackedLimit, track};

use crate::compare::Run;

/// The allocator of the system, and a count of what is allocated while that is asked for.
struct Counting;

static COUNTS: AtomicBool = AtomicBool::new(false);
static ALLOCATED: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code)]
// SAFETY: all is left to the allocator of the system.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            ALLOCATED.fetch_add(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if COUNTS.load(Ordering::Relaxed) {
            ALLOCATED.fetch_add(size, Ordering::Relaxed);
            ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        if COUNTS.load(Ordering::Relaxed) {
            ALLOCATED.fetch_sub(layout.size(), Ordering::Relaxed);
        }
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What one live gauge of `gauges` takes, with its share of the registry.
fn bytes_of_each<T>(gauges: usize, register: impl Fn() -> T) -> f64 {
    let mut live = Vec::with_capacity(gauges);
    let before = ALLOCATED.load(Ordering::Relaxed);
    COUNTS.store(true, Ordering::Relaxed);
    live.extend((0..gauges).map(|_| register()));
    COUNTS.store(false, Ordering::Relaxed);
    let after = ALLOCATED.load(Ordering::Relaxed);
    (after - before) as f64 / gauges as f64
}

pub(crate) fn compare(run: &mut Run) {
    const WHAT: &str = "memory of a gauge";
    if !run.wants(WHAT) {
        return;
    }
    let ours = fillgauge_std::QueueRegistry::default();
    let theirs = original::QueueRegistry::default();
    run.exact(
        WHAT,
        "bytes",
        vec![
            ("fillgauge, a static", size_of::<Gauge>() as f64),
            (
                "fillgauge, a slot of a registry",
                (size_of::<QueueRegistry<9>>() - size_of::<QueueRegistry<8>>()) as f64,
            ),
            (
                "fillgauge-std, one of 10,000",
                bytes_of_each(10_000, || ours.register(TrackedLimit::VmPipes, 64)),
            ),
            ("fillgauge, a static budget", size_of::<Budget>() as f64),
            (
                "fillgauge-std, a budget, one of 10,000",
                bytes_of_each(10_000, || {
                    let limit = track(TrackedLimit::V8HeapBytes);
                    limit.capacity(64).registry(&ours).budget()
                }),
            ),
            (
                "original, one of 10,000",
                bytes_of_each(10_000, || {
                    theirs.register(original::TrackedLimit::VmPipes, 64)
                }),
            ),
        ],
    );
}
