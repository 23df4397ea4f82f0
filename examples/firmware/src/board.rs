//! The two boards: a periodic timer beside the SysTick, which has an interrupt and a priority of its own.

use core::ptr;

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::scb::SystemHandler;
use cortex_m::peripheral::syst::SystClkSource;
use cortex_m::peripheral::{NVIC, Peripherals, SYST};

#[cfg_attr(armv6m, path = "board/microbit.rs")]
#[cfg_attr(not(armv6m), path = "board/lm3s6965evb.rs")]
mod timer;

pub use timer::{ACTIVE_INTERRUPT as TIMER_INTERRUPT, NAME, TICKS_PER_SECOND};

#[derive(Clone, Copy)]
struct Timer;

// SAFETY: it is the number of the interrupt line that the timer has on this board, and always the same.
unsafe impl InterruptNumber for Timer {
    fn number(self) -> u16 {
        TIMER_INTERRUPT.unsigned_abs()
    }
}

/// Of both interrupts, the timer has the higher priority and interrupts the SysTick's handler too. Periods are in ticks of
/// the core's clock.
pub fn start_interrupts(mut core: Peripherals, systick_period: u32, timer_period: u32) {
    // SAFETY: critical sections here mask all interrupts, whatever their priority.
    unsafe {
        core.SCB.set_priority(SystemHandler::SysTick, 0xC0);
        core.NVIC.set_priority(Timer, 0x40);
    }
    timer::start(timer_period);
    // SAFETY: both handlers only use what may be used from an interrupt handler.
    unsafe { NVIC::unmask(Timer) };

    start_systick(&mut core.SYST, systick_period);
}

/// The SysTick interrupts PendSV's handler too. Gives the SysTick back, to change its period.
pub fn start_nested_handlers(mut core: Peripherals, systick_period: u32) -> SYST {
    // SAFETY: critical sections here mask all interrupts, whatever their priority.
    unsafe {
        core.SCB.set_priority(SystemHandler::PendSV, 0xC0);
        core.SCB.set_priority(SystemHandler::SysTick, 0x40);
    }
    start_systick(&mut core.SYST, systick_period);
    core.SYST
}

fn start_systick(systick: &mut SYST, period: u32) {
    systick.set_clock_source(SystClkSource::Core);
    systick.set_reload(period - 1);
    systick.clear_current();
    systick.enable_counter();
    systick.enable_interrupt();
}

/// The lamp, on or off: stands for whatever a firmware does to be seen.
pub fn light(on: bool) {
    timer::light(on);
}

/// For the timer's handler: it has been served.
pub fn acknowledge_timer() {
    timer::acknowledge();
}

/// Silences both interrupts.
pub fn stop_interrupts() {
    NVIC::mask(Timer);
    // SAFETY: one bit of a register that nobody else writes any more.
    unsafe { (*SYST::PTR).csr.modify(|csr| csr & !0b10) };
}

/// Writes a register of the board at `address`.
///
/// # Safety
///
/// `address` must be that of a register for which `value` means what the caller wants.
unsafe fn write(address: usize, value: u32) {
    // SAFETY: by the contract of this function.
    unsafe { ptr::write_volatile(ptr::with_exposed_provenance_mut::<u32>(address), value) };
}
