//! The greatest depth since an observer last looked.

use crate::alarm::delivery::Deliver;
use crate::budget::Budget;
use crate::gauge::Gauge;
use crate::registry::{BudgetHandle, QueueGauge};
use crate::sync::{AtomicUsize, Ordering, const_array, const_fn};

/// What keeps the mark of a window: a [`Gauge`], a [`Budget`], a [`BudgetHandle`].
pub trait HasWindow {
    /// Ends the window, and returns the greatest depth since the one before ended. The next one
    /// begins with the depth that there is. See [`Gauge::take_window_peak`].
    fn take_window_peak(&self) -> usize;
}

impl<D: Deliver> HasWindow for Gauge<D> {
    fn take_window_peak(&self) -> usize {
        Gauge::take_window_peak(self)
    }
}

impl<D: Deliver> HasWindow for Budget<D> {
    fn take_window_peak(&self) -> usize {
        Budget::take_window_peak(self)
    }
}

impl HasWindow for QueueGauge {
    fn take_window_peak(&self) -> usize {
        Gauge::take_window_peak(self)
    }
}

impl HasWindow for BudgetHandle {
    fn take_window_peak(&self) -> usize {
        BudgetHandle::take_window_peak(self)
    }
}

/// The peaks of one gauge for `N` observers: what each of them sees is the greatest depth since
/// *it* last looked.
///
/// A gauge has one window, which ends when it is taken. The observer that takes it here leaves
/// its peak for the others. So all observers of a gauge must go through the same `WindowPeaks`.
///
/// ```
/// use fillgauge::{Gauge, Limit, WindowPeaks};
///
/// const DISPLAY: usize = 0;
/// const UPLINK: usize = 1;
///
/// static RX: Gauge = Gauge::for_queue(&Limit::queue("rx"), 64);
/// static PEAKS: WindowPeaks<2> = WindowPeaks::new();
///
/// RX.record_enqueue_n(9);
/// RX.record_dequeue_n(7);
/// assert_eq!(PEAKS.take(DISPLAY, &RX), Some(9));
/// RX.record_enqueue_n(2);
/// assert_eq!(PEAKS.take(DISPLAY, &RX), Some(4), "9 was before");
/// assert_eq!(PEAKS.take(UPLINK, &RX), Some(9), "it looks for the first time");
/// ```
///
/// # Progress and interrupts
///
/// Lock-free: taking repeats a step only if there was a new mark, or another look, meanwhile. An
/// interrupt handler may take. Two observers that take at once lose no peak: it may be in the next
/// window of one of them.
#[derive(Debug)]
pub struct WindowPeaks<const N: usize> {
    /// What others took and this observer has not seen, for each observer.
    unseen: [AtomicUsize; N],
}

impl<const N: usize> WindowPeaks<N> {
    const_fn! {
        /// Peaks that nobody has taken yet.
        pub const fn new() -> Self {
            Self {
                unseen: const_array![AtomicUsize::new(0); N],
            }
        }
    }

    /// The greatest depth of `gauge` since `observer` called this last, or since the beginning.
    /// `None` if there is no such observer: they are numbered from 0 to `N - 1`. It has to be the
    /// same gauge at each call.
    pub fn take(&self, observer: usize, gauge: &impl HasWindow) -> Option<usize> {
        let own = self.unseen.get(observer)?;
        let peak = gauge.take_window_peak();
        for (number, unseen) in self.unseen.iter().enumerate() {
            if number != observer {
                // Not the depth that there is now: their window has not ended.
                unseen.fetch_max(peak, Ordering::Relaxed);
            }
        }
        // A peak that another observer leaves later is of the next window.
        Some(peak.max(own.swap(0, Ordering::Relaxed)))
    }
}

impl<const N: usize> Default for WindowPeaks<N> {
    fn default() -> Self {
        Self::new()
    }
}
