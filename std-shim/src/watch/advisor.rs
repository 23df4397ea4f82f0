//! What a person would say of the limits of a registry.

use std::collections::BTreeMap;

use super::Polled;
use crate::advice::{Change, History, LimitFigures};
use crate::registry::{LimitKey, LimitSums, Reading, Readings};

/// The figures of each limit over the last minutes.
#[derive(Default)]
pub(super) struct Advisor(BTreeMap<LimitKey, History>);

impl Advisor {
    /// What a person would say of each limit. `followers` are the limits of the stages that follow
    /// each other in a chain.
    pub(super) fn poll(
        &mut self,
        readings: &Readings,
        followers: &[(LimitKey, LimitKey)],
        now: Polled,
    ) -> BTreeMap<LimitKey, String> {
        let mut changes = BTreeMap::new();
        for (limit, figures) in figures(&readings.gauges, &readings.sums) {
            let history = self.0.entry(limit).or_default();
            let change = history.add(now.elapsed, now.measured, figures);
            changes.extend(change.map(|change| (limit, change)));
        }
        let advice = |(limit, change): (&LimitKey, &Change)| {
            // Two stages may be of one limit.
            let mut next = followers
                .iter()
                .filter(|(stage, next)| stage == limit && next != limit);
            let next = next.find_map(|(_, next)| {
                let holds_up = changes.get(next).is_some_and(Change::holds_up);
                holds_up.then_some(next.0)
            });
            Some((*limit, change.advice(limit.1, next)?))
        };
        changes.iter().filter_map(advice).collect()
    }
}

/// The figures of each limit.
fn figures(gauges: &[Reading], sums: &[LimitSums]) -> BTreeMap<LimitKey, LimitFigures> {
    let mut limits = BTreeMap::<LimitKey, LimitFigures>::new();
    for sums in sums {
        let key = (sums.limit.as_str(), sums.limit.category());
        let figures = limits.entry(key).or_default();
        figures.registered = figures.registered.wrapping_add(sums.registered);
        figures.gone.add(&sums.gone);
    }
    for gauge in gauges {
        let snapshot = &gauge.snapshot;
        let figures = limits
            .entry((snapshot.name.as_str(), snapshot.category))
            .or_default();
        let (most, least) = figures.capacities;
        figures.has_permits |= !gauge.may_be_queue;
        figures.is_sampled |= gauge.is_sampled;
        figures.may_be_idle |= !gauge.counts_dequeues;
        let is_first = figures.gauges == 0;
        let least = if is_first { snapshot.capacity } else { least };
        figures.capacities = (most.max(snapshot.capacity), least.min(snapshot.capacity));
        figures.gauges += 1;
        figures.live.add(&gauge.sums());
    }
    limits
}
