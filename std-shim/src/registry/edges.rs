//! The last edges of a gauge.

use std::time::SystemTime;

use fillgauge::LimitEventKind;

use crate::event::{Episode, LimitEvent};

/// How many edges are kept.
const KEPT: usize = 8;

/// An edge of a gauge.
#[derive(Clone, Copy)]
pub(crate) struct PastEdge {
    pub(crate) kind: LimitEventKind,
    pub(crate) depth: usize,
    pub(crate) at: Option<SystemTime>,
    /// What ended with it, if it is a recovery.
    pub(crate) episode: Option<Episode>,
}

/// The last edges.
#[derive(Clone, Copy, Default)]
pub(crate) struct LastEdges {
    /// A ring.
    edges: [Option<PastEdge>; KEPT],
    /// How many there ever were.
    pushed: usize,
}

impl LastEdges {
    #[inline]
    pub(super) fn push(&mut self, event: &LimitEvent) {
        if let Some(oldest) = self.edges.get_mut(self.pushed % KEPT) {
            *oldest = Some(PastEdge {
                kind: event.kind(),
                depth: event.snapshot().depth,
                at: event.at(),
                episode: event.episode(),
            });
        }
        self.pushed = self.pushed.wrapping_add(1);
    }

    /// The oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &PastEdge> {
        let (newer, older) = self.edges.split_at(self.pushed % KEPT);
        older.iter().chain(newer).flatten()
    }
}
