//! The channels of a row: tracked, and the same of std with the foreign code called at the same
//! places.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, SendError, TryRecvError, TrySendError};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::thread;
use std::time::Duration;

use fillgauge_std::{
    QueueGauge, QueueRegistry, TrackedLimit, TrackedReceiver, TrackedSyncSender, flush_events,
    queue_snapshot, track,
};

use crate::foreign;
use crate::row::{Delivery, Row, lock};

pub(crate) trait Channel: Send + Sync + 'static {
    type Sender: Sender;
    type Receiver: Receiver;

    fn channel(capacity: usize, row: Row) -> (Self::Sender, Self::Receiver);

    /// Waits until all foreign code was called that another thread has to call.
    fn settle();

    /// Whether every gauge has warned that is near its capacity, and no other.
    fn is_at_rest() -> bool;
}

pub(crate) trait Sender: Clone + Send + Sync + 'static {
    fn send(&self, item: usize) -> Result<(), SendError<usize>>;
    fn try_send(&self, item: usize) -> Result<(), TrySendError<usize>>;
}

pub(crate) trait Receiver: Send + 'static {
    fn try_recv(&self) -> Result<usize, TryRecvError>;
}

pub(crate) struct Tracked;

/// The gauges of all channels, in whatever registry.
static GAUGES: Mutex<Vec<Weak<QueueGauge>>> = Mutex::new(Vec::new());

impl Channel for Tracked {
    type Sender = TrackedSyncSender<usize>;
    type Receiver = TrackedReceiver<usize>;

    fn channel(capacity: usize, row: Row) -> (Self::Sender, Self::Receiver) {
        // It goes, and its sinks and handlers go with the last of its gauges.
        let own = foreign::registry(row.actor);
        let channel = track(TrackedLimit::VmPipes)
            .capacity(capacity)
            .label(foreign::label())
            .registry(own.as_ref().unwrap_or(QueueRegistry::global()));
        let channel = foreign::add_sinks(row.actor, channel);
        let (sender, receiver) = match row.delivery {
            Delivery::InPlace => channel.sync_channel(),
            Delivery::Background => channel.background().sync_channel(),
        };
        lock(&GAUGES).push(Arc::downgrade(sender.gauge()));
        (sender, receiver)
    }

    fn settle() {
        flush_events(Duration::from_secs(3)).unwrap();
    }

    fn is_at_rest() -> bool {
        let gauges = lock(&GAUGES);
        let in_registries = gauges.iter().filter_map(Weak::upgrade);
        let figures = in_registries.map(|gauge| gauge.snapshot());
        figures.chain(queue_snapshot()).all(|gauge| {
            let percent = gauge.fill_percent;
            (percent < 80 || gauge.warned) && (percent > 50 || !gauge.warned)
        })
    }
}

impl Sender for TrackedSyncSender<usize> {
    fn send(&self, item: usize) -> Result<(), SendError<usize>> {
        self.send(item)
    }

    fn try_send(&self, item: usize) -> Result<(), TrySendError<usize>> {
        self.try_send(item)
    }
}

impl Receiver for TrackedReceiver<usize> {
    fn try_recv(&self) -> Result<usize, TryRecvError> {
        self.try_recv()
    }
}

pub(crate) struct Plain;

/// Calls the foreign code where a tracked channel would.
struct Count {
    capacity: usize,
    delivery: Delivery,
    depth: AtomicUsize,
    is_full: AtomicBool,
}

#[derive(Clone)]
pub(crate) struct PlainSender(mpsc::SyncSender<usize>, Arc<Count>);

pub(crate) struct PlainReceiver(mpsc::Receiver<usize>, Arc<Count>);

impl Channel for Plain {
    type Sender = PlainSender;
    type Receiver = PlainReceiver;

    fn channel(capacity: usize, row: Row) -> (PlainSender, PlainReceiver) {
        let (sender, receiver) = mpsc::sync_channel(capacity);
        let count = Arc::new(Count {
            capacity,
            delivery: row.delivery,
            depth: AtomicUsize::new(0),
            is_full: AtomicBool::new(false),
        });
        (
            PlainSender(sender, Arc::clone(&count)),
            PlainReceiver(receiver, count),
        )
    }

    fn settle() {
        let (done, is_done) = mpsc::channel();
        background()
            .send(Box::new(move || done.send(()).unwrap()))
            .unwrap();
        is_done.recv().unwrap();
    }

    fn is_at_rest() -> bool {
        true
    }
}

impl Count {
    fn sent(&self) {
        let depth = self.depth.fetch_add(1, Ordering::SeqCst) + 1;
        if depth * 100 >= self.capacity * 80 && !self.is_full.swap(true, Ordering::SeqCst) {
            match self.delivery {
                Delivery::InPlace => provoke(),
                Delivery::Background => background().send(Box::new(provoke)).unwrap(),
            }
        }
    }

    fn has(&self, depth: usize) {
        if depth * 100 <= self.capacity * 50 && self.is_full.swap(false, Ordering::SeqCst) {
            background().send(Box::new(provoke)).unwrap();
        }
    }
}

/// Beside the plain channel, it is the program that deals with a panic.
fn provoke() {
    if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(foreign::provoke)) {
        if let Err(payload) = panic::catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            mem::forget(payload);
        }
    }
}

fn background() -> &'static mpsc::Sender<Box<dyn FnOnce() + Send>> {
    static BACKGROUND: OnceLock<mpsc::Sender<Box<dyn FnOnce() + Send>>> = OnceLock::new();
    BACKGROUND.get_or_init(|| {
        let (tasks, to_do) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        thread::spawn(move || to_do.iter().for_each(|task| task()));
        tasks
    })
}

impl Sender for PlainSender {
    fn send(&self, item: usize) -> Result<(), SendError<usize>> {
        self.0.send(item).inspect(|()| self.1.sent())
    }

    fn try_send(&self, item: usize) -> Result<(), TrySendError<usize>> {
        self.0.try_send(item).inspect(|()| self.1.sent())
    }
}

impl Receiver for PlainReceiver {
    fn try_recv(&self) -> Result<usize, TryRecvError> {
        let item = self.0.try_recv()?;
        self.1.has(self.1.depth.fetch_sub(1, Ordering::SeqCst) - 1);
        Ok(item)
    }
}

impl Drop for PlainReceiver {
    fn drop(&mut self) {
        self.1.has(0);
    }
}
