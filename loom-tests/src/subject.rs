//! What a model needs of a gauge, right or wrong.

use std::sync::atomic::Ordering::SeqCst;

#[cfg(fillgauge_search)]
use fillgauge::Budget;
use fillgauge::modelled::AtomicUsize;
use fillgauge::{Deliver, Gauge, StaticSink, Thresholds};

use crate::mailbox::Courier;

/// An operation that a thread records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    Enqueue,
    EnqueueN(usize),
    Dequeue,
    DequeueN(usize),
    Clear,
    Observe(usize),
    /// An observation that samples this depth.
    ObserveWith(usize),
    /// So many items enter a queue that knows its length, which is then sampled.
    Fill(usize),
    /// All items leave a queue that knows its length, which is then sampled.
    Drain,
    /// A dequeue that must not deliver, as of a tracked receiver.
    Take,
    /// A clear that must not deliver, as of a receiver that is dropped.
    TakeAll,
    /// The background thread, if it was woken.
    Deliver,
    /// The background thread, which is awake.
    ComeBy,
    /// A request of a budget, which keeps what it is given.
    Reserve(usize),
    /// A request that gives back what it is given.
    Borrow(usize),
    /// So much of what a request was given before.
    GiveBack(usize),
    /// An observer takes the mark of the window.
    TakePeak,
    SetCapacity(usize),
    /// Percentages at which to warn, and to be armed again.
    SetThresholds(u8, u8),
}

impl Op {
    /// Whether it changes a setting.
    pub fn is_change(self) -> bool {
        matches!(self, Self::SetCapacity(_) | Self::SetThresholds(..))
    }
}

/// What a gauge reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figures {
    pub depth: usize,
    pub high_water: usize,
    pub warned: bool,
}

pub trait Subject: Sync {
    fn record(&self, op: Op);

    fn figures(&self) -> Figures;

    /// What was enqueued and dequeued so far, read without a step that loom would see.
    fn counters_now(&self) -> (usize, usize);

    /// The words of the state, of the capacity and of the thresholds, read in the same way, if they
    /// can change.
    #[cfg(fillgauge_search)]
    fn settings_now(&self) -> Option<[usize; 3]> {
        None
    }

    /// The mark of the window, read in the same way, if there is one.
    #[cfg(fillgauge_search)]
    fn window_now(&self) -> Option<usize> {
        None
    }

    /// The word that counts refusals, read in the same way, if there is one.
    #[cfg(fillgauge_search)]
    fn refused_now(&self) -> Option<usize> {
        None
    }

    /// Whether an event waits for a thread that delivers it.
    fn has_pending_event(&self) -> bool {
        false
    }
}

/// What a model needs of what a gauge delivers with.
pub trait Delivers: Deliver + Sync + Sized {
    /// Has the background thread deliver what is pending in `gauge`, if it was woken or does so
    /// anyway.
    fn background(gauge: &Gauge<Self>, anyway: bool);
}

impl Delivers for StaticSink {
    fn background(_: &Gauge, _: bool) {}
}

impl Delivers for Courier {
    fn background(gauge: &Gauge<Self>, anyway: bool) {
        if gauge.delivery().mailbox.is_woken() || anyway {
            Courier::in_background(|| gauge.deliver_pending());
        }
    }
}

impl<D: Delivers> Subject for Gauge<D> {
    fn record(&self, op: Op) {
        match op {
            Op::Enqueue => self.record_enqueue(),
            Op::EnqueueN(n) => self.record_enqueue_n(n),
            Op::Dequeue => self.record_dequeue(),
            Op::DequeueN(n) => self.record_dequeue_n(n),
            Op::Clear => self.record_clear(),
            Op::Observe(depth) => self.observe_depth(depth),
            Op::ObserveWith(depth) => self.observe_with(|| depth),
            Op::Fill(_) | Op::Drain => panic!("{op:?} needs a queue: see `Sampled`"),
            Op::Reserve(_) | Op::Borrow(_) | Op::GiveBack(_) => panic!("{op:?} needs a budget"),
            Op::Take => self.deferred().record_dequeue(),
            Op::TakeAll => self.deferred().record_clear(),
            Op::Deliver => D::background(self, false),
            Op::ComeBy => D::background(self, true),
            Op::TakePeak => drop(self.take_window_peak()),
            Op::SetCapacity(capacity) => self.set_capacity(capacity),
            Op::SetThresholds(warn, rearm) => {
                self.set_thresholds(Thresholds::new(warn.into(), rearm.into()).unwrap());
            }
        }
    }

    fn figures(&self) -> Figures {
        let snapshot = self.snapshot();
        Figures {
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            warned: snapshot.warned,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        self.counters_now()
    }

    #[cfg(fillgauge_search)]
    fn settings_now(&self) -> Option<[usize; 3]> {
        Some(self.settings_now())
    }

    #[cfg(fillgauge_search)]
    fn window_now(&self) -> Option<usize> {
        Some(self.window_now())
    }

    fn has_pending_event(&self) -> bool {
        self.has_pending_event()
    }
}

#[cfg(fillgauge_search)]
impl Subject for Budget {
    fn record(&self, op: Op) {
        match op {
            Op::Reserve(n) => {
                if let Ok(reservation) = self.try_reserve(n) {
                    reservation.forget();
                }
            }
            Op::Borrow(n) => drop(self.try_reserve(n)),
            Op::GiveBack(n) => self.give_back(n),
            Op::TakePeak => drop(self.take_window_peak()),
            Op::SetCapacity(capacity) => self.set_capacity(capacity),
            Op::SetThresholds(warn, rearm) => {
                self.set_thresholds(Thresholds::new(warn.into(), rearm.into()).unwrap());
            }
            _ => panic!("{op:?} is not for a budget"),
        }
    }

    fn figures(&self) -> Figures {
        let snapshot = self.snapshot();
        Figures {
            depth: snapshot.depth,
            high_water: snapshot.high_water,
            warned: snapshot.warned,
        }
    }

    fn counters_now(&self) -> (usize, usize) {
        (self.used_now(), 0)
    }

    fn settings_now(&self) -> Option<[usize; 3]> {
        Some(self.settings_now())
    }

    fn window_now(&self) -> Option<usize> {
        Some(self.window_now())
    }

    fn refused_now(&self) -> Option<usize> {
        Some(self.refused_now())
    }
}

/// A queue that knows its length, and the gauge that samples it.
pub struct Sampled<D> {
    pub gauge: Gauge<D>,
    pub length: AtomicUsize,
    /// Samples before it observes, and only once.
    pub is_old: bool,
}

impl<D: Delivers> Sampled<D> {
    fn sample(&self) {
        if self.is_old {
            self.gauge.observe_depth(self.length.load(SeqCst));
        } else {
            self.gauge.observe_with(|| self.length.load(SeqCst));
        }
    }
}

impl<D: Delivers> Subject for Sampled<D> {
    fn record(&self, op: Op) {
        match op {
            Op::Fill(n) => {
                self.length.fetch_add(n, SeqCst);
                self.sample();
            }
            Op::Drain => {
                self.length.swap(0, SeqCst);
                self.sample();
            }
            other => self.gauge.record(other),
        }
    }

    fn figures(&self) -> Figures {
        self.gauge.figures()
    }

    fn counters_now(&self) -> (usize, usize) {
        self.gauge.counters_now()
    }

    #[cfg(fillgauge_search)]
    fn settings_now(&self) -> Option<[usize; 3]> {
        Some(self.gauge.settings_now())
    }

    #[cfg(fillgauge_search)]
    fn window_now(&self) -> Option<usize> {
        Some(self.gauge.window_now())
    }

    fn has_pending_event(&self) -> bool {
        self.gauge.has_pending_event()
    }
}
