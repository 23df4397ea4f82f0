//! Whom an event reaches, in which order, and what it tells.

use std::cell::Cell;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, SystemTime};

use fillgauge_std::{
    GaugeConfig, Limit, LimitEvent, LimitEventKind, LimitSink, LimitWarning, QueueRegistry,
    flush_events, register_limit, remove_limit_event_handler, remove_limit_warning_handler,
    set_limit_event_handler, set_limit_warning_handler, track, warn_limit_exhausted,
};
use tracing::Level;

use crate::handler_turn;
use crate::tape::{Logged, taped};

/// Who was called, in order.
#[derive(Clone, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn push(&self, call: impl Into<String>) {
        self.0.lock().unwrap().push(call.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }

    /// A sink or an event handler that notes `name` and the kind of the event.
    fn event(&self, name: &'static str) -> impl Fn(&LimitEvent) + Send + Sync + 'static {
        let calls = self.clone();
        move |event| calls.push(format!("{name} {}", event.kind()))
    }

    /// A warning handler that notes `name`.
    fn warning(&self, name: &'static str) -> impl Fn(&LimitWarning) + Send + Sync + 'static {
        let calls = self.clone();
        move |_| calls.push(name)
    }
}

impl LimitSink for Calls {
    fn on_event(&self, event: &fillgauge::LimitEvent) {
        self.push(format!("core sink {}", event.kind()));
    }
}

thread_local! {
    /// The handlers of the process note what this thread causes.
    static LISTENS: Cell<bool> = const { Cell::new(false) };
}

/// Runs `body` while handlers of the process note what this thread causes.
fn with_handlers(calls: &Calls, body: impl FnOnce()) {
    let _turn = handler_turn();
    let (warning, event) = (
        calls.warning("warning handler"),
        calls.event("event handler"),
    );
    set_limit_warning_handler(Box::new(move |seen| {
        if LISTENS.get() {
            warning(seen);
        }
    }));
    set_limit_event_handler(Box::new(move |seen| {
        if LISTENS.get() {
            event(seen);
        }
    }));
    LISTENS.set(true);
    body();
    LISTENS.set(false);
    remove_limit_warning_handler();
    remove_limit_event_handler();
}

#[test]
fn an_event_reaches_all_observers_in_their_order() {
    let calls = Calls::default();
    let core_sink: &'static Calls = Box::leak(Box::new(calls.clone()));
    let registry = QueueRegistry::new("ordered")
        .sink(calls.event("registry's sink"))
        .warning_handler(calls.warning("registry's handler"));
    let gauge = track("ordered")
        .capacity(10)
        .registry(&registry)
        .sink(calls.event("sink"))
        .core_sink(core_sink)
        .gauge();
    with_handlers(&calls, || {
        let logged = taped(|| gauge.observe_depth(8));
        assert_eq!(logged.len(), 1);
        let expected = [
            "sink near_capacity",
            "core sink near_capacity",
            "registry's sink near_capacity",
            "registry's handler",
            "warning handler",
            "event handler near_capacity",
        ];
        assert_eq!(calls.take(), expected);
        gauge.observe_depth(10);
        gauge.observe_depth(0);
        let expected = ["full", "recovered"].map(|kind| {
            ["sink", "core sink", "registry's sink", "event handler"]
                .map(|observer| format!("{observer} {kind}"))
        });
        assert_eq!(calls.take(), expected.concat());
    });
}

#[test]
fn the_sink_of_the_settings_receives_the_events() {
    static LIMIT: Limit = Limit::queue("settings");
    let calls = Calls::default();
    let core_sink: &'static Calls = Box::leak(Box::new(calls.clone()));
    let registry = QueueRegistry::new("settings").silent();
    let config = GaugeConfig::new(&LIMIT, 10);
    let gauges = [
        registry.register_with(config.with_sink(core_sink)),
        registry.register_with(config),
    ];
    gauges.iter().for_each(|gauge| gauge.observe_depth(8));
    assert_eq!(calls.take(), ["core sink near_capacity"]);
}

#[test]
fn a_panic_of_one_observer_keeps_nothing_from_the_others() {
    fn panics<E>(message: &'static str) -> impl Fn(&E) + Send + Sync + 'static {
        move |_| panic!("{message}")
    }
    let calls = Calls::default();
    let registry = QueueRegistry::new("panics")
        .sink(panics("the registry's sink"))
        .sink(calls.event("registry's sink"))
        .warning_handler(panics("the registry's handler"))
        .warning_handler(calls.warning("registry's handler"));
    let gauge = track("panics")
        .capacity(10)
        .label("a\nb")
        .registry(&registry)
        .sink(panics("the sink"))
        .sink(calls.event("sink"))
        .gauge();
    with_handlers(&calls, || {
        let logged = taped(|| gauge.observe_depth(9));
        let expected = [
            "sink near_capacity",
            "registry's sink near_capacity",
            "registry's handler",
            "warning handler",
            "event handler near_capacity",
        ];
        assert_eq!(calls.take(), expected);
        let messages: Vec<_> = logged.iter().map(|line| line.message.as_str()).collect();
        let expected = [
            "limit event sink panicked",
            "limit event sink panicked",
            "bounded limit near capacity",
            "limit warning handler panicked",
        ];
        assert_eq!(messages, expected);
        for line in &logged {
            for field in ["label=a\\nb", "registry=panics"] {
                assert!(line.fields.contains(&field.to_owned()), "{line:?}");
            }
        }
    });
}

#[test]
fn an_event_tells_whose_it_is_and_when() {
    let events = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&events);
    let registry = QueueRegistry::new("tells").silent();
    let gauge = track("tells")
        .capacity(10)
        .label("session 7")
        .registry(&registry)
        .sink(move |event| list.lock().unwrap().push(event.clone()))
        .gauge();
    let start = SystemTime::now();
    [8, 10, 5]
        .iter()
        .for_each(|depth| gauge.observe_depth(*depth));
    let events = std::mem::take(&mut *events.lock().unwrap());
    let expected = [
        (LimitEventKind::NearCapacity, Level::WARN, 8, true),
        (LimitEventKind::Full, Level::INFO, 10, false),
        (LimitEventKind::Recovered, Level::DEBUG, 5, false),
    ];
    assert_eq!(events.len(), expected.len());
    for (event, (kind, level, depth, is_warning)) in events.iter().zip(expected) {
        assert_eq!((event.kind(), event.level()), (kind, level));
        assert_eq!(event.snapshot().depth, depth);
        assert_eq!(event.core_event().snapshot(), event.snapshot());
        assert_eq!(event.label(), Some("session 7"));
        assert_eq!(event.registry(), "tells");
        let at = event.at().unwrap();
        assert!(start <= at && at <= SystemTime::now());
        let warning = event.warning();
        assert_eq!(warning.is_some(), is_warning);
        if let Some(warning) = warning {
            assert_eq!(
                (warning.label(), warning.registry()),
                (Some("session 7"), "tells")
            );
            assert_eq!((warning.observed, warning.capacity), (8, 10));
        }
    }
}

#[test]
fn a_silent_registry_reaches_its_own_observers_only() {
    let calls = Calls::default();
    let registry = QueueRegistry::new("silent")
        .silent()
        .sink(calls.event("registry's sink"));
    let gauge = track("silent")
        .capacity(10)
        .registry(&registry)
        .sink(calls.event("sink"))
        .gauge();
    with_handlers(&calls, || {
        let logged = taped(|| gauge.observe_depth(8));
        assert!(logged.is_empty(), "{logged:?}");
    });
    let expected = ["sink near_capacity", "registry's sink near_capacity"];
    assert_eq!(calls.take(), expected);
}

#[test]
fn handlers_that_were_removed_hear_nothing() {
    let calls = Calls::default();
    with_handlers(&calls, || {
        remove_limit_warning_handler();
        register_limit("removed", 10).observe_depth(9);
        assert_eq!(calls.take(), ["event handler near_capacity"]);
        remove_limit_event_handler();
        register_limit("removed", 10).observe_depth(9);
        warn_limit_exhausted("removed", 1, 1);
        assert!(calls.take().is_empty());
    });
}

#[test]
fn both_warning_handlers_run_and_each_hears_what_it_can_name() {
    use fillgauge_std::queue_tracker;
    let calls = Calls::default();
    with_handlers(&calls, || {
        let original = calls.clone();
        queue_tracker::set_limit_warning_handler(Box::new(move |warning| {
            if LISTENS.get() {
                original.push(format!("original {:?}", warning.name));
            }
        }));
        let named = queue_tracker::register_limit(queue_tracker::TrackedLimit::VmInodes, 10);
        named.observe_depth(9);
        let expected = [
            "warning handler",
            "original VmInodes",
            "event handler near_capacity",
        ];
        assert_eq!(calls.take(), expected);
        register_limit("no_name_of_the_original", 10).observe_depth(9);
        assert_eq!(
            calls.take(),
            ["warning handler", "event handler near_capacity"]
        );
        queue_tracker::set_limit_warning_handler(Box::new(|_| {}));
    });
}

#[test]
fn what_is_in_the_background_reaches_its_sinks_there() {
    let threads = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&threads);
    let registry = QueueRegistry::new("in the background")
        .silent()
        .background();
    let (sender, receiver) = track("background")
        .capacity(5)
        .registry(&registry)
        .sink(move |event| {
            let thread = thread::current().id();
            list.lock().unwrap().push((event.kind(), thread));
        })
        .sync_channel();
    (0..4).for_each(|item| sender.send(item).unwrap());
    while threads.lock().unwrap().is_empty() {
        thread::yield_now();
    }
    receiver.try_iter().for_each(drop);
    flush_events(Duration::from_secs(10)).unwrap();
    let seen = threads.lock().unwrap().clone();
    let kinds: Vec<_> = seen.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(
        kinds,
        [LimitEventKind::NearCapacity, LimitEventKind::Recovered]
    );
    // Not by this thread. It may be by that of another test which flushes.
    assert_ne!(seen[0].1, thread::current().id());
}

#[test]
fn a_line_about_suppressed_ones_names_its_gauge() {
    let registry = QueueRegistry::new("suppresses");
    let gauge = track("suppressed")
        .capacity(10)
        .label("session 7")
        .registry(&registry)
        .gauge();
    let is_ours = |line: &Logged| line.fields.contains(&"limit=\"suppressed\"".to_owned());
    // Another test that flushes meanwhile may say it in its own log.
    let line = loop {
        for _ in 0..100 {
            gauge.observe_depth(10);
            gauge.observe_depth(0);
        }
        let logged = taped(|| flush_events(Duration::from_secs(10)).unwrap());
        if let Some(line) = logged.into_iter().find(is_ours) {
            break line;
        }
    };
    assert_eq!(line.message, "bounded limit events were not logged");
    for field in ["label=session 7", "registry=suppresses"] {
        assert!(line.fields.contains(&field.to_owned()), "{line:?}");
    }
}
