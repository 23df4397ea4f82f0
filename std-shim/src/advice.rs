//! What a person would say of a limit, from its figures over the last minutes.

use std::collections::VecDeque;
use std::fmt::{self, Write};
use std::time::Duration;

use fillgauge::{LimitCategory, Totals};

use crate::registry::Sums;

/// Advice is about so much of the past.
const WINDOW: Duration = Duration::from_secs(300);
/// There is no advice before so much is known.
const LEAST: Duration = Duration::from_secs(60);
/// How far the figures that are kept are apart.
const STEP: Duration = Duration::from_secs(30);

/// The figures of a limit at one moment: of all its gauges, unless it says otherwise.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LimitFigures {
    /// Live ones.
    pub(crate) gauges: usize,
    /// Those that were ever registered.
    pub(crate) registered: usize,
    /// Some hand out permits, and nothing flows through them.
    pub(crate) has_permits: bool,
    /// Of some it is not known how deep they were between two reports.
    pub(crate) is_sampled: bool,
    /// Of some it is not known whether anything is taken out.
    pub(crate) may_be_idle: bool,
    /// The greatest of a live one, and the least. 0 is no bound, or a rendezvous.
    pub(crate) capacities: (usize, usize),
    pub(crate) live: Sums,
    pub(crate) gone: Sums,
}

impl LimitFigures {
    fn all(&self) -> Sums {
        let mut all = self.gone;
        all.add(&self.live);
        all
    }
}

/// The figures of a limit over the last minutes.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<Kept>);

#[derive(Clone, Copy, Debug)]
struct Kept {
    /// By the clock that the watch is polled with.
    elapsed: Duration,
    /// By the clock that the figures are measured with.
    measured: Option<Duration>,
    figures: LimitFigures,
    /// The most gauges that were found at once, until the next figures are kept.
    most_gauges: usize,
}

impl History {
    /// Takes note of what is known now. Returns what has changed in the window, if it is long
    /// enough to say something.
    pub(crate) fn add(
        &mut self,
        elapsed: Duration,
        measured: Option<Duration>,
        figures: LimitFigures,
    ) -> Option<Change> {
        let now = Kept {
            elapsed,
            measured,
            figures,
            most_gauges: figures.gauges,
        };
        let is_over = |kept: &Kept| elapsed.saturating_sub(kept.elapsed) >= WINDOW;
        while self.0.get(1).is_some_and(is_over) {
            self.0.pop_front();
        }
        let first = *self.0.front().unwrap_or(&now);
        match self.0.back_mut() {
            Some(last) if elapsed.saturating_sub(last.elapsed) < STEP => {
                last.most_gauges = last.most_gauges.max(now.most_gauges);
            }
            _ => self.0.push_back(now),
        }
        let length = elapsed.saturating_sub(first.elapsed);
        let most = self
            .0
            .iter()
            .map(|kept| kept.most_gauges)
            .max()
            .unwrap_or(0);
        (length >= LEAST).then(|| Change::between(&first, &now, length, most))
    }
}

/// How the figures of a limit changed in a window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    /// How long the window is.
    length: Duration,
    /// The figures at its end.
    now: LimitFigures,
    /// The most gauges that were found at once.
    most_gauges: usize,
    /// The gauges that were there at any time.
    gauges: usize,
    /// Shares of the window. Those of several gauges may come to more than 1.
    near: f64,
    full: f64,
    stalled: f64,
    waits: usize,
    waited: Duration,
    refused: usize,
    /// What was taken out. `None` unless all live ones count that.
    dequeued: Option<usize>,
}

impl Change {
    fn between(first: &Kept, now: &Kept, length: Duration, most_gauges: usize) -> Self {
        let measured = now.measured.zip(first.measured);
        let measured = measured.map(|(now, first)| now.saturating_sub(first));
        let share = |now: Duration, first: Duration| {
            let passed = now.saturating_sub(first);
            let share = measured.map(|measured| passed.div_duration_f64(measured));
            share.filter(|share| share.is_finite()).unwrap_or(0.0)
        };
        let registered = now.figures.registered;
        let registered = registered.wrapping_sub(first.figures.registered);
        let (before, after) = (first.figures.all(), now.figures.all());
        let held_before = before.backpressure.unwrap_or_default();
        let held_after = after.backpressure.unwrap_or_default();
        let dequeued = |sums: &Sums| sums.totals.map_or(0, |totals| totals.dequeued);
        let taken_out = dequeued(&after).wrapping_sub(dequeued(&before));
        let is_counted = now.figures.gauges > 0 && !now.figures.may_be_idle;
        Self {
            length,
            now: now.figures,
            most_gauges,
            gauges: first.figures.gauges.saturating_add(registered),
            near: share(after.near.near, before.near.near),
            full: share(after.near.full, before.near.full),
            stalled: share(held_after.stalled, held_before.stalled),
            // Those that waited at the beginning waited in the window, too.
            waits: held_after
                .waits
                .wrapping_sub(held_before.waits)
                .saturating_add(held_before.waiting),
            waited: held_after.waited.saturating_sub(held_before.waited),
            refused: after.refused.wrapping_sub(before.refused),
            dequeued: is_counted.then_some(taken_out),
        }
    }

    /// Whether it is why the stage before it is slow. Where there was room, that stage does not
    /// poll its sends.
    pub(crate) fn holds_up(&self) -> bool {
        self.is_slow() && !self.had_room() && self.now.gauges > 0
    }

    /// Whether producers waited for it, or it was full, for a noticeable part of the window.
    fn is_slow(&self) -> bool {
        self.is_held_up() || self.full >= 0.1 * self.average()
    }

    /// Whether it refused requests in peaks alone. A rendezvous has none. What is no queue may be
    /// near its capacity all the time, and never full: a request is greater than what is left.
    fn has_peaks(&self, is_queue: bool) -> bool {
        let (_, smallest) = self.now.capacities;
        smallest > 0 && !self.is_slow() && (is_queue || !self.is_near())
    }

    /// Whether producers waited for a noticeable part of the window: all together, and for an
    /// average gauge. Many gauges come to much, each with next to nothing.
    fn is_held_up(&self) -> bool {
        self.waits > 0 && self.stalled >= 0.1 && self.stalled >= 0.01 * self.average()
    }

    /// Whether an average gauge was near its capacity for a noticeable part of the window.
    fn is_near(&self) -> bool {
        self.near >= 0.1 * self.average()
    }

    /// Divides a share among the gauges.
    fn average(&self) -> f64 {
        self.most_gauges.max(1) as f64
    }

    /// What a person would say. `next` is the limit of the next stage, if that holds
    /// this one up.
    pub(crate) fn advice(&self, category: LimitCategory, next: Option<&str>) -> Option<String> {
        let mut text = String::new();
        // It cannot fail.
        let _ = self.write(category, next, &mut text);
        (!text.is_empty()).then_some(text)
    }

    fn write(&self, category: LimitCategory, next: Option<&str>, text: &mut String) -> fmt::Result {
        let is_queue = category == LimitCategory::Queue && !self.now.has_permits;
        if self.is_held_up() || self.refused > 0 {
            self.write_hold_ups(text)?;
            match next {
                // Of what is gone, nothing is slow.
                _ if self.now.gauges == 0 => Ok(()),
                _ if self.has_peaks(is_queue) => write!(text, ": too small for its peaks"),
                _ if is_queue && self.had_room() => {
                    write!(text, ", though there was room: is their task polled?")
                }
                Some(next) => write!(text, ": {next} behind it is full, too"),
                None if is_queue => write!(text, ": the stage behind it is slow"),
                None => write!(text, ": it is too small, or held for too long"),
            }
        } else if self.is_near() {
            self.write_share(text, "near capacity", self.near)?;
            let is_known = self.now.all().backpressure.is_some();
            if is_queue && self.dequeued == Some(0) {
                text.push_str(", and nothing was taken out");
            } else if is_known && self.waits == 0 && self.full < 0.01 {
                text.push_str(", and nobody waited");
            }
            Ok(())
        } else {
            self.write_roomy(is_queue, text)
        }
    }

    /// That producers waited, or requests were refused.
    fn write_hold_ups(&self, text: &mut String) -> fmt::Result {
        if self.full >= 0.01 {
            self.write_share(text, "full", self.full)?;
        } else if self.is_near() {
            self.write_share(text, "near capacity", self.near)?;
        } else {
            write!(text, "in the last {}", Length(self.length))?;
        }
        if self.is_held_up() {
            let waited = Length(self.waited);
            match self.waits {
                1 => write!(text, ", producers waited once, {waited}")?,
                waits => write!(text, ", producers waited {waits} times, {waited} in all")?,
            }
        }
        if self.refused > 0 {
            write!(text, ", {} refused", self.refused)?;
        }
        Ok(())
    }

    /// Whether it has a bound, and was hardly ever near it.
    fn had_room(&self) -> bool {
        let (_, smallest) = self.now.capacities;
        smallest > 0 && self.near < 0.01
    }

    /// Of one gauge the share, of several the time.
    fn write_share(&self, text: &mut String, what: &str, share: f64) -> fmt::Result {
        let window = Length(self.length);
        if self.gauges > 1 {
            let time = self.length.as_secs_f64() * share;
            let time = Length(Duration::try_from_secs_f64(time).unwrap_or(Duration::MAX));
            return write!(text, "{what} for {time} of the last {window}, all together");
        }
        let percent = 100.0 * share.min(1.0);
        write!(text, "{what} {percent:.0} % of the last {window}")
    }

    /// A queue that never comes near its capacity, if enough went through to say so.
    fn write_roomy(&self, is_queue: bool, text: &mut String) -> fmt::Result {
        let (capacity, smallest) = self.now.capacities;
        let (live, high_water) = (self.now.live, self.now.all().high_water);
        // So that the high-water mark stays below the warn point.
        let least = high_water.saturating_add(high_water / 4).saturating_add(1);
        let enough = least.checked_next_power_of_two();
        let all = capacity.saturating_mul(self.now.gauges);
        let is_counted = |totals: Totals| totals.enqueued / 10 >= all;
        let is_used = live.high_water > 0 && live.totals.is_none_or(is_counted);
        let is_known = self.length >= WINDOW && is_used && !self.now.is_sampled;
        let is_known = is_known && self.waits == 0 && capacity == smallest;
        match enough {
            Some(enough) if is_queue && is_known && enough <= capacity / 2 => {
                write!(
                    text,
                    "never above {high_water} of {capacity}: could be {enough}"
                )
            }
            _ => Ok(()),
        }
    }
}

/// A length of time for people.
struct Length(Duration);

impl fmt::Display for Length {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(length) = *self;
        let seconds = length.as_secs();
        match seconds {
            0 => write!(f, "{} ms", length.as_millis()),
            1..10 => write!(f, "{:.1} s", length.as_secs_f64()),
            10..120 => write!(f, "{seconds} s"),
            _ => write!(f, "{} minutes", seconds / 60),
        }
    }
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests;
