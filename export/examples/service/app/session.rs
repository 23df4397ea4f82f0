//! One connection. A request is a line:
//!
//! ```text
//! get 17 ......    "17 ok" from a worker; "17 busy" if its bytes do not fit
//! try 18 ......    the same; "18 late" if there is no room in `jobs` soon
//! ```

use std::io;
use std::sync::Arc;
use std::time::Duration;

use fillgauge_std::OwnedReservation;
use fillgauge_std::channels::tokio::{Receiver, Sender};
use fillgauge_std::track;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::select;
use tokio::time::sleep;

use super::pace::Stage;
use super::server::Shared;
use super::{Failure, ServiceLimit};

/// A line that is longer ends its session.
const LONGEST_LINE: u64 = 4_096;

/// How long a `try` waits for room.
const SOON: Duration = Duration::from_millis(5);

/// A request on its way. Wherever it is dropped, it gives its bytes back.
pub(super) struct Job {
    pub(super) number: usize,
    pub(super) session: Sender<String>,
    pub(super) bytes: OwnedReservation,
}

/// Serves a connection until the client has gone, and all its requests are answered.
pub(super) async fn attend(
    stream: TcpStream,
    number: usize,
    jobs: Sender<Job>,
    shared: Arc<Shared>,
) -> Result<(), Failure> {
    stream.set_nodelay(true)?;
    let (reader, writer) = stream.into_split();
    let (lines, answers) = track(ServiceLimit::SessionLines)
        .capacity(ServiceLimit::SessionLines.bound())
        .label(format!("session {number}"))
        .totals()
        .registry(&shared.registry)
        .tokio_channel();
    shared.keep(lines.gauge());
    let writing = tokio::spawn(write(writer, answers, Arc::clone(&shared)));
    // A connection that breaks ends its session, and nothing else.
    let _ = read(reader, &lines, &jobs, &shared).await;
    drop((lines, jobs));
    writing.await?;
    Ok(())
}

/// Reads requests, and sends each on before it reads the next.
async fn read(
    reader: OwnedReadHalf,
    session: &Sender<String>,
    jobs: &Sender<Job>,
    shared: &Shared,
) -> io::Result<()> {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        let mut limited = (&mut reader).take(LONGEST_LINE);
        limited.read_until(b'\n', &mut line).await?;
        // What is cut, or is no request, is the last that is read.
        let Some(request) = Request::parse(&line) else {
            return Ok(());
        };
        shared.ledger.count(|counts| counts.requests += 1);
        let refusal = match submit(&request, line.len(), session, jobs, shared).await {
            Submitted::Accepted => continue,
            Submitted::Busy => "busy",
            Submitted::Late => "late",
            Submitted::Gone => return Ok(()),
        };
        shared.answer(session, request.number, refusal).await;
    }
}

/// A line that was read.
struct Request {
    number: usize,
    is_patient: bool,
}

impl Request {
    fn parse(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
        let mut words = line.split(' ');
        let is_patient = match words.next()? {
            "get" => true,
            "try" => false,
            _ => return None,
        };
        let number = words.next()?.parse().ok()?;
        Some(Self { number, is_patient })
    }
}

/// What became of a request.
enum Submitted {
    Accepted,
    Busy,
    Late,
    Gone,
}

/// Takes the bytes of a request, and waits for room in `jobs`.
async fn submit(
    request: &Request,
    bytes: usize,
    session: &Sender<String>,
    jobs: &Sender<Job>,
    shared: &Shared,
) -> Submitted {
    let Ok(bytes) = shared.bytes.try_reserve_owned(bytes) else {
        shared.ledger.count(|counts| counts.busy += 1);
        return Submitted::Busy;
    };
    let job = Job {
        number: request.number,
        session: session.clone(),
        bytes,
    };
    // Whichever comes first drops the others. A send that is dropped leaves nothing behind.
    select! {
        biased;
        sent = jobs.send(job) => if sent.is_ok() {
            shared.ledger.count(|counts| counts.accepted += 1);
            return Submitted::Accepted;
        },
        () = session.closed() => {}
        () = sleep(SOON), if !request.is_patient => {
            shared.ledger.count(|counts| counts.late += 1);
            return Submitted::Late;
        }
    }
    shared.ledger.count(|counts| counts.gone += 1);
    Submitted::Gone
}

/// Writes answers, until there will be none any more, or the client has gone.
async fn write(mut writer: OwnedWriteHalf, mut answers: Receiver<String>, shared: Arc<Shared>) {
    let mut number = 0;
    while let Some(answer) = answers.recv().await {
        shared.pause(Stage::Sessions, number).await;
        if writer.write_all(answer.as_bytes()).await.is_err() {
            // The receiver goes: answers on their way are lost, and nobody waits for room.
            return;
        }
        number += 1;
    }
}
