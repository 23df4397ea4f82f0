//! What the firmwares share: the board, chance, and how they end.

#![no_std]

pub mod board;

use core::ops::Range;

use cortex_m_semihosting::debug;

/// Ends the run; QEMU exits with success.
pub fn succeed() -> ! {
    debug::exit(debug::EXIT_SUCCESS);
    unreachable!("a debugger that goes on after the exit")
}

/// A xorshift generator: the same numbers every run.
pub struct Random(u32);

impl Random {
    #[allow(clippy::new_without_default)] // There is but one way to begin.
    pub const fn new() -> Self {
        Self(1)
    }

    pub fn within(&mut self, range: Range<u32>) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        range.start + self.0 % (range.end - range.start)
    }
}
