//! fillgauge beside bare atomics, raw channels, the original and the usual metrics, as ratios
//! within one run.
//!
//! `cargo bench --bench ratios` runs all comparisons, `cargo bench --bench ratios -- WORD...` those
//! whose title has one of the words. A table goes to stdout, the same as JSON to
//! `target/ratios.json`.

mod budgets;
mod channels;
mod compare;
mod memory;
mod other_channels;
mod peers;
mod recording;
mod registries;
mod tokio_channels;

use compare::Run;

fn main() {
    let mut run = Run::from_arguments();
    recording::compare(&mut run);
    budgets::compare(&mut run);
    channels::compare(&mut run);
    other_channels::compare(&mut run);
    tokio_channels::compare(&mut run);
    registries::compare(&mut run);
    memory::compare(&mut run);
    run.finish();
}
