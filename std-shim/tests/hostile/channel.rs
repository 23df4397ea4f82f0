//! The channels of a row: tracked, and the same of std with the foreign code called at the same
//! places.

use std::mem;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

#[cfg(feature = "crossbeam")]
use fillgauge_std::channels::crossbeam;
#[cfg(feature = "tokio")]
use fillgauge_std::channels::tokio;
use fillgauge_std::{
    QueueRegistry, QueueSnapshot, TrackedLimit, TrackedReceiver, TrackedSyncSender, flush_events,
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
    /// Whether the item was sent.
    fn send(&self, item: usize) -> bool;
    fn try_send(&self, item: usize) -> bool;
}

pub(crate) trait Receiver: Send + 'static {
    /// Whether there was an item.
    fn try_recv(&mut self) -> bool;
}

/// Reads a gauge, unless it is gone.
type Read = Box<dyn Fn() -> Option<QueueSnapshot> + Send>;

/// The gauges of all channels, in whatever registry.
static GAUGES: Mutex<Vec<Read>> = Mutex::new(Vec::new());

/// A tracked channel, how it is made, and how it blocks.
macro_rules! tracked {
    (
        $name:ident,
        $sender:path,
        $receiver:path,
        $make:ident,
        $send:ident
    ) => {
        pub(crate) struct $name;

        impl Channel for $name {
            type Sender = $sender;
            type Receiver = $receiver;

            fn channel(capacity: usize, row: Row) -> (Self::Sender, Self::Receiver) {
                // It goes, and its sinks and handlers go with the last of its gauges.
                let own = foreign::registry(row.actor);
                let channel = track(TrackedLimit::JavascriptEventChannel)
                    .capacity(capacity)
                    .label(foreign::label())
                    .registry(own.as_ref().unwrap_or(QueueRegistry::global()));
                let channel = foreign::add_sinks(row.actor, channel);
                let (sender, receiver) = match row.delivery {
                    Delivery::InPlace => channel.$make(),
                    Delivery::Background => channel.background().$make(),
                };
                #[cfg(feature = "edge-waiter")]
                foreign::await_edges(row.actor, sender.gauge().waiter());
                let gauge = Arc::downgrade(sender.gauge());
                let read = move || Some(gauge.upgrade()?.snapshot());
                lock(&GAUGES).push(Box::new(read));
                (sender, receiver)
            }

            fn settle() {
                flush_events(Duration::from_secs(3)).unwrap();
            }

            fn is_at_rest() -> bool {
                let gauges = lock(&GAUGES);
                let figures = gauges.iter().filter_map(|read| read());
                figures.chain(queue_snapshot()).all(|gauge| {
                    let percent = gauge.fill_percent;
                    (percent < 80 || gauge.warned) && (percent > 50 || !gauge.warned)
                })
            }
        }

        impl Sender for $sender {
            fn send(&self, item: usize) -> bool {
                self.$send(item).is_ok()
            }

            fn try_send(&self, item: usize) -> bool {
                self.try_send(item).is_ok()
            }
        }

        impl Receiver for $receiver {
            fn try_recv(&mut self) -> bool {
                <$receiver>::try_recv(self).is_ok()
            }
        }
    };
}

tracked!(
    Tracked,
    TrackedSyncSender<usize>,
    TrackedReceiver<usize>,
    sync_channel,
    send
);

#[cfg(feature = "tokio")]
tracked!(
    TrackedTokio,
    tokio::Sender<usize>,
    tokio::Receiver<usize>,
    tokio_channel,
    blocking_send
);

#[cfg(feature = "crossbeam")]
tracked!(
    TrackedCrossbeam,
    crossbeam::Sender<usize>,
    crossbeam::Receiver<usize>,
    crossbeam_channel,
    send
);

pub(crate) struct Plain;

/// Calls the foreign code where a tracked channel would.
struct Count {
    capacity: isize,
    delivery: Delivery,
    /// Negative while an item is out that is not counted yet.
    depth: AtomicIsize,
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
            capacity: capacity.try_into().unwrap(),
            delivery: row.delivery,
            depth: AtomicIsize::new(0),
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

    fn has(&self, depth: isize) {
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
    fn send(&self, item: usize) -> bool {
        self.0.send(item).inspect(|()| self.1.sent()).is_ok()
    }

    fn try_send(&self, item: usize) -> bool {
        self.0.try_send(item).inspect(|()| self.1.sent()).is_ok()
    }
}

impl Receiver for PlainReceiver {
    fn try_recv(&mut self) -> bool {
        let received = self.0.try_recv().is_ok();
        if received {
            self.1.has(self.1.depth.fetch_sub(1, Ordering::SeqCst) - 1);
        }
        received
    }
}

impl Drop for PlainReceiver {
    fn drop(&mut self) {
        self.1.has(0);
    }
}
