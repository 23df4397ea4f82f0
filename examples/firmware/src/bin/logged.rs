//! Events and plain data through `defmt`: an interrupt fills a queue, the main loop empties it, and
//! the host decodes what was logged.

#![no_std]
#![no_main]

use cortex_m::peripheral::syst::SystClkSource;
use cortex_m_rt::{entry, exception};
use cortex_m_semihosting::debug;
use defmt_semihosting as _;
use fillgauge::{
    DefmtSink, EventLog, Gauge, Limit, LimitEvent, LimitSink, QueueRegistry, Thresholds,
    limit_catalog,
};
use fillgauge_firmware::succeed;

limit_catalog! {
    /// The limits of this firmware.
    enum FirmwareLimit {
        /// Bytes that the main loop has not read yet.
        UartRx = "uart_rx": Queue,
        /// Milliseconds until the boot counts as failed.
        BootMs = "boot_ms": Cpu,
        /// Slots of the session table.
        Sessions = "sessions": Resource,
    }
}

const CAPACITY: usize = 10;

static UART_RX: Gauge =
    Gauge::for_queue(FirmwareLimit::UartRx.limit(), CAPACITY).with_sink(&DefmtSink);
static LATER: EventLog<1> = EventLog::new();
static SESSIONS: QueueRegistry<1> = QueueRegistry::new().with_sink(&LATER);
static SESSION: Limit = Limit::queue("session");

#[exception]
fn SysTick() {
    if UART_RX.depth() < CAPACITY {
        UART_RX.record_enqueue();
    }
}

#[entry]
fn main() -> ! {
    let mut core = cortex_m::Peripherals::take().expect("taken once");
    core.SYST.set_clock_source(SystClkSource::Core);
    core.SYST.set_reload(999);
    core.SYST.clear_current();
    core.SYST.enable_counter();
    core.SYST.enable_interrupt();
    while UART_RX.depth() < CAPACITY {
        cortex_m::asm::wfi();
    }
    core.SYST.disable_interrupt();

    defmt::println!("{}", UART_RX.snapshot());
    while UART_RX.depth() > 0 {
        UART_RX.record_dequeue();
    }
    DefmtSink.on_event(&LimitEvent::exhausted(
        FirmwareLimit::BootMs.limit(),
        33_000,
        30_000,
    ));

    // What the main loop takes out of a log can be logged as well.
    let session = SESSIONS.register(&SESSION, 4).expect("a slot is free");
    session.record_enqueue_n(4);
    while let Some(entry) = LATER.pop() {
        defmt::println!("{}", entry);
    }

    defmt::println!(
        "{} and {} of {}",
        FirmwareLimit::UartRx,
        FirmwareLimit::Sessions.limit(),
        FirmwareLimit::UartRx.category()
    );
    defmt::println!("{}", Thresholds::DEFAULT);
    defmt::println!("{}", Thresholds::new(50, 80));
    defmt::println!("{}", SESSIONS.register(&SESSION, 4).err());
    defmt::println!("{}", LimitEvent::exhausted(&SESSION, 1, 1).warning());
    defmt::println!("done");
    succeed()
}

#[panic_handler]
fn on_panic(panic: &core::panic::PanicInfo<'_>) -> ! {
    defmt::error!("{}", defmt::Display2Format(panic));
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
