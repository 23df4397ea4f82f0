//! One series for each limit, or for each gauge.

/// Whether a metric has one series for each limit, or one for each gauge.
///
/// | | `Limits` | `Gauges` |
/// |---|---|---|
/// | series | one for each limit | one for each live gauge |
/// | labels | `limit`, `category`, `registry` | these, `gauge_id` and `gauge_label` |
/// | totals | include the gauges that are gone | go with their gauge |
///
/// A gauge that comes and goes, such as that of a session, makes a series that Prometheus keeps.
/// Take `Gauges` for gauges that stay.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Detail {
    /// The sums of each limit. Of fill ratios and high-water marks it is the greatest.
    #[default]
    Limits,
    /// Each live gauge.
    Gauges,
}
