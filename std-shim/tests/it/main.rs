//! The behaviour of the std shim through its public API, next to that of the original.

mod advice;
#[cfg(feature = "async-channel")]
mod async_channel;
mod auto_traits;
mod budgets;
mod compatibility;
mod core_on_a_host;
#[cfg(feature = "crossbeam")]
mod crossbeam_channel;
mod differential;
mod episodes;
mod events;
#[cfg(feature = "flume")]
mod flume_probe;
mod handler;
mod polled;
mod pressure;
#[cfg(any(
    feature = "async-channel",
    feature = "crossbeam",
    feature = "flume",
    feature = "tokio"
))]
#[allow(dead_code)] // Each of them uses what it needs.
mod probed;
mod registry;
mod report;
mod sessions;
#[path = "../../../tests/it/size.rs"]
mod size;
mod stalls;
mod std_channel;
mod tape;
#[cfg(feature = "tokio")]
mod tokio_channel;
#[cfg(feature = "tokio")]
mod tokio_semaphore;
#[cfg(feature = "tokio")]
mod tokio_stream;
#[cfg(any(feature = "async-channel", feature = "crossbeam", feature = "tokio"))]
mod totals;
mod tracing_events;
#[cfg(feature = "edge-waiter")]
mod waiter;
mod watch;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// There is one warning handler in the process: tests that install one take turns.
fn handler_turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
