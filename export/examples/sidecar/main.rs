//! A sidecar that streams its input through a chain of bounded queues to a slow host. It shows the
//! backpressure before it stalls:
//!
//! ```text
//! reader (the guest) -> javascript_event_channel -> router -> sidecar_stdout_frames -> consumer (the host) -> stdout
//!        \______________________ pending_process_event_bytes: read and not yet written ______________________/
//! ```
//!
//! stdout is the input, byte for byte. Warnings and recoveries go to stderr as they happen, and at
//! the end a table of all gauges. All gauges are `background()`: whatever becomes of stderr, the
//! data does not wait for it. With `--status` a page, the metrics and the JSON show them, too.

mod report;

use std::ffi::OsString;
use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Write};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fillgauge_export::Server;
use fillgauge_std::{
    QueueGauge, QueueRegistry, TrackedReceiver, TrackedSyncSender, Watching, chain, limit_catalog,
    track, watch,
};
use lexopt::prelude::*;

limit_catalog! {
    /// The limits of this program.
    enum SidecarLimit {
        PendingProcessEventBytes = "pending_process_event_bytes": Queue {
            unit: Bytes,
            help: "Bytes that were read and are not yet written",
        },
        JavascriptEventChannel = "javascript_event_channel": Queue {
            help: "Lines between the reader and the router",
        },
        SidecarStdoutFrames = "sidecar_stdout_frames": Queue {
            help: "Lines between the router and the host",
        },
    }
}

/// A line that is longer goes through the queues in parts.
const LONGEST_LINE: u64 = 64 * 1024;

/// The queues allocate their capacity.
const GREATEST_CAPACITY: usize = 1_000_000;

const HELP: &str = "\
Streams FILE through a chain of bounded queues to stdout, with a host that is slow to take it, and shows on stderr which
queue fills up, before it stalls.

Usage: sidecar [OPTIONS] FILE

Arguments:
  FILE                    what to stream; - for standard input

Options:
  --delay MS              how long the host takes for a line, in milliseconds; fractions are fine [default: 5]
  --events CAPACITY       lines in javascript_event_channel; 0 is a rendezvous [default: 64]
  --frames CAPACITY       lines in sidecar_stdout_frames; 0 is a rendezvous [default: 32]
  --event-bytes CAPACITY  bytes in flight that pending_process_event_bytes is to hold; 0 is unbounded [default: 4096]
  --status ADDRESS        serves a status page, /metrics and /status.json there, such as on 127.0.0.1:9184
  --linger                goes on serving at the end of the input, until it is interrupted
  --quiet                 nothing on stderr but errors
  --help                  this text
";

struct Options {
    input: OsString,
    delay: Duration,
    events: usize,
    frames: usize,
    event_bytes: usize,
    status: Option<String>,
    linger: bool,
    quiet: bool,
}

enum Command {
    Help,
    Stream(Options),
}

fn main() -> ExitCode {
    let outcome = match parse() {
        Ok(Command::Help) => io::stdout()
            .write_all(HELP.as_bytes())
            .map_err(|error| format!("cannot write to stdout: {error}")),
        Ok(Command::Stream(options)) => stream(&options),
        Err(error) => Err(format!("{error}; try --help")),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            report::show(&message);
            ExitCode::FAILURE
        }
    }
}

fn parse() -> Result<Command, lexopt::Error> {
    let mut input = None;
    let mut options = Options {
        input: OsString::new(),
        delay: Duration::from_millis(5),
        events: 64,
        frames: 32,
        event_bytes: 4_096,
        status: None,
        linger: false,
        quiet: false,
    };
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Long("delay") => options.delay = arguments.value()?.parse_with(milliseconds)?,
            Long("events") => options.events = arguments.value()?.parse_with(capacity)?,
            Long("frames") => options.frames = arguments.value()?.parse_with(capacity)?,
            Long("event-bytes") => options.event_bytes = arguments.value()?.parse()?,
            Long("status") => options.status = Some(arguments.value()?.parse()?),
            Long("linger") => options.linger = true,
            Long("quiet") => options.quiet = true,
            Long("help") | Short('h') => return Ok(Command::Help),
            Value(file) if input.is_none() => input = Some(file),
            _ => return Err(argument.unexpected()),
        }
    }
    options.input = input.ok_or("FILE is missing")?;
    if options.linger && options.status.is_none() {
        return Err("--linger needs --status".into());
    }
    Ok(Command::Stream(options))
}

fn milliseconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number".to_owned())?;
    Duration::try_from_secs_f64(number / 1e3).map_err(|error| error.to_string())
}

fn capacity(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(capacity) if capacity <= GREATEST_CAPACITY => Ok(capacity),
        _ => Err(format!("not a number from 0 to {GREATEST_CAPACITY}")),
    }
}

fn stream(options: &Options) -> Result<(), String> {
    let path = Path::new(&options.input);
    let cannot_read = |error: io::Error| format!("cannot read {}: {error}", path.display());
    let input: Box<dyn BufRead + Send> = if options.input == "-" {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(path).map_err(cannot_read)?))
    };
    if !options.quiet {
        report::show_events();
    }
    let _status = options
        .status
        .as_deref()
        .map(|address| serve(address, options))
        .transpose()?;

    let in_flight = track(SidecarLimit::PendingProcessEventBytes)
        .capacity(options.event_bytes)
        .background()
        .gauge();
    let (to_router, events) = track(SidecarLimit::JavascriptEventChannel)
        .capacity(options.events)
        .background()
        .sync_channel();
    let (to_host, frames) = track(SidecarLimit::SidecarStdoutFrames)
        .capacity(options.frames)
        .background()
        .sync_channel();
    // The gauges live on when their channels are gone, for the table.
    let stages = [Arc::clone(events.gauge()), Arc::clone(frames.gauge())];
    let _chain = chain("stdout", &stages);

    let pending = Arc::clone(&in_flight);
    let reader = thread::spawn(move || read(input, &to_router, &pending));
    let router = thread::spawn(move || route(events, &to_host));
    // Of these threads only the reader may still wait, for input that no thread would take. It is
    // not joined.
    consume(frames, options.delay, &in_flight)
        .map_err(|error| format!("cannot write to stdout: {error}"))?;
    let read = reader.join().map_err(|_| "the reader panicked")?;
    router.join().map_err(|_| "the router panicked")?;

    if !options.quiet {
        report::show_table();
    }
    read.map_err(cannot_read)?;
    if options.linger {
        loop {
            thread::park();
        }
    }
    Ok(())
}

/// Serves what the gauges say, and watches them, until the result is dropped.
fn serve(address: &str, options: &Options) -> Result<(Server, Watching), String> {
    let server = fillgauge_export::serve(address);
    let server = server.map_err(|error| format!("--status {address}: {error}"))?;
    let watching = watch(QueueRegistry::global()).every(Duration::from_secs(1));
    let watching = watching.map_err(|error| format!("no thread to watch: {error}"))?;
    if !options.quiet {
        report::show(&format!("status page: http://{}/", server.local_addr()));
    }
    Ok((server, watching))
}

/// Reads line by line, whatever the bytes, until the end or until nobody takes lines any more.
fn read(
    mut input: Box<dyn BufRead + Send>,
    lines: &TrackedSyncSender<Vec<u8>>,
    in_flight: &QueueGauge,
) -> io::Result<()> {
    loop {
        let mut line = Vec::new();
        let length = (&mut input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)?;
        if length == 0 {
            return Ok(());
        }
        in_flight.record_enqueue_n(length);
        if lines.send(line).is_err() {
            in_flight.record_dequeue_n(length);
            return Ok(());
        }
    }
}

/// Hands lines on, until there are no more or nobody takes them any more.
fn route(lines: TrackedReceiver<Vec<u8>>, frames: &TrackedSyncSender<Vec<u8>>) {
    for line in lines {
        if frames.send(line).is_err() {
            return;
        }
    }
}

/// Writes lines to stdout, each after the delay.
fn consume(
    frames: TrackedReceiver<Vec<u8>>,
    delay: Duration,
    in_flight: &QueueGauge,
) -> io::Result<()> {
    let mut stdout = BufWriter::new(io::stdout().lock());
    for frame in frames {
        if !delay.is_zero() {
            thread::sleep(delay);
        }
        stdout.write_all(&frame)?;
        if !delay.is_zero() {
            stdout.flush()?;
        }
        in_flight.record_dequeue_n(frame.len());
    }
    stdout.flush()
}
