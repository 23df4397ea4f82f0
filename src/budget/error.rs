//! Why a request was refused.

use core::fmt;

use crate::limit::Limit;

/// A request did not fit into its [`Budget`](super::Budget).
///
/// ```
/// # use fillgauge::{Budget, Limit};
/// static PERMITS: Budget = Budget::new(&Limit::resource("permits"), 4);
///
/// let _three = PERMITS.try_reserve(3)?;
/// let exceeded = PERMITS.try_reserve(2).unwrap_err();
/// assert_eq!((exceeded.limit().as_str(), exceeded.requested()), ("permits", 2));
/// assert_eq!((exceeded.used(), exceeded.capacity()), (3, 4));
/// # Ok::<(), fillgauge::LimitExceeded>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct LimitExceeded {
    limit: &'static Limit,
    requested: usize,
    used: usize,
    capacity: usize,
}

impl LimitExceeded {
    #[inline]
    pub(super) const fn new(
        limit: &'static Limit,
        requested: usize,
        used: usize,
        capacity: usize,
    ) -> Self {
        Self {
            limit,
            requested,
            used,
            capacity,
        }
    }

    /// The limit.
    pub const fn limit(&self) -> &'static Limit {
        self.limit
    }

    /// How much was asked for.
    pub const fn requested(&self) -> usize {
        self.requested
    }

    /// How much was in use.
    pub const fn used(&self) -> usize {
        self.used
    }

    /// The capacity at that moment.
    pub const fn capacity(&self) -> usize {
        self.capacity
    }
}

impl fmt::Display for LimitExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            limit,
            requested,
            used,
            capacity,
        } = self;
        write!(
            f,
            "limit exceeded: {requested} more for `{limit}` ({used} of {capacity} in use)"
        )
    }
}

impl core::error::Error for LimitExceeded {}
