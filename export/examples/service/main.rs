//! A service whose stages hold each other up, and the load for it: a line server on loopback, a
//! channel of jobs, a semaphore, a writer on a thread of its own, a budget of bytes, and a thousand
//! sessions. One of its stages can be slow. `README.md` finds it with the page.
//!
//! At the end it checks itself: every gauge is at 0, none was fuller than its capacity, and the
//! sums are what the service has counted.

mod app;

use std::io::{self, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use app::{Failure, Ledger, Outcome, Settings, Stage};
use fillgauge_export::{Exporter, Server};
use fillgauge_std::{QueueRegistry, Watching, watch};
use lexopt::prelude::*;

const HELP: &str = "\
Serves lines on loopback to clients of its own, with a stage that is slow for a while, and checks
its gauges at the end.

Usage: service [OPTIONS]

Options:
  --slow STAGE      what is slow: jobs, permits, writer, sessions or none [default: none]
  --requests N      requests of all sessions together [default: 10000]
  --sessions N      connections, one after the other [default: 1000]
  --at-once N       connections at a time; each takes two file descriptors [default: 400]
  --pause MS        how long a client pauses between two bursts of 8 requests [default: 2000]
  --seconds N       when the clients stop in any case [default: 120]
  --listen ADDRESS  where the service listens [default: 127.0.0.1:0]
  --status ADDRESS  serves a status page, /metrics and /status.json, such as on 127.0.0.1:9184
  --linger          goes on serving the status at the end, until it is interrupted
  --help            this text
";

struct Options {
    settings: Settings,
    status: Option<String>,
    linger: bool,
}

fn main() -> ExitCode {
    let outcome = match parse() {
        Ok(None) => show(HELP),
        Ok(Some(options)) => serve(&options),
        Err(error) => Err(format!("{error}; try --help").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("service: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `None` asks for help.
fn parse() -> Result<Option<Options>, lexopt::Error> {
    let mut settings = Settings {
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        requests: 10_000,
        sessions: 1_000,
        at_once: 400,
        pause: Duration::from_secs(2),
        slow: None,
        time: Duration::from_secs(120),
        keeps_gauges: false,
    };
    let (mut status, mut linger) = (None, false);
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("slow") => settings.slow = arguments.value()?.parse_with(stage)?,
            Long("requests") => settings.requests = arguments.value()?.parse_with(from::<10>)?,
            Long("sessions") => settings.sessions = arguments.value()?.parse_with(from::<1>)?,
            Long("at-once") => settings.at_once = arguments.value()?.parse_with(from::<1>)?,
            Long("pause") => settings.pause = Duration::from_millis(arguments.value()?.parse()?),
            Long("seconds") => settings.time = Duration::from_secs(arguments.value()?.parse()?),
            Long("listen") => settings.address = arguments.value()?.parse()?,
            Long("status") => status = Some(arguments.value()?.parse()?),
            Long("linger") => linger = true,
            Long("help") | Short('h') => return Ok(None),
            _ => return Err(argument.unexpected()),
        }
    }
    if linger && status.is_none() {
        return Err("--linger needs --status".into());
    }
    Ok(Some(Options {
        settings,
        status,
        linger,
    }))
}

fn stage(text: &str) -> Result<Option<Stage>, String> {
    if text == "none" {
        return Ok(None);
    }
    let mut stages = Stage::ALL.into_iter();
    let stage = stages.find(|stage| stage.as_str() == text);
    stage.map(Some).ok_or_else(|| "no stage".to_owned())
}

fn from<const LEAST: usize>(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number) if number >= LEAST => Ok(number),
        _ => Err(format!("not a number from {LEAST}")),
    }
}

fn show(text: &str) -> Result<(), Failure> {
    io::stdout()
        .write_all(text.as_bytes())
        .map_err(Failure::from)
}

fn serve(options: &Options) -> Result<(), Failure> {
    let ledger = Arc::new(Ledger::default());
    let registry = ledger.registry("service");
    let _status = match &options.status {
        Some(address) => Some(serve_status(address, &registry)?),
        None => None,
    };
    let (outcome, _gauges) = app::run(&options.settings, &registry, &ledger)?;
    show(&summary(&outcome))?;
    let faults = app::faults(&outcome, &ledger.events());
    if !faults.is_empty() {
        return Err(format!("not as it should be:\n  {}", faults.join("\n  ")).into());
    }
    show("every gauge is at 0, none was fuller than its capacity, and the sums are exact\n")?;
    if options.linger {
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// Serves what the gauges say, and watches them, until the result is dropped.
fn serve_status(address: &str, registry: &QueueRegistry) -> Result<(Server, Watching), Failure> {
    let server = Exporter::of(registry).serve(address);
    let server = server.map_err(|error| format!("--status {address}: {error}"))?;
    let watching = watch(registry).every(Duration::from_secs(1))?;
    show(&format!("status page: http://{}/\n", server.local_addr()))?;
    Ok((server, watching))
}

/// What the run came to, and the table of the gauges that are left.
fn summary(outcome: &Outcome) -> String {
    let Outcome {
        counts, clients, ..
    } = outcome;
    let mut text = format!(
        "{} sessions, of which {} disconnected in the middle of a request\n\
         {} requests: {} done, {} busy, {} late, {} gone; {} answers were lost\n",
        counts.sessions,
        clients.disconnected,
        counts.requests,
        counts.written,
        counts.busy,
        counts.late,
        counts.gone,
        counts.lost,
    );
    if let Some((before, after)) = &outcome.slow_phase {
        let stalled = app::stalled(before, after).into_iter();
        let stalled = stalled
            .map(|(stage, stalled)| format!("{} {:.1} s", stage.limit(), stalled.as_secs_f64()));
        let slow = app::slow_stage(before, after).map_or("none", Stage::as_str);
        let stalled = stalled.collect::<Vec<_>>().join(", ");
        text += &format!("stalled in the slow phase: {stalled}\nthe slow stage: {slow}\n");
    }
    text + &outcome.report.to_string()
}
