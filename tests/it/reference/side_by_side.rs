//! Plays a history on the real thing and on the reference, and compares them after every operation.

use std::fmt;

use fillgauge::{Gauge, QueueGauge, QueueRegistry};

use super::gauge::{Figures, LIMIT, ReferenceGauge};
use super::history::{GaugeHistory, Operation, RegistryHistory, RegistryOperation, Setup};
use super::registry::ReferenceRegistry;
use crate::recorder::{RECORDER, kind, take_events};

impl GaugeHistory {
    /// Fails where the gauge differs from the reference. Returns the kinds of the events.
    pub(crate) fn play(&self) -> String {
        take_events();
        let Self { setup, operations } = self;
        let gauge = Gauge::with_config(setup.config()).with_sink(&RECORDER);
        bring_counters_to_start(&gauge, setup);
        let mut reference = ReferenceGauge::new(*setup, 0);
        let mut kinds = String::new();
        for (step, &operation) in operations.iter().enumerate() {
            let at = format_args!("{setup:?}, step {step}: {operation:?}");
            kinds.extend(record(&gauge, &mut reference, operation, at));
        }
        kinds
    }
}

const SLOTS: usize = 4;

impl RegistryHistory {
    /// Fails where the registry differs from the reference. Returns the kinds of the events, and
    /// `!` for each refusal.
    pub(crate) fn play(&self) -> String {
        take_events();
        let registry = Box::into_raw(Box::new(QueueRegistry::new().with_sink(&RECORDER)));
        // SAFETY: what `play_on` makes of the registry is dropped when it returns.
        #[allow(unsafe_code)]
        let kinds = self.play_on(unsafe { &*registry });
        // A registry is static, but one for each of millions of inputs is too much to keep.
        // SAFETY: it comes from a box, and nothing refers to it any more.
        #[allow(unsafe_code)]
        drop(unsafe { Box::from_raw(registry) });
        kinds
    }

    fn play_on(&self, registry: &'static QueueRegistry<SLOTS>) -> String {
        let mut reference = ReferenceRegistry::new(SLOTS);
        let mut handles: Vec<(QueueGauge, usize)> = Vec::new();
        let mut kinds = String::new();
        for (step, &operation) in self.operations.iter().enumerate() {
            let named = |number: u8| usize::from(number) % handles.len();
            match operation {
                RegistryOperation::Register(setup) => {
                    match (
                        registry.register_with(setup.config()),
                        reference.register(setup),
                    ) {
                        (Ok(gauge), Some(slot)) => {
                            bring_counters_to_start(&gauge, &setup);
                            handles.push((gauge, slot));
                        }
                        (Err(full), None) => {
                            assert_eq!((full.limit(), full.slots()), (&LIMIT, SLOTS));
                            kinds.push('!');
                        }
                        (real, slot) => panic!("step {step}: {real:?}, by the reference {slot:?}"),
                    }
                }
                _ if handles.is_empty() => {}
                RegistryOperation::Clone(number) => {
                    let (gauge, slot) = &handles[named(number)];
                    let handle = (gauge.clone(), *slot);
                    reference.clone_handle(handle.1);
                    handles.push(handle);
                }
                RegistryOperation::Drop(number) => {
                    let (_, slot) = handles.swap_remove(named(number));
                    reference.drop_handle(slot);
                }
                RegistryOperation::Record(number, operation) => {
                    let (gauge, slot) = &handles[named(number)];
                    let at = format_args!("step {step}: {operation:?}");
                    kinds.extend(record(gauge, reference.gauge(*slot), operation, at));
                }
            }
            let mut figures: Vec<_> = registry
                .snapshot()
                .map(|entry| Figures::from(&entry))
                .collect();
            figures.sort_by_key(|figures| figures.instance);
            assert_eq!(figures, reference.figures(), "step {step}: {operation:?}");
            assert_eq!(registry.refused(), kinds.matches('!').count());
        }
        kinds
    }
}

/// Brings both counters of a fresh gauge to the start of its setup, in steps that may be strays or
/// underflows.
fn bring_counters_to_start(gauge: &Gauge, setup: &Setup) {
    while gauge.dequeued() != setup.start {
        let step = (setup.start - gauge.dequeued()).min(usize::MAX / 32);
        gauge.record_dequeue_n(step);
        if setup.for_queue {
            gauge.record_enqueue_n(step);
        }
    }
    assert_eq!(
        Figures::from(gauge),
        ReferenceGauge::new(*setup, gauge.instance()).figures()
    );
    assert!(take_events().is_empty());
}

/// Records an operation on both, compares them, and returns the kinds of the events.
fn record(
    gauge: &Gauge,
    reference: &mut ReferenceGauge,
    operation: Operation,
    at: fmt::Arguments<'_>,
) -> Vec<char> {
    let expected = match operation {
        // Single enqueues are not checked against the end of the range. There it is recorded as one
        // of many.
        Operation::EnqueueOne if reference.is_at_end_of_range() => {
            gauge.record_enqueue_n(1);
            reference.enqueue(1)
        }
        Operation::EnqueueOne => {
            gauge.record_enqueue();
            reference.enqueue(1)
        }
        Operation::Enqueue(amount) => {
            let n = amount.of(reference);
            gauge.record_enqueue_n(n);
            reference.enqueue(n)
        }
        // Nor are dequeues checked against the greatest underflow.
        Operation::DequeueOne if !reference.can_underflow_by(1) => Vec::new(),
        Operation::Dequeue(amount) if !reference.can_underflow_by(amount.of(reference)) => {
            Vec::new()
        }
        Operation::DequeueOne => {
            gauge.record_dequeue();
            reference.dequeue(1)
        }
        Operation::Dequeue(amount) => {
            let n = amount.of(reference);
            gauge.record_dequeue_n(n);
            reference.dequeue(n)
        }
        Operation::Observe(amount) => {
            let depth = amount.of(reference);
            // Alone, both ways are the same.
            if depth & 1 == 0 {
                gauge.observe_depth(depth);
            } else {
                gauge.observe_with(|| depth);
            }
            reference.observe(depth)
        }
        Operation::Clear => {
            gauge.record_clear();
            reference.clear()
        }
        Operation::Hold(amount) => {
            let n = amount.of(reference);
            let room = reference.room_for(n);
            let expected = reference.enqueue(n);
            let hold = gauge.hold(n);
            assert_eq!(hold.amount(), room, "{at}");
            assert_eq!(Figures::from(gauge), reference.figures(), "held: {at}");
            let kinds: Vec<char> = take_events().iter().map(kind).collect();
            assert_eq!(kinds, expected, "events: {at}");
            drop(hold);
            reference.dequeue(room)
        }
        Operation::Refuse(n) => {
            gauge.record_refused(n);
            reference.refuse(n);
            Vec::new()
        }
        Operation::SetCapacity(amount) => {
            let capacity = amount.of(reference);
            gauge.set_capacity(capacity);
            reference.set_capacity(capacity)
        }
        Operation::SetThresholds(thresholds) => {
            gauge.set_thresholds(thresholds);
            assert_eq!(gauge.thresholds(), thresholds);
            reference.set_thresholds(thresholds)
        }
    };
    reference.count_strays(gauge.dequeued());
    let figures = reference.figures();
    assert_eq!(Figures::from(gauge), figures, "read one by one: {at}");
    assert_eq!(Figures::from(&gauge.snapshot()), figures, "snapshot: {at}");
    let events = take_events();
    for event in &events {
        assert_eq!(
            Figures::from(event.snapshot()),
            figures,
            "in an event: {at}"
        );
    }
    let kinds: Vec<char> = events.iter().map(kind).collect();
    assert_eq!(kinds, expected, "events: {at}");
    kinds
}
