//! The router.

use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode, header};
use axum::response::Response;
use axum::routing::get;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use fillgauge_export::{
    Detail, Exporter, OPENMETRICS_TYPE, PROMETHEUS_TEXT_TYPE, json, openmetrics, prometheus_text,
};
use fillgauge_std::{QueueGauge, QueueRegistry};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tower::ServiceExt;

const PAGE: &str = include_str!("../../src/page.html");
const PATHS: [&str; 3] = ["/", "/metrics", "/status.json"];

/// A registry with one gauge, which is near capacity.
fn registry() -> (QueueRegistry, Arc<QueueGauge>) {
    let registry = QueueRegistry::new("routed").silent();
    let gauge = registry.register("frames", 10);
    gauge.observe_depth(7);
    (registry, gauge)
}

fn block_on<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(work)
}

fn ask(router: &Router, request: Request<Body>) -> Response {
    block_on(router.clone().oneshot(request)).unwrap()
}

fn request(method: &str, path: &str) -> Request<Body> {
    let request = Request::builder().method(method).uri(path);
    request.body(Body::empty()).unwrap()
}

fn accepting(values: &[&str]) -> Request<Body> {
    let request = Request::builder().uri("/metrics");
    let request = values.iter().fold(request, |request, value| {
        request.header(header::ACCEPT, *value)
    });
    request.body(Body::empty()).unwrap()
}

fn text(response: Response) -> String {
    let bytes = block_on(to_bytes(response.into_body(), usize::MAX)).unwrap();
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn header<'headers>(headers: &'headers HeaderMap, name: &str) -> &'headers str {
    let mut values = headers.get_all(name).into_iter();
    let value = values.next().unwrap_or_else(|| panic!("no {name}"));
    assert_eq!(values.next(), None, "{name} twice");
    value.to_str().unwrap()
}

#[test]
fn each_path_answers_with_its_text_and_type() {
    let (registry, _gauge) = registry();
    for detail in [Detail::Limits, Detail::Gauges] {
        let router = Exporter::of(&registry).detail(detail).router();

        let page = ask(&router, request("GET", "/"));
        assert_eq!(page.status(), StatusCode::OK);
        assert_eq!(
            header(page.headers(), "content-type"),
            "text/html; charset=utf-8"
        );
        assert_eq!(text(page), PAGE);

        let mut expected = String::new();
        prometheus_text(registry.report(), detail, &mut expected).unwrap();
        let plain = ask(&router, request("GET", "/metrics?name=x"));
        assert_eq!(plain.status(), StatusCode::OK);
        assert_eq!(
            header(plain.headers(), "content-type"),
            PROMETHEUS_TEXT_TYPE
        );
        assert_eq!(text(plain), expected);

        let mut expected = String::new();
        openmetrics(registry.report(), detail, &mut expected).unwrap();
        let open = ask(&router, accepting(&["application/openmetrics-text"]));
        assert_eq!(open.status(), StatusCode::OK);
        assert_eq!(header(open.headers(), "content-type"), OPENMETRICS_TYPE);
        assert_eq!(text(open), expected);

        let mut expected = String::new();
        json(registry.report(), &mut expected).unwrap();
        let status = ask(&router, request("GET", "/status.json"));
        assert_eq!(status.status(), StatusCode::OK);
        assert_eq!(header(status.headers(), "content-type"), "application/json");
        let [status, expected] = [text(status), expected].map(|text| {
            let mut status: Value = serde_json::from_str(&text).unwrap();
            status["registries"][0]["at_us"] = Value::Null;
            status["at_us"] = Value::Null;
            status
        });
        assert_eq!(status, expected);
    }
}

/// The peak that the answer to a request for `path` shows. `None` if it shows none.
fn peak(router: &Router, path: &str) -> Option<u64> {
    let answer = ask(router, request("GET", path));
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    let text = text(answer);
    if path.contains("status") {
        let status: Value = serde_json::from_str(&text).unwrap();
        return status["registries"][0]["limits"][0]["window_peak"].as_u64();
    }
    let mut lines = text.lines();
    let line = lines.find(|line| line.starts_with("fillgauge_window_peak{"))?;
    Some(line.rsplit_once(' ').unwrap().1.parse().unwrap())
}

#[test]
fn each_scraper_that_says_its_name_sees_every_peak() {
    let (registry, gauge) = registry();
    let router = Exporter::of(&registry).router();
    let paths = [
        "/metrics?scraper=a",
        "/metrics?x=y&scraper=b",
        "/status.json?scraper=c&x=y",
        "/status.json?scraper=",
    ];
    for path in paths {
        assert_eq!(peak(&router, path), None, "{path}, the first time");
    }
    gauge.observe_depth(9);
    gauge.observe_depth(3);
    for path in paths {
        let head = ask(&router, request("HEAD", path));
        assert_eq!(head.status(), StatusCode::OK);
        assert_eq!(peak(&router, path), Some(9), "{path}");
        assert_eq!(peak(&router, path), Some(3), "{path}");
    }
    for path in [
        "/metrics",
        "/status.json",
        "/metrics?scrapers=a",
        "/metrics?a=scraper=a",
    ] {
        assert_eq!(peak(&router, path), None, "{path}");
    }
    let named = Exporter::of(&registry).scraper("own").router();
    assert_eq!(peak(&named, "/metrics"), None);
    gauge.observe_depth(5);
    gauge.observe_depth(3);
    assert_eq!(
        peak(&named, "/metrics?scraper=a"),
        Some(5),
        "the request says who asks"
    );
    assert_eq!(peak(&named, "/metrics"), Some(5));
}

#[test]
fn a_long_name_of_a_scraper_is_refused() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    for (length, expected) in [(64, StatusCode::OK), (65, StatusCode::BAD_REQUEST)] {
        for path in PATHS {
            let path = format!("{path}?scraper={}", "x".repeat(length));
            assert_eq!(
                ask(&router, request("GET", &path)).status(),
                expected,
                "{path}"
            );
        }
    }
}

#[test]
fn a_registry_is_exported_once() {
    let registries = ["one", "one"].map(|name| QueueRegistry::new(name).silent());
    let [one, other] = &registries;
    let exporter = Exporter::of(one).and(one).and(other).and(&other.clone());
    assert_eq!(exporter.reports().len(), 2);
}

#[test]
fn accept_chooses_the_format() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    let om = "application/openmetrics-text";
    let table: &[(&[&str], bool)] = &[
        (&[], false),
        (&[""], false),
        (&["*/*"], false),
        (&["application/*"], false),
        (
            &["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            false,
        ),
        (&["text/plain"], false),
        (&["application/json"], false),
        (&[om], true),
        (&["Application/OpenMetrics-Text"], true),
        (&["application/openmetrics-text2"], false),
        (&["application/openmetrics-text; version=1.0.0"], true),
        (
            &["application/openmetrics-text;version=\"1.0.0\";charset=utf-8"],
            true,
        ),
        (&["application/openmetrics-text;version=0.0.1"], false),
        (&["application/openmetrics-text;version=2.0.0"], false),
        // What Prometheus 2 and 3 send.
        (
            &[
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;\
                version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            ],
            true,
        ),
        (
            &[
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
            ],
            true,
        ),
        (
            &["text/plain;version=0.0.4;q=0.9,application/openmetrics-text;q=0.3"],
            false,
        ),
        // Equal, and less by a thousandth.
        (&["text/plain, application/openmetrics-text"], true),
        (
            &["text/plain;q=0.5, application/openmetrics-text;q=0.500"],
            true,
        ),
        (
            &["text/plain;q=0.5, application/openmetrics-text;q=0.499"],
            false,
        ),
        (
            &["text/plain;q=0.05, application/openmetrics-text;q=0.1"],
            true,
        ),
        // Anything is text too; the closest range counts.
        (&["*/*;q=0.6, application/openmetrics-text;q=0.5"], false),
        (&["text/*;q=0.6, application/openmetrics-text;q=0.5"], false),
        (
            &["*/*, text/*;q=0.2, application/openmetrics-text;q=0.5"],
            true,
        ),
        (
            &["*/*, text/plain;q=0.2, application/openmetrics-text;q=0.5"],
            true,
        ),
        (
            &["text/plain;version=1.0.0, application/openmetrics-text;q=0.5"],
            true,
        ),
        // 0 excludes.
        (&["application/openmetrics-text;q=0"], false),
        (
            &["application/openmetrics-text;q=0.000, text/plain;q=0"],
            false,
        ),
        (
            &["text/plain;q=0, application/openmetrics-text;q=0.001"],
            true,
        ),
        // Invalid qualities ask for nothing.
        (&["application/openmetrics-text;q="], false),
        (&["application/openmetrics-text;q"], false),
        (&["application/openmetrics-text;q=1.001"], false),
        (&["application/openmetrics-text;q=2"], false),
        (&["application/openmetrics-text;q=-1"], false),
        (&["application/openmetrics-text;q=+1"], false),
        (&["application/openmetrics-text;q=0.1234"], false),
        (&["application/openmetrics-text;q=0.5x"], false),
        (&["application/openmetrics-text;q=NaN"], false),
        (
            &["application/openmetrics-text;q=99999999999999999999"],
            false,
        ),
        (&["application/openmetrics-text;q=1."], true),
        (&["application/openmetrics-text;Q=1.000"], true),
        // Spaces, quotes, several headers, rubbish.
        (
            &["\t text/plain ; q=0.1 ,\tapplication/openmetrics-text ;\tq=0.2 "],
            true,
        ),
        (
            &["text/plain;x=\",\\\",\";q=0.1,application/openmetrics-text;q=0.2"],
            true,
        ),
        (&["x/y;z=\",application/openmetrics-text"], false),
        (
            &["text/plain;q=0.1", "application/openmetrics-text;q=0.2"],
            true,
        ),
        (
            &["text/plain;q=0.3", "application/openmetrics-text;q=0.2"],
            false,
        ),
        (&[";,=,;q=1,,\"", om], true),
        (&["/", om], true),
    ];
    for (accept, is_open) in table {
        let answer = ask(&router, accepting(accept));
        let expected = if *is_open {
            OPENMETRICS_TYPE
        } else {
            PROMETHEUS_TEXT_TYPE
        };
        assert_eq!(
            header(answer.headers(), "content-type"),
            expected,
            "{accept:?}"
        );
        assert_eq!(text(answer).ends_with("# EOF\n"), *is_open, "{accept:?}");
    }
    let long = format!("{}{om}", "text/plain;q=0.1,".repeat(10_000));
    let answer = ask(&router, accepting(&[&long]));
    assert_eq!(header(answer.headers(), "content-type"), OPENMETRICS_TYPE);
}

const METHODS: [&str; 11] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "PATCH", "get",
    "NONSENSE",
];

#[test]
fn other_methods_and_paths_are_refused() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    let unknown = [
        "/metrics/",
        "//",
        "//metrics",
        "/Metrics",
        "/%6detrics",
        "/status",
        "/page.html",
        "/a/b",
        "/metrics/../metrics",
        "*",
    ];
    for method in METHODS {
        for path in PATHS {
            let answer = ask(&router, request(method, path));
            let is_read = matches!(method, "GET" | "HEAD");
            let expected = if is_read {
                StatusCode::OK
            } else {
                StatusCode::METHOD_NOT_ALLOWED
            };
            assert_eq!(answer.status(), expected, "{method} {path}");
            if !is_read {
                assert_eq!(
                    header(answer.headers(), "allow"),
                    "GET, HEAD",
                    "{method} {path}"
                );
                assert_eq!(text(answer), "Method Not Allowed");
            }
        }
        for path in unknown {
            let answer = ask(&router, request(method, path));
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{method} {path}");
            assert_eq!(answer.headers().get("allow"), None);
            let expected = if method == "HEAD" { "" } else { "Not Found" };
            assert_eq!(text(answer), expected, "{method} {path}");
        }
    }
    // The form that `CONNECT` has.
    let answer = ask(&router, request("CONNECT", "localhost:80"));
    assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    assert_eq!(text(answer), "Not Found");
}

#[test]
fn head_has_the_headers_of_get_and_no_body() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    for path in ["/", "/metrics", "/nothing"] {
        let [get, head] = ["GET", "HEAD"].map(|method| ask(&router, request(method, path)));
        assert_eq!(get.status(), head.status());
        assert_eq!(get.headers(), head.headers(), "{path}");
        let length: usize = header(head.headers(), "content-length").parse().unwrap();
        assert_eq!(text(head), "");
        assert_eq!(text(get).len(), length, "{path}");
    }
}

#[test]
fn every_answer_has_the_headers_that_protect_it() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    for method in METHODS {
        for path in PATHS.into_iter().chain(["/nothing"]) {
            let mut request = request(method, path);
            let origin = "https://other.example".parse().unwrap();
            request.headers_mut().insert(header::ORIGIN, origin);
            let answer = ask(&router, request);
            let headers = answer.headers();
            let is_page = path == "/" && answer.status() == StatusCode::OK;
            assert_eq!(header(headers, "x-content-type-options"), "nosniff");
            assert_eq!(header(headers, "cache-control"), "no-store");
            assert_eq!(header(headers, "referrer-policy"), "no-referrer");
            assert_eq!(
                header(headers, "cross-origin-resource-policy"),
                "same-origin"
            );
            let policy = header(headers, "content-security-policy");
            if !is_page {
                assert_eq!(policy, "default-src 'none'; frame-ancestors 'none'");
            }
            assert_ne!(header(headers, "content-type"), "");
            let cors = |name: &&str| name.starts_with("access-control-");
            let mut names = headers.keys().map(|name| name.as_str());
            assert_eq!(names.find(cors), None, "{method} {path}");
        }
    }
}

/// The source of a hash of the only element of that name.
fn hash(element: &str) -> String {
    let (start, end) = (format!("<{element}>"), format!("</{element}>"));
    assert_eq!(PAGE.matches(&start).count(), 1, "{start}");
    assert_eq!(PAGE.matches(&end).count(), 1, "{end}");
    let (_, rest) = PAGE.split_once(&start).unwrap();
    let (content, _) = rest.split_once(&end).unwrap();
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(content)))
}

/// If this fails, the page has changed: put the policy on the right into `PAGE_POLICY`.
#[test]
fn the_policy_of_the_page_allows_its_own_style_and_script_alone() {
    let answer = ask(&Exporter::global().router(), request("GET", "/"));
    let expected = format!(
        "default-src 'none'; style-src {}; script-src {}; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash("style"),
        hash("script"),
    );
    assert_eq!(
        header(answer.headers(), "content-security-policy"),
        expected
    );
    // What the policy would forbid.
    for forbidden in [
        " style=",
        " onclick=",
        " onload=",
        "javascript:",
        "<link",
        "<img",
        "<base",
    ] {
        assert!(!PAGE.contains(forbidden), "{forbidden}");
    }
}

const NASTY: &str = "nasty3141";

#[test]
fn nothing_of_a_request_is_in_its_answer() {
    let (registry, _gauge) = registry();
    let router = Exporter::of(&registry).router();
    let paths = PATHS.map(|path| format!("{path}?{NASTY}=<script>{NASTY}</script>"));
    let unknown = format!("/{NASTY}/%3Cscript%3E{NASTY}?{NASTY}#{NASTY}");
    for path in paths.iter().chain([&unknown]) {
        let path = path.replace(['<', '>'], "'");
        for method in METHODS.into_iter().chain([NASTY]) {
            let names = [
                "accept",
                "host",
                "origin",
                "referer",
                "user-agent",
                "cookie",
                NASTY,
            ];
            let request = Request::builder().method(method).uri(&path);
            let request = names
                .into_iter()
                .fold(request, |request, name| request.header(name, NASTY));
            let answer = ask(&router, request.body(Body::from(NASTY)).unwrap());
            let headers = format!("{:?}", answer.headers());
            assert!(!headers.contains(NASTY), "{method} {path}: {headers}");
            let body = text(answer);
            assert!(!body.contains(NASTY), "{method} {path}: {body}");
        }
    }
}

#[test]
fn it_can_be_mounted_below_a_path() {
    let (registry, _gauge) = registry();
    let gauges = Exporter::of(&registry).router();
    let app = || {
        Router::new()
            .route("/", get(|| async { "the application" }))
            .route("/{*rest}", get(|| async { "the rest" }))
            .fallback(|| async { "the fallback of the application" })
    };
    let nested = app().nest("/gauges", gauges.clone());
    let service = app().nest_service("/gauges", gauges.clone());
    let deeper = app().nest("/gauges", Router::new().nest_service("/of", gauges.clone()));
    let inner = Router::new().nest("/of", gauges);
    let deepest = Router::new().nest("/gauges", Router::new().nest("/all", inner));
    let mounted = [
        (&nested, "/gauges"),
        (&service, "/gauges"),
        (&deeper, "/gauges/of"),
        (&deepest, "/gauges/all/of"),
    ];
    for (router, prefix) in mounted {
        let answer = ask(router, request("GET", prefix));
        assert!(header(answer.headers(), "content-security-policy").contains("script-src"));
        assert_eq!(text(answer), PAGE, "{prefix}");
        let metrics = ask(router, request("GET", &format!("{prefix}/metrics")));
        assert!(text(metrics).contains("fillgauge_depth"), "{prefix}");
        let head = ask(router, request("HEAD", &format!("{prefix}/metrics")));
        assert_ne!(header(head.headers(), "content-length"), "0");
        assert_eq!(text(head), "");
        let status = ask(router, request("GET", &format!("{prefix}/status.json")));
        assert!(text(status).starts_with('{'), "{prefix}");
        let posted = ask(router, request("POST", &format!("{prefix}/metrics")));
        assert_eq!(posted.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(header(posted.headers(), "allow"), "GET, HEAD");
    }
    let slash = ask(&service, request("GET", "/gauges/"));
    assert_eq!(text(slash), PAGE);
    // Its fallback is for what is below its path.
    let unknown = ask(&service, request("GET", "/gauges/unknown"));
    assert_eq!(unknown.status(), StatusCode::NOT_FOUND);
    assert_eq!(header(unknown.headers(), "cache-control"), "no-store");
    assert_eq!(text(ask(&nested, request("GET", "/"))), "the application");
    assert_eq!(text(ask(&nested, request("GET", "/other"))), "the rest");
}

#[test]
fn each_request_reads_anew() {
    let (registry, gauge) = registry();
    let router = Exporter::of(&registry).router();
    for depth in [3, 9] {
        gauge.observe_depth(depth);
        let metrics = text(ask(&router, request("GET", "/metrics")));
        let sample = format!(
            "\nfillgauge_depth{{limit=\"frames\",category=\"queue\",registry=\"routed\"}} {depth}\n"
        );
        assert!(metrics.contains(&sample), "{metrics}");
    }
}
