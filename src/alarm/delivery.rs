//! Who delivers an event: the thread that caused it, or another one later.

use core::cell::Cell;
use core::fmt;

use super::state::AlarmState;
use crate::event::{Edge, LimitEvent, LimitSink};
use crate::sync::SeqCstUsize;

/// Delivers the events of a [`Gauge`](crate::Gauge), or leaves them for another thread.
///
/// This is for a crate that has threads to deliver on. Everyone else implements [`LimitSink`],
/// whose events are delivered by the thread or interrupt handler that caused them.
///
/// # The life of an event
///
/// ```text
///            an operation crosses a threshold
///                          │
///                          ▼          leave_pending
///   no event ─────────► RUNNING ───────────────────────► PENDING
///       ▲                  │  ▲                              │
///       └──────────────────┘  └──────────────────────────────┘
///        the guard is dropped    an operation that may deliver, or deliver_pending
/// ```
///
/// A gauge has one event at a time. Until it has ended, the gauge crosses no other threshold. The
/// thread that ends it checks the gauge again, so the next event is never lost.
///
/// | state | what it means | what other operations do |
/// |---|---|---|
/// | RUNNING | A thread owns the event: it calls [`deliver`](Self::deliver) or [`deliver_pending`](Self::deliver_pending). | They leave it alone. |
/// | PENDING | Nobody owns the event. It has not been delivered. | One that may deliver takes it over; a [deferred](crate::Gauge::deferred) one leaves it alone. |
///
/// While an event is RUNNING or PENDING, an operation is in progress in the sense of the gauge's
/// promises. [`has_warned`](crate::Gauge::has_warned) and snapshots show the new state at once.
///
/// # What an implementation must do
///
/// - `deliver` runs the observers and drops the guard. If it must not run them on this thread, it
///   stores the event, calls [`Delivery::leave_pending`], and wakes a thread that calls
///   [`Gauge::deliver_pending`](crate::Gauge::deliver_pending). In this order, or that thread may
///   find nothing.
/// - `deliver_pending` takes the stored event, runs the observers, and drops the guard. It is
///   called once for each event that was left pending, and never at the same time as another call
///   of either method for the same gauge.
///
/// ```
/// use std::sync::Mutex;
/// use fillgauge::{Deliver, Delivery, Gauge, GaugeConfig, Limit, LimitEvent};
///
/// /// Keeps the event of a deferred operation.
/// #[derive(Default)]
/// struct Mailbox(Mutex<Option<LimitEvent>>);
///
/// impl Deliver for Mailbox {
///     fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>) {
///         if delivery.is_deferred() {
///             *self.0.lock().unwrap() = Some(*event);
///             delivery.leave_pending();
///         } else {
///             println!("{event:?}");
///         }
///     }
///
///     fn deliver_pending(&self, _delivery: Delivery<'_>) {
///         let event = self.0.lock().unwrap().take();
///         println!("{event:?}");
///     }
/// }
///
/// static JOBS: Limit = Limit::queue("jobs");
/// let gauge = Gauge::with_delivery(GaugeConfig::for_queue(&JOBS, 10), Mailbox::default());
///
/// gauge.record_enqueue_n(8); // prints the warning
/// gauge.deferred().record_dequeue_n(3); // prints nothing
/// assert!(gauge.has_pending_event() && !gauge.has_warned());
/// gauge.deliver_pending(); // prints the recovery
/// assert!(!gauge.has_pending_event());
/// ```
pub trait Deliver {
    /// Whether [`Delivery::leave_pending`] is ever called. If it is not, gauges do without what
    /// that takes.
    const LEAVES_PENDING: bool = true;

    /// Whether a thread may deliver that calls an operation which is not
    /// [deferred](crate::Gauge::deferred). An operation asks once, before it delivers anything.
    #[inline]
    fn may_deliver(&self) -> bool {
        true
    }

    /// Whether anybody wants the events of `edge`. If not, the gauge crosses the threshold without
    /// one.
    #[inline]
    fn wants(&self, edge: Edge) -> bool {
        let _ = edge;
        true
    }

    /// Delivers `event`, or stores it and leaves it pending.
    fn deliver(&self, event: &LimitEvent, delivery: Delivery<'_>);

    /// Delivers the event that was stored. By default there is none.
    #[inline]
    fn deliver_pending(&self, delivery: Delivery<'_>) {
        drop(delivery);
    }
}

/// What delivers for gauges and budgets in slots that are used again, see
/// [`Gauge::renew`](crate::Gauge::renew).
pub trait Renew: Deliver {
    /// The right to renew them. Give it no public constructor.
    type Right;
}

/// The right to deliver the event of a gauge. Dropping it, also by a panic, ends the event; the
/// operation that gave it then checks the gauge again.
#[must_use = "dropping it ends the event"]
pub struct Delivery<'gauge> {
    word: &'gauge SeqCstUsize,
    caller: Caller,
    is_left: bool,
    /// What the word became when the guard was dropped.
    after: &'gauge Cell<AlarmState>,
    window: &'gauge dyn Window,
}

/// The window of the gauge whose event is delivered.
pub(crate) trait Window {
    /// Ends it, and returns its mark.
    fn take(&self) -> usize;
}

impl<'gauge> Delivery<'gauge> {
    pub(crate) fn new(
        word: &'gauge SeqCstUsize,
        caller: Caller,
        after: &'gauge Cell<AlarmState>,
        window: &'gauge dyn Window,
    ) -> Self {
        Self {
            word,
            caller,
            is_left: false,
            after,
            window,
        }
    }

    /// Whether the thread must not run observers: the operation was
    /// [deferred](crate::Gauge::deferred), or [`Deliver::may_deliver`] was false.
    #[inline]
    pub fn is_deferred(&self) -> bool {
        self.caller == Caller::Defers
    }

    /// Ends the window of the gauge, and returns the greatest depth in it, as
    /// [`Gauge::take_window_peak`](crate::Gauge::take_window_peak) does. Lock-free.
    ///
    /// Of a [`Probe`](crate::Probe) the next window begins with the depth that a check has read
    /// last: the queue is not asked.
    ///
    /// At a recovery this is how deep it was since the window before ended. Depths that the gauge
    /// had between the crossing and this call are in it, too.
    #[inline]
    pub fn take_window_peak(&self) -> usize {
        self.window.take()
    }

    /// Leaves the event to the next thread that may deliver. It must have been stored before.
    #[inline]
    pub fn leave_pending(mut self) {
        self.is_left = true;
    }
}

impl fmt::Debug for Delivery<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("is_deferred", &self.is_deferred())
            .finish_non_exhaustive()
    }
}

impl Drop for Delivery<'_> {
    #[inline]
    fn drop(&mut self) {
        // Nobody else changes these two bits while this guard lives, so an addition clears RUNNING,
        // and sets PENDING in the same step. Pairs with the loads in `Alarm::check`: what was
        // stored, and what was observed, comes before.
        let pending = if self.is_left { AlarmState::PENDING } else { 0 };
        let after = self
            .word
            .add_fetch(pending.wrapping_sub(AlarmState::RUNNING));
        self.after.set(AlarmState(after));
    }
}

/// Whether the caller of an operation may deliver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    Delivers,
    Defers,
}

/// Delivers to a static [`LimitSink`], or to nobody, on the thread or in the interrupt handler that
/// caused the event. Deferred operations too: it has no other thread.
#[derive(Clone, Copy)]
pub struct StaticSink(Option<&'static dyn LimitSink>);

impl StaticSink {
    pub(crate) const NONE: Self = Self(None);

    pub(crate) const fn new(sink: Option<&'static dyn LimitSink>) -> Self {
        Self(sink)
    }

    pub(crate) const fn get(self) -> Option<&'static dyn LimitSink> {
        self.0
    }

    pub(crate) const fn set(&mut self, sink: &'static dyn LimitSink) {
        self.0 = Some(sink);
    }
}

impl Deliver for StaticSink {
    const LEAVES_PENDING: bool = false;

    #[inline]
    fn wants(&self, _edge: Edge) -> bool {
        self.0.is_some()
    }

    #[inline]
    fn deliver(&self, event: &LimitEvent, _delivery: Delivery<'_>) {
        if let Some(sink) = self.0 {
            sink.on_event(event);
        }
    }
}

impl core::fmt::Debug for StaticSink {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("StaticSink")
            .field(&self.0.map(|_| ..))
            .finish()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for StaticSink {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "StaticSink({})", self.0.is_some());
    }
}

// A panicking sink leaves the counters right and the alarm free.
impl core::panic::UnwindSafe for StaticSink {}
impl core::panic::RefUnwindSafe for StaticSink {}
