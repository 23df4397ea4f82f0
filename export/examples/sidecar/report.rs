//! What the sidecar says on stderr. Nobody waits for that for long: stderr may be a pipe that
//! nobody reads.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fillgauge_std::{QueueRegistry, flush_events};
use tracing_subscriber::filter::LevelFilter;

/// How long the end of the program waits for stderr.
const PATIENCE: Duration = Duration::from_secs(1);

/// Shows the events of the gauges as they happen: the warnings, and the recoveries, which are at
/// level `debug`. The background thread writes them.
pub(crate) fn show_events() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        // It would be written to stderr too, which is what failed.
        .log_internal_errors(false)
        .init();
}

/// Shows the last events, and then a table of all gauges.
pub(crate) fn show_table() {
    let table = QueueRegistry::global().report();
    patiently(move || {
        let flushed = flush_events(PATIENCE);
        let missing =
            flushed.map_or_else(|error| format!("sidecar: {error}\n"), |()| String::new());
        write(&format!("{missing}{table}"));
    });
}

/// Says something.
pub(crate) fn show(message: &str) {
    let line = format!("sidecar: {message}\n");
    patiently(move || write(&line));
}

fn write(text: &str) {
    // Where stderr is gone there is nobody to write for.
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Runs what writes to stderr on a thread of its own, and leaves it behind if it takes too long.
fn patiently(run: impl FnOnce() + Send + 'static) {
    let (done, is_done) = mpsc::channel();
    let writer = thread::Builder::new().spawn(move || {
        run();
        let _ = done.send(());
    });
    if writer.is_ok() {
        let _ = is_done.recv_timeout(PATIENCE);
    }
}
