//! The seeds of the fuzz targets, played without a fuzzer.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};

use crate::reference::history::{GaugeHistory, RegistryHistory};

/// Plays the histories that the seeds of a target decode to. Together they must still raise every kind of event in
/// `kinds`: a change of the histories' types changes what the seeds mean.
fn play_seeds<History>(target: &str, play: impl Fn(&History) -> String, kinds: &str)
where
    History: for<'bytes> Arbitrary<'bytes>,
{
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/seeds")
        .join(target);
    let mut played = String::new();
    for entry in fs::read_dir(&directory).expect("the seeds are there") {
        let path = entry.unwrap().path();
        let bytes = fs::read(&path).unwrap();
        println!("{}", path.display());
        let history = History::arbitrary_take_rest(Unstructured::new(&bytes)).unwrap();
        played += &play(&history);
    }
    for kind in kinds.chars() {
        assert!(
            played.contains(kind),
            "no seed in {} leads to {kind}",
            directory.display()
        );
    }
}

#[test]
fn seeds_of_gauge() {
    play_seeds("gauge", GaugeHistory::play, "+=-");
}

#[test]
fn seeds_of_registry() {
    play_seeds("registry", RegistryHistory::play, "+=-!");
}
