//! Events as `defmt` frames.

use crate::event::{LimitEvent, LimitSink};

/// A sink that logs every event through `defmt`, with the levels, messages and fields of
/// `fillgauge-std`'s `tracing` events.
///
/// | event | level | message |
/// |---|---|---|
/// | [`NearCapacity`](LimitEvent::NearCapacity) | `warn` | bounded limit near capacity |
/// | [`Exhausted`](LimitEvent::Exhausted) | `warn` | bounded limit exhausted |
/// | [`Full`](LimitEvent::Full) | `info` | bounded limit reached capacity |
/// | [`Recovered`](LimitEvent::Recovered) | `debug` | bounded limit drained back below threshold |
///
/// `defmt` compiles in what the environment variable `DEFMT_LOG` says at build time, which is
/// `error` if it is not set: set it to `debug`, or `fillgauge=debug` beside what is there, or
/// nothing of this is logged.
///
/// # Progress and interrupts
///
/// As the global logger of the firmware: most of them log in a critical section, and some of them
/// wait for the host. To log outside the interrupt that crossed the threshold, give the gauge an
/// [`EventLog`](crate::EventLog) and pass what the main loop takes out of it to this sink.
///
/// ```
/// use fillgauge::{DefmtSink, Gauge, Limit};
///
/// static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64).with_sink(&DefmtSink);
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct DefmtSink;

impl LimitSink for DefmtSink {
    fn on_event(&self, event: &LimitEvent) {
        let gauge = event.snapshot();
        // The level of a frame and its strings are fixed where it is written, hence a macro.
        macro_rules! emit {
            ($level:ident, $message:literal, $depth:literal) => {
                defmt::$level!(
                    "{=istr} limit={=str} category={=str} instance={=usize} {=istr}={=usize} capacity={=usize} fill_percent={=usize}",
                    defmt::intern!($message),
                    gauge.name.as_str(),
                    gauge.category.as_str(),
                    gauge.instance,
                    defmt::intern!($depth),
                    gauge.depth,
                    gauge.capacity,
                    gauge.fill_percent
                )
            };
        }
        match event {
            LimitEvent::NearCapacity(_) => emit!(warn, "bounded limit near capacity", "observed"),
            LimitEvent::Exhausted(_) => emit!(warn, "bounded limit exhausted", "observed"),
            LimitEvent::Full(_) => emit!(info, "bounded limit reached capacity", "depth"),
            LimitEvent::Recovered(_) => {
                emit!(debug, "bounded limit drained back below threshold", "depth");
            }
        }
    }
}
