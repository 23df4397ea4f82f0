//! A budget and a probe whose users run at different priorities.
//!
//! The main loop takes bytes of the budget and gives them back. So does the SysTick, which comes at
//! any instruction of the main loop. At a *rest* the main loop is not in the middle of an
//! operation. There the budget must be what both of them hold, never more than its capacity, and
//! its alarm must be as that demands. The same holds for the probe of a ring that one of them fills
//! and the other drains.
//!
//! The run fails if one of them is wrong at one rest. The feature `fault` has the SysTick forget
//! what it holds, and the ring change without a check: then the run must fail.

#![no_std]
#![no_main]

use core::cell::Cell;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use cortex_m::asm;
use cortex_m::peripheral::{Peripherals, SYST};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::hprintln;
use critical_section::Mutex;
use fillgauge::{Budget, Limit, Probe, QueueRegistry, Reservation, Thresholds, presets};
use fillgauge_firmware::{Random, board, succeed};
use panic_semihosting as _;

/// The run goes to so many rests.
const RESTS: usize = 20_000;
/// The SysTick must have operated in the middle of an operation so often.
const MIN_INTERRUPTED: usize = 200;
/// At so many rests each of the two must have warned, and at so many it must be armed.
const MIN_OF_EACH_ALARM: usize = 200;

const CAPACITY: usize = 10;
/// Reload values of the SysTick: its period is one tick of the core's clock longer.
const RELOADS: Range<u32> = 8..24;

static BYTES: Budget = Budget::new(&Limit::memory("bytes"), CAPACITY);
static RING: Probe = Probe::new(&Limit::queue("ring"), CAPACITY);
static REGISTRY: QueueRegistry<0> = QueueRegistry::new().with_presets(presets![BYTES, RING]);

/// How many items the ring holds: the difference of two indices, as of many drivers.
static HEAD: AtomicUsize = AtomicUsize::new(0);
static TAIL: AtomicUsize = AtomicUsize::new(0);

/// What the SysTick holds.
static HELD: Mutex<Cell<Option<Reservation<'static>>>> = Mutex::new(Cell::new(None));
/// How much that is.
static HELD_BY_SYSTICK: AtomicUsize = AtomicUsize::new(0);
/// Whether the main loop is in the middle of an operation.
static OPERATING: AtomicBool = AtomicBool::new(false);
/// How often the SysTick operated meanwhile.
static INTERRUPTED: AtomicUsize = AtomicUsize::new(0);

fn ring_len() -> usize {
    let tail = TAIL.load(Ordering::Acquire);
    HEAD.load(Ordering::Acquire).wrapping_sub(tail)
}

/// One end of the ring, which is a register of the hardware to most: a plain load and a plain
/// store.
fn fill_ring() {
    if ring_len() < CAPACITY {
        HEAD.store(
            HEAD.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Release,
        );
        RING.check(ring_len);
    }
}

fn drain_ring() {
    if ring_len() > 0 {
        TAIL.store(
            TAIL.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Release,
        );
        if !cfg!(feature = "fault") {
            RING.check(ring_len);
        }
    }
}

/// Takes for some ticks, and gives back in the others. It fills the ring every now and then.
#[exception]
fn SysTick() {
    static mut TICKS: usize = 0;
    *TICKS += 1;
    if OPERATING.load(Ordering::Relaxed) {
        INTERRUPTED.store(INTERRUPTED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    }
    let held = critical_section::with(|token| HELD.borrow(token).take());
    let held = match held {
        Some(held) if (*TICKS / 32).is_multiple_of(2) => {
            if cfg!(feature = "fault") {
                held.forget();
            }
            None
        }
        Some(mut held) => {
            if let Ok(more) = BYTES.try_reserve(1) {
                held.merge(more).expect("it is of the same budget");
            }
            Some(held)
        }
        None => BYTES.try_reserve(*TICKS % 4).ok(),
    };
    let amount = held.as_ref().map_or(0, Reservation::amount);
    HELD_BY_SYSTICK.store(amount, Ordering::Relaxed);
    critical_section::with(|token| HELD.borrow(token).set(held));
    for _ in 0..*TICKS / 16 % 2 * 6 {
        fill_ring();
    }
}

/// What was found at the rests.
#[derive(Default)]
struct Found {
    wrong: usize,
    /// Rests at which the alarm had to be in either state.
    warned: usize,
    armed: usize,
}

impl Found {
    fn compare(&mut self, depth: usize, shown: usize, has_warned: bool) {
        let thresholds = Thresholds::DEFAULT;
        let must_have_warned = depth >= thresholds.warn_depth(CAPACITY);
        let must_be_armed = depth <= thresholds.rearm_depth(CAPACITY);
        let is_alarm_wrong = if has_warned {
            must_be_armed
        } else {
            must_have_warned
        };
        self.wrong += usize::from(shown != depth || depth > CAPACITY || is_alarm_wrong);
        self.warned += usize::from(must_have_warned);
        self.armed += usize::from(must_be_armed);
    }

    fn end(&self, what: &str) {
        let Self {
            wrong,
            warned,
            armed,
        } = self;
        hprintln!("{}: wrong at {} of {} rests", what, wrong, RESTS);
        assert!(
            *wrong > 0 || *warned.min(armed) >= MIN_OF_EACH_ALARM,
            "{what}: only {warned} rests with a warning and {armed} without"
        );
    }
}

fn operating<R>(operation: impl FnOnce() -> R) -> R {
    OPERATING.store(true, Ordering::Relaxed);
    let result = operation();
    OPERATING.store(false, Ordering::Relaxed);
    result
}

fn run(systick: &mut SYST) -> usize {
    let (mut random, mut of_bytes, mut of_ring) =
        (Random::new(), Found::default(), Found::default());
    let mut held: Option<Reservation<'_>> = None;
    for _ in 0..RESTS {
        systick.set_reload(random.within(RELOADS));
        let amount = random.within(0..6) as usize;
        operating(|| {
            if random.within(0..2) == 0 {
                held = None;
            } else if let Ok(reserved) = BYTES.try_reserve(amount) {
                held = Some(reserved);
            }
        });
        operating(|| (0..random.within(0..4)).for_each(|_| drain_ring()));
        asm::delay(random.within(0..100));
        critical_section::with(|_| {
            let in_main = held.as_ref().map_or(0, Reservation::amount);
            let expected = in_main + HELD_BY_SYSTICK.load(Ordering::Relaxed);
            of_bytes.compare(expected, BYTES.used(), BYTES.has_warned());
            // A check that is interrupted may leave an older depth: its alarm is right.
            of_ring.compare(ring_len(), ring_len(), RING.has_warned());
        });
    }
    drop(held);
    of_bytes.end("bytes");
    of_ring.end("ring");
    of_bytes.wrong + of_ring.wrong
}

#[entry]
fn main() -> ! {
    let core = Peripherals::take().expect("taken once");
    hprintln!("fillgauge on {}", board::NAME);
    let mut systick = board::start_nested_handlers(core, RELOADS.end);
    let wrong = run(&mut systick);
    let interrupted = INTERRUPTED.load(Ordering::Relaxed);
    assert!(
        interrupted >= MIN_INTERRUPTED,
        "interrupted only {interrupted} times"
    );
    for index in 0..2 {
        let shown = REGISTRY.get(index).expect("it is a preset");
        hprintln!(
            "{}: at most {} of {}, {} warnings, {} refused",
            shown.name,
            shown.high_water,
            shown.capacity,
            shown.warnings,
            shown.refused
        );
        assert!(shown.high_water <= CAPACITY && shown.warnings > 0);
    }
    assert!(wrong == 0, "wrong at {wrong} rests");
    hprintln!("interrupted {interrupted} times; all checks hold");
    succeed()
}
