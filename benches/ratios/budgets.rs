//! A limit that is enforced, on one thread and on two.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use fillgauge::{Budget, Limit};
use fillgauge_std::track;
use tokio::sync::Semaphore;

use crate::compare::{Contender, Run, contender, timed_by_itself};

const OPERATIONS: usize = 200_000;
/// So far from the thresholds that no request comes near.
const CAPACITY: usize = 1_000;

/// Takes one, if it fits, and gives it back.
trait Limited: Sync {
    fn take_and_give_back(&self);
}

impl Limited for Budget {
    fn take_and_give_back(&self) {
        drop(black_box(self.try_reserve(1)));
    }
}

impl Limited for Arc<fillgauge_std::Budget> {
    fn take_and_give_back(&self) {
        drop(black_box(self.try_reserve(1)));
    }
}

/// What goes into a task.
struct Owned<T>(Arc<T>);

impl Limited for Owned<fillgauge_std::Budget> {
    fn take_and_give_back(&self) {
        drop(black_box(self.0.try_reserve_owned(1)));
    }
}

impl Limited for Owned<Semaphore> {
    fn take_and_give_back(&self) {
        drop(black_box(Arc::clone(&self.0).try_acquire_owned()));
    }
}

impl Limited for Semaphore {
    fn take_and_give_back(&self) {
        drop(black_box(self.try_acquire()));
    }
}

/// What admits exactly, and does nothing else.
#[derive(Default)]
struct CompareAndSwap {
    used: AtomicUsize,
}

impl Limited for CompareAndSwap {
    fn take_and_give_back(&self) {
        let mut used = self.used.load(SeqCst);
        while black_box(used < CAPACITY) {
            match self.used.compare_exchange(used, used + 1, SeqCst, SeqCst) {
                Ok(_) => {
                    self.used.fetch_sub(1, SeqCst);
                    return;
                }
                Err(now) => used = now,
            }
        }
    }
}

/// One word, which counts and admits all.
#[derive(Default)]
struct Counts {
    used: AtomicUsize,
}

impl Limited for Counts {
    fn take_and_give_back(&self) {
        black_box(self.used.fetch_add(1, SeqCst));
        self.used.fetch_sub(1, SeqCst);
    }
}

fn budget() -> Budget {
    static PERMITS: Limit = Limit::resource("permits");
    Budget::new(&PERMITS, CAPACITY)
}

fn registered() -> Arc<fillgauge_std::Budget> {
    track("permits").capacity(CAPACITY).budget()
}

pub(crate) fn compare(run: &mut Run) {
    run.time(
        "reserve + release, one thread",
        OPERATIONS,
        vec![
            one_thread("compare and swap", CompareAndSwap::default()),
            one_thread("one bare word", Counts::default()),
            one_thread("fillgauge", budget()),
            one_thread("fillgauge-std", registered()),
            one_thread("tokio's Semaphore", Semaphore::new(CAPACITY)),
        ],
    );
    run.time(
        "reserve + release, owned, one thread",
        OPERATIONS,
        vec![
            one_thread("fillgauge-std", Owned(registered())),
            one_thread(
                "tokio's Semaphore",
                Owned(Arc::new(Semaphore::new(CAPACITY))),
            ),
        ],
    );
    run.time(
        "reserve + release, two threads that each do both",
        OPERATIONS,
        vec![
            two_threads("compare and swap", CompareAndSwap::default()),
            two_threads("one bare word", Counts::default()),
            two_threads("fillgauge", budget()),
            two_threads("tokio's Semaphore", Semaphore::new(CAPACITY)),
        ],
    );
}

fn one_thread<'a>(name: &str, limited: impl Limited + 'a) -> Contender<'a> {
    contender(name, move |n| {
        (0..n).for_each(|_| limited.take_and_give_back())
    })
}

/// The time until both threads have done all of theirs.
fn two_threads<'a>(name: &str, limited: impl Limited + 'a) -> Contender<'a> {
    timed_by_itself(name, move |n| {
        let barrier = Barrier::new(2);
        let work = || {
            barrier.wait();
            let start = Instant::now();
            (0..n).for_each(|_| limited.take_and_give_back());
            start.elapsed()
        };
        let times: [Duration; 2] = thread::scope(|scope| {
            [scope.spawn(work), scope.spawn(work)].map(|thread| thread.join().unwrap())
        });
        times.into_iter().max().unwrap()
    })
}
