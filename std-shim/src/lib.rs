//! Usage gauges for the bounded queues and limits of a service with threads.
//!
//! Every bounded queue or limit gets a [`QueueGauge`] with a stable name and a capacity, in one
//! process-wide registry. At 80 % it emits exactly one warning: a [`tracing`] event, and a call of
//! the handler that [`set_limit_warning_handler`] installs. Drained to 50 % it is armed again. A
//! [report](QueueRegistry::report) shows every live gauge.
//!
//! ```
//! use fillgauge_std::{QueueRegistry, set_limit_warning_handler, tracked_sync_channel};
//!
//! set_limit_warning_handler(Box::new(|warning| {
//!     eprintln!("{} is at {} %", warning.name, warning.fill_percent);
//! }));
//!
//! let (sender, receiver) = tracked_sync_channel("stdout_frames", 5);
//! for frame in 0..4 {
//!     sender.send(frame)?; // the fourth prints "stdout_frames is at 80 %"
//! }
//! assert_eq!(receiver.recv(), Ok(0));
//! assert_eq!((receiver.gauge().depth(), receiver.gauge().high_water()), (3, 4));
//!
//! print!("{}", QueueRegistry::global().report()); // a table of all gauges
//! # Ok::<(), std::sync::mpsc::SendError<i32>>(())
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | track a channel | [`tracked_sync_channel`], [`track`], [`TrackedSyncSender`], [`TrackedReceiver`], [`Backpressure`] |
//! | track a channel or a semaphore of tokio | `channels::tokio`, `Track::tokio_channel`, with the feature `tokio` |
//! | track a channel of another crate | `channels::crossbeam`, `channels::async_channel`, `channels::flume`, each with its feature |
//! | read the gauge of such a channel | [`QueueProbe`] |
//! | track anything else | [`register_queue`], [`register_limit`], [`track`], [`QueueGauge`] |
//! | read what cannot be wrapped | [`Track::polled`] |
//! | enforce a limit | [`Track::budget`], [`Budget`], [`OwnedReservation`], [`LimitExceeded`] |
//! | name what is tracked | a string, a [`Limit`], a catalogue of your own: [`limit_catalog!`] |
//! | tell gauges of one name apart | [`Track::label`], [`QueueGauge::instance`] |
//! | be warned | [`set_limit_warning_handler`], [`LimitWarning`], [`warn_limit_exhausted`] |
//! | hear of recoveries too | [`set_limit_event_handler`], [`Track::sink`], [`LimitEvent`] |
//! | read all gauges | [`queue_snapshot`], [`log_queue_snapshot`], [`QueueSnapshot`] |
//! | print or export all gauges | [`QueueRegistry::report`], [`Report`] |
//! | see the peak between two scrapes | [`QueueRegistry::report_for`] |
//! | notice a queue whose consumer hangs | [`watch`](watch()), [`Watch`] |
//! | see who waits, since when, and how much of the last minutes | [Time](#time) |
//! | read in one sentence what is wrong with a limit | [`LimitReport::advice`] |
//! | have a task await a warning or a recovery | `QueueGauge::waiter` (feature `edge-waiter`) |
//! | serve a page and metrics | the crate [`fillgauge-export`](https://docs.rs/fillgauge-export) |
//! | find the slow stage of a chain of queues | [`chain`](chain()), [`ChainReport`] |
//! | test code that tracks, or track in a library | a registry of your own: [`QueueRegistry::new`] |
//! | keep the log short | [`set_log_limit`], [`LogLimit`] |
//! | have all events delivered | [`flush_events`], [`FlushTimeout`] |
//! | use the gauge without a registry | the core: [`fillgauge`] |
//! | compile a program that uses `queue_tracker` | [`queue_tracker`] |
//!
//! # Names and labels
//!
//! A name is one of these, see [`IntoLimit`]:
//!
//! - A `&'static str`. Its category is `queue`, but `resource` in [`register_limit`] and `cpu` in
//!   [`warn_limit_exhausted`].
//! - A reference to a [`Limit`], which has a category. It may be made in the call.
//! - An entry of a [`limit_catalog!`].
//!
//! The crate keeps each name that is given by value once, for ever: do not make names of session
//! numbers. Many gauges may share a name. A [label](Track::label) says which of them it is, and
//! goes with its gauge.
//!
//! # Events
//!
//! An event reaches these observers, in this order:
//!
//! | observer | gets |
//! |---|---|
//! | the gauge's own sinks: [`Track::sink`] | every event |
//! | the sinks of its registry: [`QueueRegistry::sink`] | every event |
//! | the log | `WARN`: near capacity, exhausted; `INFO`: full; `DEBUG`: recovered |
//! | the handlers of its registry: [`QueueRegistry::warning_handler`] | warnings: near capacity, exhausted |
//! | [`set_limit_warning_handler`], then that of [`queue_tracker`] | warnings |
//! | [`set_limit_event_handler`] | every event |
//!
//! - The gauges of a registry of your own reach the log and the handlers of the process too, unless
//!   the registry is [`silent`](QueueRegistry::silent).
//! - [`warn_limit_exhausted`] has no gauge and no registry: it reaches the log and the handlers of
//!   the process.
//! - The log is `tracing` events of the target `fillgauge_std`. Each gauge logs a burst of ten
//!   lines, then one a second, and says how many it suppressed, see [`LogLimit`]. Sinks and handlers
//!   get what the log suppresses.
//! - A [`Watch`] has lines and handlers of its own, for stuck queues.
//!
//! # Time
//!
//! | to know | see |
//! |---|---|
//! | who waits for room at this moment, and for how long | [`Backpressure::waiting`], [`Backpressure::waiting_for`] |
//! | how long producers waited so far, those that still wait as well | [`Backpressure::waited`], [`Backpressure::longest`], [`Backpressure::stalled`] |
//! | how long a gauge was near its capacity, and full | [`GaugeReport::near_capacity`], [`GaugeReport::full`] |
//! | how much of the last 10, 60 and 300 seconds that was | [`GaugeReport::pressure`], if a [`watch`](watch()) polls |
//! | the same by a clock of your own | [`PressureMeter`] |
//! | how long it took until a recovery, how deep it went, who waited | [`LimitEvent::episode`], [`EdgeReport::episode`] |
//!
//! A clock is read at an edge, when a producer has to wait for room, and when it waits no longer. A
//! report, a watch and the limit of the log read it, too. Where there is none, as on
//! `wasm32-unknown-unknown`, these times are zero.
//!
//! # Who delivers
//!
//! Observers are sinks, `tracing` subscribers and handlers: code that is not of this crate.
//!
//! | the event is caused by | the observers run on |
//! |---|---|
//! | a send, a record or an observation of yours, [`warn_limit_exhausted`], [`flush_events`] | that thread |
//! | a receive, anything that is dropped or given back, a record through [`QueueGauge::deferred`] | the background thread |
//! | anything on a channel, gauge or registry that is `background()` | the background thread |
//!
//! - There is one background thread in the process, named `fillgauge`. It is started when a
//!   channel first warns somebody, or has something to hand over. A [`Watch`] has a thread of its
//!   own.
//! - A gauge has one event at a time, which keeps the figures of its crossing. Its events reach
//!   each observer in their order. What changes meanwhile is checked when the event has been
//!   delivered.
//! - An event that waits for the background thread is taken over by the next operation on that
//!   gauge whose own thread may deliver. An observer that never returns silences the gauge whose
//!   event it has, and holds up the background thread. Other gauges go on through their producers.
//! - If no thread can be started, events wait for such an operation, or for [`flush_events`]. They
//!   never run on a consumer.
//! - Where there are no threads, as on `wasm32-unknown-unknown`, every thread delivers what it
//!   causes.
//!
//! # Observers are harmless
//!
//! No observer can make a send, a receive, a drop or the end of a thread panic, lose an item or wait
//! for ever, unless it would do so beside the plain channel, called by the producer. It may panic,
//! wait for room in the channel that warns, receive, register and drop gauges, replace the handler,
//! take snapshots and reports, and format them.
//!
//! - A panic of a sink or a handler is caught and logged. A panic of a subscriber is caught, and the
//!   panic hook has reported it.
//! - No lock of this crate is held while an observer runs, or while memory is allocated or freed:
//!   an allocator may record on a gauge. Give it one of a
//!   [`background`](QueueRegistry::background) registry.
//! - A log that goes through a tracked channel would wait for itself. Make that channel
//!   [`background`](Track::background).
//!
//! # What is lost
//!
//! - The `tracing` span of a crossing that another thread delivers. Its subscriber is kept,
//!   weakly, and gets the line.
//! - Lines of a kind that is first logged in the moment in which another thread installs the first
//!   subscriber: `tracing` may [never log them again](https://github.com/tokio-rs/tracing/issues/2874).
//!   Install the subscriber before the channels are made. Sinks and handlers miss nothing.
//! - What waits for the background thread when the process exits without a [`flush_events`].
//! - The background thread and those of watches in a child process after `fork`, and what waits for
//!   them there.
//! - Everything, if a panic aborts: with `panic = "abort"` an observer that panics ends the
//!   process.
//!
//! # Features
//!
//! - `async-channel`: the module `channels::async_channel`, with tracked channels of async-channel.
//! - `crossbeam`: the module `channels::crossbeam`, with tracked channels of crossbeam-channel.
//! - `edge-waiter`: `QueueGauge::waiter`, for tasks that await the edges of a gauge. It brings the
//!   part `sync` of tokio, which works in any runtime.
//! - `flume`: the module `channels::flume`, with a probe for channels of flume.
//! - `serde`: `Serialize` for snapshots, events, warnings, limits and thresholds. For a [`Report`]
//!   and all that it consists of `Deserialize` too.
//! - `tokio`: the module `channels::tokio`, with tracked `tokio::sync::mpsc` channels, also as
//!   streams and sinks, and a tracked semaphore.

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

mod advice;
mod backpressure;
mod catalog;
pub mod channels;
mod delivery;
mod event;
mod flush;
mod names;
mod pressure;
pub mod queue_tracker;
mod registry;
mod report;
mod sync;
mod track;
#[cfg(feature = "edge-waiter")]
mod waiter;
mod watch;

pub use backpressure::Backpressure;
pub use catalog::{SidecarLimit, TrackedLimit};
pub use channels::std::{TrackedReceiver, TrackedSyncSender, tracked_sync_channel};
pub use delivery::{
    LogLimit, remove_limit_event_handler, remove_limit_warning_handler, set_limit_event_handler,
    set_limit_warning_handler, set_log_limit, warn_limit_exhausted,
};
pub use event::{Episode, LimitEvent, LimitWarning};
pub use flush::{FlushTimeout, flush_events};
pub use pressure::{Pressure, PressureMeter};
pub use registry::{
    Budget, Chain, ChainStage, Outlet, OwnedReservation, QueueGauge, QueueProbe, QueueRegistry,
    chain, log_queue_snapshot, queue_snapshot, register_limit, register_queue,
};
pub use report::{ChainReport, EdgeReport, GaugeReport, LimitReport, Report, StageReport};
#[cfg(fillgauge_shuttle)]
pub use sync::refuse_threads;
pub use track::{Track, track};
#[cfg(feature = "edge-waiter")]
pub use waiter::Waiter;
pub use watch::{DrainEvent, Watch, Watching, watch};

// Not inlined: the examples of those pages need the core as a dependency.
/// The core: all that is not re-exported below is here.
#[doc(no_inline)]
pub use fillgauge;
#[doc(no_inline)]
pub use fillgauge::{
    Drain, Gauge, GaugeConfig, Hold, IntoLimit, Limit, LimitCategory, LimitEventKind,
    LimitExceeded, LimitRef, LimitSink, LimitUnit, QueueSnapshot, REARM_FILL_PERCENT, Reservation,
    Thresholds, ThresholdsError, Totals, WARN_FILL_PERCENT, limit_catalog,
};

/// The examples of the project's README are tests.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
