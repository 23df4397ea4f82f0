//! Which stage is slow, from when until when, and how long each takes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use fillgauge_std::{QueueRegistry, Report};

use super::ledger::lock;
use super::{ServiceLimit, Settings};

/// A stage that can be slow. It takes from the gauge in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Takes from `jobs`.
    Jobs,
    /// Works, with a permit.
    Permits,
    /// Takes from `records`.
    Writer,
    /// Takes from `session_lines`.
    Sessions,
}

impl Stage {
    /// In the order of the flow.
    pub(crate) const ALL: [Self; 4] = [Self::Jobs, Self::Permits, Self::Writer, Self::Sessions];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Jobs => "jobs",
            Self::Permits => "permits",
            Self::Writer => "writer",
            Self::Sessions => "sessions",
        }
    }

    /// The limit in front of it, for which its producers wait.
    pub(crate) const fn limit(self) -> ServiceLimit {
        match self {
            Self::Jobs => ServiceLimit::Jobs,
            Self::Permits => ServiceLimit::WorkPermits,
            Self::Writer => ServiceLimit::Records,
            Self::Sessions => ServiceLimit::SessionLines,
        }
    }

    /// How long it takes for an item.
    const fn usual(self) -> Duration {
        match self {
            Self::Permits => Duration::from_millis(2),
            _ => Duration::ZERO,
        }
    }

    /// How long it takes while it is slow. One session, or one worker, is one of many.
    const fn slow(self) -> Duration {
        Duration::from_millis(match self {
            // The timer of the runtime adds one.
            Self::Jobs => 2,
            Self::Writer => 3,
            Self::Permits => 100,
            Self::Sessions => 500,
        })
    }
}

/// The reports at its beginning and at its end.
pub(crate) type SlowPhase = Option<(Report, Report)>;

/// Says how long each stage takes. The slow phase lasts from one fifth of the requests to three
/// fifths, by what is done and not by a clock: on any machine the queue in front fills.
pub(super) struct Pace {
    slow: Option<Stage>,
    from: usize,
    until: usize,
    done: AtomicUsize,
    is_slow: AtomicBool,
    registry: QueueRegistry,
    reports: Mutex<Vec<Report>>,
}

impl Pace {
    pub(super) fn new(settings: &Settings, registry: &QueueRegistry) -> Self {
        let fifth = settings.requests / 5;
        Self {
            slow: settings.slow,
            from: fifth,
            until: 3 * fifth,
            done: AtomicUsize::new(0),
            is_slow: AtomicBool::new(false),
            registry: registry.clone(),
            reports: Mutex::default(),
        }
    }

    /// One more request is done.
    pub(super) fn advance(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if done == self.from || done == self.until {
            // Before the phase ends: a stage that is no longer slow catches up while it is read.
            let report = self.registry.report();
            lock(&self.reports).push(report);
            self.is_slow.store(done == self.from, Ordering::Relaxed);
        }
    }

    /// How long `stage` takes for the item of this number.
    pub(super) fn of(&self, stage: Stage, number: usize) -> Duration {
        let is_slow = self.slow == Some(stage) && self.is_slow.load(Ordering::Relaxed);
        let length = if is_slow { stage.slow() } else { stage.usual() };
        if stage == Stage::Permits {
            // From half of it to one and a half: workers do not all end at once.
            length / 2 + length.mul_f64(spread(number))
        } else {
            length
        }
    }

    pub(super) fn slow_phase(&self) -> SlowPhase {
        let mut reports = lock(&self.reports).clone().into_iter();
        reports.next().zip(reports.next())
    }
}

/// A number from 0 to 1 that looks like chance, and is the same in each run.
pub(super) fn spread(number: usize) -> f64 {
    // The golden ratio leaves equal gaps.
    (number as f64 * 0.618_033_988_749_895).fract()
}
