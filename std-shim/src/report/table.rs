//! The table of a report, for terminals.

use std::fmt;
use std::time::SystemTime;

use super::{GaugeReport, Report};
use crate::event::Shown;
use crate::pressure::Pressure;

/// A table of the live gauges, for terminals. The bars are `#` up to the depth, `-` up to the
/// high-water mark, and `.` up to the capacity. The columns of labels, of the peak since the report
/// before, of the pressure in percent over 10, 60 and 300 seconds, of the producers that wait, and
/// of how long a queue has been stuck are there if any gauge has one. Below it is a line for each
/// chain, and one for each limit that there is advice on.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let head = COLUMNS.map(|(title, _)| title.to_owned());
        let mut rows = vec![head];
        rows.extend(self.gauges.iter().map(|gauge| gauge.cells(self.at)));
        let mut is_shown = COLUMNS.map(|(title, _)| !OPTIONAL.contains(&title));
        for row in rows.iter().skip(1) {
            for (is_shown, cell) in is_shown.iter_mut().zip(row) {
                *is_shown |= !cell.is_empty();
            }
        }
        let mut widths = [0; COLUMNS.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows {
            let cells = row.iter().zip(widths).zip(COLUMNS).zip(is_shown);
            let cells = cells.filter_map(|(cell, is_shown)| is_shown.then_some(cell));
            for (column, ((cell, width), (_, align))) in cells.enumerate() {
                if column > 0 {
                    f.write_str("  ")?;
                }
                match align {
                    Align::Left => write!(f, "{cell:<width$}")?,
                    Align::Right => write!(f, "{cell:>width$}")?,
                }
            }
            f.write_str("\n")?;
        }
        for chain in &self.chains {
            writeln!(f, "{}", chain.text)?;
        }
        for limit in &self.limits {
            if let Some(advice) = &limit.advice {
                writeln!(f, "{}: {advice}", Shown(&limit.name))?;
            }
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

/// The columns that are there if a gauge has something in them.
const OPTIONAL: [&str; 5] = ["label", "peak", "pressure", "waiting", "stuck for"];

/// The columns of the table.
const COLUMNS: [(&str, Align); 13] = [
    ("name", Align::Left),
    ("label", Align::Left),
    ("category", Align::Left),
    ("depth", Align::Right),
    ("peak", Align::Right),
    ("high-water", Align::Right),
    ("capacity", Align::Right),
    ("fill", Align::Left),
    ("", Align::Right),
    ("warnings", Align::Right),
    ("pressure", Align::Right),
    ("waiting", Align::Right),
    ("stuck for", Align::Right),
];

impl GaugeReport {
    fn cells(&self, at: Option<SystemTime>) -> [String; COLUMNS.len()] {
        [
            Shown(&self.name).to_string(),
            self.shown_label().unwrap_or_default(),
            self.category.to_string(),
            self.depth.to_string(),
            self.window_peak
                .map(|peak| peak.to_string())
                .unwrap_or_default(),
            self.high_water.to_string(),
            self.capacity.to_string(),
            self.bar(),
            format!("{} %", self.fill_percent),
            self.warnings.to_string(),
            self.averages(),
            self.waits(),
            self.stuck_for(at),
        ]
    }

    /// The three averages. Empty if they are 0.
    fn averages(&self) -> String {
        let pressure = self
            .pressure
            .filter(|pressure| *pressure != Pressure::default());
        pressure.map_or_else(String::new, |pressure| {
            let (avg10, avg60, avg300) = (pressure.avg10(), pressure.avg60(), pressure.avg300());
            format!("{avg10:.0} {avg60:.0} {avg300:.0} %")
        })
    }

    /// Empty if no producer waits.
    fn waits(&self) -> String {
        let held_back = self.backpressure.filter(|held_back| held_back.waiting > 0);
        held_back.map_or_else(String::new, |held_back| {
            let longest = held_back.waiting_for.as_secs_f64();
            format!("{} for {longest:.1} s", held_back.waiting)
        })
    }

    /// Empty if it is not stuck.
    fn stuck_for(&self, at: Option<SystemTime>) -> String {
        let length = at.zip(self.stuck_since);
        match length.and_then(|(at, since)| at.duration_since(since).ok()) {
            Some(length) => format!("{} s", length.as_secs()),
            None if self.stuck => "?".to_owned(),
            None => String::new(),
        }
    }

    /// Empty without a bound.
    fn bar(&self) -> String {
        const CELLS: u128 = 20;
        if self.gone {
            return "gone".to_owned();
        }
        if self.capacity == 0 {
            return String::new();
        }
        // Rounded up, so that a single item shows.
        let cells = |depth: usize| (depth as u128 * CELLS).div_ceil(self.capacity as u128);
        let (filled, reached) = (cells(self.depth), cells(self.high_water));
        let cell = |cell| match cell {
            cell if cell < filled => '#',
            cell if cell < reached => '-',
            _ => '.',
        };
        (0..CELLS).map(cell).collect()
    }
}
