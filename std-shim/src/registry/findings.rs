//! What the watch of a registry has found.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use fillgauge::LimitCategory;

use crate::pressure::Pressure;
use crate::sync::{Mutex, lock};

/// What the last poll of a watch has found, of gauges by their numbers, in their order.
#[derive(Default)]
pub(crate) struct Findings {
    /// The gauges that nothing is taken out of, and since when.
    pub(crate) stuck: Vec<(usize, Option<SystemTime>)>,
    /// The pressure of those that have any.
    pub(crate) pressures: Vec<(usize, Pressure)>,
    /// Advice on limits.
    pub(crate) advice: BTreeMap<LimitKey, String>,
}

/// Limits of one name and category are one.
pub(crate) type LimitKey = (&'static str, LimitCategory);

impl Findings {
    /// Since when the gauge `instance` is stuck, if it is.
    pub(crate) fn stuck_since(&self, instance: usize) -> Option<Option<SystemTime>> {
        find(&self.stuck, instance)
    }

    pub(crate) fn advice(&self, name: &str, category: LimitCategory) -> Option<String> {
        let advice: &BTreeMap<(&str, LimitCategory), String> = &self.advice;
        advice.get(&(name, category)).cloned()
    }

    pub(crate) fn pressure(&self, instance: usize) -> Pressure {
        find(&self.pressures, instance).unwrap_or_default()
    }
}

fn find<T: Copy>(found: &[(usize, T)], instance: usize) -> Option<T> {
    let place = found.binary_search_by_key(&instance, |(instance, _)| *instance);
    let entry = place.ok().and_then(|place| found.get(place));
    entry.map(|(_, what)| *what)
}

/// The findings that reports show. `None` if nobody watches.
#[derive(Default)]
pub(crate) struct LastFindings(Mutex<Option<Arc<Findings>>>);

impl LastFindings {
    pub(crate) fn get(&self) -> Option<Arc<Findings>> {
        lock(&self.0).clone()
    }

    pub(crate) fn publish(&self, findings: Arc<Findings>) {
        let previous = lock(&self.0).replace(findings);
        drop(previous);
    }

    /// Takes `findings` back, unless another watch has found something since.
    pub(crate) fn withdraw(&self, findings: &Arc<Findings>) {
        let mut last = lock(&self.0);
        let is_own = last
            .as_ref()
            .is_some_and(|last| Arc::ptr_eq(last, findings));
        let withdrawn = if is_own { mem::take(&mut *last) } else { None };
        drop(last);
        drop(withdrawn);
    }
}
