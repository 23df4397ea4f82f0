//! A radio whose frames come by interrupt: what the gauges tell while the main loop is too slow for them, and when it has
//! caught up.
//!
//! - The SysTick's handler puts frames into a tracked queue.
//! - A timer's handler, at a higher priority, samples the bytes that those frames hold.
//! - The main loop takes frames out, at first too slowly, then faster, three times over.
//! - A third gauge is recorded at all three priorities, so that each interrupts the others in the middle of an operation.
//!
//! It checks itself, and ends with the exit code of its checks.

#![no_std]
#![no_main]

use core::cell::RefCell;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cortex_m::singleton;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::hprintln;
use critical_section::Mutex;
use fillgauge::queue::{SpscGauge, TrackedConsumer, TrackedProducer};
use fillgauge::{
    EventLog, Gauge, Limit, LimitEvent, LimitSink, LogEntry, QueueRegistry, QueueSnapshot,
};
use fillgauge_firmware::{board, succeed};
use heapless::Vec;
use heapless::spsc::Queue;
use panic_semihosting as _;

const PLACES: usize = 17;
const ROUNDS: usize = 3;
const SAMPLES_MORE: usize = 5_000;

/// A frame, without what was in it.
struct Frame {
    number: usize,
    bytes: usize,
}

static LOG: EventLog<32> = EventLog::new();
static FRAMES: SpscGauge<PLACES> = SpscGauge::new(&Limit::queue("radio_frames")).with_sink(&LOG);
static FRAME_BYTES: Gauge = Gauge::new(&Limit::memory("frame_bytes"), 900).with_sink(&LOG);
/// Uses by the main loop and both handlers, five at most at a time.
static SHARED_BUS: Gauge = Gauge::new(&Limit::resource("shared_bus"), 5).with_sink(&EDGES);
static SESSION: Limit = Limit::queue("session");
static GAUGES: QueueRegistry<2> = QueueRegistry::new()
    .with_presets(&[FRAMES.gauge(), &FRAME_BYTES, &SHARED_BUS])
    .with_sink(&LOG);

/// The producer, until the SysTick's handler has fetched it.
static PRODUCER: Mutex<RefCell<Option<TrackedProducer<'static, Frame>>>> =
    Mutex::new(RefCell::new(None));

/// Each of these has one writer, so that a Cortex-M0 needs no more than loads and stores.
static BYTES_IN: AtomicUsize = AtomicUsize::new(0);
static BYTES_OUT: AtomicUsize = AtomicUsize::new(0);
static ACCEPTED: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static TICKS: AtomicUsize = AtomicUsize::new(0);
static SAMPLES: AtomicUsize = AtomicUsize::new(0);
static BUS_USES: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// Set by the main loop and by the SysTick's handler while they record, and how often the timer came just then.
static RECORDING: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
static INTERRUPTED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Holds the events of one gauge against their promise where they occur: at any priority.
struct Alternation {
    warned: AtomicBool,
    warnings: AtomicUsize,
}

static EDGES: Alternation = Alternation {
    warned: AtomicBool::new(false),
    warnings: AtomicUsize::new(0),
};

impl LimitSink for Alternation {
    fn on_event(&self, event: &LimitEvent) {
        // The events of one gauge come one after the other: the writers take turns.
        let warned = self.warned.load(Ordering::Relaxed);
        match event {
            LimitEvent::NearCapacity(_) => {
                assert!(!warned, "two warnings without a recovery");
                self.warned.store(true, Ordering::Relaxed);
                add(&self.warnings, 1);
            }
            LimitEvent::Full(_) => assert!(warned, "full, and never near capacity"),
            LimitEvent::Recovered(_) => {
                assert!(warned, "a recovery without a warning");
                self.warned.store(false, Ordering::Relaxed);
            }
            other => panic!("unexpected: {other:?}"),
        }
    }
}

/// For counters with one writer.
fn add(counter: &AtomicUsize, n: usize) {
    counter.store(counter.load(Ordering::Relaxed) + n, Ordering::Relaxed);
}

fn use_bus(priority: usize, uses: usize) {
    if let Some(recording) = RECORDING.get(priority) {
        recording.store(true, Ordering::Relaxed);
    }
    for _ in 0..uses {
        SHARED_BUS.record_enqueue();
    }
    for _ in 0..uses {
        SHARED_BUS.record_dequeue();
    }
    if let Some(recording) = RECORDING.get(priority) {
        recording.store(false, Ordering::Relaxed);
    }
    add(&BUS_USES[priority], uses);
}

/// A frame has come.
#[exception]
fn SysTick() {
    static mut FRAMES_SENT: Option<TrackedProducer<'static, Frame>> = None;
    let producer = FRAMES_SENT.get_or_insert_with(|| {
        critical_section::with(|token| PRODUCER.borrow_ref_mut(token).take())
            .expect("the producer is there before the first interrupt")
    });
    let number = ACCEPTED.load(Ordering::Relaxed);
    let bytes = 48 + number % 4;
    match producer.enqueue(Frame { number, bytes }) {
        Ok(()) => {
            add(&ACCEPTED, 1);
            add(&BYTES_IN, bytes);
            if cfg!(feature = "fault") && number == 10 {
                FRAMES.record_enqueue();
            }
        }
        Err(_refused) => add(&REFUSED, 1),
    }
    add(&TICKS, 1);
    use_bus(1, 1);
}

/// The timer, which is the only other interrupt.
#[exception]
unsafe fn DefaultHandler(interrupt: i16) {
    assert_eq!(interrupt, board::TIMER_INTERRUPT);
    board::acknowledge_timer();
    for (recording, interrupted) in RECORDING.iter().zip(&INTERRUPTED) {
        if recording.load(Ordering::Relaxed) {
            add(interrupted, 1);
        }
    }
    sample_bytes();
    use_bus(2, 1);
    add(&SAMPLES, 1);
}

fn sample_bytes() {
    let bytes_in = BYTES_IN.load(Ordering::Relaxed);
    let bytes_out = BYTES_OUT.load(Ordering::Relaxed);
    // The handler that counts a frame in may have been interrupted after the frame was queued and before it was counted.
    FRAME_BYTES.observe_depth(bytes_in.saturating_sub(bytes_out));
}

/// What the log has told of `radio_frames` since the last time.
#[derive(Debug, Default, PartialEq)]
struct Told {
    warnings: usize,
    full: usize,
    recoveries: usize,
}

/// Prints the events that have come in, and counts those of the queue.
fn drain_log(told: &mut Told) {
    while let Some(entry) = LOG.pop() {
        let event = match entry {
            LogEntry::Event(event) => event,
            LogEntry::Dropped(events) => panic!("{events} events did not fit into the log"),
        };
        let (what, count) = match event {
            LimitEvent::NearCapacity(_) => ("near capacity", &mut told.warnings),
            LimitEvent::Full(_) => ("full", &mut told.full),
            LimitEvent::Recovered(_) => ("recovered", &mut told.recoveries),
            other => panic!("unexpected: {other:?}"),
        };
        let figures = event.snapshot();
        if figures.name == FRAMES.limit() {
            *count += 1;
        }
        hprintln!(
            "  {:<14} {:<14} at {} of {} ({} %)",
            figures.name,
            what,
            figures.depth,
            figures.capacity,
            figures.fill_percent
        );
    }
}

struct Radio {
    frames: TrackedConsumer<'static, Frame>,
    received: usize,
}

impl Radio {
    /// Takes the next frame; false if there is none.
    fn receive(&mut self) -> bool {
        let Some(frame) = self.frames.dequeue() else {
            return false;
        };
        assert_eq!(frame.number, self.received, "frames come in their order");
        self.received += 1;
        add(&BYTES_OUT, frame.bytes);
        true
    }
}

/// Uses the bus until `condition` holds.
fn wait_until(mut condition: impl FnMut() -> bool) {
    while !condition() {
        use_bus(0, 3);
    }
}

fn print_snapshot(title: &str) -> Vec<QueueSnapshot, 5> {
    let mut gauges = Vec::new();
    fillgauge::queue::snapshot(&GAUGES, &mut gauges).expect("three presets and two slots are five");
    hprintln!(
        "{title}\n  {:<14} {:<9} {:>8} {:>6} {:>11} {:>9} {:>6} {:>9} {:>9} {:>9}",
        "name",
        "category",
        "instance",
        "depth",
        "high-water",
        "capacity",
        "fill",
        "warnings",
        "enqueued",
        "dequeued"
    );
    for gauge in &gauges {
        hprintln!(
            "  {:<14} {:<9} {:>8} {:>6} {:>11} {:>9} {:>4} % {:>9} {:>9} {:>9}",
            gauge.name,
            gauge.category,
            gauge.instance,
            gauge.depth,
            gauge.high_water,
            gauge.capacity,
            gauge.fill_percent,
            gauge.warnings,
            gauge.enqueued,
            gauge.dequeued
        );
    }
    gauges
}

#[entry]
fn main() -> ! {
    let core = cortex_m::Peripherals::take().expect("taken once");
    let queue = singleton!(: Queue<Frame, PLACES> = Queue::new()).expect("taken once");
    let (producer, frames) = FRAMES.split(queue);
    critical_section::with(|token| PRODUCER.borrow_ref_mut(token).replace(producer));
    let mut radio = Radio {
        frames,
        received: 0,
    };

    hprintln!("fillgauge on {}", board::NAME);
    board::start_interrupts(core, 61, 17);

    for round in 1..=ROUNDS {
        let mut told = Told::default();
        let refused = REFUSED.load(Ordering::Relaxed);

        hprintln!("round {}: one frame for every four that come", round);
        while REFUSED.load(Ordering::Relaxed) == refused {
            let ticks = TICKS.load(Ordering::Relaxed);
            wait_until(|| TICKS.load(Ordering::Relaxed) - ticks >= 4);
            radio.receive();
        }
        // A timer's sample of the bytes, which the queue is full of.
        let samples = SAMPLES.load(Ordering::Relaxed);
        wait_until(|| SAMPLES.load(Ordering::Relaxed) - samples >= 2);
        drain_log(&mut told);
        let expected = Told {
            warnings: 1,
            full: 1,
            recoveries: 0,
        };
        assert_eq!(
            told, expected,
            "exactly one warning, before the queue is full"
        );
        assert!(FRAMES.has_warned() && FRAME_BYTES.has_warned());

        hprintln!("round {}: all that there are", round);
        while radio.receive() {}
        let samples = SAMPLES.load(Ordering::Relaxed);
        wait_until(|| SAMPLES.load(Ordering::Relaxed) - samples >= 2);
        while radio.receive() {}
        drain_log(&mut told);
        let expected = Told {
            recoveries: 1,
            ..expected
        };
        assert_eq!(told, expected, "and exactly one recovery");
    }

    hprintln!(
        "and {} samples more, as fast as the main loop can",
        SAMPLES_MORE
    );
    let samples = SAMPLES.load(Ordering::Relaxed);
    wait_until(|| {
        while radio.receive() {}
        SAMPLES.load(Ordering::Relaxed) - samples >= SAMPLES_MORE
    });
    let mut told = Told::default();
    drain_log(&mut told);
    assert_eq!(told, Told::default(), "nothing to tell while it keeps up");

    // A gauge that comes and goes, while the interrupts go on.
    let session = GAUGES.register(&SESSION, 8).expect("two slots are free");
    session.record_enqueue_n(3);
    let gauges = print_snapshot("while it runs");
    assert_eq!(gauges.len(), 4);
    assert_eq!((gauges[3].name, gauges[3].depth), (&SESSION, 3));
    drop(session);

    board::stop_interrupts();
    while radio.receive() {}
    sample_bytes();
    let gauges = print_snapshot("at the end");

    assert_eq!(gauges.len(), 3, "the session is gone");
    for gauge in &gauges {
        assert_eq!(gauge.depth, 0, "{}: conservation", gauge.name);
        assert_eq!(
            gauge.enqueued, gauge.dequeued,
            "{}: conservation",
            gauge.name
        );
        assert!(
            gauge.high_water <= gauge.capacity,
            "{}: high water",
            gauge.name
        );
        assert!(!gauge.warned, "{}: armed when empty", gauge.name);
    }
    let accepted = ACCEPTED.load(Ordering::Relaxed);
    assert_eq!(radio.received, accepted);
    assert_eq!(FRAMES.enqueued(), accepted);
    assert_eq!(
        (FRAMES.warnings(), FRAMES.high_water()),
        (ROUNDS, PLACES - 1)
    );
    assert_eq!(FRAME_BYTES.warnings(), ROUNDS);

    let uses = BUS_USES.each_ref().map(|uses| uses.load(Ordering::Relaxed));
    assert_eq!(SHARED_BUS.enqueued(), uses.iter().sum());
    assert_eq!(
        SHARED_BUS.warnings(),
        EDGES.warnings.load(Ordering::Relaxed)
    );
    let interrupted = INTERRUPTED
        .each_ref()
        .map(|count| count.load(Ordering::Relaxed));
    assert!(
        interrupted.iter().all(|count| *count >= 100),
        "operations were interrupted only {interrupted:?} times"
    );
    hprintln!(
        "{} frames received, {} refused; {} uses of the bus by the main loop, {} by the SysTick, {} by the timer,\n\
         which came {} times while the main loop recorded and {} times while the SysTick did",
        accepted,
        REFUSED.load(Ordering::Relaxed),
        uses[0],
        uses[1],
        uses[2],
        interrupted[0],
        interrupted[1]
    );
    hprintln!("all checks hold");
    succeed()
}
