//! A line server on loopback, the clients that load it, and what must hold when both have ended.
//!
//! | file | |
//! |---|---|
//! | `server` | accepts, and hands each request through the stages |
//! | `session` | one connection: reads requests, writes answers |
//! | `clients` | send requests, disconnect and give up |
//! | `pace` | which stage is slow, and from when until when |
//! | `ledger` | what the service counts itself, and the events of its gauges |
//! | `checks` | compares the report with that |

mod checks;
mod clients;
pub(crate) mod ledger;
mod pace;
mod server;
mod session;

use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fillgauge_std::{QueueRegistry, Report, flush_events, limit_catalog};
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::time::timeout;

pub(crate) use checks::{faults, slow_stage, stalled};
pub(crate) use clients::ClientCounts;
pub(crate) use ledger::{Counts, Ledger};
pub(crate) use pace::Stage;
use pace::{Pace, SlowPhase};
pub(crate) use server::Gauges;
use server::Server;

limit_catalog! {
    /// The limits of the service.
    pub(crate) enum ServiceLimit {
        RequestBytes = "request_bytes": Memory {
            unit: Bytes,
            help: "Bytes of requests that are not yet answered; what does not fit is refused",
        },
        Jobs = "jobs": Queue {
            help: "Requests that wait for a permit to be worked on",
        },
        WorkPermits = "work_permits": Resource {
            help: "Requests that are being worked on, until the writer has their record",
        },
        Records = "records": Queue {
            help: "Records between the workers and the writer",
        },
        SessionLines = "session_lines": Queue {
            help: "Answers that a session has not yet taken",
        },
    }
}

impl ServiceLimit {
    /// The bound of each gauge of this limit.
    pub(crate) const fn bound(self) -> usize {
        match self {
            // Enough that requests wait for room before the first one is refused.
            Self::RequestBytes => 88 * 1_024,
            Self::Jobs => 256,
            Self::WorkPermits => 32,
            Self::Records => 64,
            Self::SessionLines => 4,
        }
    }
}

/// How long the end waits for what the background thread has to deliver.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is to be served, and how much.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Where the service listens. Port 0 is a free one.
    pub(crate) address: SocketAddr,
    /// Requests of all sessions together.
    pub(crate) requests: usize,
    /// Connections, one after the other.
    pub(crate) sessions: usize,
    /// Connections at a time.
    pub(crate) at_once: usize,
    /// How long a client pauses between two bursts of requests.
    pub(crate) pause: Duration,
    /// Which stage is slow, if any.
    pub(crate) slow: Option<Stage>,
    /// When the clients stop, whatever is left to be sent.
    pub(crate) time: Duration,
    /// Whether the gauge of a session stays in the registry after its end.
    pub(crate) keeps_gauges: bool,
}

/// What is left of a run.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// What the service counted.
    pub(crate) counts: Counts,
    /// What the clients counted.
    pub(crate) clients: ClientCounts,
    /// Whether the clients ran out of time.
    pub(crate) is_cut: bool,
    /// The reports at the beginning and the end of the slow phase.
    pub(crate) slow_phase: SlowPhase,
    /// The report when all had ended.
    pub(crate) report: Report,
}

pub(crate) type Failure = Box<dyn Error + Send + Sync>;

/// Serves until all clients have ended, and then ends the service: what is in it is worked on.
/// `registry` is that of the ledger. The gauges of the outcome are in it until they are dropped.
pub(crate) fn run(
    settings: &Settings,
    registry: &QueueRegistry,
    ledger: &Arc<Ledger>,
) -> Result<(Outcome, Gauges), Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    runtime.block_on(run_in_runtime(settings, registry, ledger))
}

async fn run_in_runtime(
    settings: &Settings,
    registry: &QueueRegistry,
    ledger: &Arc<Ledger>,
) -> Result<(Outcome, Gauges), Failure> {
    let listener = TcpListener::bind(settings.address).await?;
    let address = listener.local_addr()?;
    let pace = Arc::new(Pace::new(settings, registry));
    let server = Server::new(settings, registry, ledger, &pace);
    let (stop, is_stopped) = oneshot::channel();
    let serving = tokio::spawn(server.serve(listener, is_stopped));

    let clients = clients::Tally::default();
    let ended = timeout(settings.time, clients::run(address, settings, &clients)).await;
    let is_cut = ended.is_err();
    // The clients are gone, also those that ran out of time.
    drop(stop);
    let gauges = serving.await??;
    if let Ok(ended) = ended {
        ended?;
    }

    flush_events(PATIENCE)?;
    let outcome = Outcome {
        counts: ledger.counts(),
        clients: clients.read(),
        is_cut,
        slow_phase: pace.slow_phase(),
        report: registry.report(),
    };
    Ok((outcome, gauges))
}
