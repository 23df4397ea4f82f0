//! One sink for two.

use core::fmt;

use crate::event::{LimitEvent, LimitSink};

/// A sink that hands each event to two others, one after the other. For more, nest it.
///
/// If the first one panics, the second one does not get the event.
///
/// ```
/// use core::sync::atomic::{AtomicUsize, Ordering};
/// use fillgauge::{Gauge, Limit, LimitEvent, Tee};
///
/// static WARNINGS: AtomicUsize = AtomicUsize::new(0);
///
/// fn count(event: &LimitEvent) {
///     WARNINGS.fetch_add(usize::from(event.warning().is_some()), Ordering::Relaxed);
/// }
///
/// fn blink(_event: &LimitEvent) {
///     // a light
/// }
///
/// static BOTH: Tee = Tee::new(&count, &blink);
/// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 10).with_sink(&BOTH);
///
/// RX.record_enqueue_n(8);
/// assert_eq!(WARNINGS.load(Ordering::Relaxed), 1);
/// ```
#[derive(Clone, Copy)]
pub struct Tee {
    first: &'static dyn LimitSink,
    second: &'static dyn LimitSink,
}

impl Tee {
    /// A sink for both.
    pub const fn new(first: &'static dyn LimitSink, second: &'static dyn LimitSink) -> Self {
        Self { first, second }
    }
}

impl LimitSink for Tee {
    fn on_event(&self, event: &LimitEvent) {
        self.first.on_event(event);
        self.second.on_event(event);
    }
}

impl fmt::Debug for Tee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tee").finish_non_exhaustive()
    }
}

// A sink that panics is called again with the next event.
impl core::panic::UnwindSafe for Tee {}
impl core::panic::RefUnwindSafe for Tee {}
