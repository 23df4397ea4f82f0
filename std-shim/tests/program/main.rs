//! One program on the original and on `queue_tracker`, by its `use` line alone: what it prints is
//! the same.

#![deny(warnings)]
#![allow(dead_code)] // What the program only writes down.

macro_rules! program {
    ($name:ident, $($path:ident)::+) => {
        mod $name {
            use $($path)::+::*;

            include!("program.rs");
        }
    };
}

program!(of_the_original, agentos_bridge::queue_tracker);
program!(of_this_crate, fillgauge_std::queue_tracker);

#[test]
fn the_program_prints_the_same() {
    let theirs = of_the_original::run();
    let ours = of_this_crate::run();
    assert!(theirs.len() > 100, "{theirs:?}");
    for (line, (theirs, ours)) in theirs.iter().zip(&ours).enumerate() {
        assert_eq!(ours, theirs, "line {line}");
    }
    assert_eq!(ours.len(), theirs.len());
}
