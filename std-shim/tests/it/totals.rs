//! Totals of channels whose crates do not count.

use fillgauge_std::{QueueProbe, QueueRegistry, Track, track};

/// What went in and out, by snapshot, report and the sums of the limit.
fn totals(registry: &QueueRegistry, gauge: &QueueProbe) -> Option<(usize, usize)> {
    let of = |totals: Option<fillgauge_std::Totals>| {
        totals.map(|totals| (totals.enqueued, totals.dequeued))
    };
    let snapshot = of(gauge.snapshot().totals);
    let report = registry.report();
    assert_eq!(of(report.gauges[0].totals), snapshot);
    assert_eq!(of(report.limits[0].totals), snapshot);
    snapshot
}

fn counted(registry: &QueueRegistry) -> Track<'_> {
    track("counted").capacity(10).totals().registry(registry)
}

/// The sums of the limit keep what a channel has counted that is gone.
fn check_gone(registry: &QueueRegistry, expected: (usize, usize)) {
    let totals = registry.report().limits[0].totals.unwrap();
    assert_eq!((totals.enqueued, totals.dequeued), expected);
}

#[cfg(feature = "tokio")]
mod tokio {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};
    use std::time::Duration;

    use super::*;

    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    #[test]
    fn every_way_in_and_out_counts_each_item_once() {
        let registry = QueueRegistry::new("tokio").silent();
        let (sender, mut receiver) = counted(&registry).tokio_channel::<u8>();
        let runtime = ::tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let mut sent = 0;
        let mut sends = |n: usize, what: &str| {
            sent += n;
            let expected = Some((sent, 0));
            assert_eq!(totals(&registry, sender.gauge()), expected, "{what}");
        };
        sender.try_send(0).unwrap();
        sends(1, "try_send");
        now(sender.send(0)).unwrap();
        sends(1, "send");
        runtime
            .block_on(sender.send_timeout(0, Duration::from_secs(60)))
            .unwrap();
        sends(1, "send_timeout");
        sender.blocking_send(0).unwrap();
        sends(1, "blocking_send");
        let permit = now(sender.reserve()).unwrap();
        sends(0, "reserve");
        permit.send(0);
        sends(1, "permit");
        drop(sender.try_reserve().unwrap());
        sends(0, "a permit that is dropped");
        let owned = sender.clone().try_reserve_owned().unwrap();
        let sender_too = owned.send(0);
        sends(1, "owned permit");
        drop(sender_too);
        for permit in sender.try_reserve_many(2).unwrap() {
            permit.send(0);
        }
        sends(2, "permits");
        while sender.try_send(0).is_ok() {
            sends(1, "the rest");
        }
        sends(0, "one that is refused");

        let mut received = 0;
        let mut receives = |n: usize, what: &str| {
            received += n;
            let expected = Some((sent, received));
            assert_eq!(totals(&registry, sender.gauge()), expected, "{what}");
        };
        receiver.try_recv().unwrap();
        receives(1, "try_recv");
        now(receiver.recv()).unwrap();
        receives(1, "recv");
        let mut buffer = vec![7];
        assert_eq!(now(receiver.recv_many(&mut buffer, 2)), 2);
        receives(2, "recv_many");
        receiver.blocking_recv().unwrap();
        receives(1, "blocking_recv");
        assert_eq!(receiver.blocking_recv_many(&mut buffer, 1), 1);
        receives(1, "blocking_recv_many");
        let mut context = Context::from_waker(Waker::noop());
        assert!(receiver.poll_recv(&mut context).is_ready());
        receives(1, "poll_recv");
        assert!(
            receiver
                .poll_recv_many(&mut context, &mut buffer, 1)
                .is_ready()
        );
        receives(1, "poll_recv_many");
        let left = receiver.len();
        assert_eq!(left, 2);
        drop(receiver);
        receives(left, "what is left is lost");
        drop(sender);
        check_gone(&registry, (sent, sent));
    }

    #[test]
    fn nothing_is_counted_unless_asked_for() {
        let registry = QueueRegistry::new("tokio").silent();
        let plain = track("plain").capacity(10).registry(&registry);
        let (sender, _receiver) = plain.tokio_channel();
        sender.try_send(1).unwrap();
        assert_eq!(totals(&registry, sender.gauge()), None);
    }
}

#[cfg(feature = "crossbeam")]
#[test]
fn every_way_into_and_out_of_a_crossbeam_channel_counts() {
    use std::time::{Duration, Instant};

    use fillgauge_std::channels::crossbeam;

    let registry = QueueRegistry::new("crossbeam").silent();
    let (sender, receiver) = counted(&registry).crossbeam_channel();
    let (long, later) = (
        Duration::from_secs(60),
        Instant::now() + Duration::from_secs(60),
    );
    sender.send(0).unwrap();
    sender.try_send(0).unwrap();
    sender.send_timeout(0, long).unwrap();
    sender.send_deadline(0, later).unwrap();
    (0..6).for_each(|item| sender.send(item).unwrap());
    assert!(sender.try_send(0).is_err());
    assert_eq!(totals(&registry, sender.gauge()), Some((10, 0)));
    receiver.recv().unwrap();
    receiver.try_recv().unwrap();
    receiver.recv_timeout(long).unwrap();
    receiver.recv_deadline(later).unwrap();
    assert_eq!(receiver.iter().take(1).count(), 1);
    assert_eq!(receiver.try_iter().take(1).count(), 1);
    assert_eq!(totals(&registry, sender.gauge()), Some((10, 6)));
    crossbeam_channel::select! {
        recv(receiver) -> item => crossbeam::selected(&receiver, &item),
    }
    assert_eq!(totals(&registry, sender.gauge()), Some((10, 7)));
    crossbeam_channel::select! {
        send(sender, 0) -> sent => crossbeam::selected(&sender, &sent),
    }
    assert_eq!(totals(&registry, sender.gauge()), Some((11, 7)));
    assert_eq!(receiver.into_iter().take(1).count(), 1);
    assert_eq!(
        totals(&registry, sender.gauge()),
        Some((11, 11)),
        "the rest is lost"
    );
    crossbeam_channel::select! {
        send(sender, 0) -> sent => crossbeam::selected(&sender, &sent),
    }
    assert_eq!(totals(&registry, sender.gauge()), Some((11, 11)));
    drop(sender);
    check_gone(&registry, (11, 11));
}

#[cfg(feature = "async-channel")]
#[test]
fn every_way_into_and_out_of_an_async_channel_counts() {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn now<F: Future>(future: F) -> F::Output {
        match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("it waits"),
        }
    }

    let registry = QueueRegistry::new("async").silent();
    let (sender, receiver) = counted(&registry).async_channel();
    sender.try_send(0).unwrap();
    now(sender.send(0)).unwrap();
    sender.send_blocking(0).unwrap();
    (0..7).for_each(|item| sender.try_send(item).unwrap());
    assert!(sender.try_send(0).is_err());
    assert_eq!(totals(&registry, sender.gauge()), Some((10, 0)));
    assert!(sender.force_send(0).unwrap().is_some());
    assert_eq!(
        totals(&registry, sender.gauge()),
        Some((11, 1)),
        "one was replaced"
    );
    receiver.try_recv().unwrap();
    now(receiver.recv()).unwrap();
    receiver.recv_blocking().unwrap();
    assert_eq!(totals(&registry, sender.gauge()), Some((11, 4)));
    drop(receiver);
    assert_eq!(
        totals(&registry, sender.gauge()),
        Some((11, 11)),
        "the rest is lost"
    );
    drop(sender);
    check_gone(&registry, (11, 11));
}
