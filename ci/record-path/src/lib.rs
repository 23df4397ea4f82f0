//! Every operation of the core as an exported function, without `std` and without an allocator. The
//! panic handler calls a function that does not exist: if any operation can panic, the library
//! refers to that function.

#![no_std]

#[cfg(feature = "heapless")]
mod with_heapless;

use core::hint::black_box;

use fillgauge::{
    Budget, Deliver, Delivery, Drain, DrainWatch, Gauge, GaugeConfig, Limit, LimitEvent, LimitSink,
    Probe, QueueGauge, QueueRegistry, Renew, Thresholds, WindowPeaks, presets,
};

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

    /// Stands for whatever knows a depth.
    safe fn sample() -> usize;
}

struct Sink;

impl LimitSink for Sink {
    fn on_event(&self, event: &LimitEvent) {
        // SAFETY: it is never linked, let alone called.
        unsafe { take_event(core::ptr::from_ref(event).cast()) }
    }
}

/// Leaves every event of a deferred operation pending.
struct Keeper;

impl Deliver for Keeper {
    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        Sink.on_event(event);
        if delivery.is_deferred() {
            delivery.leave_pending();
        }
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        // SAFETY: it is never linked, let alone called.
        unsafe { take_event(core::ptr::null()) }
    }
}

impl Renew for Keeper {
    type Right = ();
}

static LIMIT: Limit = Limit::queue("limit");
static PRESET: Gauge = Gauge::new(&LIMIT, 100).with_sink(&Sink);
static BUDGET: Budget = Budget::new(&LIMIT, 100).with_sink(&Sink);
static REGISTRY: QueueRegistry<8> = QueueRegistry::new()
    .with_presets(presets![PRESET, BUDGET])
    .with_sink(&Sink);

/// Lies in `.bss`.
#[unsafe(no_mangle)]
static EMPTY_REGISTRY: QueueRegistry<1000> = QueueRegistry::new();

/// Exports methods that take a gauge and arguments. What they return counts as used.
macro_rules! export {
    ($gauge:ty: $($exported:ident = $method:ident($($argument:ident: $kind:ty),*);)+) => {
        $(
            #[unsafe(no_mangle)]
            fn $exported(gauge: &$gauge $(, $argument: $kind)*) {
                let _ = black_box(gauge.$method($($argument),*));
            }
        )+
    };
}

export! {
    Gauge:
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
    gauge_is_for_queue = is_for_queue();
    gauge_instance = instance();
    gauge_snapshot = snapshot();
    gauge_has_pending_event = has_pending_event();
    gauge_deliver_pending = deliver_pending();
    gauge_delivery = delivery();
    gauge_deferred = deferred();
    gauge_take_window_peak = take_window_peak();
    gauge_hold = hold(n: usize);
    gauge_record_refused = record_refused(n: usize);
    gauge_refused = refused();
    gauge_thresholds = thresholds();
    gauge_set_capacity = set_capacity(capacity: usize);
    gauge_set_thresholds = set_thresholds(thresholds: Thresholds);
}

export! {
    Budget:
    budget_try_reserve = try_reserve(n: usize);
    budget_set_capacity = set_capacity(capacity: usize);
    budget_set_thresholds = set_thresholds(thresholds: Thresholds);
    budget_deliver_pending = deliver_pending();
    budget_take_window_peak = take_window_peak();
    budget_delivery = delivery();
    budget_used = used();
    budget_remaining = remaining();
    budget_high_water = high_water();
    budget_refused = refused();
    budget_capacity = capacity();
    budget_thresholds = thresholds();
    budget_fill_percent = fill_percent();
    budget_has_warned = has_warned();
    budget_has_pending_event = has_pending_event();
    budget_warnings = warnings();
    budget_instance = instance();
    budget_limit = limit();
    budget_snapshot = snapshot();
}

export! {
    Probe:
    probe_record_refused = record_refused(n: usize);
    probe_delivery = delivery();
    probe_depth = depth();
    probe_high_water = high_water();
    probe_refused = refused();
    probe_capacity = capacity();
    probe_thresholds = thresholds();
    probe_fill_percent = fill_percent();
    probe_has_warned = has_warned();
    probe_has_pending_event = has_pending_event();
    probe_warnings = warnings();
    probe_limit = limit();
    probe_instance = instance();
    probe_store_capacity = store_capacity(capacity: usize);
    probe_snapshot = snapshot();
}

#[unsafe(no_mangle)]
fn probe_check(probe: &Probe) {
    probe.check(|| sample());
}

#[unsafe(no_mangle)]
fn probe_check_deferred(probe: &Probe<Keeper>) {
    probe.check_deferred(|| sample());
}

#[unsafe(no_mangle)]
fn probe_check_after_rmw(probe: &Probe) {
    probe.check_after_rmw(|| sample());
}

#[unsafe(no_mangle)]
fn probe_check_deferred_after_rmw(probe: &Probe<Keeper>) {
    probe.check_deferred_after_rmw(|| sample());
}

#[unsafe(no_mangle)]
fn probe_take_window_peak(probe: &Probe) -> usize {
    probe.take_window_peak(|| sample())
}

#[unsafe(no_mangle)]
fn window_peaks_take(peaks: &WindowPeaks<3>, observer: usize, gauge: &Gauge) -> Option<usize> {
    peaks.take(observer, gauge)
}

#[unsafe(no_mangle)]
fn drain_watch_poll(watch: &mut DrainWatch, gauge: &Gauge, now: u64) -> Option<Drain> {
    watch.poll(&gauge.snapshot(), now)
}

#[unsafe(no_mangle)]
fn probe_set_capacity(probe: &Probe, capacity: usize) {
    probe.set_capacity(capacity, || sample());
}

#[unsafe(no_mangle)]
fn probe_set_thresholds(probe: &Probe, thresholds: Thresholds) {
    probe.set_thresholds(thresholds, || sample());
}

#[unsafe(no_mangle)]
fn reservation_split_and_merge(budget: &Budget, n: usize, part: usize) {
    if let Ok(mut reservation) = budget.try_reserve(n) {
        if let Some(part) = reservation.split(part) {
            black_box(reservation.merge(part).is_ok());
        }
        black_box(reservation.forget());
    }
}

#[unsafe(no_mangle)]
fn probe_deliver_pending(probe: &Probe<Keeper>) {
    probe.deliver_pending(|| sample());
}

#[unsafe(no_mangle)]
fn probe_renew(probe: &Probe<Keeper>, limit: &'static Limit, capacity: usize, instance: usize) {
    probe.renew(&(), GaugeConfig::new(limit, capacity), instance);
}

#[unsafe(no_mangle)]
fn gauge_renew(gauge: &Gauge<Keeper>, limit: &'static Limit, capacity: usize, instance: usize) {
    gauge.renew(&(), GaugeConfig::for_queue(limit, capacity), instance);
}

#[unsafe(no_mangle)]
fn budget_renew(budget: &Budget<Keeper>, limit: &'static Limit, capacity: usize, instance: usize) {
    budget.renew(&(), GaugeConfig::new(limit, capacity), instance);
}

#[unsafe(no_mangle)]
fn budget_reclaim(budget: &Budget<Keeper>, amount: usize) {
    drop(black_box(budget.reclaim(&(), amount)));
}

#[unsafe(no_mangle)]
fn gauge_observe_with(gauge: &Gauge) {
    gauge.observe_with(|| sample());
}

#[unsafe(no_mangle)]
fn keeping_observe_with(gauge: &Gauge<Keeper>) {
    gauge.observe_with(|| sample());
}

/// What `presets!` calls.
macro_rules! export_presets {
    ($($exported:ident: $kind:ty;)+) => {
        $(
            #[unsafe(no_mangle)]
            fn $exported(source: &'static $kind) {
                black_box(source.preset().snapshot());
            }
        )+
    };
}

export_presets! {
    gauge_preset: Gauge;
    budget_preset: Budget;
    probe_preset: Probe;
}

macro_rules! export_deferred {
    ($($exported:ident = $method:ident($($argument:ident: $kind:ty),*);)+) => {
        $(
            #[unsafe(no_mangle)]
            fn $exported(gauge: &Gauge<Keeper> $(, $argument: $kind)*) {
                gauge.deferred().$method($($argument),*);
            }
        )+
    };
}

export! {
    Gauge<Keeper>:
    keeping_record_enqueue = record_enqueue();
    keeping_record_dequeue = record_dequeue();
    keeping_observe_depth = observe_depth(depth: usize);
    keeping_deliver_pending = deliver_pending();
}

export_deferred! {
    deferred_record_dequeue = record_dequeue();
    deferred_record_dequeue_n = record_dequeue_n(n: usize);
    deferred_record_clear = record_clear();
}

#[unsafe(no_mangle)]
fn keeping_with_delivery(capacity: usize) {
    black_box(Gauge::with_delivery(
        GaugeConfig::new(&LIMIT, capacity),
        Keeper,
    ));
}

#[unsafe(no_mangle)]
fn registry_register(limit: &'static Limit, capacity: usize) {
    black_box(REGISTRY.register(limit, capacity).is_ok());
}

#[unsafe(no_mangle)]
fn registry_register_budget(limit: &'static Limit, capacity: usize, n: usize) {
    if let Ok(budget) = REGISTRY.register_budget(limit, capacity) {
        drop(black_box(budget.try_reserve(n)));
    }
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

#[unsafe(no_mangle)]
fn registry_get(index: usize) {
    black_box(REGISTRY.get(index));
}

#[unsafe(no_mangle)]
fn registry_places() {
    black_box(REGISTRY.places().last());
}

#[cfg(feature = "canary")]
#[unsafe(no_mangle)]
fn canary(gauges: &[Gauge], index: usize) -> usize {
    gauges[index].depth()
}
