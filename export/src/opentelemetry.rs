//! Observable instruments of a meter of `opentelemetry`.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use opentelemetry::KeyValue;
use opentelemetry::metrics::{AsyncInstrument, AsyncInstrumentBuilder, Meter};

use crate::exporter::Exporter;
use crate::families::{Family, Kind, Value, all_families};
use crate::series::Series;

impl Exporter {
    /// Makes observable instruments of a meter, which report whenever the SDK collects.
    ///
    /// ```
    /// use fillgauge_export::Exporter;
    /// use fillgauge_std::{QueueRegistry, track};
    /// use opentelemetry::metrics::MeterProvider;
    /// use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
    ///
    /// let sessions = QueueRegistry::new("sessions");
    /// let _frames = track("frames").capacity(10).registry(&sessions).gauge();
    ///
    /// let memory = InMemoryMetricExporter::default(); // yours goes to a collector
    /// let provider = SdkMeterProvider::builder().with_periodic_exporter(memory.clone()).build();
    /// Exporter::of(&sessions).observe_with(&provider.meter("fillgauge"));
    ///
    /// provider.force_flush()?;
    /// let collected = memory.get_finished_metrics()?;
    /// let metrics = collected[0].scope_metrics().next().unwrap().metrics();
    /// assert!(metrics.map(|metric| metric.name()).any(|name| name == "fillgauge_depth"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// - **Names** are those of the [text](crate::prometheus_text) without `_total`, and there are
    ///   no units: a bridge to Prometheus appends `_total` to counters, and some append a unit that
    ///   the name already has. So the series are those of the text, whichever bridge makes them. It
    ///   adds labels for the scope unless told not to, such as `otel_scope_name`.
    /// - **Values** are `u64`, and `f64` for ratios and seconds. Counters report totals, of which
    ///   the SDK makes differences if you ask for those.
    /// - **A collection** costs one report of each registry.
    /// - **All instruments** are made at once, also those that have no values yet. Instruments
    ///   cannot be taken back: these, and the registries, live until the provider and its meters
    ///   are dropped. So call this once.
    /// - **Many gauges**: the SDK keeps 2,000 label sets of an instrument, unless a view says more.
    ///   It merges the rest into one, labelled `otel.metric.overflow`. This concerns
    ///   [`Detail::Gauges`](crate::Detail::Gauges).
    pub fn observe_with(self, meter: &Meter) {
        let detail = self.detail;
        let parts = Arc::new(Parts {
            exporter: self,
            rest: Mutex::default(),
        });
        for (index, family) in all_families(&Series::new(&[], detail)).enumerate() {
            let is_real = ["ratio", "seconds"].contains(&family.unit);
            let (name, help, part) = (family.name, family.help, (&parts, index));
            match (family.kind, is_real) {
                (Kind::Gauge, false) => {
                    configure(meter.u64_observable_gauge(name), help, part, count).build();
                }
                (Kind::Gauge, true) => {
                    configure(meter.f64_observable_gauge(name), help, part, real).build();
                }
                (Kind::Counter, false) => {
                    configure(meter.u64_observable_counter(name), help, part, count).build();
                }
                (Kind::Counter, true) => {
                    configure(meter.f64_observable_counter(name), help, part, real).build();
                }
            }
        }
    }
}

fn configure<'meter, I, M: 'static>(
    builder: AsyncInstrumentBuilder<'meter, I, M>,
    help: &'static str,
    (parts, index): (&Arc<Parts>, usize),
    convert: fn(Value) -> M,
) -> AsyncInstrumentBuilder<'meter, I, M> {
    let parts = Arc::clone(parts);
    let observe = move |instrument: &dyn AsyncInstrument<M>| {
        for (attributes, value) in parts.take(index) {
            instrument.observe(convert(value), &attributes);
        }
    };
    builder.with_description(help).with_callback(observe)
}

fn count(value: Value) -> u64 {
    match value {
        Value::Count(count) => count as u64,
        Value::Real(real) => real as u64,
    }
}

fn real(value: Value) -> f64 {
    match value {
        Value::Count(count) => count as f64,
        Value::Real(real) => real,
    }
}

type Samples = Vec<(Vec<KeyValue>, Value)>;

/// One collection. Each instrument has a callback of its own, but all report the same moment.
struct Parts {
    exporter: Exporter,
    rest: Mutex<Rest>,
}

#[derive(Default)]
struct Rest {
    /// The samples of each instrument. Those that were taken are empty.
    samples: Vec<Samples>,
    /// After the instrument that took its samples last.
    next: usize,
    /// How many collections have begun.
    begun: u64,
    /// Which of them the samples are of.
    collection: u64,
}

impl Parts {
    /// The samples of an instrument. The SDK calls the callbacks of a collection in order: when the
    /// index does not rise, a new collection begins. Two collections at a time make each other
    /// begin anew, so none reports what is older than itself.
    fn take(&self, index: usize) -> Samples {
        // The lock is free while the reports are made, and while what is left over is dropped.
        let new = self.begin(index).map(|number| (number, self.read()));
        let (number, new) = new.unwrap_or_default();
        self.take_of(index, number, new)
    }

    /// The samples of an instrument: of `new`, if a collection of that number begins with it.
    fn take_of(&self, index: usize, number: u64, mut new: Vec<Samples>) -> Samples {
        let mut rest = self.lock();
        if number > rest.collection {
            rest.collection = number;
            mem::swap(&mut rest.samples, &mut new);
        } else if number > 0 {
            // A collection that began later was quicker, and its samples stay.
            drop(rest);
            return new.get_mut(index).map(mem::take).unwrap_or_default();
        }
        rest.next = index.saturating_add(1);
        let samples = &mut rest.samples;
        let own = samples.get_mut(index).map(mem::take);
        drop(rest);
        own.unwrap_or_default()
    }

    /// The number of the collection that begins with this instrument, from 1. `None` if none does.
    fn begin(&self, index: usize) -> Option<u64> {
        let mut rest = self.lock();
        let begins = index < rest.next || rest.samples.is_empty();
        begins.then(|| {
            rest.begun += 1;
            rest.begun
        })
    }

    fn lock(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn read(&self) -> Vec<Samples> {
        let reports = self.exporter.reports();
        let series = Series::new(&reports, self.exporter.detail);
        all_families(&series).map(samples).collect()
    }
}

fn samples(family: Family<'_>) -> Samples {
    let samples = family.samples.into_iter().map(|(labels, value)| {
        let attributes = labels
            .iter()
            .map(|(name, label)| KeyValue::new(*name, label.to_string()));
        (attributes.collect(), value)
    });
    samples.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_samples_of_the_collection_that_began_last_stay() {
        let parts = Parts {
            exporter: Exporter::global(),
            rest: Mutex::default(),
        };
        let of = |value| -> Vec<Samples> {
            let samples = || vec![(Vec::new(), Value::Count(value))];
            vec![samples(), samples()]
        };
        let values = |samples: Samples| samples.into_iter().map(|(_, value)| value);
        let value = |samples| values(samples).next().unwrap();
        let (slow, quick) = (parts.begin(0).unwrap(), parts.begin(0).unwrap());
        assert_eq!(value(parts.take_of(0, quick, of(2))), Value::Count(2));
        assert_eq!(value(parts.take_of(0, slow, of(1))), Value::Count(1));
        assert_eq!(parts.begin(1), None);
        assert_eq!(value(parts.take_of(1, 0, Vec::new())), Value::Count(2));
        assert!(parts.begin(1).is_some());
    }
}
