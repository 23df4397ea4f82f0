//! What a registry shows without a registration.

use crate::budget::Budget;
use crate::gauge::Gauge;
use crate::probe::Probe;
use crate::snapshot::QueueSnapshot;

/// A static of its own that a registry shows, from [`presets!`](crate::presets).
#[derive(Clone, Copy, Debug)]
pub struct Preset(Source);

#[derive(Clone, Copy, Debug)]
enum Source {
    Gauge(&'static Gauge),
    Budget(&'static Budget),
    Probe(&'static Probe),
}

impl Preset {
    /// All figures of it. Wait-free.
    pub fn snapshot(&self) -> QueueSnapshot {
        match self.0 {
            Source::Gauge(gauge) => gauge.snapshot(),
            Source::Budget(budget) => budget.snapshot(),
            Source::Probe(probe) => probe.snapshot(),
        }
    }
}

impl Gauge {
    /// The gauge for [`presets!`](crate::presets), which calls this.
    pub const fn preset(&'static self) -> Preset {
        Preset(Source::Gauge(self))
    }
}

impl Budget {
    /// The budget for [`presets!`](crate::presets), which calls this.
    pub const fn preset(&'static self) -> Preset {
        Preset(Source::Budget(self))
    }
}

impl Probe {
    /// The probe for [`presets!`](crate::presets), which calls this. It is shown with the depth of
    /// its last check.
    pub const fn preset(&'static self) -> Preset {
        Preset(Source::Probe(self))
    }
}

/// The presets of a registry: gauges, budgets, probes and tracked queues. Each is a static, a field
/// of a static, or an element of a static array.
///
/// ```
/// use fillgauge::{Budget, Gauge, Limit, QueueRegistry, presets};
///
/// struct Board {
///     rx: Gauge,
///     ports: [Gauge; 2],
/// }
///
/// static PORT: Limit = Limit::queue("port");
/// static BOARD: Board = Board {
///     rx: Gauge::for_queue(&Limit::queue("rx"), 64),
///     ports: [const { Gauge::for_queue(&PORT, 8) }; 2],
/// };
/// static BYTES: Budget = Budget::new(&Limit::memory("bytes"), 4_096);
/// static REGISTRY: QueueRegistry<0> =
///     QueueRegistry::new().with_presets(presets![BOARD.rx, BOARD.ports[1], BYTES]);
///
/// let names: Vec<_> = REGISTRY.snapshot().map(|shown| shown.name.as_str()).collect();
/// assert_eq!(names, ["rx", "port", "bytes"]);
/// ```
#[macro_export]
macro_rules! presets {
    ($($preset:expr),* $(,)?) => {{
        static PRESETS: &[$crate::Preset] = &[$($preset.preset()),*];
        PRESETS
    }};
}
