//! Lock-free usage gauges for bounded queues and limits.
//!
//! Backpressure is invisible: a slow consumer silently stalls a producer. Give every bounded queue
//! or limit a [`Gauge`] with a stable name and a capacity. At 80 % it emits exactly one warning,
//! before it is full; drained to 50 % it is armed again; [`QueueRegistry::snapshot`] shows every
//! live gauge. (Capacities 1 to 4 warn when they are full: 80 % of them is all of them.)
//!
//! The crate is `no_std` and needs no heap. Its operations may be called from interrupt handlers.
//! They are lock-free, most of them wait-free, where the target has atomic additions and
//! compare-exchange; on a Cortex-M0, which has neither, each atomic access is a critical section of
//! a few instructions. Services with threads use the crate `fillgauge-std`.
//!
//! ```
//! use fillgauge::{Gauge, Limit, LimitEvent, LimitSink, QueueRegistry, presets};
//!
//! struct Log;
//!
//! impl LimitSink for Log {
//!     fn on_event(&self, event: &LimitEvent) {
//!         let figures = event.snapshot();
//!         println!("{}: {} of {}", figures.name, figures.depth, figures.capacity);
//!     }
//! }
//!
//! static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64).with_sink(&Log);
//! static REGISTRY: QueueRegistry<8> =
//!     QueueRegistry::new().with_presets(presets![UART_RX]).with_sink(&Log);
//!
//! for _byte in 0..52 {
//!     UART_RX.record_enqueue(); // the 52nd prints "uart_rx: 52 of 64"
//! }
//! assert_eq!(UART_RX.warnings(), 1);
//! for gauge in REGISTRY.snapshot() {
//!     println!("{:12} {:3} %", gauge.name, gauge.fill_percent);
//! }
//! ```
//!
//! # Where to look
//!
//! | to | see |
//! |---|---|
//! | name what is watched | [`Limit`], [`LimitCategory`], [`LimitUnit`], [`limit_catalog!`], [`IntoLimit`], [`LimitRef`] |
//! | record use, and read it | [`Gauge`], [`Hold`], [`GaugeConfig`], [`Thresholds`] |
//! | wrap a queue that knows its length | [`Probe`] |
//! | enforce a limit | [`Budget`], [`Reservation`], [`LimitExceeded`] |
//! | have gauges come and go | [`QueueRegistry`], [`QueueGauge`], [`BudgetHandle`], [`RegistryFull`] |
//! | read all of them | [`QueueRegistry::snapshot`], [`presets!`], [`QueueSnapshot`] |
//! | see the peak since the last look, or that nothing is taken | [`WindowPeaks`], [`DrainWatch`] |
//! | receive events | [`LimitSink`], [`LimitEvent`], [`LimitWarning`] |
//! | receive them at two places, later, or through `defmt` | [`Tee`], `EventLog`, `DefmtSink` |
//! | await them in a task | `EdgeWaiter` |
//! | track a queue of heapless | the module `queues` |
//! | use it in firmware | [the guide](embedded), for setting up, interrupts, cost, and what error messages mean |
//!
//! # Features
//!
//! - `defmt` `(no_std)`: `Format` for the plain data, and `DefmtSink`, which logs events.
//! - `edge-waiter` `(no_std)`: `EdgeWaiter`, a sink that wakes a task.
//! - `event-log` `(no_std)`: `EventLog`, a sink that the main loop drains.
//! - `heapless` `(no_std)`: the module `queues`, tracked queues of heapless.
//! - `serde` `(no_std)`: `Serialize` for snapshots, events, warnings, limits and thresholds.
//! - `std`: `EventLog` has a critical section.

#![no_std]
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

#[cfg(any(test, fillgauge_loom, fillgauge_search))]
extern crate std;

#[cfg(any(all(doc, not(doctest)), all(doctest, feature = "event-log")))]
#[doc = include_str!("../docs/embedded.md")]
pub mod embedded {}

#[cfg(any(doc, doctest))]
#[doc = include_str!("../docs/guarantees.md")]
pub mod guarantees {}

// The modules. Each uses those below it, and none above.
//
//     queues/      tracked queues of other crates
//     registry/    slots, handles, the free list
//     watch/       what is seen of a gauge from one look to the next
//     sinks/       what receives events: a log, a tee, a waiter, defmt
//     gauge/       a depth source: two counters, corrections
//     probe        a depth source: a queue that knows its own length
//     budget/      a depth source: one word, requests that are admitted or refused
//     alarm/       the state machine: the state word, the check, the mark, settings, delivery
//     config, event, snapshot, thresholds, limit/
//                  plain data
//     sync/        the one place that names an atomics crate
mod alarm;
mod budget;
mod config;
mod event;
mod gauge;
mod limit;
mod probe;
#[cfg(feature = "heapless")]
pub mod queues;
mod registry;
mod sinks;
mod snapshot;
mod sync;
mod thresholds;
mod watch;

pub use alarm::delivery::{Deliver, Delivery, Renew, StaticSink};
pub use budget::{Budget, LimitExceeded, Reservation};
pub use config::{GaugeConfig, NoSink, WithSink};
/// For the expansion of `limit_catalog!`.
#[cfg(feature = "defmt")]
#[doc(hidden)]
pub use defmt as __defmt;
pub use event::{Edge, LimitEvent, LimitEventKind, LimitSink, LimitWarning};
pub use gauge::{Deferred, Gauge, Hold};
#[doc(hidden)]
pub use limit::__assert_unique;
pub use limit::{IntoLimit, Limit, LimitCategory, LimitRef, LimitUnit};
pub use probe::Probe;
pub use registry::{
    BudgetHandle, Places, Preset, QueueGauge, QueueRegistry, RegistryFull, Snapshots,
};
#[cfg(feature = "defmt")]
pub use sinks::DefmtSink;
pub use sinks::Tee;
#[cfg(feature = "event-log")]
pub use sinks::{DroppedEvents, EventLog, LogEntry};
#[cfg(feature = "edge-waiter")]
pub use sinks::{EdgeWaiter, Waiter};
pub use snapshot::{QueueSnapshot, Totals};
#[cfg(fillgauge_loom)]
pub use sync::modelled;
#[cfg(fillgauge_search)]
pub use sync::searched;
/// For the broken gauges that the models and the search share.
#[cfg(fillgauge_search)]
pub use sync::searched as modelled;
pub use thresholds::{REARM_FILL_PERCENT, Thresholds, ThresholdsError, WARN_FILL_PERCENT};
pub use watch::{Drain, DrainWatch, HasWindow, WindowPeaks};
