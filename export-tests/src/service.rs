//! A service with the status page and a made-up `status.json`: it reaches at once what a real one
//! reaches only with effort.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The page under test.
pub const PAGE: &str = include_str!("../../export/src/page.html");

/// How the service answers a request for `status.json`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With the status.
    Status,
    /// With an error.
    Unavailable,
    /// With what is no JSON.
    Garbage,
    /// Not at all: the connection stays open.
    Never,
}

/// A service on a port of loopback, until it is stopped or dropped.
#[derive(Debug)]
pub struct Service {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stopped: AtomicBool,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The status after its first two fields, as text: 10,000 gauges are written once.
    rest: Arc<str>,
    schema: u64,
    answer: Answer,
    /// The targets of all requests for `status.json`.
    polls: Vec<String>,
    connections: Vec<TcpStream>,
}

impl Service {
    /// Starts a service that has `registries`, on a free port.
    ///
    /// # Panics
    ///
    /// Panics if there is none.
    pub fn start(registries: &Value) -> Self {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), registries)
            .expect("a free port of loopback")
    }

    /// The same at an address, such as that of a service that was stopped.
    ///
    /// # Errors
    ///
    /// Fails if something else listens there.
    pub fn start_at(address: SocketAddr, registries: &Value) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            stopped: AtomicBool::new(false),
            state: Mutex::new(State {
                rest: rest_of(registries),
                schema: 1,
                answer: Answer::Status,
                polls: Vec::new(),
                connections: Vec::new(),
            }),
        });
        let own = Arc::clone(&shared);
        let thread = thread::spawn(move || accept(&listener, &own));
        Ok(Self {
            address,
            shared,
            thread: Some(thread),
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of something that it serves.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it has from now on.
    pub fn set(&self, registries: &Value) {
        let rest = rest_of(registries);
        self.shared.state().rest = rest;
    }

    /// The number of its schema.
    pub fn set_schema(&self, schema: u64) {
        self.shared.state().schema = schema;
    }

    /// How it answers from now on.
    pub fn set_answer(&self, answer: Answer) {
        self.shared.state().answer = answer;
    }

    /// The targets of all requests for `status.json` so far.
    pub fn polls(&self) -> Vec<String> {
        self.shared.state().polls.clone()
    }

    /// Ends it, with all its connections.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.shared.stopped.store(true, Ordering::Relaxed);
        // Its thread waits for a connection.
        _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            _ = thread.join();
        }
        for connection in self.shared.state().connections.drain(..) {
            _ = connection.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.end();
    }
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn rest_of(registries: &Value) -> Arc<str> {
    format!(",\"registries\":{registries}}}").into()
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>) {
    for connection in listener.incoming() {
        if shared.stopped.load(Ordering::Relaxed) {
            return;
        }
        let Ok(connection) = connection else { continue };
        let Ok(copy) = connection.try_clone() else {
            continue;
        };
        shared.state().connections.push(copy);
        let shared = Arc::clone(shared);
        // It ends with its connection.
        thread::spawn(move || _ = serve(&connection, &shared));
    }
}

/// Answers one request, and closes: the next poll after a stop then meets no old connection.
fn serve(mut connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let mut lines = BufReader::new(connection.take(64 * 1024)).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    for line in lines {
        if line?.is_empty() {
            break;
        }
    }
    let target = request.split(' ').nth(1).unwrap_or_default();
    let path = target.split('?').next().unwrap_or_default();
    if !path.ends_with("/status.json") {
        let (status, body) = match path {
            "/favicon.ico" => ("404 Not Found", ""),
            _ => ("200 OK", PAGE),
        };
        return respond(connection, status, "text/html; charset=utf-8", body);
    }
    let (answer, schema, rest) = {
        let mut state = shared.state();
        state.polls.push(target.to_owned());
        (state.answer, state.schema, Arc::clone(&state.rest))
    };
    match answer {
        Answer::Status => {
            let body = format!("{{\"schema\":{schema},\"at_us\":{}{rest}", now_us());
            respond(connection, "200 OK", "application/json", &body)
        }
        Answer::Unavailable => respond(
            connection,
            "503 Service Unavailable",
            "text/plain",
            "not now",
        ),
        Answer::Garbage => respond(connection, "200 OK", "text/html", "<p>Please log in."),
        Answer::Never => connection.read(&mut [0]).map(|_| ()),
    }
}

fn respond(mut connection: &TcpStream, status: &str, kind: &str, body: &str) -> io::Result<()> {
    let policy = content_security_policy(PAGE);
    write!(
        connection,
        "HTTP/1.1 {status}\r\n\
         Content-Type: {kind}\r\n\
         Content-Length: {}\r\n\
         Content-Security-Policy: {policy}\r\n\
         X-Content-Type-Options: nosniff\r\n\
         Cache-Control: no-store\r\n\
         Connection: close\r\n\r\n",
        body.len(),
    )?;
    connection.write_all(body.as_bytes())
}

/// The policy that the page is served with.
///
/// # Panics
///
/// Panics unless the page has exactly one style and one script.
pub fn content_security_policy(page: &str) -> String {
    let hash = |tag: &str| {
        let (start, end) = (format!("<{tag}>"), format!("</{tag}>"));
        let one = |text: &str| page.matches(text).count() == 1;
        assert!(one(&start) && one(&end), "the page has one {tag}");
        let (_, rest) = page.split_once(&start).expect("it starts");
        let (text, _) = rest.split_once(&end).expect("it ends");
        BASE64_STANDARD.encode(Sha256::digest(text))
    };
    format!(
        "default-src 'none'; style-src 'sha256-{}'; script-src 'sha256-{}'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash("style"),
        hash("script"),
    )
}

/// Microseconds since 1970.
///
/// # Panics
///
/// Panics if the clock of the system is before that.
pub fn now_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.expect("a clock that is set").as_micros();
    u64::try_from(since).expect("a moment of this age of the world")
}

/// A moment that was so long ago, in microseconds since 1970.
pub fn ago_us(ago: Duration) -> u64 {
    now_us() - u64::try_from(ago.as_micros()).unwrap_or(0)
}

/// A gauge as `status.json` has it, of items and never warned: a test changes what it is about.
pub fn gauge(name: &str, instance: u64, depth: u64, high_water: u64, capacity: u64) -> Value {
    let fill_percent = (100 * depth).checked_div(capacity).unwrap_or(0);
    json!({
        "name": name,
        "category": "queue",
        "unit": "items",
        "instance": instance,
        "label": null,
        "depth": depth,
        "high_water": high_water,
        "capacity": capacity,
        "fill_percent": fill_percent,
        "warned": false,
        "warned_since_us": null,
        "warnings": 0,
        "totals": { "enqueued": 1_000 + depth, "dequeued": 1_000 },
        "backpressure": null,
        "last_edges": [],
    })
}

/// A gauge that warned so long ago.
pub fn warned(mut gauge: Value, ago: Duration) -> Value {
    let at = ago_us(ago);
    let depth = gauge["depth"].clone();
    gauge["warned"] = json!(true);
    gauge["warned_since_us"] = json!(at);
    gauge["warnings"] = json!(1 + gauge["warnings"].as_u64().unwrap_or(0));
    let edges = gauge["last_edges"].as_array_mut().expect("edges");
    edges.push(json!({ "kind": "near_capacity", "depth": depth, "at_us": at }));
    gauge
}

/// A registry with these gauges, and the sums of their limits.
///
/// # Panics
///
/// Panics if a gauge has not the fields of [`gauge`].
pub fn registry(name: &str, gauges: Vec<Value>) -> Value {
    let mut limits: Vec<Value> = Vec::new();
    for gauge in &gauges {
        let same = |limit: &Value| {
            limit["name"] == gauge["name"] && limit["category"] == gauge["category"]
        };
        let at = limits.iter().position(same).unwrap_or_else(|| {
            limits.push(limit(gauge));
            limits.len() - 1
        });
        add(&mut limits[at], gauge);
    }
    json!({ "registry": name, "gauges": gauges, "limits": limits, "chains": [] })
}

/// The limit of a gauge, without any.
fn limit(gauge: &Value) -> Value {
    json!({
        "name": gauge["name"],
        "category": gauge["category"],
        "unit": gauge["unit"],
        "help": null,
        "gauges": 0,
        "registered": 0,
        "warned": 0,
        "depth": 0,
        "capacity": 0,
        "max_fill_percent": 0,
        "high_water": 0,
        "warnings": 0,
        "totals": null,
        "backpressure": null,
    })
}

fn add(limit: &mut Value, gauge: &Value) {
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let sum = |into: &mut Value, more: u64| *into = json!(number(into) + more);
    let most = |into: &mut Value, other: &Value| *into = json!(number(into).max(number(other)));
    sum(&mut limit["gauges"], 1);
    sum(&mut limit["registered"], 1);
    sum(&mut limit["warned"], u64::from(gauge["warned"] == true));
    for key in ["depth", "capacity", "warnings"] {
        sum(&mut limit[key], number(&gauge[key]));
    }
    most(&mut limit["max_fill_percent"], &gauge["fill_percent"]);
    most(&mut limit["high_water"], &gauge["high_water"]);
    if gauge["backpressure"].is_object() {
        let refused = number(&gauge["backpressure"]["refused"]);
        sum(&mut limit["refused"], refused);
    }
    for part in ["totals", "backpressure"] {
        let Some(fields) = gauge[part].as_object() else {
            continue;
        };
        for (key, value) in fields {
            sum(&mut limit[part][key], number(value));
        }
    }
}
