//! A state of a program.

use std::hash::{Hash, Hasher};

use crate::memory::{Memory, THREADS};
use crate::program::Program;
use crate::promises::Promises;

/// Where a thread is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Thread {
    /// The operation that it is in, or that comes next.
    pub next: u8,
    /// What the accesses of the operation have returned so far.
    pub record: Vec<usize>,
    /// The operation started after a panic, so it checks what that left.
    pub checks: bool,
}

/// The memory, where each thread is, and what the promises need to know of the past.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub memory: Memory,
    pub threads: Vec<Thread>,
    pub promises: Promises,
}

impl State {
    pub fn new(program: &Program) -> Self {
        Self {
            memory: Memory::default(),
            threads: vec![Thread::default(); program.threads.len()],
            promises: Promises::new(program),
        }
    }

    pub fn hash128(&self) -> u128 {
        let mut hasher = TwoLanes([0x9E37_79B9_7F4A_7C15, 0xC2B2_AE3D_27D4_EB4F]);
        self.hash(&mut hasher);
        u128::from(hasher.0[0]) << 64 | u128::from(hasher.0[1])
    }

    /// What the program came to, whether or not the gauge was at rest on the way.
    pub fn end_hash(&self) -> u128 {
        let mut end = self.clone();
        end.promises.forget_rests();
        end.hash128()
    }

    /// Whether no operation is in progress.
    pub fn is_at_rest(&self) -> bool {
        self.threads.iter().all(|thread| thread.record.is_empty())
    }

    /// Whether all threads have ended.
    pub fn is_end(&self, program: &Program) -> bool {
        (self.threads.iter().zip(&program.threads))
            .all(|(thread, ops)| usize::from(thread.next) == ops.len())
    }

    /// How many operations each thread has recorded.
    pub fn recorded(&self) -> [u8; THREADS] {
        let mut recorded = [0; THREADS];
        for (recorded, thread) in recorded.iter_mut().zip(&self.threads) {
            *recorded = thread.next;
        }
        recorded
    }
}

/// Two hashes of 64 bits: of a million states two collide once in 10^26 searches.
struct TwoLanes([u64; 2]);

impl TwoLanes {
    fn fold(lane: u64, word: u64, factor: u64) -> u64 {
        let product = u128::from(lane ^ word) * u128::from(factor);
        (product as u64) ^ (product >> 64) as u64 ^ lane.rotate_left(29)
    }
}

impl Hasher for TwoLanes {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_ne_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0[0] = Self::fold(self.0[0], word, 0xD6E8_FEB8_6659_FD93);
        self.0[1] = Self::fold(self.0[1], word, 0xA076_1D64_78BD_642F);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0[0]
    }
}
