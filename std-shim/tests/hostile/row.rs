//! One row of the table: its names, and the program that it is.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::channel::{Channel, Plain, Receiver, Sender, Tracked};
use crate::foreign::{self, acted};
use crate::process::threads;

/// Declares an enumeration whose variants have names, and a list of them.
macro_rules! names {
    ($(#[$attribute:meta])* $name:ident { $($variant:ident = $text:literal,)+ }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name {
            $($variant,)+
        }

        impl $name {
            pub(crate) const ALL: &[Self] = &[$(Self::$variant,)+];

            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)+
                }
            }
        }
    };
}

names! {
    /// Whose code is foreign.
    Actor {
        Subscriber = "subscriber",
        Handler = "handler",
        Destructor = "destructor",
        Payload = "payload",
        Formatter = "formatter",
        Allocator = "allocator",
    }
}

names! {
    /// What it does.
    Action {
        Panics = "panics",
        WaitsForRoom = "waits-for-room",
        Receives = "receives",
        ReceivesElsewhere = "receives-elsewhere",
        Registers = "registers",
        DropsLastGauge = "drops-last-gauge",
        ReplacesHandler = "replaces-handler",
        Snapshots = "snapshots",
        LogsThroughChannel = "logs-through-channel",
    }
}

names! {
    /// During which operation.
    Operation {
        Send = "send",
        TrySend = "try-send",
        Recv = "recv",
        DropReceiver = "drop-receiver",
        DropLastSender = "drop-last-sender",
        SenderAtThreadEnd = "sender-at-thread-end",
        ReceiverAtThreadEnd = "receiver-at-thread-end",
        SenderInUnwind = "sender-in-unwind",
        ReceiverInUnwind = "receiver-in-unwind",
    }
}

names! {
    /// Where the events of the channel are delivered.
    Delivery {
        InPlace = "in-place",
        Background = "background",
    }
}

impl Operation {
    /// Whether it fills the channel up to the warn point; the others drain it down to the re-arm
    /// point.
    pub(crate) fn warns(self) -> bool {
        match self {
            Self::Send | Self::TrySend | Self::SenderAtThreadEnd | Self::SenderInUnwind => true,
            Self::Recv
            | Self::DropReceiver
            | Self::DropLastSender
            | Self::ReceiverAtThreadEnd
            | Self::ReceiverInUnwind => false,
        }
    }

    fn drops_receiver(self) -> bool {
        !self.warns() && self != Self::Recv
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Row {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) operation: Operation,
    pub(crate) delivery: Delivery,
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}",
            self.actor.as_str(),
            self.action.as_str(),
            self.operation.as_str(),
            self.delivery.as_str()
        )
    }
}

impl Row {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Actor::ALL.iter().flat_map(|&actor| {
            Action::ALL.iter().flat_map(move |&action| {
                Operation::ALL.iter().flat_map(move |&operation| {
                    Delivery::ALL.iter().map(move |&delivery| Self {
                        actor,
                        action,
                        operation,
                        delivery,
                    })
                })
            })
        })
    }

    /// Why the row means nothing, if it does not.
    pub(crate) fn means_nothing(self) -> Option<&'static str> {
        match (self.actor, self.action) {
            (Actor::Allocator, Action::Panics) => Some("an allocator must not unwind"),
            (Actor::Handler | Actor::Destructor, _) if !self.operation.warns() => {
                Some("a warning handler is not called for a recovery")
            }
            _ => None,
        }
    }
}

/// The capacity of the channel: it warns at 4 and is armed again at 2.
const CAPACITY: usize = 5;

/// Runs the row of this name over `plain` or `tracked` channels.
pub(crate) fn run(name: &str, channel: &str) {
    let row = Row::all().find(|row| row.to_string() == name);
    let row = row.unwrap_or_else(|| panic!("no row is called {name}"));
    match channel {
        "plain" => program::<Plain>(row),
        "tracked" => program::<Tracked>(row),
        _ => panic!("no channel is called {channel}"),
    }
}

/// What the threads of a row share.
pub(crate) struct Shared<C: Channel> {
    /// Without it, the last sender is gone.
    pub(crate) sender: Mutex<Option<C::Sender>>,
    pub(crate) receiver: Mutex<Option<C::Receiver>>,
    pub(crate) elsewhere: (C::Sender, Mutex<C::Receiver>),
    pub(crate) log: (Mutex<C::Sender>, Mutex<C::Receiver>),
    /// Items that are in the channel, or were.
    pub(crate) sent: AtomicUsize,
    pub(crate) received: AtomicUsize,
    /// Somebody is about to wait for room.
    pub(crate) drains: AtomicUsize,
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<C: Channel> Shared<C> {
    fn new(delivery: Delivery) -> Self {
        let (sender, receiver) = C::channel(CAPACITY, delivery);
        let (elsewhere, from_elsewhere) = C::channel(CAPACITY, delivery);
        for item in 0..CAPACITY {
            elsewhere.try_send(item).unwrap();
        }
        let (log, lines) = C::channel(1, delivery);
        Self {
            sender: Mutex::new(Some(sender)),
            receiver: Mutex::new(Some(receiver)),
            elsewhere: (elsewhere, Mutex::new(from_elsewhere)),
            log: (Mutex::new(log), Mutex::new(lines)),
            sent: AtomicUsize::new(0),
            received: AtomicUsize::new(0),
            drains: AtomicUsize::new(0),
        }
    }

    /// A sender, unless the last one is gone.
    pub(crate) fn sender(&self) -> Option<C::Sender> {
        lock(&self.sender).clone()
    }

    pub(crate) fn send(&self, sender: &C::Sender) {
        if sender.send(0).is_ok() {
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn try_send(&self, sender: &C::Sender) -> bool {
        let is_sent = sender.try_send(0).is_ok();
        if is_sent {
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
        is_sent
    }

    /// Takes an item if there is one, and a receiver.
    pub(crate) fn try_recv(&self) -> bool {
        let received = match &*lock(&self.receiver) {
            Some(receiver) => receiver.try_recv(),
            None => Err(TryRecvError::Disconnected),
        };
        if received.is_ok() {
            self.received.fetch_add(1, Ordering::SeqCst);
        }
        received.is_ok()
    }

    /// The consumer on another thread: drains the channels as soon as somebody waits for room.
    fn consume(&self) {
        loop {
            if self.drains.load(Ordering::SeqCst) > 0 {
                while self.try_recv() {}
                while lock(&self.log.1).try_recv().is_ok() {}
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Sends an item when it is dropped, and then drops the sender.
struct LastWord<C: Channel>(Arc<Shared<C>>, C::Sender);

impl<C: Channel> Drop for LastWord<C> {
    fn drop(&mut self) {
        self.0.send(&self.1);
    }
}

thread_local! {
    static AT_THREAD_END: RefCell<Vec<Box<dyn std::any::Any>>> = const { RefCell::new(Vec::new()) };
}

fn program<C: Channel>(row: Row) {
    let shared = Arc::new(Shared::<C>::new(row.delivery));
    foreign::install(row, &shared);
    let consumer = Arc::clone(&shared);
    let (ready, is_ready) = mpsc::channel();
    thread::spawn(move || {
        foreign::spare_this_thread();
        ready.send(()).unwrap();
        consumer.consume()
    });
    is_ready.recv().unwrap();

    let sender = shared.sender().unwrap();
    if row.operation.warns() {
        (0..3).for_each(|_| assert!(shared.try_send(&sender)));
        foreign::arm();
    } else {
        (0..4).for_each(|_| assert!(shared.try_send(&sender)));
        assert!(shared.try_recv());
        C::settle();
        foreign::arm();
    }
    operate(row.operation, &shared, sender);
    // The foreign code may be at work on another thread.
    until("the foreign code is called", || acted() > 0);
    C::settle();
    foreign::disarm();

    // This one, the consumer, and one that delivers.
    until("no thread is left that was started", || threads() <= 3);
    shared.drains.store(1, Ordering::SeqCst);
    if !row.operation.drops_receiver() {
        let [sent, received] = [&shared.sent, &shared.received];
        until("what was sent has come out", || {
            received.load(Ordering::SeqCst) >= sent.load(Ordering::SeqCst)
        });
        thread::sleep(Duration::from_millis(5));
        let [sent, received] = [sent, received].map(|count| count.load(Ordering::SeqCst));
        assert_eq!(sent, received, "lost or doubled");
    }
    C::settle();
    until("the gauges are at rest", C::is_at_rest);
}

fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "waited in vain until {what}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

fn operate<C: Channel>(operation: Operation, shared: &Arc<Shared<C>>, sender: C::Sender) {
    let receiver = || lock(&shared.receiver).take().unwrap();
    let last_word = || LastWord(Arc::clone(shared), sender.clone());
    match operation {
        Operation::Send => shared.send(&sender),
        Operation::TrySend => assert!(shared.try_send(&sender)),
        Operation::Recv => assert!(shared.try_recv(), "no item"),
        Operation::DropReceiver => drop(receiver()),
        Operation::DropLastSender => {
            drop(receiver());
            drop(lock(&shared.sender).take());
            drop(sender);
        }
        Operation::SenderAtThreadEnd => at_thread_end(last_word()),
        Operation::ReceiverAtThreadEnd => at_thread_end(receiver()),
        Operation::SenderInUnwind => in_unwind(last_word()),
        Operation::ReceiverInUnwind => in_unwind(receiver()),
    }
}

fn at_thread_end(value: impl Send + 'static) {
    let thread = thread::spawn(move || {
        AT_THREAD_END.with_borrow_mut(|values| values.push(Box::new(value)));
    });
    thread.join().unwrap();
}

/// The panic of the program itself.
const UNWINDING: &str = "a worker failed";

fn in_unwind(value: impl Send + 'static) {
    let outcome = panic::catch_unwind(AssertUnwindSafe(move || {
        let _value = value;
        panic::panic_any(UNWINDING);
    }));
    let panic = outcome.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&UNWINDING));
}
