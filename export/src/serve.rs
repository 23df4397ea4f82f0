//! A server on a thread of its own.

mod bind;
mod connections;
mod host;
mod slots;

use std::convert::Infallible;
use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use axum::Router;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::exporter::Exporter;
use bind::{bind, resolve};
use connections::accept_all;
use slots::until;

/// All bounds, as the documentation of [`serve`] has them.
mod limits {
    use std::time::Duration;

    /// Connections that the system holds until they are accepted. If these are too many, the next
    /// ones try again a second later.
    pub(super) const BACKLOG: u32 = 1_024;
    /// Connections at a time. Beyond it the oldest is closed.
    pub(super) const CONNECTIONS: usize = 64;
    /// Answers that are being written at a time: with 10,000 gauges each is some megabytes.
    pub(super) const ANSWERS: usize = 8;
    /// How long a request waits for one of these. Then the oldest answer is cut.
    pub(super) const ANSWER_PATIENCE: Duration = Duration::from_millis(500);
    /// From the connection to the end of the request's headers.
    pub(super) const HEADERS_TIMEOUT: Duration = Duration::from_secs(5);
    /// From the connection to its end, whatever it does. Prometheus gives up as early.
    pub(super) const CONNECTION_AGE: Duration = Duration::from_secs(10);
    /// The request line and the headers together.
    pub(super) const HEADERS_BYTES: usize = 16 * 1_024;
    pub(super) const HEADERS: usize = 64;
    /// How long, after an answer, what a client still sends is read and thrown away: if it were
    /// not, the system would cancel the answer.
    pub(super) const LINGER: Duration = Duration::from_secs(1);
    pub(super) const LINGER_BYTES: usize = 4 << 20;
    /// Before the next try when the system has no more file descriptors.
    pub(super) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
    /// How long dropping a server waits for its thread.
    pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(5);
}

const THREAD: &str = "fillgauge-serve";

/// Serves the registry of the process: [`Exporter::serve`] of [`Exporter::global`].
///
/// ```
/// let server = fillgauge_export::serve("127.0.0.1:0")?;
/// println!("http://{}/", server.local_addr());
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// # Errors
///
/// Those of [`Exporter::serve`].
pub fn serve(address: impl ToSocketAddrs) -> io::Result<Server> {
    Exporter::global().serve(address)
}

impl Exporter {
    /// Serves the [router](Exporter::router) on a thread of its own, for programs without a server.
    ///
    /// The thread is named `fillgauge-serve`. It stops when the [`Server`] is dropped, and does not
    /// keep the process alive. Port 0 is a free port: see [`Server::local_addr`].
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use std::net::TcpStream;
    ///
    /// use fillgauge_export::Exporter;
    /// use fillgauge_std::QueueRegistry;
    ///
    /// let sessions = QueueRegistry::new("sessions");
    /// let _frames = sessions.register("frames", 16);
    /// let server = Exporter::of(&sessions).serve("127.0.0.1:0")?;
    ///
    /// let mut stream = TcpStream::connect(server.local_addr())?;
    /// stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
    /// let mut answer = String::new();
    /// stream.read_to_string(&mut answer)?;
    /// assert!(answer.contains("fillgauge_capacity"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Who may ask
    ///
    /// There is no login: all names, labels and figures can be read by all who reach the address.
    ///
    /// - On a loopback address, as `127.0.0.1:9000`, that is every program of the machine. Requests
    ///   for another `Host` than `localhost`, `127.0.0.1`, `[::1]` or the address itself get 421:
    ///   no web page reads the answers through a name of its own that resolves to 127.0.0.1 (DNS
    ///   rebinding).
    /// - On another address, as `0.0.0.0:9000`, that is the network. Every `Host` is answered.
    ///
    /// # Limits
    ///
    /// | of | limit | beyond it |
    /// |---|---|---|
    /// | connections | 64 | the oldest is closed |
    /// | answers being written | 8 | a request waits for 0.5 s, then the oldest answer is cut |
    /// | requests of a connection | 1 | the connection is closed: no keep-alive |
    /// | time until the headers are read | 5 s | the connection is closed |
    /// | age of a connection | 10 s | the connection is closed |
    /// | headers | 64, and 16 KiB with the request line | 431 |
    /// | body of a request | is not read | |
    ///
    /// So idle and slow clients neither keep a scrape waiting nor take more memory. What still can:
    /// thousands of new connections a second, and requests for reports without a pause, one
    /// processor's worth at most.
    ///
    /// # Errors
    ///
    /// The text says what failed, and with which address.
    ///
    /// - `address` cannot be resolved, or none of its addresses can be bound. Of several the first
    ///   that can be bound is taken.
    /// - [`InvalidInput`](io::ErrorKind::InvalidInput): browsers block the port ([bad ports]), so
    ///   the page would never be seen.
    /// - The thread or its runtime cannot be started.
    ///
    /// [bad ports]: https://fetch.spec.whatwg.org/#port-blocking
    pub fn serve(self, address: impl ToSocketAddrs) -> io::Result<Server> {
        start(self.router(), address)
    }
}

/// A server that runs until this is dropped.
///
/// Dropping it closes the port and all connections, and waits for that: about a millisecond, longer
/// while it makes a report, and 5 s at most.
///
/// ```
/// let server = fillgauge_export::serve("127.0.0.1:0")?;
/// let address = server.local_addr();
/// drop(server);
/// // The port is free again.
/// std::net::TcpListener::bind(address)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "the server stops when this is dropped"]
pub struct Server {
    address: SocketAddr,
    stop: Arc<Notify>,
    /// Disconnected when the thread has ended. `None` if the server is detached.
    ended: Option<Mutex<mpsc::Receiver<Infallible>>>,
}

impl Server {
    /// The address that it listens on, with the port that was free if it was asked for port 0.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Lets it run as long as the process.
    ///
    /// ```no_run
    /// fillgauge_export::serve("127.0.0.1:9000")?.detach();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn detach(mut self) {
        self.ended = None;
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut server = formatter.debug_struct("Server");
        server.field("local_addr", &self.address);
        server.finish_non_exhaustive()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(ended) = self.ended.take() {
            self.stop.notify_one();
            let ended = ended.into_inner().unwrap_or_else(PoisonError::into_inner);
            // Not for ever: the thread could wait for a lock that is held here.
            let _ = ended.recv_timeout(limits::STOP_PATIENCE);
        }
    }
}

/// Serves on a thread of its own.
fn start(router: Router, address: impl ToSocketAddrs) -> io::Result<Server> {
    let addresses = resolve(address)?;
    let stop = Arc::new(Notify::new());
    let (started, is_started) = mpsc::sync_channel(1);
    let (keep_until_end, ended) = mpsc::channel();
    let run = {
        let stop = Arc::clone(&stop);
        move || {
            let _keep_until_end = keep_until_end;
            // Made here: an `async` function may start a server, but cannot drop a runtime.
            let runtime = match runtime() {
                Ok(runtime) => runtime,
                Err(error) => return drop(started.send(Err(cannot_start(error)))),
            };
            runtime.block_on(async {
                let (listener, address) = match bind(&addresses) {
                    Ok(bound) => bound,
                    Err(error) => return drop(started.send(Err(error))),
                };
                drop(started.send(Ok(address)));
                until(&stop, accept_all(listener, router, address.ip())).await;
            });
        }
    };
    let thread = thread::Builder::new().name(THREAD.to_owned());
    thread.spawn(run).map_err(cannot_start)?;
    let is_started = is_started.recv();
    let address = is_started.map_err(|_| io::Error::other(format!("{THREAD} ended")))??;
    Ok(Server {
        address,
        stop,
        ended: Some(Mutex::new(ended)),
    })
}

fn runtime() -> io::Result<Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        // Reports take long: after each one connections are accepted, and time-outs are checked.
        .event_interval(1)
        .build()
}

fn cannot_start(error: io::Error) -> io::Error {
    explained(format!("cannot start the thread {THREAD}"), error)
}

/// The error, and before it what failed.
fn explained(what: impl fmt::Display, error: io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpStream;

    use axum::routing::get;

    use super::*;

    fn ask(server: &Server, path: &str) -> String {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    async fn panics() {
        panic!("on purpose");
    }

    /// Nothing panics. If something did, only its own connection would end.
    #[test]
    fn a_panic_ends_one_connection() {
        let router = Router::new()
            .route("/panic", get(panics))
            .route("/", get(|| async { "alive" }));
        let server = start(router, "127.0.0.1:0").unwrap();
        for _ in 0..2 * limits::CONNECTIONS {
            assert_eq!(ask(&server, "/panic"), "");
        }
        assert!(ask(&server, "/").ends_with("\r\n\r\nalive"));
    }
}
