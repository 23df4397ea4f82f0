//! The server, by clients that behave, and by others.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, RwLock, RwLockReadGuard};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge_export::{Exporter, OPENMETRICS_TYPE, Server, serve};
use fillgauge_std::{QueueGauge, QueueRegistry, track};

/// Tests that measure the process hold it alone.
pub(crate) static PROCESS: RwLock<()> = RwLock::new(());

pub(crate) fn shared() -> RwLockReadGuard<'static, ()> {
    PROCESS.read().unwrap_or_else(|error| error.into_inner())
}

/// A server of one gauge. The gauge's label makes the JSON that many bytes long, and more.
pub(crate) fn server_of(label_bytes: usize) -> (Server, Vec<Arc<QueueGauge>>) {
    let registry = QueueRegistry::new("served").silent();
    let label = "x".repeat(label_bytes);
    let frames = track("frames").capacity(10).label(&*label);
    let gauge = frames.registry(&registry).gauge();
    let server = Exporter::of(&registry).serve("127.0.0.1:0").unwrap();
    (server, vec![gauge])
}

/// More than the system buffers for a client that does not read.
pub(crate) const BIG: usize = 6 << 20;

pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    let patience = Some(Duration::from_secs(30));
    stream.set_read_timeout(patience).unwrap();
    stream.set_write_timeout(patience).unwrap();
    stream
}

/// All that comes until the server closes the connection.
pub(crate) fn rest(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // The server may close before it has read all.
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
        Err(error) => panic!("not closed: {error}"),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends bytes and reads all that comes.
fn send(address: SocketAddr, request: &[u8]) -> String {
    let mut stream = connect(address);
    // The server may close before it has read all.
    let _ = stream.write_all(request);
    rest(&mut stream)
}

pub(crate) fn get(address: SocketAddr, path: &str) -> String {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    send(address, request.as_bytes())
}

pub(crate) fn status(answer: &str) -> &str {
    let status = answer.strip_prefix("HTTP/1.1 ");
    let status = status.or(answer.strip_prefix("HTTP/1.0 "));
    status.and_then(|rest| rest.get(..3)).unwrap_or(answer)
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").unwrap().1
}

pub(crate) fn assert_alive(address: SocketAddr) {
    let answer = get(address, "/metrics");
    assert_eq!(status(&answer), "200");
    assert!(
        answer.contains("\nfillgauge_depth{limit=\"frames\""),
        "{answer}"
    );
}

// ---- A client that behaves ----------------------------------------------------------------------

#[test]
fn one_call_serves_page_metrics_and_json() {
    let _shared = shared();
    let gauge = QueueRegistry::global().register("served_globally", 10);
    let server = serve("localhost:0").unwrap();
    let address = server.local_addr();
    assert!(address.ip().is_loopback());
    assert_eq!(
        format!("{server:?}"),
        format!("Server {{ local_addr: {address}, .. }}")
    );
    gauge.observe_depth(3);
    let page = get(address, "/");
    assert_eq!(body(&page), include_str!("../../src/page.html"));
    assert!(page.contains("\r\ncontent-security-policy: default-src 'none'; style-src 'sha256-"));
    assert!(page.contains("\r\nconnection: close\r\n"), "{page}");
    assert!(get(address, "/metrics").contains("limit=\"served_globally\""));
    assert!(get(address, "/status.json").contains("\"served_globally\""));
    let request = b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\
        Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n\r\n";
    let open = send(address, request);
    assert!(
        open.contains(&format!("\r\ncontent-type: {OPENMETRICS_TYPE}\r\n")),
        "{open}"
    );
    assert!(open.ends_with("# EOF\n"));
}

#[test]
fn an_async_function_may_start_and_drop_it() {
    let _shared = shared();
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(async {
        let (server, _gauges) = server_of(0);
        assert_alive(server.local_addr());
        assert!(serve(server.local_addr()).is_err());
    });
}

#[test]
fn head_is_get_without_its_body() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    for path in ["/", "/metrics", "/nothing"] {
        let [get, head] = ["GET", "HEAD"].map(|method| {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            send(server.local_addr(), request.as_bytes())
        });
        let (headers, body) = get.split_once("\r\n\r\n").unwrap();
        assert!(headers.contains(&format!("\r\ncontent-length: {}\r\n", body.len())));
        let without_date = |headers: &str| {
            let lines = headers.lines().filter(|line| !line.starts_with("date: "));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        let (head, nothing) = head.split_once("\r\n\r\n").unwrap();
        assert_eq!(without_date(head), without_date(headers));
        assert_eq!(nothing, "");
    }
}

const METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "NONSENSE",
];

#[test]
fn only_get_and_head_are_answered() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    for method in METHODS {
        for path in [
            "/",
            "/metrics",
            "/status.json",
            "/other",
            "*",
            "localhost:80",
        ] {
            let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
            let answer = send(server.local_addr(), request.as_bytes());
            let is_read = matches!(method, "GET" | "HEAD");
            let expected: &[_] = match path {
                "/" | "/metrics" | "/status.json" if is_read => &["200"],
                "/" | "/metrics" | "/status.json" => &["405"],
                "/other" => &["404"],
                // Not every method may have these targets.
                _ => &["400", "404", "421"],
            };
            assert!(
                expected.contains(&status(&answer)),
                "{method} {path}: {answer}"
            );
            if status(&answer) == "405" {
                assert!(answer.contains("\r\nallow: GET, HEAD\r\n"), "{answer}");
            }
        }
    }
}

#[test]
fn bodies_are_not_read() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let long = "x".repeat(1 << 18);
    for (method, expected) in [("POST", "405"), ("GET", "200")] {
        for headers in ["Content-Length: 262144", "Transfer-Encoding: chunked"] {
            let head =
                format!("{method} /metrics HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n");
            let chunk = if headers.starts_with('C') {
                ""
            } else {
                "40000\r\n"
            };
            // A connection that is reset may lose its answer on the way.
            let mut stream = connect(server.local_addr());
            write!(stream, "{head}{chunk}{long}").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            assert_eq!(status(&answer), expected, "{method} {headers}");
            // It does not wait for a body that does not come.
            let start = Instant::now();
            assert_eq!(
                status(&send(server.local_addr(), head.as_bytes())),
                expected
            );
            assert!(start.elapsed() < Duration::from_secs(4));
        }
    }
}

#[test]
fn a_client_may_close_its_side_before_the_answer() {
    let _shared = shared();
    let (server, _gauges) = server_of(BIG);
    let address = server.local_addr();
    let ask = |path: &str| {
        let mut stream = connect(address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        stream
    };
    // These have all answers that may be written at a time, so it waits for its own.
    let _deaf: Vec<_> = (0..8).map(|_| ask("/status.json")).collect();
    let mut stream = ask("/status.json");
    stream.shutdown(Shutdown::Write).unwrap();
    let answer = rest(&mut stream);
    assert_eq!(status(&answer), "200");
    assert!(answer.ends_with("]}]}"));
    assert!(answer.len() > BIG);
}

// ---- Who may ask --------------------------------------------------------------------------------

#[test]
fn a_loopback_address_answers_for_its_own_names_alone() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let port = server.local_addr().port();
    let own = ["localhost", "LocalHost", "127.0.0.1", "[::1]"];
    let own = own.into_iter().flat_map(|host| {
        [
            String::new(),
            format!(":{port}"),
            ":1".to_owned(),
            ":".to_owned(),
        ]
        .map(|port| format!("{host}{port}"))
    });
    for host in own {
        let request = format!("GET /metrics HTTP/1.1\r\nhOST: {host} \r\n\r\n");
        let answer = send(server.local_addr(), request.as_bytes());
        assert_eq!(status(&answer), "200", "{host}");
    }
    let foreign = [
        "",
        ":",
        ":80",
        "example.com",
        "localhost.example.com",
        "localhost.",
        "example.localhost",
        "xlocalhost",
        "localhostx",
        "127.0.0.1.example.com",
        "127.0.0.2",
        "127.1",
        "2130706433",
        "0.0.0.0",
        "::1",
        "[::1",
        "::1]",
        "[::]",
        "[::2]",
        "[::1]x",
        "[::1].example.com",
        "localhost:80x",
        "localhost:x",
        "localhost:-1",
        "localhost:80:80",
        "a@localhost",
        "localhost@example.com",
        "localhost/",
        "localhost example.com",
        "localhost,example.com",
        "localhost\u{e9}",
        "\"localhost\"",
        "localhost%00",
        "lоcalhost",
    ];
    for host in foreign {
        for path in ["/", "/metrics", "/status.json", "/other"] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = send(server.local_addr(), request.as_bytes());
            assert_eq!(status(&answer), "421", "{host}: {answer}");
            assert_eq!(body(&answer), "Misdirected Request");
            assert_protected(&answer);
        }
    }
}

fn assert_protected(answer: &str) {
    for header in [
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "content-security-policy: default-src 'none'; frame-ancestors 'none'",
        "referrer-policy: no-referrer",
        "cross-origin-resource-policy: same-origin",
    ] {
        assert!(
            answer.contains(&format!("\r\n{header}\r\n")),
            "{header}: {answer}"
        );
    }
}

#[test]
fn a_request_names_one_host() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let everywhere = everywhere();
    // The request, its status on a loopback address, and on another.
    let table = [
        ("GET /metrics HTTP/1.1\r\n", "400", "400"),
        ("GET /metrics HTTP/1.0\r\n", "421", "200"),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n",
            "400",
            "400",
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: example.com\r\n",
            "400",
            "400",
        ),
        (
            "GET /metrics HTTP/1.0\r\nHost: example.com\r\nHost: localhost\r\n",
            "400",
            "400",
        ),
        (
            "GET /metrics HTTP/1.0\r\nHost: example.com\r\n",
            "421",
            "200",
        ),
        (
            "GET /metrics HTTP/1.1\r\nHost: example.com\r\n",
            "421",
            "200",
        ),
        // Targets that name a host too.
        (
            "GET http://localhost/metrics HTTP/1.1\r\nHost: localhost\r\n",
            "200",
            "200",
        ),
        (
            "GET http://127.0.0.1:9/metrics HTTP/1.1\r\nHost: localhost\r\n",
            "200",
            "200",
        ),
        (
            "GET http://example.com/metrics HTTP/1.1\r\nHost: localhost\r\n",
            "421",
            "200",
        ),
        (
            "GET http://localhost/metrics HTTP/1.1\r\nHost: example.com\r\n",
            "421",
            "200",
        ),
        (
            "GET http://a@localhost/metrics HTTP/1.1\r\nHost: localhost\r\n",
            "421",
            "200",
        ),
        ("GET http://localhost/metrics HTTP/1.1\r\n", "400", "400"),
        (
            "GET http://localhost HTTP/1.1\r\nHost: localhost\r\n",
            "200",
            "200",
        ),
    ];
    for (request, on_loopback, elsewhere) in table {
        for (server, expected) in [(&server, on_loopback), (&everywhere, elsewhere)] {
            let request = format!("{request}\r\n");
            let port = server.local_addr().port();
            let answer = send(([127, 0, 0, 1], port).into(), request.as_bytes());
            assert_eq!(status(&answer), expected, "{request}: {answer}");
            if expected != "200" {
                assert_protected(&answer);
            }
        }
    }
}

/// A server on all addresses.
fn everywhere() -> Server {
    let registry = QueueRegistry::new("everywhere").silent();
    Exporter::of(&registry).serve("0.0.0.0:0").unwrap()
}

#[test]
fn another_loopback_address_answers_for_itself() {
    let _shared = shared();
    let registry = QueueRegistry::new("loopback").silent();
    for address in ["127.0.0.2:0", "[::1]:0", "[::ffff:127.0.0.1]:0"] {
        // Not every system has these.
        let Ok(server) = Exporter::of(&registry).serve(address) else {
            println!("no {address} here");
            continue;
        };
        let own = server.local_addr().to_string();
        for (host, expected) in [
            (&*own, "200"),
            ("localhost", "200"),
            ("127.0.0.1", "200"),
            ("127.0.0.3", "421"),
            ("example.com", "421"),
        ] {
            let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let answer = send(server.local_addr(), request.as_bytes());
            assert_eq!(status(&answer), expected, "{address} {host}");
        }
    }
}

#[test]
fn nothing_of_a_request_is_in_its_answer() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let nasty = "nasty3141<script>";
    let requests = [
        format!("GET /{nasty} HTTP/1.1\r\nHost: localhost\r\n"),
        "GET /%3Cscript%3Enasty3141 HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        format!("GET /metrics?nasty3141 HTTP/1.1\r\nHost: localhost\r\nnasty3141: {nasty}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: {nasty}\r\nCookie: {nasty}\r\n"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nOrigin: {nasty}\r\nAccept: {nasty}\r\n"),
        format!("{nasty} / HTTP/1.1\r\nHost: localhost\r\n"),
        "nasty3141 / HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        "nasty3141 /nasty3141 HTTP/1.1\r\nHost: localhost\r\n".to_owned(),
        "GET / nasty3141/1.1\r\nHost: localhost\r\n".to_owned(),
        "GET http://nasty3141/ HTTP/1.1\r\nHost: nasty3141\r\n".to_owned(),
        "GET / HTTP/1.1\r\nnasty3141\r\n".to_owned(),
        "TRACE / HTTP/1.1\r\nHost: localhost\r\nX: nasty3141\r\n".to_owned(),
        "nasty3141\r\n".to_owned(),
    ];
    for request in requests {
        let answer = send(server.local_addr(), format!("{request}\r\n").as_bytes());
        assert!(!answer.contains("nasty3141"), "{request}: {answer}");
    }
}

// ---- What cannot be served ----------------------------------------------------------------------

#[test]
fn an_error_says_what_failed_and_where() {
    let _shared = shared();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let error = serve(address).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("cannot serve on {address}: ")),
        "{text}"
    );

    // Of several the first that can be bound.
    let free = SocketAddr::from(([127, 0, 0, 1], 0));
    assert_eq!(
        serve(&[address, free][..]).unwrap().local_addr().ip(),
        free.ip()
    );

    let error = serve("127.0.0.1").unwrap_err();
    let text = error.to_string();
    assert!(
        text.starts_with("cannot resolve the address to serve on: "),
        "{text}"
    );

    let nowhere: [SocketAddr; 0] = [];
    let error = serve(&nowhere[..]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    assert_eq!(
        error.to_string(),
        "the address to serve on resolves to nothing"
    );
}

#[test]
fn ports_that_browsers_block_are_refused() {
    let _shared = shared();
    for port in [
        1, 22, 80_u16, 2049, 4190, 5060, 6000, 6665, 6669, 6679, 6697, 10080,
    ] {
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        match serve(address) {
            Err(error) if port != 80 => {
                assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
                let expected = format!(
                    "cannot serve on {address}: browsers block port {port}: choose another"
                );
                assert_eq!(error.to_string(), expected);
            }
            // Without the right to it, or somebody has it.
            Err(error) => assert_ne!(error.kind(), io::ErrorKind::InvalidInput),
            Ok(_) => assert_eq!(port, 80),
        }
    }
}

// ---- Clients that do not behave -----------------------------------------------------------------

/// When the server closes the connection, while the client does something every so often.
fn closed_after(stream: &mut TcpStream, mut meanwhile: impl FnMut(&mut TcpStream)) -> Duration {
    let start = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    let mut bytes = [0; 1_024];
    while start.elapsed() < Duration::from_secs(40) {
        match stream.read(&mut bytes) {
            Ok(0) => return start.elapsed(),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => meanwhile(stream),
            Err(_) => return start.elapsed(),
        }
    }
    panic!("not closed");
}

/// The time-out of headers. The rest of the machine may be busy.
fn assert_timed_out(after: Duration) {
    assert!(after > Duration::from_secs(4), "{after:?}");
    assert!(after < Duration::from_secs(9), "{after:?}");
}

#[test]
fn slow_headers_are_cut() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    thread::scope(|scope| {
        for sent in [
            "",
            "GET /metrics HT",
            "GET /metrics HTTP/1.1\r\nHost: localhost\r\nX: ",
        ] {
            let address = server.local_addr();
            scope.spawn(move || {
                let mut stream = connect(address);
                stream.write_all(sent.as_bytes()).unwrap();
                let after = closed_after(&mut stream, |stream| {
                    if !sent.is_empty() {
                        let _ = stream.write_all(b"x");
                    }
                });
                assert_timed_out(after);
            });
        }
    });
    assert_alive(server.local_addr());
}

#[test]
fn too_many_and_too_long_headers_are_refused() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let address = server.local_addr();
    let start = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n";
    let many = |number: usize| format!("{start}{}\r\n", "X: y\r\n".repeat(number - 1));
    assert_eq!(status(&send(address, many(64).as_bytes())), "200");
    assert_eq!(status(&send(address, many(65).as_bytes())), "431");
    let long = |bytes: usize| format!("{start}X: {}\r\n\r\n", "y".repeat(bytes));
    assert_eq!(status(&send(address, long(15_000).as_bytes())), "200");
    let refused = ["431", "414", ""];
    let path = format!(
        "GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n",
        "y".repeat(1 << 20)
    );
    for request in [long(40_000), long(1 << 20), path] {
        let answer = send(address, request.as_bytes());
        assert!(refused.contains(&status(&answer)), "{answer}");
    }
    // Without an end.
    let mut stream = connect(address);
    let mut sent = stream.write_all(start.as_bytes()).map(|()| 0);
    while let Ok(bytes @ 0..64_000_000) = sent {
        sent = stream.write_all(&[b'x'; 65_536]).map(|()| bytes + 65_536);
    }
    assert!(sent.is_err(), "{sent:?} bytes of headers were read");
    assert_alive(address);
}

#[test]
fn rubbish_is_refused() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let address = server.local_addr();
    let tls_hello = [
        22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3, 0, 255, 10, 13, 10, 13, 10,
    ];
    let every_byte: Vec<u8> = (0..=255).chain(*b"\r\n\r\n").collect();
    let requests: [&[u8]; 10] = [
        &tls_hello,
        &every_byte,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: \0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"\xff\xfe\xfd / HTTP/1.1\r\n\r\n",
    ];
    for request in requests {
        let answer = send(address, request);
        assert!(
            ["400", ""].contains(&status(&answer)),
            "{request:?}: {answer}"
        );
    }
    // Empty lines and half a request, and then nobody is there.
    for half in ["", "\r\n", "GET", "GET / HTTP/1.1\r\nHost: loc"] {
        let mut stream = connect(address);
        stream.write_all(half.as_bytes()).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        let start = Instant::now();
        assert!(["400", ""].contains(&status(&rest(&mut stream))), "{half}");
        assert!(start.elapsed() < Duration::from_secs(4), "{half}");
    }
    assert_alive(address);
}

#[test]
fn of_pipelined_requests_one_is_answered() {
    let _shared = shared();
    let (server, _gauges) = server_of(0);
    let requests = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    let mut stream = connect(server.local_addr());
    let _ = stream.write_all(requests.as_bytes());
    thread::sleep(Duration::from_millis(200));
    let answer = rest(&mut stream);
    assert_eq!(answer.matches("HTTP/1.1 200 OK\r\n").count(), 1, "{answer}");
    assert_alive(server.local_addr());
}

#[test]
fn readers_that_do_not_read_are_cut() {
    let _shared = shared();
    let (server, _gauges) = server_of(BIG);
    let mut stream = connect(server.local_addr());
    stream
        .write_all(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .unwrap();
    // The connection is 10 s old at most.
    thread::sleep(Duration::from_secs(11));
    let answer = rest(&mut stream);
    assert_eq!(status(&answer), "200");
    assert!(answer.len() < BIG, "the answer came whole");
    assert_alive(server.local_addr());
}

#[test]
fn a_client_may_go_in_the_middle_of_an_answer() {
    let _shared = shared();
    let (server, _gauges) = server_of(BIG);
    let address = server.local_addr();
    for bytes in [0, 1, 100, 100_000] {
        let mut stream = connect(address);
        stream
            .write_all(b"GET /status.json HTTP/1.1\r\nHost: localhost\r\n\r\n")
            .unwrap();
        stream.read_exact(&mut vec![0; bytes]).unwrap();
    }
    assert_alive(address);
}
