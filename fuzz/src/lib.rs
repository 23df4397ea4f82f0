//! What the fuzz targets do with an input: the oracle of the core's tests, which they share.

#[path = "../../tests/it/recorder.rs"]
mod recorder;
#[path = "../../tests/it/reference/mod.rs"]
mod reference;

use arbitrary::{Arbitrary, Unstructured};

use reference::history::{GaugeHistory, RegistryHistory};

/// Plays the history of a gauge that the input decodes to.
pub fn gauge(input: &[u8]) {
    if let Ok(history) = GaugeHistory::arbitrary_take_rest(Unstructured::new(input)) {
        history.play();
    }
}

/// Plays the history of a registry that the input decodes to.
pub fn registry(input: &[u8]) {
    if let Ok(history) = RegistryHistory::arbitrary_take_rest(Unstructured::new(input)) {
        history.play();
    }
}
