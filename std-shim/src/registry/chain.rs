//! Chains of queues: where they are slow.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::ptr;
use std::sync::{Arc, Weak};

use fillgauge::Limit;

use super::budget::Budget;
use super::findings::LimitKey;
use super::gauge::QueueGauge;
use super::listing::{Listing, ListingRef, WeakListingRef};
use super::probe::QueueProbe;
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
/// - a stage that is slow for good from one that is for a moment: see the next report, or the
///   alerts;
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
///
/// A stage is a [`QueueGauge`], a [`QueueProbe`] or a [`Budget`]. Those of several kinds are in one
/// chain as `&dyn ChainStage`:
///
/// ```
/// use fillgauge_std::{ChainStage, QueueRegistry, chain, track};
///
/// let registry = QueueRegistry::new("uploads");
/// let (jobs, _worker) = track("jobs").capacity(10).registry(&registry).sync_channel::<u8>();
/// let slots = track("slots").capacity(4).registry(&registry).budget();
/// let stages: [&dyn ChainStage; 2] = [jobs.gauge(), &slots];
/// let _uploads = chain("uploads", stages);
/// assert_eq!(registry.report().chains[0].stages[1].name, "slots");
/// ```
pub fn chain<'stage, S: ChainStage + ?Sized + 'stage>(
    name: impl Into<Arc<str>>,
    stages: impl IntoIterator<Item = &'stage S>,
) -> Chain {
    let mut declaring = Declaring::default();
    for stage in stages {
        stage.declare(&mut declaring);
    }
    let declared = Arc::new(Declared {
        stages: declaring.stages,
        name: name.into(),
    });
    if let Some(listing) = declaring.listing {
        listing.chains().declare(&declared);
    }
    Chain(declared)
}

/// What can be a stage of a [`chain`](chain()): a [`QueueGauge`], a [`QueueProbe`] or a [`Budget`],
/// behind its [`Arc`].
pub trait ChainStage: sealed::Stage {}

pub(super) mod sealed {
    pub trait Stage {
        fn declare(&self, declaring: &mut super::Declaring);
    }
}

/// The stages of a chain that is being declared.
#[derive(Default)]
pub struct Declaring {
    /// That of the first stage.
    listing: Option<ListingRef>,
    stages: Vec<Stage>,
}

impl fmt::Debug for Declaring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Declaring").finish_non_exhaustive()
    }
}

macro_rules! chain_stage {
    ($kind:ident $(<$name:ident>)?) => {
        impl $(<$name>)? ChainStage for Arc<$kind $(<$name>)?> {}

        impl $(<$name>)? sealed::Stage for Arc<$kind $(<$name>)?> {
            fn declare(&self, declaring: &mut Declaring) {
                let listing = self.listing();
                let first = declaring.listing.get_or_insert_with(|| listing.clone());
                declaring.stages.push(Stage {
                    listing: listing.downgrade(),
                    is_of_first: ptr::eq::<Listing>(&**first, &**listing),
                    instance: self.instance(),
                    limit: self.limit(),
                    label: self.shared_label(),
                });
            }
        }
    };
}

chain_stage!(QueueGauge<N>);
chain_stage!(QueueProbe);
chain_stage!(Budget);

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
        let stages = self.0.stages.iter().map(|stage| stage.limit.as_str());
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
    /// It is in the registry of the first stage, which has the chain.
    is_of_first: bool,
    instance: usize,
    limit: &'static Limit,
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

    fn alive(&self) -> impl Iterator<Item = Arc<Declared>> {
        let room = lock(&self.0).len();
        let mut chains = Vec::with_capacity(room);
        chains.extend(lock(&self.0).iter().take(room).cloned());
        chains.into_iter().filter_map(|chain| chain.upgrade())
    }

    pub(super) fn reports(&self) -> Vec<ChainReport> {
        self.alive().map(|chain| chain.report()).collect()
    }

    /// The limits of the stages of this registry that follow each other.
    pub(super) fn followers(&self) -> Vec<(LimitKey, LimitKey)> {
        let stages = self.alive().flat_map(|chain| {
            let keys = || chain.stages.iter().map(Stage::key);
            let pairs = keys().zip(keys().skip(1));
            let pairs = pairs.filter_map(|(stage, next)| stage.zip(next));
            pairs.collect::<Vec<_>>()
        });
        stages.collect()
    }
}

impl Declared {
    fn report(&self) -> ChainReport {
        ChainReport::new(&self.name, self.stages.iter().map(Stage::report).collect())
    }
}

impl Stage {
    /// Its limit, if it is in the registry that has the chain.
    fn key(&self) -> Option<LimitKey> {
        let key = (self.limit.as_str(), self.limit.category());
        self.is_of_first.then_some(key)
    }

    fn report(&self) -> StageReport {
        let listing = self.listing.upgrade();
        let reading = listing.and_then(|listing| self.read(&listing));
        let (fill_percent, warned, bounded) = reading.unwrap_or_default();
        StageReport {
            name: Cow::Borrowed(self.limit.as_str()),
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
