//! How long something is near its capacity, and how much of the last minutes that was.

use std::time::Duration;

use fillgauge::LimitEventKind;

/// How much of the last 10, 60 and 300 seconds a gauge was near its capacity, in percent, from
/// [`GaugeReport::pressure`](crate::GaugeReport::pressure) and [`PressureMeter`].
///
/// These are the averages of [Linux PSI], which decay with time: of a gauge that has been near its
/// capacity for 10 seconds, and never before, the first is 63 %. They are rounded to hundredths.
///
/// [Linux PSI]: https://docs.kernel.org/accounting/psi.html
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Deserialize, serde::Serialize))]
pub struct Pressure {
    #[cfg_attr(feature = "serde", serde(with = "hundredths"))]
    avg10: u16,
    #[cfg_attr(feature = "serde", serde(with = "hundredths"))]
    avg60: u16,
    #[cfg_attr(feature = "serde", serde(with = "hundredths"))]
    avg300: u16,
}

impl Pressure {
    /// The average over 10 seconds, in percent: from 0 to 100.
    #[must_use]
    pub fn avg10(self) -> f64 {
        f64::from(self.avg10) / 100.0
    }

    /// The average over 60 seconds, in percent: from 0 to 100.
    #[must_use]
    pub fn avg60(self) -> f64 {
        f64::from(self.avg60) / 100.0
    }

    /// The average over 300 seconds, in percent: from 0 to 100.
    #[must_use]
    pub fn avg300(self) -> f64 {
        f64::from(self.avg300) / 100.0
    }

    /// The greater of each average.
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            avg10: self.avg10.max(other.avg10),
            avg60: self.avg60.max(other.avg60),
            avg300: self.avg300.max(other.avg300),
        }
    }
}

/// Percent with two decimals.
#[cfg(feature = "serde")]
mod hundredths {
    use serde::{Deserialize, Deserializer, Serializer};

    #[allow(clippy::trivially_copy_pass_by_ref)] // As serde calls it.
    pub(super) fn serialize<S: Serializer>(value: &u16, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(f64::from(*value) / 100.0)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
        Ok(super::hundredths_of(
            f64::deserialize(deserializer)? / 100.0,
        ))
    }
}

/// A share of 1 in hundredths of a percent.
fn hundredths_of(share: f64) -> u16 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // From 0 to 10,000.
    let hundredths = (share.clamp(0.0, 1.0) * 10_000.0).round() as u16;
    hundredths
}

/// Measures by a clock of yours how long something is near its capacity: from its events, or from
/// what is known of it now and then.
///
/// A [`watch`](crate::watch()) measures each gauge of a registry, which reports show. This is for a
/// clock or a source of your own.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::{LimitEventKind, PressureMeter};
///
/// let seconds = Duration::from_secs;
/// let mut meter = PressureMeter::new();
/// meter.poll(seconds(0));
/// meter.edge(LimitEventKind::NearCapacity, seconds(4));
/// meter.edge(LimitEventKind::Recovered, seconds(9));
/// assert_eq!(meter.near_capacity(seconds(10)), seconds(5));
/// assert_eq!(meter.poll(seconds(10)).avg10(), 31.61); // 63.21 % of one half
/// ```
#[derive(Clone, Debug, Default)]
pub struct PressureMeter {
    times: NearTimes,
    averages: Averages,
    /// When it was polled last, and how long it had been near capacity then.
    polled: Option<(Duration, Duration)>,
}

impl PressureMeter {
    /// It is not near its capacity.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes note of an event that came when `elapsed` had passed since any beginning. Events are
    /// in order. One that is earlier than the one before counts as if it came at the same time.
    pub fn edge(&mut self, kind: LimitEventKind, elapsed: Duration) {
        self.times.edge(kind, Some(elapsed));
    }

    /// How long it was near its capacity until `elapsed`, in all.
    #[must_use]
    pub fn near_capacity(&self, elapsed: Duration) -> Duration {
        self.times.until(Some(elapsed)).near
    }

    /// How long it was near its capacity after it had been full, until `elapsed`, in all.
    #[must_use]
    pub fn full(&self, elapsed: Duration) -> Duration {
        self.times.until(Some(elapsed)).full
    }

    /// Ends a period, of which the averages take up which share of it was near capacity. The first
    /// period begins with the first call. Periods need not be equally long. Linux takes two seconds.
    pub fn poll(&mut self, elapsed: Duration) -> Pressure {
        let near = self.near_capacity(elapsed);
        let (before, near_before) = *self.polled.get_or_insert((elapsed, near));
        let period = elapsed.saturating_sub(before);
        if !period.is_zero() {
            self.averages
                .add(near.saturating_sub(near_before), period, period);
            self.polled = Some((elapsed, near));
        }
        self.averages.pressure()
    }
}

/// The averages of one gauge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Averages([f64; 3]);

impl Averages {
    const SECONDS: [f64; 3] = [10.0, 60.0, 300.0];

    /// Adds a period of this length, of which it was near capacity for `near` of `measured`.
    pub(crate) fn add(&mut self, near: Duration, measured: Duration, period: Duration) {
        let share = near.div_duration_f64(measured);
        // Without a period there is no share.
        let share = if share.is_finite() {
            share.clamp(0.0, 1.0)
        } else {
            0.0
        };
        for (average, seconds) in self.0.iter_mut().zip(Self::SECONDS) {
            let kept = (-period.as_secs_f64() / seconds).exp();
            *average = *average * kept + share * (1.0 - kept);
        }
    }

    pub(crate) fn pressure(&self) -> Pressure {
        let [avg10, avg60, avg300] = self.0.map(hundredths_of);
        Pressure {
            avg10,
            avg60,
            avg300,
        }
    }
}

/// How long a gauge was near its capacity, from its edges. Moments are counted from any beginning.
/// Without a clock there are none, and no time passes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct NearTimes {
    over: Lengths,
    /// When it came near its capacity, if it is not armed again.
    warned_at: Option<Duration>,
    /// When it was full for the first time since.
    full_at: Option<Duration>,
    /// The last edge.
    latest: Duration,
}

/// How long a gauge was near its capacity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lengths {
    pub(crate) near: Duration,
    /// After it had been full.
    pub(crate) full: Duration,
}

impl Lengths {
    pub(crate) fn add(&mut self, more: Self) {
        self.near = self.near.saturating_add(more.near);
        self.full = self.full.saturating_add(more.full);
    }
}

impl NearTimes {
    /// Takes note of an edge. Returns how long it was near its capacity, if it is not any more.
    pub(crate) fn edge(&mut self, kind: LimitEventKind, at: Option<Duration>) -> Duration {
        let Some(at) = at else {
            return Duration::ZERO;
        };
        let at = at.max(self.latest);
        self.latest = at;
        match kind {
            LimitEventKind::NearCapacity => {
                self.warned_at.get_or_insert(at);
            }
            LimitEventKind::Full => {
                self.full_at.get_or_insert(at);
            }
            LimitEventKind::Recovered => {
                self.over = self.until(Some(at));
                self.full_at = None;
                let warned_at = self.warned_at.take();
                return warned_at.map_or(Duration::ZERO, |warned_at| at.saturating_sub(warned_at));
            }
            _ => {}
        }
        Duration::ZERO
    }

    /// Whether it is near its capacity, so that the time that passes counts.
    pub(crate) fn is_near(&self) -> bool {
        self.warned_at.is_some()
    }

    /// How long until `at`.
    pub(crate) fn until(&self, at: Option<Duration>) -> Lengths {
        let since = |moment: Option<Duration>| {
            let both = at.zip(moment);
            both.map_or(Duration::ZERO, |(at, moment)| at.saturating_sub(moment))
        };
        let mut lengths = self.over;
        lengths.add(Lengths {
            near: since(self.warned_at),
            full: since(self.full_at),
        });
        lengths
    }
}
