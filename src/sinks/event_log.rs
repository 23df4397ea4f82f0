//! Events to be read later.

use core::cell::RefCell;
use core::fmt;

use critical_section::Mutex;
use heapless::Deque;

use crate::event::{LimitEvent, LimitSink};

/// A sink that keeps the latest `N` events until they are drained: for firmware that has work to do
/// about an event, and must not do it in the interrupt that crossed the threshold.
///
/// When it is full, a new event drops the oldest. Those are counted, and the count comes where they
/// would have been.
///
/// # Progress and interrupts
///
/// Each event that comes and each [`pop`](Self::pop) is one critical section in which one event is
/// copied. Any interrupt handler may do either that the critical section of the firmware covers;
/// the events of a gauge that is recorded at a priority above that must have another sink. The
/// final binary needs an implementation of the crate `critical-section`; on a host, the feature
/// `std` brings one.
///
/// # Size
///
/// An empty log is all zero, so that a `static` lies in `.bss`. An event takes 44 bytes on a 32-bit
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
/// // The main loop:
/// while let Some(entry) = LOG.pop() {
///     match entry {
///         LogEntry::Event(LimitEvent::NearCapacity(figures)) => {
///             println!("{} is at {} %", figures.name, figures.fill_percent);
/// #           assert_eq!(figures.fill_percent, 81);
///         }
///         LogEntry::Event(_) => {}
///         LogEntry::Dropped(events) => println!("{events} events came too fast"),
///     }
/// }
/// ```
pub struct EventLog<const N: usize> {
    log: Mutex<RefCell<Log<N>>>,
}

struct Log<const N: usize> {
    events: Deque<LimitEvent, N>,
    /// How many came before the oldest that is left, and after the last that was read.
    dropped: usize,
}

/// What [`EventLog::pop`] gives; see there for an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum LogEntry {
    /// The oldest event.
    Event(LimitEvent),
    /// So many events were dropped at this place, for want of room.
    Dropped(usize),
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
                dropped: 0,
            })),
        }
    }

    /// Takes what is oldest: first, if events were dropped, how many, then the events in the order
    /// in which they came.
    ///
    /// A critical section, in which one event is copied.
    ///
    /// ```
    /// use fillgauge::{EventLog, Limit, LimitEvent, LimitSink, LogEntry};
    ///
    /// static BOOT_MS: Limit = Limit::cpu("boot_ms");
    /// static LOG: EventLog<1> = EventLog::new();
    ///
    /// for elapsed in [30_000, 40_000] {
    ///     LOG.on_event(&LimitEvent::exhausted(&BOOT_MS, elapsed, 30_000));
    /// }
    /// assert_eq!(LOG.pop(), Some(LogEntry::Dropped(1)));
    /// assert!(matches!(LOG.pop(), Some(LogEntry::Event(event)) if event.snapshot().depth == 40_000));
    /// assert_eq!(LOG.pop(), None);
    /// ```
    pub fn pop(&self) -> Option<LogEntry> {
        self.with(|log| match core::mem::take(&mut log.dropped) {
            0 => log.events.pop_front().map(LogEntry::Event),
            dropped => Some(LogEntry::Dropped(dropped)),
        })
        .flatten()
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
        self.with(|log| log.dropped == 0 && log.events.is_empty())
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

impl<const N: usize> Default for EventLog<N> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const N: usize> LimitSink for EventLog<N> {
    fn on_event(&self, event: &LimitEvent) {
        self.with(|log| {
            if log.events.is_full() && log.events.pop_front().is_some() {
                log.dropped = log.dropped.saturating_add(1);
            }
            // There is room now.
            let _ = log.events.push_back(*event);
        });
    }
}

impl<const N: usize> fmt::Debug for EventLog<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lengths = self.with(|log| (log.events.len(), log.dropped));
        let (events, dropped) = lengths.unwrap_or_default();
        f.debug_struct("EventLog")
            .field("capacity", &N)
            .field("events", &events)
            .field("dropped", &dropped)
            .finish()
    }
}
