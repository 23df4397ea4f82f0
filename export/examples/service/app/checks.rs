//! What must hold when all has ended, and which stage was slow.

use std::collections::BTreeMap;
use std::time::Duration;

use fillgauge_std::{LimitEventKind, LimitReport, Report, Totals};

use super::ledger::Event;
use super::{Outcome, ServiceLimit, Stage};

/// What does not hold, in one line each. `events` are those of the registry.
pub(crate) fn faults(outcome: &Outcome, events: &[Event]) -> Vec<String> {
    let mut faults = Faults::default();
    if outcome.is_cut {
        faults.add("the clients ran out of time");
    }
    if outcome.slow_phase.is_none() {
        faults.add("the slow phase did not end");
    }
    faults.check_gauges(&outcome.report);
    faults.check_warnings(&outcome.report, events);
    faults.check_alternation(events);
    faults.check_counts(outcome);
    faults.check_sums(outcome);
    faults.0
}

#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: impl Into<String>) {
        self.0.push(fault.into());
    }

    fn check_equal<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, is: T, should_be: T) {
        if is != should_be {
            self.add(format!("{what}: {is:?}, and not {should_be:?}"));
        }
    }

    /// All gauges are drained, and none was ever fuller than its capacity.
    fn check_gauges(&mut self, report: &Report) {
        for gauge in &report.gauges {
            let label = gauge.label.as_deref().unwrap_or("-");
            let what = |figure: &str| format!("{figure} of {} ({label})", gauge.name);
            self.check_equal(&what("depth"), gauge.depth, 0);
            self.check_equal(&what("warned"), gauge.warned, false);
            if gauge.high_water > gauge.capacity {
                self.add(format!(
                    "{}: {} of {}",
                    what("high-water mark"),
                    gauge.high_water,
                    gauge.capacity
                ));
            }
            let waiting = gauge.backpressure.map_or(0, |held| held.waiting);
            self.check_equal(&what("waiting"), waiting, 0);
        }
        // Also the gauges of sessions that are gone.
        for limit in ServiceLimit::ALL {
            let Some(sums) = find(report, *limit) else {
                self.add(format!("no sums of {limit}"));
                continue;
            };
            if sums.high_water == 0 || sums.high_water > limit.bound() {
                let (mark, bound) = (sums.high_water, limit.bound());
                self.add(format!("high-water mark of {limit}: {mark} of {bound}"));
            }
            let waiting = sums.backpressure.map_or(0, |held| held.waiting);
            self.check_equal(&format!("waiting for {limit}"), waiting, 0);
        }
    }

    /// One warning a crossing: what a limit has counted is what its observers got.
    fn check_warnings(&mut self, report: &Report, events: &[Event]) {
        for limit in &report.limits {
            let is_warning = |event: &&Event| {
                event.kind == LimitEventKind::NearCapacity && event.limit == limit.name
            };
            let delivered = events.iter().filter(is_warning).count();
            self.check_equal(
                &format!("warnings of {}", limit.name),
                limit.warnings,
                delivered,
            );
        }
    }

    /// Each gauge warns first, then warnings and recoveries alternate, and the last one recovers.
    fn check_alternation(&mut self, events: &[Event]) {
        let mut is_near = BTreeMap::new();
        for event in events {
            let gauge = (event.limit, event.instance);
            let before = match event.kind {
                LimitEventKind::NearCapacity => is_near.insert(gauge, true),
                LimitEventKind::Recovered => is_near.insert(gauge, false),
                _ => continue,
            };
            let after = event.kind == LimitEventKind::NearCapacity;
            if before.unwrap_or(false) == after {
                self.add(format!("{} comes twice for {gauge:?}", event.kind));
            }
        }
        for (gauge, _) in is_near.into_iter().filter(|(_, is_near)| *is_near) {
            self.add(format!("no recovery of {gauge:?}"));
        }
    }

    /// What the service has counted fits together, and fits what its clients have counted.
    fn check_counts(&mut self, outcome: &Outcome) {
        let (counts, clients) = (outcome.counts, outcome.clients);
        // A client that ran out of time may not have noticed that it was connected.
        if !outcome.is_cut {
            self.check_equal("sessions", counts.sessions, clients.sessions);
        }
        let given_up = counts.busy + counts.late + counts.gone;
        self.check_equal("requests", counts.requests, given_up + counts.accepted);
        self.check_equal("jobs taken", counts.taken, counts.accepted);
        self.check_equal("jobs recorded", counts.recorded, counts.taken);
        self.check_equal("records written", counts.written, counts.recorded);
        let to_be_answered = counts.requests - counts.gone;
        self.check_equal("answers", counts.answered + counts.lost, to_be_answered);
        let read = clients.ok + clients.busy + clients.late;
        if read > counts.answered {
            self.add(format!("{read} answers were read of {}", counts.answered));
        }
    }

    /// The sums of each limit are what the service has counted.
    fn check_sums(&mut self, outcome: &Outcome) {
        let counts = outcome.counts;
        let totals = |enqueued, dequeued| {
            let mut totals = Totals::default();
            (totals.enqueued, totals.dequeued) = (enqueued, dequeued);
            Some(totals)
        };
        for limit in ServiceLimit::ALL {
            let (registered, totals, refused, disconnected) = match limit {
                ServiceLimit::RequestBytes => (1, None, counts.busy, None),
                ServiceLimit::Jobs => (1, totals(counts.accepted, counts.taken), 0, Some(0)),
                ServiceLimit::WorkPermits => (1, None, 0, Some(0)),
                ServiceLimit::Records => (1, totals(counts.recorded, counts.written), 0, Some(0)),
                // What a session has not taken at its end is out of the channel, too.
                ServiceLimit::SessionLines => (
                    counts.sessions,
                    totals(counts.answered, counts.answered),
                    0,
                    Some(counts.lost),
                ),
            };
            let Some(sums) = find(&outcome.report, *limit) else {
                continue;
            };
            let what = |figure: &str| format!("{figure} of {limit}");
            self.check_equal(&what("gauges so far"), sums.registered, registered);
            self.check_equal(&what("totals"), sums.totals, totals);
            self.check_equal(&what("refused"), sums.refused, refused);
            let held = sums.backpressure;
            let given_back = held.map(|held| held.disconnected);
            self.check_equal(&what("given back"), given_back, disconnected);
            let refused_by_channel = held.map_or(0, |held| held.refused);
            self.check_equal(&what("refused by the channel"), refused_by_channel, 0);
            if *limit == ServiceLimit::Jobs {
                let waits = held.map_or(0, |held| held.waits);
                // Whoever gave up had waited.
                if waits < counts.late + counts.gone {
                    self.add(format!("{waits} waits for jobs, and {counts:?}"));
                }
            }
        }
    }
}

fn find(report: &Report, limit: ServiceLimit) -> Option<&LimitReport> {
    let mut limits = report.limits.iter();
    limits.find(|sums| sums.name == limit.as_str())
}

/// How long each stage was held up in front of it, from one report to the next. Of the sessions it
/// is the sum.
pub(crate) fn stalled(before: &Report, after: &Report) -> Vec<(Stage, Duration)> {
    let until = |report: &Report, limit| {
        let held = find(report, limit).and_then(|sums| sums.backpressure);
        held.map_or(Duration::ZERO, |held| held.stalled)
    };
    let of = |stage: Stage| {
        let limit = stage.limit();
        let stalled = until(after, limit).saturating_sub(until(before, limit));
        (stage, stalled)
    };
    Stage::ALL.into_iter().map(of).collect()
}

/// The slow stage: a slow one holds up all before it, so it is the last that producers waited for.
/// What stalled for less than half of the longest time, or of the time from one report to the next,
/// was not held up by it.
pub(crate) fn slow_stage(before: &Report, after: &Report) -> Option<Stage> {
    let stalled = stalled(before, after);
    let times = after.at.zip(before.at);
    let between = times.and_then(|(after, before)| after.duration_since(before).ok())?;
    let longest = stalled.iter().map(|(_, stalled)| *stalled).max()?;
    let least = longest.max(between) / 2;
    let mut stages = stalled.into_iter().rev();
    let slow = stages.find(|(_, stalled)| *stalled >= least);
    slow.map(|(stage, _)| stage)
}
