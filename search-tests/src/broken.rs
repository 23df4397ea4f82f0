//! Gauges that break a promise, each in a way that is easily written.

#[path = "../../loom-tests/src/broken/flag.rs"]
mod flag;
#[path = "../../loom-tests/src/broken/twin.rs"]
mod twin;

pub use flag::Flag;
pub use twin::{Fault, Twin};
