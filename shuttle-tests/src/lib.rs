//! How a program is run under random schedules.

#[cfg(not(fillgauge_shuttle))]
compile_error!(
    "build with --cfg fillgauge_shuttle: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

use std::env;

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};

/// How many schedules a canary may take until it finds its fault. The rarest takes some 10,000.
/// With every lock that the crate takes or no longer takes, it is found in another schedule.
pub const TO_FIND: usize = 200_000;

/// Runs `program` under `schedules` random schedules, the same ones each time. `SCHEDULES_FACTOR`
/// multiplies their number. A failure prints the seed of its schedule, and `SHUTTLE_RANDOM_SEED` is
/// the seed to start from.
pub fn explore(schedules: usize, program: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // The only warnings are that weaker orderings run as sequentially consistent ones, and that
    // statics end with the schedule.
    config.silence_warnings = true;
    // The log and a panic take more of the stack than shuttle gives a task.
    config.stack_size = 1 << 18;
    let schedules = schedules.checked_mul(factor()).expect("so many schedules");
    Runner::new(RandomScheduler::new_from_seed(0, schedules), config).run(program);
}

fn factor() -> usize {
    let Ok(factor) = env::var("SCHEDULES_FACTOR") else {
        return 1;
    };
    match factor.parse() {
        Ok(factor) if factor > 0 => factor,
        _ => panic!("SCHEDULES_FACTOR must be a number above 0, not {factor}"),
    }
}

/// One of `choices`, drawn as part of the schedule: its seed replays it.
pub fn pick<T: Copy>(choices: &[T]) -> T {
    choices[thread_rng().gen_range(0..choices.len())]
}
