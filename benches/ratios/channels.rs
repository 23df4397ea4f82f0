//! Tracked channels against the raw one, a producer and a consumer on a thread each.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvError, SendError, SyncSender, sync_channel};
use std::thread;

use agentos_bridge::queue_tracker as original;
use fillgauge_std::{TrackedLimit, tracked_sync_channel};

use crate::compare::{Run, contender};
use crate::peers::{Counter, TwoWords};

/// Sends `n` items from a thread of its own, with `work` for each, and receives them here.
macro_rules! bulk {
    ($channel:expr, $work:expr) => {
        move |n| {
            let (sender, receiver) = $channel;
            let producer = thread::spawn(move || {
                for item in 0..n {
                    work($work);
                    sender.send(item).unwrap();
                }
            });
            for _ in 0..n {
                black_box(receiver.recv().unwrap());
                work($work);
            }
            producer.join().unwrap();
        }
    };
}

/// Sends an item and waits for its answer, `n` times, with `work` on each: each side waits for the
/// other all the time.
macro_rules! lock_step {
    ($channel:expr, $work:expr) => {
        move |n| {
            let (sender, receiver) = $channel;
            let (answer, answered) = $channel;
            let other = thread::spawn(move || {
                while let Ok(item) = receiver.recv() {
                    work($work);
                    answer.send(item).unwrap();
                }
            });
            for item in 0..n {
                sender.send(item).unwrap();
                black_box(answered.recv().unwrap());
                work($work);
            }
            drop(sender);
            other.join().unwrap();
        }
    };
}

/// Sends an item and receives it, `n` times on one thread.
macro_rules! one_at_a_time {
    ($channel:expr) => {{
        let (sender, receiver) = $channel;
        move |n| {
            for item in 0..n {
                sender.send(item).unwrap();
                black_box(receiver.recv().unwrap());
            }
        }
    }};
}

macro_rules! contenders {
    ($capacity:expr, $transfer:ident, $work:expr) => {
        vec![
            contender("std", $transfer!(sync_channel($capacity), $work)),
            contender(
                "std, and two bare additions",
                $transfer!(counted_channel($capacity), $work),
            ),
            contender(
                "fillgauge-std",
                $transfer!(
                    tracked_sync_channel(TrackedLimit::V8SessionFrames, $capacity),
                    $work
                ),
            ),
            contender(
                "original",
                $transfer!(
                    original::tracked_sync_channel(
                        original::TrackedLimit::V8SessionFrames,
                        $capacity
                    ),
                    $work
                ),
            ),
            contender(
                "hotpath",
                $transfer!(
                    hotpath::channel!(sync_channel($capacity), capacity = $capacity),
                    $work
                ),
            ),
        ]
    };
}

/// The channel of std with the least that counts: an addition on each side. A channel that is
/// tracked from outside cannot do with less.
fn counted_channel<T>(capacity: usize) -> (CountedSender<T>, CountedReceiver<T>) {
    let (sender, receiver) = sync_channel(capacity);
    let words = Arc::new(TwoWords::default());
    let sender = CountedSender(sender, Arc::clone(&words));
    (sender, CountedReceiver(receiver, words))
}

struct CountedSender<T>(SyncSender<T>, Arc<TwoWords<16>>);

impl<T> CountedSender<T> {
    #[inline]
    fn send(&self, item: T) -> Result<(), SendError<T>> {
        self.0.send(item)?;
        self.1.enqueue();
        Ok(())
    }
}

struct CountedReceiver<T>(Receiver<T>, Arc<TwoWords<16>>);

impl<T> CountedReceiver<T> {
    #[inline]
    fn recv(&self) -> Result<T, RecvError> {
        let item = self.0.recv()?;
        self.1.dequeue();
        Ok(item)
    }
}

/// Some hundred nanoseconds of arithmetic, for a `rounds` of 100.
fn work(rounds: u32) {
    let mut state = 1_u64;
    for _ in 0..rounds {
        state = black_box(
            state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1),
        );
    }
}

pub(crate) fn compare(run: &mut Run) {
    // Its cheapest mode: it counts, and reads no clock.
    let _hotpath = hotpath::HotpathGuardBuilder::new("ratios")
        .channels_time_sampling_rate(0.0)
        .format(hotpath::Format::None)
        .build();
    for capacity in [1_024, 64] {
        run.time(
            &format!("sync_channel of {capacity}, two threads, bulk"),
            100_000,
            contenders!(capacity, bulk, 0),
        );
        run.time(
            &format!("sync_channel of {capacity}, two threads, bulk, with work per item"),
            20_000,
            contenders!(capacity, bulk, 100),
        );
        run.time(
            &format!("sync_channel of {capacity}, two threads, lock-step"),
            2_000,
            contenders!(capacity, lock_step, 0),
        );
        run.time(
            &format!("sync_channel of {capacity}, two threads, lock-step, with work per item"),
            2_000,
            contenders!(capacity, lock_step, 100),
        );
    }
    run.time(
        "sync_channel of 1024, one thread, send + recv",
        100_000,
        vec![
            contender("std", one_at_a_time!(sync_channel(1_024))),
            contender(
                "std, and two bare additions",
                one_at_a_time!(counted_channel(1_024)),
            ),
            contender(
                "fillgauge-std",
                one_at_a_time!(tracked_sync_channel(TrackedLimit::V8SessionFrames, 1_024)),
            ),
            contender(
                "original",
                one_at_a_time!(original::tracked_sync_channel(
                    original::TrackedLimit::V8SessionFrames,
                    1_024
                )),
            ),
        ],
    );
}
