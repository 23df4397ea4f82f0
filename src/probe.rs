//! The probe: the depth of a queue that knows its own length.
//!
//! # The words
//!
//! ```text
//! alarm       state · window_mark · earlier_mark · refused · capacity · warn_depth · rearm_depth ·
//!             ..
//! last        the depth of the last check
//! the queue   its own words, which this crate does not know
//! ```
//!
//! # Who checks
//!
//! | what changed last | who checks afterwards |
//! |---|---|
//! | the queue | the thread that changed it, by [`Probe::check`] or a variant of it |
//!
//! # Why no edge is lost
//!
//! The state and the words of the queue are store buffering: a thread changes the queue and then
//! loads the state, and another one changes the state and then reads the queue. One of the two must
//! see what the other did. A SeqCst fence stands between the two accesses of each:
//!
//! ```text
//! thread A                            thread B
//! the queue's operation               compare-and-swap of the state, in `Alarm::check`
//! fence, in `Probe::check`            fence, in `Probing::read`
//! load of the state                   the next reading of the length
//! ```
//!
//! The operation of B is a read-modify-write. That of A is one too, if the wrapper says so: then
//! either fence is only held by the compiler on x86-64, see `sync::fence_after_rmw`.
//!
//! Either A loads the new state, and finds the edge that is due in it. Or B reads what A did, since
//! it reads once more after each edge.

use core::fmt;

use crate::alarm::delivery::{Caller, Deliver, Renew, StaticSink};
use crate::alarm::state::AlarmState;
use crate::alarm::{Alarm, DepthSource, Reading};
use crate::config::GaugeConfig;
use crate::event::LimitSink;
use crate::limit::Limit;
use crate::snapshot::QueueSnapshot;
use crate::sync::{Ordering, RelaxedUsize, const_fn, fence, fence_after_rmw};
use crate::thresholds::{Thresholds, fill_percent};

/// The alarm of a queue that knows its own length. A wrapper of such a queue checks after each
/// operation.
///
/// Nothing is counted, so nothing drifts. The probe has no totals.
///
/// ```
/// use std::sync::Mutex;
/// use fillgauge::{Limit, Probe};
///
/// static RETRIES: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// static PROBE: Probe = Probe::new(&Limit::queue("retries"), 5);
///
/// fn push(retry: u32) {
///     RETRIES.lock().unwrap().push(retry);
///     PROBE.check(|| RETRIES.lock().unwrap().len());
/// }
///
/// (0..4).for_each(push);
/// assert!(PROBE.has_warned(), "4 of 5 are 80 %");
/// ```
///
/// # Progress and interrupts
///
/// A check is lock-free, apart from the closure and the sink. It reads the length once, and once
/// more for each edge. An interrupt handler may check, if the closure and the sink may run there.
/// What the probe reads is wait-free.
///
/// # What is promised
///
/// Promises 1 to 3 and 5 of [the guarantees](crate::guarantees), for what goes through the wrapper.
/// What goes past it is found by the next check.
#[repr(C)]
pub struct Probe<D = StaticSink> {
    alarm: Alarm<D>,
    last: RelaxedUsize,
}

/// Probes whose events go to a static [`LimitSink`], or nowhere.
impl Probe {
    const_fn! {
        /// The probe of a queue or limit of `capacity`. Capacity 0 means unbounded: no event ever
        /// comes.
        pub const fn new(limit: &'static Limit, capacity: usize) -> Self {
            Self::with_config(GaugeConfig::new(limit, capacity))
        }
    }

    const_fn! {
        /// A probe with settings of its own.
        pub const fn with_config<S>(config: GaugeConfig<S>) -> Self {
            let (config, sink) = config.into_parts();
            Self::with_delivery(config, StaticSink::new(sink))
        }
    }

    /// The same probe with a receiver of its events; see [`LimitSink`] for an example.
    #[must_use]
    pub const fn with_sink(mut self, sink: &'static dyn LimitSink) -> Self {
        self.alarm.set_sink(sink);
        self
    }
}

/// Probes that deliver in any way.
impl<D> Probe<D> {
    const_fn! {
        /// A probe whose events go through `deliver`: for a crate that delivers them on threads of
        /// its own. See [`Deliver`].
        pub const fn with_delivery(config: GaugeConfig, deliver: D) -> Self {
            Self {
                alarm: Alarm::new(config.uncounted(), deliver),
                last: RelaxedUsize::new(0),
            }
        }
    }

    /// What delivers the events of the probe.
    pub const fn delivery(&self) -> &D {
        self.alarm.delivery()
    }
}

impl<D: Deliver> Probe<D> {
    /// Checks after an operation on the queue. `length` reads how much is in it at one instant of
    /// its call, by loads that are at least acquire. It also delivers an event that was [left
    /// pending](crate::Delivery::leave_pending).
    #[inline]
    pub fn check(&self, length: impl Fn() -> usize) {
        fence(Ordering::SeqCst);
        self.check_after_fence(length, Caller::Delivers);
    }

    /// The same after an operation that must not be held up by what receives events, as
    /// [`Gauge::deferred`](crate::Gauge::deferred): what takes out of a queue, and a destructor.
    #[inline]
    pub fn check_deferred(&self, length: impl Fn() -> usize) {
        fence(Ordering::SeqCst);
        self.check_after_fence(length, Caller::Defers);
    }

    /// [`check`](Self::check) after an operation whose last change of what `length` reads was an
    /// atomic read-modify-write of this thread: a swap, an addition, or a compare-and-swap that
    /// succeeded. It is quicker on x86-64, and the same elsewhere.
    ///
    /// The compare-and-swap of a bounded queue that moves its tail is one. The store that follows,
    /// and publishes the item, is not read by the length.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    /// use fillgauge::{Limit, Probe};
    ///
    /// static USERS: AtomicUsize = AtomicUsize::new(0);
    /// static PROBE: Probe = Probe::new(&Limit::resource("users"), 5);
    ///
    /// for _ in 0..4 {
    ///     USERS.fetch_add(1, Ordering::AcqRel);
    ///     PROBE.check_after_rmw(|| USERS.load(Ordering::Acquire));
    /// }
    /// assert!(PROBE.has_warned());
    /// ```
    #[inline]
    pub fn check_after_rmw(&self, length: impl Fn() -> usize) {
        fence_after_rmw();
        self.check_after_fence(length, Caller::Delivers);
    }

    /// [`check_deferred`](Self::check_deferred) after an operation as
    /// [`check_after_rmw`](Self::check_after_rmw) describes it.
    #[inline]
    pub fn check_deferred_after_rmw(&self, length: impl Fn() -> usize) {
        fence_after_rmw();
        self.check_after_fence(length, Caller::Defers);
    }

    /// The fence stands between the operation on the queue and the load of the state. It pairs with
    /// that in `Probing::read`.
    #[inline]
    fn check_after_fence(&self, length: impl Fn() -> usize, caller: Caller) {
        let state = self.alarm.state_after_fence();
        let depth = length();
        self.last.set(depth);
        self.alarm.raise_mark_if_new(depth);
        if self.alarm.must_check(state, depth, caller) {
            let probing = Probing {
                probe: self,
                length,
            };
            self.alarm.check(&probing, caller);
        }
    }

    /// Records that `n` requests were refused, see
    /// [`Gauge::record_refused`](crate::Gauge::record_refused).
    #[inline]
    pub fn record_refused(&self, n: usize) {
        self.alarm.add_refused(n);
    }

    /// Ends the window, and returns the greatest length since the one before ended that a check has
    /// read, see [`Gauge::take_window_peak`](crate::Gauge::take_window_peak).
    pub fn take_window_peak(&self, length: impl Fn() -> usize) -> usize {
        self.alarm.take_window(|| {
            // Between the mark and the reading of the length, as in `Probing::read`.
            fence_after_rmw();
            length()
        })
    }

    /// Changes the capacity without a check: a check has to follow. For a wrapper whose capacity
    /// and length change together.
    pub fn store_capacity(&self, capacity: usize) {
        self.alarm.set_capacity(capacity);
    }

    /// Changes the capacity, and checks. See [`Gauge::set_capacity`](crate::Gauge::set_capacity).
    pub fn set_capacity(&self, capacity: usize, length: impl Fn() -> usize) {
        self.alarm.set_capacity(capacity);
        self.check(length);
    }

    /// Changes the thresholds, and checks. See
    /// [`Gauge::set_thresholds`](crate::Gauge::set_thresholds).
    pub fn set_thresholds(&self, thresholds: Thresholds, length: impl Fn() -> usize) {
        self.alarm.set_thresholds(thresholds);
        self.check(length);
    }

    /// Delivers the event that was [left pending](crate::Delivery::leave_pending), if there is one,
    /// and whatever is due afterwards, on this thread.
    ///
    /// Lock-free, but for the closure and what receives the events.
    pub fn deliver_pending(&self, length: impl Fn() -> usize) {
        let probing = Probing {
            probe: self,
            length,
        };
        self.alarm.check(&probing, Caller::Delivers);
    }
}

/// Probes in the slots of a registry that makes others of them.
impl<D: Renew> Probe<D> {
    /// Makes another probe of this one, with an [instance number](Self::instance): for a registry
    /// whose slots are used again. Wait-free.
    ///
    /// Nobody else may use it meanwhile. So it takes the right to do so, which the registry alone
    /// has.
    #[inline]
    pub fn renew(&self, _right: &D::Right, config: GaugeConfig, instance: usize) {
        self.last.set(0);
        self.alarm.activate(&config.uncounted(), instance);
    }
}

/// A queue, as a check reads it.
struct Probing<'probe, D, F> {
    probe: &'probe Probe<D>,
    length: F,
}

impl<D, F: Fn() -> usize> DepthSource for Probing<'_, D, F> {
    #[inline]
    fn read(&self, _state: AlarmState) -> Option<Reading> {
        // Between the compare-and-swap of the state and the reading after it. Pairs with the fence
        // before `Probe::check_after_fence`. The first reading of a check comes after that fence.
        fence_after_rmw();
        let depth = (self.length)();
        self.probe.last.set(depth);
        self.probe.alarm.raise_mark_if_new(depth);
        Some(Reading {
            depth,
            totals: None,
        })
    }

    /// That of the last reading: a sink is being delivered to, and `length` might panic.
    fn depth(&self) -> usize {
        self.probe.depth()
    }
}

/// What the probe reads.
impl<D> Probe<D> {
    /// The depth that the last check has read. If checks overlapped, it may be that of an earlier
    /// one of them, until the next check.
    #[doc(alias = "len")]
    #[inline]
    pub fn depth(&self) -> usize {
        self.last.get()
    }

    /// The greatest depth so far that a check has read.
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

    /// The bound; 0 is unbounded.
    #[inline]
    pub fn capacity(&self) -> usize {
        self.alarm.capacity()
    }

    /// At which fill the probe warns, and is armed again.
    pub fn thresholds(&self) -> Thresholds {
        self.alarm.rules().thresholds()
    }

    /// `floor(100 * depth / capacity)`, exact; it may be above 100. 0 for capacity 0.
    #[doc(alias = "utilization")]
    pub fn fill_percent(&self) -> usize {
        fill_percent(self.depth(), self.capacity())
    }

    /// Whether the probe has warned and not yet recovered.
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

    /// What the probe is of.
    pub fn limit(&self) -> &'static Limit {
        self.alarm.limit()
    }

    /// The serial number of the registration in its registry, from 1; 0 for a probe that is a
    /// static of its own. See [`Gauge::instance`](crate::Gauge::instance).
    pub fn instance(&self) -> usize {
        self.alarm.instance()
    }

    /// All figures of the probe, with the depth of the last check. It has no totals.
    pub fn snapshot(&self) -> QueueSnapshot {
        let reading = Reading {
            depth: self.depth(),
            totals: None,
        };
        let alarm = &self.alarm;
        alarm.snapshot_from(alarm.state(), reading, alarm.capacity())
    }
}

impl<D> fmt::Debug for Probe<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("limit", self.limit())
            .field("depth", &self.depth())
            .field("high_water", &self.high_water())
            .field("capacity", &self.capacity())
            .finish_non_exhaustive()
    }
}

// A panicking sink or closure leaves the alarm right, and the next check checks what it missed.
impl<D: core::panic::UnwindSafe> core::panic::UnwindSafe for Probe<D> {}
impl<D: core::panic::RefUnwindSafe> core::panic::RefUnwindSafe for Probe<D> {}
