//! Timer 0 of the Nordic nRF51822, a Cortex-M0.

use super::write;

pub const NAME: &str = "microbit, Cortex-M0";
pub const TICKS_PER_SECOND: u32 = 16_000_000;
pub const ACTIVE_INTERRUPT: i16 = 8;

const TIMER: usize = 0x4000_8000;
const START: usize = TIMER;
const COMPARED: usize = TIMER + 0x140;
const SHORTCUTS: usize = TIMER + 0x200;
const INTERRUPTS: usize = TIMER + 0x304;
const BIT_MODE: usize = TIMER + 0x508;
const PRESCALER: usize = TIMER + 0x510;
const COMPARE: usize = TIMER + 0x540;

/// Sets and clears outputs; row 1 of the lamps is pin 13.
const OUTPUT_SET: usize = 0x5000_0508;
const OUTPUT_CLEAR: usize = 0x5000_050C;

pub(super) fn light(on: bool) {
    // SAFETY: addresses and values of the reference manual.
    unsafe { write(if on { OUTPUT_SET } else { OUTPUT_CLEAR }, 1 << 13) };
}

pub(super) fn start(period: u32) {
    // SAFETY: addresses and values of the reference manual: 32 bits wide, at the core's clock,
    // begins again when it reaches the compared value and interrupts then, go.
    unsafe {
        write(BIT_MODE, 3);
        write(PRESCALER, 0);
        write(COMPARE, period);
        write(SHORTCUTS, 1);
        write(INTERRUPTS, 1 << 16);
        write(START, 1);
    }
}

pub(super) fn acknowledge() {
    // SAFETY: address and value of the reference manual: the event is taken note of.
    unsafe { write(COMPARED, 0) };
}
