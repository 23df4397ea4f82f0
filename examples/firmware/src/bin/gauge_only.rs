//! The least that uses a gauge: `ci/firmware.sh` searches it for code that panics or formats.

#![no_std]
#![no_main]

use core::panic::PanicInfo;

use cortex_m_rt::{entry, exception};
use fillgauge::{Gauge, Limit, LimitEvent, LimitSink, QueueRegistry, presets};
use fillgauge_firmware::board;

static UART_RX: Gauge = Gauge::for_queue(&Limit::queue("uart_rx"), 64).with_sink(&Lamp);
static HEAP: Gauge = Gauge::new(&Limit::memory("heap"), 4_096).with_sink(&Lamp);
static GAUGES: QueueRegistry<2> = QueueRegistry::new().with_presets(presets![UART_RX, HEAP]);
static SESSION: Limit = Limit::queue("session");

struct Lamp;

impl LimitSink for Lamp {
    fn on_event(&self, event: &LimitEvent) {
        board::light(matches!(event, LimitEvent::NearCapacity(_)));
    }
}

#[exception]
fn SysTick() {
    UART_RX.record_enqueue();
    HEAP.observe_depth(UART_RX.enqueued() % 4_096);
}

#[entry]
fn main() -> ! {
    loop {
        UART_RX.record_dequeue();
        if let Ok(session) = GAUGES.register(&SESSION, 8) {
            session.record_enqueue_n(8);
            session.record_dequeue_n(8);
        }
        let fill: usize = GAUGES
            .snapshot()
            .map(|gauge| gauge.fill_percent)
            .max()
            .unwrap_or(0);
        board::light(fill > 90);
        #[cfg(feature = "fault")]
        board::light([false, true][fill]);
    }
}

#[panic_handler]
fn on_panic(_: &PanicInfo<'_>) -> ! {
    loop {}
}
