//! Random programs under random schedules, and canaries: the same programs on tempting wrong
//! versions.

mod budgets;
mod channel;
mod channel_canaries;
mod observed;
mod registry;
