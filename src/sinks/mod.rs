//! What receives events.

#[cfg(feature = "defmt")]
mod defmt;
#[cfg(feature = "event-log")]
mod event_log;

#[cfg(feature = "defmt")]
pub use self::defmt::DefmtSink;
#[cfg(feature = "event-log")]
pub use event_log::{EventLog, LogEntry};
