//! Gauges and counters of the recorder of `metrics`.

use std::collections::HashSet;
use std::sync::{Mutex, TryLockError};

use metrics::{Key, Label, Level, Metadata, Recorder, Unit, with_recorder};

use crate::exporter::Exporter;
use crate::families::{Family, Kind, Value, all_families};
use crate::series::{Labels, Series};

static METADATA: Metadata<'static> =
    Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

/// Sets the gauges and counters of the recorder of `metrics`, from [`Exporter::publisher`].
///
/// Call [`publish`](Self::publish) before each scrape, or on a timer. Install the recorder before
/// that.
///
/// ```
/// use fillgauge_export::Exporter;
/// use fillgauge_std::{QueueRegistry, track};
/// use metrics_exporter_prometheus::PrometheusBuilder;
///
/// let sessions = QueueRegistry::new("sessions");
/// let frames = track("frames").capacity(10).registry(&sessions).gauge();
///
/// let handle = PrometheusBuilder::new().install_recorder()?;
/// let publisher = Exporter::of(&sessions).publisher();
///
/// frames.observe_depth(8);
/// publisher.publish();
/// let labels = r#"{limit="frames",category="queue",registry="sessions"}"#;
/// assert!(handle.render().contains(&format!("fillgauge_depth{labels} 8\n")));
/// # Ok::<(), metrics_exporter_prometheus::BuildError>(())
/// ```
///
/// Names, labels and values are those of the [text](crate::prometheus_text). `metrics` has limits
/// of its own:
///
/// - A gauge is an `f64`: numbers above 2^53 are rounded.
/// - A counter is a `u64`. So `fillgauge_waited_seconds_total` and the other counters of seconds,
///   which are none, are gauges. Their names and values are those of the counters in the text, and
///   `rate` works as there.
/// - Nothing can be removed. A gauge that is gone, such as the fill ratio of a limit without live
///   gauges, is set to 0 once: sums and maxima of the rest stay right. Totals keep their last value.
///   A recorder with a time-out for idle metrics forgets both after that.
/// - `metrics-exporter-prometheus` 0.18 misreads a `\` in a label if a `\` or a `"` follows. It may
///   then write two series with equal labels.
#[derive(Debug)]
pub struct Publisher {
    exporter: Exporter,
    published: Mutex<Published>,
}

#[derive(Debug, Default)]
struct Published {
    /// The gauges whose last value need not be 0.
    gauges: HashSet<Key>,
}

impl Exporter {
    /// What sets the gauges and counters of the recorder of `metrics`: see the example of
    /// [`Publisher`]. It publishes nothing yet.
    #[must_use]
    pub fn publisher(self) -> Publisher {
        Publisher {
            exporter: self,
            published: Mutex::default(),
        }
    }
}

impl Publisher {
    /// Describes and sets all gauges and counters, in the recorder of this thread, or else of the
    /// process. Without a recorder it does nothing.
    ///
    /// It costs one report of each registry, and a look-up in the recorder for each series, which
    /// takes some microseconds. That is half a second for 10,000 gauges with
    /// [`Detail::Gauges`](crate::Detail::Gauges), and next to nothing with
    /// [`Detail::Limits`](crate::Detail::Limits).
    ///
    /// While another thread publishes, or if the recorder itself calls it, it does nothing. So totals
    /// never step back.
    pub fn publish(&self) {
        let mut published = match self.published.try_lock() {
            Ok(published) => published,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        let reports = self.exporter.reports();
        let series = Series::new(&reports, self.exporter.detail);
        with_recorder(|recorder| published.set(all_families(&series), recorder));
    }
}

impl Published {
    fn set<'series>(
        &mut self,
        families: impl Iterator<Item = Family<'series>>,
        recorder: &dyn Recorder,
    ) {
        let mut set = HashSet::new();
        for family in families {
            let name = match family.kind {
                Kind::Gauge => family.name.clone(),
                Kind::Counter => format!("{}_total", family.name),
            };
            describe(&family, &name, recorder);
            for (labels, value) in &family.samples {
                let key = Key::from_parts(name.clone(), labels_of(labels));
                match (family.kind, value) {
                    (Kind::Counter, Value::Count(count)) => {
                        let counter = recorder.register_counter(&key, &METADATA);
                        counter.absolute(*count as u64);
                    }
                    (Kind::Counter, Value::Real(real)) => {
                        recorder.register_gauge(&key, &METADATA).set(*real);
                    }
                    (Kind::Gauge, value) => {
                        let gauge = recorder.register_gauge(&key, &METADATA);
                        gauge.set(match value {
                            Value::Count(count) => *count as f64,
                            Value::Real(real) => *real,
                        });
                        // At once: a recorder that panics must not make it forgotten.
                        self.gauges.insert(key.clone());
                        set.insert(key);
                    }
                }
            }
        }
        for gone in self.gauges.difference(&set) {
            recorder.register_gauge(gone, &METADATA).set(0.0);
        }
        self.gauges = set;
    }
}

fn describe(family: &Family<'_>, name: &str, recorder: &dyn Recorder) {
    let unit = match family.unit {
        "bytes" => Some(Unit::Bytes),
        "seconds" => Some(Unit::Seconds),
        _ => None,
    };
    let (name, help) = (name.to_owned().into(), family.help.into());
    match family.kind {
        Kind::Counter if family.unit != "seconds" => recorder.describe_counter(name, unit, help),
        _ => recorder.describe_gauge(name, unit, help),
    }
}

fn labels_of(labels: &Labels<'_>) -> Vec<Label> {
    let labels = labels.iter();
    let labels = labels.map(|(name, label)| Label::new(*name, label.to_string()));
    labels.collect()
}
