//! The last edges of a gauge.

use std::time::SystemTime;

use fillgauge::LimitEventKind;

use crate::event::LimitEvent;

/// How many edges are kept.
const KEPT: usize = 8;

/// An edge of a gauge.
#[derive(Clone, Copy)]
pub(crate) struct PastEdge {
    pub(crate) kind: LimitEventKind,
    pub(crate) depth: usize,
    pub(crate) at: Option<SystemTime>,
}

/// The last edges, the oldest first.
#[derive(Clone, Copy, Default)]
pub(crate) struct LastEdges {
    edges: [Option<PastEdge>; KEPT],
}

impl LastEdges {
    pub(super) fn push(&mut self, event: &LimitEvent) {
        self.edges.rotate_left(1);
        if let Some(last) = self.edges.last_mut() {
            *last = Some(PastEdge {
                kind: event.kind(),
                depth: event.snapshot().depth,
                at: event.at(),
            });
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &PastEdge> {
        self.edges.iter().flatten()
    }
}
