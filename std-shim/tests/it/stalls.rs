//! Producers that wait for a consumer that never comes: everything that is known of their wait
//! grows while it lasts, and is seen from another thread.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use fillgauge_std::{Backpressure, QueueRegistry, TrackedReceiver, track};

use crate::std_channel::until;

const MOMENT: Duration = Duration::from_millis(5);

/// What a stalled channel is: how its figures are read, how a producer waits, how it ends.
struct Stall {
    name: &'static str,
    backpressure: Box<dyn Fn() -> Backpressure>,
    /// Waits in vain, until the consumer is gone.
    wait: Arc<dyn Fn() + Send + Sync>,
    /// The consumer goes.
    end: Box<dyn FnOnce()>,
}

fn std_channel(registry: &QueueRegistry, name: &'static str, capacity: usize) -> Stall {
    let track = track(name).capacity(capacity).registry(registry);
    let (sender, receiver): (_, TrackedReceiver<usize>) = track.sync_channel();
    (0..capacity).for_each(|item| sender.send(item).unwrap());
    let producer = sender.clone();
    Stall {
        name,
        backpressure: Box::new(move || sender.backpressure()),
        wait: Arc::new(move || assert!(producer.send(9).is_err())),
        end: Box::new(move || drop(receiver)),
    }
}

#[cfg(feature = "crossbeam")]
fn crossbeam_channel(registry: &QueueRegistry, name: &'static str, capacity: usize) -> Stall {
    let track = track(name).capacity(capacity).registry(registry);
    let (sender, receiver) = track.crossbeam_channel();
    (0..capacity).for_each(|item| sender.send(item).unwrap());
    let producer = sender.clone();
    Stall {
        name,
        backpressure: Box::new(move || sender.backpressure()),
        wait: Arc::new(move || assert!(producer.send(9).is_err())),
        end: Box::new(move || drop(receiver)),
    }
}

#[cfg(feature = "async-channel")]
fn async_channel(registry: &QueueRegistry) -> Stall {
    let track = track("async-channel").capacity(1).registry(registry);
    let (sender, receiver) = track.async_channel();
    sender.try_send(0).unwrap();
    let producer = sender.clone();
    Stall {
        name: "async-channel",
        backpressure: Box::new(move || sender.backpressure()),
        wait: Arc::new(move || assert!(producer.send_blocking(9).is_err())),
        end: Box::new(move || drop(receiver)),
    }
}

#[cfg(feature = "tokio")]
fn tokio_channel(registry: &QueueRegistry) -> Stall {
    let (sender, receiver) = track("tokio")
        .capacity(1)
        .registry(registry)
        .tokio_channel();
    sender.try_send(0).unwrap();
    let producer = sender.clone();
    let runtime = tokio::runtime::Builder::new_multi_thread().build().unwrap();
    Stall {
        name: "tokio",
        backpressure: Box::new(move || sender.backpressure()),
        wait: Arc::new(move || assert!(runtime.block_on(producer.send(9)).is_err())),
        end: Box::new(move || drop(receiver)),
    }
}

#[cfg(feature = "tokio")]
fn semaphore(registry: &QueueRegistry) -> Stall {
    let track = track("semaphore").capacity(1).registry(registry);
    let semaphore = Arc::new(track.semaphore());
    let permit = Arc::clone(&semaphore).try_acquire_owned().unwrap();
    let (closing, producer) = (Arc::clone(&semaphore), Arc::clone(&semaphore));
    Stall {
        name: "semaphore",
        backpressure: Box::new(move || semaphore.backpressure()),
        wait: Arc::new(move || assert!(producer.blocking_acquire().is_err())),
        end: Box::new(move || {
            closing.close();
            drop(permit);
        }),
    }
}

fn stalls(registry: &QueueRegistry) -> Vec<Stall> {
    vec![
        std_channel(registry, "std", 4),
        std_channel(registry, "rendezvous", 0),
        #[cfg(feature = "crossbeam")]
        crossbeam_channel(registry, "crossbeam", 4),
        #[cfg(feature = "crossbeam")]
        crossbeam_channel(registry, "crossbeam rendezvous", 0),
        #[cfg(feature = "async-channel")]
        async_channel(registry),
        #[cfg(feature = "tokio")]
        tokio_channel(registry),
        #[cfg(feature = "tokio")]
        semaphore(registry),
    ]
}

#[test]
fn every_figure_of_a_wait_grows_while_it_lasts() {
    const PRODUCERS: u32 = 3;
    let registry = QueueRegistry::new("stalls").silent();
    for Stall {
        name,
        backpressure,
        wait,
        end,
    } in stalls(&registry)
    {
        let reported = || {
            let gauges = registry.report().gauges;
            let gauge = gauges.into_iter().find(|gauge| gauge.name == name);
            gauge.unwrap().backpressure.unwrap()
        };
        let of_limit = || {
            let limits = registry.report().limits;
            let limit = limits.into_iter().find(|limit| limit.name == name);
            limit.unwrap().backpressure.unwrap()
        };
        assert_eq!(backpressure(), Backpressure::default(), "{name}");
        let producers = (0..PRODUCERS).map(|_| {
            let wait = Arc::clone(&wait);
            thread::spawn(move || wait())
        });
        let producers: Vec<_> = producers.collect();
        until("all wait", || backpressure().waiting == PRODUCERS as usize);

        let mut before = backpressure();
        for read in [&*backpressure, &reported, &of_limit, &*backpressure] {
            thread::sleep(MOMENT);
            let now = read();
            assert_eq!((now.waiting, now.waits), (3, 3), "{name}");
            for (now, before) in [
                (now.waiting_for, before.waiting_for),
                (now.longest, before.longest),
                (now.stalled, before.stalled),
            ] {
                assert!(now >= before + MOMENT, "{name}: {now:?} after {before:?}");
            }
            assert!(
                now.waited >= before.waited + PRODUCERS * MOMENT,
                "{name}: {now:?}"
            );
            // The one that came first is the longest, and it alone stalls the channel.
            assert_eq!(
                (now.waiting_for, now.stalled),
                (now.longest, now.longest),
                "{name}"
            );
            assert!(now.waited <= PRODUCERS * now.longest, "{name}: {now:?}");
            before = now;
        }

        end();
        for producer in producers {
            producer.join().unwrap();
        }
        let after = backpressure();
        assert_eq!(
            (after.waiting, after.waiting_for),
            (0, Duration::ZERO),
            "{name}"
        );
        assert!(
            after.waited >= before.waited && after.longest >= before.longest,
            "{name}"
        );
        assert!(
            after.stalled >= after.longest && after.stalled <= after.waited,
            "{name}"
        );
        thread::sleep(MOMENT);
        assert_eq!(backpressure(), after, "{name}: nobody waits");
        drop(backpressure);
        drop(wait);
        let left = of_limit();
        assert_eq!(
            (left.waits, left.waited),
            (after.waits, after.waited),
            "{name}"
        );
        assert_eq!(
            (left.longest, left.stalled),
            (after.longest, after.stalled),
            "{name}"
        );
    }
    assert!(registry.report().gauges.is_empty());
}

#[cfg(feature = "async-channel")]
#[test]
fn a_wait_that_is_leaked_goes_with_its_channel() {
    let registry = QueueRegistry::new("leaked").silent();
    let track = track("leaked").capacity(1).registry(&registry);
    let (sender, receiver) = track.async_channel();
    sender.try_send(0).unwrap();
    let mut send = Box::pin(sender.send(1));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(send.as_mut().poll(&mut context).is_pending());
    std::mem::forget(send);
    let of_limit = || registry.report().limits[0].backpressure.unwrap();
    thread::sleep(MOMENT);
    assert_eq!(of_limit().waiting, 1);
    drop((sender, receiver));
    let gone = of_limit();
    assert_eq!((gone.waiting, gone.waiting_for), (0, Duration::ZERO));
    assert!(gone.waits == 1 && gone.longest >= MOMENT, "{gone:?}");
}
