//! The behaviour of the core through its public API.

mod auto_traits;
mod budget;
mod concurrency;
mod delivery;
#[cfg(feature = "event-log")]
mod event_log;
mod events;
mod gauge;
mod hold;
mod oracle;
mod plain_data;
mod probe;
#[cfg(feature = "heapless")]
mod queue;
mod recorder;
mod reference;
mod registry;
mod seeds;
mod sinks;
mod size;
mod watch;

use recorder::{RECORDER, kind, take_events};

/// Takes the events of this thread since the last call, in short, each with its depth.
fn short_events() -> Vec<(char, usize)> {
    take_events()
        .iter()
        .map(|event| (kind(event), event.snapshot().depth))
        .collect()
}
