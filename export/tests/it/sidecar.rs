//! The example `sidecar`, run as a person runs it.

use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::examples::example;

fn sidecar(arguments: &[&str]) -> Command {
    example("sidecar", arguments)
}

fn run(arguments: &[&str]) -> Output {
    sidecar(arguments).output().unwrap()
}

fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = sidecar(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    output
}

fn readme() -> String {
    concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md").to_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn the_readme_warns_and_recovers_by_default() {
    let output = run(&[&readme()]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, fs::read(readme()).unwrap());
    let report = stderr(&output);
    let position = |message: &str| {
        report
            .find(message)
            .unwrap_or_else(|| panic!("no {message:?} in {report}"))
    };
    assert!(
        position("bounded limit near capacity") < position("bounded limit drained back below"),
        "{report}"
    );
    let table: Vec<&str> = report
        .lines()
        .skip_while(|line| !line.starts_with("name "))
        .collect();
    let (chain, table) = table.split_last().unwrap();
    assert_eq!(*chain, "stdout: no stage is near capacity", "{report}");
    let header = "name                         category  depth  high-water  capacity  fill";
    assert!(table[0].starts_with(header), "{report}");
    let rows: Vec<Vec<&str>> = table[1..]
        .iter()
        .map(|row| row.split_whitespace().collect())
        .collect();
    let names: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(
        names,
        [
            "pending_process_event_bytes",
            "javascript_event_channel",
            "sidecar_stdout_frames"
        ]
    );
    // name, category, depth, high-water, capacity, bar, fill, %, warnings
    assert_eq!(rows[1][1..5], ["queue", "0", "64", "64"], "{report}");
    assert_eq!(
        rows[2][2..8],
        ["0", "32", "32", "--------------------", "0", "%"],
        "{report}"
    );
    assert!(
        rows.iter().all(|row| row[8] != "0"),
        "each of the gauges warns: {report}"
    );
    let lengths: Vec<usize> = table.iter().map(|row| row.len()).collect();
    assert!(
        lengths.iter().all(|length| *length == lengths[0]),
        "not aligned: {report}"
    );
}

#[test]
fn any_bytes_come_out_as_they_went_in_whatever_the_delay() {
    let mut bytes: Vec<u8> = (0..=255).cycle().take(40_000).collect();
    bytes.extend(b"no newline at the end");
    for arguments in [
        &["--quiet", "--delay", "0", "-"][..],
        &[
            "--quiet", "--delay", "0.3", "--events", "2", "--frames", "1", "-",
        ],
        &["--quiet", "--delay=0", "--events=0", "--frames=0", "-"],
    ] {
        let output = run_with_input(arguments, &bytes);
        assert!(output.status.success(), "{arguments:?}");
        assert!(output.stdout == bytes, "{arguments:?}");
        assert_eq!(stderr(&output), "", "{arguments:?}");
    }
    let one_long_line = vec![b'x'; 1_000_000];
    let output = run_with_input(&["--delay", "0", "-"], &one_long_line);
    assert!(output.status.success() && output.stdout == one_long_line);
    assert!(stderr(&output).contains("pending_process_event_bytes"));
    let output = run_with_input(&["--delay", "0", "-"], b"");
    assert!(output.status.success() && output.stdout.is_empty());
}

/// One line on stderr, and a failure.
fn assert_refused(output: &Output, message: &str) {
    assert_eq!(output.status.code(), Some(1));
    let report = stderr(output);
    assert_eq!(report.lines().count(), 1, "{report}");
    assert!(
        report.starts_with("sidecar: ") && report.contains(message),
        "{report}"
    );
}

#[test]
fn bad_arguments_and_files_are_refused_in_one_line() {
    for (arguments, message) in [
        (
            &["/does/not/exist"][..],
            "cannot read /does/not/exist: No such file",
        ),
        (&[], "FILE is missing"),
        (&["--delay", "soon", "-"], "\"soon\""),
        (&["--delay", "-1", "-"], "\"-1\""),
        (&["--events", "many", "-"], "\"many\""),
        (
            &["--events", "18446744073709551615", "-"],
            "not a number from 0 to 1000000",
        ),
        (
            &["--frames", "1000001", "-"],
            "not a number from 0 to 1000000",
        ),
        (&["--what", "-"], "--what"),
        (&["--linger", "-"], "--linger needs --status"),
        (&["--status", "nowhere", "-"], "nowhere"),
        (&["--status", "127.0.0.1:6000", "-"], "6000"),
        (&["a", "b"], "\"b\""),
    ] {
        assert_refused(&run(arguments), message);
    }
}

#[test]
fn what_cannot_be_read_is_reported_after_what_was_read() {
    let directory = env!("CARGO_MANIFEST_DIR");
    let output = run(&["--quiet", directory]);
    assert_refused(&output, &format!("cannot read {directory}: "));
}

#[test]
fn a_broken_pipe_is_one_line_and_a_failure_even_while_input_is_awaited() {
    let start = Instant::now();
    let mut child = sidecar(&["--quiet", "--delay", "1", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    // Kept open: the reader waits for more.
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"one line\n").unwrap();
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_refused(&output, "cannot write to stdout: ");
    assert!(start.elapsed() < Duration::from_secs(30));
}

/// The input of the tests below: enough that its events fill a pipe, if they are not limited.
const STORM: &[&str] = &["--delay", "0.02", "--events", "1", "--frames", "1"];

/// Runs the sidecar on the README with this for its stderr, and checks that its stdout is the
/// README.
fn streams_with(stderr: impl Into<Stdio>) {
    let start = Instant::now();
    let readme = readme();
    let output = sidecar(STORM).arg(&readme).stderr(stderr).output().unwrap();
    assert!(output.status.success(), "{:?}", output.status);
    assert_eq!(output.stdout, fs::read(readme).unwrap());
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn stderr_may_be_closed_or_full() {
    streams_with(Stdio::null());
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    streams_with(full.unwrap());
    // Closed at the start, as by `2>&-`.
    let example = sidecar(&[]).get_program().to_owned();
    let output = Command::new("sh")
        .args(["-c", "exec \"$0\" \"$@\" 2>&-"])
        .arg(example)
        .args(STORM)
        .arg(readme())
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!(output.stdout, fs::read(readme()).unwrap());
}

#[test]
fn stderr_may_go_in_the_middle() {
    let (reader, writer) = io::pipe().unwrap();
    let reads_a_line = thread::spawn(move || {
        let mut line = String::new();
        BufReader::new(reader).read_line(&mut line).unwrap();
        line
    });
    streams_with(writer);
    assert!(reads_a_line.join().unwrap().contains("bounded limit"));
}

/// A pipe that is full and that nobody reads, and one that fills while it runs.
#[test]
fn stderr_may_be_a_pipe_that_nobody_reads() {
    let (reader, mut writer) = io::pipe().unwrap();
    streams_with(writer.try_clone().unwrap());
    let filler = writer.try_clone().unwrap();
    let fills = thread::spawn(move || {
        let mut filler = filler;
        // Until the reader goes.
        while filler.write_all(&[b'x'; 1_000]).is_ok() {}
    });
    // A full pipe does not take another byte.
    thread::sleep(Duration::from_millis(300));
    streams_with(writer.try_clone().unwrap());
    drop(reader);
    fills.join().unwrap();
    assert!(writer.write_all(b"nobody").is_err());
}

#[test]
fn errors_do_not_wait_for_stderr_either() {
    let (reader, writer) = io::pipe().unwrap();
    let mut filler = writer.try_clone().unwrap();
    let fills = thread::spawn(move || while filler.write_all(&[b'x'; 1_000]).is_ok() {});
    thread::sleep(Duration::from_millis(300));
    let status = sidecar(&["/does/not/exist"])
        .stderr(writer)
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(1));
    drop(reader);
    fills.join().unwrap();
}

#[test]
fn help_names_every_option() {
    let output = run(&["--help"]);
    assert!(output.status.success() && output.stderr.is_empty());
    let help = String::from_utf8(output.stdout).unwrap();
    for option in [
        "FILE",
        "--delay",
        "--events",
        "--frames",
        "--event-bytes",
        "--status",
        "--linger",
        "--quiet",
        "--help",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

/// The body of an answer of the sidecar.
fn get(address: &str, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.0 200 "), "{head}");
    Ok(body.to_owned())
}

#[test]
fn it_serves_its_status_while_it_streams_and_if_asked_to_afterwards() {
    for linger in [true, false] {
        let mut arguments = vec!["--status", "127.0.0.1:0", "--delay", "0", "-"];
        arguments.extend(linger.then_some("--linger"));
        let mut child = sidecar(&arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap()).lines();
        let line = stderr.next().unwrap().unwrap();
        let url = line.strip_prefix("sidecar: status page: http://").unwrap();
        let address = url.strip_suffix('/').unwrap();

        let mut stdin = child.stdin.take().unwrap();
        stdin.write_all(b"a line\nand another\n").unwrap();
        let sample = "fillgauge_enqueued_bytes_total{limit=\"pending_process_event_bytes\",\
                      category=\"queue\",registry=\"global\"} 19\n";
        let start = Instant::now();
        while !get(address, "/metrics").unwrap().contains(sample) {
            assert!(start.elapsed() < Duration::from_secs(20));
            thread::sleep(Duration::from_millis(10));
        }
        assert!(get(address, "/").unwrap().starts_with("<!doctype html>"));
        drop(stdin);
        let last = stderr.find(|line| line.as_ref().unwrap().starts_with("stdout: "));
        assert!(last.is_some(), "the table comes at the end of the input");
        if linger {
            let status = get(address, "/status.json").unwrap();
            assert!(status.contains("no stage is near capacity"), "{status}");
            assert_eq!(child.try_wait().unwrap(), None);
            child.kill().unwrap();
            child.wait().unwrap();
        } else {
            assert!(child.wait().unwrap().success());
            assert!(get(address, "/metrics").is_err());
        }
    }
}
