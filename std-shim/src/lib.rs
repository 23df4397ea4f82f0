//! Usage gauges for the bounded queues and limits of a service with threads.
//!
//! Every bounded queue or limit gets a [`QueueGauge`] with a stable name and a capacity, in one process-wide registry.
//! At 80 % it emits exactly one warning, as a [`tracing`] event and to the handler that
//! [`set_limit_warning_handler`] installs; drained to 50 % it is armed again; [`queue_snapshot`] shows every live gauge.
//!
//! ```
//! use fillgauge_std::{TrackedLimit, queue_snapshot, set_limit_warning_handler, tracked_sync_channel};
//!
//! set_limit_warning_handler(Box::new(|warning| {
//!     eprintln!("{} is at {} %", warning.name, warning.fill_percent);
//! }));
//!
//! let (sender, receiver) = tracked_sync_channel(TrackedLimit::SidecarStdoutFrames, 5);
//! for frame in 0..4 {
//!     sender.send(frame)?; // the fourth prints "sidecar_stdout_frames is at 80 %"
//! }
//! assert_eq!(receiver.recv(), Ok(0));
//!
//! let snapshot = queue_snapshot();
//! assert_eq!(snapshot[0].name, TrackedLimit::SidecarStdoutFrames);
//! assert_eq!((snapshot[0].depth, snapshot[0].high_water), (3, 4));
//! # Ok::<(), std::sync::mpsc::SendError<i32>>(())
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | track a channel | [`tracked_sync_channel`], [`TrackedSyncSender`], [`TrackedReceiver`], [`Backpressure`] |
//! | track anything else | [`register_queue`], [`register_limit`], [`QueueGauge`] |
//! | name what is tracked | [`TrackedLimit`], or a catalogue of your own: [`limit_catalog!`] |
//! | read all gauges | [`queue_snapshot`], [`log_queue_snapshot`], [`QueueSnapshot`] |
//! | be warned | [`set_limit_warning_handler`], [`LimitWarning`], [`warn_limit_exhausted`] |
//!
//! The API is source-compatible with the module `queue_tracker` of the crate `agentos-bridge`, which had the idea. The
//! gauge itself is the one of the crate `fillgauge`; what a service needs of it is re-exported here.
//!
//! # Features
//!
//! - `serde`: `Serialize` for snapshots, warnings, limits and thresholds.

#![deny(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(test),
    warn(
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]

mod catalog;
pub mod channels;
mod delivery;
mod flush;
mod registry;
mod sync;
mod track;

pub use catalog::TrackedLimit;
pub use channels::std::{Backpressure, TrackedReceiver, TrackedSyncSender, tracked_sync_channel};
pub use delivery::{LogLimit, set_limit_warning_handler, set_log_limit, warn_limit_exhausted};
pub use flush::{FlushTimeout, flush_events};
pub use registry::{
    Outlet, QueueGauge, QueueRegistry, log_queue_snapshot, queue_snapshot, register_limit,
    register_queue,
};
#[cfg(fillgauge_shuttle)]
pub use sync::refuse_threads;
pub use track::{Track, track};

#[doc(inline)]
pub use fillgauge::{
    Gauge, GaugeConfig, Limit, LimitCategory, LimitEvent, LimitSink, LimitWarning, QueueSnapshot,
    REARM_FILL_PERCENT, Thresholds, ThresholdsError, WARN_FILL_PERCENT, limit_catalog,
};

/// The examples of the project's README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
