//! How often a gauge logs.

use std::time::{Duration, Instant};

use crate::event::LimitEvent;
use crate::sync::{Lazy, Mutex, force, lock, now};

/// How often each gauge logs, and each limit of
/// [`warn_limit_exhausted`](crate::warn_limit_exhausted): a burst of lines at once, then one in
/// each interval. Set it with [`set_log_limit`].
///
/// The next line says how many were suppressed, in its field `suppressed`. So do a line of its own
/// when the gauge is dropped, and [`flush_events`](crate::flush_events). Handlers are not limited.
///
/// Where there is no clock, as on `wasm32-unknown-unknown`, nothing is suppressed.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::{LogLimit, set_log_limit};
///
/// assert_eq!(LogLimit::default(), LogLimit::new(10, Duration::from_secs(1)));
/// set_log_limit(LogLimit::OFF);
/// # set_log_limit(LogLimit::default());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLimit {
    burst: u32,
    interval: Duration,
    min_episode: Duration,
}

impl LogLimit {
    /// Every line is logged.
    pub const OFF: Self = Self::new(u32::MAX, Duration::ZERO);

    /// `burst` lines at once, then one in each `interval`. A burst of 0 counts as 1. An interval of
    /// zero suppresses nothing.
    pub const fn new(burst: u32, interval: Duration) -> Self {
        Self {
            burst,
            interval,
            min_episode: Duration::ZERO,
        }
    }

    /// Recoveries are logged from episodes that lasted so long, see
    /// [`LimitEvent::episode`](crate::LimitEvent::episode). By default all are. Shorter ones are in
    /// [reports](crate::GaugeReport::last_edges), sinks and handlers, and do not count as
    /// suppressed. Recoveries are lines of level `DEBUG`. A warning is logged at once, before it is
    /// known how long its episode lasts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use fillgauge_std::{LogLimit, set_log_limit};
    ///
    /// set_log_limit(LogLimit::default().min_episode(Duration::from_millis(100)));
    /// # set_log_limit(LogLimit::default());
    /// ```
    #[must_use]
    pub const fn min_episode(mut self, shortest: Duration) -> Self {
        self.min_episode = shortest;
        self
    }
}

/// Ten lines at once, then one a second.
impl Default for LogLimit {
    fn default() -> Self {
        Self::new(10, Duration::from_secs(1))
    }
}

static LIMIT: Lazy<Mutex<LogLimit>> = Lazy::new(Mutex::default);

/// Sets how often every gauge of the process logs, from now on.
pub fn set_log_limit(limit: LogLimit) {
    *lock(force(&LIMIT)) = limit;
}

/// Whether the settings let `event` be logged, however many were before.
pub(super) fn is_worth_a_line(event: &LimitEvent) -> bool {
    // Without a clock no episode has a length.
    let episode = event.episode().filter(|_| event.at().is_some());
    episode.is_none_or(|episode| episode.lasted >= lock(force(&LIMIT)).min_episode)
}

/// The lines of one gauge or limit: a token bucket, of which only the time is kept at which it is
/// full again (the generic cell rate algorithm, ITU-T I.371).
#[derive(Debug, Default)]
pub(crate) struct Lines {
    full_at: Option<Instant>,
    /// Lines that were suppressed since the last one.
    suppressed: usize,
}

impl Lines {
    /// Whether the next line may be logged now. If not, it counts as suppressed.
    pub(crate) fn may_log(&mut self) -> bool {
        let limit = *lock(force(&LIMIT));
        let may = now().is_none_or(|now| self.after_a_line(limit, now).is_some());
        self.suppressed += usize::from(!may);
        may
    }

    /// Takes the right to log a line now, and how many were suppressed before it.
    pub(crate) fn take(&mut self) -> Option<usize> {
        if !self.may_log() {
            return None;
        }
        let limit = *lock(force(&LIMIT));
        self.full_at = now().and_then(|now| self.after_a_line(limit, now));
        Some(self.take_suppressed())
    }

    /// How many lines were suppressed and not yet accounted for.
    pub(crate) fn take_suppressed(&mut self) -> usize {
        std::mem::take(&mut self.suppressed)
    }

    pub(crate) fn suppressed(&self) -> usize {
        self.suppressed
    }

    /// When the bucket is full again after a line at `now`, if it has one left.
    fn after_a_line(&self, limit: LogLimit, now: Instant) -> Option<Instant> {
        // Longer ones might lead beyond the end of the clock.
        const LONGEST: Duration = Duration::from_secs(u32::MAX as u64);
        let interval = limit.interval.min(LONGEST);
        let full_at = self.full_at.map_or(now, |full_at| full_at.max(now));
        let emptied = interval.saturating_mul(limit.burst.saturating_sub(1));
        let has_one = full_at.duration_since(now) <= emptied;
        has_one.then(|| full_at.checked_add(interval).unwrap_or(full_at))
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use super::*;

    /// Which of the lines at these times, in seconds, are logged.
    fn logged(limit: LogLimit, times: &[f64]) -> Vec<bool> {
        let (start, mut lines) = (Instant::now(), Lines::default());
        let log = |time: &f64| {
            let after = lines.after_a_line(limit, start + Duration::from_secs_f64(*time));
            lines.full_at = after.or(lines.full_at);
            after.is_some()
        };
        times.iter().map(log).collect()
    }

    #[test]
    fn a_burst_then_one_in_each_interval() {
        let limit = LogLimit::new(3, Duration::from_secs(1));
        let times = [0.0, 0.0, 0.0, 0.0, 0.9, 1.0, 1.0, 1.9, 2.0];
        let expected = [true, true, true, false, false, true, false, false, true];
        assert_eq!(logged(limit, &times), expected);
        // After a pause the burst is as long as it was.
        let times = [0.0, 0.0, 0.0, 60.0, 60.0, 60.0, 60.0];
        let expected = [true, true, true, true, true, true, false];
        assert_eq!(logged(limit, &times), expected);
    }

    #[test]
    fn any_limit_will_do() {
        for limit in [
            LogLimit::OFF,
            LogLimit::new(0, Duration::ZERO),
            LogLimit::new(u32::MAX, Duration::MAX),
        ] {
            assert_eq!(logged(limit, &[0.0; 5]), [true; 5], "{limit:?}");
        }
        for limit in [
            LogLimit::new(0, Duration::from_secs(1)),
            LogLimit::new(1, Duration::from_secs(1)),
        ] {
            assert_eq!(logged(limit, &[0.0, 0.5, 1.0]), [true, false, true]);
        }
        let for_ever = LogLimit::new(1, Duration::MAX);
        assert_eq!(logged(for_ever, &[0.0, 0.0, 1e9]), [true, false, false]);
    }

    #[test]
    fn what_was_suppressed_is_said_once() {
        let mut lines = Lines::default();
        let mut said = 0;
        let logged = (0..50).filter_map(|_| lines.take()).count();
        said += lines.take_suppressed();
        assert_eq!(logged + said, 50);
        assert_eq!(lines.take_suppressed(), 0);
    }
}
