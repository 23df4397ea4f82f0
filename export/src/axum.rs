//! The router: the page, the metrics and the JSON.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::Response;
use axum::routing::any;

use crate::accept::wants_openmetrics;
use crate::exporter::Exporter;
use crate::json::json;
use crate::text::{OPENMETRICS_TYPE, PROMETHEUS_TEXT_TYPE, openmetrics, prometheus_text};

const PAGE: &str = include_str!("page.html");

/// What the page may do: its own style, its own script, and to ask for `status.json`. The hashes
/// are those of the elements `style` and `script` of `page.html`; a test says what they should be.
const PAGE_POLICY: &str = "default-src 'none'; \
    style-src 'sha256-PLUjpucKGXY4Qsesj3D0DsjdMAjpNguqgdYaZRqL1LI='; \
    script-src 'sha256-D86Tzr7VIFlMReBoBeZOFgScTLwXxWEv+8pqubZDJyc='; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
const DATA_POLICY: &str = "default-src 'none'; frame-ancestors 'none'";

/// In bytes.
const MAX_SCRAPER_NAME: usize = 64;

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";

/// What every answer has.
const HEADERS: [(HeaderName, &str); 4] = [
    (header::CACHE_CONTROL, "no-store"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

impl Exporter {
    /// A router with the status page, the metrics and the JSON.
    ///
    /// | path | |
    /// |---|---|
    /// | `/` | the page, which asks for `status.json` once a second |
    /// | `/metrics` | [`openmetrics`] if `Accept` asks for it, else [`prometheus_text`] |
    /// | `/status.json` | [`json`](crate::json()) |
    ///
    /// - With `?scraper=NAME` the metrics and the JSON have peaks: the greatest depths since the
    ///   scrape of `NAME` before, see [`Exporter::scraper`]. A name has up to 64 bytes. It is not
    ///   decoded. Each page that is open has a name of its own. `HEAD` takes no peaks.
    /// - They answer `GET` and `HEAD`. The rest is 400, 404 or 405. No answer has text of its
    ///   request.
    /// - Every answer forbids to be stored, sniffed, framed or read by a page of another origin.
    /// - A request reads the registries when it comes, and on the thread that it is handled on:
    ///   that takes about 10 ms for 10,000 gauges, and 50 ms with [`Detail::Gauges`](crate::Detail::Gauges).
    ///
    /// ```
    /// use axum::Router;
    /// use fillgauge_export::Exporter;
    ///
    /// let app: Router = Router::new()
    ///     // .route("/jobs", ..)
    ///     .nest_service("/gauges", Exporter::global().router());
    /// # let _ = app;
    /// ```
    ///
    /// Prometheus then scrapes `/gauges/metrics`. [`Router::nest`] does the same, except `/gauges/`
    /// with the slash. [`Router::merge`] panics if both routers have a fallback, and this one has.
    ///
    /// # What is up to the application
    ///
    /// The router listens to nobody: time-outs, the bounds on headers and connections, and who may
    /// ask are those of the server that it is mounted in. `axum::serve` has none of them. Take a
    /// server that bounds the time of reading a request, the number of connections and their age,
    /// or [`serve`](crate::serve()), which does.
    ///
    /// On a loopback address, check `Host`: a page of any site can have its name resolve to
    /// 127.0.0.1 and read the answers (DNS rebinding).
    ///
    /// ```
    /// use axum::extract::Request;
    /// use axum::http::{StatusCode, header};
    /// use axum::middleware::{Next, from_fn};
    /// use axum::response::Response;
    /// use fillgauge_export::Exporter;
    ///
    /// async fn check_host(request: Request, next: Next) -> Result<Response, StatusCode> {
    ///     match request.headers().get(header::HOST) {
    ///         Some(host) if host == "localhost:9000" => Ok(next.run(request).await),
    ///         _ => Err(StatusCode::MISDIRECTED_REQUEST),
    ///     }
    /// }
    ///
    /// let router = Exporter::global().router().layer(from_fn(check_host));
    /// # let _: axum::Router = router;
    /// ```
    pub fn router(self) -> Router {
        let exporter = Arc::new(self);
        let handler = move |method: Method, uri: Uri, headers: HeaderMap| {
            let answer = exporter.answer(&method, &uri, &headers);
            std::future::ready(answer)
        };
        // One handler for all: also the errors have its headers.
        Router::new()
            .route("/", any(handler.clone()))
            .route("/metrics", any(handler.clone()))
            .route("/status.json", any(handler.clone()))
            .fallback(handler)
    }

    fn answer(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Response {
        let path = uri.path();
        if !matches!(path, "/" | "/metrics" | "/status.json") {
            return refusal(StatusCode::NOT_FOUND);
        }
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut answer = refusal(StatusCode::METHOD_NOT_ALLOWED);
            let allowed = HeaderValue::from_static("GET, HEAD");
            answer.headers_mut().insert(header::ALLOW, allowed);
            return answer;
        }
        let scraper = scraper_of(uri.query().unwrap_or_default());
        if scraper.is_some_and(|name| name.len() > MAX_SCRAPER_NAME) {
            return refusal(StatusCode::BAD_REQUEST);
        }
        // Whose peaks would be lost with the body.
        let scraper = scraper.filter(|_| *method == Method::GET);
        match path {
            "/" => answer(StatusCode::OK, HTML, PAGE_POLICY, PAGE),
            "/metrics" => self.metrics(scraper, headers),
            _ => rendered(JSON, |text| json(self.reports_for(scraper), text)),
        }
    }

    fn metrics(&self, scraper: Option<&str>, headers: &HeaderMap) -> Response {
        let accept = headers.get_all(header::ACCEPT).into_iter();
        let accept = accept.filter_map(|value| value.to_str().ok());
        let detail = self.detail;
        if wants_openmetrics(accept) {
            rendered(OPENMETRICS_TYPE, |text| {
                openmetrics(self.reports_for(scraper), detail, text)
            })
        } else {
            rendered(PROMETHEUS_TEXT_TYPE, |text| {
                prometheus_text(self.reports_for(scraper), detail, text)
            })
        }
    }
}

/// The scraper that a query names, not decoded: two names are the same if they are written alike.
fn scraper_of(query: &str) -> Option<&str> {
    let mut parameters = query.split('&');
    parameters.find_map(|parameter| parameter.strip_prefix("scraper="))
}

fn rendered(media_type: &'static str, render: impl Fn(&mut String) -> fmt::Result) -> Response {
    let mut text = String::new();
    match render(&mut text) {
        Ok(()) => answer(StatusCode::OK, media_type, DATA_POLICY, text),
        Err(fmt::Error) => refusal(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// An error, in words that do not depend on the request.
pub(crate) fn refusal(status: StatusCode) -> Response {
    let text = status.canonical_reason().unwrap_or_default();
    answer(status, TEXT, DATA_POLICY, text)
}

fn answer(
    status: StatusCode,
    media_type: &'static str,
    policy: &'static str,
    body: impl Into<Body>,
) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    let own = [
        (header::CONTENT_TYPE, media_type),
        (header::CONTENT_SECURITY_POLICY, policy),
    ];
    let all = HEADERS.into_iter().chain(own);
    let all = all.map(|(name, value)| (name, HeaderValue::from_static(value)));
    answer.headers_mut().extend(all);
    answer
}
