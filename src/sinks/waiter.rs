//! A task that awaits the edges of a gauge.

use core::fmt;
use core::future::poll_fn;
use core::task::{Context, Poll};

use crate::event::{LimitEvent, LimitEventKind, LimitSink};
use crate::sync::{AtomicUsize, AtomicWaker, Ordering, const_fn};

/// A sink that wakes a task: a producer that pauses while its queue is near the capacity, and goes
/// on when it is drained.
///
/// It is a static of its own, and the sink of one gauge. One task waits, through the
/// [`Waiter`]. For more receivers see [`Tee`](crate::Tee).
///
/// ```
/// use std::task::{Context, Waker};
/// use fillgauge::{EdgeWaiter, Gauge, Limit};
///
/// static EDGES: EdgeWaiter = EdgeWaiter::new();
/// static TX: Gauge = Gauge::for_queue(&Limit::queue("tx"), 10).with_sink(&EDGES);
///
/// async fn produce() {
///     let mut edges = EDGES.waiter().expect("no other task waits");
///     loop {
///         edges.wait_recovered().await; // at once, unless the queue is near its capacity
///         // ... an item goes into the queue, and
///         TX.record_enqueue();
/// #       if TX.enqueued() == 13 { break }
///     }
/// }
///
/// let mut task = Box::pin(produce());
/// let mut context = Context::from_waker(Waker::noop());
/// assert!(task.as_mut().poll(&mut context).is_pending());
/// assert_eq!(TX.depth(), 8, "it has stopped before the queue is full");
/// TX.record_dequeue_n(3);
/// # let _ =
/// task.as_mut().poll(&mut context);
/// assert_eq!(TX.depth(), 8, "3 more");
/// ```
///
/// # Progress and interrupts
///
/// An event is a load, a store and a wake, which is lock-free. It may come in an interrupt handler,
/// if the waker of the executor may be called there.
pub struct EdgeWaiter {
    /// A [`Latest`].
    latest: AtomicUsize,
    waker: AtomicWaker,
    /// 1 while there is a [`Waiter`].
    is_given: AtomicUsize,
}

/// The number of events, wrapping, and in the lowest bits the kind of the last one.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Latest(usize);

impl Latest {
    const NONE: Self = Self(0);
    const KIND: usize = 3;

    /// `None` for an event that is not one of a gauge.
    fn after(self, kind: LimitEventKind) -> Option<Self> {
        let kind = match kind {
            LimitEventKind::NearCapacity => 1,
            LimitEventKind::Full => 2,
            LimitEventKind::Recovered => 3,
            LimitEventKind::Exhausted => return None,
        };
        let counted = (self.0 & !Self::KIND).wrapping_add(Self::KIND + 1);
        Some(Self(counted | kind))
    }

    const fn kind(self) -> Option<LimitEventKind> {
        match self.0 & Self::KIND {
            0 => None,
            1 => Some(LimitEventKind::NearCapacity),
            2 => Some(LimitEventKind::Full),
            _ => Some(LimitEventKind::Recovered),
        }
    }

    const fn is_near_capacity(self) -> bool {
        matches!(self.0 & Self::KIND, 1 | 2)
    }
}

impl EdgeWaiter {
    const_fn! {
        /// A sink that has not received an event yet.
        pub const fn new() -> Self {
            Self {
                latest: AtomicUsize::new(Latest::NONE.0),
                waker: AtomicWaker::new(),
                is_given: AtomicUsize::new(0),
            }
        }
    }

    /// The right to wait. `None` while another task has it. It comes back when the [`Waiter`] is
    /// dropped. Wait-free.
    ///
    /// The new waiter has seen no event: [`changed`](Waiter::changed) returns the latest one at
    /// once, if there was one.
    pub fn waiter(&self) -> Option<Waiter<'_>> {
        // Acquire: what the waiter before registered comes first.
        let is_free = self.is_given.swap(1, Ordering::Acquire) == 0;
        // Not made if it is given: a `Waiter` that is dropped gives the right back.
        is_free.then(|| Waiter {
            edges: self,
            seen: Latest::NONE,
        })
    }

    fn latest(&self) -> Latest {
        // Pairs with the store in `on_event`.
        Latest(self.latest.load(Ordering::Acquire))
    }
}

impl LimitSink for EdgeWaiter {
    fn on_event(&self, event: &LimitEvent) {
        // The events of a gauge come one after the other, so nobody else stores. Of several gauges
        // one may be lost; each wakes the task all the same.
        let latest = Latest(self.latest.load(Ordering::Relaxed));
        if let Some(latest) = latest.after(event.kind()) {
            self.latest.store(latest.0, Ordering::Release);
            self.waker.wake();
        }
    }
}

impl Default for EdgeWaiter {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for EdgeWaiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeWaiter")
            .field("latest", &self.latest().kind())
            .finish_non_exhaustive()
    }
}

// A waker that panics leaves what was stored.
impl core::panic::UnwindSafe for EdgeWaiter {}
impl core::panic::RefUnwindSafe for EdgeWaiter {}

/// The right of one task to wait, from [`EdgeWaiter::waiter`].
///
/// Each method may be dropped before it returns: then no event counts as seen.
pub struct Waiter<'edges> {
    edges: &'edges EdgeWaiter,
    seen: Latest,
}

impl Waiter<'_> {
    /// Waits until the gauge has warned. Returns at once if it has.
    pub async fn wait_near_capacity(&mut self) {
        self.wait_until(Latest::is_near_capacity).await;
    }

    /// Waits until the gauge is armed again. Returns at once if it is, or never warned.
    pub async fn wait_recovered(&mut self) {
        self.wait_until(|latest| !latest.is_near_capacity()).await;
    }

    /// Waits for an event after the last one that a method of this waiter has seen. Returns the
    /// latest: if several came meanwhile, the others do not show.
    pub async fn changed(&mut self) -> LimitEventKind {
        let seen = self.seen;
        loop {
            let latest = self.wait_until(|latest| latest != seen).await;
            if let Some(kind) = latest.kind() {
                return kind;
            }
        }
    }

    async fn wait_until(&mut self, holds: impl Fn(Latest) -> bool) -> Latest {
        poll_fn(|context| self.poll(context, &holds)).await
    }

    fn poll(&mut self, context: &Context<'_>, holds: impl Fn(Latest) -> bool) -> Poll<Latest> {
        let mut latest = self.edges.latest();
        if !holds(latest) {
            self.edges.waker.register(context.waker());
            // An event that came before the registration has woken nobody.
            latest = self.edges.latest();
        }
        if !holds(latest) {
            return Poll::Pending;
        }
        self.seen = latest;
        Poll::Ready(latest)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        // A task that is gone is not to be kept by its waker.
        drop(self.edges.waker.take());
        self.edges.is_given.store(0, Ordering::Release);
    }
}

impl fmt::Debug for Waiter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("seen", &self.seen.kind())
            .finish_non_exhaustive()
    }
}
