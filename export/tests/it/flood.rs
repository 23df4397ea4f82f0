//! The server under attack: what it takes of the process, and whether a scrape still works.
//!
//! The attackers are processes of their own, so that their memory and threads do not count.

use std::env;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_export::serve;
use fillgauge_std::QueueRegistry;

use crate::serve::{BIG, PROCESS, assert_alive, connect, get, rest, server_of, status};

const REQUEST: &[u8] = b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n";

// ---- Processes ----------------------------------------------------------------------------------

/// A process that runs one of the ignored tests below, until its standard input ends.
struct Helper {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Helper {
    /// `descriptors` bounds those that it may have open.
    fn start(test: &str, arguments: &str, descriptors: Option<usize>) -> Self {
        let limit = descriptors.map_or(String::new(), |number| format!("ulimit -n {number};"));
        let mut child = Command::new("sh")
            .args(["-c", &format!("{limit} exec \"$0\" \"$@\"")])
            .arg(env::current_exe().unwrap())
            .args(["--exact", test, "--ignored", "--nocapture"])
            .env("FLOOD", arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        Self {
            child,
            input,
            output,
        }
    }

    /// What follows a word that it prints.
    fn said(&mut self, word: &str) -> String {
        for line in self.output.by_ref().lines() {
            if let Some((_, said)) = line.unwrap().split_once(word) {
                return said.trim().to_owned();
            }
        }
        panic!("the helper has not said {word}");
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn attack(how: &str, address: SocketAddr) -> Helper {
    let mut helper = Helper::start("flood::attacker", &format!("{how} {address}"), None);
    println!("{how}: {}", helper.said("attacks with "));
    helper
}

fn until_input_ends() {
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
}

/// How often clients connect, and what they send.
#[test]
#[ignore = "a process that the others start"]
fn attacker() {
    let Ok(arguments) = env::var("FLOOD") else {
        return;
    };
    let (how, address) = arguments.split_once(' ').unwrap();
    let address: SocketAddr = address.parse().unwrap();
    let many = |number: usize, request: &[u8]| {
        // As many as this process may have.
        let clients = (0..number).map_while(|_| {
            let mut stream = TcpStream::connect(address).ok()?;
            let _ = stream.write_all(request);
            Some(stream)
        });
        let clients: Vec<_> = clients.collect();
        println!("attacks with {} connections", clients.len());
        clients
    };
    let loops = |request: &'static [u8], reads: bool| {
        for _ in 0..4 {
            thread::spawn(move || {
                loop {
                    let Ok(mut stream) = TcpStream::connect(address) else {
                        continue;
                    };
                    let _ = stream.write_all(request);
                    if reads {
                        let _ = stream.read_to_end(&mut Vec::new());
                    }
                }
            });
        }
        println!("attacks with 4 threads");
    };
    let _clients = match how {
        "idle" => many(1_000, b""),
        "half" => many(300, b"GET / HT"),
        // Without optimization the reports are slow.
        "deaf" => many(if cfg!(debug_assertions) { 16 } else { 60 }, REQUEST),
        "storm" => {
            loops(b"GET / HT", false);
            Vec::new()
        }
        "requests" => {
            loops(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", true);
            Vec::new()
        }
        how => panic!("{how}?"),
    };
    until_input_ends();
}

// ---- What a process takes -----------------------------------------------------------------------

/// The resident memory of this process, in bytes.
fn resident() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kilobytes = line.unwrap().trim().strip_suffix(" kB").unwrap();
    kilobytes.parse::<usize>().unwrap() * 1_024
}

/// The threads of a process: of the server, and all.
fn threads(process: &str) -> (Vec<String>, usize) {
    let tasks = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let tasks: Vec<_> = tasks.map(|task| task.unwrap().path()).collect();
    let number = tasks.len();
    let is_server = |task: &std::path::PathBuf| {
        let name = fs::read_to_string(task.join("comm"));
        name.is_ok_and(|name| name.trim() == "fillgauge-serve")
    };
    let servers = tasks.into_iter().filter(is_server);
    let servers = servers.map(|task| task.to_str().unwrap().to_owned());
    (servers.collect(), number)
}

/// What this thread has had of a processor.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    Duration::from_nanos(text.split(' ').next().unwrap().parse().unwrap())
}

/// The greatest time of some scrapes.
fn slowest_scrape(address: SocketAddr, scrapes: usize) -> Duration {
    let times = (0..scrapes).map(|_| {
        let start = Instant::now();
        assert_alive(address);
        start.elapsed()
    });
    times.max().unwrap()
}

// ---- Attacks ------------------------------------------------------------------------------------

#[test]
fn idle_connections_take_nothing_from_a_scrape() {
    let _alone = PROCESS.write();
    let (server, _gauges) = server_of(0);
    let address = server.local_addr();
    assert_alive(address);
    let (before, (servers, number)) = (resident(), threads("self"));
    let open = || fs::read_dir("/proc/self/fd").unwrap().count();
    let open_before = open();
    for how in ["idle", "half"] {
        let _attacker = attack(how, address);
        let slowest = slowest_scrape(address, 20);
        let grown = resident().saturating_sub(before);
        println!(
            "{how}: slowest scrape {slowest:?}, {} KiB more",
            grown >> 10
        );
        assert!(slowest < Duration::from_secs(3), "{slowest:?}");
        assert!(grown < 32 << 20, "{grown} bytes more");
        // 64 connections, and the pipes to the attacker.
        assert!(open() <= open_before + 70, "{} open files", open());
        let (servers_now, number_now) = threads("self");
        assert_eq!(servers_now, servers);
        // The harness has a thread for each test that it runs, and those wait.
        let waiting = thread::available_parallelism().unwrap().get();
        assert!(number_now <= number + waiting, "{number_now} threads");
    }
    assert_alive(address);
}

#[test]
fn readers_that_do_not_read_take_bounded_memory() {
    let _alone = PROCESS.write();
    let (server, _gauges) = server_of(BIG);
    let address = server.local_addr();
    assert_eq!(status(&get(address, "/status.json")), "200");
    let before = resident();
    let _attacker = attack("deaf", address);
    // It ends with what it waits for, also if that panics.
    let (going_on, is_over) = mpsc::channel::<()>();
    let watcher = thread::spawn(move || {
        let mut greatest = 0;
        while is_over.recv_timeout(Duration::from_millis(5)) == Err(RecvTimeoutError::Timeout) {
            greatest = greatest.max(resident());
        }
        greatest
    });
    // Without optimization one such answer takes as long as many otherwise.
    if cfg!(debug_assertions) {
        thread::sleep(Duration::from_secs(8));
    } else {
        // It waits for half a second for each eight that are before it.
        let slowest = slowest_scrape(address, 3);
        println!("deaf: slowest scrape {slowest:?}");
        assert!(slowest < Duration::from_secs(7), "{slowest:?}");
    }
    drop(going_on);
    let greatest = watcher.join().unwrap();
    let mebibytes = greatest.saturating_sub(before) >> 20;
    println!("deaf: {mebibytes} MiB more");
    // 8 answers, and what makes and frees them.
    assert!(greatest < before + 16 * BIG, "{mebibytes} MiB more");
}

#[test]
fn dropping_the_server_under_attack_is_quick_and_frees_the_port() {
    let _alone = PROCESS.write();
    for _ in 0..3 {
        let (server, _gauges) = server_of(BIG);
        let address = server.local_addr();
        let before = threads("self").0;
        let attackers = ["idle", "half", "deaf"].map(|how| attack(how, address));
        thread::sleep(Duration::from_millis(200));
        let mut client = connect(address);
        client.write_all(REQUEST).unwrap();
        let mut idle = connect(address);
        let start = Instant::now();
        drop(server);
        let after = start.elapsed();
        println!("dropped in {after:?}");
        assert!(after < Duration::from_secs(4), "{after:?}");
        TcpListener::bind(address).unwrap();
        assert!(rest(&mut client).len() < BIG, "the answer came whole");
        assert_eq!(rest(&mut idle), "");
        drop(attackers);
        // The thread has nothing left to do but to end.
        let start = Instant::now();
        while threads("self").0 == before {
            assert!(start.elapsed() < Duration::from_secs(5), "the thread runs");
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// The records of each millisecond of processor time, so that what attackers and other programs
/// take of the machine does not count.
#[test]
fn recording_goes_on() {
    let _alone = PROCESS.write();
    let (server, _gauges) = server_of(0);
    let address = server.local_addr();
    let gauge = QueueRegistry::global().register("attacked", 10);
    let pairs = || {
        let recorder = || {
            let (start, before) = (Instant::now(), processor_time());
            let mut pairs = 0_u64;
            while start.elapsed() < Duration::from_millis(700) {
                for _ in 0..1_000 {
                    gauge.record_enqueue();
                    gauge.record_dequeue();
                }
                pairs += 1_000;
            }
            let used = processor_time() - before;
            (pairs as f64 / used.as_secs_f64(), used)
        };
        thread::scope(|scope| scope.spawn(recorder).join().unwrap())
    };
    for how in ["idle", "storm", "requests"] {
        let (before, _) = pairs();
        let attacker = attack(how, address);
        let (during, used) = pairs();
        let scrapes = (0..10).filter(|_| status(&get(address, "/metrics")) == "200");
        let scrapes = scrapes.count();
        drop(attacker);
        let ratio = during / before;
        println!(
            "{how}: {ratio:.2} of the records, in {used:?} of 700 ms; {scrapes} of 10 scrapes"
        );
        assert!(ratio > 0.2, "{ratio}");
        assert!(scrapes > 0);
        assert_alive(address);
    }
}

// ---- Without file descriptors -------------------------------------------------------------------

/// All descriptors that are left.
fn descriptors() -> Vec<File> {
    (0..)
        .map_while(|_: u32| File::open("/dev/null").ok())
        .collect()
}

#[test]
#[ignore = "a process that the others start"]
fn without_descriptors() {
    if env::var("FLOOD").is_err() {
        return;
    }
    let (server, _gauges) = server_of(0);
    let mut taken = descriptors();
    println!("address {}", server.local_addr());
    std::io::stdin().read_line(&mut String::new()).unwrap();
    drop(taken);
    println!("gave back");
    std::io::stdin().read_line(&mut String::new()).unwrap();

    taken = descriptors();
    while let Err(error) = serve("127.0.0.1:0") {
        println!("{} left: {error}", descriptors().len());
        taken.pop();
    }
    println!("served");
    // The process ends, though the thread goes on.
    server.detach();
}

#[test]
fn without_file_descriptors_it_waits_and_does_not_spin() {
    let _alone = PROCESS.write();
    let mut helper = Helper::start("flood::without_descriptors", "", Some(32));
    let address: SocketAddr = helper.said("address ").parse().unwrap();
    let process = helper.child.id().to_string();
    let task = threads(&process).0.pop().unwrap();
    let mut client = connect(address);
    client
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    // The processor time of the thread, in hundredths of a second.
    let used = || {
        let stat = fs::read_to_string(format!("{task}/stat")).unwrap();
        let fields = stat.rsplit_once(')').unwrap().1.split_whitespace();
        let times = fields.skip(11).take(2);
        times.map(|time| time.parse::<u32>().unwrap()).sum::<u32>()
    };
    let before = used();
    thread::sleep(Duration::from_secs(1));
    let used = used() - before;
    println!("{used} hundredths of a second used in one");
    assert!(used < 20, "{used}");

    let input = helper.input.as_mut().unwrap();
    input.write_all(b"\n").unwrap();
    assert_eq!(status(&rest(&mut client)), "200");
    input.write_all(b"\n").unwrap();
    let first = helper.said("0 left: ");
    assert!(
        first.starts_with("cannot start the thread fillgauge-serve: "),
        "{first}"
    );
    helper.said("cannot serve on 127.0.0.1:0: ");
    helper.said("served");
    assert!(helper.child.wait().unwrap().success());
}
