//! What is seen of a gauge from one look to the next. A watch costs the records nothing.

mod drain;
mod peaks;

pub use drain::{Drain, DrainWatch};
pub use peaks::{HasWindow, WindowPeaks};
