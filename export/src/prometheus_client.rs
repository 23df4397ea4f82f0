//! A collector for a registry of `prometheus-client`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use crate::exporter::Exporter;
use crate::families::{Family, Kind, Value, families};
use crate::series::Series;

/// The metrics of [`openmetrics`](crate::openmetrics), read at each scrape.
///
/// ```
/// use fillgauge_export::Exporter;
/// use fillgauge_std::{QueueRegistry, track};
/// use prometheus_client::encoding::text::encode;
/// use prometheus_client::registry::Registry;
///
/// let sessions = QueueRegistry::new("sessions");
/// let frames = track("frames").capacity(10).registry(&sessions).gauge();
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(Exporter::of(&sessions)));
///
/// frames.observe_depth(8);
/// let mut text = String::new();
/// encode(&mut text, &registry)?;
/// let labels = r#"{limit="frames",category="queue",registry="sessions"}"#;
/// assert!(text.contains(&format!("fillgauge_depth{labels} 8\n")));
/// assert!(text.contains(&format!("fillgauge_warnings_total{labels} 1\n")));
/// # Ok::<(), std::fmt::Error>(())
/// ```
///
/// - A scrape costs one report of each registry.
/// - A prefix and labels of the registry of `prometheus-client` come before these names and labels,
///   as before all others.
/// - A gauge above `i64::MAX` is written as a float. For an integer the encoder for the protobuf of
///   OpenMetrics, which is deprecated, would refuse the whole scrape.
///
/// # Errors
///
/// Those of the encoder.
impl Collector for Exporter {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let reports = self.reports();
        for family in families(&Series::new(&reports, self.detail)) {
            encode(&family, &mut encoder)?;
        }
        Ok(())
    }
}

fn encode(family: &Family<'_>, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
    let unit = match family.unit {
        "" => None,
        "bytes" => Some(Unit::Bytes),
        "seconds" => Some(Unit::Seconds),
        // `Unit::Ratios` is a plural.
        unit => Some(Unit::Other(unit.to_owned())),
    };
    let kind = match family.kind {
        Kind::Gauge => MetricType::Gauge,
        Kind::Counter => MetricType::Counter,
    };
    // The encoder appends the unit.
    let name = family.name.strip_suffix(family.unit);
    let name = name.unwrap_or(&family.name).trim_end_matches('_');
    let mut encoder = encoder.encode_descriptor(name, family.help, unit.as_ref(), kind)?;
    for (labels, value) in &family.samples {
        encode_value(family.kind, *value, encoder.encode_family(*labels)?)?;
    }
    Ok(())
}

fn encode_value(kind: Kind, value: Value, mut encoder: MetricEncoder<'_>) -> fmt::Result {
    match (kind, value) {
        (Kind::Counter, Value::Count(count)) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(&(count as u64), None)
        }
        (Kind::Counter, Value::Real(real)) => {
            encoder.encode_counter::<NoLabelSet, _, f64>(&real, None)
        }
        (Kind::Gauge, Value::Count(count)) => match i64::try_from(count) {
            Ok(count) => encoder.encode_gauge(&count),
            Err(_) => encoder.encode_gauge(&(count as f64)),
        },
        (Kind::Gauge, Value::Real(real)) => encoder.encode_gauge(&real),
    }
}
