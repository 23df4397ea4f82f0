//! A probe for a channel of [`flume`] that the program makes and uses itself.
//!
//! There is no wrapper of flume's types, for two reasons:
//!
//! - A send that is cancelled, or that times out, may have delivered its item all the same. A
//!   wrapper could not say of each send what became of it, as it can for the other crates.
//! - The length of a flume channel takes the lock that its sends and receives take. A wrapper would
//!   take it once more in each of them. With a probe you choose where that is worth it.
//!
//! A probe sees what is in the channel, and no send. So it does not know who waits, and reports
//! have no [`backpressure`](crate::GaugeReport::backpressure) of it. That it is full shows in
//! [`full`](crate::GaugeReport::full) and in the pressure.
//!
//! ```
//! use fillgauge_std::channels::flume::probe;
//!
//! let (sender, receiver) = flume::bounded(5);
//! let jobs = probe("jobs", &sender);
//! for job in 0..4 {
//!     sender.send(job)?;
//!     jobs.check_sent(&sender); // the fourth warns
//! }
//! assert!(jobs.gauge().has_warned());
//! receiver.recv().unwrap();
//! jobs.check_received(&receiver);
//! assert_eq!((jobs.gauge().depth(), jobs.gauge().capacity()), (3, 5));
//! # Ok::<(), flume::SendError<i32>>(())
//! ```

// The length takes a lock, so the fences of the checks could be left out where the lock is a
// read-modify-write. Beside the lock they cost little.

use std::fmt;
use std::sync::Arc;

use ::flume::{Receiver, Sender, WeakSender};
use fillgauge::IntoLimit;

use crate::registry::QueueProbe;
use crate::track::track;

/// A probe of the channel that `sender` belongs to, with the capacity of the channel. Its gauge is
/// in the global registry. For more settings see [`Track::flume`](crate::Track::flume).
pub fn probe<T: Send + 'static>(limit: impl IntoLimit, sender: &Sender<T>) -> FlumeProbe {
    track(limit).flume(sender)
}

/// The length, for a thread of the registry. `None` when no sender is left: the depth of the last
/// check remains.
pub(crate) fn reader<T: Send + 'static>(
    sender: &Sender<T>,
) -> impl Fn() -> Option<usize> + Send + Sync + use<T> {
    let weak: WeakSender<T> = sender.downgrade();
    move || Some(depth(&weak.upgrade()?))
}

/// Receivers that are gone do not come back. So the reading was exact at one of the two instants.
fn depth<T>(sender: &Sender<T>) -> usize {
    let length = sender.len();
    if sender.is_disconnected() { 0 } else { length }
}

/// The probe of a flume channel, from [`probe`]. A clone is the same probe.
///
/// Check after each operation, on the thread that made it. What is not checked is found by the next
/// check, and by the next [report](crate::QueueRegistry::report) while there is a sender. The probe
/// keeps no sender and no receiver.
///
/// ```
/// use std::time::Duration;
/// use fillgauge_std::channels::flume::probe;
/// use fillgauge_std::flush_events;
///
/// let (sender, receiver) = flume::bounded(5);
/// let frames = probe("frames", &sender);
/// (0..5).try_for_each(|frame| sender.send(frame))?;
/// frames.check_sent(&sender);
/// assert!(frames.gauge().has_warned());
/// drop(receiver);
/// frames.check_sent(&sender); // it finds that no receiver is left
/// flush_events(Duration::from_secs(10))?;
/// assert_eq!(frames.gauge().depth(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct FlumeProbe {
    probe: Arc<QueueProbe>,
}

impl FlumeProbe {
    pub(crate) fn new(probe: Arc<QueueProbe>) -> Self {
        Self { probe }
    }

    /// Checks after a send through `sender`, also after one that failed or was cancelled. It
    /// delivers events on this thread.
    #[inline]
    pub fn check_sent<T>(&self, sender: &Sender<T>) {
        self.probe.check(|| depth(sender));
    }

    /// Checks after a receive through `receiver`. It leaves events to the
    /// [background thread](crate#who-delivers).
    #[inline]
    pub fn check_received<T>(&self, receiver: &Receiver<T>) {
        self.probe.check_deferred(|| receiver.len());
    }

    /// Says that the channel is not used any more: the depth is 0 from now on. For the case that
    /// its receivers go last, with items in it. Then no half is left to check with.
    pub fn close(&self) {
        self.probe.close();
    }

    /// The gauge of the channel.
    pub fn gauge(&self) -> &Arc<QueueProbe> {
        &self.probe
    }
}

impl fmt::Debug for FlumeProbe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FlumeProbe")
            .field("gauge", &self.probe)
            .finish()
    }
}
