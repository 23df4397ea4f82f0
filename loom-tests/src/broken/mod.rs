//! Gauges and slots that break a promise, each in a way that is easily written. A model that holds of the real ones must
//! fail on one of these, or it proves nothing.

mod flag;
mod slots;
mod twin;

pub use flag::Flag;
pub use slots::{Claim, UncheckedSlot, UncountedHandle, UncountedSlot, UntaggedStack};
pub use twin::{Fault, Twin};
