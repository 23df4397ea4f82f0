//! What a registry shows, one after the other.

use core::fmt;
use core::iter::FusedIterator;
use core::slice;

use super::free_list::Slot;
use super::preset::Preset;
use crate::snapshot::QueueSnapshot;

/// What is at each place of a registry, from
/// [`QueueRegistry::places`](crate::QueueRegistry::places). `None` where no gauge is.
#[derive(Clone)]
pub struct Places<'registry> {
    pub(super) presets: slice::Iter<'static, Preset>,
    pub(super) slots: slice::Iter<'registry, Slot>,
}

impl Iterator for Places<'_> {
    type Item = Option<QueueSnapshot>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.presets.next() {
            Some(preset) => Some(Some(preset.snapshot())),
            None => self.slots.next().map(Slot::snapshot_if_live),
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let places = self.presets.len() + self.slots.len();
        (places, Some(places))
    }
}

impl ExactSizeIterator for Places<'_> {}

impl fmt::Debug for Places<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

impl FusedIterator for Places<'_> {}

/// The figures of every live gauge, from
/// [`QueueRegistry::snapshot`](crate::QueueRegistry::snapshot).
#[derive(Clone, Debug)]
pub struct Snapshots<'registry>(pub(super) Places<'registry>);

impl Iterator for Snapshots<'_> {
    type Item = QueueSnapshot;

    fn next(&mut self) -> Option<QueueSnapshot> {
        self.0.find_map(|place| place)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.0.presets.len(), Some(self.0.len()))
    }
}

impl FusedIterator for Snapshots<'_> {}
