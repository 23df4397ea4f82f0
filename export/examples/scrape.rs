//! How long a scrape of 10,000 live gauges takes over loopback:
//! `cargo run --release -p fillgauge-export --features serve --example scrape`

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use fillgauge_export::{Detail, Exporter};
use fillgauge_std::{QueueRegistry, track};

const GAUGES: usize = 10_000;
const LIMITS: usize = 100;
const SCRAPES: usize = 101;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let registry = QueueRegistry::new("scraped").silent();
    let names: Vec<_> = (0..LIMITS).map(|limit| format!("limit_{limit}")).collect();
    let names: Vec<&'static str> = names.into_iter().map(|name| &*name.leak()).collect();
    let gauges = (0..GAUGES).map(|number| {
        let name = names.get(number % LIMITS).copied().unwrap_or_default();
        let gauge = track(name).capacity(100).label(format!("session {number}"));
        let gauge = gauge.registry(&registry).gauge();
        gauge.observe_depth(number % 101);
        gauge
    });
    let _gauges: Vec<_> = gauges.collect();
    println!("{GAUGES} gauges of {LIMITS} limits");
    for (detail, path) in [
        (Detail::Limits, "/metrics"),
        (Detail::Gauges, "/metrics"),
        (Detail::Limits, "/status.json"),
    ] {
        let server = Exporter::of(&registry)
            .detail(detail)
            .serve("127.0.0.1:0")?;
        let mut bytes = Vec::new();
        let mut times = Vec::new();
        for _ in 0..SCRAPES {
            let start = Instant::now();
            let mut stream = TcpStream::connect(server.local_addr())?;
            write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
            bytes.clear();
            stream.read_to_end(&mut bytes)?;
            times.push(start.elapsed());
        }
        times.sort();
        let median = times.get(SCRAPES / 2).copied().unwrap_or(Duration::ZERO);
        let kilobytes = bytes.len() / 1_000;
        println!("{path}, {detail:?}: median {median:.1?}, {kilobytes} kB");
    }
    Ok(())
}
