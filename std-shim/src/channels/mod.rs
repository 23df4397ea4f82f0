//! Tracked channels, one module for each crate whose channel is wrapped.

pub mod std;
