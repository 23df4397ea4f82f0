use agentos_bridge::queue_tracker as original;
use fillgauge_std::{
    QueueRegistry, TrackedLimit, log_queue_snapshot, register_limit, warn_limit_exhausted,
};
use tracing::Level;

use crate::tape::{Logged, taped};

/// Without the events and fields that the original does not have.
fn as_the_original(events: Vec<Logged>) -> Vec<Logged> {
    events
        .into_iter()
        .filter(|event| event.message != "bounded limit reached capacity")
        .map(|mut event| {
            let of_ours = ["instance=", "registry=", "seconds=", "deepest="];
            event
                .fields
                .retain(|field| !of_ours.iter().any(|name| field.starts_with(name)));
            event
        })
        .collect()
}

#[test]
fn edges_and_exhaustion_are_logged_as_by_the_original() {
    let depths = [7, 8, 9, 10, 6, 5, 0, 12, 3];
    let theirs = taped(|| {
        let gauge = original::QueueRegistry::default().register(original::TrackedLimit::VmPtys, 10);
        for depth in depths {
            gauge.observe_depth(depth);
        }
        original::warn_limit_exhausted(original::TrackedLimit::WasmFuelMs, 1_100, 1_000);
    });
    let ours = taped(|| {
        let gauge = QueueRegistry::default().register(TrackedLimit::VmPtys, 10);
        for depth in depths {
            gauge.observe_depth(depth);
        }
        warn_limit_exhausted(TrackedLimit::WasmFuelMs, 1_100, 1_000);
    });
    assert_eq!(theirs.len(), 5);
    assert_eq!(as_the_original(ours), theirs);
}

#[test]
fn an_edge_names_its_instance_and_full_is_not_a_warning() {
    let registry = QueueRegistry::default();
    let _first = registry.register(TrackedLimit::VmPtys, 10);
    let second = registry.register(TrackedLimit::VmPtys, 10);
    let events = taped(|| second.observe_depth(10));
    assert_eq!(
        events.iter().map(|event| event.level).collect::<Vec<_>>(),
        [Level::WARN, Level::INFO]
    );
    for event in &events {
        assert!(event.fields.contains(&"instance=2".to_owned()), "{event:?}");
    }
}

#[test]
fn the_snapshot_is_logged_as_by_the_original() {
    let _theirs = original::register_limit(original::TrackedLimit::V8WallClockMs, 40);
    let ours = register_limit(TrackedLimit::V8WallClockMs, 40);
    _theirs.observe_depth(10);
    ours.observe_depth(10);
    let line_of = |events: Vec<Logged>| {
        let mut line = events
            .into_iter()
            .find(|event| {
                event
                    .fields
                    .contains(&"limit=\"v8_wall_clock_ms\"".to_owned())
            })
            .unwrap();
        line.fields
            .retain(|field| !field.starts_with("instance=") && !field.starts_with("warnings="));
        line
    };
    let theirs = line_of(taped(original::log_queue_snapshot));
    assert_eq!(
        (theirs.level, theirs.message.as_str()),
        (Level::DEBUG, "limit usage")
    );
    assert_eq!(line_of(taped(log_queue_snapshot)), theirs);
}
