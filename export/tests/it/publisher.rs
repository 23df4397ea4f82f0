//! `Publisher`, read through two recorders of `metrics`.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_export::{Detail, Exporter, Publisher};
use fillgauge_std::QueueRegistry;
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    with_local_recorder,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use metrics_util::MetricKindMask;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::samples::{DETAILS, Samples, World, channel, described, samples, steady};

struct Prometheus {
    recorder: PrometheusRecorder,
    handle: PrometheusHandle,
}

impl Prometheus {
    fn new(builder: PrometheusBuilder) -> Self {
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        Self { recorder, handle }
    }

    fn published(&self, publisher: &Publisher) -> String {
        with_local_recorder(&self.recorder, || publisher.publish());
        self.handle.render()
    }
}

/// What stays of samples in a recorder, which removes nothing: gauges are 0, totals stay.
fn kept(before: Samples, now: Samples) -> Samples {
    let before = before.into_iter().map(|((name, labels), value)| {
        let value = if name.ends_with("_total") { value } else { 0.0 };
        ((name, labels), value)
    });
    let mut kept: Samples = before.collect();
    kept.extend(now);
    kept
}

#[test]
fn prometheus_has_the_samples_of_the_text_after_each_call() {
    // The second appends units and `_total` where they are missing.
    for builder in [PrometheusBuilder::new, || {
        PrometheusBuilder::new().with_recommended_naming(true)
    }] {
        for detail in DETAILS {
            let mut world = World::tame();
            let prometheus = Prometheus::new(builder());
            let publisher = world.exporter(detail).publisher();
            let published = || samples(&prometheus.published(&publisher));
            let mut expected = world.samples(detail);
            assert_eq!(published(), expected);
            world.work();
            expected = kept(expected, world.samples(detail));
            assert_eq!(published(), expected);
            world.drop_half();
            expected = kept(expected, world.samples(detail));
            assert_eq!(published(), expected);
            world.drop_all();
            expected = kept(expected, world.samples(detail));
            assert_eq!(published(), expected);
        }
    }
}

fn unit_of(name: &str) -> Option<Unit> {
    match name.trim_end_matches("_total").rsplit('_').next() {
        Some("bytes") => Some(Unit::Bytes),
        Some("seconds") => Some(Unit::Seconds),
        _ => None,
    }
}

/// Read through a recorder that keeps labels as they are.
#[test]
fn samples_are_those_of_the_text_whatever_things_are_called() {
    for detail in DETAILS {
        let world = World::hostile();
        world.work();
        let recorder = DebuggingRecorder::new();
        let publisher = world.exporter(detail).publisher();
        with_local_recorder(&recorder, || publisher.publish());
        let snapshot = recorder.snapshotter().snapshot().into_vec();
        let samples: Samples = snapshot
            .into_iter()
            .map(|(key, unit, help, value)| {
                assert!(help.is_some(), "{key:?}");
                assert_eq!(unit, unit_of(key.key().name()));
                let labels = key.key().labels();
                let labels = labels.map(|label| (label.key().into(), label.value().into()));
                let value = match value {
                    DebugValue::Counter(count) => count as f64,
                    DebugValue::Gauge(value) => value.into_inner(),
                    DebugValue::Histogram(_) => panic!("no histograms"),
                };
                let name = key.key().name();
                ((name.to_owned(), labels.collect()), steady(name, value))
            })
            .collect();
        assert_eq!(samples, world.samples(detail));
    }
}

#[test]
fn kinds_and_help_are_those_of_the_text_except_counters_of_seconds() {
    let world = World::tame();
    let reports = world.exporter(Detail::Limits).reports();
    let mut expected = String::new();
    fillgauge_export::prometheus_text(reports, Detail::Limits, &mut expected).unwrap();
    let expected = expected.replace("_seconds_total counter", "_seconds_total gauge");
    let publisher = world.exporter(Detail::Limits).publisher();
    let text = Prometheus::new(PrometheusBuilder::new()).published(&publisher);
    assert_eq!(described(&text), described(&expected));
}

/// Counts descriptions, and what is set.
#[derive(Default)]
struct Watching {
    described: AtomicUsize,
    set: AtomicUsize,
    waited: Arc<Waited>,
}

/// The values of `fillgauge_waited_seconds_total`, of which the first waits for the test.
#[derive(Default)]
struct Waited {
    is_first_on_its_way: AtomicBool,
    may_go_on: AtomicBool,
    values: Mutex<Vec<f64>>,
}

impl GaugeFn for Waited {
    fn set(&self, value: f64) {
        if !self.is_first_on_its_way.swap(true, Ordering::SeqCst) {
            let start = Instant::now();
            while !self.may_go_on.load(Ordering::SeqCst) && start.elapsed().as_secs() < 10 {
                thread::yield_now();
            }
        }
        self.values.lock().unwrap().push(value);
    }

    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}
}

impl Recorder for Watching {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.fetch_add(1, Ordering::Relaxed);
    }

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.fetch_add(1, Ordering::Relaxed);
    }

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        self.set.fetch_add(1, Ordering::Relaxed);
        match key.name() {
            "fillgauge_waited_seconds_total" => Gauge::from_arc(Arc::clone(&self.waited)),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn metrics_are_described_each_time_and_set_to_0_once() {
    let registry = QueueRegistry::new("once").silent();
    let gauge = registry.register("frames", 4);
    let publisher = Exporter::of(&registry).detail(Detail::Gauges).publisher();
    let recorder = Watching::default();
    let set = || {
        let before = recorder.set.load(Ordering::Relaxed);
        with_local_recorder(&recorder, || publisher.publish());
        recorder.set.load(Ordering::Relaxed) - before
    };
    // Depth, capacity, high water, fill ratio, warned, the number of gauges, and two times.
    assert_eq!(set(), 8);
    let described = recorder.described.load(Ordering::Relaxed);
    assert_eq!(described, 28);
    drop(gauge);
    assert_eq!(set(), 6);
    assert_eq!(set(), 1);
    // A recorder that was installed later gets them too.
    assert_eq!(recorder.described.load(Ordering::Relaxed), 3 * described);
}

/// `metrics` itself keeps a counter from that, but not the gauge that stands for one.
#[test]
fn waited_seconds_never_step_back_whichever_thread_publishes() {
    let registry = QueueRegistry::new("waited").silent();
    let publisher = Exporter::of(&registry).publisher();
    let recorder = Watching::default();
    let publish = || with_local_recorder(&recorder, || publisher.publish());
    channel(&registry);
    thread::scope(|scope| {
        scope.spawn(publish);
        while !recorder.waited.is_first_on_its_way.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        channel(&registry);
        // The other thread is at it: this does nothing, and waits for nobody.
        publish();
        assert!(recorder.waited.values.lock().unwrap().is_empty());
        recorder.waited.may_go_on.store(true, Ordering::SeqCst);
    });
    publish();
    let values = recorder.waited.values.lock().unwrap();
    assert!(values.len() == 2 && values[0] < values[1], "{values:?}");
}

#[test]
fn a_time_out_for_idle_metrics_removes_what_is_gone() {
    let registry = QueueRegistry::new("idle").silent();
    let gauge = registry.register("frames", 4);
    let timeout = Duration::from_millis(10);
    let builder = PrometheusBuilder::new().idle_timeout(MetricKindMask::ALL, Some(timeout));
    let prometheus = Prometheus::new(builder);
    let publisher = Exporter::of(&registry).detail(Detail::Gauges).publisher();
    let names = || {
        thread::sleep(2 * timeout);
        let samples = samples(&prometheus.published(&publisher));
        samples
            .into_keys()
            .map(|(name, _)| name)
            .collect::<Vec<_>>()
    };
    let all = names();
    assert_eq!(names(), all);
    drop(gauge);
    names(); // has gauges that were set to 0 just now
    assert_eq!(names(), ["fillgauge_gauges"]);
}

#[test]
fn without_a_recorder_nothing_happens() {
    let world = World::tame();
    world.exporter(Detail::Limits).publisher().publish();
}

/// A recorder that calls back, and then one that panics in the middle.
#[test]
fn a_recorder_may_publish_and_panic() {
    struct Hostile<'publisher> {
        publisher: &'publisher Publisher,
        panics: AtomicBool,
        inner: Watching,
    }
    impl Recorder for Hostile<'_> {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {
            self.publisher.publish();
        }

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, metadata: &Metadata<'_>) -> Counter {
            self.inner.register_counter(key, metadata)
        }

        fn register_gauge(&self, key: &Key, metadata: &Metadata<'_>) -> Gauge {
            let gauge = self.inner.register_gauge(key, metadata);
            assert!(
                key.name() != "fillgauge_gauges" || !self.panics.load(Ordering::Relaxed),
                "on purpose"
            );
            gauge
        }

        fn register_histogram(&self, key: &Key, metadata: &Metadata<'_>) -> Histogram {
            self.inner.register_histogram(key, metadata)
        }
    }
    let registry = QueueRegistry::new("hostile").silent();
    let gauge = registry.register("frames", 4);
    let publisher = Exporter::of(&registry).detail(Detail::Gauges).publisher();
    let recorder = Hostile {
        publisher: &publisher,
        panics: AtomicBool::new(true),
        inner: Watching::default(),
    };
    let set = || {
        let before = recorder.inner.set.load(Ordering::Relaxed);
        with_local_recorder(&recorder, || publisher.publish());
        recorder.inner.set.load(Ordering::Relaxed) - before
    };
    assert!(panic::catch_unwind(AssertUnwindSafe(set)).is_err());
    recorder.panics.store(false, Ordering::Relaxed);
    drop(gauge);
    // The five of the gauge that is gone are set to 0 all the same, and the number of gauges.
    assert_eq!(set(), 6);
    assert_eq!(set(), 1);
}
