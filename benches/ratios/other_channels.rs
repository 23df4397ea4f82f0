//! Tracked channels of crossbeam-channel and async-channel against the raw ones.

use std::hint::black_box;

use fillgauge_std::channels::{async_channel as tracked_async, crossbeam as tracked_crossbeam};

use crate::compare::{Run, contender};
use crate::peers::{Counter, OneWord, TwoWords, hotpath_that_counts};

const CAPACITY: usize = 1_024;

/// Sends an item and receives it, `n` times on one thread.
macro_rules! one_at_a_time {
    ($channel:expr) => {{
        let (sender, receiver) = $channel;
        move |n| {
            for item in 0..n {
                sender.try_send(item).unwrap();
                black_box(receiver.try_recv().unwrap());
            }
        }
    }};
    ($channel:expr, $counter:expr) => {{
        let (sender, receiver) = $channel;
        let counter = $counter;
        move |n| {
            for item in 0..n {
                sender.try_send(item).unwrap();
                counter.enqueue();
                black_box(receiver.try_recv().unwrap());
                counter.dequeue();
            }
        }
    }};
}

/// The raw channel, the least that counts, and the tracked ones.
macro_rules! contenders {
    ($name:literal, $raw:expr, $tracked:expr) => {
        vec![
            contender(
                concat!($name, ", and two bare additions"),
                one_at_a_time!($raw, TwoWords::<16>::default()),
            ),
            contender(
                concat!($name, ", and two bare additions to one word"),
                one_at_a_time!($raw, OneWord::default()),
            ),
            contender($name, one_at_a_time!($raw)),
            contender("fillgauge-std", one_at_a_time!($tracked)),
            contender(
                "hotpath",
                one_at_a_time!(hotpath::channel!($raw, capacity = CAPACITY)),
            ),
        ]
    };
}

pub(crate) fn compare(run: &mut Run) {
    let _hotpath = hotpath_that_counts();
    run.time(
        "crossbeam channel of 1024, one thread, try_send + try_recv",
        100_000,
        contenders!(
            "crossbeam",
            crossbeam_channel::bounded(CAPACITY),
            tracked_crossbeam::bounded("bench", CAPACITY)
        ),
    );
    run.time(
        "async-channel of 1024, one thread, try_send + try_recv",
        100_000,
        contenders!(
            "async-channel",
            async_channel::bounded(CAPACITY),
            tracked_async::bounded("bench", CAPACITY)
        ),
    );
}
