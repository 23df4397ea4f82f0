//! A fixed number of slots for gauges that come and go.

// How the promises of a registry are kept.
//
//     register   FreeList::take ──► Gauge::activate ──► a handle, handles = 1
//     clone      handles + 1
//     drop       handles - 1; the last: Gauge::deactivate ──► FreeList::give_back
//
// - One owner. `FreeList` is a Treiber stack of slots that were given back, and behind it an index
//   of slots that were never used. Each is popped by compare-and-swap, so one thread gets it. The
//   tag of `TaggedIndex` prevents ABA.
// - Given back once, by the one drop whose subtraction leaves no handle. A clone is made of a
//   handle, so the count does not come back from 0.
// - From zero. What a registration recorded comes before its handle's subtraction, a release. The
//   last subtraction acquires all others, and comes before the release in `give_back`. The acquire
//   in `FreeList::pop` pairs with that, and `Gauge::activate` resets the slot afterwards.
// - Snapshots have no handle. `Alarm::read_if_live` says why they show no mix of two registrations.
//   Slots do not move and are visited once, so a gauge that is live throughout is shown once.

mod free_list;
mod handle;
mod preset;
mod reading;

use core::fmt;

pub use handle::{BudgetHandle, QueueGauge};
pub use preset::Preset;
pub use reading::{Places, Snapshots};

use free_list::{FreeList, MAX_SLOTS, Slot};
use handle::Handle;

use crate::alarm::MAX_INSTANCE;
use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::snapshot::QueueSnapshot;
use crate::sync::{AtomicUsize, Ordering, const_array, const_fn};

/// A registry of at most `N` gauges at a time, besides its presets, in memory of its own: no heap.
///
/// An empty registry is all zero, so that a `static` of any size lies in `.bss` and takes no room
/// in the program image. A sink or presets change that for the whole static: give those to a small
/// registry, and many slots to one without.
///
/// # What is promised
///
/// Ownership and snapshots, see [the guarantees](crate::guarantees).
///
/// ```
/// use fillgauge::{Gauge, GaugeConfig, Limit, QueueRegistry, presets};
///
/// static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64);
/// static SESSION: Limit = Limit::queue("session_frames");
/// static REGISTRY: QueueRegistry<8> = QueueRegistry::new().with_presets(presets![UART_RX]);
///
/// let session = REGISTRY.register_with(GaugeConfig::for_queue(&SESSION, 16))?;
/// session.record_enqueue();
/// UART_RX.record_enqueue(); // as an interrupt handler would: no registration at run time
///
/// let depths: Vec<_> = REGISTRY.snapshot().map(|gauge| (gauge.name.as_str(), gauge.depth)).collect();
/// assert_eq!(depths, [("uart_rx", 1), ("session_frames", 1)]);
///
/// drop(session);
/// assert_eq!(REGISTRY.snapshot().count(), 1);
/// # Ok::<(), fillgauge::RegistryFull>(())
/// ```
pub struct QueueRegistry<const N: usize> {
    free: FreeList,
    /// The serial number of the latest registration.
    registered: AtomicUsize,
    /// Registrations for which there was no slot.
    refused: AtomicUsize,
    /// An option, because even an empty slice is not all zero.
    presets: Option<&'static [Preset]>,
    slots: [Slot; N],
}

impl<const N: usize> QueueRegistry<N> {
    const_fn! {
        /// An empty registry.
        pub const fn new() -> Self {
            const { assert!(N <= MAX_SLOTS, "too many slots for this width of usize") };
            Self {
                free: FreeList::new(),
                registered: AtomicUsize::new(0),
                refused: AtomicUsize::new(0),
                presets: None,
                slots: const_array![Slot::new(); N],
            }
        }
    }

    /// What is known at compile time: statics of their own, which any code may use with no
    /// registration. The registry's snapshots begin with them. See [`presets!`](crate::presets).
    ///
    /// ```
    /// # use fillgauge::{Gauge, Limit, QueueRegistry, presets};
    /// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 64);
    /// static REGISTRY: QueueRegistry<0> = QueueRegistry::new().with_presets(presets![RX]);
    ///
    /// assert_eq!(REGISTRY.snapshot().count(), 1);
    /// ```
    #[must_use]
    pub const fn with_presets(mut self, presets: &'static [Preset]) -> Self {
        self.presets = Some(presets);
        self
    }

    /// The receiver of the events of the gauges that will be registered. Presets have their own,
    /// see [`Gauge::with_sink`](crate::Gauge::with_sink).
    ///
    /// ```
    /// # use fillgauge::{Limit, LimitEvent, LimitSink, QueueRegistry};
    /// struct Lamp;
    ///
    /// impl LimitSink for Lamp {
    ///     fn on_event(&self, event: &LimitEvent) {
    ///         // on if it is `NearCapacity`, off if it is `Recovered`
    ///     }
    /// }
    ///
    /// static REGISTRY: QueueRegistry<8> = QueueRegistry::new().with_sink(&Lamp);
    /// ```
    #[must_use]
    pub const fn with_sink(mut self, sink: &'static dyn LimitSink) -> Self {
        let mut slots: &mut [Slot] = &mut self.slots;
        while let [slot, rest @ ..] = slots {
            slot.gauge.set_sink(sink);
            slots = rest;
        }
        self
    }

    /// Registers a gauge of `limit` with `capacity`, as of [`Gauge::new`](crate::Gauge::new). For a
    /// queue that is counted, use [`register_with`](Self::register_with) and
    /// [`GaugeConfig::for_queue`]. Dropping the handle and all its clones gives the slot back.
    ///
    /// Lock-free and in constant time: it tries again only when another registration or release
    /// came between. An interrupt handler may call it.
    ///
    /// # Errors
    ///
    /// [`RegistryFull`] if all slots are taken.
    pub fn register(
        &'static self,
        limit: &'static Limit,
        capacity: usize,
    ) -> Result<QueueGauge, RegistryFull> {
        self.register_with(GaugeConfig::new(limit, capacity))
    }

    /// [`register`](Self::register) with settings of its own.
    ///
    /// # Errors
    ///
    /// [`RegistryFull`] if all slots are taken.
    ///
    /// ```
    /// # use fillgauge::{GaugeConfig, Limit, QueueRegistry, Thresholds};
    /// static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// let early = Thresholds::new(60, 20)?;
    /// let frames = REGISTRY.register_with(GaugeConfig::for_queue(&FRAMES, 10).thresholds(early))?;
    /// frames.record_enqueue_n(6);
    /// assert!(frames.has_warned());
    ///
    /// let refused = REGISTRY.register(&FRAMES, 10).unwrap_err();
    /// assert_eq!(refused.to_string(), "registry full: cannot register `frames` (1 of 1 slots in use)");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn register_with(&'static self, config: GaugeConfig) -> Result<QueueGauge, RegistryFull> {
        self.claim(config).map(QueueGauge)
    }

    /// Registers a budget of `limit` with `capacity`, as of [`Budget::new`](crate::Budget::new).
    /// Dropping the handle and all its clones gives the slot back. Lock-free and in constant time,
    /// as [`register`](Self::register).
    ///
    /// # Errors
    ///
    /// [`RegistryFull`] if all slots are taken.
    pub fn register_budget(
        &'static self,
        limit: &'static Limit,
        capacity: usize,
    ) -> Result<BudgetHandle, RegistryFull> {
        let config = GaugeConfig::new(limit, capacity).enforced();
        self.claim(config).map(BudgetHandle)
    }

    fn claim(&'static self, config: GaugeConfig) -> Result<Handle, RegistryFull> {
        let claimed = self.free.take(&self.slots);
        let Some((index, slot)) = claimed else {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Err(RegistryFull {
                limit: config.limit,
                slots: N,
            });
        };
        slot.handles_or_next.store(1, Ordering::Relaxed);
        slot.gauge.activate(config, self.next_instance());
        Ok(Handle::new(slot, &self.free, index))
    }

    /// The figures of every live gauge, presets first, read one by one as the iterator goes.
    ///
    /// No allocation and no lock: each step is wait-free, and an interrupt handler may take them. A
    /// gauge that is there from the beginning of the iteration to its end is shown once; an entry
    /// is never a mix of two registrations.
    pub fn snapshot(&self) -> Snapshots<'_> {
        Snapshots(self.places())
    }

    /// What is at each place: first the presets, then the slots. There are as many as both
    /// together. Otherwise as [`snapshot`](Self::snapshot).
    ///
    /// A gauge stays at its place. So a display has a line for each.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry};
    /// static REGISTRY: QueueRegistry<4> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// let _frames = REGISTRY.register(&FRAMES, 8)?;
    /// assert_eq!(REGISTRY.places().len(), 4);
    /// assert_eq!(REGISTRY.places().flatten().count(), 1);
    /// # Ok::<(), fillgauge::RegistryFull>(())
    /// ```
    pub fn places(&self) -> Places<'_> {
        Places {
            presets: self.presets.unwrap_or_default().iter(),
            slots: self.slots.iter(),
        }
    }

    /// What is at the place `index` of [`places`](Self::places): for a main loop that looks at one
    /// at a time. `None` if no gauge is there. Wait-free, also in an interrupt handler.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry};
    /// static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// let frames = REGISTRY.register(&FRAMES, 8)?;
    /// assert_eq!(REGISTRY.get(0).unwrap().capacity, 8);
    /// assert!(REGISTRY.get(1).is_none());
    /// drop(frames);
    /// assert!(REGISTRY.get(0).is_none());
    /// # Ok::<(), fillgauge::RegistryFull>(())
    /// ```
    pub fn get(&self, index: usize) -> Option<QueueSnapshot> {
        let presets = self.presets.unwrap_or_default();
        match index.checked_sub(presets.len()) {
            None => presets.get(index).map(Preset::snapshot),
            Some(slot) => self.slots.get(slot)?.snapshot_if_live(),
        }
    }

    /// How many gauges can be registered at a time.
    ///
    /// ```
    /// # use fillgauge::QueueRegistry;
    /// static REGISTRY: QueueRegistry<8> = QueueRegistry::new();
    ///
    /// assert_eq!(REGISTRY.slots(), 8);
    /// ```
    pub const fn slots(&self) -> usize {
        N
    }

    /// Registrations that were refused so far, because all slots were taken. It never steps back;
    /// it wraps.
    ///
    /// ```
    /// # use fillgauge::{Limit, QueueRegistry};
    /// static REGISTRY: QueueRegistry<0> = QueueRegistry::new();
    /// static FRAMES: Limit = Limit::queue("frames");
    ///
    /// assert!(REGISTRY.register(&FRAMES, 8).is_err());
    /// assert_eq!(REGISTRY.refused(), 1);
    /// ```
    pub fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    fn next_instance(&self) -> usize {
        loop {
            let instance = self
                .registered
                .fetch_add(1, Ordering::Relaxed)
                .wrapping_add(1)
                & MAX_INSTANCE;
            // 0 means a free slot; the count passes it when it wraps.
            if instance != 0 {
                return instance;
            }
        }
    }
}

impl<const N: usize> Default for QueueRegistry<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> fmt::Debug for QueueRegistry<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        struct Live<'a, const N: usize>(&'a QueueRegistry<N>);
        impl<const N: usize> fmt::Debug for Live<'_, N> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_list().entries(self.0.snapshot()).finish()
            }
        }
        f.debug_struct("QueueRegistry")
            .field("slots", &N)
            .field("live", &Live(self))
            .finish()
    }
}

/// All slots of a registry are taken; what was to be registered was not.
///
/// ```
/// # use fillgauge::{Limit, QueueRegistry};
/// static REGISTRY: QueueRegistry<1> = QueueRegistry::new();
/// static FRAMES: Limit = Limit::queue("frames");
///
/// let _first = REGISTRY.register(&FRAMES, 10)?;
/// let full = REGISTRY.register(&FRAMES, 10).unwrap_err();
/// assert_eq!((full.limit(), full.slots()), (&FRAMES, 1));
/// # Ok::<(), fillgauge::RegistryFull>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct RegistryFull {
    limit: &'static Limit,
    slots: usize,
}

impl RegistryFull {
    /// What was to be registered.
    pub const fn limit(&self) -> &'static Limit {
        self.limit
    }

    /// How many slots the registry has.
    pub const fn slots(&self) -> usize {
        self.slots
    }
}

impl fmt::Display for RegistryFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { limit, slots } = self;
        write!(
            f,
            "registry full: cannot register `{limit}` ({slots} of {slots} slots in use)"
        )
    }
}

impl core::error::Error for RegistryFull {}
