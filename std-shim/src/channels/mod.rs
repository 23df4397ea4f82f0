//! Tracked channels, one module for each crate whose channel is wrapped.

pub(crate) mod account;
pub mod std;
#[cfg(feature = "tokio")]
pub mod tokio;
