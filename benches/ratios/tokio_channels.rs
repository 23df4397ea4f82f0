//! Tracked tokio channels and semaphores against the raw ones.

use std::hint::black_box;

use fillgauge_std::channels::tokio as tracked;
use tokio::runtime::Builder;
use tokio::sync::{Semaphore, mpsc};

use crate::compare::{Run, contender};
use crate::peers::{Counter, TwoWords, hotpath_that_counts};

/// Sends an item and receives it, `n` times on one thread.
macro_rules! one_at_a_time {
    ($channel:expr) => {{
        let (sender, mut receiver) = $channel;
        move |n| {
            for item in 0..n {
                sender.try_send(item).unwrap();
                black_box(receiver.try_recv().unwrap());
            }
        }
    }};
}

/// Sends `n` items from one task to another, on a runtime of one thread.
macro_rules! from_task_to_task {
    ($channel:expr) => {{
        let runtime = Builder::new_current_thread().build().unwrap();
        move |n| {
            let (sender, mut receiver) = $channel;
            runtime.spawn(async move {
                for item in 0..n {
                    sender.send(item).await.unwrap();
                }
            });
            runtime.block_on(async move {
                for _ in 0..n {
                    black_box(receiver.recv().await.unwrap());
                }
            });
        }
    }};
}

/// Sends `n` items and receives each when it was sent.
macro_rules! in_one_task {
    ($channel:expr) => {{
        let (sender, mut receiver) = $channel;
        let runtime = Builder::new_current_thread().build().unwrap();
        move |n| {
            runtime.block_on(async {
                for item in 0..n {
                    sender.send(item).await.unwrap();
                    black_box(receiver.recv().await.unwrap());
                }
            });
        }
    }};
}

pub(crate) fn compare(run: &mut Run) {
    let _hotpath = hotpath_that_counts();
    let words = TwoWords::<16>::default();
    let (sender, mut receiver) = mpsc::channel(1_024);
    run.time(
        "tokio channel of 1024, one thread, try_send + try_recv",
        100_000,
        vec![
            contender("tokio, and two bare additions", |n| {
                for item in 0..n {
                    sender.try_send(item).unwrap();
                    words.enqueue();
                    black_box(receiver.try_recv().unwrap());
                    words.dequeue();
                }
            }),
            contender("tokio", one_at_a_time!(mpsc::channel(1_024))),
            contender(
                "fillgauge-std",
                one_at_a_time!(tracked::channel("try_send", 1_024)),
            ),
            contender(
                "hotpath",
                one_at_a_time!(hotpath::channel!(mpsc::channel(1_024))),
            ),
        ],
    );
    run.time(
        "tokio channel of 16, one thread, send + recv, from task to task",
        50_000,
        vec![
            contender("tokio", from_task_to_task!(mpsc::channel(16))),
            contender(
                "fillgauge-std",
                from_task_to_task!(tracked::channel("tasks", 16)),
            ),
            contender(
                "hotpath",
                from_task_to_task!(hotpath::channel!(mpsc::channel(16))),
            ),
        ],
    );
    run.time(
        "tokio channel of 16, one thread, send + recv, in one task",
        50_000,
        vec![
            contender("tokio", in_one_task!(mpsc::channel(16))),
            contender("fillgauge-std", in_one_task!(tracked::channel("task", 16))),
            contender(
                "hotpath",
                in_one_task!(hotpath::channel!(mpsc::channel(16))),
            ),
        ],
    );
    let semaphore = Semaphore::new(1_024);
    let counted = tracked::Semaphore::new("permits", 1_024);
    run.time(
        "tokio semaphore, one thread, try_acquire + drop",
        100_000,
        vec![
            contender("tokio, and two bare additions", |n| {
                for _ in 0..n {
                    let permit = semaphore.try_acquire().unwrap();
                    words.enqueue();
                    drop(black_box(permit));
                    words.dequeue();
                }
            }),
            contender("tokio", |n| {
                for _ in 0..n {
                    drop(black_box(semaphore.try_acquire().unwrap()));
                }
            }),
            contender("fillgauge-std", |n| {
                for _ in 0..n {
                    drop(black_box(counted.try_acquire().unwrap()));
                }
            }),
        ],
    );
}
