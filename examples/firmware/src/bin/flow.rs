//! XON and XOFF: an interrupt fills a queue, and a task stops the sender before the queue is full.
//!
//! The SysTick's handler is the sender: it puts a byte into a tracked queue, as long as it may. A
//! task awaits the edges of the queue's gauge. It stops the sender near the capacity, and lets it
//! go on when the queue is drained. The main loop takes bytes out, too slowly, and polls the task
//! when it was woken.
//!
//! The run fails if a byte is refused, or lost. With the feature `fault` the task never stops the
//! sender, and the run must fail.

#![no_std]
#![no_main]

use core::cell::RefCell;
use core::future::Future;
use core::pin::pin;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::task::{Context, RawWaker, RawWakerVTable, Waker};

use cortex_m::peripheral::Peripherals;
use cortex_m::{asm, singleton};
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::hprintln;
use critical_section::Mutex;
use fillgauge::queues::heapless::{SpscGauge, TrackedProducer};
use fillgauge::{EdgeWaiter, Limit};
use fillgauge_firmware::{board, succeed};
use heapless::spsc::Queue;
use panic_semihosting as _;

/// The run goes to so many bytes.
const BYTES: usize = 2_000;
/// The sender must have been stopped so often.
const MIN_PAUSES: usize = 20;
/// Ticks of the core's clock between two bytes of the sender.
const PERIOD: u32 = 20;
/// Instructions of the main loop between two bytes. A tick is at most 80 instructions under QEMU.
const SLOWNESS: u32 = 3 * 80 * PERIOD;
/// Turns of the main loop for each byte that it takes out. In each the task may run.
const TURNS: u32 = 8;

static EDGES: EdgeWaiter = EdgeWaiter::new();
static RX: SpscGauge<17> = SpscGauge::new(&Limit::queue("rx")).with_sink(&EDGES);

/// The queue's end of the sender.
static SENDER: Mutex<RefCell<Option<TrackedProducer<'static, u8>>>> =
    Mutex::new(RefCell::new(None));
/// Whether the sender may send.
static MAY_SEND: AtomicBool = AtomicBool::new(true);
static SENT: AtomicUsize = AtomicUsize::new(0);
static REFUSED: AtomicUsize = AtomicUsize::new(0);
static PAUSES: AtomicUsize = AtomicUsize::new(0);

/// What the sender does, while it may. A byte that is refused is lost.
#[exception]
fn SysTick() {
    if !MAY_SEND.load(Ordering::Relaxed) {
        return;
    }
    critical_section::with(|token| {
        if let Some(sender) = SENDER.borrow_ref_mut(token).as_mut() {
            let sent = SENT.load(Ordering::Relaxed);
            if sender.enqueue(sent as u8).is_err() {
                REFUSED.store(REFUSED.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
            }
            SENT.store(sent + 1, Ordering::Relaxed);
        }
    });
}

/// Stops the sender, and lets it go on.
async fn control_flow() -> ! {
    let mut edges = EDGES.waiter().expect("no other task waits");
    loop {
        edges.wait_near_capacity().await;
        if !cfg!(feature = "fault") {
            MAY_SEND.store(false, Ordering::Relaxed); // XOFF
        }
        PAUSES.store(PAUSES.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        edges.wait_recovered().await;
        MAY_SEND.store(true, Ordering::Relaxed); // XON
    }
}

/// Whether the task was woken.
static IS_WOKEN: AtomicBool = AtomicBool::new(true);

/// A waker for the one task there is.
fn waker() -> Waker {
    fn clone(_: *const ()) -> RawWaker {
        RawWaker::new(ptr::null(), &VTABLE)
    }
    fn wake(_: *const ()) {
        IS_WOKEN.store(true, Ordering::Release);
    }
    fn drop(_: *const ()) {}
    static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);
    // SAFETY: the functions use no pointer, and may be called from anywhere.
    unsafe { Waker::from_raw(clone(ptr::null())) }
}

#[entry]
fn main() -> ! {
    let core = Peripherals::take().expect("taken once");
    let queue = singleton!(: Queue<u8, 17> = Queue::new()).expect("taken once");
    let (sender, mut receiver) = RX.split(queue);
    critical_section::with(|token| SENDER.borrow_ref_mut(token).replace(sender));

    hprintln!("fillgauge on {}", board::NAME);
    let _systick = board::start_nested_handlers(core, PERIOD);
    let (waker, mut task) = (waker(), pin!(control_flow()));
    let mut received = 0_usize;
    for turn in 0_u32.. {
        if received == BYTES {
            break;
        }
        if IS_WOKEN.load(Ordering::Acquire) {
            IS_WOKEN.store(false, Ordering::Relaxed);
            let mut context = Context::from_waker(&waker);
            assert!(task.as_mut().poll(&mut context).is_pending());
        }
        if turn.is_multiple_of(TURNS)
            && let Some(byte) = receiver.dequeue()
        {
            assert_eq!(byte, received as u8, "a byte is lost");
            received += 1;
        }
        // Other work, which the sender interrupts.
        asm::delay(SLOWNESS / TURNS);
    }

    let refused = REFUSED.load(Ordering::Relaxed);
    let pauses = PAUSES.load(Ordering::Relaxed);
    let gauge = RX.gauge();
    hprintln!(
        "{} bytes, {} pauses, at most {} of {} in the queue, {} refused",
        received,
        pauses,
        gauge.high_water(),
        gauge.capacity(),
        refused
    );
    assert_eq!((refused, gauge.refused()), (0, 0), "refused");
    assert!(pauses >= MIN_PAUSES, "only {pauses} pauses");
    hprintln!("all checks hold");
    succeed()
}
