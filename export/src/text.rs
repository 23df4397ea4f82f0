//! The text formats of Prometheus and of OpenMetrics.

use std::fmt::{self, Write};

use fillgauge_std::Report;

use crate::detail::Detail;
use crate::families::{Family, Kind, Value, families};
use crate::series::{Labels, Series};

/// The media type of [`prometheus_text`].
pub const PROMETHEUS_TEXT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The media type of [`openmetrics`].
pub const OPENMETRICS_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes reports in the [text format of Prometheus], version 0.0.4.
///
/// [text format of Prometheus]:
///     https://prometheus.io/docs/instrumenting/exposition_formats/#text-based-format
///
/// ```
/// use fillgauge_export::{Detail, prometheus_text};
/// use fillgauge_std::{QueueRegistry, track};
///
/// let registry = QueueRegistry::new("sessions");
/// let frames = track("frames").capacity(10).registry(&registry).gauge();
/// frames.observe_depth(8);
/// let mut text = String::new();
/// prometheus_text(registry.report(), Detail::Limits, &mut text)?;
/// let labels = r#"{limit="frames",category="queue",registry="sessions"}"#;
/// assert!(text.contains(&format!("\nfillgauge_fill_ratio{labels} 0.8\n")));
/// assert!(text.contains(&format!("\nfillgauge_warnings_total{labels} 1\n")));
/// # Ok::<(), std::fmt::Error>(())
/// ```
///
/// # Errors
///
/// Those of `out`.
pub fn prometheus_text(
    reports: impl AsRef<[Report]>,
    detail: Detail,
    out: &mut impl Write,
) -> fmt::Result {
    for family in families(&Series::new(reports.as_ref(), detail)) {
        let Family { name, help, .. } = &family;
        let (kind, total) = kind(&family);
        writeln!(out, "# HELP {name}{total} {help}")?;
        writeln!(out, "# TYPE {name}{total} {kind}")?;
        write_samples(&family, out)?;
    }
    Ok(())
}

/// Writes reports in the format of [OpenMetrics], version 1.0.0. The values are those of
/// [`prometheus_text`].
///
/// [OpenMetrics]: https://prometheus.io/docs/specs/om/open_metrics_spec/
///
/// # Errors
///
/// Those of `out`.
pub fn openmetrics(
    reports: impl AsRef<[Report]>,
    detail: Detail,
    out: &mut impl Write,
) -> fmt::Result {
    for family in families(&Series::new(reports.as_ref(), detail)) {
        let Family {
            name, help, unit, ..
        } = &family;
        let (kind, _) = kind(&family);
        writeln!(out, "# TYPE {name} {kind}")?;
        if !unit.is_empty() {
            writeln!(out, "# UNIT {name} {unit}")?;
        }
        writeln!(out, "# HELP {name} {help}")?;
        write_samples(&family, out)?;
    }
    out.write_str("# EOF\n")
}

/// The name of the kind, and what its samples have after the name of the family.
fn kind(family: &Family<'_>) -> (&'static str, &'static str) {
    match family.kind {
        Kind::Gauge => ("gauge", ""),
        Kind::Counter => ("counter", "_total"),
    }
}

fn write_samples(family: &Family<'_>, out: &mut impl Write) -> fmt::Result {
    let (_, total) = kind(family);
    for (labels, value) in &family.samples {
        out.write_str(&family.name)?;
        out.write_str(total)?;
        write_labels(labels, out)?;
        match value {
            Value::Count(count) => writeln!(out, " {count}")?,
            Value::Real(real) => writeln!(out, " {real}")?,
        }
    }
    Ok(())
}

fn write_labels(labels: &Labels<'_>, out: &mut impl Write) -> fmt::Result {
    // Without `write!`, which would take most of the time of a scrape.
    let mut before = "{";
    for (name, value) in labels {
        for text in [before, name, "=\""] {
            out.write_str(text)?;
        }
        write_escaped(value, out)?;
        out.write_str("\"")?;
        before = ",";
    }
    out.write_str("}")
}

/// As both formats have it in the value of a label.
fn write_escaped(value: &str, out: &mut impl Write) -> fmt::Result {
    let mut rest = value;
    while let Some(position) = rest.find(['\\', '"', '\n']) {
        let (plain, special) = rest.split_at(position);
        out.write_str(plain)?;
        let mut special = special.chars();
        out.write_str(match special.next() {
            Some('\\') => "\\\\",
            Some('"') => "\\\"",
            _ => "\\n",
        })?;
        rest = special.as_str();
    }
    out.write_str(rest)
}
