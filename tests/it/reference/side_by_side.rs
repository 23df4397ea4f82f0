//! Plays a history on the real thing and on the reference, and compares them after every operation.

use std::fmt;

use fillgauge::{Gauge, Probe, QueueGauge, QueueRegistry, RegistryFull};

use super::gauge::{Figures, LIMIT, ReferenceGauge};
use super::held_budget::HeldBudget;
use super::history::{GaugeHistory, Operation, RegistryHistory, RegistryOperation, Setup};
use super::registry::ReferenceRegistry;
use crate::recorder::{RECORDER, kind, take_events};

impl GaugeHistory {
    /// Fails where the gauge, or a probe of its depth, differs from the reference. Returns the
    /// kinds of the events.
    pub(crate) fn play(&self) -> String {
        take_events();
        let Self { setup, operations } = self;
        let gauge = Gauge::with_config(setup.config()).with_sink(&RECORDER);
        bring_counters_to_start(&gauge, setup);
        // Nothing that knows its length is a rendezvous.
        let probe = (!setup.is_rendezvous())
            .then(|| Probe::with_config(setup.config()).with_sink(&RECORDER));
        let mut reference = ReferenceGauge::new(*setup, 0);
        let mut kinds = String::new();
        for (step, &operation) in operations.iter().enumerate() {
            let at = format_args!("{setup:?}, step {step}: {operation:?}");
            kinds.extend(record(
                &gauge,
                probe.as_ref(),
                &mut reference,
                operation,
                at,
            ));
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
        let mut handles: Vec<(Handle, usize)> = Vec::new();
        let mut kinds = String::new();
        for (step, &operation) in self.operations.iter().enumerate() {
            let named = |number: u8| usize::from(number) % handles.len();
            match operation {
                RegistryOperation::Register(setup) => {
                    match (Handle::register(registry, setup), reference.register(setup)) {
                        (Ok(handle), Some(slot)) => handles.push((handle, slot)),
                        (Err(full), None) => {
                            assert_eq!((full.limit(), full.slots()), (&LIMIT, SLOTS));
                            kinds.push('!');
                        }
                        (real, slot) => panic!("step {step}: {real:?}, by the reference {slot:?}"),
                    }
                }
                _ if handles.is_empty() => {}
                RegistryOperation::Clone(number) => {
                    let (handle, slot) = &handles[named(number)];
                    let handle = (handle.clone(), *slot);
                    reference.clone_handle(handle.1);
                    handles.push(handle);
                }
                RegistryOperation::Drop(number) => {
                    let (handle, slot) = handles.swap_remove(named(number));
                    if let Handle::Budget(budget) = handle {
                        kinds.extend(budget.end(reference.gauge(slot)));
                    }
                    reference.drop_handle(slot);
                }
                RegistryOperation::Record(number, operation) => {
                    let number = named(number);
                    let (handle, slot) = &mut handles[number];
                    let reference = reference.gauge(*slot);
                    let at = format_args!("step {step}: {operation:?}");
                    kinds.extend(match handle {
                        Handle::Gauge(gauge) => record(gauge, None, reference, operation, at),
                        Handle::Budget(budget) => budget.act(reference, operation, at),
                    });
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

/// A handle of either kind.
#[derive(Clone, Debug)]
enum Handle {
    Gauge(QueueGauge),
    Budget(HeldBudget),
}

impl Handle {
    fn register(
        registry: &'static QueueRegistry<SLOTS>,
        setup: Setup,
    ) -> Result<Self, RegistryFull> {
        if setup.is_budget() {
            let budget = registry.register_budget(&LIMIT, setup.capacity)?;
            budget.set_thresholds(setup.thresholds);
            return Ok(Self::Budget(HeldBudget::new(budget)));
        }
        let gauge = registry.register_with(setup.config())?;
        bring_counters_to_start(&gauge, &setup);
        Ok(Self::Gauge(gauge))
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
    probe: Option<&Probe>,
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
            if let Some(probe) = probe {
                probe.check(|| gauge.depth());
                assert_follows(probe, reference, &expected, at);
            }
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
    if let Some(probe) = probe {
        match operation {
            Operation::SetCapacity(_) => {
                probe.set_capacity(gauge.capacity(), || gauge.depth());
            }
            Operation::SetThresholds(thresholds) => {
                probe.set_thresholds(thresholds, || gauge.depth());
            }
            Operation::Refuse(n) => probe.record_refused(n),
            _ => probe.check_after_rmw(|| gauge.depth()),
        }
        assert_follows(probe, reference, &expected, at);
    }
    kinds
}

/// The probe of the depth of a gauge reads what the gauge reads, and has had the same events.
fn assert_follows(
    probe: &Probe,
    reference: &ReferenceGauge,
    expected: &[char],
    at: fmt::Arguments<'_>,
) {
    let figures = reference.figures().without_totals();
    assert_eq!(Figures::from(probe), figures, "the probe: {at}");
    assert_eq!(
        Figures::from(&probe.snapshot()),
        figures,
        "the probe's snapshot: {at}"
    );
    let kinds: Vec<char> = take_events().iter().map(kind).collect();
    assert_eq!(kinds, expected, "events of the probe: {at}");
}
