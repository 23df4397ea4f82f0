//! What the end-to-end tests share: processes that end with their test, ports, waiting, and a
//! service that answers what a test wants.

use std::io;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

pub mod service;
pub mod sidecar;

/// A process that ends with this value, and so with its test.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    /// Starts it, without input and output.
    ///
    /// # Panics
    ///
    /// Panics if it cannot be started.
    pub fn start(command: &mut Command) -> Self {
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        match child {
            Ok(child) => Self { child },
            Err(error) => panic!("{command:?} cannot be started: {error}"),
        }
    }

    /// The id of the process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// A port of loopback that nothing listens on. Another process may take it first: a test that
/// finds it taken fails, and says so.
///
/// # Panics
///
/// Panics if there is none.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Whether something listens on a port of loopback.
pub fn is_listening(port: u16) -> bool {
    TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits until something holds, and returns how long that took.
///
/// # Errors
///
/// Fails if it does not hold within that time.
pub fn wait_until(within: Duration, mut holds: impl FnMut() -> bool) -> io::Result<Duration> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > within {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(start.elapsed())
}
