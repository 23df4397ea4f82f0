//! What the sidecar says on stderr. Nobody waits for that for long: stderr may be a pipe that
//! nobody reads.

use std::io::{self, Write};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use fillgauge_std::{QueueSnapshot, flush_events, queue_snapshot};
use tracing_subscriber::filter::LevelFilter;

/// How long the end of the program waits for stderr.
const PATIENCE: Duration = Duration::from_secs(1);

/// Cells of a fill bar.
const BAR: usize = 20;

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
    let table = table(&queue_snapshot());
    patiently(move || {
        let flushed = flush_events(PATIENCE);
        let missing =
            flushed.map_or_else(|error| format!("sidecar: {error}\n"), |()| String::new());
        write(&format!("{missing}{table}"));
    });
}

/// Says why the program fails.
pub(crate) fn show_error(message: &str) {
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

fn table(gauges: &[QueueSnapshot]) -> String {
    let header = [
        "name",
        "category",
        "depth",
        "high-water",
        "capacity",
        "fill",
        "",
        "warnings",
    ];
    let mut rows = vec![header.map(String::from)];
    for gauge in gauges {
        rows.push([
            gauge.name.to_string(),
            gauge.category.to_string(),
            gauge.depth.to_string(),
            gauge.high_water.to_string(),
            gauge.capacity.to_string(),
            bar(gauge),
            format!("{} %", gauge.fill_percent),
            gauge.warnings.to_string(),
        ]);
    }
    let widths: [usize; 8] = std::array::from_fn(|column| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.max().unwrap_or(0)
    });
    let mut table = String::new();
    for row in rows {
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            let separator = if column == 0 { "" } else { "  " };
            let cell = match column {
                0 | 1 | 5 => format!("{separator}{cell:<width$}"),
                _ => format!("{separator}{cell:>width$}"),
            };
            table.push_str(&cell);
        }
        table.push('\n');
    }
    table
}

/// `#` up to the depth, `-` up to the high-water mark, `.` up to the capacity. Empty without a
/// bound.
fn bar(gauge: &QueueSnapshot) -> String {
    if gauge.capacity == 0 {
        return String::new();
    }
    // Rounded up, so that a single item shows.
    let cells = |depth: usize| (depth as u128 * BAR as u128).div_ceil(gauge.capacity as u128);
    let filled = cells(gauge.depth);
    let reached = cells(gauge.high_water);
    (0..BAR as u128)
        .map(|cell| match cell {
            cell if cell < filled => '#',
            cell if cell < reached => '-',
            _ => '.',
        })
        .collect()
}
