use std::collections::HashSet;

use fillgauge::{Budget, Gauge, GaugeConfig, Limit, QueueRegistry, Thresholds, Totals, presets};

use crate::{RECORDER, short_events};

static LIMIT: Limit = Limit::queue("queue");

#[test]
fn a_full_registry_refuses_and_takes_again_when_a_slot_is_free() {
    static REGISTRY: QueueRegistry<4> = QueueRegistry::new();
    assert_eq!(REGISTRY.slots(), 4);
    let mut gauges: Vec<_> = (0..4)
        .map(|_| REGISTRY.register(&LIMIT, 8).unwrap())
        .collect();
    let refused = REGISTRY.register(&LIMIT, 8).unwrap_err();
    assert_eq!((refused.limit(), refused.slots()), (&LIMIT, 4));
    assert_eq!(
        refused.to_string(),
        "registry full: cannot register `queue` (4 of 4 slots in use)"
    );

    for freed in [2, 0, 1] {
        gauges[freed].record_enqueue_n(7);
        drop(gauges.remove(freed));
        let again = REGISTRY.register(&LIMIT, 9).unwrap();
        assert_eq!(
            (again.depth(), again.high_water(), again.has_warned()),
            (0, 0, false)
        );
        assert_eq!(
            (again.capacity(), again.warnings(), again.enqueued()),
            (9, 0, 0)
        );
        assert!(REGISTRY.register(&LIMIT, 8).is_err());
        gauges.push(again);
    }
}

#[test]
fn the_last_handle_ends_the_registration() {
    static REGISTRY: QueueRegistry<2> = QueueRegistry::new();
    let first = REGISTRY.register(&LIMIT, 8).unwrap();
    let second = first.clone();
    first.record_enqueue();
    drop(first);
    assert_eq!(REGISTRY.snapshot().next().unwrap().depth, 1);
    drop(second);
    assert_eq!(REGISTRY.snapshot().count(), 0);
}

#[test]
fn registrations_are_numbered_one_by_one() {
    static REGISTRY: QueueRegistry<2> = QueueRegistry::new();
    let instances: Vec<usize> = (0..10)
        .map(|_| REGISTRY.register(&LIMIT, 8).unwrap().instance())
        .collect();
    assert_eq!(instances, (1..=10).collect::<Vec<_>>());
}

#[test]
fn presets_come_first_in_snapshots_and_take_no_slot() {
    struct Board {
        tx: [Gauge; 2],
    }
    static RX: Gauge = Gauge::new(&Limit::queue("rx"), 10);
    static TX: Limit = Limit::queue("tx");
    static BOARD: Board = Board {
        tx: [const { Gauge::new(&TX, 20) }; 2],
    };
    static BYTES: Budget = Budget::new(&Limit::memory("bytes"), 10);
    static REGISTRY: QueueRegistry<1> =
        QueueRegistry::new().with_presets(presets![RX, BOARD.tx[0], BYTES]);
    BOARD.tx[0].record_enqueue();
    let _held = BYTES.try_reserve(5).unwrap();
    let gauge = REGISTRY.register(&LIMIT, 8).unwrap();
    let entries: Vec<_> = REGISTRY
        .snapshot()
        .map(|entry| (entry.name.as_str(), entry.instance, entry.depth))
        .collect();
    assert_eq!(
        entries,
        [("rx", 0, 0), ("tx", 0, 1), ("bytes", 0, 5), ("queue", 1, 0)]
    );
    assert_eq!(REGISTRY.snapshot().size_hint(), (3, Some(4)));
    for index in 0..6 {
        assert_eq!(REGISTRY.get(index), REGISTRY.places().nth(index).flatten());
    }
    assert_eq!(REGISTRY.get(3), Some(gauge.snapshot()));
    drop(gauge);
    assert_eq!((REGISTRY.get(3), REGISTRY.get(4)), (None, None));
    let mut places = REGISTRY.places();
    assert_eq!(places.len(), 4);
    assert_eq!(
        places
            .by_ref()
            .map(|place| place.is_some())
            .collect::<Vec<_>>(),
        [true, true, true, false]
    );
    assert_eq!((places.len(), places.next()), (0, None));
}

#[test]
fn registered_gauges_deliver_to_the_registrys_sink() {
    static REGISTRY: QueueRegistry<3> = QueueRegistry::new().with_sink(&RECORDER);
    let early = GaugeConfig::new(&LIMIT, 10).thresholds(Thresholds::new(20, 10).unwrap());
    let gauges = [
        REGISTRY.register(&LIMIT, 10).unwrap(),
        REGISTRY.register_with(early).unwrap(),
        REGISTRY.register(&LIMIT, 10).unwrap(),
    ];
    for gauge in &gauges {
        gauge.record_enqueue_n(8);
        gauge.record_dequeue_n(7);
    }
    assert_eq!(
        short_events(),
        [('+', 8), ('-', 1), ('+', 8), ('-', 1), ('+', 8), ('-', 1)]
    );
}

#[test]
fn a_registry_without_slots_refuses() {
    static REGISTRY: QueueRegistry<0> = QueueRegistry::new();
    assert!(REGISTRY.register(&LIMIT, 8).is_err());
}

#[test]
fn every_slot_can_be_held_at_once() {
    static REGISTRY: QueueRegistry<1_000> = QueueRegistry::new();
    for _ in 0..3 {
        let gauges: Vec<_> = (0..1_000)
            .map(|_| REGISTRY.register(&LIMIT, 8).unwrap())
            .collect();
        assert!(REGISTRY.register(&LIMIT, 8).is_err());
        let instances: HashSet<usize> = REGISTRY.snapshot().map(|entry| entry.instance).collect();
        assert_eq!(instances.len(), gauges.len());
    }
}

#[test]
fn debug_shows_the_figures() {
    static REGISTRY: QueueRegistry<2> = QueueRegistry::new();
    let gauge = REGISTRY.register(&LIMIT, 8).unwrap();
    gauge.record_enqueue_n(3);
    let shown = format!("{gauge:?}");
    assert_eq!(shown, format!("{:?}", &*gauge), "as the gauge");
    for figure in ["queue", "instance: 1", "depth: 3", "capacity: 8"] {
        assert!(shown.contains(figure), "{figure} in {shown}");
    }
    let shown = format!("{REGISTRY:?}");
    for figure in ["slots: 2", "depth: 3", "high_water: 3"] {
        assert!(shown.contains(figure), "{figure} in {shown}");
    }
}

/// A budget takes a slot as a gauge does, and a slot that changes hands keeps nothing of it.
#[test]
fn budgets_and_gauges_share_the_slots() {
    static REGISTRY: QueueRegistry<2> = QueueRegistry::new().with_sink(&RECORDER);
    for round in 1..=3 {
        let bytes = REGISTRY.register_budget(&LIMIT, 10).unwrap();
        let gauge = REGISTRY.register(&LIMIT, 10).unwrap();
        let full = REGISTRY.register_budget(&LIMIT, 10).unwrap_err();
        assert_eq!(full.slots(), 2);
        assert_eq!(REGISTRY.refused(), round);

        let clone = bytes.clone();
        let held = clone.try_reserve(8).unwrap();
        let refused = bytes.try_reserve(3).unwrap_err();
        assert_eq!((refused.used(), refused.capacity()), (8, 10));
        gauge.record_enqueue();
        let mut shown: Vec<_> = REGISTRY.snapshot().collect();
        shown.sort_by_key(|shown| shown.instance);
        let shown: Vec<_> = shown
            .iter()
            .map(|shown| (shown.depth, shown.totals, shown.refused, shown.warned))
            .collect();
        let counted = Some(Totals::new(1, 0));
        assert_eq!(shown, [(8, None, 1, true), (1, counted, 0, false)]);
        assert_eq!(bytes.snapshot().depth, bytes.used());
        assert!(bytes.instance() < gauge.instance());

        drop(held);
        bytes.set_capacity(5);
        assert_eq!((bytes.remaining(), bytes.fill_percent()), (5, 0));
        bytes.set_thresholds(Thresholds::new(40, 20).unwrap());
        assert!(bytes.try_reserve(2).is_ok());
        assert_eq!((bytes.warnings(), bytes.high_water()), (2, 8));
        assert_eq!(short_events(), [('+', 8), ('-', 0), ('+', 2), ('-', 0)]);
        drop((bytes, clone));
        // What was a budget is a gauge next, and the other way round.
        let again = REGISTRY.register(&LIMIT, 10).unwrap();
        assert_eq!((again.depth(), again.refused()), (0, 0));
        assert_eq!(again.snapshot().totals, Some(Totals::new(0, 0)));
    }
    assert_eq!(REGISTRY.snapshot().count(), 0);
}
