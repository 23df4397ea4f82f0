//! Counts instructions, and sizes: `ci/cost.sh` makes a table of what this prints.
//!
//! QEMU lets each instruction take one nanosecond of the machine's time (`-icount shift=0`), which the SysTick counts.

#![no_std]
#![no_main]

use core::cell::RefCell;
use core::hint::black_box;

use cortex_m::peripheral::SYST;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::entry;
use cortex_m_semihosting::hprintln;
use fillgauge::queues::heapless::SpscGauge;
use fillgauge::{EventLog, Gauge, Limit, LimitEvent, LimitSink, QueueRegistry};
use fillgauge_firmware::{board, succeed};
use heapless::spsc::Queue;
use panic_semihosting as _;

const TIMES: u32 = 10_000;

static LIMIT: Limit = Limit::queue("limit");
static FAR: Gauge = Gauge::new(&LIMIT, 1_000);
/// Never deeper than what is measured: each enqueue looks whether it makes a new mark.
static SHALLOW: Gauge = Gauge::new(&LIMIT, 1_000);
static FOR_QUEUE: Gauge = Gauge::for_queue(&LIMIT, 1_000);
static WARNED: Gauge = Gauge::new(&LIMIT, 1_000).with_sink(&Nobody);
static SAMPLED: Gauge = Gauge::new(&LIMIT, 1_000);
static EDGES: Gauge = Gauge::new(&LIMIT, 10).with_sink(&Nobody);
static LOGGED: Gauge = Gauge::new(&LIMIT, 10).with_sink(&LOG);
static LOG: EventLog<8> = EventLog::new();
static TRACKED: SpscGauge<65> = SpscGauge::new(&LIMIT);
static SLOTS: QueueRegistry<8> = QueueRegistry::new();

struct Nobody;

impl LimitSink for Nobody {
    fn on_event(&self, event: &LimitEvent) {
        black_box(event);
    }
}

struct Counter(RefCell<SYST>);

impl Counter {
    fn ticks(&self, mut operation: impl FnMut()) -> u32 {
        let mut timer = self.0.borrow_mut();
        timer.clear_current();
        // It begins anew with its next tick.
        while SYST::get_current() == 0 {}
        for _ in 0..TIMES {
            operation();
            // Keeps the loop, also around nothing.
            black_box(());
        }
        let ticks = 0x00FF_FFFF - SYST::get_current();
        assert!(!timer.has_wrapped(), "too long to be counted");
        ticks
    }

    /// Instructions of one `operation`, without those of the loop around it.
    fn count(&self, mut operation: impl FnMut()) -> u32 {
        let ticks = self.ticks(&mut operation).abs_diff(self.ticks(|| ()));
        let nanoseconds = u64::from(ticks) * 1_000_000_000 / u64::from(board::TICKS_PER_SECOND);
        u32::try_from((nanoseconds + u64::from(TIMES) / 2) / u64::from(TIMES)).expect("few")
    }

    fn print(&self, what: &str, operation: impl FnMut()) {
        hprintln!("instructions\t{}\t{}", what, self.count(operation));
    }
}

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(0x00FF_FFFF);
    core.SYST.enable_counter();
    let counter = Counter(RefCell::new(core.SYST));
    let eleven = counter.count(|| {
        // SAFETY: they do nothing.
        unsafe { core::arch::asm!("nop; nop; nop; nop; nop; nop; nop; nop; nop; nop; nop") }
    });
    assert_eq!(
        eleven, 11,
        "this does not count instructions: run it under QEMU with -icount shift=0"
    );

    hprintln!("board\t{}", board::NAME);
    WARNED.record_enqueue_n(900);
    SAMPLED.observe_depth(1_000);
    let mut queue = Queue::<u32, 65>::new();
    let (mut producer, mut consumer) = queue.split();
    let mut tracked = Queue::<u32, 65>::new();
    let (mut tracked_producer, mut tracked_consumer) = TRACKED.split(&mut tracked);
    // What was deeper before: below its high-water mark a queue makes no new ones.
    for gauge in [&FAR, &FOR_QUEUE, TRACKED.gauge()] {
        gauge.record_enqueue_n(32);
        gauge.record_dequeue_n(32);
    }

    let pair = |gauge: &'static Gauge| {
        move || {
            gauge.record_enqueue();
            gauge.record_dequeue();
        }
    };
    counter.print("enqueue + dequeue", pair(&FAR));
    counter.print("enqueue + dequeue, at the high-water mark", pair(&SHALLOW));
    counter.print("enqueue + dequeue, for a queue", pair(&FOR_QUEUE));
    counter.print("enqueue + dequeue, warned", pair(&WARNED));
    counter.print("observe_depth", || SAMPLED.observe_depth(black_box(400)));
    counter.print("observe_depth, warned", {
        let mut depth = 0;
        move || {
            depth ^= 1;
            SAMPLED.observe_depth(900 + depth);
        }
    });
    counter.print("heapless::spsc enqueue + dequeue", || {
        black_box(producer.enqueue(black_box(1))).ok();
        black_box(consumer.dequeue());
    });
    counter.print("the same, tracked", || {
        black_box(tracked_producer.enqueue(black_box(1))).ok();
        black_box(tracked_consumer.dequeue());
    });
    counter.print("a warning, full and a recovery", || {
        EDGES.record_enqueue_n(10);
        EDGES.record_dequeue_n(10);
    });
    counter.print("the same, into an EventLog", || {
        LOGGED.record_enqueue_n(10);
        LOGGED.record_dequeue_n(10);
    });
    counter.print("depth", || {
        black_box(FAR.depth());
    });
    counter.print("snapshot of one gauge", || {
        black_box(FAR.snapshot());
    });
    counter.print("register + drop", || {
        black_box(SLOTS.register(&LIMIT, 8)).ok();
    });

    hprintln!("bytes\tGauge\t{}", size_of::<Gauge>());
    let slot = size_of::<QueueRegistry<9>>() - size_of::<QueueRegistry<8>>();
    hprintln!("bytes\tslot of a registry\t{}", slot);
    hprintln!("bytes\tQueueRegistry<8>\t{}", size_of::<QueueRegistry<8>>());
    let event = size_of::<EventLog<9>>() - size_of::<EventLog<8>>();
    hprintln!("bytes\tevent in an EventLog\t{}", event);
    hprintln!("bytes\tEventLog<8>\t{}", size_of::<EventLog<8>>());
    succeed()
}
