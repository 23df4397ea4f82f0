//! A task that awaits the edges of a gauge.

use std::fmt;
use std::future::{pending, poll_fn};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};

use fillgauge::LimitEventKind;
use tokio::sync::watch;

use crate::delivery::guard;
use crate::delivery::log::Log;
use crate::event::LimitEvent;

/// Wakes the tasks that await the edges of one gauge.
#[derive(Clone)]
pub(crate) struct Edges(watch::Sender<Option<LimitEventKind>>);

impl Edges {
    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// The sink of the gauge, which wakes the tasks.
    pub(crate) fn sink(&self) -> impl Fn(&LimitEvent) + Send + Sync + 'static {
        let edges = self.clone();
        move |event| {
            edges.0.send_replace(Some(event.kind()));
        }
    }

    /// Sees what comes from now on.
    pub(crate) fn subscribe(&self) -> watch::Receiver<Option<LimitEventKind>> {
        self.0.subscribe()
    }
}

// No panic leaves a waker.
impl UnwindSafe for Edges {}
impl RefUnwindSafe for Edges {}

/// A waker behind the guard: one that panics must not keep others from being woken.
struct Guarded(Option<Waker>);

impl Wake for Guarded {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let woken = guard::run(|| {
            if let Some(waker) = &self.0 {
                waker.wake_by_ref();
            }
        });
        if let Err(panic) = woken {
            Log::LOCAL.write_panic_of_waker(&panic);
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        let waker = self.0.take();
        if let Err(panic) = guard::run(|| drop(waker)) {
            Log::LOCAL.write_panic_of_waker(&panic);
        }
    }
}

/// What has edges to await.
pub(crate) trait HasEdges: Send + Sync {
    fn has_warned(&self) -> bool;
}

/// Awaits the edges of a gauge or a budget: a producer that pauses while its queue is near the
/// capacity, and goes on when it is drained. From
/// [`QueueGauge::waiter`](crate::QueueGauge::waiter),
/// [`QueueProbe::waiter`](crate::QueueProbe::waiter) and
/// [`Budget::waiter`](crate::Budget::waiter).
///
/// Any number of tasks may wait, each with a waiter of its own. A waiter keeps the gauge
/// registered. A clone has seen what its original has seen.
///
/// It is no bound. While an event waits to be delivered, the gauge does not warn: then a producer
/// may find the queue full. So send with what waits for room, or enforce a limit by a
/// [`Budget`](crate::Budget).
///
/// Tasks are woken when the event is delivered, by the thread that [delivers](crate#who-delivers)
/// it. Each method may be dropped before it returns: then no event counts as seen.
///
/// ```
/// use fillgauge_std::track;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let jobs = track("jobs").capacity(10).for_queue().gauge();
/// let mut edges = jobs.waiter();
/// let producer = tokio::spawn({
///     let jobs = jobs.clone();
///     async move {
///         for _ in 0..20 {
///             edges.wait_recovered().await; // at once, unless the queue is near its capacity
///             jobs.record_enqueue(); // an item goes into the queue
///         }
///     }
/// });
/// while !producer.is_finished() {
///     tokio::task::yield_now().await;
///     if jobs.has_warned() {
///         assert_eq!(jobs.depth(), 8, "it pauses before the queue is full");
///         jobs.record_dequeue_n(3);
///     }
/// }
/// # }
/// ```
pub struct Waiter {
    gauge: Arc<dyn HasEdges>,
    edges: watch::Receiver<Option<LimitEventKind>>,
}

impl Waiter {
    pub(crate) fn new(
        gauge: Arc<dyn HasEdges>,
        edges: watch::Receiver<Option<LimitEventKind>>,
    ) -> Self {
        Self { gauge, edges }
    }

    /// Waits until the gauge has warned. Returns at once if it has, and is not armed again.
    pub async fn wait_near_capacity(&mut self) {
        self.wait_until(true).await;
    }

    /// Waits until the gauge is armed again. Returns at once if it is, or never warned.
    pub async fn wait_recovered(&mut self) {
        self.wait_until(false).await;
    }

    /// Waits for an event that comes after this waiter was made, and after the last one that a
    /// method of it has seen. Returns the kind of the latest: others that came meanwhile do not
    /// show.
    ///
    /// (The waiter of the core also returns an event from before it was made.)
    pub async fn changed(&mut self) -> LimitEventKind {
        let mut edges = self.edges.clone();
        loop {
            next_event(&mut edges).await;
            let kind = *edges.borrow_and_update();
            if let Some(kind) = kind {
                self.edges = edges;
                return kind;
            }
        }
    }

    async fn wait_until(&mut self, warned: bool) {
        // What is seen counts when this returns.
        let mut edges = self.edges.clone();
        loop {
            // In this order: an event that comes after the state was loaded is not seen yet.
            edges.mark_unchanged();
            if self.gauge.has_warned() == warned {
                self.edges = edges;
                return;
            }
            next_event(&mut edges).await;
        }
    }
}

async fn next_event(edges: &mut watch::Receiver<Option<LimitEventKind>>) {
    let mut changed = pin!(edges.changed());
    let changed = poll_fn(|context| {
        let waker = Guarded(Some(context.waker().clone()));
        let waker = Waker::from(Arc::new(waker));
        changed.as_mut().poll(&mut Context::from_waker(&waker))
    });
    if changed.await.is_err() {
        // The gauge has the sender, and is kept: it cannot be gone.
        pending().await
    }
}

impl Clone for Waiter {
    fn clone(&self) -> Self {
        Self {
            gauge: Arc::clone(&self.gauge),
            edges: self.edges.clone(),
        }
    }
}

impl fmt::Debug for Waiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("has_warned", &self.gauge.has_warned())
            .finish_non_exhaustive()
    }
}

impl UnwindSafe for Waiter {}
impl RefUnwindSafe for Waiter {}
