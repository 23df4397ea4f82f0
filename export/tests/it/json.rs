//! JSON.

use fillgauge_export::{JSON_SCHEMA, json};
use fillgauge_std::{Limit, LimitUnit, QueueRegistry, Report, chain, track};
use serde_json::{Value, json};

static HEAP: Limit = Limit::memory("heap")
    .with_unit(LimitUnit::Bytes)
    .with_help("The heap of a session");

fn text(reports: impl AsRef<[Report]>) -> String {
    let mut text = String::new();
    json(reports, &mut text).unwrap();
    text
}

/// Replaces what is not the same each time.
fn without_times(value: &mut Value) {
    match value {
        Value::Array(values) => values.iter_mut().for_each(without_times),
        Value::Object(members) => {
            for (name, value) in members {
                if name.ends_with("_us") && value.is_number() {
                    *value = json!("time");
                }
                without_times(value);
            }
        }
        _ => {}
    }
}

/// A change of this text that is no new member needs a new schema number.
#[test]
fn the_members_are_those_of_the_schema() {
    assert_eq!(JSON_SCHEMA, 1);
    let registry = QueueRegistry::new("schema").silent();
    let (sender, receiver) = track("frames")
        .capacity(5)
        .label("session \"7\"\n")
        .registry(&registry)
        .sync_channel();
    let sent = (0..6).filter(|item| sender.try_send(*item).is_ok());
    assert_eq!(sent.count(), 5);
    receiver.recv().unwrap();
    let heap = registry.register(fillgauge_std::LimitRef::Static(&HEAP), 0);
    let _stages = chain("stages", [sender.gauge(), &heap]);
    let mut status: Value = serde_json::from_str(&text(registry.report())).unwrap();
    assert_eq!(status["at_us"], status["registries"][0]["at_us"]);
    without_times(&mut status);
    let backpressure = json!({
        "waiting": 0, "waiting_for_us": "time", "waits": 0, "waited_us": "time",
        "longest_us": "time", "stalled_us": "time", "refused": 1, "disconnected": 0,
    });
    let expected = json!({
        "schema": 1,
        "at_us": "time",
        "registries": [{
            "registry": "schema",
            "at_us": "time",
            "gauges": [
                {
                    "name": "frames", "category": "queue", "unit": "items",
                    "instance": 1, "label": "session \"7\"\n",
                    "depth": 4, "high_water": 5, "capacity": 5, "fill_percent": 80,
                    "warned": true, "warned_since_us": "time", "warnings": 1,
                    "totals": { "enqueued": 5, "dequeued": 1 },
                    "refused": 1,
                    "backpressure": backpressure,
                    "gone": false,
                    "window_peak": null, "stuck": false, "stuck_since_us": null,
                    "near_capacity_us": "time", "full_us": "time", "pressure": null,
                    "last_edges": [
                        { "kind": "near_capacity", "depth": 4, "at_us": "time", "episode": null },
                        { "kind": "full", "depth": 5, "at_us": "time", "episode": null },
                    ],
                },
                {
                    "name": "heap", "category": "memory", "unit": "bytes",
                    "instance": 2, "label": null,
                    "depth": 0, "high_water": 0, "capacity": 0, "fill_percent": 0,
                    "warned": false, "warned_since_us": null, "warnings": 0,
                    "totals": { "enqueued": 0, "dequeued": 0 },
                    "refused": 0,
                    "backpressure": null,
                    "gone": false,
                    "window_peak": null, "stuck": false, "stuck_since_us": null,
                    "near_capacity_us": "time", "full_us": "time", "pressure": null,
                    "last_edges": [],
                },
            ],
            "limits": [
                {
                    "name": "frames", "category": "queue", "unit": "items", "help": null,
                    "gauges": 1, "registered": 1, "warned": 1,
                    "depth": 4, "capacity": 5, "max_fill_percent": 80, "high_water": 5,
                    "warnings": 1,
                    "totals": { "enqueued": 5, "dequeued": 1 },
                    "refused": 1,
                    "window_peak": null, "stuck": null,
                    "backpressure": backpressure,
                    "near_capacity_us": "time", "full_us": "time", "pressure": null,
                    "advice": null,
                },
                {
                    "name": "heap", "category": "memory", "unit": "bytes",
                    "help": "The heap of a session",
                    "gauges": 1, "registered": 1, "warned": 0,
                    "depth": 0, "capacity": 0, "max_fill_percent": 0, "high_water": 0,
                    "warnings": 0,
                    "totals": { "enqueued": 0, "dequeued": 0 },
                    "refused": 0,
                    "window_peak": null, "stuck": null,
                    "backpressure": null,
                    "near_capacity_us": "time", "full_us": "time", "pressure": null,
                    "advice": null,
                },
            ],
            "chains": [{
                "name": "stages",
                "stages": [
                    { "name": "frames", "label": "session \"7\"\n", "instance": 1,
                      "fill_percent": 80, "warned": true, "bounded": true, "gone": false },
                    { "name": "heap", "label": null, "instance": 2,
                      "fill_percent": 0, "warned": false, "bounded": false, "gone": false },
                ],
                "bottleneck": 2,
                "text": "stages: what takes from frames (session \"7\"\\n) is slow",
            }],
        }],
    });
    assert_eq!(status, expected, "{status:#}");
}

#[test]
fn a_reader_in_rust_gets_the_reports_back() {
    let registries = ["a", "b"].map(|name| QueueRegistry::new(name).silent());
    let _gauges = registries.each_ref().map(|registry| {
        let gauge = registry.register("frames", 4);
        gauge.observe_depth(4);
        gauge
    });
    let reports = registries.map(|registry| registry.report());
    let text = text(&reports);
    let mut status: Value = serde_json::from_str(&text).unwrap();
    let read: Vec<Report> = serde_json::from_value(status["registries"].take()).unwrap();
    assert_eq!(self::text(&read), text);
    assert_eq!(read[1].to_string(), reports[1].to_string());
}
