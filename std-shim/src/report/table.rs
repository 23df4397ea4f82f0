//! The table of a report, for terminals.

use std::fmt;

use super::{GaugeReport, Report};
use crate::event::Shown;

/// A table of the live gauges, for terminals. The bars are `#` up to the depth, `-` up to the
/// high-water mark, and `.` up to the capacity. There is a column of labels if any gauge has one.
/// Below it is a line for each chain.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let has_labels = self.gauges.iter().any(|gauge| gauge.label.is_some());
        let head = COLUMNS.map(|(title, _)| title.to_owned());
        let mut rows = vec![head];
        rows.extend(self.gauges.iter().map(GaugeReport::cells));
        let mut widths = [0; COLUMNS.len()];
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.chars().count().max(*width);
            }
        }
        for row in rows {
            let cells = row.iter().zip(widths).zip(COLUMNS);
            let cells = cells.filter(|((_, _), (title, _))| has_labels || *title != LABEL);
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
        Ok(())
    }
}

#[derive(Clone, Copy)]
enum Align {
    Left,
    Right,
}

const LABEL: &str = "label";

/// The columns of the table.
const COLUMNS: [(&str, Align); 9] = [
    ("name", Align::Left),
    (LABEL, Align::Left),
    ("category", Align::Left),
    ("depth", Align::Right),
    ("high-water", Align::Right),
    ("capacity", Align::Right),
    ("fill", Align::Left),
    ("", Align::Right),
    ("warnings", Align::Right),
];

impl GaugeReport {
    fn cells(&self) -> [String; COLUMNS.len()] {
        [
            Shown(&self.name).to_string(),
            self.shown_label().unwrap_or_default(),
            self.category.to_string(),
            self.depth.to_string(),
            self.high_water.to_string(),
            self.capacity.to_string(),
            self.bar(),
            format!("{} %", self.fill_percent),
            self.warnings.to_string(),
        ]
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
