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
use std::ptr;
use std::sync::{Arc, PoisonError};

use fillgauge::{Deliver, Delivery, Edge, Gauge, LimitEvent};

use super::QueueGauge;
use super::listing::{Listing, ListingRef};
use crate::delivery::background::{self, Errand, GaugeName, Place};
use crate::delivery::guard::Role;
use crate::delivery::observers::{self, Log};
use crate::delivery::{Lines, per_limit};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{HAS_THREADS, Mutex, lock};

/// What delivers the events of a [`QueueGauge`](crate::QueueGauge): its
/// [`Gauge::delivery`](fillgauge::Gauge::delivery).
pub struct Outlet {
    pub(super) listing: ListingRef,
    /// The constants below. A whole word, so that a new gauge is written to memory word by word.
    flags: AtomicUsize,
    /// `None` until it is needed: most gauges have no event.
    account: Mutex<Option<Box<Account>>>,
}

/// Everything goes to the background thread.
const BACKGROUND: usize = 1;
/// The account has a place for the background thread.
const PLACED: usize = 2;
/// The background thread has a reference to this gauge.
const POSTED: usize = 4;

/// When a gauge leaves its events to the background thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HandingOver {
    /// Never, but for deferred operations, which then allocate.
    Never,
    /// After deferred operations.
    Deferred,
    Always,
}

impl HandingOver {
    /// Always in the background, and elsewhere as it is.
    pub(crate) fn or_background(self, is_background: bool) -> Self {
        if is_background { Self::Always } else { self }
    }
}

#[derive(Default)]
struct Account {
    /// The event that is pending.
    parcel: Option<Parcel>,
    lines: Lines,
    /// For a reference to this gauge.
    _place: Option<Place>,
}

impl Account {
    /// What hands over may not allocate then: its thread may be the one that everyone waits for.
    fn with_place() -> Box<Self> {
        Box::new(Self {
            _place: Some(Place::reserve()),
            ..Self::default()
        })
    }
}

/// An event that another thread is to deliver.
struct Parcel {
    event: LimitEvent,
    /// Where it is logged.
    log: Log,
}

impl Outlet {
    #[inline]
    pub(super) fn new(listing: ListingRef, handing_over: HandingOver) -> Self {
        let (flags, account) = match handing_over {
            HandingOver::Never => (0, None),
            HandingOver::Deferred => (PLACED, Some(Account::with_place())),
            HandingOver::Always => (PLACED | BACKGROUND, Some(Account::with_place())),
        };
        Self {
            listing,
            flags: AtomicUsize::new(flags),
            account: Mutex::new(account),
        }
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
        }
    }

    /// Takes the right to log a line, and how many were suppressed before it.
    fn take_line(&self) -> Option<usize> {
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

    /// Leaves `event` to the background thread, unless nobody wants it.
    #[cold]
    fn hand_over(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        let may_log = || self.with_account(|account| account.lines.may_log());
        if !observers::want(event, may_log) {
            return;
        }
        let parcel = Parcel {
            event: *event,
            log: Log::current(),
        };
        // There is none yet: this one is the only event of the gauge.
        self.with_account(|account| account.parcel = Some(parcel));
        delivery.leave_pending();
        self.post(event.snapshot().instance);
    }

    /// Gives the background thread a reference to the gauge, unless it has one.
    fn post(&self, instance: usize) {
        if self.flags.fetch_or(POSTED, Ordering::SeqCst) & POSTED != 0 {
            return;
        }
        match self.listing.pin(instance) {
            Some(gauge) if self.is(PLACED) => background::post(gauge),
            Some(gauge) => background::post_once(gauge),
            // The owner has moved the gauge out of its `Arc`: the event stays until the gauge is
            // used again, or dropped.
            None => self.is_not_posted(),
        }
    }

    fn is_not_posted(&self) {
        self.flags.fetch_and(!POSTED, Ordering::SeqCst);
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("background", &self.is(BACKGROUND))
            .finish_non_exhaustive()
    }
}

impl Deliver for Outlet {
    #[inline]
    fn may_deliver(&self) -> bool {
        !self.is(BACKGROUND) || !HAS_THREADS || Role::current() == self.deliverer()
    }

    #[inline]
    fn wants(&self, edge: Edge) -> bool {
        observers::may_want(edge)
    }

    #[inline]
    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        if HAS_THREADS && delivery.is_deferred() {
            return self.hand_over(event, delivery);
        }
        if self.is(PLACED) && observers::may_want(Edge::Recovered) {
            // The recovery will be handed over, by a thread that should not have to start another.
            background::prepare();
        }
        observers::notify(event, &Log::LOCAL, || self.take_line());
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        let parcel = self.with_account(|account| account.parcel.take());
        if let Some(parcel) = parcel {
            observers::notify(&parcel.event, &parcel.log, || self.take_line());
        }
    }
}

/// What is left to say of a gauge that is dropped.
pub(super) fn take_leave(gauge: &mut Gauge<Outlet>) {
    let name = name_of(gauge);
    let account = gauge.delivery_mut().account.get_mut();
    let Some(account) = account.unwrap_or_else(PoisonError::into_inner) else {
        return;
    };
    let suppressed = account.lines.take_suppressed();
    if suppressed > 0 {
        per_limit::add_suppressed(name, suppressed);
    }
    if let Some(parcel) = account.parcel.take() {
        background::post_once(Arc::new(LastEvent { name, parcel }));
    }
}

/// Logs for each live gauge how many lines it has suppressed.
pub(crate) fn say_suppressed() {
    if !observers::can_say() {
        return;
    }
    for listing in ListingRef::all() {
        let mut latest = 0;
        while let Some(gauge) = listing.pin_after(latest) {
            latest = gauge.gauge.instance();
            let limit = gauge.gauge.limit();
            let suppressed = gauge.gauge.delivery().take_suppressed();
            Listing::unpin(gauge);
            observers::say_suppressed(&Log::LOCAL, limit, latest, suppressed);
        }
    }
}

fn name_of(gauge: &Gauge<Outlet>) -> GaugeName {
    GaugeName {
        limit: gauge.limit(),
        instance: gauge.instance(),
    }
}

/// A gauge whose event is pending, and which is pinned.
impl Errand for QueueGauge {
    fn gauge(&self) -> GaugeName {
        name_of(&self.gauge)
    }

    fn run(self: Arc<Self>) {
        // Before the event is taken: one that comes later finds that it has to post the gauge
        // again.
        let outlet = self.gauge.delivery();
        outlet.is_not_posted();
        let role = outlet.deliverer().enter();
        self.gauge.deliver_pending();
        drop(role);
        Listing::unpin(self);
    }

    /// Another thread has delivered the event.
    fn is_obsolete(&self) -> bool {
        !self.gauge.has_pending_event()
    }

    fn discard(self: Arc<Self>) {
        let outlet = self.gauge.delivery();
        outlet.is_not_posted();
        // Pairs with the addition of the flag in `Outlet::post`, which comes after an event was
        // left pending: either that is seen here, or the gauge is posted again.
        if self.gauge.has_pending_event() {
            outlet.post(self.gauge.instance());
        }
        Listing::unpin(self);
    }
}

/// The event that was pending when the gauge was dropped by an owner who had moved it out of its
/// `Arc`.
struct LastEvent {
    name: GaugeName,
    parcel: Parcel,
}

impl Errand for LastEvent {
    fn gauge(&self) -> GaugeName {
        self.name
    }

    fn run(self: Arc<Self>) {
        observers::notify(&self.parcel.event, &self.parcel.log, || Some(0));
    }
}
