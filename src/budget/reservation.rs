//! What a request was given.

use core::fmt;
use core::mem;

use super::account::Account;
use crate::alarm::delivery::{Deliver, StaticSink};

/// What was reserved of a [`Budget`](super::Budget). Dropping it gives it back.
///
/// It gives back as a [deferred](crate::Gauge::deferred) operation does: the drop runs no observer,
/// unless the budget has a static sink. Wait-free, unless the re-arm point is crossed. An interrupt
/// handler may drop it, if that sink may run there.
#[must_use = "dropping it gives back what it holds"]
pub struct Reservation<'budget, D: Deliver = StaticSink> {
    account: Account<'budget, D>,
    amount: usize,
}

impl<'budget, D: Deliver> Reservation<'budget, D> {
    #[inline]
    pub(super) const fn new(account: Account<'budget, D>, amount: usize) -> Self {
        Self { account, amount }
    }

    /// How much it holds.
    #[inline]
    pub fn amount(&self) -> usize {
        self.amount
    }

    /// Takes `n` of it into a reservation of its own. `None` if it holds less.
    ///
    /// ```
    /// # use fillgauge::{Budget, Limit};
    /// static BUFFERS: Budget = Budget::new(&Limit::memory("buffers"), 100);
    ///
    /// let mut request = BUFFERS.try_reserve(60)?;
    /// let header = request.split(20).unwrap();
    /// assert_eq!((header.amount(), request.amount()), (20, 40));
    /// drop(request);
    /// assert_eq!(BUFFERS.used(), 20);
    /// # Ok::<(), fillgauge::LimitExceeded>(())
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.amount = self.amount.checked_sub(n)?;
        Some(Self::new(self.account, n))
    }

    /// Adds what `other` holds.
    ///
    /// # Errors
    ///
    /// Gives `other` back if it is of another budget.
    ///
    /// ```
    /// # use fillgauge::{Budget, Limit};
    /// static BUFFERS: Budget = Budget::new(&Limit::memory("buffers"), 100);
    /// static OTHERS: Budget = Budget::new(&Limit::memory("others"), 100);
    ///
    /// let mut request = BUFFERS.try_reserve(60)?;
    /// assert!(request.merge(BUFFERS.try_reserve(10)?).is_ok());
    /// assert_eq!(request.amount(), 70);
    /// let other = request.merge(OTHERS.try_reserve(10)?).unwrap_err();
    /// assert_eq!((other.amount(), request.amount()), (10, 70));
    /// # Ok::<(), fillgauge::LimitExceeded>(())
    /// ```
    pub fn merge(&mut self, other: Self) -> Result<(), Self> {
        if !self.account.is(other.account) {
            return Err(other);
        }
        // Both are in use, so together they fit in the word.
        self.amount = self.amount.wrapping_add(other.forget());
        Ok(())
    }

    /// Keeps what it holds in use, for ever. Returns how much that is.
    #[inline]
    pub fn forget(self) -> usize {
        let amount = self.amount;
        mem::forget(self);
        amount
    }
}

impl<D: Deliver> Drop for Reservation<'_, D> {
    #[inline]
    fn drop(&mut self) {
        self.account.release(self.amount);
    }
}

impl<D: Deliver> fmt::Debug for Reservation<'_, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("amount", &self.amount)
            .finish_non_exhaustive()
    }
}
