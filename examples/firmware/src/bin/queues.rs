//! A radio whose frames come by interrupt. It shows what the gauges report while the main loop is
//! too slow, and when it has caught up.
//!
//! - The SysTick's handler puts frames into a tracked queue.
//! - A timer's handler, at a higher priority, samples the bytes that those frames hold.
//! - The main loop takes frames out, at first too slowly, then faster, three times over.
//! - A third gauge is recorded at all three priorities, and sessions are registered and dropped
//!   there, so that each interrupts the others in the middle of an operation.
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
use fillgauge::queues::heapless::{SpscGauge, TrackedConsumer, TrackedProducer};
use fillgauge::{
    EventLog, Gauge, Limit, LimitEvent, LimitSink, LogEntry, QueueRegistry, QueueSnapshot, presets,
};
use fillgauge_firmware::{board, succeed};
use heapless::Vec;
use heapless::spsc::Queue;
use panic_semihosting as _;

/// One more than it holds.
const PLACES: usize = 17;
const ROUNDS: usize = 3;
const INTERRUPTIONS: usize = 200;

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
static GAUGES: QueueRegistry<4> = QueueRegistry::new()
    .with_presets(presets![FRAMES, FRAME_BYTES, SHARED_BUS])
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
static SESSIONS: [AtomicUsize; 3] = [const { AtomicUsize::new(0) }; 3];

/// Set by the main loop and by the SysTick's handler while they record.
static RECORDING: [AtomicBool; 2] = [const { AtomicBool::new(false) }; 2];
/// How often the timer came just then.
static INTERRUPTED: [AtomicUsize; 2] = [const { AtomicUsize::new(0) }; 2];

/// Checks that the events of one gauge alternate, where they occur: at any priority.
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

fn read(counter: &AtomicUsize) -> usize {
    counter.load(Ordering::Relaxed)
}

/// Uses the bus and a session of its own, in the middle of whatever is interrupted.
fn use_bus(priority: usize, uses: usize) {
    let recording = RECORDING.get(priority);
    if let Some(recording) = recording {
        recording.store(true, Ordering::Relaxed);
    }
    let session = GAUGES.register(&SESSION, 8).expect("a slot for each");
    session.record_enqueue();
    for _ in 0..uses {
        SHARED_BUS.record_enqueue();
    }
    for _ in 0..uses {
        SHARED_BUS.record_dequeue();
    }
    session.record_dequeue();
    assert_eq!((session.depth(), session.enqueued()), (0, 1), "one's own");
    drop(session);
    if let Some(recording) = recording {
        recording.store(false, Ordering::Relaxed);
    }
    add(&BUS_USES[priority], uses);
    add(&SESSIONS[priority], 1);
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
    let live = GAUGES.snapshot().count();
    assert!((3..=6).contains(&live), "{live} live gauges");
    add(&SAMPLES, 1);
}

fn sample_bytes() {
    let bytes_in = BYTES_IN.load(Ordering::Relaxed);
    let bytes_out = BYTES_OUT.load(Ordering::Relaxed);
    // The handler that counts a frame in may have been interrupted after it queued the frame and
    // before it counted it.
    FRAME_BYTES.observe_depth(bytes_in.saturating_sub(bytes_out));
}

/// The events of a gauge that came out of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Events {
    warnings: usize,
    full: usize,
    recoveries: usize,
}

/// Prints the events that have come in, and counts those of the two gauges that log.
fn drain_log([frames, bytes]: &mut [Events; 2]) {
    while let Some(entry) = LOG.pop() {
        let event = match entry {
            LogEntry::Event(event) => event,
            LogEntry::Dropped(events) => panic!("the log is too small: {events}"),
        };
        let figures = event.snapshot();
        let counts = if figures.name == FRAMES.limit() {
            &mut *frames
        } else {
            &mut *bytes
        };
        let (what, count) = match event {
            LimitEvent::NearCapacity(_) => ("near capacity", &mut counts.warnings),
            LimitEvent::Full(_) => ("full", &mut counts.full),
            LimitEvent::Recovered(_) => ("recovered", &mut counts.recoveries),
            other => panic!("unexpected: {other:?}"),
        };
        *count += 1;
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

fn print_snapshot(title: &str) -> Vec<QueueSnapshot, 7> {
    let mut gauges = Vec::new();
    fillgauge::queues::heapless::snapshot(&GAUGES, &mut gauges)
        .expect("three presets and four slots are seven");
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
        let totals = gauge.totals.unwrap();
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
            totals.enqueued,
            totals.dequeued
        );
    }
    gauges
}

/// Lets the timer come twice: the second time it samples what is there now.
fn wait_for_samples() {
    let samples = read(&SAMPLES);
    wait_until(|| read(&SAMPLES) - samples >= 2);
}

/// One crossing: up to the capacity, and down again.
fn fill_and_drain(radio: &mut Radio, round: usize) {
    let mut events = [Events::default(); 2];

    hprintln!("round {}: one frame for every four that come", round);
    let refused = read(&REFUSED);
    while read(&REFUSED) == refused {
        let ticks = read(&TICKS);
        wait_until(|| read(&TICKS) - ticks >= 4);
        radio.receive();
    }
    wait_for_samples();
    drain_log(&mut events);
    let warned = Events {
        warnings: 1,
        ..Events::default()
    };
    let full = Events { full: 1, ..warned };
    assert_eq!(events, [full, warned], "exactly one warning each");
    assert!(FRAMES.has_warned() && FRAME_BYTES.has_warned());

    hprintln!("round {}: all that there are", round);
    while radio.receive() {}
    wait_for_samples();
    while radio.receive() {}
    drain_log(&mut events);
    let recovered = [full, warned].map(|events| Events {
        recoveries: 1,
        ..events
    });
    assert_eq!(events, recovered, "and exactly one recovery each");
}

/// Goes on until the timer has come often enough in the middle of what the others record.
fn keep_up(radio: &mut Radio) {
    hprintln!("until each has been interrupted {} times", INTERRUPTIONS);
    let samples = read(&SAMPLES);
    wait_until(|| {
        while radio.receive() {}
        assert!(
            read(&SAMPLES) - samples < 1_000 * INTERRUPTIONS,
            "{INTERRUPTED:?} interruptions"
        );
        INTERRUPTED.iter().all(|count| read(count) >= INTERRUPTIONS)
    });
    let mut events = [Events::default(); 2];
    drain_log(&mut events);
    assert_eq!(events, [Events::default(); 2], "no event meanwhile");
}

/// All interrupts are silent, and all queues empty.
fn check_at_rest(radio: &Radio) {
    let gauges = print_snapshot("at the end");
    assert_eq!(gauges.len(), 3, "no session is left");
    for gauge in &gauges {
        let name = gauge.name;
        assert_eq!(gauge.depth, 0, "{name}: conservation");
        let totals = gauge.totals.unwrap();
        assert_eq!(totals.enqueued, totals.dequeued, "{name}: conservation");
        assert!(gauge.high_water <= gauge.capacity, "{name}: high water");
        assert!(!gauge.warned, "{name}: armed when empty");
    }

    let accepted = read(&ACCEPTED);
    assert_eq!((radio.received, FRAMES.enqueued()), (accepted, accepted));
    assert_eq!((FRAMES.warnings(), FRAMES.high_water()), (ROUNDS, 16));
    assert_eq!(FRAME_BYTES.warnings(), ROUNDS);

    let uses = BUS_USES.each_ref().map(read);
    assert_eq!(SHARED_BUS.enqueued(), uses.iter().sum());
    let warnings = read(&EDGES.warnings);
    assert!(warnings > 0, "the bus was never used by two at once");
    assert_eq!(SHARED_BUS.warnings(), warnings);

    // Every registration had a number of its own. One was of `main`. The next number is one more
    // than there were registrations. Numbers go from 1 to the greatest of 16 bits.
    let sessions = SESSIONS.iter().map(read).sum::<usize>() + 1;
    let next = GAUGES.register(&SESSION, 8).expect("all slots are free");
    assert_eq!(next.instance(), sessions % usize::from(u16::MAX) + 1);

    hprintln!(
        "{} frames received, {} refused; {} sessions",
        accepted,
        read(&REFUSED),
        sessions
    );
    hprintln!(
        "uses of the bus by the main loop, the SysTick and the timer: {:?}",
        uses
    );
    hprintln!(
        "the timer interrupted the main loop {} times while it recorded, the SysTick {} times",
        read(&INTERRUPTED[0]),
        read(&INTERRUPTED[1])
    );
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
    board::start_interrupts(core, 331, 83);
    for round in 1..=ROUNDS {
        fill_and_drain(&mut radio, round);
    }
    keep_up(&mut radio);

    // The interrupts go on, and have sessions of their own.
    let session = GAUGES.register(&SESSION, 8).expect("a slot for each");
    session.record_enqueue_n(3);
    let gauges = print_snapshot("while it runs");
    let ours = gauges
        .iter()
        .find(|gauge| gauge.instance == session.instance());
    assert_eq!(
        ours.map(|gauge| (gauge.name, gauge.depth)),
        Some((&SESSION, 3))
    );
    drop(session);

    board::stop_interrupts();
    while radio.receive() {}
    sample_bytes();
    check_at_rest(&radio);
    hprintln!("all checks hold");
    succeed()
}
