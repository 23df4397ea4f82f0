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

    /// Whether it is why the stage before it is slow. Where there was room, that stage does not poll
    /// its sends.
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
mod tests {
    use super::*;
    use crate::backpressure::Backpressure;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn flow(enqueued: usize, dequeued: usize) -> Option<Totals> {
        let mut totals = Totals::default();
        (totals.enqueued, totals.dequeued) = (enqueued, dequeued);
        Some(totals)
    }

    fn enqueued(enqueued: usize) -> Option<Totals> {
        flow(enqueued, enqueued)
    }

    /// Of a queue with one gauge that nothing happens to.
    fn idle() -> LimitFigures {
        LimitFigures {
            gauges: 1,
            registered: 1,
            capacities: (256, 256),
            live: Sums {
                totals: enqueued(100_000),
                backpressure: Some(Backpressure::default()),
                ..Sums::default()
            },
            ..LimitFigures::default()
        }
    }

    /// The advice on `now`, so long after `before`.
    fn advice_after(length: u64, before: LimitFigures, now: LimitFigures) -> Option<String> {
        let mut history = History::default();
        assert!(history.add(seconds(7), Some(seconds(1)), before).is_none());
        let (elapsed, measured) = (seconds(7 + length), seconds(1 + length));
        let change = history.add(elapsed, Some(measured), now)?;
        change.advice(LimitCategory::Queue, None)
    }

    fn advice(change: impl Fn(&mut LimitFigures)) -> Option<String> {
        let (before, mut now) = (idle(), idle());
        now.live.totals = enqueued(100_001);
        change(&mut now);
        advice_after(300, before, now)
    }

    fn wait(figures: &mut LimitFigures, waits: usize, waited: Duration, stalled: Duration) {
        let held_back = figures.live.backpressure.get_or_insert_default();
        (held_back.waits, held_back.waited, held_back.stalled) = (waits, waited, stalled);
    }

    fn near(figures: &mut LimitFigures, near: u64, full: u64) {
        (figures.live.near.near, figures.live.near.full) = (seconds(near), seconds(full));
    }

    #[test]
    fn each_rule_has_its_sentence() {
        let said = |change: &dyn Fn(&mut LimitFigures)| advice(change).unwrap_or_default();
        assert_eq!(said(&|_| ()), "");
        assert_eq!(said(&|now| wait(now, 9, seconds(99), seconds(29))), "");
        assert_eq!(
            said(&|now| {
                near(now, 120, 93);
                wait(now, 14, Duration::from_millis(2_100_000), seconds(80));
            }),
            "full 31 % of the last 5 minutes, producers waited 14 times, 35 minutes in all: the \
             stage behind it is slow"
        );
        assert_eq!(
            said(&|now| {
                now.capacities = (0, 0);
                wait(now, 1, seconds(30), seconds(30));
            }),
            "in the last 5 minutes, producers waited once, 30 s: the stage behind it is slow",
            "as of a rendezvous"
        );
        assert_eq!(
            said(&|now| wait(now, 1, seconds(30), seconds(30))),
            "in the last 5 minutes, producers waited once, 30 s, though there was room: is their \
             task polled?"
        );
        assert_eq!(
            said(&|now| {
                now.gauges = 0;
                wait(now, 1, seconds(30), seconds(30));
            }),
            "in the last 5 minutes, producers waited once, 30 s",
            "nothing is behind what is gone"
        );
        assert_eq!(
            said(&|now| {
                near(now, 60, 30);
                now.live.refused = 5;
            }),
            "full 10 % of the last 5 minutes, 5 refused: the stage behind it is slow"
        );
        for (times, share) in [
            ((0, 0), "in the last 5 minutes"),
            ((60, 2), "near capacity 20 % of the last 5 minutes"),
            ((60, 29), "full 10 % of the last 5 minutes"),
        ] {
            let burst = |now: &mut LimitFigures| {
                near(now, times.0, times.1);
                now.live.refused = 1;
            };
            assert_eq!(
                said(&burst),
                format!("{share}, 1 refused: too small for its peaks")
            );
        }
        assert_eq!(
            said(&|now| near(now, 66, 0)),
            "near capacity 22 % of the last 5 minutes, and nobody waited"
        );
        assert_eq!(
            said(&|now| {
                near(now, 300, 0);
                now.live.totals = flow(100_007, 100_000);
            }),
            "near capacity 100 % of the last 5 minutes, and nothing was taken out"
        );
        // What is not known is not said.
        let share = "near capacity 22 % of the last 5 minutes";
        let more: [&dyn Fn(&mut LimitFigures); 4] = [
            &|now| now.live.backpressure = None,
            &|now| wait(now, 3, seconds(2), seconds(2)),
            &|now| near(now, 66, 50),
            &|now| near(now, 66, 3),
        ];
        for more in more {
            let changed = |now: &mut LimitFigures| {
                near(now, 66, 0);
                more(now);
            };
            assert_eq!(said(&changed), share);
        }
        assert_eq!(
            said(&|now| now.live.high_water = 12),
            "never above 12 of 256: could be 16"
        );
        assert_eq!(
            said(&|now| {
                (now.gauges, now.registered) = (3, 3);
                near(now, 400, 93);
                wait(now, 2, seconds(40), seconds(40));
            }),
            "full for 93 s of the last 5 minutes, all together, producers waited 2 times, 40 s in \
             all: the stage behind it is slow"
        );
    }

    #[test]
    fn lengths_are_for_people() {
        let said = |millis| Length(Duration::from_millis(millis)).to_string();
        assert_eq!([said(0), said(999)], ["0 ms", "999 ms"]);
        assert_eq!([said(1_000), said(9_940)], ["1.0 s", "9.9 s"]);
        assert_eq!([said(10_000), said(119_999)], ["10 s", "119 s"]);
        assert_eq!([said(120_000), said(300_000)], ["2 minutes", "5 minutes"]);
    }

    #[test]
    fn what_is_behind_decides_what_is_slow() {
        let (before, mut now) = (idle(), idle());
        now.capacities = (0, 0);
        wait(&mut now, 2, seconds(12), seconds(12));
        let mut history = History::default();
        history.add(seconds(0), Some(seconds(0)), before);
        let change = history.add(seconds(100), Some(seconds(100)), now).unwrap();
        let ends = |category, next, end: &str| {
            let text = change.advice(category, next).unwrap();
            assert_eq!(
                text,
                format!("in the last 100 s, producers waited 2 times, 12 s in all: {end}")
            );
        };
        for category in [LimitCategory::Queue, LimitCategory::Resource] {
            ends(category, Some("writer"), "writer behind it is full, too");
        }
        ends(LimitCategory::Queue, None, "the stage behind it is slow");
        ends(
            LimitCategory::Resource,
            None,
            "it is too small, or held for too long",
        );
    }

    #[test]
    fn there_is_no_guess_without_data() {
        let mut now = idle();
        near(&mut now, 50, 40);
        wait(&mut now, 9, seconds(90), seconds(40));
        assert_eq!(advice_after(59, idle(), now), None, "too short");
        assert!(advice_after(60, idle(), now).is_some());

        let roomy = |length, change: &dyn Fn(&mut LimitFigures)| {
            let mut now = idle();
            now.live.high_water = 12;
            change(&mut now);
            advice_after(length, idle(), now)
        };
        assert!(roomy(300, &|_| ()).is_some());
        assert_eq!(roomy(299, &|_| ()), None, "too short");
        assert_eq!(
            roomy(300, &|now| now.live.totals = enqueued(2_559)),
            None,
            "too few"
        );
        assert!(roomy(300, &|now| now.live.totals = enqueued(2_560)).is_some());
        assert!(roomy(300, &|now| now.live.totals = None).is_some());
        assert!(
            roomy(300, &|now| (now.gauges, now.live.totals) =
                (9, enqueued(9 * 2_560)))
            .is_some()
        );
        let few = roomy(300, &|now| {
            (now.gauges, now.live.totals) = (9, enqueued(9 * 2_560 - 1))
        });
        assert_eq!(few, None, "too few for each");
        assert_eq!(
            roomy(300, &|now| now.live.high_water = 0),
            None,
            "never used"
        );
        assert_eq!(roomy(300, &|now| now.live.high_water = 103), None, "in use");
        assert!(roomy(300, &|now| now.live.high_water = 102).is_some());
        assert_eq!(
            roomy(300, &|now| now.capacities.1 = 8),
            None,
            "of several sizes"
        );
        assert_eq!(roomy(300, &|now| now.capacities = (0, 0)), None, "no bound");
    }

    #[test]
    fn what_was_full_holds_up_what_is_before_it() {
        let holds_up = |change: &dyn Fn(&mut LimitFigures)| {
            let mut now = idle();
            change(&mut now);
            let mut history = History::default();
            history.add(seconds(0), Some(seconds(0)), idle());
            let change = history.add(seconds(100), Some(seconds(100)), now).unwrap();
            change.holds_up()
        };
        assert!(!holds_up(&|_| ()));
        assert!(holds_up(&|now| {
            near(now, 10, 0);
            wait(now, 1, seconds(10), seconds(10));
        }));
        let had_room = holds_up(&|now| wait(now, 1, seconds(10), seconds(10)));
        assert!(!had_room, "who comes before does not poll its send");
        assert!(!holds_up(&|now| {
            now.gauges = 0;
            near(now, 10, 10);
        }));
        // Who fills it need not wait: it refuses, or has no waits to count.
        assert!(holds_up(&|now| near(now, 10, 10)));
        assert!(holds_up(&|now| {
            now.capacities = (0, 0);
            wait(now, 1, seconds(10), seconds(10));
        }));
        assert!(!holds_up(&|now| near(now, 100, 9)));
        assert!(!holds_up(&|now| now.live.refused = 7));
    }

    #[test]
    fn gauges_that_are_gone_count_for_what_they_were() {
        // Twenty sessions that were near for a fifth of the window, and one that never was.
        let (mut before, mut now) = (idle(), idle());
        (before.gauges, before.registered) = (21, 21);
        (now.gauges, now.registered) = (1, 21);
        now.gone.near.near = seconds(20 * 60);
        let expected = "near capacity for 20 minutes of the last 5 minutes, all together";
        let said = advice_after(300, before, now).unwrap();
        assert!(said.starts_with(expected), "{said}");
        now.gone.near.near = seconds(20 * 31);
        assert_eq!(advice_after(300, before, now), None, "not the average one");
        // One after the other.
        let mut now = idle();
        now.registered = 5;
        now.gone.near.near = seconds(31);
        let expected = "near capacity for 31 s of the last 5 minutes, all together";
        let said = advice_after(300, idle(), now).unwrap();
        assert!(said.starts_with(expected), "{said}");
    }

    #[test]
    fn gauges_that_come_and_go_between_two_figures_that_are_kept_count() {
        let mut history = History::default();
        let mut poll = |at, gauges, registered, near| {
            let mut now = idle();
            (now.gauges, now.registered) = (gauges, registered);
            now.gone.near.near = seconds(near);
            history.add(seconds(at), Some(seconds(at)), now)
        };
        assert!(poll(0, 1, 1, 0).is_none());
        assert!(poll(10, 101, 101, 0).is_none());
        let change = poll(300, 1, 101, 500).unwrap();
        assert_eq!(change.advice(LimitCategory::Queue, None), None);
    }

    #[test]
    fn what_refuses_is_too_small_for_its_peaks_if_it_has_any() {
        let ends = |category, capacity, near_for, end: &str| {
            let (before, mut now) = (idle(), idle());
            now.capacities = (capacity, capacity);
            near(&mut now, near_for, 0);
            now.live.refused = 7;
            let mut history = History::default();
            history.add(seconds(0), Some(seconds(0)), before);
            let change = history.add(seconds(300), Some(seconds(300)), now).unwrap();
            let text = change.advice(category, None).unwrap();
            assert!(text.ends_with(&format!(", 7 refused: {end}")), "{text}");
        };
        let peaks = "too small for its peaks";
        ends(LimitCategory::Queue, 256, 290, peaks);
        ends(LimitCategory::Memory, 256, 29, peaks);
        // Requests that are greater than what is left, all the time.
        let held = "it is too small, or held for too long";
        ends(LimitCategory::Memory, 256, 30, held);
        // A rendezvous has no size.
        ends(LimitCategory::Queue, 0, 0, "the stage behind it is slow");
    }

    #[test]
    fn a_little_of_each_of_many_gauges_is_nothing() {
        let of = |gauges: usize, each: u64| {
            let (mut before, mut now) = (idle(), idle());
            (before.gauges, before.registered) = (gauges, gauges);
            (now.gauges, now.registered) = (gauges, gauges);
            let all = Duration::from_millis(each) * gauges as u32;
            (now.live.near.near, now.live.near.full) = (all, all);
            wait(&mut now, gauges, all, all);
            advice_after(300, before, now)
        };
        assert!(of(1, 30_000).is_some());
        assert_eq!(of(1, 29_999), None);
        assert!(of(1_000, 3_000).is_some());
        assert_eq!(of(1_000, 2_999), None);
    }

    #[test]
    fn what_could_be_never_warns_at_what_was() {
        for high_water in 1..5_000 {
            let mut now = idle();
            now.capacities = (1 << 20, 1 << 20);
            (now.live.high_water, now.live.totals) = (high_water, None);
            let text = advice_after(300, idle(), now).unwrap();
            let enough: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(enough.is_power_of_two());
            assert!(100 * high_water < 80 * enough, "{text}");
            assert!(
                enough == 2 || 100 * high_water * 2 >= 80 * enough - 160,
                "{text}"
            );
        }
    }

    #[test]
    fn the_greatest_figures_do_no_harm() {
        let extremes = [0, 1, usize::MAX / 2, usize::MAX - 1, usize::MAX];
        for high_water in extremes {
            for capacity in extremes {
                let mut now = idle();
                now.capacities = (capacity, capacity);
                (now.live.high_water, now.live.totals) = (high_water, None);
                let advice = advice_after(300, idle(), now);
                assert_eq!(advice.is_some(), high_water == 1 && capacity > 1);
                (now.gauges, now.live.refused) = (2, capacity);
                near(&mut now, u64::MAX, u64::MAX);
                wait(&mut now, high_water, Duration::MAX, Duration::MAX);
                for (length, measured) in [(300, 0), (300, 1), (u64::MAX, u64::MAX)] {
                    let mut history = History::default();
                    history.add(seconds(0), Some(Duration::ZERO), idle());
                    let measured = Some(Duration::from_nanos(measured));
                    let change = history.add(seconds(length), measured, now).unwrap();
                    drop(change.advice(LimitCategory::Queue, None));
                }
            }
        }
    }

    #[test]
    fn a_window_slides_and_keeps_few_figures() {
        let mut history = History::default();
        for second in 0..10_000 {
            let mut now = idle();
            wait(&mut now, second, seconds(0), seconds(second as u64 / 2));
            let at = seconds(second as u64);
            let change = history.add(at, Some(at), now);
            assert_eq!(change.is_some(), second >= 60);
            if let Some(change) = change {
                let longest = WINDOW + STEP;
                assert!(
                    change.length < longest && change.length.as_secs() as usize == change.waits
                );
                assert!((change.stalled - 0.5).abs() < 0.01, "{change:?}");
                assert!(second < 300 || change.length >= WINDOW);
            }
        }
        assert!(history.0.len() <= 12);
    }
}
