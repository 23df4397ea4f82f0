//! Events to be read later.

use core::cell::RefCell;
use core::fmt;
use core::future::poll_fn;
use core::mem;
use core::ptr;
use core::task::{Context, Poll, Waker};

use critical_section::Mutex;
use heapless::Deque;

use super::dropped::DroppedEvents;
use crate::event::{LimitEvent, LimitSink};
use crate::limit::Limit;

/// A sink that keeps up to `N` events until they are read: for firmware that has work to do about
/// an event, and must not do it in the interrupt that crossed the threshold.
///
/// A full log drops an event for each new one. It drops the oldest event of one limit: the limit
/// with the most events in the log. So a limit that warns and recovers all the time drops its own
/// events, and keeps the one warning of another. The log counts what it drops, by kind. The counts
/// come before the events that are left.
///
/// # Progress and interrupts
///
/// Each event that comes and each [`pop`](Self::pop) is one critical section in which one event is
/// copied. When the log is full, an event moves up to `N` others, after as many comparisons of
/// addresses as `N * (N + 3) / 2`: keep `N` small. Any interrupt handler may do either that the
/// critical section of the firmware covers; the events of a gauge that is recorded at a priority
/// above that must have another sink. The final binary needs an implementation of the crate
/// `critical-section`; on a host, the feature `std` brings one.
///
/// # Size
///
/// An empty log is all zero, so that a `static` lies in `.bss`. An event takes 52 bytes on a 32-bit
/// target.
///
/// ```
/// use fillgauge::{EventLog, Gauge, Limit, LimitEvent, LogEntry};
///
/// static LOG: EventLog<8> = EventLog::new();
/// static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64).with_sink(&LOG);
///
/// fn on_rx_interrupt() {
///     UART_RX.record_enqueue(); // the 52nd warns: nothing is printed, sent or blinked here
/// }
/// # for _ in 0..52 {
/// #     on_rx_interrupt();
/// # }
///
/// // The main loop. A task awaits `LOG.next()` instead.
/// while let Some(entry) = LOG.pop() {
///     match entry {
///         LogEntry::Event(LimitEvent::NearCapacity(figures)) => {
///             println!("{} is at {} %", figures.name, figures.fill_percent);
/// #           assert_eq!(figures.fill_percent, 81);
///         }
///         LogEntry::Event(_) => {}
///         LogEntry::Dropped(events) => println!("too fast: {events}"),
///     }
/// }
/// ```
pub struct EventLog<const N: usize> {
    log: Mutex<RefCell<Log<N>>>,
}

struct Log<const N: usize> {
    events: Deque<LimitEvent, N>,
    /// Since it was read last.
    dropped: DroppedEvents,
    /// The future that awaits the next entry, by its address, and its task.
    waiting: Option<(usize, Waker)>,
}

/// What [`EventLog::pop`] gives; see there for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LogEntry {
    /// The oldest event.
    Event(LimitEvent),
    /// These events were dropped, for want of room.
    Dropped(DroppedEvents),
}

impl<const N: usize> Log<N> {
    fn pop(&mut self) -> Option<LogEntry> {
        match mem::take(&mut self.dropped) {
            DroppedEvents::NONE => self.events.pop_front().map(LogEntry::Event),
            dropped => Some(LogEntry::Dropped(dropped)),
        }
    }

    fn push(&mut self, event: LimitEvent) {
        if self.events.is_full() {
            if let Some(dropped) = self.remove(self.most_of_one_limit(event.snapshot().name)) {
                self.dropped.count(dropped.kind());
            }
        }
        // There is room now.
        let _ = self.events.push_back(event);
    }

    /// The place of the oldest event of the limit that has most of them, together with an event of
    /// `new` that comes.
    fn most_of_one_limit(&self, new: &'static Limit) -> usize {
        let (mut place, mut most) = (0, 0);
        for first in 0..N {
            if most > N.saturating_sub(first) {
                // No limit that begins here or later has more.
                break;
            }
            let Some(limit) = self.limit_at(first) else {
                break;
            };
            // Of a limit that began before, this counts fewer than were counted there.
            let mut events = usize::from(ptr::eq(limit, new));
            for later in first..N {
                let is_same = self
                    .limit_at(later)
                    .is_some_and(|later| ptr::eq(later, limit));
                events = events.saturating_add(is_same.into());
            }
            if events > most {
                (place, most) = (first, events);
            }
        }
        place
    }

    fn limit_at(&self, place: usize) -> Option<&'static Limit> {
        self.events.get(place).map(|event| event.snapshot().name)
    }

    /// Takes out the event at `place`. Those before it move up.
    fn remove(&mut self, place: usize) -> Option<LimitEvent> {
        let mut moved = self.events.pop_front()?;
        for place in 0..place {
            if let Some(event) = self.events.get_mut(place) {
                moved = mem::replace(event, moved);
            }
        }
        Some(moved)
    }
}

impl<const N: usize> EventLog<N> {
    /// An empty log of at most `N` events.
    ///
    /// ```
    /// # use fillgauge::EventLog;
    /// static LOG: EventLog<8> = EventLog::new();
    /// ```
    pub const fn new() -> Self {
        const { assert!(N > 0, "a log without room for an event") };
        Self {
            log: Mutex::new(RefCell::new(Log {
                events: Deque::new(),
                dropped: DroppedEvents::NONE,
                waiting: None,
            })),
        }
    }

    /// Takes what is oldest: first, if events were dropped, how many, then the events in the order
    /// in which they came.
    ///
    /// A critical section, in which one event is copied.
    ///
    /// ```
    /// use fillgauge::{EventLog, Limit, LimitEvent, LimitEventKind, LimitSink, LogEntry};
    ///
    /// static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// static LOG: EventLog<1> = EventLog::new();
    ///
    /// for elapsed in [30_000, 40_000] {
    ///     LOG.on_event(&LimitEvent::exhausted(&BOOT_MS, elapsed, 30_000));
    /// }
    /// let Some(LogEntry::Dropped(dropped)) = LOG.pop() else { panic!("one was dropped") };
    /// assert_eq!(dropped.of(LimitEventKind::Exhausted), 1);
    /// assert!(matches!(LOG.pop(), Some(LogEntry::Event(event)) if event.snapshot().depth == 40_000));
    /// assert_eq!(LOG.pop(), None);
    /// ```
    pub fn pop(&self) -> Option<LogEntry> {
        self.with(Log::pop).flatten()
    }

    /// Waits until there is something to read, and takes it as [`pop`](Self::pop) does. Nothing is
    /// taken by a future that is dropped before it returns.
    ///
    /// For one task: several take turns at waking each other.
    ///
    /// ```
    /// use fillgauge::{EventLog, LogEntry};
    ///
    /// static LOG: EventLog<8> = EventLog::new();
    ///
    /// async fn report() {
    ///     loop {
    ///         match LOG.next().await {
    ///             LogEntry::Event(event) => println!("{event:?}"),
    ///             LogEntry::Dropped(events) => println!("too fast: {events}"),
    ///         }
    ///     }
    /// }
    /// # drop(report());
    /// ```
    pub async fn next(&self) -> LogEntry {
        let mut waiting = Waiting {
            log: self,
            is_registered: false,
        };
        poll_fn(|context| waiting.poll(context)).await
    }

    /// Whether there is nothing to read: for a main loop that goes to sleep, in a critical section
    /// of its own, only then.
    ///
    /// A critical section of a few instructions.
    ///
    /// ```
    /// # use fillgauge::{EventLog, Limit, LimitEvent, LimitSink};
    /// # static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// static LOG: EventLog<8> = EventLog::new();
    ///
    /// fn sleep_until_something_happens() {
    ///     critical_section::with(|_| {
    ///         if LOG.is_empty() {
    ///             // wait for an interrupt: one that comes now is pending, and ends the wait
    ///         }
    ///     });
    /// }
    /// # sleep_until_something_happens();
    /// # assert!(LOG.is_empty());
    /// # LOG.on_event(&LimitEvent::exhausted(&BOOT_MS, 33_000, 30_000));
    /// # assert!(!LOG.is_empty());
    /// ```
    pub fn is_empty(&self) -> bool {
        self.with(|log| log.dropped == DroppedEvents::NONE && log.events.is_empty())
            .unwrap_or_default()
    }

    /// Runs `change` in a critical section. It is never refused: nothing here is called back while
    /// the log is borrowed.
    fn with<R>(&self, change: impl FnOnce(&mut Log<N>) -> R) -> Option<R> {
        critical_section::with(|token| {
            let mut log = self.log.borrow(token).try_borrow_mut().ok()?;
            Some(change(&mut log))
        })
    }
}

/// A future that awaits the next entry. It is pinned when it is polled, so that its address tells
/// it from others. (`Waker::will_wake` may be wrong for the wakers of one task.)
struct Waiting<'log, const N: usize> {
    log: &'log EventLog<N>,
    /// Whether the log may have its waker.
    is_registered: bool,
}

impl<const N: usize> Waiting<'_, N> {
    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    fn poll(&mut self, context: &Context<'_>) -> Poll<LogEntry> {
        if let Some(entry) = self.log.pop() {
            return Poll::Ready(entry);
        }
        // A waker is foreign code: it is cloned, dropped and woken outside the critical section.
        let own = (self.address(), context.waker().clone());
        self.is_registered = true;
        // An event comes before both steps and is taken, or after both and wakes.
        let (entry, replaced) = self
            .log
            .with(|log| match log.pop() {
                None => (None, log.waiting.replace(own)),
                entry => (entry, Some(own)),
            })
            .unwrap_or_default();
        match (entry, replaced) {
            (Some(entry), _) => return Poll::Ready(entry),
            // Another future, whose task would wait for ever.
            (None, Some((address, other))) if address != self.address() => other.wake(),
            _ => {}
        }
        Poll::Pending
    }
}

impl<const N: usize> Drop for Waiting<'_, N> {
    fn drop(&mut self) {
        if !self.is_registered {
            return;
        }
        // A log does not keep a task that is gone.
        let own = self.address();
        let kept = self.log.with(|log| match &log.waiting {
            Some((address, _)) if *address == own => log.waiting.take(),
            _ => None,
        });
        drop(kept);
    }
}

impl<const N: usize> Default for EventLog<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> LimitSink for EventLog<N> {
    fn on_event(&self, event: &LimitEvent) {
        let waiting = self.with(|log| {
            log.push(*event);
            log.waiting.take()
        });
        if let Some((_, waker)) = waiting.flatten() {
            waker.wake();
        }
    }
}

impl<const N: usize> fmt::Debug for EventLog<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.with(|log| (log.events.len(), log.dropped.total()));
        let (events, dropped) = lengths.unwrap_or_default();
        f.debug_struct("EventLog")
            .field("capacity", &N)
            .field("events", &events)
            .field("dropped", &dropped)
            .finish()
    }
}
