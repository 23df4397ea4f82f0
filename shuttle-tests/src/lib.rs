//! How a program is run under random schedules.

#[cfg(not(fillgauge_shuttle))]
compile_error!(
    "build with --cfg fillgauge_shuttle: .cargo/config.toml sets it, unless RUSTFLAGS is set in the environment"
);

use shuttle::rand::{Rng, thread_rng};
use shuttle::scheduler::RandomScheduler;
use shuttle::{Config, Runner};

/// Runs `program` under `schedules` random schedules, the same ones each time. A failure prints the seed of its schedule,
/// and `SHUTTLE_RANDOM_SEED` is the seed to start from.
pub fn explore(schedules: usize, program: impl Fn() + Send + Sync + 'static) {
    let mut config = Config::new();
    // All that is told is that weaker orderings run as sequentially consistent ones, and statics end with the schedule.
    config.silence_warnings = true;
    // The log and a panic take more of the stack than shuttle gives a task.
    config.stack_size = 1 << 18;
    Runner::new(RandomScheduler::new_from_seed(0, schedules), config).run(program);
}

/// One of `choices`, drawn as part of the schedule: its seed replays it.
pub fn pick<T: Copy>(choices: &[T]) -> T {
    choices[thread_rng().gen_range(0..choices.len())]
}
