//! Who waits for room in a channel, and for how long.
//!
//! A wait counts from its start. Nobody has to end it first: the times are sums up to the last
//! start or end, and what has passed since is added when they are read. The clock is read at the
//! starts and the ends, and by a reader while somebody waits.

use std::collections::VecDeque;
use std::mem;
use std::time::{Duration, Instant};

use crate::backpressure::Backpressure;
use crate::sync::{List, Mutex, lock, now, with_room};

/// The waits for room in one channel. Locked only by producers that have to wait anyway, and by
/// readers.
#[derive(Debug, Default)]
pub(crate) struct Waits(Mutex<State>);

/// The number of a wait.
pub(crate) type Number = usize;

#[derive(Debug, Default)]
struct State {
    /// Waits that were started. The number of the latest.
    started: Number,
    /// The waits in progress, in the order of their numbers. Some are over, but not the first.
    starts: VecDeque<Start>,
    /// How many are in progress.
    waiting: usize,
    /// How long all waits took together, until `updated`.
    waited: Duration,
    /// How long at least one was in progress, until `updated`.
    stalled: Duration,
    /// The longest wait that is over.
    longest: Duration,
    /// When a wait was last started or ended. `None` without a clock.
    updated: Option<Instant>,
}

/// A wait that was started.
#[derive(Debug)]
struct Start {
    number: Number,
    /// `None` without a clock.
    at: Option<Instant>,
    is_over: bool,
}

impl List<State> for Start {
    type Entry = Self;

    fn entries(state: &mut State) -> &mut VecDeque<Self> {
        &mut state.starts
    }

    fn is_obsolete(start: &Self) -> bool {
        start.is_over
    }
}

impl Waits {
    /// Starts a wait. Memory may be taken, while the lock is free.
    pub(crate) fn start(&self) -> Number {
        // The clock is read under the lock, so that the starts are in order.
        with_room::<Start, _, _>(&self.0, |state| state.start(now()))
    }

    pub(crate) fn end(&self, number: Number) {
        let mut state = lock(&self.0);
        let unused = state.end(number, now());
        drop(state);
        drop(unused);
    }

    /// How many were started.
    pub(crate) fn started(&self) -> usize {
        lock(&self.0).started
    }

    /// Fills in what is known of the waits.
    pub(crate) fn read(&self, backpressure: &mut Backpressure) {
        let state = lock(&self.0);
        // At rest, no clock is read.
        let now = if state.waiting > 0 { now() } else { None };
        state.read(now, backpressure);
    }
}

impl State {
    fn start(&mut self, at: Option<Instant>) -> Number {
        self.update(at);
        self.started = self.started.wrapping_add(1);
        self.waiting += 1;
        self.starts.push_back(Start {
            number: self.started,
            at,
            is_over: false,
        });
        self.started
    }

    /// Returns memory that is not needed any more.
    fn end(&mut self, number: Number, at: Option<Instant>) -> VecDeque<Start> {
        /// A list of so few is kept.
        const FEW: usize = 64;
        self.update(at);
        // They wrap, and are in order from the first on.
        let first = self.starts.front().map_or(number, |start| start.number);
        let age = |start: &Start| start.number.wrapping_sub(first);
        let place = self
            .starts
            .binary_search_by_key(&number.wrapping_sub(first), age);
        if let Some(start) = place.ok().and_then(|place| self.starts.get_mut(place)) {
            start.is_over = true;
            self.longest = self.longest.max(passed(start.at, at));
            self.waiting = self.waiting.saturating_sub(1);
        }
        while self.starts.front().is_some_and(|start| start.is_over) {
            self.starts.pop_front();
        }
        if self.starts.is_empty() && self.starts.capacity() > FEW {
            return mem::take(&mut self.starts);
        }
        VecDeque::new()
    }

    /// Adds what has passed since the last start or end.
    fn update(&mut self, at: Option<Instant>) {
        (self.waited, self.stalled) = self.times(at);
        self.updated = at;
    }

    /// How long all waits took together until `at`, and how long at least one was in progress.
    fn times(&self, at: Option<Instant>) -> (Duration, Duration) {
        if self.waiting == 0 {
            return (self.waited, self.stalled);
        }
        let passed = passed(self.updated, at);
        let waiting = u32::try_from(self.waiting).unwrap_or(u32::MAX);
        let waited = passed.saturating_mul(waiting);
        (
            self.waited.saturating_add(waited),
            self.stalled.saturating_add(passed),
        )
    }

    fn read(&self, at: Option<Instant>, backpressure: &mut Backpressure) {
        let oldest = self.starts.front();
        backpressure.waiting = self.waiting;
        backpressure.waiting_for = oldest.map_or(Duration::ZERO, |start| passed(start.at, at));
        backpressure.waits = self.started;
        (backpressure.waited, backpressure.stalled) = self.times(at);
        backpressure.longest = self.longest.max(backpressure.waiting_for);
    }
}

/// What has passed between two moments. Nothing if there is no clock.
fn passed(from: Option<Instant>, to: Option<Instant>) -> Duration {
    let both = from.zip(to);
    both.map_or(Duration::ZERO, |(from, to)| {
        to.saturating_duration_since(from)
    })
}

#[cfg(all(test, not(fillgauge_shuttle)))]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    /// A wait: when it starts, how long it takes.
    type Wait = (u64, u64);

    /// What `waits` come to at the second `now`.
    fn expected(waits: &[Wait], now: u64) -> Backpressure {
        let started = || waits.iter().filter(|(start, _)| *start <= now);
        let is_in_progress = |(start, length): &&Wait| start + length > now;
        let so_far = |(start, length): &Wait| (*length).min(now - start);
        let is_stalled = |second: &u64| {
            let mut waits = waits.iter();
            waits.any(|(start, length)| (*start..start + length).contains(second))
        };
        let seconds = Duration::from_secs;
        let in_progress = started().filter(is_in_progress);
        Backpressure {
            waiting: in_progress.clone().count(),
            waiting_for: seconds(in_progress.map(so_far).max().unwrap_or(0)),
            waits: started().count(),
            waited: seconds(started().map(so_far).sum()),
            longest: seconds(started().map(so_far).max().unwrap_or(0)),
            stalled: seconds((0..now).filter(is_stalled).count() as u64),
            ..Backpressure::default()
        }
    }

    proptest! {
        #[test]
        fn each_figure_is_that_of_all_waits_at_every_second(
            waits in vec((0_u64..60, 0_u64..40), 0..40),
        ) {
            let begin = Instant::now();
            let mut state = State::default();
            let mut numbers = vec![None; waits.len()];
            for second in 0..=100 {
                let at = Some(begin + Duration::from_secs(second));
                for (&(start, _), number) in waits.iter().zip(&mut numbers) {
                    if start == second {
                        *number = Some(state.start(at));
                    }
                }
                for (&(start, length), number) in waits.iter().zip(&numbers) {
                    if start + length == second {
                        drop(state.end(number.unwrap(), at));
                    }
                }
                let mut read = Backpressure::default();
                state.read(at, &mut read);
                prop_assert_eq!(read, expected(&waits, second));
            }
            prop_assert!(state.starts.is_empty());
        }
    }

    #[test]
    fn without_a_clock_waits_are_counted_and_take_no_time() {
        let mut state = State::default();
        let numbers = [state.start(None), state.start(None)];
        drop(state.end(numbers[1], None));
        let mut read = Backpressure::default();
        state.read(None, &mut read);
        let expected = Backpressure {
            waiting: 1,
            waits: 2,
            ..Backpressure::default()
        };
        assert_eq!(read, expected);
    }

    #[test]
    fn numbers_wrap() {
        let mut state = State {
            started: usize::MAX - 2,
            ..State::default()
        };
        let numbers: Vec<_> = (0..6).map(|_| state.start(None)).collect();
        for number in [numbers[1], numbers[4], numbers[0], numbers[5], numbers[2]] {
            drop(state.end(number, None));
        }
        assert_eq!((state.waiting, state.starts.len()), (1, 3));
        drop(state.end(numbers[3], None));
        assert_eq!((state.waiting, state.starts.len()), (0, 0));
    }

    #[test]
    fn short_waits_behind_a_long_one_take_no_more_room() {
        let waits = Waits::default();
        let long = waits.start();
        for _ in 0..10_000 {
            let short = waits.start();
            waits.end(short);
        }
        assert!(lock(&waits.0).starts.capacity() <= 16);
        waits.end(long);
        assert!(lock(&waits.0).starts.is_empty());
    }

    #[test]
    fn room_for_many_waits_is_given_back() {
        let waits = Waits::default();
        let numbers: Vec<_> = (0..1_000).map(|_| waits.start()).collect();
        assert!(lock(&waits.0).starts.capacity() >= 1_000);
        for (ended, number) in numbers.into_iter().rev().enumerate() {
            assert_eq!(lock(&waits.0).waiting, 1_000 - ended);
            waits.end(number);
        }
        assert_eq!(lock(&waits.0).starts.capacity(), 0);
    }
}
