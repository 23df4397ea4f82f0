//! Tracked channels as one would first write them, wrong in one way each, on which the program must
//! fail.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use fillgauge_shuttle_tests::{TO_FIND, explore, pick};
use fillgauge_std::{
    Backpressure, GaugeConfig, LimitEvent, QueueGauge, QueueRegistry, TrackedLimit, track,
};
use shuttle::sync::Mutex;
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::channel::{Handler, InRegistry, Receives, Sends, Setup, program};
use crate::observed::{Observer, see_event};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// An enqueue is recorded before the send, and taken back if that fails.
    RecordsFirst,
    /// A dequeue that is recorded before its enqueue counts as a stray.
    NotForQueue,
    /// The receiver leaves its items in the gauge.
    ForgetsBacklog,
    /// What is recorded after the receiver was dropped is never cleared.
    ForgetsLateSends,
    /// The gauge is cleared before late senders can see that they have to clear it.
    ClosesLate,
    /// A handler runs on the thread that receives.
    HandlesInPlace,
    /// Events are put in a queue, of which any thread takes the next for the sink: also while
    /// another event of the gauge is being delivered.
    DeliversAtOnce,
}

struct Account {
    fault: Fault,
    gauge: Arc<QueueGauge>,
    closed: AtomicBool,
    /// What the sink has not seen yet.
    events: Arc<Mutex<VecDeque<LimitEvent>>>,
}

#[derive(Clone)]
struct NaiveSender(SyncSender<u32>, Arc<Account>);

/// The queue is dropped before the gauge is cleared.
struct NaiveReceiver(Receiver<u32>, CloseOnDrop);

struct CloseOnDrop(Arc<Account>);

fn naive(fault: Fault, capacity: usize, registry: &QueueRegistry) -> (NaiveSender, NaiveReceiver) {
    let (sender, receiver) = sync_channel(capacity);
    let limit = TrackedLimit::VmPipes.limit();
    let config = match (fault, capacity) {
        (Fault::NotForQueue, _) => GaugeConfig::new(limit, capacity),
        (_, 0) => GaugeConfig::rendezvous(limit),
        _ => GaugeConfig::for_queue(limit, capacity),
    };
    let events = Arc::new(Mutex::new(VecDeque::new()));
    let gauge = if fault == Fault::DeliversAtOnce {
        let events = Arc::clone(&events);
        track(TrackedLimit::VmPipes)
            .capacity(capacity)
            .for_queue()
            .registry(registry)
            .sink(move |event| {
                events.lock().unwrap().push_back(event.clone());
                deliver(&events);
            })
            .gauge()
    } else {
        registry.register_with(config)
    };
    let account = Arc::new(Account {
        fault,
        gauge,
        closed: AtomicBool::new(false),
        events,
    });
    let closing = CloseOnDrop(Arc::clone(&account));
    (
        NaiveSender(sender, account),
        NaiveReceiver(receiver, closing),
    )
}

impl Account {
    fn sent<E>(&self, send: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
        if self.fault == Fault::RecordsFirst {
            self.gauge.record_enqueue();
            return send().inspect_err(|_| self.gauge.record_dequeue());
        }
        send()?;
        self.gauge.record_enqueue();
        if self.closed.load(Ordering::SeqCst) && self.fault != Fault::ForgetsLateSends {
            self.gauge.record_clear();
        }
        deliver(&self.events);
        Ok(())
    }

    fn received<T, E>(&self, received: Result<T, E>) -> Result<T, E> {
        received.inspect(|_| {
            self.gauge.record_dequeue();
            deliver(&self.events);
        })
    }
}

/// Lets the sink see what there is.
fn deliver(events: &Mutex<VecDeque<LimitEvent>>) {
    let next = || events.lock().unwrap().pop_front();
    while let Some(event) = next() {
        see_event(Observer::Sink, &event);
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        let account = &self.0;
        if account.fault == Fault::ClosesLate {
            account.gauge.record_clear();
        }
        account.closed.store(true, Ordering::SeqCst);
        if !matches!(account.fault, Fault::ForgetsBacklog | Fault::ClosesLate) {
            account.gauge.record_clear();
        }
        deliver(&account.events);
    }
}

impl Sends for NaiveSender {
    fn send(&self, item: u32) -> Result<(), SendError<u32>> {
        self.1.sent(|| self.0.send(item))
    }

    fn try_send(&self, item: u32) -> Result<(), TrySendError<u32>> {
        self.1.sent(|| self.0.try_send(item))
    }

    fn gauge(&self) -> &Arc<QueueGauge> {
        &self.1.gauge
    }

    fn backpressure(&self) -> Option<Backpressure> {
        None
    }
}

impl Receives for NaiveReceiver {
    fn recv(&self) -> Result<u32, RecvError> {
        self.1.0.received(self.0.recv())
    }

    fn try_recv(&self) -> Result<u32, TryRecvError> {
        self.1.0.received(self.0.try_recv())
    }

    fn recv_timeout(&self) -> Result<u32, RecvTimeoutError> {
        let received = self.0.try_recv().map_err(|_| RecvTimeoutError::Timeout);
        self.1.0.received(received)
    }

    fn gauge(&self) -> &Arc<QueueGauge> {
        &self.1.0.gauge
    }

    fn backpressure(&self) -> Option<Backpressure> {
        None
    }
}

/// A canary fails by its fault: where no handler waits, the last of the faults is none.
#[test]
fn the_naive_channel_without_a_fault() {
    explore_setup(10_000, Handler::Keeps, Fault::HandlesInPlace, Setup::plain);
}

fn explore_fault(handler: Handler, fault: Fault) {
    explore_setup(TO_FIND, handler, fault, Setup::plain);
}

fn explore_setup(schedules: usize, handler: Handler, fault: Fault, setup: fn() -> Setup) {
    explore(schedules, move || {
        program(handler, setup(), |setup, registry| {
            naive(fault, setup.capacity, registry)
        });
    });
}

#[test]
#[should_panic(expected = "miscounted")]
fn canary_records_first() {
    explore_fault(Handler::Keeps, Fault::RecordsFirst);
}

/// The depth, the mark or the totals: whichever schedule comes first.
#[test]
#[should_panic(expected = "too ")]
fn canary_not_for_queue() {
    explore_fault(Handler::Keeps, Fault::NotForQueue);
}

#[test]
#[should_panic(expected = "left behind")]
fn canary_forgets_backlog() {
    explore_fault(Handler::Keeps, Fault::ForgetsBacklog);
}

#[test]
#[should_panic(expected = "left behind")]
fn canary_forgets_late_sends() {
    explore_fault(Handler::Keeps, Fault::ForgetsLateSends);
}

#[test]
#[should_panic(expected = "left behind")]
fn canary_closes_late() {
    explore_fault(Handler::Keeps, Fault::ClosesLate);
}

/// Found as a deadlock, or as a handler on the wrong thread: whichever schedule comes first.
#[test]
#[should_panic]
fn canary_handles_in_place() {
    explore_fault(Handler::Works, Fault::HandlesInPlace);
}

#[test]
#[should_panic(expected = "out of turn")]
fn canary_delivers_at_once() {
    // The sink is the only observer.
    let setup = || Setup {
        capacity: pick(&[1, 2, 3, 8]),
        has_sink: true,
        registry: InRegistry::Mute,
        ..Setup::plain()
    };
    explore_setup(TO_FIND, Handler::Keeps, Fault::DeliversAtOnce, setup);
}
