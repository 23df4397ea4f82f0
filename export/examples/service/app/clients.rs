//! The clients: each has one session after the other, and sends its requests in bursts.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ledger::lock;
use super::pace::spread;
use super::{Failure, Settings};

/// Requests that a client sends before it reads the answers.
const BURST: usize = 8;

/// The first pause before what was refused is sent again. It doubles each time, up to the last.
const FIRST_BACKOFF: Duration = Duration::from_millis(20);
const LAST_BACKOFF: Duration = Duration::from_millis(320);

/// What the clients have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClientCounts {
    /// Connections.
    pub(crate) sessions: usize,
    /// Of these, that went in the middle of a request, without its answers.
    pub(crate) disconnected: usize,
    /// Answers `ok`.
    pub(crate) ok: usize,
    /// Answers `busy`.
    pub(crate) busy: usize,
    /// Answers `late`.
    pub(crate) late: usize,
}

/// The same while clients count.
#[derive(Clone, Debug, Default)]
pub(super) struct Tally(Arc<Mutex<ClientCounts>>);

impl Tally {
    fn count(&self, change: impl FnOnce(&mut ClientCounts)) {
        change(&mut lock(&self.0));
    }

    pub(super) fn read(&self) -> ClientCounts {
        *lock(&self.0)
    }
}

/// Runs all sessions. Dropping the future ends them where they are.
pub(super) async fn run(
    address: SocketAddr,
    settings: &Settings,
    tally: &Tally,
) -> Result<(), Failure> {
    let next = Arc::new(AtomicUsize::new(0));
    let mut clients = JoinSet::new();
    for client in 0..settings.at_once.min(settings.sessions) {
        let (next, tally) = (Arc::clone(&next), tally.clone());
        let settings = settings.clone();
        clients.spawn(async move {
            // They do not all come at once.
            sleep(settings.pause.mul_f64(spread(client))).await;
            loop {
                let session = next.fetch_add(1, Ordering::Relaxed);
                if session >= settings.sessions {
                    return Ok(());
                }
                hold_session(address, session, &settings, &tally).await?;
            }
        });
    }
    while let Some(ended) = clients.join_next().await {
        ended?.map_err(|error: io::Error| format!("a client failed: {error}"))?;
    }
    Ok(())
}

/// How a client behaves.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Waits for each answer.
    Patient,
    /// Gives a request up that has no room soon, and sends it again.
    Impatient,
    /// Disconnects in the middle of a request.
    Disconnecting,
}

/// The requests of one session.
async fn hold_session(
    address: SocketAddr,
    session: usize,
    settings: &Settings,
    tally: &Tally,
) -> io::Result<()> {
    let manner = match session % 8 {
        3 => Manner::Disconnecting,
        5 => Manner::Impatient,
        _ => Manner::Patient,
    };
    // What does not divide goes to the first ones.
    let each = settings.requests / settings.sessions;
    let more = usize::from(session < settings.requests % settings.sessions);
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut connection = Connection {
        stream: BufReader::new(stream),
        tally,
    };
    tally.count(|counts| counts.sessions += 1);

    let mut requests = (0..each + more).map(|index| Request {
        number: session + index * settings.sessions,
        is_patient: manner != Manner::Impatient,
    });
    loop {
        let burst: Vec<_> = requests.by_ref().take(BURST).collect();
        if burst.is_empty() {
            return Ok(());
        }
        if manner == Manner::Disconnecting {
            return connection.disconnect_after(&burst).await;
        }
        let mut refused = connection.send(&burst).await?;
        let mut backoff = FIRST_BACKOFF;
        while !refused.is_empty() {
            sleep(backoff).await;
            backoff = LAST_BACKOFF.min(backoff * 2);
            // What was too late once may take its time.
            let again: Vec<_> = refused.into_iter().map(Request::patient).collect();
            refused = connection.send(&again).await?;
        }
        sleep(settings.pause).await;
    }
}

#[derive(Clone, Copy)]
struct Request {
    number: usize,
    is_patient: bool,
}

impl Request {
    fn patient(self) -> Self {
        Self {
            is_patient: true,
            ..self
        }
    }

    fn line(self) -> String {
        let verb = if self.is_patient { "get" } else { "try" };
        let length = 20 + self.number * 37 % 380;
        format!("{verb} {} {:.<length$}\n", self.number, "")
    }
}

struct Connection<'tally> {
    stream: BufReader<TcpStream>,
    tally: &'tally Tally,
}

impl Connection<'_> {
    /// Sends requests, and reads their answers. Returns those that were refused.
    async fn send(&mut self, burst: &[Request]) -> io::Result<Vec<Request>> {
        self.write(burst).await?;
        let mut waiting: HashMap<_, _> = burst.iter().map(|one| (one.number, *one)).collect();
        let mut refused = Vec::new();
        while !waiting.is_empty() {
            let (number, is_done) = self.read().await?;
            let request = waiting.remove(&number).ok_or(io::ErrorKind::InvalidData)?;
            if !is_done {
                refused.push(request);
            }
        }
        Ok(refused)
    }

    /// Sends requests and the half of one, and goes after the first answer.
    async fn disconnect_after(mut self, burst: &[Request]) -> io::Result<()> {
        self.write(burst).await?;
        self.read().await?;
        self.stream.write_all(b"get 1").await?;
        self.tally.count(|counts| counts.disconnected += 1);
        Ok(())
    }

    async fn write(&mut self, burst: &[Request]) -> io::Result<()> {
        let lines: String = burst.iter().map(|request| request.line()).collect();
        self.stream.write_all(lines.as_bytes()).await
    }

    /// Reads an answer: which request, and whether it is done.
    async fn read(&mut self) -> io::Result<(usize, bool)> {
        let mut line = String::new();
        if self.stream.read_line(&mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let mut words = line.split_whitespace();
        let number = words.next().and_then(|number| number.parse().ok());
        let number = number.ok_or(io::ErrorKind::InvalidData)?;
        let word = words.next().unwrap_or_default();
        if !["ok", "busy", "late"].contains(&word) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.tally.count(|counts| match word {
            "ok" => counts.ok += 1,
            "busy" => counts.busy += 1,
            _ => counts.late += 1,
        });
        Ok((number, word == "ok"))
    }
}
