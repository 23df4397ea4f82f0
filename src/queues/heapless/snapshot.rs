//! Snapshots without a heap.

use core::fmt;

use ::heapless::Vec;

use crate::registry::QueueRegistry;
use crate::snapshot::QueueSnapshot;

/// Adds the figures of every live gauge of `registry`, presets first, to `figures`. To replace what
/// is there, clear it.
///
/// Wait-free, see [`QueueRegistry::snapshot`].
///
/// # Errors
///
/// [`SnapshotTruncated`] if there are more gauges than `figures` has room for; those that have room
/// are there.
///
/// ```
/// use fillgauge::{Gauge, Limit, QueueRegistry, QueueSnapshot, presets};
/// use heapless::Vec;
///
/// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 8);
/// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 8);
/// static GAUGES: QueueRegistry<0> = QueueRegistry::new().with_presets(presets![TX, RX]);
///
/// let mut figures: Vec<QueueSnapshot, 4> = Vec::new();
/// fillgauge::queues::heapless::snapshot(&GAUGES, &mut figures)?;
/// assert_eq!(figures[1].name.as_str(), "rx");
///
/// let mut first: Vec<QueueSnapshot, 1> = Vec::new();
/// let cut = fillgauge::queues::heapless::snapshot(&GAUGES, &mut first).unwrap_err();
/// assert_eq!(cut.to_string(), "no room for 1 of 2 gauges");
/// # Ok::<(), fillgauge::queues::heapless::SnapshotTruncated>(())
/// ```
pub fn snapshot<const N: usize, const M: usize>(
    registry: &QueueRegistry<N>,
    figures: &mut Vec<QueueSnapshot, M>,
) -> Result<(), SnapshotTruncated> {
    let (mut gauges, mut omitted): (usize, usize) = (0, 0);
    for gauge in registry.snapshot() {
        gauges = gauges.saturating_add(1);
        if figures.push(gauge).is_err() {
            omitted = omitted.saturating_add(1);
        }
    }
    if omitted == 0 {
        Ok(())
    } else {
        Err(SnapshotTruncated { omitted, gauges })
    }
}

/// A [`snapshot`] had more gauges than room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct SnapshotTruncated {
    omitted: usize,
    gauges: usize,
}

impl SnapshotTruncated {
    /// How many gauges were left out.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry};
    /// # use heapless::Vec;
    /// static GAUGES: QueueRegistry<1> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// let _frames = GAUGES.register(&FRAMES, 8)?;
    /// let mut none: Vec<_, 0> = Vec::new();
    /// let cut = fillgauge::queues::heapless::snapshot(&GAUGES, &mut none).unwrap_err();
    /// assert_eq!(cut.omitted(), 1);
    /// # Ok::<(), fillgauge::RegistryFull>(())
    /// ```
    pub const fn omitted(&self) -> usize {
        self.omitted
    }
}

impl fmt::Display for SnapshotTruncated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { omitted, gauges } = self;
        write!(f, "no room for {omitted} of {gauges} gauges")
    }
}

impl core::error::Error for SnapshotTruncated {}
