//! The budget: a limit that is enforced.

pub(crate) mod account;
mod error;
mod reservation;

use core::fmt;

pub use error::LimitExceeded;
pub use reservation::Reservation;

use crate::alarm::Alarm;
use crate::alarm::delivery::{Deliver, Renew, StaticSink};
use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::snapshot::QueueSnapshot;
use crate::sync::{SeqCstUsize, const_fn};
use crate::thresholds::{Thresholds, fill_percent};
use account::Account;

/// A limit that is enforced: bytes, permits, or whatever is taken and given back.
///
/// A request is admitted if it fits, and refused otherwise. What is admitted is a [`Reservation`],
/// which gives back when it is dropped. The budget warns, recovers and reads as a
/// [`Gauge`](crate::Gauge) does.
///
/// ```
/// use fillgauge::{Budget, Limit};
///
/// static BUFFERS: Budget = Budget::new(&Limit::memory("buffers"), 4_096);
///
/// let request = BUFFERS.try_reserve(4_000)?;
/// assert_eq!((BUFFERS.used(), BUFFERS.remaining()), (4_000, 96));
///
/// let refused = BUFFERS.try_reserve(100).unwrap_err();
/// assert_eq!(refused.to_string(), "limit exceeded: 100 more for `buffers` (4000 of 4096 in use)");
///
/// drop(request);
/// assert!(BUFFERS.try_reserve(100).is_ok());
/// # Ok::<(), fillgauge::LimitExceeded>(())
/// ```
///
/// Capacity 0 admits nothing but 0.
///
/// # Progress and interrupts
///
/// A method may be called from an interrupt handler, also from one that interrupts another
/// operation on the same budget, if its sink may run there.
///
/// | operation | far from thresholds and new marks | otherwise |
/// |---|---|---|
/// | `try_reserve` | one compare-and-swap and a few loads: lock-free | lock-free, then the sink |
/// | the end of a reservation | one atomic addition and a few loads: wait-free | lock-free, then the sink |
/// | `set_capacity`, `set_thresholds` | lock-free, then the sink | the same |
/// | what the budget reads | wait-free | wait-free |
///
/// Lock-free means: a request repeats a step only if another one was admitted, or gave back.
///
/// # What is promised
///
/// Promises 1 to 6 and 9 of [the guarantees](crate::guarantees).
#[repr(C)]
pub struct Budget<D = StaticSink> {
    alarm: Alarm<D>,
    used: SeqCstUsize,
}

/// Budgets whose events go to a static [`LimitSink`], or nowhere.
impl Budget {
    const_fn! {
        /// The budget of a limit of `capacity` bytes (or permits, or whatever it counts).
        pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
            Self::with_config(GaugeConfig::new(limit, capacity))
        }
    }

    const_fn! {
        /// A budget with settings of its own. Whether they are those of a queue makes no
        /// difference.
        pub const fn with_config<S>(config: GaugeConfig<S>) -> Self {
            let (config, sink) = config.into_parts();
            Self::with_delivery(config, StaticSink::new(sink))
        }
    }

    /// The same budget with a receiver of its events; see [`LimitSink`] for an example.
    #[must_use]
    pub const fn with_sink(mut self, sink: &'static dyn LimitSink) -> Self {
        self.alarm.set_sink(sink);
        self
    }
}

/// Budgets that deliver in any way.
impl<D> Budget<D> {
    const_fn! {
        /// A budget whose events go through `deliver`: for a crate that delivers them on threads of
        /// its own. See [`Deliver`].
        pub const fn with_delivery(config: GaugeConfig, deliver: D) -> Self {
            Self {
                alarm: Alarm::new(config.enforced(), deliver),
                used: SeqCstUsize::new(0),
            }
        }
    }

    /// What delivers the events of the budget.
    pub const fn delivery(&self) -> &D {
        self.alarm.delivery()
    }

    #[inline]
    const fn account(&self) -> Account<'_, D> {
        Account::new(&self.alarm, &self.used)
    }
}

impl<D: Deliver> Budget<D> {
    /// Takes `n`, if the budget has room for it.
    ///
    /// It never exceeds the capacity, not for a moment: another request is refused only if it does
    /// not fit beside what was admitted.
    ///
    /// # Errors
    ///
    /// [`LimitExceeded`] if it does not fit. That is counted as [refused](Self::refused).
    #[inline]
    pub fn try_reserve(&self, n: usize) -> Result<Reservation<'_, D>, LimitExceeded> {
        self.account().try_reserve(n)
    }

    /// Changes the capacity. What is in use stays, and nothing is admitted until it fits.
    ///
    /// The points follow, see [`Gauge::set_capacity`](crate::Gauge::set_capacity). A request that
    /// overlaps the call goes by the old or the new capacity.
    ///
    /// ```
    /// # use fillgauge::{Budget, Limit};
    /// static POOL: Budget = Budget::new(&Limit::resource("connections"), 10);
    ///
    /// let nine = POOL.try_reserve(9)?;
    /// POOL.set_capacity(5);
    /// assert_eq!((POOL.used(), POOL.remaining()), (9, 0));
    /// drop(nine);
    /// assert_eq!(POOL.remaining(), 5);
    /// # Ok::<(), fillgauge::LimitExceeded>(())
    /// ```
    pub fn set_capacity(&self, capacity: usize) {
        self.account().set_capacity(capacity);
    }

    /// Changes the thresholds, see [`Gauge::set_thresholds`](crate::Gauge::set_thresholds).
    pub fn set_thresholds(&self, thresholds: Thresholds) {
        self.account().set_thresholds(thresholds);
    }

    /// Ends the window, and returns the greatest use since the one before ended, see
    /// [`Gauge::take_window_peak`](crate::Gauge::take_window_peak).
    pub fn take_window_peak(&self) -> usize {
        self.account().take_window_peak()
    }

    /// Delivers the event that was [left pending](crate::Delivery::leave_pending), if there is one,
    /// and whatever is due afterwards, on this thread.
    ///
    /// Lock-free, but for what receives the events.
    pub fn deliver_pending(&self) {
        self.account().check();
    }
}

/// Budgets in the slots of a registry that makes others of them.
impl<D: Renew> Budget<D> {
    /// Makes another budget of this one, with an [instance number](Self::instance): for a registry
    /// whose slots are used again. Wait-free.
    ///
    /// Nobody else may use it meanwhile. So it takes the right to do so, which the registry alone
    /// has.
    #[inline]
    pub fn renew(&self, _right: &D::Right, config: GaugeConfig, instance: usize) {
        self.used.reset(0);
        self.alarm.activate(&config.enforced(), instance);
    }

    /// A reservation of `amount`, which was [forgotten](Reservation::forget) before: for one that
    /// does not borrow the budget. Wait-free.
    ///
    /// What nobody has forgotten would be given back twice. So it takes the right to do so.
    #[inline]
    pub fn reclaim(&self, _right: &D::Right, amount: usize) -> Reservation<'_, D> {
        Reservation::new(self.account(), amount)
    }
}

/// What the budget reads.
impl<D> Budget<D> {
    /// How much is in use.
    #[doc(alias = "depth")]
    #[doc(alias = "len")]
    #[inline]
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// How much a request could have: the capacity less what is in use. It is 0 if more is in use
    /// than a smaller capacity has room for.
    #[doc(alias = "available")]
    pub fn remaining(&self) -> usize {
        self.account().remaining()
    }

    /// The greatest use so far.
    #[doc(alias = "peak")]
    #[doc(alias = "watermark")]
    #[doc(alias = "max")]
    #[inline]
    pub fn high_water(&self) -> usize {
        self.alarm.high_water()
    }

    /// Requests that were refused so far. It never steps back; it wraps.
    #[inline]
    pub fn refused(&self) -> usize {
        self.alarm.refused()
    }

    /// The bound. 0 admits nothing but 0.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.alarm.capacity()
    }

    /// At which fill the budget warns, and is armed again.
    pub fn thresholds(&self) -> Thresholds {
        self.alarm.rules().thresholds()
    }

    /// `floor(100 * used / capacity)`, exact; it may be above 100 after the capacity was lowered. 0
    /// for capacity 0.
    #[doc(alias = "utilization")]
    pub fn fill_percent(&self) -> usize {
        fill_percent(self.used(), self.capacity())
    }

    /// Whether the budget has warned and not yet recovered.
    pub fn has_warned(&self) -> bool {
        self.alarm.state().has_warned()
    }

    /// Whether an event was [left pending](crate::Delivery::leave_pending) and nobody has begun to
    /// deliver it.
    pub fn has_pending_event(&self) -> bool {
        self.alarm.state().is_pending()
    }

    /// Warnings so far. Wraps at `usize::MAX / 512`.
    pub fn warnings(&self) -> usize {
        self.alarm.state().warnings()
    }

    /// The serial number of the registration in its registry, see
    /// [`Gauge::instance`](crate::Gauge::instance). 0 outside of a registry.
    #[inline]
    pub fn instance(&self) -> usize {
        self.alarm.instance()
    }

    /// What the budget is of.
    pub fn limit(&self) -> &'static Limit {
        self.alarm.limit()
    }

    /// All figures of the budget. It has no totals.
    ///
    /// ```
    /// # use fillgauge::{Budget, Limit};
    /// static BUFFERS: Budget = Budget::new(&Limit::memory("buffers"), 4_096);
    ///
    /// let snapshot = BUFFERS.snapshot();
    /// assert_eq!((snapshot.depth, snapshot.totals), (0, None));
    /// ```
    pub fn snapshot(&self) -> QueueSnapshot {
        self.account().snapshot()
    }
}

impl<D> fmt::Debug for Budget<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.account().fmt_as("Budget", f)
    }
}

// A panicking sink leaves the use right, and the next operation checks what it missed.
impl<D: core::panic::UnwindSafe> core::panic::UnwindSafe for Budget<D> {}
impl<D: core::panic::RefUnwindSafe> core::panic::RefUnwindSafe for Budget<D> {}

#[cfg(any(fillgauge_loom, fillgauge_search))]
impl<D> Budget<D> {
    /// What is in use at this moment, for a model that watches it.
    pub fn used_now(&self) -> usize {
        self.used.now()
    }
}

#[cfg(fillgauge_search)]
impl<D: Deliver> Budget<D> {
    /// Gives back `n` of what a reservation has forgotten.
    pub fn give_back(&self, n: usize) {
        self.account().release(n);
    }

    /// The number of refusals at this moment.
    pub fn refused_now(&self) -> usize {
        self.alarm.refused_now()
    }

    /// The mark of the window at this moment.
    pub fn window_now(&self) -> usize {
        self.alarm.window_now()
    }

    /// The words of the state, of the capacity and of the thresholds at this moment.
    pub fn settings_now(&self) -> [usize; 3] {
        self.alarm.settings_now()
    }
}
