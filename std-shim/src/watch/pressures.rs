//! How much of the last minutes gauges were near their capacity.

use std::mem;
use std::time::Duration;

use super::Polled;
use crate::pressure::{Averages, Pressure};
use crate::registry::Reading;

/// The pressures of a registry.
#[derive(Default)]
pub(super) struct Pressures {
    /// The gauges that ever came near their capacity, in the order of their numbers.
    gauges: Vec<Pressed>,
    /// When it was polled last.
    polled: Option<Polled>,
}

/// A gauge that came near its capacity.
#[derive(Default)]
struct Pressed {
    instance: usize,
    averages: Averages,
    /// For how long it had been near at the last poll.
    near: Duration,
}

/// A period between two polls.
#[derive(Clone, Copy)]
struct Period {
    /// By the caller's clock.
    length: Duration,
    /// By the clock of the system, if there is one.
    measured: Option<Duration>,
}

impl Pressures {
    /// Ends a period. Returns the pressure of each gauge that ever had any.
    pub(super) fn poll(&mut self, gauges: &[Reading], now: Polled) -> Vec<(usize, Pressure)> {
        let period = self.polled.map(|before| before.until(now));
        let mut known = mem::take(&mut self.gauges).into_iter().peekable();
        let is_pressed = |gauge: &&Reading| gauge.has_crossed();
        for gauge in gauges.iter().filter(is_pressed) {
            let instance = gauge.snapshot.instance;
            while known.next_if(|gauge| gauge.instance < instance).is_some() {}
            let pressed = known.next_if(|gauge| gauge.instance == instance);
            let mut pressed = pressed.unwrap_or(Pressed {
                instance,
                ..Pressed::default()
            });
            if let Some(period) = period {
                pressed.add(gauge, period);
            }
            pressed.near = gauge.near.near;
            self.gauges.push(pressed);
        }
        // If the clock of the caller steps back, no time passes until it has caught up.
        let latest = self
            .polled
            .map_or(now.elapsed, |before| before.elapsed.max(now.elapsed));
        self.polled = Some(Polled {
            elapsed: latest,
            ..now
        });
        let pressures = self.gauges.iter();
        let pressures = pressures.map(|gauge| (gauge.instance, gauge.averages.pressure()));
        pressures
            .filter(|(_, pressure)| *pressure != Pressure::default())
            .collect()
    }
}

impl Polled {
    fn until(self, now: Self) -> Period {
        let measured = now.measured.zip(self.measured);
        Period {
            length: now.elapsed.saturating_sub(self.elapsed),
            measured: measured.map(|(now, before)| now.saturating_sub(before)),
        }
    }
}

impl Pressed {
    fn add(&mut self, gauge: &Reading, period: Period) {
        let (near, measured) = match period.measured {
            Some(measured) if !measured.is_zero() => {
                (gauge.near.near.saturating_sub(self.near), measured)
            }
            _ if gauge.snapshot.warned => (period.length, period.length),
            _ => (Duration::ZERO, period.length),
        };
        self.averages.add(near, measured, period.length);
    }
}
