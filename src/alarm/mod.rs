//! The alarm of a limit: its thresholds, its state, its high-water mark, and who delivers its
//! events. It does not know where a depth comes from.
//!
//! # States
//!
//! ```text
//! ARMED ──depth ≥ warn: NearCapacity──► WARNED ──depth ≥ capacity: Full──► WARNED, FULL
//!   ▲                                     │                                     │
//!   └──────────── depth ≤ re-arm: Recovered ────────────────────────────────────┘
//! ```
//!
//! Every arrow is one compare-and-swap of the state word, from the very state that was loaded
//! before the depth was read. It sets RUNNING too, if anybody wants the event. While RUNNING or
//! PENDING is set, no arrow is taken; see [`Deliver`] for the life of an event.
//!
//! # The one rule
//!
//! *The thread that may have moved the depth over a threshold calls [`Alarm::check`] afterwards.*
//! What each depth source does for this rule stands with that source. The alarm does this:
//!
//! | what changed last | who checks afterwards |
//! |---|---|
//! | the depth | the thread that changed it |
//! | the capacity or the thresholds | the thread that changed them |
//! | RUNNING ended | the thread that ended it |
//! | RUNNING ended by a panic of the sink | the next operation that checks: it finds UNCHECKED |
//! | PENDING set | the thread that takes the event over, once it has delivered it |
//!
//! # Why the promises hold
//!
//! 1. Alternation: the state says which edges are possible, and one event is RUNNING at a time.
//! 2. Soundness: a reading was exact at an instant after the state was loaded. The
//!    compare-and-swap succeeds only if no edge was crossed since: every edge makes a state that
//!    was not there before, until the count of warnings wraps.
//! 3. Settledness: take the last change of the table. The check after it reads the depth at rest.
//!    It ends when no edge is due at that depth, or when it finds RUNNING or PENDING. Those end
//!    later, which contradicts "last".
//!
//! Every access to the state is sequentially consistent, so "before" and "after" have one meaning.

pub(crate) mod delivery;
mod identity;
mod settings;
mod slot;
pub(crate) mod state;

use core::cell::Cell;
use core::mem;

use crate::config::GaugeConfig;
use crate::event::{Edge, LimitEvent, LimitSink};
use crate::limit::Limit;
use crate::limit::atomic::AtomicLimit;
use crate::snapshot::{QueueSnapshot, Totals};
use crate::sync::{MarkUsize, RelaxedUsize, SeqCstUsize, SettingUsize, const_fn};
use crate::thresholds::{PointRules, TripPoints, fill_percent};
use delivery::{Caller, Deliver, Delivery, StaticSink, Window};
use identity::Identity;
pub(crate) use identity::MAX_INSTANCE;
use state::AlarmState;

/// What a depth source reads: figures of one instant.
#[derive(Clone, Copy)]
pub(crate) struct Reading {
    pub(crate) depth: usize,
    /// `None` from a source that does not count them.
    pub(crate) totals: Option<Totals>,
}

/// Where an alarm reads the depth.
pub(crate) trait DepthSource {
    /// The depth at an instant of this call, of an alarm in `state`. `None` if the depth moved, and
    /// every thread that moved it checks later.
    fn read(&self, state: AlarmState) -> Option<Reading>;

    /// The depth at the last reading or later.
    fn depth(&self) -> usize;
}

#[repr(C)]
pub(crate) struct Alarm<D> {
    state: SeqCstUsize,
    /// The greatest depth since this was taken last.
    window_mark: MarkUsize,
    /// What was taken of it: the greatest depth before.
    earlier_mark: RelaxedUsize,
    refused: RelaxedUsize,
    capacity: SettingUsize,
    /// The points that follow from the capacity and the rules.
    warn_depth: SettingUsize,
    rearm_depth: SettingUsize,
    identity: Identity,
    limit: AtomicLimit,
    deliver: D,
}

impl Alarm<StaticSink> {
    const_fn! {
        /// What a free slot holds: all zero.
        pub(crate) const fn vacant() -> Self {
            let (limit, state) = (AtomicLimit::empty(), AlarmState::VACANT);
            let rules = PointRules::from_word(0);
            let points = TripPoints { capacity: 0, warn_depth: 0, rearm_depth: 0 };
            Self::from_parts(limit, rules, points, state, StaticSink::NONE)
        }
    }

    #[inline]
    pub(crate) const fn set_sink(&mut self, sink: &'static dyn LimitSink) {
        self.deliver.set(sink);
    }
}

impl<D> Alarm<D> {
    const_fn! {
        #[inline(always)]
        pub(crate) const fn new(config: GaugeConfig, deliver: D) -> Self {
            Self::from_parts(
                AtomicLimit::new(config.limit),
                config.rules(),
                config.points(),
                AlarmState::of(&config),
                deliver,
            )
        }
    }

    const_fn! {
        #[inline(always)]
        const fn from_parts(
            limit: AtomicLimit,
            rules: PointRules,
            points: TripPoints,
            state: AlarmState,
            deliver: D,
        ) -> Self {
            Self {
                state: SeqCstUsize::new(state.0),
                window_mark: MarkUsize::new(0),
                earlier_mark: RelaxedUsize::new(0),
                refused: RelaxedUsize::new(0),
                capacity: SettingUsize::new(points.capacity),
                warn_depth: SettingUsize::new(points.warn_depth),
                rearm_depth: SettingUsize::new(points.rearm_depth),
                identity: Identity::new(rules),
                limit,
                deliver,
            }
        }
    }

    #[inline]
    pub(crate) const fn delivery(&self) -> &D {
        &self.deliver
    }

    #[inline]
    pub(crate) const fn delivery_mut(&mut self) -> &mut D {
        &mut self.deliver
    }

    #[inline]
    pub(crate) fn state(&self) -> AlarmState {
        AlarmState(self.state.get())
    }

    /// The state, for a thread that has had a fence since it changed the depth.
    #[inline]
    pub(crate) fn state_after_fence(&self) -> AlarmState {
        AlarmState(self.state.get_acquire())
    }

    /// The state word, for a source that keeps a mark of its own in it.
    #[inline]
    pub(crate) const fn state_word(&self) -> &SeqCstUsize {
        &self.state
    }

    #[inline]
    pub(crate) fn high_water(&self) -> usize {
        // In this order: what was taken is in the earlier mark before it leaves the window.
        let mark = self.window_mark.get();
        mark.max(self.earlier_mark.get())
    }

    /// The mark that a depth has to exceed to be new. The caller has loaded the state or a setting
    /// since it moved the depth.
    #[inline]
    pub(crate) fn window_mark(&self) -> usize {
        self.window_mark.get_after_load()
    }

    #[inline]
    pub(crate) fn raise_mark(&self, depth: usize) {
        self.window_mark.raise(depth);
    }

    /// The same for a depth that is seldom a new mark: then a load is all.
    #[inline]
    pub(crate) fn raise_mark_if_new(&self, depth: usize) {
        if depth > self.window_mark() {
            self.raise_mark(depth);
        }
    }

    /// Ends the window, and returns its mark. The next one begins with the depth that `depth` then
    /// reads: one that was read before might have been that of the window which has ended.
    pub(crate) fn take_window(&self, depth: impl FnOnce() -> usize) -> usize {
        let mut mark = self.window_mark.get();
        loop {
            // Pairs with the loads in `high_water`.
            self.earlier_mark.raise(mark);
            match self.window_mark.take(mark) {
                Ok(()) => break,
                Err(now) => mark = now,
            }
        }
        self.raise_mark(depth());
        mark
    }

    #[inline]
    pub(crate) fn refused(&self) -> usize {
        self.refused.get()
    }

    #[inline]
    pub(crate) fn add_refused(&self, n: usize) {
        self.refused.add(n);
    }

    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity.get()
    }

    #[inline]
    pub(crate) fn warn_depth(&self) -> usize {
        self.warn_depth.get()
    }

    #[inline]
    pub(crate) fn rearm_depth(&self) -> usize {
        self.rearm_depth.get()
    }

    #[inline]
    pub(crate) fn points(&self) -> TripPoints {
        TripPoints {
            capacity: self.capacity(),
            warn_depth: self.warn_depth(),
            rearm_depth: self.rearm_depth(),
        }
    }

    #[inline]
    pub(crate) fn rules(&self) -> PointRules {
        self.identity.rules()
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn refused_now(&self) -> usize {
        self.refused.now()
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn window_now(&self) -> usize {
        self.window_mark.now()
    }

    #[cfg(fillgauge_search)]
    pub(crate) fn settings_now(&self) -> [usize; 3] {
        [
            self.state.now(),
            self.capacity.now(),
            self.identity.rules_now(),
        ]
    }

    /// A depth as an alarm in `state` shows it. A queue is recorded late: an item counts twice for
    /// a moment, when another took its place before that was recorded.
    #[inline]
    pub(crate) fn clamped(&self, state: AlarmState, depth: usize) -> usize {
        if state.clamps() {
            depth.min(self.capacity())
        } else {
            depth
        }
    }

    /// Whether it is the alarm of a budget: of what is no queue, and has a bound of 0 nonetheless.
    pub(crate) fn is_enforced(&self) -> bool {
        !self.state().is_for_queue() && !self.rules().is_unbounded(0)
    }

    pub(crate) fn limit(&self) -> &'static Limit {
        self.limit.get()
    }

    pub(crate) fn instance(&self) -> usize {
        self.identity.instance()
    }

    /// Inlined, so that nothing is copied on the way into an event: that takes longer than the code
    /// saves.
    #[inline(always)]
    pub(crate) fn snapshot_from(
        &self,
        state: AlarmState,
        reading: Reading,
        capacity: usize,
    ) -> QueueSnapshot {
        let limit = self.limit();
        let depth = reading.depth;
        QueueSnapshot {
            name: limit,
            category: limit.category(),
            instance: self.instance(),
            depth,
            high_water: self.high_water().max(depth),
            capacity,
            fill_percent: fill_percent(depth, capacity),
            warned: state.has_warned(),
            warnings: state.warnings(),
            totals: reading.totals,
            refused: self.refused(),
        }
    }
}

impl<D: Deliver> Alarm<D> {
    /// Whether there may be anything to do at `bound`, which is at least the depth and at the warn
    /// point or above.
    #[inline]
    pub(crate) fn may_rise_to(&self, bound: usize) -> bool {
        let state = self.state();
        !state.has_warned()
            || !state.is_full() && bound >= self.capacity()
            || Self::must_deliver(state, Caller::Delivers)
    }

    /// Whether an alarm in `state` has anything to do at `depth`.
    #[inline]
    pub(crate) fn must_check(&self, state: AlarmState, depth: usize, caller: Caller) -> bool {
        state.pending_edge(depth, self.points()).is_some() || Self::must_deliver(state, caller)
    }

    /// Whether an alarm in `state` has anything to do, whatever the depth: an event to take over,
    /// or a check that a panic left.
    #[inline]
    pub(crate) fn must_deliver(state: AlarmState, caller: Caller) -> bool {
        state.is_unchecked()
            || D::LEAVES_PENDING && caller == Caller::Delivers && state.is_pending()
    }

    /// [`must_deliver`](Self::must_deliver) of the state as it is. It is not even loaded where
    /// there is never such a thing.
    #[inline]
    pub(crate) fn must_deliver_now(&self, caller: Caller) -> bool {
        (cfg!(panic = "unwind") || D::LEAVES_PENDING) && Self::must_deliver(self.state(), caller)
    }

    /// Crosses the thresholds that `source` has passed, and delivers the events and a pending one,
    /// if `caller` may; otherwise leaves the first event pending. Does nothing while another thread
    /// owns an event: that thread checks afterwards.
    #[cold]
    #[inline(never)]
    pub(crate) fn check(&self, source: &impl DepthSource, caller: Caller) {
        let unwinding = LeaveUnchecked(&self.state);
        self.cross_and_deliver(source, caller);
        mem::forget(unwinding);
    }

    #[inline]
    fn cross_and_deliver(&self, source: &impl DepthSource, caller: Caller) {
        let word = &self.state;
        let mut caller = match caller {
            Caller::Delivers if self.deliver.may_deliver() => Caller::Delivers,
            _ => Caller::Defers,
        };
        let mut delivered = 0;
        let mut state = self.state();
        // Each turn begins with what the state was at an instant after the turn before.
        while !state.is_running() {
            let after = Cell::new(state);
            let is_pending = D::LEAVES_PENDING && state.is_pending();
            let (next, edge) = if state.is_unchecked() {
                (state.checked(), None)
            } else if is_pending {
                if caller == Caller::Defers {
                    return;
                }
                (state.taken_over(), None)
            } else {
                let Some(reading) = source.read(state) else {
                    return;
                };
                let points = self.points();
                // If not, the thread that changes them checks afterwards. By points of which each
                // edge leads to the other, this thread might never return.
                if !points.are_consistent() {
                    return;
                }
                let Some(edge) = state.pending_edge(reading.depth, points) else {
                    return;
                };
                let next = state.after(edge);
                if self.deliver.wants(edge) {
                    (next.running(), Some((edge, reading, points.capacity)))
                } else {
                    (next, None)
                }
            };
            if let Err(now) = word.compare_exchange(state.0, next.0) {
                state = AlarmState(now);
                continue;
            }
            state = next;
            if !next.is_running() {
                continue;
            }
            let window = WindowOf {
                alarm: self,
                source,
            };
            let delivery = Delivery::new(word, caller, &after, &window);
            if let Some((edge, reading, capacity)) = edge {
                let snapshot = || self.snapshot_from(next, reading, capacity);
                let event = match edge {
                    Edge::NearCapacity => LimitEvent::NearCapacity(snapshot()),
                    Edge::Full => LimitEvent::Full(snapshot()),
                    Edge::Recovered => LimitEvent::Recovered(snapshot()),
                };
                self.deliver.deliver(&event, delivery);
            } else if D::LEAVES_PENDING {
                self.deliver.deliver_pending(delivery);
            }
            state = after.get();
            if D::LEAVES_PENDING && state.is_pending() {
                // It was left to another thread.
                return;
            }
            // An operation may find a pending event, and cross the warn point and the capacity.
            // Further edges are those of others, which may go on for ever: they are left to another
            // thread.
            delivered = u8::saturating_add(delivered, 1);
            if D::LEAVES_PENDING && delivered == 3 {
                caller = Caller::Defers;
            }
        }
    }
}

/// What the guard of an event ends the window of an alarm through.
struct WindowOf<'alarm, D, S> {
    alarm: &'alarm Alarm<D>,
    source: &'alarm S,
}

impl<D, S: DepthSource> Window for WindowOf<'_, D, S> {
    fn take(&self) -> usize {
        self.alarm.take_window(|| self.source.depth())
    }
}

/// Dropped by the panic of a sink, or of another callback. The next operation that checks then
/// checks what this one cannot.
struct LeaveUnchecked<'alarm>(&'alarm SeqCstUsize);

impl Drop for LeaveUnchecked<'_> {
    fn drop(&mut self) {
        // Pairs with the loads of the state in the records, and in `Alarm::check`.
        self.0.set_bits(AlarmState::UNCHECKED);
    }
}
