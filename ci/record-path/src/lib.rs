//! Every operation of the core as an exported function, with no `std`, no allocator, and a panic handler that calls a
//! function which does not exist: if any operation can panic, the library refers to that function.

#![no_std]

#[cfg(feature = "heapless")]
mod with_heapless;

use core::hint::black_box;

use fillgauge::{Gauge, Limit, LimitEvent, LimitSink, QueueGauge, QueueRegistry};

unsafe extern "C" {
    fn an_operation_can_panic() -> !;
}

#[panic_handler]
fn on_panic(_: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: it is never linked, let alone called.
    unsafe { an_operation_can_panic() }
}

unsafe extern "C" {
    /// Stands for whatever a sink does.
    fn take_event(event: *const ());
}

struct Sink;

impl LimitSink for Sink {
    fn on_event(&self, event: &LimitEvent) {
        // SAFETY: it is never linked, let alone called.
        unsafe { take_event(core::ptr::from_ref(event).cast()) }
    }
}

static LIMIT: Limit = Limit::queue("limit");
static PRESET: Gauge = Gauge::new(&LIMIT, 100).with_sink(&Sink);
static REGISTRY: QueueRegistry<8> = QueueRegistry::new()
    .with_presets(&[&PRESET])
    .with_sink(&Sink);

/// Lies in `.bss`.
#[unsafe(no_mangle)]
static EMPTY_REGISTRY: QueueRegistry<1000> = QueueRegistry::new();

/// Exports methods that take a gauge, and arguments, and return something to be looked at.
macro_rules! export {
    ($($exported:ident = $method:ident($($argument:ident: $kind:ty),*);)+) => {
        $(
            #[unsafe(no_mangle)]
            fn $exported(gauge: &Gauge $(, $argument: $kind)*) {
                black_box(gauge.$method($($argument),*));
            }
        )+
    };
}

export! {
    gauge_record_enqueue = record_enqueue();
    gauge_record_enqueue_n = record_enqueue_n(n: usize);
    gauge_record_dequeue = record_dequeue();
    gauge_record_dequeue_n = record_dequeue_n(n: usize);
    gauge_record_clear = record_clear();
    gauge_observe_depth = observe_depth(depth: usize);
    gauge_depth = depth();
    gauge_high_water = high_water();
    gauge_capacity = capacity();
    gauge_fill_percent = fill_percent();
    gauge_has_warned = has_warned();
    gauge_warnings = warnings();
    gauge_enqueued = enqueued();
    gauge_dequeued = dequeued();
    gauge_limit = limit();
    gauge_instance = instance();
    gauge_snapshot = snapshot();
}

#[unsafe(no_mangle)]
fn registry_register(limit: &'static Limit, capacity: usize) {
    black_box(REGISTRY.register(limit, capacity).is_ok());
}

#[unsafe(no_mangle)]
fn registry_clone(gauge: &QueueGauge) {
    drop(black_box(gauge.clone()));
}

#[unsafe(no_mangle)]
fn registry_snapshot() {
    for registry_entry in REGISTRY.snapshot() {
        black_box(registry_entry);
    }
}

#[cfg(feature = "canary")]
#[unsafe(no_mangle)]
fn canary(gauges: &[Gauge], index: usize) -> usize {
    gauges[index].depth()
}
