//! How the events of a gauge leave it: to the observers, or to the background thread.
//!
//! | what the event is caused by | who delivers it |
//! |---|---|
//! | a send, a record, an observation | its own thread, which first delivers the event that is pending |
//! | a receive, a drop | the background thread |
//! | anything on a gauge that is `background` | the background thread |
//!
//! An event that is pending waits in the gauge. The background thread gets a reference to the
//! gauge, which it takes the event from, unless a thread of the first row was quicker.

use std::fmt;
use std::mem;
use std::ptr;
use std::sync::Arc;

use fillgauge::{Deliver, Delivery, LimitEventKind, Renew};

use super::account::{Account, Birth, Parcel, Particulars, Remains, flags};
use super::edges::LastEdges;
use super::listing::{ListingRef, WeakListingRef};
use super::poll::Poll;
use super::slots::{Chunk, Pinned, RenewSlot};
use super::source::Kind;
use crate::channels::account::ChannelAccount;
use crate::delivery::background::{self, Errand, GaugeName, Place};
use crate::delivery::guard::Role;
use crate::delivery::log::{Log, can_say};
use crate::delivery::observers::Observers;
use crate::event::{LimitEvent, Origin};
use crate::pressure::NearTimes;
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{HAS_THREADS, Mutex, lock};
#[cfg(feature = "edge-waiter")]
use crate::waiter::Edges;

/// What delivers the events of a [`QueueGauge`](crate::QueueGauge): its
/// [`Gauge::delivery`](fillgauge::Gauge::delivery).
pub struct Outlet {
    listing: WeakListingRef,
    /// Of [`flags`].
    flags: AtomicUsize,
    /// `None` until it is needed: most gauges have no event.
    account: Mutex<Option<Box<Account>>>,
    particulars: Mutex<Particulars>,
}

impl Outlet {
    /// That of a free slot.
    pub(super) fn new(listing: &ListingRef) -> Self {
        Self {
            listing: listing.downgrade(),
            flags: AtomicUsize::new(0),
            account: Mutex::default(),
            particulars: Mutex::default(),
        }
    }

    /// Makes it that of another gauge. Nobody uses the one before.
    #[inline]
    pub(super) fn renew(&self, birth: &mut Birth) {
        if birth.flags & flags::ACCOUNTED != 0 {
            *lock(&self.account) = birth.account.take();
        }
        if birth.flags & flags::PARTICULAR != 0 {
            *lock(&self.particulars) = mem::take(&mut birth.particulars);
        }
        self.flags.store(birth.flags, Ordering::Relaxed);
    }

    /// Takes what is left, when nobody uses the gauge any more.
    #[inline]
    pub(super) fn take_remains(&self) -> Option<Remains> {
        let has_account = self.is(flags::ACCOUNTED);
        let has_particulars = self.is(flags::PARTICULAR);
        if !has_account && !has_particulars {
            return None;
        }
        Some(Remains {
            account: lock(&self.account).take(),
            particulars: mem::take(&mut *lock(&self.particulars)),
        })
    }

    /// What wakes the tasks that await the edges of the gauge. It is there afterwards.
    #[cfg(feature = "edge-waiter")]
    pub(super) fn edges(&self) -> Edges {
        let edges = Edges::new();
        loop {
            // Memory is taken and given back while the lock is free, see `sync::list`.
            let mut changed = lock(&self.particulars).clone();
            let found = changed.edges.take();
            if found.is_none() {
                changed.add_sink(edges.sink());
                changed.edges = Some(edges.clone());
                let mut particulars = lock(&self.particulars);
                if particulars.edges.is_some() {
                    // Another thread was quicker.
                    continue;
                }
                mem::swap(&mut *particulars, &mut changed);
            }
            // What delivers finds the particulars from now on. Pairs with the load in
            // `particulars`: a waiter loads the state of the gauge after this, and what changes
            // that state delivers afterwards.
            self.flags.fetch_or(flags::PARTICULAR, Ordering::SeqCst);
            return found.unwrap_or(edges);
        }
    }

    fn particulars(&self) -> Particulars {
        if self.flags.load(Ordering::SeqCst) & flags::PARTICULAR != 0 {
            lock(&self.particulars).clone()
        } else {
            Particulars::default()
        }
    }

    pub(super) fn label(&self) -> Option<Arc<str>> {
        self.is(flags::PARTICULAR)
            .then(|| lock(&self.particulars).label.clone())
            .flatten()
    }

    pub(super) fn poll(&self) -> Option<Arc<Poll>> {
        self.is(flags::PARTICULAR)
            .then(|| lock(&self.particulars).poll.clone())
            .flatten()
    }

    pub(super) fn channel(&self) -> Option<Arc<ChannelAccount>> {
        self.is(flags::PARTICULAR)
            .then(|| lock(&self.particulars).channel.clone())
            .flatten()
    }

    /// Whether [`last_edges`](Self::last_edges) has any.
    pub(super) fn has_crossed(&self) -> bool {
        self.is(flags::CROSSED)
    }

    pub(super) fn last_edges(&self) -> LastEdges {
        let account = lock(&self.account);
        let edges = account.as_ref().map(|account| account.edges);
        edges.unwrap_or_default()
    }

    /// How long the gauge was near its capacity.
    pub(super) fn near_times(&self) -> NearTimes {
        if !self.has_crossed() {
            return NearTimes::default();
        }
        let account = lock(&self.account);
        account
            .as_ref()
            .map(|account| account.times)
            .unwrap_or_default()
    }

    /// Notes that the queue of a probe has no receiver any more.
    pub(super) fn close(&self) {
        self.flags.fetch_or(flags::CLOSED, Ordering::SeqCst);
    }

    pub(super) fn is_closed(&self) -> bool {
        self.is(flags::CLOSED)
    }

    fn is(&self, flag: usize) -> bool {
        self.flags.load(Ordering::Relaxed) & flag != 0
    }

    fn with_account<R>(&self, act: impl FnOnce(&mut Account) -> R) -> R {
        let mut spare = None;
        loop {
            let mut account = lock(&self.account);
            if account.is_none() {
                *account = spare.take();
            }
            if let Some(account) = &mut *account {
                return act(account);
            }
            // Memory is taken while the lock is free, see `sync::list`.
            drop(account);
            spare = Some(Box::default());
            self.flags.fetch_or(flags::ACCOUNTED, Ordering::Relaxed);
        }
    }

    /// Takes note of an event of a gauge, which may be of a channel. It then has its time, and the
    /// episode that it ends.
    fn note_edge(
        &self,
        event: &mut LimitEvent,
        delivery: &Delivery<'_>,
        channel: Option<&ChannelAccount>,
    ) {
        let (kind, instance) = (event.kind(), event.snapshot().instance);
        let waits = match kind {
            LimitEventKind::NearCapacity | LimitEventKind::Recovered => {
                channel.map_or(0, ChannelAccount::waits)
            }
            _ => 0,
        };
        self.with_account(|account| {
            // While the account is locked: what was read of it before is of an earlier time.
            let (elapsed, at) = account.clocks.read();
            // A report finds the peak in the window, or here.
            let peak = match kind {
                LimitEventKind::Recovered => delivery.take_window_peak(),
                _ => 0,
            };
            let gauge = event.snapshot();
            account.name = Some(GaugeName {
                limit: gauge.name,
                instance,
            });
            let lasted = account.times.edge(kind, elapsed);
            let episode = account.episodes.edge(kind, gauge, waits, lasted, peak);
            event.set_moment(at, episode);
            account.edges.push(event);
        });
        if !self.is(flags::CROSSED) {
            self.flags.fetch_or(flags::CROSSED, Ordering::Relaxed);
        }
    }

    /// Ends the window of the gauge by `take_window`, for a report. Returns the peak since the
    /// report before.
    pub(super) fn report_window(&self, take_window: impl FnOnce() -> usize) -> usize {
        if !self.has_crossed() {
            return take_window();
        }
        match &mut *lock(&self.account) {
            Some(account) => account.episodes.report_window(take_window),
            None => take_window(),
        }
    }

    /// Takes the right to log a line, and how many were suppressed before it.
    pub(super) fn take_line(&self) -> Option<usize> {
        self.with_account(|account| account.lines.take())
    }

    fn take_suppressed(&self) -> usize {
        let mut account = lock(&self.account);
        account
            .as_mut()
            .map_or(0, |account| account.lines.take_suppressed())
    }

    /// The role of a thread that delivers for this gauge. It does not for others: its allocator may
    /// record on them.
    fn deliverer(&self) -> Role {
        Role::Deliverer(ptr::from_ref(self).addr())
    }

    /// Leaves what is to be delivered to the background thread, unless nobody wants it.
    #[cold]
    fn hand_over(
        &self,
        event: LimitEvent,
        observers: Observers,
        listing: ListingRef,
        delivery: Delivery<'_>,
    ) {
        let may_log = || self.with_account(|account| account.lines.may_log());
        if !observers.may_want(&event, may_log) {
            return;
        }
        let instance = event.snapshot().instance;
        let parcel = Parcel {
            event,
            observers,
            log: Log::current(),
            _listing: listing.clone(),
        };
        // There is none yet: this one is the only event of the gauge.
        self.with_account(|account| account.parcel = Some(parcel));
        delivery.leave_pending();
        self.post(&listing, instance);
    }

    /// Gives the background thread a reference to the gauge, unless it has one.
    fn post(&self, listing: &ListingRef, instance: usize) {
        if self.flags.fetch_or(flags::POSTED, Ordering::SeqCst) & flags::POSTED != 0 {
            return;
        }
        // It is listed: its users hold it, or it is pinned.
        if let Some(Pinned { chunk, index }) = listing.pin(instance) {
            if self.is(flags::PLACED) {
                background::post(chunk.into_errand(), index);
            } else {
                background::post_once(chunk.into_errand(), index);
            }
        }
    }

    /// Reserves the place for the background thread, unless there is one.
    fn make_place(&self) {
        if !self.is(flags::PLACED) {
            let place = Place::reserve();
            self.with_account(|account| account.place = Some(place));
            self.flags.fetch_or(flags::PLACED, Ordering::Relaxed);
        }
    }

    fn is_not_posted(&self) {
        self.flags.fetch_and(!flags::POSTED, Ordering::SeqCst);
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("label", &self.label())
            .field("background", &self.is(flags::BACKGROUND))
            .finish_non_exhaustive()
    }
}

impl Deliver for Outlet {
    #[inline]
    fn may_deliver(&self) -> bool {
        !self.is(flags::BACKGROUND) || !HAS_THREADS || Role::current() == self.deliverer()
    }

    fn deliver(&self, event: &fillgauge::LimitEvent, delivery: Delivery<'_>) {
        // Who records on the gauge holds it, and so its listing.
        let Some(listing) = self.listing.upgrade() else {
            return;
        };
        let particulars = self.particulars();
        let origin = Origin {
            label: particulars.label,
            registry: listing.name().clone(),
        };
        let mut event = LimitEvent::new(*event, origin, None);
        let observers = Observers {
            sinks: particulars.sinks,
            own: listing.own(),
        };
        self.note_edge(&mut event, &delivery, particulars.channel.as_deref());
        if HAS_THREADS && delivery.is_deferred() {
            return self.hand_over(event, observers, listing, delivery);
        }
        let is_deferring = self.is(flags::PLACED | flags::TO_BE_PLACED);
        if is_deferring && observers.may_want_recoveries() {
            // The recovery will be handed over, by a thread that should neither allocate nor start
            // another.
            self.make_place();
            background::prepare();
        }
        observers.notify(&event, &Log::LOCAL, || self.take_line());
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        let parcel = self.with_account(|account| account.parcel.take());
        if let Some(parcel) = parcel {
            let observers = &parcel.observers;
            observers.notify(&parcel.event, &parcel.log, || self.take_line());
        }
    }
}

impl Renew for Outlet {
    type Right = RenewSlot;
}

/// The chunk of a registry that is dropped with its gauges.
impl Drop for Outlet {
    fn drop(&mut self) {
        if let Some(remains) = self.take_remains() {
            remains.take_leave();
        }
    }
}

/// The gauge at an index, whose event is pending, and which is pinned.
impl<S: Kind> Errand for Chunk<S> {
    fn gauge(&self, index: usize) -> GaugeName {
        let gauge = self.slot(index);
        GaugeName {
            limit: gauge.limit(),
            instance: gauge.instance(),
        }
    }

    fn run(self: Arc<Self>, index: usize) {
        let gauge = self.slot(index);
        let outlet = gauge.outlet();
        // Perhaps nothing but the event keeps it, after which another may be found.
        let _listing = outlet.listing.upgrade();
        // Before the event is taken: one that comes later finds that it has to post the gauge
        // again.
        outlet.is_not_posted();
        let role = outlet.deliverer().enter();
        gauge.deliver_pending();
        drop(role);
        outlet.unpin(gauge.instance());
    }

    /// Another thread has delivered the event.
    fn is_obsolete(&self, index: usize) -> bool {
        !self.slot(index).has_pending_event()
    }

    fn discard(self: Arc<Self>, index: usize) {
        let gauge = self.slot(index);
        let outlet = gauge.outlet();
        outlet.is_not_posted();
        // Pairs with the addition of the flag in `Outlet::post`, which comes after an event was
        // left pending: either that is seen here, or the gauge is posted again.
        if gauge.has_pending_event() {
            if let Some(listing) = outlet.listing.upgrade() {
                outlet.post(&listing, gauge.instance());
            }
        }
        outlet.unpin(gauge.instance());
    }
}

impl Outlet {
    /// Gives up a pin. If the listing is gone, so are all gauges in it.
    fn unpin(&self, instance: usize) {
        if let Some(listing) = self.listing.upgrade() {
            listing.unpin(instance);
        }
    }
}

/// Logs for each live gauge how many lines it has suppressed.
pub(crate) fn say_suppressed() {
    if !can_say() {
        return;
    }
    for listing in ListingRef::all() {
        listing.for_each_pinned(|gauge| {
            let suppressed = gauge.outlet().take_suppressed();
            let origin = Origin {
                label: gauge.outlet().label(),
                registry: listing.name().clone(),
            };
            let (limit, instance) = (gauge.limit(), gauge.instance());
            Log::LOCAL.say_suppressed(limit, instance, Some(&origin), suppressed);
        });
    }
}
