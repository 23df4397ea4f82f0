//! Chains of queues: where they are slow.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Weak};

use super::gauge::QueueGauge;
use super::listing::{Listing, WeakListingRef};
use crate::event::Shown;
use crate::report::{ChainReport, StageReport};
use crate::sync::{List, Mutex, lock, with_room};

/// Declares that items flow through these queues, one after the other. The
/// [report](crate::QueueRegistry::report), the page and the metrics then say where the chain is slow,
/// as long as it is kept.
///
/// A queue that fills up is not slow itself: what takes from it is. So the bottleneck is the first
/// stage that is not near capacity behind one that is. What feeds it is slow. If all stages up to
/// the last are near capacity, what takes from the last one is slow. A stage is near capacity from
/// its warning to its recovery.
///
/// It cannot tell
///
/// - a stage that is slow for good from one that is for a moment: look again, or at the alerts;
/// - more than one slow stage: it names the first, and the next when that one has been mended;
/// - anything of a stage without a bound, or a rendezvous, which is never near capacity. It is passed
///   over. So is a stage whose gauge is gone.
///
/// The chain is in the report of the registry of its first gauge. Its name is a label of a metric: do
/// not make it of the number of a session. Chains of one name count as one in the metrics.
///
/// ```
/// use fillgauge_std::{QueueRegistry, chain, track};
///
/// let registry = QueueRegistry::new("lines");
/// let of = |name| track(name).capacity(10).registry(&registry).gauge();
/// let (parsed, sorted, written) = (of("parsed"), of("sorted"), of("written"));
/// let _lines = chain("lines", [&parsed, &sorted, &written]);
/// parsed.observe_depth(9);
/// sorted.observe_depth(8);
/// written.observe_depth(1);
///
/// let lines = &registry.report().chains[0];
/// assert_eq!(lines.bottleneck, Some(2));
/// assert_eq!(lines.text, "lines: what takes from sorted and feeds written is slow");
/// ```
pub fn chain<'gauge, N: 'gauge>(
    name: impl Into<Arc<str>>,
    gauges: impl IntoIterator<Item = &'gauge Arc<QueueGauge<N>>>,
) -> Chain {
    let mut listing = None;
    let stages = gauges.into_iter().map(|gauge| {
        listing.get_or_insert_with(|| gauge.listing().clone());
        Stage {
            listing: gauge.listing().downgrade(),
            instance: gauge.instance(),
            name: gauge.limit().as_str(),
            label: gauge.shared_label(),
        }
    });
    let declared = Arc::new(Declared {
        stages: stages.collect(),
        name: name.into(),
    });
    if let Some(listing) = listing {
        listing.chains().declare(&declared);
    }
    Chain(declared)
}

/// A chain that was declared by [`chain`](chain()). Dropping it ends the declaration. It keeps no
/// gauge.
#[must_use = "dropping it ends the declaration"]
pub struct Chain(Arc<Declared>);

impl Chain {
    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }
}

impl fmt::Debug for Chain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages = self.0.stages.iter().map(|stage| stage.name);
        f.debug_struct("Chain")
            .field("name", &Shown(self.name()).to_string())
            .field("stages", &stages.collect::<Vec<_>>())
            .finish()
    }
}

struct Declared {
    name: Arc<str>,
    stages: Vec<Stage>,
}

struct Stage {
    listing: WeakListingRef,
    instance: usize,
    name: &'static str,
    label: Option<Arc<str>>,
}

/// The chains of a registry.
#[derive(Default)]
pub(super) struct Chains(Mutex<VecDeque<Weak<Declared>>>);

impl List<VecDeque<Self>> for Weak<Declared> {
    type Entry = Self;

    fn entries(state: &mut VecDeque<Self>) -> &mut VecDeque<Self> {
        state
    }

    fn is_obsolete(declared: &Self) -> bool {
        declared.strong_count() == 0
    }
}

impl Chains {
    fn declare(&self, declared: &Arc<Declared>) {
        let weak = Arc::downgrade(declared);
        with_room::<Weak<Declared>, _, _>(&self.0, |chains| chains.push_back(weak));
    }

    pub(super) fn reports(&self) -> Vec<ChainReport> {
        let room = lock(&self.0).len();
        let mut chains = Vec::with_capacity(room);
        chains.extend(lock(&self.0).iter().take(room).cloned());
        let alive = chains.into_iter().filter_map(|chain| chain.upgrade());
        alive.map(|chain| chain.report()).collect()
    }
}

impl Declared {
    fn report(&self) -> ChainReport {
        ChainReport::new(&self.name, self.stages.iter().map(Stage::report).collect())
    }
}

impl Stage {
    fn report(&self) -> StageReport {
        let listing = self.listing.upgrade();
        let reading = listing.and_then(|listing| self.read(&listing));
        let (fill_percent, warned, bounded) = reading.unwrap_or_default();
        StageReport {
            name: Cow::Borrowed(self.name),
            label: self.label.as_deref().map(str::to_owned),
            instance: self.instance,
            fill_percent,
            warned,
            bounded,
            gone: reading.is_none(),
        }
    }

    /// How full it is, whether it is near capacity, and whether it has a bound. `None` if it is gone.
    fn read(&self, listing: &Listing) -> Option<(usize, bool, bool)> {
        let pinned = listing.pin(self.instance)?;
        let gauge = pinned.snapshot();
        let reading = (gauge.fill_percent, gauge.warned, gauge.capacity > 0);
        drop(pinned);
        listing.unpin(self.instance);
        Some(reading)
    }
}
