//! How the events of a gauge leave it: to the observers, or to the background thread.
//!
//! | what the event is caused by | who delivers it |
//! |---|---|
//! | a send, a record, an observation | its own thread, which first delivers the event that is pending |
//! | a receive, a drop | the background thread |
//! | anything on a gauge that is `background` | the background thread |
//!
//! An event that is pending waits in the gauge. The background thread gets a reference to the gauge, which
//! it takes the event from, unless a thread of the first row was quicker.

use std::collections::VecDeque;
use std::fmt;
use std::sync::PoisonError;

use fillgauge::{Deliver, Delivery, Edge, Gauge, LimitEvent};

use super::listing::{ListingRef, Pinned};
use crate::delivery::background::{self, Errand, GaugeName};
use crate::delivery::guard::Role;
use crate::delivery::observers::{self, Log};
use crate::delivery::{Lines, exhausted};
use crate::sync::atomic::{AtomicUsize, Ordering};
use crate::sync::{HAS_THREADS, Lazy, List, Mutex, force, lock, with_room};

/// What delivers the events of a [`QueueGauge`](crate::QueueGauge): its
/// [`Gauge::delivery`](fillgauge::Gauge::delivery).
pub struct Outlet {
    pub(super) listing: ListingRef,
    /// [`BACKGROUND`] and [`POSTED`]. A whole word, so that a new gauge is written to memory word by word.
    flags: AtomicUsize,
    /// `None` until it is needed: most gauges have no event.
    account: Mutex<Option<Box<Account>>>,
}

/// Everything goes to the background thread.
const BACKGROUND: usize = 1;
/// The background thread has a reference to this gauge.
const POSTED: usize = 2;

#[derive(Default)]
struct Account {
    /// The event that is pending.
    parcel: Option<Box<Parcel>>,
    lines: Lines,
    /// Whether [`MUTED`] lists the gauge.
    muted: bool,
}

/// An event that another thread is to deliver.
struct Parcel {
    event: LimitEvent,
    /// Where it is logged.
    log: Log,
}

impl Outlet {
    pub(super) fn new(listing: ListingRef, background: bool) -> Self {
        Self {
            listing,
            flags: AtomicUsize::new(if background { BACKGROUND } else { 0 }),
            account: Mutex::default(),
        }
    }

    /// Whether the log may have one more line of this gauge.
    fn may_log(&self, instance: usize) -> bool {
        self.with_lines(instance, Lines::may_log)
    }

    /// Takes the right to log a line, and how many were suppressed before it.
    fn take_line(&self, instance: usize) -> Option<usize> {
        self.with_lines(instance, Lines::take)
    }

    fn with_lines<R>(&self, instance: usize, ask: impl FnOnce(&mut Lines) -> R) -> R {
        let (answer, is_newly_muted) = self.with_account(|account| {
            let answer = ask(&mut account.lines);
            let is_newly_muted = account.lines.suppressed() > 0 && !account.muted;
            account.muted |= is_newly_muted;
            (answer, is_newly_muted)
        });
        if is_newly_muted {
            let listing = self.listing.clone();
            let gauge = Muted { listing, instance };
            with_room::<Muted, _, _>(force(&MUTED), |muted| muted.push_back(gauge));
        }
        answer
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

    /// Leaves `event` to the background thread, unless nobody wants it.
    #[cold]
    fn hand_over(&self, event: &LimitEvent, delivery: Delivery<'_>) {
        let figures = event.snapshot();
        let (limit, instance) = (figures.name, figures.instance);
        if !observers::want(event, || self.may_log(instance)) {
            return;
        }
        let parcel = Box::new(Parcel {
            event: *event,
            log: Log::current(),
        });
        // There is none yet: this one is the only event of the gauge.
        self.with_account(|account| account.parcel = Some(parcel));
        delivery.leave_pending();
        self.post(GaugeName { limit, instance });
    }

    fn is_background(&self) -> bool {
        self.flags.load(Ordering::Relaxed) & BACKGROUND != 0
    }

    fn is_not_posted(&self) {
        self.flags.fetch_and(!POSTED, Ordering::SeqCst);
    }

    /// Gives the background thread a reference to the gauge, unless it has one.
    fn post(&self, name: GaugeName) {
        if self.flags.fetch_or(POSTED, Ordering::SeqCst) & POSTED != 0 {
            return;
        }
        match Pinned::new(&self.listing, name.instance) {
            Some(gauge) => background::post(Box::new(PendingEvent { name, gauge })),
            // The owner has moved the gauge out of its `Arc`: the event stays until the gauge is used
            // again, or dropped.
            None => self.is_not_posted(),
        }
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outlet")
            .field("background", &self.is_background())
            .finish_non_exhaustive()
    }
}

impl Deliver for Outlet {
    #[inline]
    fn may_deliver(&self) -> bool {
        !self.is_background() || !HAS_THREADS || Role::current() == Role::Deliverer
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
        let instance = event.snapshot().instance;
        observers::notify(event, &Log::LOCAL, || self.take_line(instance));
    }

    fn deliver_pending(&self, _delivery: Delivery<'_>) {
        let parcel = self.with_account(|account| account.parcel.take());
        if let Some(parcel) = parcel {
            let instance = parcel.event.snapshot().instance;
            observers::notify(&parcel.event, &parcel.log, || self.take_line(instance));
        }
    }
}

/// What is left to say of a gauge that is dropped.
pub(super) fn take_leave(gauge: &mut Gauge<Outlet>) {
    let name = name_of(gauge);
    let outlet = gauge.delivery_mut();
    let account = outlet.account.get_mut();
    let Some(account) = account.unwrap_or_else(PoisonError::into_inner) else {
        return;
    };
    let parcel = account.parcel.take();
    let suppressed = account.lines.take_suppressed();
    if account.muted {
        lock(force(&MUTED)).retain(|muted| !muted.is(outlet, name.instance));
    }
    if suppressed > 0 {
        exhausted::add_suppressed(name, suppressed);
    }
    if let Some(parcel) = parcel {
        background::post(Box::new(LastEvent {
            gauge: name,
            parcel,
        }));
    }
}

fn name_of(gauge: &Gauge<Outlet>) -> GaugeName {
    GaugeName {
        limit: gauge.limit(),
        instance: gauge.instance(),
    }
}

/// The event of a gauge that is pending.
struct PendingEvent {
    name: GaugeName,
    gauge: Pinned,
}

impl Errand for PendingEvent {
    fn gauge(&self) -> GaugeName {
        self.name
    }

    fn run(self: Box<Self>) {
        if let Some(gauge) = self.gauge.get() {
            // Before the event is taken: one that comes later finds that it has to post the gauge again.
            gauge.delivery().is_not_posted();
            gauge.deliver_pending();
        }
    }

    /// Another thread has delivered the event.
    fn is_obsolete(&self) -> bool {
        let Some(gauge) = self.gauge.get() else {
            return true;
        };
        let outlet = gauge.delivery();
        outlet.is_not_posted();
        // Pairs with the addition of the flag in `Outlet::post`, which comes after the event was left pending: either
        // it is seen here, or the gauge is posted again.
        let is_pending = gauge.has_pending_event();
        if is_pending {
            outlet.flags.fetch_or(POSTED, Ordering::SeqCst);
        }
        !is_pending
    }
}

/// The event that was pending when the gauge was dropped by an owner who had moved it out of its `Arc`.
struct LastEvent {
    gauge: GaugeName,
    parcel: Box<Parcel>,
}

impl Errand for LastEvent {
    fn gauge(&self) -> GaugeName {
        self.gauge
    }

    fn run(self: Box<Self>) {
        let Parcel { event, log } = *self.parcel;
        observers::notify(&event, &log, || Some(0));
    }
}

/// A gauge that has suppressed lines since its last one.
struct Muted {
    listing: ListingRef,
    instance: usize,
}

/// For [`say_suppressed`].
static MUTED: Lazy<Mutex<VecDeque<Muted>>> = Lazy::new(Mutex::default);

impl List<VecDeque<Muted>> for Muted {
    type Entry = Self;

    fn entries(state: &mut VecDeque<Self>) -> &mut VecDeque<Self> {
        state
    }

    fn is_obsolete(_: &Self) -> bool {
        false
    }
}

impl Muted {
    fn is(&self, outlet: &Outlet, instance: usize) -> bool {
        self.instance == instance && self.listing.is(&outlet.listing)
    }
}

/// Logs for each live gauge how many lines it has suppressed.
pub(crate) fn say_suppressed() {
    let mut left = lock(force(&MUTED)).len();
    while left > 0 {
        left -= 1;
        let Some(Muted { listing, instance }) = lock(force(&MUTED)).pop_front() else {
            return;
        };
        let Some(gauge) = Pinned::new(&listing, instance) else {
            continue;
        };
        let Some(gauge) = gauge.get() else {
            continue;
        };
        let suppressed = gauge.delivery().with_account(|account| {
            account.muted = false;
            account.lines.take_suppressed()
        });
        observers::say_suppressed(gauge.limit(), instance, suppressed);
    }
}
