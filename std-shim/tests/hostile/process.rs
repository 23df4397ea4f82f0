//! Processes with a time limit, and how many threads this one has.

use std::env;
use std::fs;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// With what it wrote to standard error.
    Failure(String),
    /// It was killed when its time was over.
    Timeout,
}

/// Runs this test again, in a process of its own.
pub(crate) fn run(arguments: &[&str], limit: Duration, variables: &[(&str, &str)]) -> Outcome {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(arguments)
        .envs(variables.iter().copied())
        // Most panics are part of the row, and a backtrace takes longer than the rest of it.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut errors = child.stderr.take().unwrap();
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        let _ = errors.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status);
        }
        if start.elapsed() > limit {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let errors = reader.join().unwrap();
    match status {
        Some(status) if status.success() => Outcome::Success,
        Some(status) => Outcome::Failure(format!("{status}\n{errors}")),
        None => Outcome::Timeout,
    }
}

/// How many threads this process has.
pub(crate) fn threads() -> usize {
    fs::read_dir("/proc/self/task").map_or(1, Iterator::count)
}
