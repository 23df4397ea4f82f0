//! What receives events.

#[cfg(feature = "defmt")]
mod defmt;
#[cfg(feature = "event-log")]
mod dropped;
#[cfg(feature = "event-log")]
mod event_log;
mod tee;
#[cfg(feature = "edge-waiter")]
mod waiter;

#[cfg(feature = "defmt")]
pub use self::defmt::DefmtSink;
#[cfg(feature = "event-log")]
pub use dropped::DroppedEvents;
#[cfg(feature = "event-log")]
pub use event_log::{EventLog, LogEntry};
pub use tee::Tee;
#[cfg(feature = "edge-waiter")]
pub use waiter::{EdgeWaiter, Waiter};
