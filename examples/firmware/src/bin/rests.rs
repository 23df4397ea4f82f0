//! Which gauge is right for a queue whose two ends run at different priorities.
//!
//! Each end moves an item and then records it, as users do. The SysTick runs one of the ends. It
//! comes at any instruction of the other, also between the move and the record. At a *rest* neither
//! end is in the middle of an operation. There the gauge must read the length of the queue, and
//! must have warned, or be armed, as that length demands.
//!
//! The run fails if a recommended gauge is wrong at one rest. It also fails if a gauge that is
//! warned of is right at all rests: the SysTick has then missed the instructions that matter.

#![no_std]
#![no_main]

use core::cell::{Cell, RefCell};
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cortex_m::peripheral::{Peripherals, SCB, SYST};
use cortex_m::{asm, singleton};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::hprintln;
use critical_section::Mutex;
use fillgauge::queues::heapless::{SpscGauge, TrackedConsumer, TrackedProducer};
use fillgauge::{Gauge, Limit, Thresholds};
use fillgauge_firmware::{Random, board, succeed};
use heapless::Deque;
use heapless::spsc::Queue;
use panic_semihosting as _;

/// Each case runs to so many rests.
const RESTS: usize = 10_000;
/// The SysTick must have operated in the middle of an operation so often.
const MIN_INTERRUPTED: usize = 200;
/// At so many rests the gauge must have warned, and at so many it must be armed.
const MIN_OF_EACH_ALARM: usize = 200;

/// The capacity of the larger queue; the other holds one item.
const LARGE: usize = 8;
/// Reload values of the SysTick: its period is one tick of the core's clock longer.
const RELOADS: Range<u32> = 8..24;

static LIMIT: Limit = Limit::queue("rests");

/// What runs an end of a queue. A later one preempts an earlier one.
#[derive(Clone, Copy, PartialEq, PartialOrd)]
enum Context {
    MainLoop,
    PendSv,
    SysTick,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::MainLoop => "main loop",
            Self::PendSv => "PendSV",
            Self::SysTick => "SysTick",
        })
    }
}

#[derive(Clone, Copy)]
enum Recording {
    /// `record_enqueue` and `record_dequeue` on a plain gauge.
    Plain,
    /// The same on the gauge of a queue.
    ForQueue,
    /// `observe_depth`, with the length that is read after the operation.
    SampledBefore,
    /// `observe_with`, which reads the length itself.
    Sampled,
    /// The ends of a tracked queue, which record themselves.
    Tracked(&'static Tracked),
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Plain => "plain",
            Self::ForQueue => "for_queue",
            Self::SampledBefore => "observe_depth",
            Self::Sampled => "observe_with",
            Self::Tracked(_) => "tracked",
        })
    }
}

/// A queue, its gauge and the contexts of its ends.
struct Case {
    producer: Context,
    consumer: Context,
    capacity: usize,
    recording: Recording,
    // Not used by a tracked queue, which has a gauge of its own.
    queue: Mutex<RefCell<Deque<u8, LARGE>>>,
    gauge: Gauge,
}

static CASES: [[[Case; 5]; 2]; 4] = [
    Case::all(Context::SysTick, Context::MainLoop),
    Case::all(Context::MainLoop, Context::SysTick),
    Case::all(Context::SysTick, Context::PendSv),
    Case::all(Context::PendSv, Context::SysTick),
];

impl Case {
    /// Both queues, each with all ways of recording.
    const fn all(producer: Context, consumer: Context) -> [[Self; 5]; 2] {
        [
            Self::all_of(producer, consumer, 1, &TRACKED_ONE),
            Self::all_of(producer, consumer, LARGE, &TRACKED_LARGE),
        ]
    }

    const fn all_of(
        producer: Context,
        consumer: Context,
        capacity: usize,
        tracked: &'static Tracked,
    ) -> [Self; 5] {
        let ends = (producer, consumer);
        [
            Self::new(ends, capacity, Recording::Plain),
            Self::new(ends, capacity, Recording::ForQueue),
            Self::new(ends, capacity, Recording::SampledBefore),
            Self::new(ends, capacity, Recording::Sampled),
            Self::new(ends, capacity, Recording::Tracked(tracked)),
        ]
    }

    const fn new(
        (producer, consumer): (Context, Context),
        capacity: usize,
        recording: Recording,
    ) -> Self {
        let gauge = match recording {
            Recording::ForQueue if !cfg!(feature = "fault") => Gauge::for_queue(&LIMIT, capacity),
            _ => Gauge::new(&LIMIT, capacity),
        };
        Self {
            producer,
            consumer,
            capacity,
            recording,
            queue: Mutex::new(RefCell::new(Deque::new())),
            gauge,
        }
    }

    /// Whether this is the wrong gauge for the queue, which the run must show.
    fn is_warned_of(&self) -> bool {
        match self.recording {
            // A dequeue that is recorded before its enqueue counts as a stray.
            Recording::Plain => self.consumer > self.producer,
            // An end that is preempted after it has read the length observes an old one.
            Recording::SampledBefore => true,
            Recording::ForQueue | Recording::Sampled | Recording::Tracked(_) => false,
        }
    }

    fn send(&self) {
        if let Recording::Tracked(ends) = self.recording {
            let _ = ends.producer.lend(|producer| producer.enqueue(0));
            return;
        }
        let sent =
            self.with_queue(|queue| queue.len() < self.capacity && queue.push_back(0).is_ok());
        if sent {
            self.record(Gauge::record_enqueue);
        }
    }

    fn receive(&self) {
        if let Recording::Tracked(ends) = self.recording {
            ends.consumer.lend(TrackedConsumer::dequeue);
            return;
        }
        if self.with_queue(Deque::pop_front).is_some() {
            self.record(Gauge::record_dequeue);
        }
    }

    fn record(&self, count: impl FnOnce(&Gauge)) {
        match self.recording {
            Recording::SampledBefore => self.gauge.observe_depth(self.len()),
            Recording::Sampled => self.gauge.observe_with(|| self.len()),
            _ => count(&self.gauge),
        }
    }

    fn len(&self) -> usize {
        match self.recording {
            Recording::Tracked(ends) => ends.consumer.lend(|consumer| consumer.len()),
            _ => self.with_queue(|queue| queue.len()),
        }
    }

    fn gauge(&self) -> &Gauge {
        match self.recording {
            Recording::Tracked(ends) => ends.gauge,
            _ => &self.gauge,
        }
    }

    fn with_queue<R>(&self, operation: impl FnOnce(&mut Deque<u8, LARGE>) -> R) -> R {
        critical_section::with(|token| operation(&mut self.queue.borrow_ref_mut(token)))
    }

    /// Compares the gauge with the queue, while neither end is in the middle of an operation.
    fn check(&self, outcome: &mut Outcome) {
        let (len, gauge) = (self.len(), self.gauge());
        let (depth, has_warned) = (gauge.depth(), gauge.has_warned());
        // Between the two depths a gauge is in either state, by its hysteresis.
        let must_have_warned = len >= Thresholds::DEFAULT.warn_depth(self.capacity);
        let must_be_armed = len <= Thresholds::DEFAULT.rearm_depth(self.capacity);
        let is_alarm_wrong = if has_warned {
            must_be_armed
        } else {
            must_have_warned
        };
        outcome.rests += 1;
        outcome.wrong += usize::from(depth != len || is_alarm_wrong);
        outcome.must_have_warned += usize::from(must_have_warned);
        outcome.must_be_armed += usize::from(must_be_armed);
    }
}

static GAUGE_ONE: SpscGauge<2> = SpscGauge::new(&LIMIT);
static GAUGE_LARGE: SpscGauge<{ LARGE + 1 }> = SpscGauge::new(&LIMIT);
static TRACKED_ONE: Tracked = Tracked::new(GAUGE_ONE.gauge());
static TRACKED_LARGE: Tracked = Tracked::new(GAUGE_LARGE.gauge());

struct Tracked {
    gauge: &'static Gauge,
    producer: End<TrackedProducer<'static, u8>>,
    consumer: End<TrackedConsumer<'static, u8>>,
}

impl Tracked {
    const fn new(gauge: &'static Gauge) -> Self {
        Self {
            gauge,
            producer: End::new(),
            consumer: End::new(),
        }
    }

    fn set(
        &self,
        (producer, consumer): (TrackedProducer<'static, u8>, TrackedConsumer<'static, u8>),
    ) {
        self.producer.set(producer);
        self.consumer.set(consumer);
    }
}

/// An end of a tracked queue. Each case lends it to another context.
struct End<T>(Mutex<Cell<Option<T>>>);

impl<T> End<T> {
    const fn new() -> Self {
        Self(Mutex::new(Cell::new(None)))
    }

    fn set(&self, end: T) {
        critical_section::with(|token| self.0.borrow(token).set(Some(end)));
    }

    /// Runs `operation` outside of every critical section, so that it can be preempted.
    fn lend<R>(&self, operation: impl FnOnce(&mut T) -> R) -> R {
        let end = critical_section::with(|token| self.0.borrow(token).take());
        let mut end = end.expect("one context at a time uses an end");
        let result = operation(&mut end);
        self.set(end);
        result
    }
}

/// `None` between two cases.
static CURRENT: Mutex<Cell<Option<&'static Case>>> = Mutex::new(Cell::new(None));
/// Whether an operation is in progress.
static OPERATING: AtomicBool = AtomicBool::new(false);
/// How often the SysTick operated in the middle of an operation. It alone adds to this.
static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);

/// One operation of the end that `context` runs, if it runs one in the current case.
fn operate(context: Context) {
    let Some(case) = critical_section::with(|token| CURRENT.borrow(token).get()) else {
        return;
    };
    let operation = if context == case.producer {
        Case::send
    } else if context == case.consumer {
        Case::receive
    } else {
        return;
    };
    // An operation in the middle of another one leaves the flag as it was.
    let was_operating = OPERATING.load(Ordering::Relaxed);
    OPERATING.store(true, Ordering::Relaxed);
    operation(case);
    OPERATING.store(was_operating, Ordering::Relaxed);
}

#[exception]
fn PendSV() {
    operate(Context::PendSv);
}

/// Idle for 16 ticks, and faster after every 16: the queue becomes full, and it becomes empty.
#[exception]
fn SysTick() {
    static mut TICKS: usize = 0;
    *TICKS += 1;
    let operations = *TICKS / 16 % 4 * 2;
    if operations > 0 && OPERATING.load(Ordering::Relaxed) {
        INTERRUPTED.store(INTERRUPTED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    for _ in 0..operations {
        operate(Context::SysTick);
    }
}

/// What came of a case.
#[derive(Default)]
struct Outcome {
    rests: usize,
    wrong: usize,
    must_have_warned: usize,
    must_be_armed: usize,
    interrupted: usize,
}

impl Outcome {
    fn check(&self, case: &Case) {
        let (gauge, wrong) = (case.recording, self.wrong);
        if case.is_warned_of() {
            assert!(wrong > 0, "{gauge}: never wrong, though warned of");
        } else {
            assert!(
                wrong == 0,
                "{gauge}: wrong at {wrong} rests, though recommended"
            );
        }
        let interrupted = self.interrupted;
        assert!(
            interrupted >= MIN_INTERRUPTED,
            "interrupted only {interrupted} times"
        );
        let (warned, armed) = (self.must_have_warned, self.must_be_armed);
        assert!(
            warned.min(armed) >= MIN_OF_EACH_ALARM,
            "only {warned} rests with a warning and {armed} without"
        );
    }
}

fn run(case: &'static Case, systick: &mut SYST, random: &mut Random) -> Outcome {
    let mut outcome = Outcome::default();
    INTERRUPTED.store(0, Ordering::Relaxed);
    critical_section::with(|token| CURRENT.borrow(token).set(Some(case)));
    while outcome.rests < RESTS {
        systick.set_reload(random.within(RELOADS));
        operate(Context::MainLoop);
        SCB::set_pendsv();
        // The clock ticks every 80 instructions or less: the delay shifts the code against it.
        asm::delay(random.within(0..100));
        critical_section::with(|_| case.check(&mut outcome));
    }
    critical_section::with(|token| CURRENT.borrow(token).set(None));
    outcome.interrupted = INTERRUPTED.load(Ordering::Relaxed);
    outcome
}

#[entry]
fn main() -> ! {
    let core = Peripherals::take().expect("taken once");
    let one = singleton!(: Queue<u8, 2> = Queue::new()).expect("taken once");
    let large = singleton!(: Queue<u8, { LARGE + 1 }> = Queue::new()).expect("taken once");
    TRACKED_ONE.set(GAUGE_ONE.split(one));
    TRACKED_LARGE.set(GAUGE_LARGE.split(large));

    hprintln!("fillgauge on {}", board::NAME);
    hprintln!("| producer  | consumer  | capacity | gauge         | interrupted | rests | wrong |");
    hprintln!("|-----------|-----------|---------:|---------------|------------:|------:|------:|");
    let mut systick = board::start_nested_handlers(core, RELOADS.end);
    let mut random = Random::new();
    for case in CASES.iter().flatten().flatten() {
        let outcome = run(case, &mut systick, &mut random);
        hprintln!(
            "| {:<9} | {:<9} | {:>8} | {:<13} | {:>11} | {:>5} | {:>5} |",
            case.producer,
            case.consumer,
            case.capacity,
            case.recording,
            outcome.interrupted,
            outcome.rests,
            outcome.wrong
        );
        outcome.check(case);
    }
    hprintln!("all checks hold");
    succeed()
}
