//! The state machine of a limit: its thresholds, its edges, and who delivers them.

pub(crate) mod delivery;
pub(crate) mod state;
