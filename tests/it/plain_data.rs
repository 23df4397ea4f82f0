#[cfg(feature = "serde")]
use fillgauge::LimitEventKind;
use fillgauge::{Gauge, Limit, LimitCategory, LimitEvent, Thresholds};

static HEAP: Limit = Limit::memory("heap");

#[test]
fn limit_and_category_display_their_names_and_obey_width() {
    assert_eq!(
        format!("{HEAP:>6}|{:<7}|", HEAP.category()),
        "  heap|memory |"
    );
}

#[test]
fn an_exhausted_limit_is_a_warning_with_exact_figures() {
    let event = LimitEvent::exhausted(&HEAP, usize::MAX, usize::MAX / 2);
    let warning = event.warning().unwrap();
    assert_eq!(*warning.name, HEAP);
    assert_eq!(warning.category, LimitCategory::Memory);
    assert_eq!(
        (warning.observed, warning.capacity),
        (usize::MAX, usize::MAX / 2)
    );
    assert_eq!(warning.fill_percent, 200);
    assert_eq!(
        LimitEvent::exhausted(&HEAP, 7, 0).snapshot().fill_percent,
        0
    );
}

#[test]
fn only_near_capacity_and_exhausted_are_warnings() {
    let snapshot = Gauge::new(&HEAP, 10).snapshot();
    assert!(LimitEvent::NearCapacity(snapshot).warning().is_some());
    assert_eq!(LimitEvent::Full(snapshot).warning(), None);
    assert_eq!(LimitEvent::Recovered(snapshot).warning(), None);
}

#[test]
fn thresholds_that_are_refused_say_why() {
    let refused = |warn, rearm| Thresholds::new(warn, rearm).unwrap_err().to_string();
    assert_eq!(refused(101, 50), "warn threshold of 101 % is above 100 %");
    assert_eq!(
        refused(80, 80),
        "re-arm threshold of 80 % is not below the warn threshold of 80 %"
    );
}

#[cfg(feature = "serde")]
#[test]
fn an_event_is_tagged_with_its_kind() {
    let snapshot = Gauge::new(&HEAP, 10).snapshot();
    let events = [
        LimitEvent::NearCapacity(snapshot),
        LimitEvent::Full(snapshot),
        LimitEvent::Recovered(snapshot),
        LimitEvent::Exhausted(snapshot),
    ];
    assert_eq!(events.map(|event| event.kind()), LimitEventKind::ALL);
    for (event, kind) in events.into_iter().zip(LimitEventKind::ALL) {
        let value = serde_json::to_value(event).unwrap();
        assert_eq!(value["event"], kind.as_str());
        let kind_alone = serde_json::to_value(kind).unwrap();
        assert_eq!(kind_alone, kind.as_str());
        assert_eq!(
            serde_json::from_value::<LimitEventKind>(kind_alone).unwrap(),
            kind
        );
    }
}

#[cfg(feature = "serde")]
#[test]
fn plain_data_serializes_with_the_stable_names() {
    let gauge = Gauge::new(&HEAP, 10);
    gauge.record_enqueue_n(9);
    let event = LimitEvent::NearCapacity(gauge.snapshot());
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        serde_json::json!({
            "event": "near_capacity",
            "name": "heap",
            "category": "memory",
            "instance": 0,
            "depth": 9,
            "high_water": 9,
            "capacity": 10,
            "fill_percent": 90,
            "warned": true,
            "warnings": 1,
            "totals": { "enqueued": 9, "dequeued": 0 },
            "refused": 0,
        })
    );
    assert_eq!(
        serde_json::to_value(event.warning().unwrap()).unwrap(),
        serde_json::json!({
            "name": "heap",
            "category": "memory",
            "instance": 0,
            "observed": 9,
            "capacity": 10,
            "fill_percent": 90,
        })
    );
    assert_eq!(
        serde_json::to_value(fillgauge::Thresholds::DEFAULT).unwrap(),
        serde_json::json!({ "warn_percent": 80, "rearm_percent": 50 })
    );
}
