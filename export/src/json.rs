//! JSON, for the page and for programs.

use std::fmt;
use std::time::{Duration, SystemTime};

use fillgauge_std::Report;
use serde::Serialize;

/// The number of the schema of [`json`]. It is raised when a member is renamed, removed or changes
/// its meaning. New members do not raise it: ignore those that you do not know.
pub const JSON_SCHEMA: u32 = 1;

#[derive(Serialize)]
struct Status<'report> {
    schema: u32,
    at_us: Option<i64>,
    registries: &'report [Report],
}

/// Writes reports as JSON: one object with these members.
///
/// | member | |
/// |---|---|
/// | `schema` | [`JSON_SCHEMA`] |
/// | `at_us` | when the last of the reports was read |
/// | `registries` | a list of [`Report`]s, as `serde` writes them |
///
/// - The members of a report are the fields of [`Report`], [`GaugeReport`], [`LimitReport`],
///   [`ChainReport`] and what these consist of. What there is not is `null`.
/// - A member that ends with `_us` is a number of microseconds: `at_us`, `warned_since_us` and
///   `stuck_since_us` are moments, since 1970, and the others are lengths of time.
/// - The averages of a pressure are in percent, with two decimals.
/// - Numbers may be as great as `usize::MAX`. JavaScript rounds those above 2^53.
/// - Names and labels are whole, and may hold any character: escape them where they are shown.
///
/// [`GaugeReport`]: fillgauge_std::GaugeReport
/// [`LimitReport`]: fillgauge_std::LimitReport
/// [`ChainReport`]: fillgauge_std::ChainReport
///
/// ```
/// use fillgauge_export::{JSON_SCHEMA, json};
/// use fillgauge_std::{QueueRegistry, track};
///
/// let registry = QueueRegistry::new("sessions");
/// let frames = track("frames").capacity(10).label("session 7").registry(&registry).gauge();
/// frames.observe_depth(8);
/// let mut text = String::new();
/// json(registry.report(), &mut text)?;
///
/// let status: serde_json::Value = serde_json::from_str(&text)?;
/// assert_eq!(status["schema"], JSON_SCHEMA);
/// let frames = &status["registries"][0]["gauges"][0];
/// assert_eq!(frames["label"], "session 7");
/// assert_eq!(frames["last_edges"][0]["at_us"], frames["warned_since_us"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// Those of `out`.
pub fn json(reports: impl AsRef<[Report]>, out: &mut impl fmt::Write) -> fmt::Result {
    let registries = reports.as_ref();
    let status = Status {
        schema: JSON_SCHEMA,
        at_us: registries.last().and_then(|report| micros(report.at?)),
        registries,
    };
    let text = serde_json::to_string(&status).map_err(|_| fmt::Error)?;
    out.write_str(&text)
}

/// As in a report.
fn micros(moment: SystemTime) -> Option<i64> {
    let whole = |length: Duration| i64::try_from(length.as_micros()).ok();
    match moment.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => whole(since),
        Err(before) => whole(before.duration()).map(|micros| -micros),
    }
}
