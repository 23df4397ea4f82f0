//! A real Prometheus server scrapes the sidecar, with the configuration and the rules of
//! `docs/fleet`.
//!
//! What it says through its API is what the sidecar reports, sample by sample. An alert fires in it
//! and is resolved. Each panel of the dashboard has data.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_export_tests::sidecar::Sidecar;
use serde_json::Value;

/// For each thing that is waited for. Prometheus needs a second or two.
const PATIENCE: Duration = Duration::from_secs(60);

/// The alert that is to fire in the server itself.
const ALERT: &str = "FillgaugeNearCapacity";

/// The limit that it is to fire for, too.
const LIMIT: &str = "sidecar_stdout_frames";

#[test]
fn prometheus_reads_what_the_service_says() {
    let mut sidecar = Sidecar::start(Duration::ZERO);
    let (head, text) = http_exchange(sidecar.address(), "/metrics").unwrap();
    // Without it Prometheus 3 takes nothing.
    assert!(
        head.to_lowercase()
            .contains("content-type: text/plain; version=0.0.4"),
        "{head}"
    );
    check_metrics(&text);

    let prometheus = Prometheus::start(sidecar.address());
    prometheus.wait_for_equal_samples(&sidecar);
    prometheus.check_rules();
    prometheus.wait_for_alert("no alert", |alert| alert.is_none());

    sidecar.fill().unwrap();
    wait_until("all queues are full", &sidecar, |limit| {
        limit["warned"] == 1
    });
    prometheus.wait_for_equal_samples(&sidecar);
    let alert = prometheus.wait_for_alert("a firing alert", |alert| {
        alert.is_some_and(|alert| alert["state"] == "firing")
    });
    let alert = alert.unwrap();
    assert_eq!(alert["labels"]["limit"], LIMIT);
    assert_eq!(alert["labels"]["instance"], sidecar.address());
    assert_eq!(alert["labels"]["severity"], "warning");
    let summary = format!("{LIMIT} on {} is near its capacity", sidecar.address());
    assert_eq!(alert["annotations"]["summary"], summary);

    let time = format!(r#"rate(fillgauge_near_capacity_seconds_total{{limit="{LIMIT}"}}[10s])"#);
    let near = prometheus.query(&format!("{time} > 0"));
    assert_eq!(near.len(), 1, "the time near capacity stands still");
    prometheus.check_dashboard();

    sidecar.drain();
    wait_until("all queues are drained", &sidecar, |limit| {
        limit["depth"] == 0
    });
    prometheus.wait_for_equal_samples(&sidecar);
    prometheus.wait_for_alert("no alert", |alert| alert.is_none());
}

/// The limits of its report.
fn limits_of(sidecar: &Sidecar) -> Vec<Value> {
    let body = http_get(sidecar.address(), "/status.json").unwrap();
    let mut status: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["schema"], 1);
    serde_json::from_value(status["registries"][0]["limits"].take()).unwrap()
}

fn wait_until(what: &str, sidecar: &Sidecar, is_so: impl Fn(&Value) -> bool) {
    let start = Instant::now();
    while !limits_of(sidecar).iter().all(&is_so) {
        assert!(start.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(50));
    }
}

/// The samples are the figures of the report.
fn check_report(limits: &[Value], samples: &BTreeMap<Series, f64>) {
    assert_eq!(limits.len(), 3, "{limits:#?}");
    for limit in limits {
        let text = |member: &str| limit[member].as_str().unwrap().to_owned();
        let labels = BTreeMap::from([
            ("limit".to_owned(), text("name")),
            ("category".to_owned(), text("category")),
            ("registry".to_owned(), "global".to_owned()),
        ]);
        let bytes = if limit["unit"] == "bytes" {
            "_bytes"
        } else {
            ""
        };
        let (totals, backpressure) = (&limit["totals"], &limit["backpressure"]);
        for (metric, figure) in [
            (format!("depth{bytes}"), &limit["depth"]),
            (format!("capacity{bytes}"), &limit["capacity"]),
            (format!("high_water{bytes}"), &limit["high_water"]),
            (format!("enqueued{bytes}_total"), &totals["enqueued"]),
            (format!("dequeued{bytes}_total"), &totals["dequeued"]),
            ("warned".to_owned(), &limit["warned"]),
            ("gauges".to_owned(), &limit["gauges"]),
            ("warnings_total".to_owned(), &limit["warnings"]),
            ("refused_total".to_owned(), &limit["refused"]),
            ("waiting".to_owned(), &backpressure["waiting"]),
            ("waits_total".to_owned(), &backpressure["waits"]),
            (
                "disconnected_total".to_owned(),
                &backpressure["disconnected"],
            ),
        ] {
            let sample = samples.get(&(format!("fillgauge_{metric}"), labels.clone()));
            assert_eq!(sample.copied(), figure.as_f64(), "{metric}: {limit:#}");
        }
    }
}

/// `promtool check metrics` parses the text and complains of what is unusual in it.
fn check_metrics(text: &str) {
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool is missing (Debian: prometheus)");
    promtool
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = promtool.wait_with_output().unwrap();
    assert!(
        output.status.success() && output.stderr.is_empty(),
        "promtool check metrics: {output:?}"
    );
}

/// A server with a directory of its own.
struct Prometheus {
    address: String,
    // In this order they are dropped.
    _process: Process,
    directory: Directory,
}

impl Prometheus {
    fn start(target: &str) -> Self {
        let directory = Directory::new("prometheus");
        let config = replace_each(
            &fleet_file("prometheus.yml"),
            &[
                ("scrape_interval: 15s", "scrape_interval: 1s"),
                ("evaluation_interval: 15s", "evaluation_interval: 1s"),
                ("127.0.0.1:9184", target),
            ],
        );
        fs::write(directory.0.join("prometheus.yml"), config).unwrap();
        fs::write(directory.0.join("rules.yml"), rules_with_a_short_wait()).unwrap();

        let (mut process, mut address) = Self::spawn(&directory);
        // Another process may take the port before the server listens on it.
        for _ in 0..5 {
            if Self::is_ready(&mut process, &address) {
                return Self {
                    address,
                    _process: process,
                    directory,
                };
            }
            (process, address) = Self::spawn(&directory);
        }
        panic!("Prometheus does not start: {}", directory.log());
    }

    fn spawn(directory: &Directory) -> (Process, String) {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let process = Command::new("prometheus")
            .arg(format!("--web.listen-address={address}"))
            .arg("--config.file=prometheus.yml")
            .arg("--storage.tsdb.path=data")
            .current_dir(&directory.0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(directory.0.join("log")).unwrap())
            .spawn()
            .expect("prometheus is missing (Debian: prometheus)");
        (Process(process), address)
    }

    /// Waits until it answers. `false` if it ends before.
    fn is_ready(process: &mut Process, address: &str) -> bool {
        let start = Instant::now();
        while http_get(address, "/-/ready").is_err() {
            if process.0.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < PATIENCE, "Prometheus is never ready");
            thread::sleep(Duration::from_millis(50));
        }
        true
    }

    /// `data` of the answer of its API.
    fn api(&self, path: &str) -> Value {
        let body = http_get(&self.address, &format!("/api/v1/{path}"))
            .unwrap_or_else(|error| panic!("{path}: {error}: {}", self.directory.log()));
        let mut answer: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].take()
    }

    fn query(&self, expression: &str) -> Vec<Value> {
        let mut data = self.api(&format!("query?query={}", percent_encoded(expression)));
        let Value::Array(result) = data["result"].take() else {
            panic!("{expression}: {data}");
        };
        result
    }

    /// Its samples of the metrics of fillgauge, without the labels that it adds.
    fn samples(&self, instance: &str) -> BTreeMap<Series, f64> {
        let all = format!(r#"{{__name__=~"fillgauge_.+",job="fillgauge",instance="{instance}"}}"#);
        self.query(&all).iter().map(sample_of).collect()
    }

    /// Waits until it has the samples that the sidecar serves, those and no others. They are what
    /// it reports. The peaks are those of another scraper, so they are compared by their names.
    /// So are times, unless all queues are at rest: they go on from one scrape to the next.
    fn wait_for_equal_samples(&self, sidecar: &Sidecar) {
        let start = Instant::now();
        loop {
            let served = http_get(sidecar.address(), "/metrics?scraper=test").unwrap();
            let mut served = parse(&served);
            assert!(!served.is_empty());
            let mut stored = self.samples(sidecar.address());
            let is_at_rest = !served.iter().any(|((name, _), value)| {
                matches!(&**name, "fillgauge_warned" | "fillgauge_waiting") && *value > 0.0
            });
            for samples in [&mut served, &mut stored] {
                for ((name, _), value) in samples.iter_mut() {
                    let is_time = name.contains("_seconds") && !is_at_rest;
                    if is_time || name.starts_with("fillgauge_window_peak") {
                        *value = 0.0;
                    }
                }
            }
            if stored == served {
                check_report(&limits_of(sidecar), &stored);
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "it has\n{stored:#?}\nand not\n{served:#?}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Waits until `ALERT` is as wanted. `None` is neither pending nor firing.
    fn wait_for_alert(
        &self,
        wanted: &str,
        is_wanted: impl Fn(Option<&Value>) -> bool,
    ) -> Option<Value> {
        let start = Instant::now();
        loop {
            let data = self.api("alerts");
            let alerts = data["alerts"].as_array().unwrap();
            let alert = alerts.iter().find(|alert| {
                let labels = &alert["labels"];
                labels["alertname"] == ALERT && labels["limit"] == LIMIT
            });
            if is_wanted(alert) {
                return alert.cloned();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{wanted} is wanted, not {alerts:#?}"
            );
            thread::sleep(Duration::from_millis(200));
        }
    }

    /// Each rule has been evaluated without an error, and says all that a person needs.
    fn check_rules(&self) {
        let start = Instant::now();
        let rules = loop {
            let mut data = self.api("rules");
            let rules = data["groups"][0]["rules"].take();
            let all = rules.as_array().unwrap();
            if all.iter().all(|rule| rule["health"] == "ok") {
                break all.clone();
            }
            assert!(
                start.elapsed() < PATIENCE,
                "a rule is not evaluated: {all:#?}"
            );
            thread::sleep(Duration::from_millis(200));
        };
        assert!(rules.len() >= 4);
        for rule in rules {
            let name = rule["name"].as_str().unwrap();
            let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
            assert!(
                ["info", "warning", "critical"].contains(&severity),
                "{rule:#}"
            );
            for annotation in ["summary", "description", "runbook_url"] {
                assert!(
                    rule["annotations"][annotation].is_string(),
                    "{name} has no {annotation}"
                );
            }
            for part in ["$labels.instance", "$value"] {
                let description = rule["annotations"]["description"].as_str().unwrap();
                assert!(
                    description.contains(part),
                    "{name}: the description lacks {part}"
                );
            }
            let anchor = format!("docs/fleet.md#{}", name.to_lowercase());
            let url = rule["annotations"]["runbook_url"].as_str().unwrap();
            assert!(url.ends_with(&anchor), "{name}: {url}");
        }
    }

    /// Each query of the dashboard has a result.
    fn check_dashboard(&self) {
        let dashboard: Value = serde_json::from_str(&fleet_file("dashboard.json")).unwrap();
        let panels = dashboard["panels"].as_array().unwrap();
        let targets = panels
            .iter()
            .filter_map(|panel| panel["targets"].as_array())
            .flatten();
        let mut queries = 0;
        for target in targets {
            let mut expression = target["expr"]
                .as_str()
                .unwrap()
                .replace("$__rate_interval", "10s");
            for variable in ["$job", "$instance", "$limit"] {
                expression = expression.replace(variable, ".*");
            }
            assert!(
                !expression.contains('$'),
                "an unknown variable: {expression}"
            );
            assert!(!self.query(&expression).is_empty(), "no data: {expression}");
            queries += 1;
        }
        assert!(queries > 0);
    }
}

/// A process that is killed when it is dropped.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A new directory. It is removed when it is dropped.
struct Directory(PathBuf);

impl Directory {
    fn new(name: &str) -> Self {
        let name = format!("{name}-{}", std::process::id());
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// What the process in it said.
    fn log(&self) -> String {
        fs::read_to_string(self.0.join("log")).unwrap_or_default()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn fleet_file(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/fleet")
        .join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rules, with `ALERT` after two seconds.
fn rules_with_a_short_wait() -> String {
    let rules = fleet_file("rules.yml");
    let (before, alert) = rules.split_once(&format!("alert: {ALERT}\n")).expect(ALERT);
    let short = alert.replacen("for: 5m", "for: 2s", 1);
    assert_ne!(short, alert);
    format!("{before}alert: {ALERT}\n{short}")
}

/// The text with each pair's first replaced by its second. Each must be there.
fn replace_each(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is not in\n{text}");
        text.replace(from, to)
    })
}

/// The name of a metric and its labels.
type Series = (String, BTreeMap<String, String>);

/// A sample of an answer of Prometheus.
fn sample_of(sample: &Value) -> (Series, f64) {
    let mut labels: BTreeMap<String, String> =
        serde_json::from_value(sample["metric"].clone()).unwrap();
    let name = labels.remove("__name__").unwrap();
    labels.remove("job");
    labels.remove("instance");
    (
        (name, labels),
        sample["value"][1].as_str().unwrap().parse().unwrap(),
    )
}

/// The samples of a text in the exposition format.
fn parse(text: &str) -> BTreeMap<Series, f64> {
    let mut samples = BTreeMap::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (series, value) = parse_sample(line).unwrap_or_else(|| panic!("no sample: {line}"));
        assert!(samples.insert(series, value).is_none(), "twice: {line}");
    }
    samples
}

fn parse_sample(line: &str) -> Option<(Series, f64)> {
    let end = line.find(['{', ' '])?;
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inside) = rest.strip_prefix('{') {
        rest = inside;
        while !rest.starts_with('}') {
            let (label, quoted) = rest.split_once("=\"")?;
            let (value, after) = parse_quoted(quoted)?;
            // To Prometheus an empty label is none.
            if !value.is_empty() {
                labels.insert(label.to_owned(), value);
            }
            rest = after.strip_prefix(',').unwrap_or(after);
        }
        rest = &rest[1..];
    }
    Some(((name.to_owned(), labels), rest.trim().parse().ok()?))
}

/// The value of a label, and what follows its closing quote.
fn parse_quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, char)) = chars.next() {
        match char {
            '"' => return Some((value, &text[at + 1..])),
            '\\' => value.push(match chars.next()?.1 {
                'n' => '\n',
                char => char,
            }),
            char => value.push(char),
        }
    }
    None
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").unwrap();
        encoded
    })
}

/// The body of an answer with the status 200.
fn http_get(address: &str, path: &str) -> io::Result<String> {
    let (head, body) = http_exchange(address, path)?;
    if head.split(' ').nth(1) == Some("200") {
        Ok(body)
    } else {
        Err(io::Error::other(format!("{path}: {head}: {body}")))
    }
}

/// The head and the body of an answer.
fn http_exchange(address: &str, path: &str) -> io::Result<(String, String)> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // With 1.0 the body is not sent in chunks, and its end is the end of the connection.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::other(format!("{path}: no answer: {answer}")))?;
    Ok((head.to_owned(), body.to_owned()))
}
