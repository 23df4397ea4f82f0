//! Instruments of `opentelemetry`, read through its SDK and its bridge to Prometheus.

use std::sync::Arc;
use std::sync::mpsc::{self, TryRecvError};
use std::thread;

use fillgauge_export::{Detail, Exporter};
use fillgauge_std::{QueueRegistry, track};
use opentelemetry::KeyValue;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::data::{
    AggregatedMetrics, Metric, MetricData, ResourceMetrics, ScopeMetrics,
};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use prometheus::TextEncoder;

use crate::samples::{DETAILS, Samples, Series, World, described, samples, steady};

/// An SDK with a bridge to Prometheus.
struct Bridge {
    registry: prometheus::Registry,
    provider: SdkMeterProvider,
}

impl Bridge {
    fn new() -> Self {
        let registry = prometheus::Registry::new();
        let reader = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .without_target_info()
            .build()
            .unwrap();
        let provider = SdkMeterProvider::builder().with_reader(reader).build();
        Self { registry, provider }
    }

    fn of(exporter: Exporter) -> Self {
        let bridge = Self::new();
        exporter.observe_with(&bridge.provider.meter("fillgauge"));
        bridge
    }

    fn text(&self) -> String {
        let families = self.registry.gather();
        TextEncoder::new().encode_to_string(&families).unwrap()
    }

    fn scraped(&self) -> Samples {
        samples(&self.text())
    }
}

#[test]
fn a_bridge_to_prometheus_has_the_samples_of_the_text_at_each_scrape() {
    for world in [World::tame, World::hostile] {
        for detail in DETAILS {
            let mut world = world();
            let bridge = Bridge::of(world.exporter(detail));
            assert_eq!(bridge.scraped(), world.samples(detail));
            world.work();
            assert_eq!(bridge.scraped(), world.samples(detail));
            world.drop_half();
            assert_eq!(bridge.scraped(), world.samples(detail));
            world.drop_all();
            assert_eq!(bridge.scraped(), world.samples(detail));
        }
    }
}

#[test]
fn kinds_and_help_are_those_of_the_text() {
    let world = World::tame();
    let reports = world.exporter(Detail::Limits).reports();
    let mut expected = String::new();
    fillgauge_export::prometheus_text(reports, Detail::Limits, &mut expected).unwrap();
    let text = Bridge::of(world.exporter(Detail::Limits)).text();
    assert_eq!(described(&text), described(&expected));
}

#[test]
fn limits_that_come_later_are_seen() {
    let registry = QueueRegistry::new("later").silent();
    let bridge = Bridge::of(Exporter::of(&registry));
    assert_eq!(bridge.scraped(), Samples::new());
    let _gauge = registry.register("frames", 4);
    let names: Vec<_> = bridge.scraped().into_keys().map(|(name, _)| name).collect();
    assert!(names.contains(&"fillgauge_depth".to_owned()), "{names:?}");
}

/// What one collection of the SDK has, with names as in the text.
fn samples_of(collected: &ResourceMetrics) -> Samples {
    let metrics = collected.scope_metrics().flat_map(ScopeMetrics::metrics);
    metrics.flat_map(samples_of_metric).collect()
}

fn samples_of_metric(metric: &Metric) -> Vec<(Series, f64)> {
    macro_rules! samples {
        ($data:expr, $end:expr) => {{
            let name = format!("{}{}", metric.name(), $end);
            let points = $data.data_points();
            let samples = points.map(|point| {
                let labels = point.attributes().map(label);
                let value = steady(&name, point.value() as f64);
                ((name.clone(), labels.collect()), value)
            });
            samples.collect()
        }};
    }
    // Ratios and seconds are the only values that are not whole.
    let is_real = ["_ratio", "_seconds"]
        .iter()
        .any(|unit| metric.name().ends_with(unit));
    match metric.data() {
        AggregatedMetrics::U64(MetricData::Gauge(data)) if !is_real => samples!(data, ""),
        AggregatedMetrics::U64(MetricData::Sum(data)) if !is_real => samples!(data, "_total"),
        AggregatedMetrics::F64(MetricData::Gauge(data)) if is_real => samples!(data, ""),
        AggregatedMetrics::F64(MetricData::Sum(data)) if is_real => samples!(data, "_total"),
        _ => panic!("{metric:?}"),
    }
}

fn label(attribute: &KeyValue) -> (String, String) {
    (attribute.key.to_string(), attribute.value.to_string())
}

#[test]
fn several_readers_collect_at_a_time() {
    let world = World::tame();
    let readers = [InMemoryMetricExporter::default(), Default::default()];
    let builder = SdkMeterProvider::builder();
    let builder = readers.iter().fold(builder, |builder, reader| {
        builder.with_periodic_exporter(reader.clone())
    });
    let provider = builder.build();
    let exporter = world.exporter(Detail::Limits);
    exporter.observe_with(&provider.meter("fillgauge"));
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..20).for_each(|_| provider.force_flush().unwrap()));
        }
    });
    for reader in &readers {
        let collected = reader.get_finished_metrics().unwrap();
        assert_eq!(collected.len(), 80);
        for collected in &collected {
            assert_eq!(samples_of(collected), world.samples(Detail::Limits));
        }
    }
}

/// Each pair of a depth and its total is from one report.
#[test]
fn the_instruments_of_a_collection_report_the_same_moment() {
    let registry = QueueRegistry::new("moment").silent();
    let gauge = registry.register("frames", 0);
    let bridge = Bridge::of(Exporter::of(&registry));
    let (stop, stopped) = mpsc::channel();
    let writer = {
        let gauge = Arc::clone(&gauge);
        move || {
            while stopped.try_recv() == Err(TryRecvError::Empty) {
                gauge.record_enqueue();
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(writer);
        let mut before = 0.0;
        for _ in 0..200 {
            gauge.record_enqueue();
            let scraped = bridge.scraped();
            let value = |name: &str| {
                let mut found = scraped.iter().filter(|((known, _), _)| known == name);
                *found.next().unwrap().1
            };
            let enqueued = value("fillgauge_enqueued_total");
            assert_eq!(value("fillgauge_depth"), enqueued);
            assert!(enqueued > before, "each collection reads anew");
            before = enqueued;
        }
        drop::<mpsc::Sender<()>>(stop);
    });
}

/// Instruments cannot be taken back.
#[test]
fn the_provider_keeps_the_registries_alive_and_frees_them() {
    let alive = Arc::new(());
    let held = Arc::clone(&alive);
    let registry = QueueRegistry::new("alive").silent().sink(move |_| {
        let _ = &held;
    });
    let bridge = Bridge::new();
    let meter = bridge.provider.meter("fillgauge");
    Exporter::of(&registry).observe_with(&meter);
    drop(track("frames").capacity(4).registry(&registry).gauge());
    drop(registry);
    drop(meter);
    assert_eq!(Arc::strong_count(&alive), 2);
    assert!(!bridge.scraped().is_empty());
    drop(bridge);
    assert_eq!(Arc::strong_count(&alive), 1);
}
