//! Queues of other crates, tracked.

#[cfg(feature = "heapless")]
pub mod heapless;
