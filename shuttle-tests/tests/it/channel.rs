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
    Backpressure, QueueGauge, QueueSnapshot, REARM_FILL_PERCENT, TrackedLimit, TrackedReceiver,
    TrackedSyncSender, WARN_FILL_PERCENT, flush_events, queue_snapshot, refuse_threads,
    register_limit, track,
};
use shuttle::thread;

use crate::observed::{Edge, Observer, Seen, forget_reaction, on_warning, seen};

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

/// What the handler does with a warning.
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
    rejected: usize,
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
                self.rejected += 1;
            }
            Err(TrySendError::Disconnected(back)) => {
                assert_eq!(back, item);
                self.disconnected += 1;
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.items.extend(other.items);
        self.rejected += other.rejected;
        self.disconnected += other.disconnected;
        self.waited += other.waited;
    }
}

/// What the consumer saw.
#[derive(Default)]
struct Taken {
    items: Vec<u32>,
    /// The most producers that waited for room at once.
    most_parked: usize,
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
                let parked = receiver.backpressure().map_or(0, |now| now.parked);
                taken.most_parked = taken.most_parked.max(parked);
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
pub(crate) fn program<S: Sends, R: Receives>(handler: Handler, channel: impl Fn(usize) -> (S, R)) {
    let capacity = pick(&[0, 1, 2, 3, 8]);
    let ending = pick(&[Ending::Drains, Ending::Keeps, Ending::Drops]);
    let (sender, receiver) = channel(capacity);
    let gauge = Arc::clone(receiver.gauge());

    // The handler waits for room where a thread makes room to the end, and where no thread waits
    // for the last sender to be dropped.
    let by_handler = Rc::new(RefCell::new(Sent::default()));
    let waits = handler == Handler::Works && ending == Ending::Drops;
    let handles = waits.then(|| (sender.clone(), Cell::new(10_000), Rc::clone(&by_handler)));
    on_warning(move || {
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
    assert_eq!(figures.enqueued, sent.items.len(), "miscounted");
    let in_queue = match receiver {
        Some(_) => sent.items.len() - taken.items.len(),
        None => 0,
    };
    assert_at_rest(&figures, gauge.has_warned(), in_queue);
    assert_eq!(figures.dequeued, figures.enqueued - in_queue, "miscounted");

    if let Some(held_back) = backpressure {
        assert_eq!(held_back.parked, 0);
        assert_eq!(held_back.rejected, sent.rejected);
        assert_eq!(held_back.disconnected, sent.disconnected);
        assert!((taken.most_parked..=sent.waited).contains(&held_back.parks));
    }

    assert_seen(&gauge);
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
    assert_eq!(queue_snapshot().len(), 1);
    drop((gauge, witness));
    assert!(queue_snapshot().is_empty());
    flush_events(Duration::ZERO).unwrap();
}

/// What the observers saw is what the gauge went through, in its order, and the handler saw what
/// was logged before.
fn assert_seen(gauge: &QueueGauge) {
    let seen = seen();
    let by = |observer| seen.iter().filter(move |seen| seen.by == observer);
    let (mut warned, mut full) = (false, false);
    for line in by(Observer::Log) {
        let in_turn = match line.edge {
            Edge::NearCapacity => !std::mem::replace(&mut warned, true),
            Edge::Full => warned && !std::mem::replace(&mut full, true),
            Edge::Recovered => std::mem::replace(&mut warned, false),
        };
        full &= warned;
        assert!(in_turn, "out of turn: {seen:?}");
        assert!(line.depth <= line.capacity, "too high: {seen:?}");
        assert_eq!(line.instance, gauge.instance());
    }
    assert_eq!(warned, gauge.has_warned(), "not delivered: {seen:?}");
    let is_warning = |seen: &&Seen| seen.edge == Edge::NearCapacity;
    let logged = by(Observer::Log).filter(is_warning).map(|seen| seen.depth);
    let handled = by(Observer::Handler).map(|seen| seen.depth);
    assert_eq!(handled.clone().count(), gauge.warnings());
    assert!(logged.eq(handled), "in another order: {seen:?}");
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
    explore(50_000, || program(Handler::Keeps, tracked));
}

#[test]
fn a_tracked_channel_keeps_account_while_its_handler_works() {
    explore(50_000, || program(Handler::Works, tracked));
}

std::thread_local! {
    /// Whether a background thread can be started in this execution.
    static HAS_BACKGROUND: Cell<bool> = const { Cell::new(false) };
}

/// A channel that delivers where it may, or in the background; with a background thread, or without
/// one to be had.
fn tracked(capacity: usize) -> (TrackedSyncSender<u32>, TrackedReceiver<u32>) {
    HAS_BACKGROUND.set(pick(&[true, true, false]));
    refuse_threads(!HAS_BACKGROUND.get());
    let channel = track(TrackedLimit::VmPipes).capacity(capacity);
    if pick(&[false, false, true]) {
        channel.background().sync_channel()
    } else {
        channel.sync_channel()
    }
}
