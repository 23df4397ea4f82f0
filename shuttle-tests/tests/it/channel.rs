//! Random programs on a tracked channel.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::iter;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};
use std::time::Duration;

use fillgauge_shuttle_tests::{explore, pick};
use fillgauge_std::{
    Backpressure, LimitEventKind, QueueGauge, QueueRegistry, QueueSnapshot, REARM_FILL_PERCENT,
    Report, TrackedLimit, TrackedReceiver, TrackedSyncSender, WARN_FILL_PERCENT, flush_events,
    refuse_threads, register_limit, track,
};
use shuttle::thread;

use crate::observed::{
    Observer, Seen, forget_reaction, live_sinks, observe, seen, sink, warning_handler,
};

/// What the programs need of a sending half, right or wrong.
pub(crate) trait Sends: Clone + Send + 'static {
    fn send(&self, item: u32) -> Result<(), SendError<u32>>;
    fn try_send(&self, item: u32) -> Result<(), TrySendError<u32>>;
    fn gauge(&self) -> &Arc<QueueGauge>;
    /// `None` if it keeps no such account.
    fn backpressure(&self) -> Option<Backpressure>;
}

/// What they need of a receiving half.
pub(crate) trait Receives: Send + 'static {
    fn recv(&self) -> Result<u32, RecvError>;
    fn try_recv(&self) -> Result<u32, TryRecvError>;
    fn recv_timeout(&self) -> Result<u32, RecvTimeoutError>;
    fn gauge(&self) -> &Arc<QueueGauge>;
    /// `None` if it keeps no such account.
    fn backpressure(&self) -> Option<Backpressure>;
}

impl Sends for TrackedSyncSender<u32> {
    fn send(&self, item: u32) -> Result<(), SendError<u32>> {
        self.send(item)
    }

    fn try_send(&self, item: u32) -> Result<(), TrySendError<u32>> {
        self.try_send(item)
    }

    fn gauge(&self) -> &Arc<QueueGauge> {
        self.gauge()
    }

    fn backpressure(&self) -> Option<Backpressure> {
        Some(self.backpressure())
    }
}

impl Receives for TrackedReceiver<u32> {
    fn recv(&self) -> Result<u32, RecvError> {
        self.iter().next().ok_or(RecvError)
    }

    fn try_recv(&self) -> Result<u32, TryRecvError> {
        self.try_recv()
    }

    fn recv_timeout(&self) -> Result<u32, RecvTimeoutError> {
        self.recv_timeout(Duration::from_millis(1))
    }

    fn gauge(&self) -> &Arc<QueueGauge> {
        self.gauge()
    }

    fn backpressure(&self) -> Option<Backpressure> {
        Some(self.backpressure())
    }
}

/// How the consumer ends.
#[derive(Clone, Copy, PartialEq)]
enum Ending {
    /// It takes all until the senders are gone.
    Drains,
    /// It keeps the receiver with what is in the queue. No producer waits for room, since there
    /// might never be any.
    Keeps,
    /// It drops the receiver, whatever the producers are doing.
    Drops,
}

/// What a channel is made with.
#[derive(Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) capacity: usize,
    pub(crate) label: Option<&'static str>,
    pub(crate) has_sink: bool,
    pub(crate) registry: InRegistry,
    /// Nothing is kept until the events are delivered.
    pub(crate) is_abandoned: bool,
}

/// Which registry a channel is in.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum InRegistry {
    OfTheProcess,
    /// One of its own, with a sink and a handler.
    Own,
    /// The same, and silent.
    Silent,
    /// Silent, without a sink or a handler.
    Mute,
}

impl InRegistry {
    fn name(self) -> &'static str {
        match self {
            Self::OfTheProcess => "global",
            Self::Own | Self::Silent | Self::Mute => "own",
        }
    }
}

impl Setup {
    pub(crate) fn plain() -> Self {
        Self {
            capacity: pick(&[0, 1, 2, 3, 8]),
            label: None,
            has_sink: false,
            registry: InRegistry::OfTheProcess,
            is_abandoned: false,
        }
    }

    fn any() -> Self {
        use InRegistry::{Mute, OfTheProcess, Own, Silent};
        Self {
            label: pick(&[None, Some("session 7"), Some("")]),
            has_sink: pick(&[true, false]),
            registry: pick(&[OfTheProcess, OfTheProcess, Own, Silent, Mute]),
            is_abandoned: pick(&[true, false, false]),
            ..Self::plain()
        }
    }

    fn own_registry(self) -> Option<QueueRegistry> {
        let registry = QueueRegistry::new(self.registry.name());
        let registry = match self.registry {
            InRegistry::OfTheProcess => return None,
            InRegistry::Mute => registry,
            InRegistry::Own | InRegistry::Silent => registry
                .sink(sink(Observer::RegistrySink))
                .warning_handler(warning_handler(Observer::RegistryHandler)),
        };
        Some(if self.registry == InRegistry::Own {
            registry
        } else {
            registry.silent()
        })
    }

    /// Who sees an event, in their order.
    fn observers(self, kind: LimitEventKind) -> impl Iterator<Item = Observer> {
        let is_warning = kind == LimitEventKind::NearCapacity;
        let sees = move |observer: &Observer| {
            let hears_of_it = match observer {
                Observer::Sink => self.has_sink,
                Observer::RegistrySink | Observer::RegistryHandler => {
                    matches!(self.registry, InRegistry::Own | InRegistry::Silent)
                }
                Observer::Log | Observer::Handler | Observer::EventHandler => {
                    matches!(self.registry, InRegistry::OfTheProcess | InRegistry::Own)
                }
            };
            hears_of_it && (is_warning || !observer.sees_warnings())
        };
        Observer::ALL.into_iter().filter(sees)
    }

    /// One who may do something about a warning. What the log causes is not logged.
    fn reactor(self) -> Option<Observer> {
        let observers = self.observers(LimitEventKind::NearCapacity);
        let observers: Vec<_> = observers.filter(|by| *by != Observer::Log).collect();
        (!observers.is_empty()).then(|| pick(&observers))
    }
}

/// What an observer does with a warning.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Handler {
    /// It keeps it.
    Keeps,
    /// It registers and drops a gauge, and waits for room in the very channel that warns.
    Works,
}

/// What the producers saw.
#[derive(Default)]
struct Sent {
    items: Vec<u32>,
    refused: usize,
    disconnected: usize,
    /// Sends that may have waited.
    waited: usize,
}

impl Sent {
    /// Returns whether there is a receiver.
    fn send(&mut self, sender: &impl Sends, item: u32) -> bool {
        self.waited += 1;
        match sender.send(item) {
            Ok(()) => {
                self.items.push(item);
                true
            }
            Err(SendError(back)) => {
                assert_eq!(back, item);
                self.disconnected += 1;
                false
            }
        }
    }

    fn try_send(&mut self, sender: &impl Sends, item: u32) {
        match sender.try_send(item) {
            Ok(()) => self.items.push(item),
            Err(TrySendError::Full(back)) => {
                assert_eq!(back, item);
                self.refused += 1;
            }
            Err(TrySendError::Disconnected(back)) => {
                assert_eq!(back, item);
                self.disconnected += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.items.extend(other.items);
        self.refused += other.refused;
        self.disconnected += other.disconnected;
        self.waited += other.waited;
    }
}

/// What the consumer saw.
#[derive(Default)]
struct Taken {
    items: Vec<u32>,
    /// The most producers that waited for room at once.
    most_waiting: usize,
}

/// What holds at any moment.
fn assert_within_capacity(gauge: &QueueGauge) {
    let figures = gauge.snapshot();
    assert!(figures.depth <= figures.capacity, "too deep: {figures:?}");
    assert!(
        figures.high_water <= figures.capacity,
        "too high: {figures:?}"
    );
}

fn produce(mut sender: impl Sends, first_item: u32, ending: Ending) -> Sent {
    let mut sent = Sent::default();
    for item in first_item..first_item + pick(&[1, 4, 8, 16]) {
        match pick(&[0, 0, 0, 1, 1, 2, 3]) {
            0 if ending != Ending::Keeps => drop(sent.send(&sender, item)),
            0 | 1 => sent.try_send(&sender, item),
            2 => sender = sender.clone(),
            _ => assert_within_capacity(sender.gauge()),
        }
    }
    sent
}

/// Returns the receiver too, unless that is gone.
fn consume<R: Receives>(receiver: R, ending: Ending) -> (Taken, Option<R>) {
    let mut taken = Taken::default();
    let items = &mut taken.items;
    for _ in 0..pick(&[0, 4, 16, 32]) {
        match pick(&[0, 1, 2, 3, 4]) {
            0 => items.extend(receiver.recv()),
            1 => items.extend(receiver.try_recv()),
            2 => items.extend(receiver.recv_timeout()),
            // Meanwhile the queue fills.
            3 => (0..pick(&[1, 10, 50])).for_each(|_| thread::yield_now()),
            _ => {
                assert_within_capacity(receiver.gauge());
                let waiting = receiver.backpressure().map_or(0, |now| now.waiting);
                taken.most_waiting = taken.most_waiting.max(waiting);
            }
        }
    }
    // Dropping a receiver is no point at which shuttle switches.
    thread::yield_now();
    match ending {
        Ending::Drains => items.extend(iter::from_fn(|| receiver.recv().ok())),
        Ending::Keeps => {}
        Ending::Drops => return (taken, None),
    }
    (taken, Some(receiver))
}

/// What holds at rest, with `in_queue` items in the queue.
fn assert_at_rest(figures: &QueueSnapshot, has_warned: bool, in_queue: usize) {
    assert_eq!(figures.depth, in_queue, "left behind: {figures:?}");
    assert!(figures.depth <= figures.high_water, "{figures:?}");
    if figures.capacity > 0 {
        let percent = figures.fill_percent;
        assert!(
            percent < WARN_FILL_PERCENT || has_warned,
            "silent: {figures:?}"
        );
        assert!(
            percent > REARM_FILL_PERCENT || !has_warned,
            "still warned: {figures:?}"
        );
    }
}

/// Up to three producers and a consumer do something at random. What they saw agrees with the
/// gauge: no item is lost or doubled, none is counted that is not there, nothing is left behind,
/// and every warning is delivered.
pub(crate) fn program<S: Sends, R: Receives>(
    handler: Handler,
    setup: Setup,
    channel: impl FnOnce(Setup, &QueueRegistry) -> (S, R),
) {
    let own_registry = setup.own_registry();
    let registry = own_registry.as_ref().unwrap_or(QueueRegistry::global());
    let ending = pick(&[Ending::Drains, Ending::Keeps, Ending::Drops]);
    let (sender, receiver) = channel(setup, registry);
    let gauge = Arc::clone(receiver.gauge());

    // The observer waits for room where a thread makes room to the end, and where no thread waits
    // for the last sender to be dropped.
    let by_handler = Rc::new(RefCell::new(Sent::default()));
    let waits = handler == Handler::Works && ending == Ending::Drops;
    let handles = waits.then(|| (sender.clone(), Cell::new(10_000), Rc::clone(&by_handler)));
    observe(setup.reactor(), move || {
        if handler == Handler::Works {
            drop(register_limit(TrackedLimit::VmPipes, 1));
        }
        if let Some((sender, item, by_handler)) = &handles {
            let mut sent = Sent::default();
            sent.send(sender, item.replace(item.get() + 1));
            by_handler.borrow_mut().add(sent);
        }
    });

    let producers: Vec<_> = (0..pick(&[1, 2, 3]))
        .map(|producer| {
            let sender = sender.clone();
            thread::spawn(move || produce(sender, 100 * producer, ending))
        })
        .collect();
    let consumer = thread::spawn(move || consume(receiver, ending));
    // A sender that sees when the receiver is gone. In other endings a thread waits for the last
    // sender to be dropped.
    let witness = (ending == Ending::Drops).then(|| sender.clone());
    drop(sender);
    let mut sent = Sent::default();
    for producer in producers {
        sent.add(producer.join().unwrap());
    }
    if let Some(witness) = &witness {
        // Until the consumer has all the items that it waits for.
        let mut items = 20_000..;
        while sent.send(witness, items.next().unwrap()) {}
    }
    let consumer_id = consumer.thread().id();
    let (mut taken, receiver) = consumer.join().unwrap();
    let instance = gauge.instance();
    if setup.is_abandoned {
        forget_reaction();
        drop((witness, receiver, gauge, own_registry));
        assert_all_seen(setup, instance);
        return;
    }
    // The background thread delivers what was left to it. Or this thread does, below.
    if HAS_BACKGROUND.get() && pick(&[true, false]) {
        while gauge.has_pending_event() {
            thread::yield_now();
        }
    }
    flush_events(Duration::ZERO).unwrap();
    forget_reaction();
    sent.add(by_handler.take());

    let figures = gauge.snapshot();
    let backpressure = match (&witness, &receiver) {
        (Some(sender), _) => sender.backpressure(),
        (None, Some(receiver)) => receiver.backpressure(),
        (None, None) => unreachable!("a receiver that is dropped has a witness"),
    };
    assert_within_capacity(&gauge);
    let totals = figures.totals.unwrap();
    assert_eq!(
        totals.enqueued,
        sent.items.len(),
        "miscounted: too many or too few"
    );
    let in_queue = match receiver {
        Some(_) => sent.items.len() - taken.items.len(),
        None => 0,
    };
    assert_at_rest(&figures, gauge.has_warned(), in_queue);
    assert_eq!(totals.dequeued, totals.enqueued - in_queue, "miscounted");

    if let Some(held_back) = backpressure {
        assert_eq!(held_back.waiting, 0);
        assert_eq!(held_back.refused, sent.refused);
        assert_eq!(held_back.disconnected, sent.disconnected);
        assert!((taken.most_waiting..=sent.waited).contains(&held_back.waits));
    }

    assert_seen(setup, registry, &gauge);
    let report = registry.report();
    assert_reported(&report, setup, &figures);
    if backpressure.is_some() {
        assert_eq!(report.gauges[0].backpressure, backpressure);
    }
    let on_the_consumer = |seen: &Seen| seen.thread == consumer_id;
    assert!(
        handler == Handler::Keeps || !seen().iter().any(on_the_consumer),
        "the consumer was kept"
    );

    if let Some(receiver) = receiver {
        taken
            .items
            .extend(iter::from_fn(|| receiver.try_recv().ok()));
        assert_eq!(taken.items.len(), sent.items.len(), "lost or doubled");
        assert_at_rest(&gauge.snapshot(), gauge.has_warned(), 0);
    }
    let (taken_once, sent_once) = (once(taken.items), once(sent.items));
    assert!(taken_once.is_subset(&sent_once));

    // The gauge that is dropped may have an event left. Or the thread that delivers it holds the
    // gauge.
    assert_eq!(registry.snapshot().len(), 1);
    let last = gauge.snapshot();
    drop((gauge, witness));
    assert!(registry.snapshot().is_empty());
    assert_summed(&registry.report(), &last, 0);
    drop(own_registry);
    assert_all_seen(setup, instance);
}

/// The observers see all that is left of a channel that is gone, and are gone with it.
fn assert_all_seen(setup: Setup, instance: usize) {
    flush_events(Duration::ZERO).unwrap();
    let ends_with_recovery = events_in_turn(setup, instance)
        .last()
        .is_none_or(|(kind, _)| *kind == LimitEventKind::Recovered);
    assert!(ends_with_recovery, "not delivered: {:?}", seen());
    assert_eq!(live_sinks(), 0, "sinks stay");
}

/// What all observers saw is what the gauge went through.
fn assert_seen(setup: Setup, registry: &QueueRegistry, gauge: &QueueGauge) {
    let events = events_in_turn(setup, gauge.instance());
    if setup.observers(LimitEventKind::Recovered).next().is_none() {
        return;
    }
    let last = events.last().map(|(kind, _)| *kind);
    let warned = !matches!(last, None | Some(LimitEventKind::Recovered));
    let is_warning = |event: &&(LimitEventKind, usize)| event.0 == LimitEventKind::NearCapacity;
    let warnings = events.iter().filter(is_warning).count();
    assert_eq!(warned, gauge.has_warned(), "not delivered: {:?}", seen());
    assert_eq!(warnings, gauge.warnings(), "not delivered: {:?}", seen());
    let gauges = registry.report().gauges;
    let edges = gauges[0].last_edges.iter();
    let edges: Vec<_> = edges.map(|edge| (edge.kind, edge.depth)).collect();
    assert!(
        events.ends_with(&edges),
        "other edges: {edges:?} {events:?}"
    );
    assert_eq!(edges.len(), events.len().min(8));
}

/// The events that were seen: each by all observers in their order, then the next.
fn events_in_turn(setup: Setup, instance: usize) -> Vec<(LimitEventKind, usize)> {
    let all = seen();
    let (mut warned, mut full) = (false, false);
    let mut events = Vec::new();
    let mut rest = all.iter();
    while let Some(first) = rest.as_slice().first() {
        let in_turn = match first.kind {
            LimitEventKind::NearCapacity => !std::mem::replace(&mut warned, true),
            LimitEventKind::Full => warned && !std::mem::replace(&mut full, true),
            _ => std::mem::replace(&mut warned, false),
        };
        full &= warned;
        assert!(in_turn, "out of turn: {all:?}");
        assert!(first.depth <= first.capacity, "too high: {all:?}");
        events.push((first.kind, first.depth));
        let observers: Vec<_> = setup.observers(first.kind).collect();
        assert!(!observers.is_empty(), "seen by others: {all:?}");
        for observer in observers {
            let seen = rest.next().filter(|seen| {
                (seen.by, seen.kind, seen.depth) == (observer, first.kind, first.depth)
            });
            let Some(seen) = seen else {
                panic!("{observer:?} is out of turn: {all:?}");
            };
            assert_eq!(seen.label.as_deref(), setup.label);
            assert_eq!(seen.registry, setup.registry.name());
            assert_eq!(seen.instance, instance);
            assert_eq!(seen.capacity, setup.capacity);
        }
    }
    events
}

/// A report at rest has the gauge of `figures`, and no other that is live.
fn assert_reported(report: &Report, setup: Setup, figures: &QueueSnapshot) {
    let [gauge] = &report.gauges[..] else {
        panic!("not one gauge: {report:?}");
    };
    assert_eq!(gauge.label.as_deref(), setup.label);
    assert_eq!(gauge.instance, figures.instance);
    assert_eq!(
        (gauge.depth, gauge.capacity),
        (figures.depth, figures.capacity)
    );
    assert_eq!(
        (gauge.warned, gauge.warnings),
        (figures.warned, figures.warnings)
    );
    assert_summed(report, figures, 1);
}

/// The sums at rest are those of the gauge of `figures`. Those that a handler registers have
/// counted nothing.
fn assert_summed(report: &Report, figures: &QueueSnapshot, live: usize) {
    assert_eq!(report.gauges.len(), live);
    let [limit] = &report.limits[..] else {
        panic!("not one limit: {report:?}");
    };
    assert!(limit.registered > 0 && limit.gauges == live, "{limit:?}");
    assert_eq!(
        (limit.warnings, limit.high_water),
        (figures.warnings, figures.high_water)
    );
    assert_eq!(limit.totals, figures.totals);
}

/// The items as a set, which none is in twice.
fn once(items: Vec<u32>) -> BTreeSet<u32> {
    let count = items.len();
    let set = BTreeSet::from_iter(items);
    assert_eq!(set.len(), count, "doubled");
    set
}

#[test]
fn a_tracked_channel_keeps_account() {
    explore(50_000, || program(Handler::Keeps, Setup::any(), tracked));
}

#[test]
fn a_tracked_channel_keeps_account_while_an_observer_works() {
    explore(50_000, || program(Handler::Works, Setup::any(), tracked));
}

std::thread_local! {
    /// Whether a background thread can be started in this execution.
    static HAS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// A channel that delivers where it may, or in the background; with a background thread, or without
/// one to be had.
fn tracked(
    setup: Setup,
    registry: &QueueRegistry,
) -> (TrackedSyncSender<u32>, TrackedReceiver<u32>) {
    HAS_BACKGROUND.set(pick(&[true, true, false]));
    refuse_threads(!HAS_BACKGROUND.get());
    let mut channel = track(TrackedLimit::VmPipes)
        .capacity(setup.capacity)
        .registry(registry);
    if let Some(label) = setup.label {
        channel = channel.label(label);
    }
    if setup.has_sink {
        channel = channel.sink(sink(Observer::Sink));
    }
    if pick(&[false, false, true]) {
        channel = channel.background();
    }
    channel.sync_channel()
}
