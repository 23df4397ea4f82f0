//! A gauge in a slot of a registry.

use super::Gauge;
use crate::alarm::Alarm;
use crate::alarm::delivery::{Renew, StaticSink};
use crate::config::GaugeConfig;
use crate::sync::{SeqCstUsize, const_fn};

impl Gauge {
    const_fn! {
        /// What a free slot holds: all zero.
        pub(crate) const fn vacant() -> Self {
            Self::with_alarm(Alarm::vacant())
        }
    }
}

impl<D> Gauge<D> {
    /// Makes another gauge of the slot that the caller owns, and lets snapshots see it.
    #[inline]
    pub(crate) fn activate(&self, config: GaugeConfig, instance: usize) {
        self.producers.reset();
        self.consumers.reset();
        self.alarm.activate(&config, instance);
    }
}

impl<D: Renew> Gauge<D> {
    /// Makes another gauge of this one, with an [instance number](Self::instance): for a registry
    /// whose slots are used again. Wait-free.
    ///
    /// Nobody else may record on it meanwhile: that would leave figures of both gauges mixed. So it
    /// takes the right to do so, which the registry alone has.
    #[inline]
    pub fn renew(&self, _right: &D::Right, config: GaugeConfig, instance: usize) {
        self.activate(config, instance);
    }
}

impl Gauge {
    /// Hides the gauge from snapshots, before the slot is given back.
    pub(crate) fn deactivate(&self) {
        self.alarm.deactivate();
    }

    /// The alarm of what is in the slot.
    #[inline]
    pub(crate) const fn alarm(&self) -> &Alarm<StaticSink> {
        &self.alarm
    }

    /// The counter that something else in the slot uses.
    #[inline]
    pub(crate) const fn first_counter(&self) -> &SeqCstUsize {
        &self.producers.enqueued
    }
}
