//! Tracked channels, one module for each crate whose channel is wrapped.

pub(crate) mod account;
#[cfg(feature = "async-channel")]
#[cfg_attr(docsrs, doc(cfg(feature = "async-channel")))]
pub mod async_channel;
#[cfg(feature = "crossbeam")]
#[cfg_attr(docsrs, doc(cfg(feature = "crossbeam")))]
pub mod crossbeam;
#[cfg(feature = "flume")]
#[cfg_attr(docsrs, doc(cfg(feature = "flume")))]
pub mod flume;
#[cfg(any(feature = "async-channel", feature = "crossbeam"))]
mod probed;
pub mod std;
#[cfg(feature = "tokio")]
#[cfg_attr(docsrs, doc(cfg(feature = "tokio")))]
pub mod tokio;
#[cfg(any(
    feature = "async-channel",
    feature = "crossbeam",
    feature = "flume",
    feature = "tokio"
))]
mod track;
mod waits;
