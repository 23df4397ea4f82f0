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
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::ptr;
use std::sync::{Arc, PoisonError};

use fillgauge::{Deliver, Delivery, Edge};

use super::edges::LastEdges;
use super::listing::ListingRef;
use crate::backpressure::SendStats;
use crate::delivery::background::{self, Errand, GaugeName, Place};
use crate::delivery::guard::{self, Role};
use crate::delivery::log::{Log, can_say};
use crate::delivery::observers::{EventSink, Observers, Own, process_may_want};
use crate::delivery::{Lines, per_limit};
use crate::event::{LimitEvent, Origin};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{HAS_THREADS, Mutex, lock, time_of_day};

/// What delivers the events of a [`QueueGauge`](crate::QueueGauge): its
/// [`Gauge::delivery`](fillgauge::Gauge::delivery).
pub struct Outlet {
    listing: ListingRef,
    /// The constants below. A whole word, so that a new gauge is written to memory word by word.
    flags: AtomicUsize,
    particulars: Particulars,
    /// `None` until it is needed: most gauges have no event.
    account: Mutex<Option<Box<Account>>>,
}

/// Everything goes to the background thread.
const BACKGROUND: usize = 1;
/// The account has a place for the background thread.
const PLACED: usize = 2;
/// The background thread has a reference to this gauge.
const POSTED: usize = 4;
/// The account has the last edges.
const CROSSED: usize = 8;

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

/// What one gauge has that others do not have.
#[derive(Clone, Default)]
pub(crate) struct Particulars {
    pub(crate) label: Option<Arc<str>>,
    /// Boxed, since most gauges have none.
    pub(crate) extras: Option<Box<Extras>>,
}

#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) sinks: Vec<EventSink>,
    /// Of the channel that the gauge is of.
    pub(crate) backpressure: Option<Arc<SendStats>>,
}

// A sink that panics is called again, as a handler is: what it may leave broken is its own.
impl UnwindSafe for Extras {}
impl RefUnwindSafe for Extras {}

impl Particulars {
    pub(crate) fn extras_mut(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }

    fn sinks(&self) -> &[EventSink] {
        self.extras.as_ref().map_or(&[], |extras| &extras.sinks)
    }
}

#[derive(Default)]
struct Account {
    /// The gauge, once it had an event.
    name: Option<GaugeName>,
    /// The event that is pending.
    parcel: Option<Parcel>,
    lines: Lines,
    /// `None` until there is an edge.
    edges: Option<Box<LastEdges>>,
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
    pub(super) fn new(
        listing: ListingRef,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Self {
        let (flags, account) = match handing_over {
            HandingOver::Never => (0, None),
            HandingOver::Deferred => (PLACED, Some(Account::with_place())),
            HandingOver::Always => (PLACED | BACKGROUND, Some(Account::with_place())),
        };
        Self {
            listing,
            flags: AtomicUsize::new(flags),
            particulars,
            account: Mutex::new(account),
        }
    }

    pub(super) fn label(&self) -> Option<&Arc<str>> {
        self.particulars.label.as_ref()
    }

    pub(super) fn backpressure(&self) -> Option<&Arc<SendStats>> {
        self.particulars.extras.as_ref()?.backpressure.as_ref()
    }

    /// Whether [`last_edges`](Self::last_edges) has any.
    pub(super) fn has_crossed(&self) -> bool {
        self.is(CROSSED)
    }

    pub(super) fn last_edges(&self) -> LastEdges {
        let account = lock(&self.account);
        let edges = account.as_ref().and_then(|account| account.edges.as_ref());
        edges.map(|edges| **edges).unwrap_or_default()
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

    fn note_edge(&self, event: &LimitEvent) {
        // Only the thread that delivers notes: there is one at a time.
        let mut first = (!self.is(CROSSED)).then(Box::default);
        let gauge = event.snapshot();
        self.with_account(|account| {
            account.name = Some(GaugeName {
                limit: gauge.name,
                instance: gauge.instance,
            });
            if account.edges.is_none() {
                account.edges = first.take();
            }
            if let Some(edges) = &mut account.edges {
                edges.push(event);
            }
        });
        self.flags.fetch_or(CROSSED, Ordering::Relaxed);
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
    pub(super) fn deliverer(&self) -> Role {
        Role::Deliverer(ptr::from_ref(self).addr())
    }

    fn observers(&self) -> Observers<'_> {
        Observers {
            sinks: self.particulars.sinks(),
            own: self.listing.own(),
        }
    }

    fn event(&self, event: &fillgauge::LimitEvent) -> LimitEvent {
        let origin = Origin {
            label: self.particulars.label.clone(),
            registry: self.listing.name().clone(),
        };
        LimitEvent::new(*event, origin, time_of_day())
    }

    fn notify(&self, event: &LimitEvent, log: &Log) {
        self.observers().notify(event, log, || self.take_line());
    }

    /// Leaves `event` to the background thread, unless nobody wants it.
    #[cold]
    fn hand_over(&self, event: LimitEvent, delivery: Delivery<'_>) {
        let may_log = || self.with_account(|account| account.lines.may_log());
        if !self.observers().may_want(&event, may_log) {
            return;
        }
        let instance = event.snapshot().instance;
        let parcel = Parcel {
            event,
            log: Log::current(),
        };
        // There is none yet: this one is the only event of the gauge.
        self.with_account(|account| account.parcel = Some(parcel));
        delivery.leave_pending();
        self.post(instance);
    }

    /// Gives the background thread a reference to the gauge, unless it has one.
    pub(super) fn post(&self, instance: usize) {
        if self.flags.fetch_or(POSTED, Ordering::SeqCst) & POSTED != 0 {
            return;
        }
        match self.listing.pin(instance) {
            Some(gauge) if self.is(PLACED) => background::post(gauge.into_errand()),
            Some(gauge) => background::post_once(gauge.into_errand()),
            // The owner has moved the gauge out of its `Arc`: the event stays until the gauge is
            // used again, or dropped.
            None => self.is_not_posted(),
        }
    }

    pub(super) fn is_not_posted(&self) {
        self.flags.fetch_and(!POSTED, Ordering::SeqCst);
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("label", &self.particulars.label)
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
    fn deliver(&self, event: &fillgauge::LimitEvent, delivery: Delivery<'_>) {
        let event = self.event(event);
        self.note_edge(&event);
        if HAS_THREADS && delivery.is_deferred() {
            return self.hand_over(event, delivery);
        }
        if self.is(PLACED) && self.may_want_a_recovery() {
            // The recovery will be handed over, by a thread that should not have to start another.
            background::prepare();
        }
        self.notify(&event, &Log::LOCAL);
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        let parcel = self.with_account(|account| account.parcel.take());
        if let Some(parcel) = parcel {
            self.notify(&parcel.event, &parcel.log);
        }
    }
}

impl Outlet {
    fn may_want_a_recovery(&self) -> bool {
        let observers = self.observers();
        !observers.sinks.is_empty() || observers.own.is_some() || process_may_want(Edge::Recovered)
    }
}

impl Drop for Outlet {
    fn drop(&mut self) {
        let particulars = mem::take(&mut self.particulars);
        let sinks = particulars.extras.map(|extras| extras.sinks);
        let account = self.account.get_mut();
        let account = account.unwrap_or_else(PoisonError::into_inner).take();
        if let Some(account) = account {
            self.take_leave(*account, sinks.as_deref().unwrap_or_default());
        }
        // What the sinks own may do anything when it is dropped.
        if let Some(sinks) = sinks {
            drop(guard::run(|| drop(sinks)));
        }
    }
}

impl Outlet {
    /// Has the background thread say what is left to say of the gauge.
    fn take_leave(&self, mut account: Account, sinks: &[EventSink]) {
        let Some(name) = account.name else { return };
        let suppressed = account.lines.take_suppressed();
        if suppressed > 0 {
            per_limit::add_suppressed(name, suppressed);
        }
        if let Some(parcel) = account.parcel.take() {
            background::post_once(Arc::new(LastEvent {
                name,
                parcel,
                sinks: sinks.to_vec(),
                own: self.listing.own(),
            }));
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
            let suppressed = gauge.delivery().take_suppressed();
            Log::LOCAL.say_suppressed(gauge.limit(), gauge.instance(), suppressed);
        });
    }
}

/// The event that was pending when the gauge was dropped by an owner who had moved it out of its
/// `Arc`.
struct LastEvent {
    name: GaugeName,
    parcel: Parcel,
    sinks: Vec<EventSink>,
    own: Option<Arc<Own>>,
}

impl Errand for LastEvent {
    fn gauge(&self) -> GaugeName {
        self.name
    }

    fn run(self: Arc<Self>) {
        let observers = Observers {
            sinks: &self.sinks,
            own: self.own.clone(),
        };
        observers.notify(&self.parcel.event, &self.parcel.log, || Some(0));
        drop(observers);
        drop(guard::run(|| drop(self)));
    }
}
