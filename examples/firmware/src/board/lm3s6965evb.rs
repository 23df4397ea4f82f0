//! Timer 0 of the Stellaris LM3S6965, a Cortex-M3.

use super::write;

pub const NAME: &str = "lm3s6965evb, Cortex-M3";
pub const TICKS_PER_SECOND: u32 = 12_500_000;
pub const ACTIVE_INTERRUPT: i16 = 19;

const CLOCK_GATES: usize = 0x400F_E104;
const TIMER: usize = 0x4003_0000;
const CONFIGURATION: usize = TIMER;
const MODE_A: usize = TIMER + 0x04;
const CONTROL: usize = TIMER + 0x0C;
const INTERRUPT_MASK: usize = TIMER + 0x18;
const INTERRUPT_CLEAR: usize = TIMER + 0x24;
const INTERVAL_A: usize = TIMER + 0x28;

/// The data register of port F, its bit 0 alone, where the board has a lamp.
const LAMP: usize = 0x4002_5000 + (1 << 2);

pub(super) fn light(on: bool) {
    // SAFETY: address and value of the data sheet.
    unsafe { write(LAMP, on.into()) };
}

pub(super) fn start(period: u32) {
    // SAFETY: addresses and values of the data sheet: clock on, 32 bits wide, periodic, interrupt
    // on time-out, go.
    unsafe {
        write(CLOCK_GATES, 1 << 16);
        write(CONTROL, 0);
        write(CONFIGURATION, 0);
        write(MODE_A, 2);
        write(INTERVAL_A, period - 1);
        write(INTERRUPT_MASK, 1);
        write(CONTROL, 1);
    }
}

pub(super) fn acknowledge() {
    // SAFETY: address and value of the data sheet: clears the time-out.
    unsafe { write(INTERRUPT_CLEAR, 1) };
}
