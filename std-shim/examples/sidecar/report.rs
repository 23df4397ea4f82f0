//! What the sidecar tells on stderr.

use std::io::{self, Write};

use fillgauge_std::QueueSnapshot;
use tracing_subscriber::filter::LevelFilter;

/// Cells of a fill bar.
const BAR: usize = 20;

/// Shows the events of the gauges as they happen: the warnings, and the recoveries, which are at level `debug`.
pub(crate) fn show_events() {
    tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_max_level(LevelFilter::DEBUG)
        .with_ansi(false)
        .init();
}

pub(crate) fn show_table(gauges: &[QueueSnapshot]) {
    // Where stderr is gone there is nobody to show it to.
    let _ = io::stderr().write_all(table(gauges).as_bytes());
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

/// `#` up to the depth, `-` up to the high-water mark, `.` up to the capacity. Empty without a bound.
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
