//! One row of the table: its names, and the program that it is.

use std::cell::RefCell;
use std::fmt::{self, Display};
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::{Duration, Instant};

#[cfg(feature = "crossbeam")]
use crate::channel::TrackedCrossbeam;
#[cfg(feature = "tokio")]
use crate::channel::TrackedTokio;
use crate::channel::{Channel, Plain, Receiver, Sender, Tracked};
use crate::foreign::{self, acted};
use crate::process::threads;

/// Declares an enumeration whose variants have names, and a list of them.
macro_rules! names {
    ($(#[$attribute:meta])* $name:ident {
        $($(#[$about:meta])* $variant:ident = $text:literal,)+
    }) => {
        $(#[$attribute])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub(crate) enum $name {
            $($(#[$about])* $variant,)+
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
        EventHandler = "event-handler",
        GaugeSink = "gauge-sink",
        CoreSink = "core-sink",
        RegistrySink = "registry-sink",
        RegistryHandler = "registry-handler",
        /// Of a task that awaits the edges of a gauge.
        Waker = "waker",
        /// Of a watch. It runs on the thread of the watch.
        DrainHandler = "drain-handler",
        /// Of what a handler owns that replaces itself.
        Destructor = "destructor",
        /// Of what an event handler owns that removes itself.
        EventHandlerDestructor = "event-handler-destructor",
        /// Of what the sinks of a gauge own. They go with the gauge.
        SinkDestructor = "sink-destructor",
        /// Of what the sinks and handlers of a registry own. They go with its last gauge.
        RegistryDestructor = "registry-destructor",
        Payload = "payload",
        Formatter = "formatter",
        Allocator = "allocator",
    }
}

impl Actor {
    /// Who is called over the plain channel: it has no sinks and handlers, and what they do there
    /// is the same.
    fn over_plain(self) -> Self {
        match self {
            Self::Handler
            | Self::EventHandler
            | Self::GaugeSink
            | Self::CoreSink
            | Self::RegistrySink
            | Self::RegistryHandler
            | Self::Waker
            | Self::DrainHandler => Self::Subscriber,
            Self::EventHandlerDestructor | Self::SinkDestructor | Self::RegistryDestructor => {
                Self::Destructor
            }
            Self::Subscriber
            | Self::Destructor
            | Self::Payload
            | Self::Formatter
            | Self::Allocator => self,
        }
    }

    /// Whether it is called for warnings alone.
    fn hears_warnings(self) -> bool {
        matches!(
            self,
            Self::Handler | Self::RegistryHandler | Self::Destructor
        )
    }

    /// Whether it acts when the channel's gauge is dropped.
    pub(crate) fn ends_with_gauge(self) -> bool {
        matches!(self, Self::SinkDestructor | Self::RegistryDestructor)
    }
}

names! {
    /// What it does.
    Action {
        Panics = "panics",
        PanicsTwice = "panics-with-what-panics-when-dropped",
        WaitsForRoom = "waits-for-room",
        Receives = "receives",
        ReceivesElsewhere = "receives-elsewhere",
        Registers = "registers",
        DropsLastGauge = "drops-last-gauge",
        ReplacesHandlers = "replaces-handlers",
        RemovesHandlers = "removes-handlers",
        Reports = "reports",
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
        LastHalfAtThreadEnd = "last-half-at-thread-end",
        LastHalfInUnwind = "last-half-in-unwind",
    }
}

names! {
    /// Where the events of the channel are delivered.
    Delivery {
        InPlace = "in-place",
        Background = "background",
    }
}

names! {
    /// The tracked channel.
    Kind {
        Std = "std",
        Tokio = "tokio",
        Crossbeam = "crossbeam",
    }
}

impl Kind {
    fn is_built(self) -> bool {
        match self {
            Self::Std => true,
            Self::Tokio => cfg!(feature = "tokio"),
            Self::Crossbeam => cfg!(feature = "crossbeam"),
        }
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
            | Self::ReceiverInUnwind
            | Self::LastHalfAtThreadEnd
            | Self::LastHalfInUnwind => false,
        }
    }

    fn drops_receiver(self) -> bool {
        !self.warns() && self != Self::Recv
    }

    /// Whether nothing of the channel is left in the end, and a receiver was the last.
    fn ends_with_receiver(self) -> bool {
        matches!(self, Self::LastHalfAtThreadEnd | Self::LastHalfInUnwind)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Row {
    pub(crate) actor: Actor,
    pub(crate) action: Action,
    pub(crate) operation: Operation,
    pub(crate) delivery: Delivery,
    pub(crate) kind: Kind,
}

impl Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}/{}/{}",
            self.actor.as_str(),
            self.action.as_str(),
            self.operation.as_str(),
            self.delivery.as_str(),
            self.kind.as_str()
        )
    }
}

impl Row {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        Actor::ALL.iter().flat_map(|&actor| {
            Action::ALL.iter().flat_map(move |&action| {
                Operation::ALL.iter().flat_map(move |&operation| {
                    Delivery::ALL.iter().flat_map(move |&delivery| {
                        Kind::ALL.iter().map(move |&kind| Self {
                            actor,
                            action,
                            operation,
                            delivery,
                            kind,
                        })
                    })
                })
            })
        })
    }

    /// The row that is run over the plain channel.
    pub(crate) fn over_plain(self) -> Self {
        Self {
            actor: self.actor.over_plain(),
            kind: Kind::Std,
            ..self
        }
    }

    /// Why the row is left out, if it is: it means nothing, or is the same as another.
    pub(crate) fn left_out(self) -> Option<&'static str> {
        use {Action::*, Operation::*};
        let (actor, action, operation) = (self.actor, self.action, self.operation);
        let goes_through_guard = actor.over_plain() != actor;
        if !self.kind.is_built() {
            Some("the feature of the channel is off")
        } else if self.kind != Kind::Std
            && !matches!(
                actor,
                Actor::GaugeSink | Actor::Waker | Actor::SinkDestructor | Actor::Allocator
            )
        {
            Some("observers are called as those of std's channel")
        } else if actor == Actor::Waker && !cfg!(feature = "edge-waiter") {
            Some("the feature `edge-waiter` is off")
        } else if actor == Actor::DrainHandler
            && (!matches!(operation, Send | Recv) || self.delivery == Delivery::Background)
        {
            Some("it is called by the watch, whatever filled or drained the queue")
        } else if actor == Actor::Allocator && matches!(action, Panics | PanicsTwice) {
            Some("an allocator must not unwind")
        } else if actor.hears_warnings() && !operation.warns() {
            Some("a warning handler is not called for a recovery")
        } else if operation.ends_with_receiver() && !actor.ends_with_gauge() {
            Some("nothing ends with the gauge: as where a receiver is dropped")
        } else if operation.ends_with_receiver() && matches!(action, WaitsForRoom | Receives) {
            Some("there is no channel left to send on or to receive from")
        } else if goes_through_guard && operation == TrySend {
            Some("it records what a send records, which the subscriber's rows show")
        } else if actor == Actor::CoreSink && !matches!(operation, Send | Recv) {
            Some("it is called by a sink of the gauge, which has rows of its own")
        } else {
            None
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
        "tracked" => match row.kind {
            Kind::Std => program::<Tracked>(row),
            #[cfg(feature = "tokio")]
            Kind::Tokio => program::<TrackedTokio>(row),
            #[cfg(feature = "crossbeam")]
            Kind::Crossbeam => program::<TrackedCrossbeam>(row),
            #[allow(unreachable_patterns)] // With all features.
            kind => panic!("without the feature `{}`", kind.as_str()),
        },
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
    fn new(row: Row) -> Self {
        let (sender, receiver) = C::channel(CAPACITY, row);
        let (elsewhere, from_elsewhere) = C::channel(CAPACITY, row);
        for item in 0..CAPACITY {
            assert!(elsewhere.try_send(item));
        }
        let (log, lines) = C::channel(1, row);
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
        if sender.send(0) {
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
    }

    pub(crate) fn try_send(&self, sender: &C::Sender) -> bool {
        let is_sent = sender.try_send(0);
        if is_sent {
            self.sent.fetch_add(1, Ordering::SeqCst);
        }
        is_sent
    }

    /// Takes an item if there is one, and a receiver.
    pub(crate) fn try_recv(&self) -> bool {
        let received = lock(&self.receiver)
            .as_mut()
            .is_some_and(|receiver| receiver.try_recv());
        if received {
            self.received.fetch_add(1, Ordering::SeqCst);
        }
        received
    }

    /// The consumer on another thread: drains the channels as soon as somebody waits for room.
    fn consume(&self) {
        loop {
            if self.drains.load(Ordering::SeqCst) > 0 {
                while self.try_recv() {}
                while lock(&self.log.1).try_recv() {}
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
    let shared = Arc::new(Shared::<C>::new(row));
    // A line that is first logged while a subscriber is installed may never be logged again:
    // https://github.com/tokio-rs/tracing/issues/2874.
    C::settle();
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

    // This one, the consumer, one that delivers, and one that watches.
    let most = 3 + usize::from(row.actor == Actor::DrainHandler);
    until("no thread is left that was started", || threads() <= most);
    shared.drains.store(1, Ordering::SeqCst);
    if !row.operation.drops_receiver() {
        let [sent, received] = [&shared.sent, &shared.received];
        until("what was sent has come out", || {
            received.load(Ordering::SeqCst) >= sent.load(Ordering::SeqCst)
        });
        thread::sleep(Duration::from_millis(5));
        // A send of the foreign code counts after its item may be received.
        until("as much has come out as was sent", || {
            received.load(Ordering::SeqCst) == sent.load(Ordering::SeqCst)
        });
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
        Operation::LastHalfAtThreadEnd => at_thread_end(last_half(shared, sender)),
        Operation::LastHalfInUnwind => in_unwind(last_half(shared, sender)),
    }
}

/// The receiver, of which all senders are gone.
fn last_half<C: Channel>(shared: &Shared<C>, sender: C::Sender) -> C::Receiver {
    drop(lock(&shared.sender).take());
    drop(sender);
    lock(&shared.receiver).take().unwrap()
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
