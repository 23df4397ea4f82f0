//! The status page in a real browser.

mod driver;
mod pictures;

use std::time::{Duration, Instant};

use driver::Browser;
use fantoccini::key::Key;
use fillgauge_export_tests::service::{Answer, Service, ago_us, gauge, registry, warned};
use fillgauge_export_tests::sidecar::Sidecar;
use serde_json::{Value, json};

/// Long enough for anything on a slow machine. What must be quick is measured.
const SOON: Duration = Duration::from_secs(20);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// An expression: the texts of all elements that a selector finds.
fn texts(selector: &str) -> String {
    format!("[...document.querySelectorAll('{selector}')].map(found => found.textContent)")
}

/// An expression: the part of its bar that an element fills, in percent.
fn part(selector: &str) -> String {
    format!(
        "(found => 100 * found.getBoundingClientRect().width
            / found.parentNode.getBoundingClientRect().width)(document.querySelector('{selector}'))"
    )
}

/// An expression: the text of an element, if it is shown.
fn shown(selector: &str) -> String {
    format!(
        "(found => found.checkVisibility() && found.textContent)(
            document.querySelector('{selector}'))"
    )
}

/// The texts of the cells of one kind, from the first row to the last.
async fn cells(browser: &Browser, kind: &str) -> Value {
    browser.value(&texts(&format!(".row td.{kind}"))).await
}

async fn names(browser: &Browser) -> Value {
    browser.value(&texts(".row .name button")).await
}

async fn open(browser: &Browser, service: &Service) {
    browser.open(&service.url("/")).await;
    browser
        .until(SOON, "document.body.className === 'live'")
        .await;
}

/// Chooses a row for each gauge.
async fn show_gauges(browser: &Browser) {
    browser.click("[data-view=gauges]").await;
}

fn labelled(mut gauge: Value, label: &str) -> Value {
    gauge["label"] = json!(label);
    gauge
}

fn in_bytes(mut gauge: Value) -> Value {
    gauge["unit"] = json!("bytes");
    gauge
}

/// What holds on the page of any service that has a gauge.
async fn check_page(browser: &Browser, url: &str) {
    browser.open(url).await;
    browser
        .until(SOON, "document.body.className === 'live'")
        .await;
    let rows = browser.value(&texts(".row")).await;
    assert_ne!(rows, json!([]), "{url} has no row");
    let banner = "document.querySelector('#banner').hidden";
    assert_eq!(
        browser.value(banner).await,
        true,
        "{url} has another schema"
    );
    show_gauges(browser).await;
    browser.click(".row button").await;
    let open = "document.querySelector('.detail dl').checkVisibility()";
    assert_eq!(browser.value(open).await, true);
    assert_eq!(browser.value("document.images.length").await, 0);
    // The policy of the page forbids nothing that the page does.
    let console = browser.console().await;
    let wrong: Vec<_> = console
        .iter()
        .filter(|line| !line.contains("favicon"))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Two gauges of frames and one of bytes.
fn few() -> Value {
    let mut refusing = warned(
        labelled(gauge("frames", 2, 9, 10, 10), "session 2"),
        seconds(75),
    );
    refusing["backpressure"] = json!({ "waiting": 1, "waiting_for_us": 900, "waits": 3, "waited_us": 1_500,
            "longest_us": 900, "stalled_us": 1_200, "refused": 2, "disconnected": 0 });
    let mut registry = registry(
        "global",
        vec![
            labelled(gauge("frames", 1, 6, 8, 10), "session 1"),
            refusing,
            in_bytes(gauge("heap", 3, 1_536, 2_048, 4_096)),
        ],
    );
    registry["limits"][0]["help"] = json!("Frames from a session");
    registry["limits"][1]["help"] = json!("The heap");
    registry["limits"][1]["advice"] = json!("near capacity, and it says so");
    json!([registry])
}

#[tokio::test]
async fn what_every_page_shows() {
    let browser = Browser::start().await;
    let service = Service::start(&few());
    check_page(&browser, &service.url("/")).await;
}

/// The page as it is served, of a program that runs.
#[tokio::test]
async fn the_sidecar_warns_and_recovers() {
    let browser = Browser::start().await;
    let mut sidecar = Sidecar::start(Duration::ZERO);
    let url = format!("http://{}/", sidecar.address());
    check_page(&browser, &url).await;
    browser.click("[data-view=limits]").await;
    assert_eq!(
        browser
            .value(&texts(".row .name button"))
            .await
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    let warned = "document.querySelectorAll('#rows tbody.warned').length";
    assert_eq!(browser.value(warned).await, 0);
    sidecar.fill().unwrap();
    let seen = browser.until(SOON, &format!("{warned} === 3")).await;
    println!("the sidecar: a warning appears after {seen:?}");
    assert!(seen < seconds(2), "{seen:?}");
    let page = browser.text("document.body.textContent").await;
    assert!(
        page.contains("what takes from sidecar_stdout_frames is slow"),
        "{page}"
    );
    // The thread that reads waits for room. That shows while it waits.
    let has = |title: &str, condition: &str| {
        format!(
            "[...document.querySelectorAll('.row [data-title={title}]')].some(
                cell => {condition}.test(cell.textContent))"
        )
    };
    browser.until(SOON, &has("waiting", "/^1$/")).await;
    browser.until(SOON, &has("stalled", "/^1 s$/")).await;
    browser.until(SOON, &has("stalled", "/^3 s$/")).await;
    sidecar.drain();
    browser.until(SOON, &format!("{warned} === 0")).await;
    // It goes, and the page says so.
    drop(sidecar);
    browser
        .until(SOON, "document.body.className !== 'live'")
        .await;
}

#[tokio::test]
async fn a_row_for_each_limit_or_gauge() {
    let browser = Browser::start().await;
    let service = Service::start(&few());
    open(&browser, &service).await;

    assert_eq!(names(&browser).await, json!(["frames", "heap"]));
    assert_eq!(cells(&browser, "fill").await, json!(["90 %", "37 %"]));
    assert_eq!(
        cells(&browser, "depth").await,
        json!(["15/20", "1.5 KiB/4 KiB"])
    );
    assert_eq!(cells(&browser, "since").await, json!(["1 min", ""]));
    assert_eq!(
        browser.value(&texts(".help")).await,
        json!(["Frames from a session", "The heap"])
    );
    assert_eq!(
        browser.value(&texts("#advice p")).await,
        json!(["heap: near capacity, and it says so"])
    );
    let number = "[...document.querySelectorAll('.row')].map(row =>
        [...row.querySelectorAll('td.number')].map(cell =>
            `${cell.dataset.title} ${cell.textContent}`.trim()))";
    assert_eq!(
        browser.value(number).await,
        json!([
            [
                "refused 2",
                "waiting 1",
                "stalled 1.2 ms",
                "warnings 1",
                "gauges 2"
            ],
            ["refused", "waiting", "stalled", "warnings 0", "gauges 1"],
        ])
    );
    let summary = browser
        .text("document.querySelector('#summary').textContent")
        .await;
    assert_eq!(summary, "2 limits, 3 gauges, 1 warned");

    show_gauges(&browser).await;
    assert_eq!(names(&browser).await, json!(["frames", "frames", "heap"]));
    assert_eq!(
        cells(&browser, "label").await,
        json!(["session 2", "session 1", ""])
    );
    assert_eq!(
        cells(&browser, "fill").await,
        json!(["90 %", "60 %", "37 %"])
    );
    // Solid up to the depth, pale up to the high-water mark.
    for (row, filled, reached) in [(2, 90.0, 100.0), (3, 60.0, 80.0), (4, 37.5, 50.0)] {
        for (class, percent) in [("filled", filled), ("reached", reached)] {
            let selector = format!("#rows > :nth-child({row}) .{class}");
            let width = browser.value(&part(&selector)).await;
            let width = width.as_f64().expect("a number");
            assert!(
                (width - percent).abs() < 0.5,
                "{selector} is {width} %, not {percent} %"
            );
        }
    }
    // Solid lies upon pale.
    let upon = "document.elementsFromPoint(...(box => [box.x + 3, box.y + 3])(
        document.querySelector('.bar').getBoundingClientRect()))[0].className";
    assert_eq!(browser.text(upon).await, "filled");
}

#[tokio::test]
async fn rows_are_sorted_and_filtered() {
    let browser = Browser::start().await;
    let mut clockless = warned(gauge("odd", 6, 3, 9, 10), seconds(0));
    clockless["warned_since_us"] = Value::Null;
    let gauges = vec![
        clockless,
        gauge("accepts", 1, 1, 9, 10),
        warned(labelled(gauge("jobs", 2, 8, 9, 10), "blue"), seconds(10)),
        warned(labelled(gauge("jobs", 3, 7, 9, 10), "green"), seconds(100)),
        gauge("lines", 4, 10, 10, 10),
        gauge("replies", 5, 7, 7, 0),
    ];
    let service = Service::start(&json!([registry("global", gauges)]));
    open(&browser, &service).await;
    show_gauges(&browser).await;

    let by_fill = json!(["lines", "jobs", "jobs", "odd", "accepts", "replies"]);
    assert_eq!(names(&browser).await, by_fill);
    assert_eq!(
        cells(&browser, "label").await,
        json!(["", "blue", "green", "", "", ""])
    );
    // Without a bound there is no bar.
    assert_eq!(cells(&browser, "depth").await[5], "7/–");
    let last = "document.querySelector('#rows > :last-child .bar').checkVisibility()";
    assert_eq!(browser.value(last).await, false);

    browser.click("#sort [value=since]").await;
    let by_time = json!(["jobs", "jobs", "odd", "lines", "accepts", "replies"]);
    assert_eq!(names(&browser).await, by_time);
    assert_eq!(
        cells(&browser, "label").await,
        json!(["green", "blue", "", "", "", ""])
    );
    browser.click("th.name button").await;
    let by_name = json!(["accepts", "jobs", "jobs", "lines", "odd", "replies"]);
    assert_eq!(names(&browser).await, by_name);
    let sorted = "document.querySelector('[aria-sort]').textContent";
    assert_eq!(browser.text(sorted).await, "name");

    browser.click("#filter").await;
    browser.press("JOB gre").await;
    assert_eq!(cells(&browser, "label").await, json!(["green"]));
    browser.press("y").await;
    assert_eq!(names(&browser).await, json!([]));
    let none = shown("#none");
    assert_eq!(browser.text(&none).await, "No row matches the filter.");
    browser.press(&Key::Escape.to_string()).await;
    assert_eq!(names(&browser).await, by_name);

    // A row that stays is the same element, wherever it goes.
    browser.click("#sort [value=fill]").await;
    browser
        .run("document.querySelector('#rows > :last-child').mark = 1")
        .await;
    let gauges = vec![gauge("accepts", 1, 1, 9, 10), gauge("replies", 5, 7, 7, 7)];
    service.set(&json!([registry("global", gauges)]));
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 2")
        .await;
    assert_eq!(names(&browser).await, json!(["replies", "accepts"]));
    assert_eq!(
        browser.value("document.querySelector('tbody').mark").await,
        1
    );
}

#[tokio::test]
async fn names_have_room_at_any_width() {
    let browser = Browser::start().await;
    let mut gauges = vec![
        warned(
            labelled(gauge("session_frames", 1, 9, 9, 10), "session 1"),
            seconds(75),
        ),
        in_bytes(gauge("heap", 2, 1_536, 2_048, 4_096)),
    ];
    // All columns that there are.
    gauges[0]["category"] = json!("memory");
    gauges[0]["window_peak"] = json!(9);
    gauges[0]["gone"] = json!(true);
    gauges[0]["stuck"] = json!(true);
    gauges[0]["refused"] = json!(7);
    gauges[0]["pressure"] = json!({ "avg10": 100.0, "avg60": 99.9, "avg300": 1.25 });
    gauges[0]["backpressure"] = json!({ "waiting": 1, "waiting_for_us": 900, "waits": 3,
        "waited_us": 1_500, "longest_us": 900, "stalled_us": 1_200, "refused": 7,
        "disconnected": 0 });
    let registries = json!([
        registry("global", gauges.clone()),
        registry("other", gauges)
    ]);
    let service = Service::start(&registries);
    open(&browser, &service).await;
    for view in ["limits", "gauges"] {
        browser.click(&format!("[data-view={view}]")).await;
        for width in (320..=1_900).step_by(20).chain([1_199, 1_201]) {
            browser.resize(width, 800, 1).await;
            let has_room = "(names => names.length > 1 && names.every(name =>
                name.getBoundingClientRect().width >= 80))(
                    [...document.querySelectorAll('.row td.name')])
                && document.documentElement.scrollWidth <= innerWidth";
            browser.until(SOON, has_room).await;
        }
    }
}

#[tokio::test]
async fn a_warning_appears_within_two_seconds() {
    let browser = Browser::start().await;
    let service = Service::start(&json!([registry(
        "global",
        vec![gauge("jobs", 1, 7, 7, 10)]
    )]));
    open(&browser, &service).await;
    assert_eq!(
        browser.value("document.querySelector('.warned')").await,
        Value::Null
    );
    let mut longest = Duration::ZERO;
    for _ in 0..3 {
        // A page may ask just before the change.
        tokio::time::sleep(Duration::from_millis(350)).await;
        let warning = warned(gauge("jobs", 1, 8, 8, 10), Duration::ZERO);
        service.set(&json!([registry("global", vec![warning])]));
        let took = browser
            .until(SOON, "document.querySelector('.warned .row')")
            .await;
        longest = longest.max(took);
        assert!(browser.text("document.title").await.starts_with("(1) "));
        service.set(&json!([registry(
            "global",
            vec![gauge("jobs", 1, 5, 8, 10)]
        )]));
        browser
            .until(SOON, "!document.querySelector('.warned')")
            .await;
    }
    println!("a warning appeared after at most {longest:?}");
    assert!(longest < seconds(2), "a warning appeared after {longest:?}");
}

#[tokio::test]
async fn the_service_stops_and_comes_back() {
    let browser = Browser::start().await;
    let service = Service::start(&few());
    let address = service.address();
    open(&browser, &service).await;
    let health = "document.querySelector('#health').textContent";
    browser
        .until(SOON, &format!("/^live [012] s ago$/.test({health})"))
        .await;
    let opacity = "getComputedStyle(document.querySelector('main')).opacity";
    assert_eq!(browser.text(opacity).await, "1");

    service.stop();
    let noticed = browser
        .until(SOON, "document.body.className === 'gone'")
        .await;
    println!("noticed that the service is gone after {noticed:?}");
    assert!(noticed < seconds(3), "noticed after {noticed:?}");
    let said = r"/^no answer since \d+ s; the figures are those of \d\d:\d\d:\d\d$/";
    browser.until(SOON, &format!("{said}.test({health})")).await;
    assert_eq!(browser.text(opacity).await, "0.55");
    browser
        .until(SOON, &format!("/since 4 s/.test({health})"))
        .await;
    // The last figures stay.
    assert_eq!(names(&browser).await, json!(["frames", "heap"]));

    let service = Service::start_at(address, &few()).expect("the port is free again");
    let back = browser
        .until(SOON, "document.body.className === 'live'")
        .await;
    println!("noticed that the service is back after {back:?}");
    assert!(back < seconds(3), "noticed after {back:?}");
    assert_eq!(browser.text(opacity).await, "1");

    for (answer, text) in [
        (Answer::Unavailable, "answer 503"),
        (Answer::Garbage, "unreadable answer"),
        (Answer::Never, "no answer"),
    ] {
        service.set_answer(answer);
        browser
            .until(SOON, &format!("{health}.startsWith('{text} since')"))
            .await;
        service.set_answer(Answer::Status);
        browser
            .until(SOON, "document.body.className === 'live'")
            .await;
    }
}

/// The text of the cell below a title, in each row.
fn below(title: &str) -> String {
    format!(
        "[...document.querySelectorAll('.row td')].filter(cell => cell.dataset.title === '{title}')
            .map(cell => cell.textContent)"
    )
}

#[tokio::test]
async fn peaks_and_stuck_queues_have_columns() {
    let browser = Browser::start().await;
    let mut status = few();
    let gauges = status[0]["gauges"].as_array_mut().expect("a list");
    for (gauge, peak) in gauges.iter_mut().zip([7, 10, 2_048]) {
        gauge["window_peak"] = json!(peak);
    }
    for (gauge, ago) in gauges.iter_mut().zip([75, 7_300]) {
        gauge["stuck"] = json!(true);
        gauge["stuck_since_us"] = json!(ago_us(seconds(ago)));
    }
    status[0]["limits"][0]["window_peak"] = json!(10);
    status[0]["limits"][0]["stuck"] = json!(2);
    let service = Service::start(&status);
    browser.resize(1_600, 800, 1).await;
    open(&browser, &service).await;
    assert_eq!(browser.value(&below("peak")).await, json!(["10", ""]));
    assert_eq!(
        browser.value(&below("stuck since")).await,
        json!(["2 h 1 min", ""])
    );
    show_gauges(&browser).await;
    assert_eq!(
        browser.value(&below("peak")).await,
        json!(["10", "7", "2 KiB"])
    );
    assert_eq!(
        browser.value(&below("stuck since")).await,
        json!(["2 h 1 min", "1 min", ""])
    );
    // A tab keeps its name when it is loaded again, and another tab has another name.
    let name = || service.polls().last().expect("it has asked").clone();
    let first = name();
    assert!(first.contains("?scraper=page-"), "{first}");
    open(&browser, &service).await;
    assert_eq!(name(), first);
    browser.run("sessionStorage.clear()").await;
    open(&browser, &service).await;
    assert_ne!(name(), first);
}

#[tokio::test]
async fn names_and_labels_are_text() {
    let browser = Browser::start().await;
    let evil = "<img src=x onerror=alert(1)>";
    let controls = "a\nb\u{1b}[31m\u{202e}";
    let mut registry = registry(
        evil,
        vec![
            warned(labelled(gauge(evil, 1, 9, 9, 10), evil), seconds(1)),
            labelled(gauge("lines", 2, 1, 1, 10), controls),
        ],
    );
    registry["limits"][0]["help"] = json!(evil);
    let stage = json!({ "name": evil, "label": evil, "instance": 1, "fill_percent": 90,
        "warned": true, "gone": false });
    registry["chains"] = json!([{ "name": evil, "stages": [stage], "bottleneck": 1,
        "text": format!("{evil}: what takes from {evil} is slow") }]);
    let mut other = registry.clone();
    other["registry"] = json!("other");
    let service = Service::start(&json!([registry, other]));
    open(&browser, &service).await;
    browser.click(".row button").await;
    show_gauges(&browser).await;
    browser.click(".row button").await;

    let name = browser
        .text("document.querySelector('.row .name button').textContent")
        .await;
    assert_eq!(name, evil);
    let label = browser
        .text("document.querySelector('td.label').textContent")
        .await;
    assert_eq!(label, evil);
    let shown = cells(&browser, "label").await;
    assert!(
        shown
            .as_array()
            .expect("a list")
            .contains(&json!("a\\nb\\u{1b}[31m\\u{202e}"))
    );
    let text = browser
        .text("document.querySelector('.chain').firstChild.textContent")
        .await;
    assert_eq!(text, format!("{evil}what takes from {evil} is slow"));
    assert_eq!(browser.value("document.images.length").await, 0);
    assert_eq!(
        browser
            .value("document.querySelectorAll('[onerror]').length")
            .await,
        0
    );
    assert_eq!(browser.value("document.scripts.length").await, 1);
    assert!(!browser.has_dialogue().await);

    // If a handler did get into the page, it would not run.
    browser
        .run("document.body.setAttribute('onclick', 'document.title = 1')")
        .await;
    browser.click("h1").await;
    assert_ne!(browser.text("document.title").await, "1");
}

#[tokio::test]
async fn it_asks_while_someone_looks() {
    let browser = Browser::start().await;
    let service = Service::start(&few());
    // Without a slash at the end.
    browser.open(&service.url("/gauges")).await;
    browser
        .until(SOON, "document.body.className === 'live'")
        .await;
    assert!(service.polls()[0].starts_with("/gauges/status.json?scraper="));

    browser.click("#pause").await;
    let polls = service.polls().len();
    tokio::time::sleep(seconds(3)).await;
    assert_eq!(service.polls().len(), polls);
    let health = browser
        .text("document.querySelector('#health').textContent")
        .await;
    assert!(
        health.starts_with("paused the figures are those of "),
        "{health}"
    );
    browser.click("h1").await;
    browser.run("document.activeElement.blur()").await;
    browser.press("p").await;
    browser
        .until(SOON, "document.body.className === 'live'")
        .await;

    let hidden = browser.hide().await;
    let polls = service.polls().len();
    tokio::time::sleep(seconds(3)).await;
    assert!(
        service.polls().len() <= polls + 1,
        "it asks while it is hidden"
    );
    browser.show(hidden).await;
    let polls = service.polls().len();
    browser
        .until(SOON, "document.body.className === 'live'")
        .await;
    tokio::time::sleep(seconds(3)).await;
    assert!(service.polls().len() > polls, "it asks again");
}

#[tokio::test]
async fn it_is_used_by_keyboard() {
    let browser = Browser::start().await;
    let mut gauges = vec![
        gauge("a", 1, 9, 9, 10),
        gauge("b", 2, 5, 9, 10),
        gauge("c", 3, 1, 9, 10),
    ];
    gauges[1]["last_edges"] = json!([
        { "kind": "near_capacity", "depth": 8, "at_us": ago_us(seconds(60)) },
        { "kind": "full", "depth": 10, "at_us": ago_us(seconds(50)) },
        { "kind": "recovered", "depth": 5, "at_us": null },
    ]);
    let service = Service::start(&json!([registry("global", gauges)]));
    open(&browser, &service).await;
    show_gauges(&browser).await;
    browser.run("document.activeElement.blur()").await;
    let focus = "document.activeElement.textContent";
    let (down, up) = (Key::Down.to_string(), Key::Up.to_string());

    browser.press("/").await;
    assert_eq!(browser.text("document.activeElement.id").await, "filter");
    // These are letters there.
    browser.press("p/").await;
    assert_eq!(
        browser
            .text("document.querySelector('#filter').value")
            .await,
        "p/"
    );
    assert_eq!(browser.text("document.body.className").await, "live");
    browser.press(&Key::Escape.to_string()).await;
    browser.press(&down).await;
    assert_eq!(browser.text(focus).await, "a");
    browser.press(&down).await;
    assert_eq!(browser.text(focus).await, "b");
    let outline = "getComputedStyle(document.activeElement).outlineStyle";
    assert_eq!(browser.text(outline).await, "solid");

    browser.press(&Key::Enter.to_string()).await;
    let expanded = "document.activeElement.getAttribute('aria-expanded')";
    assert_eq!(browser.text(expanded).await, "true");
    let edges = browser.value(&texts(".edges tbody td")).await;
    let edges: Vec<_> = edges.as_array().expect("a list").iter().collect();
    assert_eq!(
        edges[..4],
        [&json!("–"), &json!(""), &json!("recovered"), &json!("5")]
    );
    assert_eq!(edges[7], "full");
    assert_eq!(edges[12], "near capacity");
    assert_eq!(edges[11], "1 min ago");

    // A row that moves keeps the focus, and what is open.
    service.set(&json!([registry(
        "global",
        vec![
            gauge("a", 1, 1, 9, 10),
            gauge("b", 2, 5, 9, 10),
            gauge("c", 3, 8, 9, 10)
        ],
    )]));
    browser
        .until(
            SOON,
            "document.querySelector('.row .name').textContent === 'c'",
        )
        .await;
    assert_eq!(names(&browser).await, json!(["c", "b", "a"]));
    assert_eq!(browser.text(focus).await, "b");
    assert_eq!(browser.text(expanded).await, "true");
    browser.press(&up).await;
    assert_eq!(browser.text(focus).await, "c");
    browser.press(&up).await;
    assert_eq!(browser.text("document.activeElement.id").await, "filter");
    browser.press(&down).await;
    browser.press(&down).await;
    browser.press(&Key::Enter.to_string()).await;
    assert_eq!(browser.text(expanded).await, "false");
    assert_eq!(
        browser.value("document.querySelector('.detail')").await,
        Value::Null
    );
}

#[tokio::test]
async fn a_line_of_the_last_minutes() {
    let browser = Browser::start().await;
    let service = Service::start(&json!([]));
    open(&browser, &service).await;
    let lines = browser
        .run(
            "const recent = new Recent();
            const fill = (fill, from, to) => {
                for (let s = from; s < to; s++) recent.record([{ key: 'jobs', fill }], s * 1000);
                return recent.paths('jobs').line;
            };
            const lines = [fill(100, 0, 1), fill(100, 1, 200), fill(0, 200, 400)];
            lines.push(fill(0, 499, 500), fill(50, 900, 901));
            recent.record([{ key: 'other', fill: 1 }], 901000);
            return [...lines, recent.paths('jobs').line];",
        )
        .await;
    let at = |index: usize| lines[index].as_str().expect("a path");
    // A point at the end, full.
    assert_eq!(at(0), "M149 1.0h.01");
    // 200 seconds are 100 slots.
    assert_eq!(at(1), "M50 1.0h.01H149");
    // 300 seconds: full for the first hundred of them, empty since.
    assert_eq!(at(2), "M0 1.0h.01H49L50 19.0H149");
    // A gap where there was no answer.
    assert_eq!(at(3), "M0 19.0h.01H99M149 19.0h.01");
    // All that is older is gone, and what belongs to no row.
    assert_eq!(at(4), "M149 10.0h.01");
    assert_eq!(at(5), "");
}

#[tokio::test]
async fn ten_thousand_gauges() {
    let browser = Browser::start().await;
    let gauges = |turn: u64| {
        let gauges = (0..10_000).map(|number| {
            let depth = (number * 7 + turn * 13) % 100;
            let gauge = gauge(&format!("limit {}", number % 40), number, depth, 99, 100);
            let gauge = labelled(gauge, &format!("session {number}"));
            if depth < 80 {
                gauge
            } else {
                warned(gauge, seconds(number % 500))
            }
        });
        json!([registry("global", gauges.collect())])
    };
    let service = Service::start(&gauges(0));
    let start = Instant::now();
    browser.open(&service.url("/")).await;
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 40")
        .await;
    let first = start.elapsed();
    let start = Instant::now();
    show_gauges(&browser).await;
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 200")
        .await;
    let switched = start.elapsed();
    let more = browser
        .text("document.querySelector('#more').innerText")
        .await;
    assert!(more.contains("200 of 10,000 rows"), "{more}");
    browser.click("#more button").await;
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 400")
        .await;

    // How long the page takes for a key, from the key to the next frame that shows its effect.
    browser
        .run(
            "window.longest = 0;
            document.querySelector('#filter').addEventListener('input', ({ timeStamp }) => {
                requestAnimationFrame(() => setTimeout(() => {
                    window.longest = Math.max(window.longest, performance.now() - timeStamp);
                }));
            });",
        )
        .await;
    browser.click("#filter").await;
    for (index, key) in ["9", "9", "9", "9"].iter().enumerate() {
        service.set(&gauges(1 + index as u64));
        browser.press(key).await;
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 1")
        .await;
    let key = browser.value("window.longest").await;
    let key = key.as_f64().expect("a number");
    // The same without what else goes on: another 200 rows in place of those that there are.
    let filter = browser
        .value(
            "(() => {
                const start = performance.now();
                byId('filter').value = 'session 7';
                render();
                document.body.offsetHeight;
                return performance.now() - start;
            })()",
        )
        .await;
    // How long it takes for an answer, of which there is one a second.
    browser.press(&Key::Escape.to_string()).await;
    let answer = browser
        .value(
            "(() => {
                const text = JSON.stringify({ schema: 1, at_us: now.at, registries: [{
                    registry: 'global', gauges: now.gauges.map(row => row.raw),
                    limits: now.limits.map(row => row.raw), chains: [] }] });
                const start = performance.now();
                accept(JSON.parse(text));
                render();
                document.body.offsetHeight;
                return [performance.now() - start, text.length];
            })()",
        )
        .await;
    let (bytes, answer) = (&answer[1], answer[0].as_f64().expect("a number"));
    let filter = filter.as_f64().expect("a number");
    let heap = browser.devtools("Runtime.getHeapUsage", json!({})).await;
    let megabytes = heap["usedSize"].as_f64().expect("a number") / 1e6;
    println!(
        "10,000 gauges, {bytes} bytes: first rows after {first:.1?}, the gauges after \
         {switched:.1?}; a key of the filter takes at most {key:.0} ms, by itself {filter:.0} ms; \
         an answer takes {answer:.0} ms; the heap has {megabytes:.0} MB"
    );
    assert!(first < seconds(10), "first rows after {first:?}");
    // On an idle machine these are a fraction of that.
    assert!(key < 2_000.0, "a key is answered after {key} ms");
    assert!(answer < 1_000.0, "an answer takes {answer} ms");
}

#[tokio::test]
async fn what_it_does_not_know_does_no_harm() {
    let browser = Browser::start().await;
    let service = Service::start(&json!([]));
    open(&browser, &service).await;
    let none = shown("#none");
    assert_eq!(browser.text(&none).await, "No gauge is registered.");

    let mut registry = registry("global", vec![gauge("jobs", 1, 5, 8, 10)]);
    for part in ["gauges", "limits"] {
        registry[part][0]["window_peak"] = json!(8);
        registry[part][0]["pressure"] = json!({ "some": [1, 2] });
    }
    registry["gauges"][0]["last_edges"] =
        json!([{ "kind": "exhausted", "depth": 3, "at_us": 1, "more": 1 }]);
    // A limit that had gauges.
    let mut past = registry["limits"][0].clone();
    past["name"] = json!("past");
    for key in ["gauges", "depth", "capacity", "max_fill_percent"] {
        past[key] = json!(0);
    }
    registry["limits"]
        .as_array_mut()
        .expect("a list")
        .push(past);
    // And one of which next to nothing is known.
    registry["limits"]
        .as_array_mut()
        .expect("a list")
        .push(json!({ "name": "bare" }));
    registry["unknown"] = json!([1]);
    service.set(&json!([registry, { "registry": "bare" }]));
    service.set_schema(2);
    browser
        .until(SOON, "document.querySelectorAll('.row').length === 3")
        .await;
    assert_eq!(names(&browser).await, json!(["jobs", "bare", "past"]));
    let dimmed = browser.value(&texts(".empty .name button")).await;
    assert_eq!(dimmed, json!(["bare", "past"]));
    let banner = browser.text(&shown("#banner")).await;
    assert_eq!(banner, "This page is older than the service: reload.");
    assert_eq!(browser.text("document.body.className").await, "live");
    browser.click(".row button").await;
    let edge = browser
        .text("document.querySelector('.edges tbody').innerText")
        .await;
    assert!(edge.contains("exhausted"), "{edge}");
    // What is not in any row has no column.
    let titles = browser.value(&texts("thead th")).await;
    assert!(
        !titles
            .as_array()
            .expect("a list")
            .contains(&json!("refused")),
        "{titles}"
    );
}
