//! Tracked channels as one would first write them, wrong in one way each, on which the program must fail.

use std::sync::Arc;
use std::sync::mpsc::{RecvError, RecvTimeoutError, SendError, TryRecvError, TrySendError};

use fillgauge_shuttle_tests::explore;
use fillgauge_std::{Backpressure, GaugeConfig, QueueGauge, QueueRegistry, TrackedLimit};
use shuttle::sync::atomic::{AtomicBool, Ordering};
use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};

use crate::channel::{Handler, Receives, Sends, program};

#[derive(Clone, Copy, PartialEq)]
enum Fault {
    /// An enqueue is recorded before the send, and taken back if that fails.
    RecordsFirst,
    /// A dequeue that is recorded before its enqueue counts as a stray.
    NotForQueue,
    /// The receiver leaves its items in the gauge.
    ForgetsBacklog,
    /// Nobody clears what is recorded after the receiver went.
    ForgetsLateSends,
    /// The gauge is cleared before late senders can know that they have to.
    ClosesLate,
    /// A handler keeps the thread that receives.
    HandlesInPlace,
}

struct Account {
    fault: Fault,
    gauge: Arc<QueueGauge>,
    closed: AtomicBool,
}

#[derive(Clone)]
struct NaiveSender(SyncSender<u32>, Arc<Account>);

/// The queue is dropped before the gauge is told.
struct NaiveReceiver(Receiver<u32>, Closing);

struct Closing(Arc<Account>);

fn naive(fault: Fault, capacity: usize) -> (NaiveSender, NaiveReceiver) {
    let (sender, receiver) = sync_channel(capacity);
    let limit = TrackedLimit::VmPipes.limit();
    let config = match (fault, capacity) {
        (Fault::NotForQueue, _) => GaugeConfig::new(limit, capacity),
        (_, 0) => GaugeConfig::rendezvous(limit),
        _ => GaugeConfig::for_queue(limit, capacity),
    };
    let account = Arc::new(Account {
        fault,
        gauge: QueueRegistry::global().register_with(config),
        closed: AtomicBool::new(false),
    });
    let closing = Closing(Arc::clone(&account));
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
        Ok(())
    }

    fn received<T, E>(&self, received: Result<T, E>) -> Result<T, E> {
        received.inspect(|_| self.gauge.record_dequeue())
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        let account = &self.0;
        if account.fault == Fault::ClosesLate {
            account.gauge.record_clear();
        }
        account.closed.store(true, Ordering::SeqCst);
        if !matches!(account.fault, Fault::ForgetsBacklog | Fault::ClosesLate) {
            account.gauge.record_clear();
        }
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

/// What turns a canary red is its fault: where no handler keeps a thread, the last of the faults is none.
#[test]
fn the_naive_channel_without_a_fault() {
    explore_fault(Handler::Keeps, Fault::HandlesInPlace);
}

/// Each fault shows within so many schedules.
fn explore_fault(handler: Handler, fault: Fault) {
    explore(10_000, move || {
        program(handler, |capacity| naive(fault, capacity))
    });
}

#[test]
#[should_panic(expected = "miscounted")]
fn canary_records_first() {
    explore_fault(Handler::Keeps, Fault::RecordsFirst);
}

#[test]
#[should_panic(expected = "too high")]
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

/// By a deadlock or by the thread that the handler ran on, whichever schedule comes first.
#[test]
#[should_panic]
fn canary_handles_in_place() {
    explore_fault(Handler::Works, Fault::HandlesInPlace);
}
