//! Which queues are stuck.

use std::mem;
use std::time::{Duration, SystemTime};

use fillgauge::{Drain, DrainWatch, LimitCategory, QueueSnapshot};

use super::Moment;
use crate::registry::Reading;

/// The queues of a registry that are watched, in the order of their numbers.
#[derive(Default)]
pub(super) struct Queues(Vec<Queue>);

/// A queue that is watched.
struct Queue {
    instance: usize,
    drain: DrainWatch,
    /// Since when it is stuck.
    stuck: Option<Moment>,
}

/// A queue is stuck, or drains again.
pub(super) struct Change<'reading> {
    pub(super) queue: &'reading Reading,
    pub(super) kind: Drain,
    /// For how long nothing was dequeued.
    pub(super) lasted: Duration,
}

impl Queues {
    /// What has changed.
    pub(super) fn poll<'reading>(
        &mut self,
        gauges: &'reading [Reading],
        patience: Duration,
        now: Moment,
    ) -> Vec<Change<'reading>> {
        let mut known = mem::take(&mut self.0).into_iter().peekable();
        let mut changes = Vec::new();
        let is_watched = |gauge: &&Reading| {
            gauge.counts_dequeues && gauge.snapshot.category == LimitCategory::Queue
        };
        for gauge in gauges.iter().filter(is_watched) {
            let instance = gauge.snapshot.instance;
            // What is passed over is gone.
            while known.next_if(|queue| queue.instance < instance).is_some() {}
            let queue = known.next_if(|queue| queue.instance == instance);
            let mut queue = queue.unwrap_or_else(|| Queue::new(instance, patience));
            let change = queue.poll(&gauge.snapshot, now);
            changes.extend(change.map(|(kind, lasted)| Change {
                queue: gauge,
                kind,
                lasted,
            }));
            self.0.push(queue);
        }
        changes
    }

    /// The numbers of those that are stuck, and since when.
    pub(super) fn stuck(&self) -> Vec<(usize, Option<SystemTime>)> {
        let queues = self.0.iter();
        let stuck = queues.filter_map(|queue| Some((queue.instance, queue.stuck?.at)));
        stuck.collect()
    }
}

impl Queue {
    fn new(instance: usize, patience: Duration) -> Self {
        Self {
            instance,
            drain: DrainWatch::new(ticks(patience)),
            stuck: None,
        }
    }

    /// What has begun, and for how long nothing was dequeued.
    fn poll(&mut self, snapshot: &QueueSnapshot, now: Moment) -> Option<(Drain, Duration)> {
        let kind = self.drain.poll(snapshot, ticks(now.elapsed))?;
        let stuck = match self.drain.stuck_since() {
            Some(since) => {
                let elapsed = Duration::from_nanos(since);
                let lasted = now.elapsed.saturating_sub(elapsed);
                let at = now.at.and_then(|at| at.checked_sub(lasted));
                *self.stuck.insert(Moment { elapsed, at })
            }
            None => self.stuck.take()?,
        };
        Some((kind, now.elapsed.saturating_sub(stuck.elapsed)))
    }
}

/// Nanoseconds: enough for 584 years.
fn ticks(length: Duration) -> u64 {
    u64::try_from(length.as_nanos()).unwrap_or(u64::MAX)
}
