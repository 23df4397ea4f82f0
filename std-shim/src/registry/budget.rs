//! Budgets that users share, and what is reserved of them.

use std::fmt;
use std::mem;
use std::sync::Arc;

use fillgauge::{
    GaugeConfig, Limit, LimitCategory, LimitExceeded, QueueSnapshot, Reservation, Thresholds,
};

use super::account::{Birth, HandingOver, Particulars};
use super::listing::ListingRef;
use super::outlet::Outlet;
use super::slots::{RenewSlot, SlotRef};
use crate::event::Shown;
#[cfg(feature = "edge-waiter")]
use crate::waiter::{HasEdges, Waiter};

/// A registered limit that is enforced: bytes, permits, or whatever is taken and given back. It is
/// made by [`track(..).budget()`](crate::Track::budget), and shared through an [`Arc`].
///
/// A request is admitted if it fits, and refused otherwise. What is admitted gives back when it is
/// dropped. The budget warns, recovers and is reported as a [`QueueGauge`](crate::QueueGauge) is.
/// It leaves its registry when the last reference is dropped.
///
/// ```
/// use fillgauge_std::{Limit, track};
///
/// let bodies = track(&Limit::memory("request_bodies")).capacity(1 << 20).budget();
///
/// let body = bodies.try_reserve(1_000_000)?;
/// let refused = bodies.try_reserve(100_000).unwrap_err();
/// assert_eq!((refused.used(), refused.capacity()), (1_000_000, 1 << 20));
/// assert!(bodies.has_warned());
///
/// drop(body); // also by an early return, or a panic
/// assert!(bodies.try_reserve(100_000).is_ok());
/// # Ok::<(), fillgauge_std::LimitExceeded>(())
/// ```
///
/// # Who delivers
///
/// A request delivers its events on its own thread. What is given back leaves them to the
/// [background thread](crate#who-delivers). So does everything of a
/// [`background`](crate::Track::background) budget.
pub struct Budget {
    slot: SlotRef<fillgauge::Budget<Outlet>>,
    label: Option<Arc<str>>,
    listing: ListingRef,
}

impl Budget {
    /// Registers a budget.
    pub(super) fn enlist(
        listing: &ListingRef,
        config: GaugeConfig,
        handing_over: HandingOver,
        particulars: Particulars,
    ) -> Arc<Self> {
        let label = particulars.label.clone();
        let slot = listing.enlist(config, &mut Birth::new(handing_over, particulars));
        Arc::new(Self {
            slot,
            label,
            listing: listing.clone(),
        })
    }

    /// Takes `n`, if the budget has room for it, until the reservation is dropped.
    ///
    /// Another request never sees more in use than was admitted. Lock-free, then the observers.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] if it does not fit. That is counted as [refused](Self::refused).
    #[inline]
    pub fn try_reserve(&self, n: usize) -> Result<Reservation<'_, Outlet>, LimitExceeded> {
        self.slot.try_reserve(n)
    }

    /// As [`try_reserve`](Self::try_reserve), for a task or a thread: the reservation keeps the
    /// budget.
    ///
    /// ```
    /// use std::thread;
    /// use fillgauge_std::track;
    ///
    /// let sessions = track("sessions").capacity(2).budget();
    /// let session = sessions.try_reserve_owned(1)?;
    /// thread::spawn(move || drop(session)).join().unwrap();
    /// assert_eq!(sessions.used(), 0);
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] if it does not fit. That is counted as [refused](Self::refused).
    #[inline]
    pub fn try_reserve_owned(
        self: &Arc<Self>,
        n: usize,
    ) -> Result<OwnedReservation, LimitExceeded> {
        let reservation = self.try_reserve(n)?;
        Ok(OwnedReservation {
            amount: reservation.forget(),
            budget: Arc::clone(self),
        })
    }

    /// Changes the capacity, for instance when a pool has grown. What is in use stays, and nothing
    /// is admitted until it fits. See [`fillgauge::Budget::set_capacity`].
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let pool = track("connections").capacity(2).budget();
    /// let two = pool.try_reserve(2)?;
    /// assert!(pool.try_reserve(1).is_err());
    /// pool.set_capacity(4);
    /// assert!(pool.try_reserve(1).is_ok());
    /// # drop(two);
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    pub fn set_capacity(&self, capacity: usize) {
        self.slot.set_capacity(capacity);
    }

    /// Changes at which fill it warns, and is armed again, see
    /// [`fillgauge::Budget::set_thresholds`].
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.slot.set_thresholds(thresholds);
    }

    /// How much is in use.
    #[doc(alias = "depth")]
    #[inline]
    pub fn used(&self) -> usize {
        self.slot.used()
    }

    /// How much a request could have: the capacity less what is in use.
    #[doc(alias = "available")]
    pub fn remaining(&self) -> usize {
        self.slot.remaining()
    }

    /// The bound. 0 admits nothing but 0.
    pub fn capacity(&self) -> usize {
        self.slot.capacity()
    }

    /// At which fill it warns, and is armed again.
    pub fn thresholds(&self) -> Thresholds {
        self.slot.thresholds()
    }

    /// The greatest use so far.
    pub fn high_water(&self) -> usize {
        self.slot.high_water()
    }

    /// `floor(100 * used / capacity)`; it may be above 100 after the capacity was lowered. 0 for
    /// capacity 0.
    pub fn fill_percent(&self) -> usize {
        self.slot.fill_percent()
    }

    /// Requests that were refused so far; it wraps.
    pub fn refused(&self) -> usize {
        self.slot.refused()
    }

    /// Whether the budget has warned and is not armed again.
    pub fn has_warned(&self) -> bool {
        self.slot.has_warned()
    }

    /// Warnings so far, see [`fillgauge::Budget::warnings`].
    pub fn warnings(&self) -> usize {
        self.slot.warnings()
    }

    /// The limit: its name and its category.
    pub fn limit(&self) -> &'static Limit {
        self.slot.limit()
    }

    /// The category of the limit.
    pub fn category(&self) -> LimitCategory {
        self.slot.limit().category()
    }

    /// The label, from [`Track::label`](crate::Track::label).
    pub fn label(&self) -> Option<&str> {
        self.label.as_deref()
    }

    /// The serial number of the registration in its registry, from 1. Gauges and budgets are
    /// numbered together.
    pub fn instance(&self) -> usize {
        self.slot.instance()
    }

    /// All figures of the budget. It has no totals.
    pub fn snapshot(&self) -> QueueSnapshot {
        self.slot.snapshot()
    }
}

impl Budget {
    pub(super) fn listing(&self) -> &ListingRef {
        &self.listing
    }

    pub(super) fn shared_label(&self) -> Option<Arc<str>> {
        self.label.clone()
    }
}

#[cfg(feature = "edge-waiter")]
impl Budget {
    /// Awaits its edges, see [`Waiter`]. It costs the records nothing.
    pub fn waiter(self: &Arc<Self>) -> Waiter {
        // In this order: no event is missed that comes after the first check of the waiter.
        let edges = self.slot.delivery().edges().subscribe();
        Waiter::new(Arc::clone(self) as Arc<dyn HasEdges>, edges)
    }
}

#[cfg(feature = "edge-waiter")]
impl HasEdges for Budget {
    fn has_warned(&self) -> bool {
        self.slot.has_warned()
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        self.listing.leave(&self.slot);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let label = self.label.as_deref().map(|label| Shown(label).to_string());
        f.debug_struct("Budget")
            .field("budget", &*self.slot)
            .field("label", &label)
            .field("registry", &self.listing.name().as_str())
            .finish()
    }
}

/// What was reserved of a [`Budget`], which it keeps. Dropping it gives it back.
///
/// It may be moved into a task or a thread. It gives back also if that panics, or is cancelled:
///
/// ```
/// use std::future::{self, Future};
/// use std::sync::Arc;
/// use std::task::{Context, Waker};
/// use fillgauge_std::{Budget, LimitExceeded, track};
///
/// async fn upload(uploads: Arc<Budget>) -> Result<(), LimitExceeded> {
///     let _upload = uploads.try_reserve_owned(1)?;
///     future::pending().await // the client is slow
/// }
///
/// let uploads = track("uploads").capacity(4).budget();
/// let mut task = Box::pin(upload(Arc::clone(&uploads)));
/// assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
/// assert_eq!(uploads.used(), 1);
/// drop(task); // the client has gone
/// assert_eq!(uploads.used(), 0);
/// ```
#[must_use = "dropping it gives back what it holds"]
pub struct OwnedReservation {
    budget: Arc<Budget>,
    amount: usize,
}

impl OwnedReservation {
    /// How much it holds.
    #[inline]
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// The budget that it is of.
    pub fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }

    /// Takes `n` of it into a reservation of its own. `None` if it holds less.
    ///
    /// ```
    /// use fillgauge_std::track;
    ///
    /// let buffers = track("buffers").capacity(100).budget();
    /// let mut request = buffers.try_reserve_owned(60)?;
    /// let header = request.split(20).unwrap();
    /// assert_eq!((header.amount(), request.amount()), (20, 40));
    /// # Ok::<(), fillgauge_std::LimitExceeded>(())
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.amount = self.amount.checked_sub(n)?;
        Some(Self {
            budget: Arc::clone(&self.budget),
            amount: n,
        })
    }

    /// Adds what `other` holds.
    ///
    /// # Errors
    ///
    /// Gives `other` back if it is of another budget.
    pub fn merge(&mut self, mut other: Self) -> Result<(), Self> {
        if !Arc::ptr_eq(&self.budget, &other.budget) {
            return Err(other);
        }
        // Both are in use, so together they fit in the word.
        self.amount = self.amount.wrapping_add(mem::take(&mut other.amount));
        Ok(())
    }

    /// Keeps what it holds in use, as long as there is the budget. Returns how much that is.
    pub fn forget(mut self) -> usize {
        mem::take(&mut self.amount)
    }
}

impl Drop for OwnedReservation {
    fn drop(&mut self) {
        if self.amount > 0 {
            drop(self.budget.slot.reclaim(&RenewSlot(()), self.amount));
        }
    }
}

impl fmt::Debug for OwnedReservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedReservation")
            .field("limit", &self.budget.limit().as_str())
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}
