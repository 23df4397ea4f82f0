//! The clocks: one that never steps back, and that of the day.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime};

use super::HAS_THREADS;

/// Whether there is a clock. Shuttle has none, and `wasm32-unknown-unknown` panics when it is
/// asked.
const HAS_CLOCK: bool = HAS_THREADS && !cfg!(fillgauge_shuttle);

/// The time, where there is a clock.
pub(crate) fn now() -> Option<Instant> {
    HAS_CLOCK.then(Instant::now)
}

/// The time since this was first called in the process, where there is a clock.
pub(crate) fn elapsed() -> Option<Duration> {
    static BEGIN: OnceLock<Instant> = OnceLock::new();
    let now = now()?;
    Some(now.saturating_duration_since(*BEGIN.get_or_init(|| now)))
}

/// The time of day, where there is a clock.
pub(crate) fn time_of_day() -> Option<SystemTime> {
    HAS_CLOCK.then(SystemTime::now)
}

/// Both clocks, most often for the price of one. The second would add a sixth to the time of an
/// edge.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Clocks {
    /// When both were read last.
    read: Option<(Duration, SystemTime)>,
}

impl Clocks {
    /// How long a time of day is derived from the one that was read. So long a step of that clock
    /// is not seen.
    const DERIVED: Duration = Duration::from_secs(1);
    /// Two readings further apart than this are not of one moment.
    const AT_ONCE: Duration = Duration::from_millis(1);

    /// What [`elapsed`] says, and the time of day.
    pub(crate) fn read(&mut self) -> (Option<Duration>, Option<SystemTime>) {
        let read = elapsed().and_then(|now| self.read_at(now, time_of_day, elapsed));
        read.unzip()
    }

    /// The same when `now` is what [`elapsed`] says.
    fn read_at(
        &mut self,
        now: Duration,
        time_of_day: impl FnOnce() -> Option<SystemTime>,
        elapsed: impl FnOnce() -> Option<Duration>,
    ) -> Option<(Duration, SystemTime)> {
        if let Some((then, day)) = self.read {
            let passed = now.checked_sub(then);
            if let Some(passed) = passed.filter(|passed| *passed < Self::DERIVED) {
                return Some((now, day.checked_add(passed)?));
            }
        }
        let both = (now, time_of_day()?);
        let took = elapsed()?.saturating_sub(now);
        self.read = (took < Self::AT_ONCE).then_some(both);
        Some(both)
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Reads `clocks` when `now` milliseconds have passed and it is `day` seconds past the epoch.
    /// The time of day takes `took` milliseconds. Returns what it says, and whether it was read.
    fn read(clocks: &mut Clocks, now: u64, day: u64, took: u64) -> (u64, bool) {
        let is_read = Cell::new(false);
        let time_of_day = || {
            is_read.set(true);
            Some(SystemTime::UNIX_EPOCH + Duration::from_secs(day))
        };
        let elapsed = || Some(Duration::from_millis(now + took));
        let now = Duration::from_millis(now);
        let (same, day) = clocks.read_at(now, time_of_day, elapsed).unwrap();
        assert_eq!(same, now);
        let day = day.duration_since(SystemTime::UNIX_EPOCH).unwrap();
        (u64::try_from(day.as_millis()).unwrap(), is_read.get())
    }

    #[test]
    fn the_time_of_day_is_read_once_a_second() {
        let mut clocks = Clocks::default();
        assert_eq!(read(&mut clocks, 100, 50, 0), (50_000, true));
        assert_eq!(read(&mut clocks, 107, 90, 0), (50_007, false));
        assert_eq!(read(&mut clocks, 1_099, 90, 0), (50_999, false));
        assert_eq!(
            read(&mut clocks, 1_100, 90, 0),
            (90_000, true),
            "it stepped"
        );
        assert_eq!(read(&mut clocks, 1_101, 10, 0), (90_001, false));
    }

    #[test]
    fn what_was_read_with_a_pause_between_is_not_kept() {
        let mut clocks = Clocks::default();
        assert_eq!(read(&mut clocks, 100, 50, 1), (50_000, true));
        assert_eq!(read(&mut clocks, 101, 50, 0), (50_000, true));
        assert_eq!(read(&mut clocks, 102, 51, 0), (50_001, false));
    }

    #[test]
    fn a_moment_before_the_last_reading_is_read() {
        let mut clocks = Clocks::default();
        assert_eq!(read(&mut clocks, 100, 50, 0), (50_000, true));
        assert_eq!(read(&mut clocks, 99, 51, 0), (51_000, true));
    }
}
