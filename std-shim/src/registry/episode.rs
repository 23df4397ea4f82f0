//! What is known of the present episode of a gauge: from its warning to its recovery.

use std::mem;
use std::time::Duration;

use fillgauge::{LimitEventKind, QueueSnapshot};

use crate::event::Episode;

/// The episode in progress, and the peak that its gauge has left for reports.
///
/// A gauge has one window. The recovery ends it: its peak is the greatest depth of the episode,
/// since the depth was below before the warning, as long as the thresholds stay. A report ends the
/// window, too. Each leaves its peak for the other.
#[derive(Debug, Default)]
pub(super) struct Episodes {
    /// The greatest depth since the last recovery, as far as it is in no window.
    deepest: usize,
    /// The peak of the windows that recoveries have ended since the last report did.
    unreported: usize,
    /// Waits for room before the warning, and refusals.
    before: (usize, usize),
}

impl Episodes {
    /// Takes note of an edge, before which there were so many waits. A recovery ends the episode,
    /// which began so long ago. It has ended the window, which had this peak.
    pub(super) fn edge(
        &mut self,
        kind: LimitEventKind,
        figures: &QueueSnapshot,
        waits: usize,
        lasted: Duration,
        peak: usize,
    ) -> Option<Episode> {
        match kind {
            LimitEventKind::NearCapacity => self.before = (waits, figures.refused),
            LimitEventKind::Recovered => {
                self.unreported = self.unreported.max(peak);
                let (waits_before, refused_before) = self.before;
                return Some(Episode {
                    lasted,
                    deepest: mem::take(&mut self.deepest).max(peak),
                    waits: waits.wrapping_sub(waits_before),
                    refused: figures.refused.wrapping_sub(refused_before),
                });
            }
            _ => {}
        }
        self.deepest = self.deepest.max(figures.depth);
        None
    }

    /// Ends the window for a report. Returns the peak since the report before did.
    pub(super) fn report_window(&mut self, take_window: impl FnOnce() -> usize) -> usize {
        let peak = take_window();
        self.deepest = self.deepest.max(peak);
        mem::take(&mut self.unreported).max(peak)
    }
}
