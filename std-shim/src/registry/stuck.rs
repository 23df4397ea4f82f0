//! Which gauges of a registry nothing is taken out of, as its watch has found.

use std::mem;
use std::sync::Arc;
use std::time::SystemTime;

use crate::sync::{Mutex, lock};

/// The numbers of the gauges that are stuck, in their order, and since when.
pub(crate) type StuckGauges = Arc<[(usize, Option<SystemTime>)]>;

/// What the last poll of a watch has found. `None` if nobody watches.
#[derive(Default)]
pub(crate) struct Stuck(Mutex<Option<StuckGauges>>);

impl Stuck {
    pub(crate) fn get(&self) -> Option<StuckGauges> {
        lock(&self.0).clone()
    }

    pub(crate) fn publish(&self, found: StuckGauges) {
        let previous = lock(&self.0).replace(found);
        drop(previous);
    }

    /// Takes `found` back, unless another watch has found something since.
    pub(crate) fn withdraw(&self, found: &StuckGauges) {
        let mut last = lock(&self.0);
        let is_own = last.as_ref().is_some_and(|last| Arc::ptr_eq(last, found));
        let withdrawn = if is_own { mem::take(&mut *last) } else { None };
        drop(last);
        drop(withdrawn);
    }
}

/// Since when the gauge `instance` is stuck, if it is.
pub(crate) fn stuck_since(found: &StuckGauges, instance: usize) -> Option<Option<SystemTime>> {
    let place = found.binary_search_by_key(&instance, |(instance, _)| *instance);
    place
        .ok()
        .and_then(|place| found.get(place))
        .map(|(_, since)| *since)
}
