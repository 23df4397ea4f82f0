//! A state of a program.

use std::hash::{Hash, Hasher};
use std::mem::take;

use fillgauge::searched::Access;
use fillgauge::{Gauge, StaticSink};

use crate::in_force::InForce;
use crate::memory::{Memory, THREADS};
use crate::program::{Choices, Program, Sink};
use crate::promises::{Broken, Promises, Request};
use crate::script::{Script, Step};
use crate::subject::Op;

/// Where a thread is.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Default)]
pub struct Thread {
    /// The operation that it is in, or that comes next.
    pub next: u8,
    /// What the accesses of the operation have returned so far, as its script numbers it.
    pub record: u32,
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

/// What does not change in a program.
#[derive(Clone, Debug)]
pub struct Setting {
    pub choices: Choices,
    pub sink: Sink,
    /// The words of the counters: enqueued, and if there are two, dequeued.
    pub counters: Vec<usize>,
    /// The words of the state, of the capacity and of the thresholds, if they can change.
    pub settings: Vec<usize>,
    /// The word that counts refusals, if there is one.
    pub refusals: Vec<usize>,
}

impl Setting {
    /// Whether an access changes a counter.
    pub fn counts(&self, word: usize, access: Access) -> bool {
        access != Access::Load && self.counters.contains(&word)
    }

    /// Whether an access changes a setting.
    pub fn sets(&self, word: usize, access: Access) -> bool {
        match self.settings[..] {
            // Nothing else that clears bits of the state.
            [state, ..] if word == state => matches!(access, Access::And(_)),
            [_, capacity, rules] => access != Access::Load && [capacity, rules].contains(&word),
            _ => false,
        }
    }

    /// Whether an access counts a refusal.
    pub fn refuses(&self, word: usize, access: Access) -> bool {
        matches!(access, Access::Add(_)) && self.refusals.contains(&word)
    }

    /// The settings that are in force, after those that were in force.
    fn in_force(&self, memory: &Memory, mut in_force: InForce) -> InForce {
        let [state, capacity, rules] = self.settings[..] else {
            return in_force;
        };
        let thresholds = Gauge::<StaticSink>::thresholds_of(memory.newest(rules));
        let number = |found: Option<usize>| {
            let number = found.expect("a setting that nobody has set");
            u8::try_from(number).expect("few choices")
        };
        in_force.capacity = number(self.choices.capacity(memory.newest(capacity)));
        in_force.thresholds = number(self.choices.thresholds(thresholds));
        in_force.clamps = Gauge::<StaticSink>::clamps(memory.newest(state));
        in_force
    }

    /// Enqueued less dequeued.
    pub fn difference(&self, memory: &Memory) -> isize {
        let mut counters = self.counters.iter().map(|word| memory.newest(*word));
        let enqueued = counters.next().unwrap_or(0);
        let dequeued = counters.next().unwrap_or(0);
        enqueued.wrapping_sub(dequeued).cast_signed()
    }
}

/// Who takes a step.
#[derive(Clone, Copy, Debug)]
pub enum By {
    /// The only thread there is.
    Alone,
    /// A thread, with one of the outcomes of the step.
    Thread(usize, usize),
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

    /// Takes a step. Returns its value.
    ///
    /// # Errors
    ///
    /// It breaks a promise.
    pub fn take(&mut self, step: Step, by: By, setting: &Setting) -> Result<usize, Broken> {
        match step {
            Step::Access(word, access, discipline) => {
                let before = setting.difference(&self.memory);
                let value = match by {
                    By::Alone => self.memory.execute_alone(word, access),
                    By::Thread(thread, outcome) => {
                        (self.memory).execute(thread, word, access, discipline, outcome)
                    }
                };
                let (promises, choices) = (&mut self.promises, &setting.choices);
                let difference = setting.difference(&self.memory);
                if setting.counts(word, access) {
                    promises.counters_differ_by(difference, choices)?;
                    if let By::Thread(thread, _) = by {
                        promises.admits(thread, before..=difference, choices)?;
                    }
                }
                if let By::Thread(thread, _) = by
                    && setting.refuses(word, access)
                {
                    let next = usize::from(self.threads[thread].next);
                    promises.refuses((thread, next), choices)?;
                }
                if setting.sets(word, access) {
                    let in_force = setting.in_force(&self.memory, promises.in_force);
                    promises.settings_are(in_force, difference, choices);
                }
                Ok(value)
            }
            Step::CallSink(event, depth) => {
                let acts = self.promises.delivers(event, depth, &setting.choices)?;
                if acts && matches!(setting.sink, Sink::DequeuesOnce(_)) {
                    self.promises.sink_dequeues_in = Some(match by {
                        By::Alone => (0, u8::MAX),
                        By::Thread(thread, _) => (thread, self.threads[thread].next),
                    });
                }
                Ok(usize::from(acts))
            }
            Step::SinkReturns => {
                self.promises.returned(&setting.choices);
                Ok(0)
            }
        }
    }

    /// How many outcomes a step has.
    pub fn outcomes(&self, step: Step, thread: usize) -> usize {
        match step {
            Step::Access(word, access, discipline) => {
                self.memory.outcomes(thread, word, access, discipline)
            }
            _ => 1,
        }
    }

    /// The operation that `thread` is in has ended.
    pub fn end_operation(&mut self, thread: usize, (number, op): (usize, Op), by_panic: bool) {
        let is_change = op.is_change();
        self.promises.requests[thread] = Request::default();
        if by_panic && matches!(op, Op::Reserve(_)) {
            self.promises.gives_back_what_panicked(number);
        }
        let thread = &mut self.threads[thread];
        thread.next += 1;
        thread.record = Script::START;
        let checks = take(&mut thread.checks);
        self.promises.ended(by_panic, checks, is_change);
    }

    /// What the program came to, whether or not the gauge was at rest on the way.
    pub fn end_hash(&self) -> u128 {
        let mut end = self.clone();
        end.promises.forget_rests();
        end.hash128()
    }

    /// Whether no operation is in progress.
    pub fn is_at_rest(&self) -> bool {
        self.threads
            .iter()
            .all(|thread| thread.record == Script::START)
    }

    /// Whether a thread has ended.
    pub fn has_ended(&self, thread: usize, program: &Program) -> bool {
        usize::from(self.threads[thread].next) == program.threads[thread].len()
    }

    /// Whether all threads have ended.
    pub fn is_end(&self, program: &Program) -> bool {
        (0..self.threads.len()).all(|thread| self.has_ended(thread, program))
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

/// Two hashes of 64 bits. Two of a million states collide by chance once in 10^26 searches.
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

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(byte.into());
    }

    fn finish(&self) -> u64 {
        self.0[0]
    }
}
