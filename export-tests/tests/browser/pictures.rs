//! Pictures of the page, to look at: `target/page-*.png`.

use std::time::Duration;

use fillgauge_export_tests::service::{Service, ago_us, gauge, registry, warned};
use fillgauge_export_tests::sidecar::Sidecar;
use serde_json::{Value, json};

use crate::driver::Browser;
use crate::{SOON, labelled, open, seconds};

/// A service in the middle of its work, for pictures: `turn` goes up by one with each answer.
fn scene(turn: u64) -> Value {
    let wave = |period: u64, low: u64, high: u64, shift: u64| {
        let at = (turn + shift) % period;
        let up = at.min(period - at) * 2;
        low + (high - low) * up / period
    };
    let held = |mut gauge: Value, waiting: u64, waits: u64, refused: u64| {
        gauge["backpressure"] = json!({ "waiting": waiting, "waits": waits,
            "waited_us": waits * 41_300, "stalled_us": waits * 37_200, "longest_us": 93_000,
            "waiting_for_us": waiting * 700_000, "refused": refused, "disconnected": 0 });
        gauge
    };
    let with = |mut gauge: Value, category: &str, unit: &str| {
        gauge["category"] = json!(category);
        gauge["unit"] = json!(unit);
        gauge
    };
    let frames = |number: u64, depth: u64, high_water: u64| {
        let gauge = gauge("session_frames", number, depth, high_water, 128);
        held(
            labelled(gauge, &format!("session {number}")),
            0,
            12 * number,
            0,
        )
    };
    let events = warned(
        warned(gauge("javascript_events", 11, 64, 64, 64), seconds(1_900)),
        seconds(147),
    );
    let mut events = held(events, 3, 214, 0);
    events["pressure"] = json!({ "avg10": 100.0, "avg60": 91.4, "avg300": 38.6 });
    events["last_edges"] = json!([
        { "kind": "near_capacity", "depth": 52, "at_us": ago_us(seconds(1_900)) },
        { "kind": "recovered", "depth": 32, "at_us": ago_us(seconds(1_871)),
          "episode": { "lasted_us": 29_000_000, "deepest": 64, "waits": 3, "refused": 0 } },
        { "kind": "near_capacity", "depth": 52, "at_us": ago_us(seconds(147)) },
        { "kind": "full", "depth": 64, "at_us": ago_us(seconds(122)) },
    ]);
    let mut busy = warned(frames(5, wave(90, 96, 124, 3), 126), seconds(42));
    busy["pressure"] = json!({ "avg10": 98.5, "avg60": 50.3, "avg300": 13.1 });
    let uploads = held(gauge("uploads", 12, wave(40, 2, 13, 0), 14, 16), 0, 7, 31);
    let mut global = registry(
        "global",
        vec![
            frames(1, wave(60, 8, 40, 0), 57),
            frames(2, wave(75, 0, 90, 9), 101),
            frames(3, wave(33, 1, 12, 4), 22),
            frames(4, 0, 3),
            busy,
            events,
            uploads,
            held(
                gauge("audit_lines", 13, wave(20, 0, 40, 2), 212, 1_024),
                0,
                0,
                0,
            ),
            with(
                gauge(
                    "session_heap",
                    14,
                    wave(200, 180, 230, 0) << 20,
                    241 << 20,
                    256 << 20,
                ),
                "memory",
                "bytes",
            ),
            with(
                gauge("open_files", 15, wave(120, 300, 330, 0), 391, 1_024),
                "resource",
                "items",
            ),
            held(gauge("commands", 16, wave(12, 0, 4, 0), 40, 0), 0, 0, 0),
        ],
    );
    let help = [
        ("session_frames", "Frames from a session, to the compositor"),
        (
            "javascript_events",
            "Events that wait for the one thread of scripts",
        ),
        ("session_heap", "The heap of all sessions"),
        ("open_files", "Files and sockets of the process"),
        ("uploads", "Uploads in progress"),
    ];
    let limits = global["limits"].as_array_mut().expect("a list");
    for limit in limits.iter_mut() {
        let found = help.iter().find(|(name, _)| limit["name"] == *name);
        limit["help"] = json!(found.map(|(_, help)| help));
    }
    let mut past = limits[0].clone();
    let advice = "full 78 % of the last 5 minutes, producers waited 31 times, 4 minutes in all: \
        the stage behind it is slow";
    for limit in limits.iter_mut() {
        let is_full = limit["name"] == "javascript_events";
        limit["advice"] = json!(is_full.then_some(advice));
    }
    past["name"] = json!("import_rows");
    for key in ["gauges", "depth", "capacity", "max_fill_percent", "warned"] {
        past[key] = json!(0);
    }
    past["help"] = json!("Rows of an import");
    limits.push(past);
    let stage = |name: &str, label: Option<&str>, fill: u64| {
        json!({ "name": name, "label": label, "instance": 1, "fill_percent": fill,
            "warned": fill >= 80, "gone": false })
    };
    global["chains"] = json!([
        {
            "name": "stdout",
            "stages": [
                stage("session_frames", Some("session 5"), 100 * wave(90, 96, 124, 3) / 128),
                stage("javascript_events", None, 100),
                stage("replies", None, 12),
            ],
            "bottleneck": 2,
            "text": "stdout: javascript_events is near its capacity and replies is not: \
                what takes from javascript_events is slow",
        },
        {
            "name": "uploads",
            "stages": [stage("uploads", None, 100 * wave(40, 2, 13, 0) / 16),
                stage("audit_lines", None, 3)],
            "bottleneck": null,
            "text": "uploads: no stage is near its capacity",
        },
    ]);
    json!([global])
}

/// The picture of the README, in `target/page-readme.png`: `ci/picture.sh` runs this.
#[tokio::test]
#[ignore = "makes a picture"]
async fn of_the_readme() {
    let browser = Browser::start().await;
    make_fast(&browser).await;
    let mut sidecar = Sidecar::start(Duration::from_millis(4));
    sidecar.drain();
    browser.resize(1280, 400, 1).await;
    browser
        .open(&format!("http://{}/", sidecar.address()))
        .await;
    browser.run("setSpeed(16)").await;
    for lines in [40, 60, 30, 80, 110, 50, 20, 70, 130, 60, 40, 70] {
        sidecar.give(lines).unwrap();
        tokio::time::sleep(Duration::from_millis(1_500)).await;
    }
    sidecar.give(120).unwrap();
    tokio::time::sleep(Duration::from_millis(180)).await;
    browser.screenshot("page-readme").await;
}

/// Minutes of history in seconds: the clock and the timers of the page can run fast.
async fn make_fast(browser: &Browser) {
    let fast = "{
        const [wait, now] = [setTimeout, performance.now.bind(performance)];
        let [speed, page, real] = [1, now(), now()];
        performance.now = () => page + speed * (now() - real);
        window.setTimeout = (call, ms) => wait(call, ms / speed);
        window.setSpeed = (next) => [page, real, speed] = [performance.now(), now(), next];
    }";
    let script = json!({ "source": fast });
    browser
        .devtools("Page.addScriptToEvaluateOnNewDocument", script)
        .await;
}

/// Not much of a check: pictures to look at, in `target/page-*.png`.
#[tokio::test]
async fn of_a_service() {
    let browser = Browser::start().await;
    make_fast(&browser).await;
    let service = Service::start(&scene(0));
    open(&browser, &service).await;
    browser.run("setSpeed(16)").await;
    for turn in 0..320 {
        service.set(&scene(turn));
        tokio::time::sleep(seconds(1) / 16).await;
    }
    browser.run("setSpeed(1)").await;
    // The line of what changed all the time covers the five minutes, and no more.
    let path = "[...document.querySelectorAll('.row')]
        .find(row => row.textContent.includes('uploads'))
        .querySelector('.recent .line').getAttribute('d')";
    let path = browser.text(path).await;
    assert!(path.starts_with("M0 ") || path.starts_with("M1 "), "{path}");
    assert!(path.matches('L').count() > 100, "{path}");
    assert!(path.matches(['L', 'H', 'M']).count() <= 150, "{path}");

    let sizes = [("wide", 1280, 800, 1), ("phone", 390, 844, 2)];
    for view in ["limits", "gauges"] {
        browser.click(&format!("[data-view={view}]")).await;
        browser.run("scrollTo(0, 0)").await;
        for (size, width, height, scale) in sizes {
            browser.resize(width, height, scale).await;
            for colors in ["light", "dark"] {
                browser.set_colors(colors).await;
                tokio::time::sleep(Duration::from_millis(200)).await;
                browser
                    .screenshot(&format!("page-{view}-{size}-{colors}"))
                    .await;
            }
            // A phone makes the page smaller to fit what is too wide.
            let fits = "document.documentElement.scrollWidth <= document.body.offsetWidth";
            assert_eq!(browser.value(fits).await, true, "{view}, {size}");
            assert!(browser.value("innerWidth").await.as_u64() <= Some(width.into()));
        }
    }
    // The narrowest.
    browser.resize(360, 740, 2).await;
    browser.click(".row button").await;
    browser.screenshot("page-open-phone-dark").await;
    assert!(browser.value("innerWidth").await.as_u64() <= Some(360));
    for width in [800, 1100] {
        browser.resize(width, 768, 1).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        browser.screenshot(&format!("page-open-{width}-dark")).await;
    }

    browser.resize(1280, 800, 1).await;
    browser.set_colors("light").await;
    browser.click("[data-view=limits]").await;
    browser.click(".row button").await;
    browser.screenshot("page-open-wide-light").await;
    service.stop();
    browser.run("setSpeed(4)").await;
    browser
        .until(SOON, "/since 1. s/.test(document.body.innerText)")
        .await;
    browser.screenshot("page-gone-wide-light").await;
}
