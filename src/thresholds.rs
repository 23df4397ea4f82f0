//! The warn and the re-arm point of a capacity, in exact integer arithmetic.

use core::fmt;

/// At this fill, in percent of the capacity, a gauge emits its warning.
pub const WARN_FILL_PERCENT: usize = 80;

/// Drained to this fill, in percent of the capacity, a gauge that has warned is armed again.
pub const REARM_FILL_PERCENT: usize = 50;

/// The arithmetic of percentages over one type of word: a macro, so that the tests run it with the
/// words of 16-bit and 32-bit targets too. Nothing in it can overflow or panic, for any arguments.
macro_rules! percent_arithmetic {
    ($word:ty) => {
        /// The smallest depth that is at least `percent` of `capacity`: `ceil(percent * capacity /
        /// 100)`. `percent` is at most 100, hence the result at most `capacity`.
        pub(crate) const fn depth_at(percent: $word, capacity: $word) -> $word {
            let hundreds = percent.wrapping_mul(capacity / 100);
            let rest = percent.wrapping_mul(capacity % 100).div_ceil(100);
            hundreds.wrapping_add(rest)
        }

        /// `floor(100 * depth / capacity)`; 0 for capacity 0, the greatest word where the result is
        /// greater still.
        pub(crate) const fn fill_percent(depth: $word, capacity: $word) -> $word {
            if capacity == 0 {
                return 0;
            }
            match depth.checked_mul(100) {
                Some(hundredfold) => hundredfold / capacity,
                None => {
                    // A hundred times the rest, and how often that passes the capacity.
                    let (whole, rest) = (depth / capacity, depth % capacity);
                    let (mut passes, mut sum): ($word, $word) = (0, 0);
                    let mut times = 100;
                    while times != 0 {
                        let room = capacity.wrapping_sub(sum);
                        passes = passes.saturating_add(whole);
                        if rest < room {
                            sum = sum.wrapping_add(rest);
                        } else {
                            sum = rest.wrapping_sub(room);
                            passes = passes.saturating_add(1);
                        }
                        times -= 1;
                    }
                    passes
                }
            }
        }
    };
}

percent_arithmetic!(usize);

/// At which fill a gauge warns, and down to which it must drain before it may warn again: the gap
/// between the two is its hysteresis.
///
/// ```
/// use fillgauge::Thresholds;
///
/// let early = Thresholds::new(60, 20)?;
/// assert_eq!(early.warn_depth(1_000), 600);
/// assert_eq!(early.rearm_depth(1_000), 209, "20.9 % are 20 whole percent");
/// # Ok::<(), fillgauge::ThresholdsError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Thresholds {
    warn_percent: usize,
    rearm_percent: usize,
}

impl Thresholds {
    /// [`WARN_FILL_PERCENT`] and [`REARM_FILL_PERCENT`].
    pub const DEFAULT: Self = Self {
        warn_percent: WARN_FILL_PERCENT,
        rearm_percent: REARM_FILL_PERCENT,
    };

    /// Warn at `warn_percent`, re-arm at `rearm_percent` of the capacity, both in whole percent.
    ///
    /// # Errors
    ///
    /// [`ThresholdsError`] unless `rearm_percent < warn_percent <= 100`.
    pub const fn new(warn_percent: usize, rearm_percent: usize) -> Result<Self, ThresholdsError> {
        if warn_percent > 100 {
            Err(ThresholdsError::WarnAbove100 { warn_percent })
        } else if rearm_percent >= warn_percent {
            Err(ThresholdsError::RearmNotBelowWarn {
                warn_percent,
                rearm_percent,
            })
        } else {
            Ok(Self {
                warn_percent,
                rearm_percent,
            })
        }
    }

    /// The fill that warns, in percent.
    pub const fn warn_percent(self) -> usize {
        self.warn_percent
    }

    /// The fill that re-arms, in percent.
    pub const fn rearm_percent(self) -> usize {
        self.rearm_percent
    }

    /// The least depth that warns: the first whose fill is `warn_percent` or more. For capacity 0,
    /// which means unbounded, `usize::MAX`: no gauge without a bound gets there.
    pub const fn warn_depth(self, capacity: usize) -> usize {
        match capacity {
            0 => usize::MAX,
            _ => depth_at(self.warn_percent, capacity),
        }
    }

    /// The greatest depth that re-arms: the last whose fill, in whole percent, is `rearm_percent`
    /// or less. It is always below [`warn_depth`](Self::warn_depth).
    pub const fn rearm_depth(self, capacity: usize) -> usize {
        depth_at(self.rearm_percent.wrapping_add(1), capacity).saturating_sub(1)
    }
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The depths at which an alarm changes its state.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TripPoints {
    /// 0 for unbounded, and for a bound of 0.
    pub(crate) capacity: usize,
    /// `usize::MAX`, which no depth reaches, for these two.
    pub(crate) warn_depth: usize,
    /// Below the warn point. `usize::MAX - 1`, which no depth reaches, for unbounded.
    pub(crate) rearm_depth: usize,
}

impl TripPoints {
    /// Those of a bound.
    #[inline]
    pub(crate) const fn of(capacity: usize, thresholds: Thresholds) -> Self {
        Self {
            capacity,
            warn_depth: thresholds.warn_depth(capacity),
            rearm_depth: thresholds.rearm_depth(capacity),
        }
    }

    /// Those without a bound.
    pub(crate) const NONE: Self = Self {
        capacity: 0,
        warn_depth: usize::MAX,
        rearm_depth: usize::MAX - 1,
    };

    /// Points that are stored one after the other may not belong together while they change.
    #[inline]
    pub(crate) const fn are_consistent(self) -> bool {
        self.rearm_depth < self.warn_depth
    }
}

/// What the points of a capacity follow from: [`Thresholds`], and what capacity 0 means. It has so
/// few bits that one store changes all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PointRules(usize);

impl PointRules {
    /// The bits of a percentage.
    const PERCENT: usize = 0x7f;
    /// Where the percentage begins that re-arms. The other one begins at 0.
    const REARM: u32 = 7;
    /// Capacity 0 is a bound. Otherwise it means that there is none.
    const ZERO_IS_BOUND: usize = 1 << 14;

    pub(crate) const fn new(thresholds: Thresholds, zero_is_bound: bool) -> Self {
        let rules = if zero_is_bound {
            Self::ZERO_IS_BOUND
        } else {
            0
        };
        Self(rules).with_thresholds(thresholds)
    }

    /// All bits that are used.
    pub(crate) const MASK: usize = (1 << 15) - 1;

    /// Those in the lowest bits of a word.
    pub(crate) const fn from_word(word: usize) -> Self {
        Self(word & Self::MASK)
    }

    pub(crate) const fn to_word(self) -> usize {
        self.0
    }

    pub(crate) const fn with_thresholds(self, thresholds: Thresholds) -> Self {
        let rules = self.0 & Self::ZERO_IS_BOUND;
        let Thresholds {
            warn_percent,
            rearm_percent,
        } = thresholds;
        Self(rules | warn_percent | rearm_percent << Self::REARM)
    }

    pub(crate) const fn thresholds(self) -> Thresholds {
        Thresholds {
            warn_percent: self.0 & Self::PERCENT,
            rearm_percent: self.0 >> Self::REARM & Self::PERCENT,
        }
    }

    /// Whether there is no bound at this capacity.
    pub(crate) const fn is_unbounded(self, capacity: usize) -> bool {
        capacity == 0 && self.0 & Self::ZERO_IS_BOUND == 0
    }

    pub(crate) const fn points(self, capacity: usize) -> TripPoints {
        if self.is_unbounded(capacity) {
            TripPoints::NONE
        } else {
            TripPoints::of(capacity, self.thresholds())
        }
    }
}

/// Why [`Thresholds::new`] refused.
///
/// ```
/// use fillgauge::Thresholds;
///
/// let error = Thresholds::new(50, 80).unwrap_err();
/// assert_eq!(error.to_string(), "re-arm threshold of 80 % is not below the warn threshold of 50 %");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ThresholdsError {
    /// The gauge could never warn before it overflows.
    WarnAbove100 {
        /// The refused fill, in percent.
        warn_percent: usize,
    },
    /// Without a gap there is no hysteresis: the gauge would flap.
    RearmNotBelowWarn {
        /// The refused fill that warns, in percent.
        warn_percent: usize,
        /// The refused fill that re-arms, in percent.
        rearm_percent: usize,
    },
}

impl fmt::Display for ThresholdsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarnAbove100 { warn_percent } => {
                write!(f, "warn threshold of {warn_percent} % is above 100 %")
            }
            Self::RearmNotBelowWarn {
                warn_percent,
                rearm_percent,
            } => write!(
                f,
                "re-arm threshold of {rearm_percent} % is not below the warn threshold of {warn_percent} %"
            ),
        }
    }
}

impl core::error::Error for ThresholdsError {}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    mod word16 {
        percent_arithmetic!(u16);
    }
    mod word32 {
        percent_arithmetic!(u32);
    }

    fn wide_depth_at(percent: u128, capacity: u128) -> u128 {
        (percent * capacity).div_ceil(100)
    }

    fn wide_fill_percent(depth: u128, capacity: u128, greatest: u128) -> u128 {
        (100 * depth)
            .checked_div(capacity)
            .unwrap_or(0)
            .min(greatest)
    }

    /// Checks every function at one depth of one capacity against wide integers, for one type of
    /// word.
    macro_rules! check {
        ($arithmetic:path, $word:ty, $depth:expr, $capacity:expr) => {{
            use $arithmetic as arithmetic;
            let (depth, capacity): ($word, $word) = ($depth, $capacity);
            assert_eq!(
                arithmetic::fill_percent(depth, capacity) as u128,
                wide_fill_percent(depth.into(), capacity.into(), <$word>::MAX.into()),
                "fill of {depth} in {capacity}"
            );
            for percent in 0..=100 {
                assert_eq!(
                    arithmetic::depth_at(percent, capacity) as u128,
                    wide_depth_at(percent.into(), capacity.into()),
                    "{percent} % of {capacity}"
                );
            }
        }};
    }

    mod word64 {
        percent_arithmetic!(u64);
    }

    #[test]
    fn small_capacities_are_exact_at_every_depth() {
        for capacity in 0..=300 {
            for depth in 0..=2 * capacity {
                check!(word64, u64, depth, capacity);
                check!(word32, u32, depth as u32, capacity as u32);
                check!(word16, u16, depth as u16, capacity as u16);
            }
        }
    }

    #[test]
    fn every_capacity_of_a_16_bit_target_is_exact_around_each_percentage() {
        for capacity in 1..=u16::MAX {
            for percent in 0..=100_u16 {
                let edge = wide_depth_at(percent.into(), capacity.into()) as u16;
                for depth in edge.saturating_sub(1)..=edge.saturating_add(1) {
                    assert_eq!(
                        u128::from(word16::fill_percent(depth, capacity)),
                        wide_fill_percent(depth.into(), capacity.into(), u16::MAX.into()),
                        "fill of {depth} in {capacity}"
                    );
                }
            }
        }
    }

    proptest! {
        #[test]
        fn any_word_is_exact(depth: u64, capacity: u64, shift in 0..64) {
            check!(word64, u64, depth, capacity);
            check!(word64, u64, depth, capacity >> shift);
            check!(word64, u64, depth >> shift, u64::MAX - (capacity >> shift));
            check!(word32, u32, depth as u32, capacity as u32);
            check!(word32, u32, depth as u32, u32::MAX - ((capacity >> shift) as u32));
            check!(word16, u16, depth as u16, capacity as u16);
        }

        /// The points as depths say the same as the percentage compared with the thresholds.
        #[test]
        fn points_and_percentages_agree(
            capacity in 1..=usize::MAX,
            (warn, rearm) in (1..=100_usize).prop_flat_map(|warn| (Just(warn), 0..warn)),
            near in -2..=2_isize,
        ) {
            let thresholds = Thresholds::new(warn, rearm).unwrap();
            let warn_depth = thresholds.warn_depth(capacity);
            let rearm_depth = thresholds.rearm_depth(capacity);
            prop_assert!(rearm_depth < warn_depth && warn_depth <= capacity);
            for point in [warn_depth, rearm_depth] {
                let depth = point.saturating_add_signed(near);
                let fill = fill_percent(depth, capacity);
                prop_assert_eq!(depth >= warn_depth, fill >= warn);
                prop_assert_eq!(depth <= rearm_depth, fill <= rearm);
            }
        }
    }

    /// A product of depth and 100 in 32 bits saturates above 42,949,672; compared with a capacity
    /// above 53,687,091 the saturated product stays below 80 %, and a gauge that computes it so
    /// never warns.
    #[test]
    fn byte_limits_above_53_million_reach_80_percent_in_32_bits() {
        for capacity in [53_687_091, 53_687_092, 100_000_000, u32::MAX] {
            let warn_depth = word32::depth_at(80, capacity);
            assert_eq!(word32::fill_percent(warn_depth - 1, capacity), 79);
            assert_eq!(word32::fill_percent(warn_depth, capacity), 80);
            assert_eq!(word32::fill_percent(capacity, capacity), 100);
        }
    }

    #[test]
    fn no_bound_is_never_reached() {
        assert_eq!(fill_percent(usize::MAX, 0), 0);
        assert_eq!(Thresholds::DEFAULT.warn_depth(0), usize::MAX);
    }

    #[test]
    fn thresholds_without_a_gap_are_refused() {
        assert_eq!(
            Thresholds::new(101, 50),
            Err(ThresholdsError::WarnAbove100 { warn_percent: 101 })
        );
        for (warn_percent, rearm_percent) in [(0, 0), (80, 80), (50, 80), (100, usize::MAX)] {
            let refused = ThresholdsError::RearmNotBelowWarn {
                warn_percent,
                rearm_percent,
            };
            assert_eq!(Thresholds::new(warn_percent, rearm_percent), Err(refused));
        }
        for (warn_percent, rearm_percent) in [(1, 0), (100, 99), (80, 50)] {
            assert!(Thresholds::new(warn_percent, rearm_percent).is_ok());
        }
    }
}
