//! What a gauge has beside its figures: what it is born with, what its events need, and what is left
//! of it.

use std::sync::Arc;

use fillgauge::LimitSink;

use super::edges::LastEdges;
use super::episode::Episodes;
use super::listing::ListingRef;
use super::poll::Poll;
use crate::backpressure::Backpressure;
use crate::channels::account::ChannelAccount;
use crate::delivery::background::{GaugeName, Place};
use crate::delivery::log::Log;
use crate::delivery::observers::{EventSinks, Observers};
use crate::delivery::{Lines, per_limit};
use crate::event::LimitEvent;
use crate::pressure::NearTimes;
use crate::sync::Clocks;
#[cfg(feature = "edge-waiter")]
use crate::waiter::Edges;

/// What the flags of an outlet say.
pub(super) mod flags {
    /// Everything goes to the background thread.
    pub(crate) const BACKGROUND: usize = 1;
    /// The account has a place for the background thread.
    pub(crate) const PLACED: usize = 2;
    /// The background thread has a reference to this gauge.
    pub(crate) const POSTED: usize = 4;
    /// The account has the last edges.
    pub(crate) const CROSSED: usize = 8;
    /// There may be an account.
    pub(crate) const ACCOUNTED: usize = 16;
    /// There are particulars.
    pub(crate) const PARTICULAR: usize = 32;
    /// The first warning makes a place.
    pub(crate) const TO_BE_PLACED: usize = 64;
    /// The depth is 0, whatever is left in the queue.
    pub(crate) const CLOSED: usize = 128;
}

/// When a gauge leaves its events to the background thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandingOver {
    /// Never, but for deferred operations, which then allocate.
    Never,
    /// After deferred operations.
    Deferred,
    /// The same, for what is small until it warns.
    DeferredOnceWarned,
    Always,
}

impl HandingOver {
    /// Always in the background, and elsewhere as it is.
    pub(crate) fn or_background(self, is_background: bool) -> Self {
        if is_background { Self::Always } else { self }
    }
}

/// What one gauge has that others do not have.
#[derive(Clone, Default)]
pub(crate) struct Particulars {
    pub(crate) label: Option<Arc<str>>,
    pub(crate) sinks: Option<EventSinks>,
    /// Of the channel that the gauge is of.
    pub(crate) channel: Option<Arc<ChannelAccount>>,
    /// Who knows the depth.
    pub(crate) poll: Option<Arc<Poll>>,
    /// What wakes the tasks that await its edges, once there are any.
    #[cfg(feature = "edge-waiter")]
    pub(crate) edges: Option<Edges>,
}

impl Particulars {
    /// Whether they are of a channel that counts what goes in and out.
    pub(super) fn have_totals(&self) -> bool {
        let channel = self.channel.as_ref();
        channel.is_some_and(|channel| channel.has_totals())
    }

    /// Adds what receives every event of the gauge.
    pub(crate) fn add_sink(&mut self, sink: impl Fn(&LimitEvent) + Send + Sync + 'static) {
        let sinks = self.sinks.get_or_insert_default();
        Arc::make_mut(&mut sinks.0).push(Arc::new(sink));
    }

    /// The same for one that is written against the core.
    pub(crate) fn add_core_sink(&mut self, sink: &'static (impl LimitSink + ?Sized)) {
        self.add_sink(move |event| sink.on_event(event.core_event()));
    }

    fn are_any(&self) -> bool {
        self.label.is_some()
            || self.sinks.is_some()
            || self.channel.is_some()
            || self.poll.is_some()
    }
}

/// What a gauge is born with. It is taken out of this.
pub(super) struct Birth {
    pub(super) flags: usize,
    pub(super) account: Option<Box<Account>>,
    pub(super) particulars: Particulars,
}

impl Birth {
    #[inline]
    pub(super) fn new(handing_over: HandingOver, particulars: Particulars) -> Self {
        let (mut flags, account) = match handing_over {
            HandingOver::Never => (0, None),
            HandingOver::Deferred => (
                flags::PLACED | flags::ACCOUNTED,
                Some(Account::with_place()),
            ),
            HandingOver::DeferredOnceWarned => (flags::TO_BE_PLACED, None),
            HandingOver::Always => (
                flags::PLACED | flags::ACCOUNTED | flags::BACKGROUND,
                Some(Account::with_place()),
            ),
        };
        if particulars.are_any() {
            flags |= flags::PARTICULAR;
        }
        Self {
            flags,
            account,
            particulars,
        }
    }
}

/// What is left of a gauge that is gone, to be dropped without any lock.
pub(super) struct Remains {
    pub(super) account: Option<Box<Account>>,
    pub(super) particulars: Particulars,
}

impl Remains {
    /// What is left of the channel that the gauge was of.
    pub(super) fn backpressure(&self, refused: usize) -> Option<Backpressure> {
        let channel = self.particulars.channel.as_ref();
        channel.map(|channel| channel.backpressure(refused).of_gone())
    }

    /// How long the gauge was near its capacity.
    pub(super) fn near_times(&self) -> NearTimes {
        let account = self.account.as_ref();
        account.map(|account| account.times).unwrap_or_default()
    }

    /// Has the background thread say how many lines were suppressed.
    pub(super) fn take_leave(self) {
        if let Some(mut account) = self.account {
            let suppressed = account.lines.take_suppressed();
            if let Some(name) = account.name.filter(|_| suppressed > 0) {
                per_limit::add_suppressed(name, suppressed);
            }
        }
    }
}

/// What a gauge has once it has an event.
#[derive(Default)]
pub(super) struct Account {
    /// The gauge, once it had an event.
    pub(super) name: Option<GaugeName>,
    /// The event that is pending.
    pub(super) parcel: Option<Parcel>,
    pub(super) lines: Lines,
    /// In place: who hands an event over notes its edge, and may not allocate.
    pub(super) edges: LastEdges,
    pub(super) clocks: Clocks,
    pub(super) times: NearTimes,
    pub(super) episodes: Episodes,
    /// For a reference to this gauge.
    pub(super) place: Option<Place>,
}

impl Account {
    /// What hands over may not allocate then: its thread may be the one that everyone waits for.
    fn with_place() -> Box<Self> {
        Box::new(Self {
            place: Some(Place::reserve()),
            ..Self::default()
        })
    }
}

/// An event that another thread is to deliver.
pub(super) struct Parcel {
    pub(super) event: LimitEvent,
    pub(super) observers: Observers,
    /// Where it is logged.
    pub(super) log: Log,
    /// Kept until then, also if the gauge and its registry are dropped.
    pub(super) _listing: ListingRef,
}
