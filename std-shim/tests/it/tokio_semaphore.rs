//! Tracked tokio semaphores: what is left in the gauge after every way to use one.

use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe, RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use fillgauge_std::channels::tokio::{
    OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
use fillgauge_std::{QueueRegistry, flush_events, track};
use tokio::runtime::Builder;

use crate::size::native_or_miri;
use crate::std_channel::until;
use crate::tokio_channel::{Chance, Task, pause, poll};

fn semaphore(permits: usize) -> Arc<Semaphore> {
    let registry = QueueRegistry::new("tokio").silent();
    let track = track("permits").capacity(permits).registry(&registry);
    Arc::new(track.semaphore())
}

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe + Debug>() {}
fn sent<T: Send>(_: T) {}

#[test]
fn the_types_are_as_free_as_those_of_tokio() {
    shared::<Semaphore>();
    shared::<SemaphorePermit<'_>>();
    shared::<OwnedSemaphorePermit>();
    let semaphore = semaphore(3);
    sent(semaphore.acquire());
    sent(semaphore.acquire_many(2));
    sent(Arc::clone(&semaphore).acquire_owned());
    sent(Arc::clone(&semaphore).acquire_many_owned(2));
}

/// The figures at rest, when there are `all` permits.
fn assert_at_rest(what: &str, semaphore: &Semaphore, all: usize) {
    let gauge = semaphore.gauge();
    let out = all - semaphore.available_permits();
    assert_eq!((gauge.depth(), gauge.capacity()), (out, all), "{what}");
    assert!(gauge.high_water() >= out, "{what}: {gauge:?}");
    if all > 0 && out >= (all * 4).div_ceil(5) {
        assert!(gauge.has_warned(), "{what}: {gauge:?}");
    }
    if out <= all / 2 && out < all {
        assert!(!gauge.has_warned(), "{what}: {gauge:?}");
    }
}

/// Every way to acquire that has an await point, and what it does with what it gets. Permits that
/// it forgets are counted in `forgotten`.
const TASKS: usize = 6;

fn task(kind: usize, semaphore: Arc<Semaphore>, forgotten: Arc<AtomicUsize>) -> Task {
    match kind {
        0 => Box::pin(async move {
            let permit = semaphore.acquire().await;
            pause().await;
            drop(permit);
        }),
        1 => Box::pin(async move {
            let permits = semaphore.acquire_many(3).await;
            pause().await;
            drop(permits);
        }),
        2 => Box::pin(async move {
            let permit = semaphore.acquire_owned().await;
            pause().await;
            drop(permit);
        }),
        3 => Box::pin(async move {
            if let Ok(mut permits) = semaphore.acquire_many_owned(3).await {
                let one = permits.split(1);
                pause().await;
                drop(permits);
                pause().await;
                drop(one);
            }
        }),
        4 => Box::pin(async move {
            if let Ok(mut permits) = semaphore.acquire_many(2).await {
                let one = permits.split(1).unwrap();
                pause().await;
                one.forget();
                forgotten.fetch_add(1, Ordering::SeqCst);
                pause().await;
                drop(permits);
            }
        }),
        _ => Box::pin(async move {
            if let Ok(permit) = semaphore.acquire_owned().await {
                pause().await;
                permit.forget();
                forgotten.fetch_add(1, Ordering::SeqCst);
            }
        }),
    }
}

#[test]
fn a_future_that_is_dropped_after_any_poll_leaves_nothing() {
    type Between = fn(usize, &Semaphore) -> isize;
    let betweens: [(&str, Between); 5] = [
        ("nothing", |_, _| 0),
        ("one is added", |_, semaphore| {
            semaphore.add_permits(1);
            1
        }),
        ("one is taken away", |_, semaphore| {
            -(semaphore.forget_permits(1) as isize)
        }),
        ("it is closed", |turn, semaphore| {
            if turn == 1 {
                semaphore.close();
            }
            0
        }),
        ("another tries", |_, semaphore| {
            drop(semaphore.try_acquire_many(2));
            0
        }),
    ];
    for (between, change) in betweens {
        for kind in 0..TASKS {
            for held in 0..=4 {
                for polls in 0..6 {
                    let what = format!("{between}: task {kind}, {held} held, {polls} polls");
                    let semaphore = semaphore(4);
                    let permits = semaphore.try_acquire_many(held).unwrap();
                    let forgotten = Arc::<AtomicUsize>::default();
                    let mut all = 4_isize;
                    let total = |all: isize| all as usize - forgotten.load(Ordering::SeqCst);
                    let mut task = task(kind, Arc::clone(&semaphore), Arc::clone(&forgotten));
                    for turn in 0..polls {
                        let is_ready = poll(&mut task);
                        assert_at_rest(&what, &semaphore, total(all));
                        all += change(turn, &semaphore);
                        assert_at_rest(&what, &semaphore, total(all));
                        if is_ready {
                            break;
                        }
                    }
                    drop(task);
                    assert_at_rest(&what, &semaphore, total(all));
                    assert_eq!(semaphore.backpressure().waiting, 0, "{what}");
                    drop(permits);
                    assert_at_rest(&what, &semaphore, total(all));
                    assert_eq!(semaphore.available_permits(), total(all), "{what}");
                }
            }
        }
    }
}

#[test]
fn every_step_of_any_history_leaves_what_the_semaphore_says() {
    for seed in 1..=native_or_miri(2_000, 3) as u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let mut all = chance.below(8);
        let semaphore = semaphore(all);
        let forgotten = Arc::<AtomicUsize>::default();
        let (mut tasks, mut permits) = (Vec::<Task>::new(), Vec::<OwnedSemaphorePermit>::new());
        let mut refused = 0;
        for step in 0..60 {
            let choice = chance.below(14);
            let what = format!("seed {seed}, step {step}: {choice}");
            match choice {
                0 => match Arc::clone(&semaphore).try_acquire_owned() {
                    Ok(permit) => permits.push(permit),
                    Err(TryAcquireError::NoPermits) => refused += 1,
                    Err(TryAcquireError::Closed) => {}
                },
                1 => match Arc::clone(&semaphore).try_acquire_many_owned(chance.below(4) as u32) {
                    Ok(permit) => permits.push(permit),
                    Err(TryAcquireError::NoPermits) => refused += 1,
                    Err(TryAcquireError::Closed) => {}
                },
                2 => {
                    let (first, second) = (semaphore.try_acquire(), semaphore.try_acquire_many(2));
                    for failed in [first.as_ref().err(), second.as_ref().err()] {
                        refused += usize::from(failed == Some(&TryAcquireError::NoPermits));
                    }
                    if let (Ok(mut first), Ok(second)) = (first, second) {
                        first.merge(second);
                        assert_eq!(first.num_permits(), 3, "{what}");
                    }
                }
                3 if permits.len() > 1 => {
                    let other = permits.swap_remove(chance.below(permits.len()));
                    permits[0].merge(other);
                }
                4 if !permits.is_empty() => {
                    let n = chance.below(3);
                    let index = chance.below(permits.len());
                    let split = permits[index].split(n);
                    permits.extend(split);
                }
                5 if !permits.is_empty() => {
                    let permit = permits.swap_remove(chance.below(permits.len()));
                    all -= permit.num_permits();
                    permit.forget();
                }
                6 if !permits.is_empty() => {
                    drop(permits.swap_remove(chance.below(permits.len())));
                }
                7 => {
                    let n = chance.below(3);
                    semaphore.add_permits(n);
                    all += n;
                }
                8 => all -= semaphore.forget_permits(chance.below(3)),
                9 => tasks.push(task(
                    chance.below(TASKS),
                    Arc::clone(&semaphore),
                    Arc::clone(&forgotten),
                )),
                10 | 11 if !tasks.is_empty() => {
                    let index = chance.below(tasks.len());
                    if poll(&mut tasks[index]) {
                        drop(tasks.swap_remove(index));
                    }
                }
                12 if !tasks.is_empty() => {
                    let index = chance.below(tasks.len());
                    drop(tasks.swap_remove(index));
                }
                13 if step > 40 && chance.below(4) == 0 => semaphore.close(),
                _ => {}
            }
            let total = all - forgotten.load(Ordering::SeqCst);
            assert_at_rest(&what, &semaphore, total);
            assert_eq!(semaphore.gauge().refused(), refused, "{what}");
        }
        tasks.clear();
        permits.clear();
        let total = all - forgotten.load(Ordering::SeqCst);
        assert_eq!(semaphore.available_permits(), total, "seed {seed}");
        assert_at_rest(&format!("seed {seed}"), &semaphore, total);
        assert_eq!(semaphore.backpressure().waiting, 0, "seed {seed}");
    }
}

#[test]
fn blocking_calls_wait_and_count() {
    type Acquire = fn(&Arc<Semaphore>) -> bool;
    let calls: [(&str, Acquire); 4] = [
        ("blocking_acquire", |semaphore| {
            semaphore.blocking_acquire().is_ok()
        }),
        ("blocking_acquire_many", |semaphore| {
            semaphore.blocking_acquire_many(1).is_ok()
        }),
        ("blocking_acquire_owned", |semaphore| {
            Arc::clone(semaphore).blocking_acquire_owned().is_ok()
        }),
        ("blocking_acquire_many_owned", |semaphore| {
            Arc::clone(semaphore).blocking_acquire_many_owned(1).is_ok()
        }),
    ];
    for (name, acquire) in calls {
        let semaphore = semaphore(1);
        assert!(acquire(&semaphore));
        assert_eq!(semaphore.backpressure().waits, 0, "{name}");
        let permit = semaphore.try_acquire().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| acquire(&semaphore));
            until("it waits", || semaphore.backpressure().waiting == 1);
            drop(permit);
            assert!(waiting.join().unwrap(), "{name}");
        });
        let after = semaphore.backpressure();
        assert_eq!((after.waiting, after.waits), (0, 1), "{name}");
        assert_at_rest(name, &semaphore, 1);
        semaphore.close();
        assert!(!acquire(&semaphore), "{name}");
        assert_eq!(semaphore.backpressure().disconnected, 1, "{name}");
    }
}

#[test]
fn a_report_reads_what_is_out_and_the_capacity() {
    let registry = QueueRegistry::new("tokio").silent();
    let track = track("permits")
        .capacity(5)
        .label("public")
        .registry(&registry);
    let semaphore = track.semaphore();
    let permits = semaphore.try_acquire_many(4).unwrap();
    assert!(semaphore.try_acquire_many(2).is_err());
    semaphore.add_permits(5);
    let report = registry.report();
    let figures = &report.gauges[0];
    assert_eq!(
        (figures.depth, figures.capacity, figures.warnings),
        (4, 10, 1)
    );
    assert_eq!(
        (figures.label.as_deref(), figures.refused),
        (Some("public"), 1)
    );
    assert!(!figures.warned, "4 of 10 are 40 %");
    drop(permits);
    drop(semaphore);
    assert!(registry.report().gauges.is_empty());
}

#[test]
fn a_runtime_that_ends_in_the_middle_leaves_nothing() {
    for round in 0..native_or_miri(40, 1) {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let semaphore = semaphore(3 + round % 4);
        let forgotten = Arc::<AtomicUsize>::default();
        let through = Arc::<AtomicUsize>::default();
        for kind in 0..4 {
            let (semaphore, forgotten) = (Arc::clone(&semaphore), Arc::clone(&forgotten));
            let through = Arc::clone(&through);
            runtime.spawn(async move {
                loop {
                    task(kind, Arc::clone(&semaphore), Arc::clone(&forgotten)).await;
                    through.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                }
            });
        }
        until("some are through", || through.load(Ordering::Relaxed) > 50);
        drop(runtime);
        assert_eq!(semaphore.available_permits(), 3 + round % 4);
        // Checks that overlapped may have left the depth of the earlier one.
        drop(semaphore.try_acquire());
        assert_at_rest(&format!("round {round}"), &semaphore, 3 + round % 4);
        assert_eq!(semaphore.backpressure().waiting, 0, "round {round}");
    }
}

/// A waker that uses the semaphore, inside the call that adds permits.
struct UseWithin(Arc<Semaphore>);

impl Wake for UseWithin {
    fn wake(self: Arc<Self>) {
        drop(self.0.try_acquire());
    }
}

#[test]
fn who_reads_while_permits_are_added_learns_nothing_wrong() {
    let semaphore = semaphore(100);
    let permits = semaphore.try_acquire_many(99).unwrap();
    let mut waiting = Box::pin(semaphore.acquire_many(2));
    let waker = Waker::from(Arc::new(UseWithin(Arc::clone(&semaphore))));
    let mut context = Context::from_waker(&waker);
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert!(semaphore.gauge().has_warned());
    // The waker finds 50 of 100 permits available, which would be a recovery.
    semaphore.add_permits(51);
    assert_eq!(semaphore.gauge().depth(), 101);
    assert!(semaphore.gauge().has_warned(), "101 of 151 are 66 %");
    drop((permits, waiting));
    assert_at_rest("at the end", &semaphore, 151);
}

/// Threads take and give back while others change the number of all permits.
#[test]
fn a_capacity_that_changes_meanwhile_leaves_nothing() {
    const ROUNDS: usize = native_or_miri(30_000, 30);
    let semaphore = semaphore(10);
    thread::scope(|scope| {
        for thread in 0..2 {
            let semaphore = &semaphore;
            scope.spawn(move || {
                let mut chance = Chance(3 + thread);
                for _ in 0..ROUNDS {
                    drop(semaphore.try_acquire_many(1 + chance.below(6) as u32));
                }
            });
            scope.spawn(move || {
                let mut chance = Chance(17 + thread);
                for _ in 0..ROUNDS {
                    let n = 1 + chance.below(4);
                    semaphore.add_permits(n);
                    let mut left = n;
                    while left > 0 {
                        left -= semaphore.forget_permits(left);
                        thread::yield_now();
                    }
                }
            });
        }
    });
    assert_eq!(semaphore.available_permits(), 10);
    assert_at_rest("at the end", &semaphore, 10);
}

/// A waker that panics while permits are added: they are there all the same.
#[test]
fn a_waker_that_panics_leaves_the_capacity_right() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor is gone");
        }
    }
    let semaphore = track("panics")
        .capacity(5)
        .registry(&QueueRegistry::new("tokio").silent())
        .semaphore();
    let all = semaphore.try_acquire_many(5).unwrap();
    let mut wait = Box::pin(semaphore.acquire());
    let waker = Waker::from(Arc::new(Panics));
    assert!(
        wait.as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    let added = panic::catch_unwind(AssertUnwindSafe(|| semaphore.add_permits(5)));
    assert!(added.is_err());
    let gauge = semaphore.gauge();
    assert_eq!((gauge.capacity(), gauge.depth()), (10, 6));
    drop((wait, all));
    assert_eq!((gauge.depth(), semaphore.available_permits()), (0, 10));
}

/// The fill never falls below the warn point: no recovery comes.
#[test]
fn permits_that_are_forgotten_make_no_false_edge() {
    let edges = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&edges);
    let semaphore = track("forgotten")
        .capacity(100)
        .registry(&QueueRegistry::new("tokio").silent())
        .sink(move |_| {
            count.fetch_add(1, Ordering::Relaxed);
        })
        .semaphore();
    let mut permits = semaphore.try_acquire_many(90).unwrap();
    assert_eq!(edges.load(Ordering::Relaxed), 1);
    thread::scope(|scope| {
        let others = scope.spawn(|| {
            for _ in 0..2_000 {
                drop(semaphore.try_acquire());
            }
        });
        while let Some(permit) = permits.split(1) {
            // 81 of 91 at the least.
            if permits.num_permits() < 81 {
                break;
            }
            permit.forget();
            thread::yield_now();
        }
        others.join().unwrap();
    });
    flush_events(Duration::from_secs(60)).unwrap();
    assert_eq!(edges.load(Ordering::Relaxed), 1);
    drop(permits);
}
