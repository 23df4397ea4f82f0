//! Accepts connections, and takes each request through the stages:
//!
//! ```text
//! session -> jobs -> dispatcher -> work_permits -> worker -> records -> writer
//!    ^                                               |
//!    '------------------ session_lines <-------------'
//! ```
//!
//! Each stage waits for room in the next one, so a slow one holds back all before it. What is not
//! yet answered also holds its bytes, of which there are only so many.

use std::fmt;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::thread;

use fillgauge_std::channels::tokio::{OwnedSemaphorePermit, Receiver, Semaphore, Sender};
use fillgauge_std::channels::{crossbeam, tokio::AcquireError};
use fillgauge_std::{Budget, Chain, QueueProbe, QueueRegistry, chain, track};
use tokio::net::TcpListener;
use tokio::select;
use tokio::sync::oneshot;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep;

use super::ledger::{Ledger, lock};
use super::pace::{Pace, Stage};
use super::session::{Job, attend};
use super::{Failure, ServiceLimit, Settings};

/// What all tasks of the service share.
pub(super) struct Shared {
    pub(super) registry: QueueRegistry,
    pub(super) ledger: Arc<Ledger>,
    pub(super) bytes: Arc<Budget>,
    pace: Arc<Pace>,
    /// The gauges of all sessions, if they are to be kept.
    sessions: Option<Mutex<Vec<Arc<QueueProbe>>>>,
}

impl Shared {
    /// Lets `stage` take its time.
    pub(super) async fn pause(&self, stage: Stage, number: usize) {
        let length = self.pace.of(stage, number);
        if !length.is_zero() {
            sleep(length).await;
        }
    }

    /// Sends an answer to its session. Waits for room.
    pub(super) async fn answer(&self, session: &Sender<String>, number: usize, word: &str) {
        let sent = session.send(format!("{number} {word}\n")).await;
        self.ledger.count(|counts| match sent {
            Ok(()) => counts.answered += 1,
            Err(_) => counts.lost += 1,
        });
    }

    /// Keeps the gauge of a session, if it is to be kept.
    pub(super) fn keep(&self, gauge: &Arc<QueueProbe>) {
        if let Some(sessions) = &self.sessions {
            lock(sessions).push(Arc::clone(gauge));
        }
    }
}

/// The gauges of the service. They are in its registry as long as this is kept.
#[must_use]
pub(crate) struct Gauges {
    _chain: Chain,
    _bytes: Arc<Budget>,
    _permits: Arc<Semaphore>,
    // With a receiver the depth is what is in the channel. Without one it is 0 in any case.
    _jobs: Receiver<Job>,
    _records: crossbeam::Receiver<Record>,
    _sessions: Vec<Arc<QueueProbe>>,
}

impl fmt::Debug for Gauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gauges").finish_non_exhaustive()
    }
}

/// What the writer writes.
struct Record {
    number: usize,
}

pub(super) struct Server {
    shared: Arc<Shared>,
}

impl Server {
    pub(super) fn new(
        settings: &Settings,
        registry: &QueueRegistry,
        ledger: &Arc<Ledger>,
        pace: &Arc<Pace>,
    ) -> Self {
        let bytes = track(ServiceLimit::RequestBytes)
            .capacity(ServiceLimit::RequestBytes.bound())
            .registry(registry)
            .budget();
        let shared = Arc::new(Shared {
            registry: registry.clone(),
            ledger: Arc::clone(ledger),
            bytes,
            pace: Arc::clone(pace),
            sessions: settings.keeps_gauges.then(Mutex::default),
        });
        Self { shared }
    }

    /// Serves until `stop` is dropped. Then it ends stage by stage, in the order of the flow.
    pub(super) async fn serve(
        self,
        listener: TcpListener,
        mut stop: oneshot::Receiver<()>,
    ) -> Result<Gauges, Failure> {
        let Self { shared } = self;
        let of = |limit: ServiceLimit| {
            let limit = track(limit).capacity(limit.bound());
            limit.totals().registry(&shared.registry)
        };
        let (jobs, queue) = of(ServiceLimit::Jobs).tokio_channel();
        let permits = Arc::new(of(ServiceLimit::WorkPermits).semaphore());
        let (records, log) = of(ServiceLimit::Records).crossbeam_channel();
        let chain = chain("requests", [jobs.gauge(), permits.gauge(), records.gauge()]);

        let writer = Arc::clone(&shared);
        let writer = thread::Builder::new()
            .name("writer".to_owned())
            .spawn(move || write(log, &writer))?;
        let dispatcher = dispatch(queue, Arc::clone(&permits), records, Arc::clone(&shared));
        let dispatcher = tokio::spawn(dispatcher);

        let mut sessions = JoinSet::new();
        for number in 1.. {
            let (stream, _) = select! {
                accepted = listener.accept() => accepted?,
                _ = &mut stop => break,
            };
            shared.ledger.count(|counts| counts.sessions += 1);
            sessions.spawn(attend(stream, number, jobs.clone(), Arc::clone(&shared)));
            while let Some(ended) = sessions.try_join_next() {
                ended??;
            }
        }
        drop(jobs);
        while let Some(ended) = sessions.join_next().await {
            ended??;
        }
        let queue = dispatcher.await??;
        let log = spawn_blocking(|| writer.join()).await?;
        let log = log.map_err(|_| "the writer panicked")?;
        Ok(Gauges {
            _chain: chain,
            _bytes: Arc::clone(&shared.bytes),
            _permits: permits,
            _jobs: queue,
            _records: log,
            _sessions: shared
                .sessions
                .as_ref()
                .map(|kept| lock(kept).clone())
                .unwrap_or_default(),
        })
    }
}

/// Takes jobs, and starts a worker for each as soon as there is a permit.
async fn dispatch(
    mut jobs: Receiver<Job>,
    permits: Arc<Semaphore>,
    records: crossbeam::Sender<Record>,
    shared: Arc<Shared>,
) -> Result<Receiver<Job>, Failure> {
    let mut workers = JoinSet::new();
    while let Some(job) = jobs.recv().await {
        shared.ledger.count(|counts| counts.taken += 1);
        shared.pause(Stage::Jobs, job.number).await;
        let permit = Arc::clone(&permits).acquire_owned().await;
        let permit = permit.map_err(|error: AcquireError| error.to_string())?;
        workers.spawn(work(job, permit, records.clone(), Arc::clone(&shared)));
        while let Some(ended) = workers.try_join_next() {
            ended??;
        }
    }
    while let Some(ended) = workers.join_next().await {
        ended??;
    }
    Ok(jobs)
}

/// Works on a job, hands its record to the writer, and answers.
async fn work(
    job: Job,
    permit: OwnedSemaphorePermit,
    records: crossbeam::Sender<Record>,
    shared: Arc<Shared>,
) -> Result<(), Failure> {
    let Job {
        number,
        session,
        bytes,
    } = job;
    shared.pause(Stage::Permits, number).await;
    // A send of crossbeam holds its thread while it waits, and a thread of the runtime must not be
    // held.
    let recorded = spawn_blocking(move || records.send(Record { number })).await?;
    recorded.map_err(|_| "the writer has ended")?;
    shared.ledger.count(|counts| counts.recorded += 1);
    drop(permit);
    // A session that is slow to take its answers keeps its bytes, and no permit of others.
    shared.answer(&session, number, "ok").await;
    drop(bytes);
    shared.pace.advance();
    Ok(())
}

/// Writes records until there will be none any more.
fn write(records: crossbeam::Receiver<Record>, shared: &Shared) -> crossbeam::Receiver<Record> {
    // A service would write to a file, which may be slow.
    let mut file = std::io::sink();
    for record in &records {
        thread::sleep(shared.pace.of(Stage::Writer, record.number));
        if writeln!(file, "{}", record.number).is_ok() {
            shared.ledger.count(|counts| counts.written += 1);
        }
    }
    records
}
