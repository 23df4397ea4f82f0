//! The example `sidecar`, with an output that nobody reads until it is drained.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::Duration;

/// A sidecar that serves its status, and goes on after the test's input.
#[derive(Debug)]
pub struct Sidecar {
    address: String,
    process: Child,
    input: ChildStdin,
    output: Option<ChildStdout>,
}

impl Sidecar {
    /// Starts it, with a consumer that takes `delay` for a line.
    ///
    /// # Panics
    ///
    /// Panics if it is not built, or does not start.
    pub fn start(delay: Duration) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/examples/sidecar");
        let delay = (delay.as_secs_f64() * 1e3).to_string();
        let process = Command::new(&path)
            .args(["--status", "127.0.0.1:0", "--linger", "--delay", &delay])
            .args(["--event-bytes", "100000", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let mut process = process.unwrap_or_else(|error| {
            panic!(
                "{}: {error}: `cargo build -p fillgauge-export --example sidecar` builds it",
                path.display()
            )
        });
        let mut lines = BufReader::new(process.stderr.take().expect("a pipe")).lines();
        let address = lines.by_ref().map_while(Result::ok).find_map(|line| {
            let url = line.strip_prefix("sidecar: status page: http://")?;
            url.strip_suffix('/').map(str::to_owned)
        });
        // It does not wait for who reads what it says.
        thread::spawn(move || lines.for_each(drop));
        Self {
            address: address.expect("a line with the address"),
            input: process.stdin.take().expect("a pipe"),
            output: process.stdout.take(),
            process,
        }
    }

    /// `127.0.0.1` and the port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Gives it so much to do that all its queues are full, and stay so until it is drained. Once.
    ///
    /// # Errors
    ///
    /// Fails if it does not take its input.
    pub fn fill(&mut self) -> io::Result<()> {
        // In the pipe of its output there is room for 65 lines, in its queues and its hands for
        // 107. The others stay in the pipe of its input, which has room for 65.
        self.give(200)
    }

    /// Gives it lines of a thousand bytes.
    ///
    /// # Errors
    ///
    /// Fails if it does not take its input.
    pub fn give(&mut self, lines: usize) -> io::Result<()> {
        let line = [&[b'x'; 999][..], b"\n"].concat();
        for _ in 0..lines {
            self.input.write_all(&line)?;
        }
        self.input.flush()
    }

    /// Reads its output from now on.
    pub fn drain(&mut self) {
        if let Some(mut output) = self.output.take() {
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while matches!(output.read(&mut buffer), Ok(1..)) {}
            });
        }
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.process.kill();
        _ = self.process.wait();
    }
}
