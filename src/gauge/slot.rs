//! A gauge in a slot of a registry.

use super::Gauge;
use crate::alarm::Alarm;
use crate::config::GaugeConfig;
use crate::snapshot::QueueSnapshot;
use crate::sync::const_fn;

impl Gauge {
    const_fn! {
        /// What a free slot holds: all zero.
        pub(crate) const fn vacant() -> Self {
            Self::with_alarm(Alarm::vacant())
        }
    }

    /// Makes a gauge of the vacant slot that the caller has claimed, and lets snapshots see it.
    pub(crate) fn activate(&self, config: GaugeConfig, instance: usize) {
        self.producers.reset();
        self.consumers.reset();
        self.alarm.reset(&config);
        self.alarm.activate(instance);
    }

    /// Hides the gauge from snapshots, before the slot is given back.
    pub(crate) fn deactivate(&self) {
        self.alarm.deactivate();
    }

    /// All figures, if the slot holds one and the same gauge from beginning to end.
    pub(crate) fn snapshot_if_live(&self) -> Option<QueueSnapshot> {
        self.alarm.read_if_live(|| self.snapshot())
    }
}
