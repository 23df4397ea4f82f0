//! `Exporter` as a collector of `prometheus-client`.

use fillgauge_export::{Detail, Exporter};
use fillgauge_std::QueueRegistry;
use prometheus_client::encoding::{prometheus_text, text};
use prometheus_client::registry::Registry;

use crate::samples::{DETAILS, Samples, World, described, samples};

fn registry(exporter: Exporter) -> Registry {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(exporter));
    registry
}

fn encoded(registry: &Registry) -> String {
    let mut open = String::new();
    text::encode(&mut open, registry).unwrap();
    open
}

fn scraped(registry: &Registry) -> Samples {
    let mut plain = String::new();
    prometheus_text::encode(&mut plain, registry).unwrap();
    let samples = samples(&plain);
    assert_eq!(samples, self::samples(&encoded(registry)));
    samples
}

#[test]
fn the_samples_are_those_of_the_text_at_each_scrape() {
    for world in [World::tame, World::hostile] {
        for detail in DETAILS {
            let mut world = world();
            let registry = registry(world.exporter(detail));
            assert_eq!(scraped(&registry), world.samples(detail));
            world.work();
            assert_eq!(scraped(&registry), world.samples(detail));
            world.drop_half();
            assert_eq!(scraped(&registry), world.samples(detail));
            world.drop_all();
            assert_eq!(scraped(&registry), world.samples(detail));
        }
    }
}

/// Kinds, units and help, which are the lines that begin with `#`.
#[test]
fn the_descriptions_are_those_of_openmetrics() {
    let world = World::tame();
    let reports = world.exporter(Detail::Limits).reports();
    let mut expected = String::new();
    fillgauge_export::openmetrics(reports, Detail::Limits, &mut expected).unwrap();
    let text = encoded(&registry(world.exporter(Detail::Limits)));
    assert_eq!(described(&text), described(&expected));
}

#[test]
fn counts_are_whole_and_those_above_the_greatest_i64_are_floats() {
    let registry = QueueRegistry::new("huge").silent();
    let gauge = registry.register("huge", usize::MAX);
    gauge.observe_depth(7);
    let text = encoded(&self::registry(Exporter::of(&registry)));
    let labels = r#"{limit="huge",category="queue",registry="huge"}"#;
    assert!(
        text.contains(&format!("fillgauge_depth{labels} 7\n")),
        "{text}"
    );
    let most = format!("fillgauge_capacity{labels} 18446744073709553000.0\n");
    assert!(text.contains(&most), "{text}");
}

#[test]
fn a_prefix_and_labels_of_the_registry_come_first() {
    let gauges = QueueRegistry::new("own").silent();
    let _gauge = gauges.register("frames", 4);
    let labels = [("host".into(), "a".into())].into_iter();
    let mut registry = Registry::with_prefix_and_labels("service", labels);
    registry.register_collector(Box::new(Exporter::of(&gauges)));
    let labels = r#"{host="a",limit="frames",category="queue",registry="own"}"#;
    assert!(encoded(&registry).contains(&format!("service_fillgauge_capacity{labels} 4\n")));
}
