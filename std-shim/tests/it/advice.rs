//! What a report says of a limit in one sentence.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, SystemTime};

use fillgauge_std::{QueueRegistry, TrackedReceiver, chain, track, watch};

use crate::std_channel::until;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// The advice on each limit, in the order of the names.
fn advice(registry: &QueueRegistry) -> Vec<Option<String>> {
    let limits = registry.report().limits;
    limits.into_iter().map(|limit| limit.advice).collect()
}

#[test]
fn the_advice_names_the_stage_that_is_slow() {
    const STAGES: [&str; 4] = ["a", "b", "c", "d"];
    // What takes from this stage does not.
    for slow in 0..STAGES.len() {
        let registry = QueueRegistry::new("chain").silent();
        let channels = STAGES.map(|name| {
            let track = track(name).capacity(4).registry(&registry);
            track.sync_channel::<usize>()
        });
        let gauges = [0, 1, 2, 3].map(|stage: usize| channels[stage].0.gauge().clone());
        let [a, b, c, d] = &gauges;
        let _chain = chain("stages", [a, b, c, d]);
        let mut watch = watch(&registry);
        let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
        poll(0);
        let [(first, from_a), (b, from_b), (c, from_c), (d, from_d)] = channels;
        let (open, gate) = std::sync::mpsc::channel::<()>();
        thread::scope(|scope| {
            let mut gate = Some(gate);
            let stages = [
                (from_a, Some(b)),
                (from_b, Some(c)),
                (from_c, Some(d)),
                (from_d, None),
            ];
            for (stage, (receiver, sender)) in stages.into_iter().enumerate() {
                let gate = if stage == slow { gate.take() } else { None };
                scope.spawn(move || {
                    // Until it is opened, which is never: the other end goes.
                    let _ = gate.map(|gate| gate.recv());
                    let receiver: TrackedReceiver<usize> = receiver;
                    for item in receiver {
                        if let Some(sender) = &sender {
                            sender.send(item).unwrap();
                        }
                    }
                });
            }
            scope.spawn(move || (0..100).for_each(|item| first.send(item).unwrap()));
            let all_wait = || {
                let gauges = registry.report().gauges;
                let waiting = gauges.iter().filter_map(|gauge| gauge.backpressure);
                waiting.map(|held_back| held_back.waiting).sum::<usize>() == slow + 1
            };
            until("each stage before it waits", all_wait);
            thread::sleep(Duration::from_millis(50));
            poll(59);
            assert_eq!(
                advice(&registry),
                [const { None }; 4],
                "it is too early to tell"
            );
            poll(300);
            let advice = advice(&registry);
            drop(open);
            for (stage, advice) in advice.iter().enumerate() {
                let Some(advice) = advice else {
                    assert!(stage > slow, "{advice:?}");
                    continue;
                };
                assert!(stage <= slow, "of {}: {advice}", STAGES[stage]);
                assert!(
                    advice.contains("% of the last 5 minutes, producers waited "),
                    "{advice}"
                );
                let end = match STAGES.get(stage + 1) {
                    Some(next) if stage < slow => format!(": {next} behind it is full, too"),
                    _ => ": the stage behind it is slow".to_owned(),
                };
                assert!(advice.ends_with(&end), "of {}: {advice}", STAGES[stage]);
            }
        });
        poll(700);
        poll(1_400);
        assert_eq!(advice(&registry), [const { None }; 4], "it is long ago");
        drop(watch);
        assert_eq!(advice(&registry), [const { None }; 4]);
    }
}

#[test]
fn a_queue_that_is_too_large_could_be_smaller() {
    let registry = QueueRegistry::new("roomy").silent();
    let (sender, receiver) = track("jobs")
        .capacity(256)
        .registry(&registry)
        .sync_channel();
    let mut watch = watch(&registry);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    for _ in 0..300 {
        (0..12).for_each(|item| sender.send(item).unwrap());
        receiver.try_iter().for_each(drop);
    }
    poll(299);
    assert_eq!(advice(&registry), [None]);
    poll(300);
    let expected = Some("never above 12 of 256: could be 16".to_owned());
    assert_eq!(advice(&registry), [expected]);
    let table = registry.report().to_string();
    assert!(
        table.ends_with("\njobs: never above 12 of 256: could be 16\n"),
        "{table}"
    );
    (0..200).for_each(|item| sender.send(item).unwrap());
    poll(301);
    assert_eq!(advice(&registry), [None]);
}

#[test]
fn a_limit_that_refuses_is_too_small() {
    let registry = QueueRegistry::new("small").silent();
    let bytes = track("bytes").capacity(100).registry(&registry).budget();
    let mut watch = watch(&registry);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    bytes.try_reserve(101).unwrap_err();
    poll(0);
    for _ in 0..7 {
        bytes.try_reserve(101).unwrap_err();
    }
    poll(90);
    let expected = "in the last 90 s, 7 refused: too small for its peaks";
    assert_eq!(advice(&registry), [Some(expected.to_owned())]);
}

#[test]
fn stages_of_one_limit_do_not_point_at_themselves() {
    let registry = QueueRegistry::new("one limit").silent();
    let channel = || track("jobs").capacity(1).registry(&registry).sync_channel();
    let ((first, from_first), (second, from_second)) = (channel(), channel());
    let _chain = chain("twice", [first.gauge(), second.gauge()]);
    let mut watch = watch(&registry);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    first.send(0).unwrap();
    thread::scope(|scope| {
        scope.spawn(|| first.send(1).unwrap_err());
        until("it waits", || first.backpressure().waiting == 1);
        thread::sleep(Duration::from_millis(20));
        poll(300);
        let advice = advice(&registry).remove(0).unwrap();
        assert!(
            advice.ends_with(": the stage behind it is slow"),
            "{advice}"
        );
        drop(from_first);
    });
    drop((second, from_second));
}

#[test]
fn a_stage_of_another_registry_is_not_one_of_the_same_name() {
    let own = QueueRegistry::new("own").silent();
    let foreign = QueueRegistry::new("foreign").silent();
    let channel = |name, registry: &QueueRegistry| {
        let track = track(name).capacity(1).registry(registry);
        track.sync_channel()
    };
    let (parsed, from_parsed) = channel("parsed", &own);
    let (unrelated, from_unrelated) = channel("written", &own);
    let (written, _from_written) = channel("written", &foreign);
    let _chain = chain("lines", [parsed.gauge(), written.gauge()]);
    let mut watch = watch(&own);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    thread::scope(|scope| {
        for sender in [&parsed, &unrelated] {
            sender.send(0).unwrap();
            scope.spawn(|| sender.send(1).unwrap_err());
            until("it waits", || sender.backpressure().waiting == 1);
        }
        thread::sleep(Duration::from_millis(20));
        poll(300);
        for advice in advice(&own) {
            let advice = advice.unwrap();
            let is_slow = advice.ends_with(": the stage behind it is slow");
            assert!(is_slow, "{advice}");
        }
        drop((from_parsed, from_unrelated));
    });
}

#[test]
fn a_stage_that_is_full_is_named_also_if_nobody_waits_for_it() {
    let registry = QueueRegistry::new("tries").silent();
    let channel = |name| {
        let track = track(name).capacity(2).registry(&registry);
        track.sync_channel()
    };
    let ((parsed, from_parsed), (written, _from_written)) = (channel("parsed"), channel("written"));
    let _chain = chain("lines", [parsed.gauge(), written.gauge()]);
    let mut watch = watch(&registry);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    thread::scope(|scope| {
        (0..2).for_each(|item| written.send(item).unwrap());
        (0..2).for_each(|item| parsed.send(item).unwrap());
        scope.spawn(|| parsed.send(2).unwrap_err());
        until("it waits", || parsed.backpressure().waiting == 1);
        // The worker between them.
        for _ in 0..20 {
            written.try_send(7).unwrap_err();
            thread::sleep(Duration::from_millis(1));
        }
        poll(300);
        let advice: Vec<_> = advice(&registry).into_iter().flatten().collect();
        assert_eq!(advice.len(), 2);
        let ends = [
            ": written behind it is full, too",
            ", 20 refused: the stage behind it is slow",
        ];
        for (advice, end) in advice.iter().zip(ends) {
            assert!(advice.ends_with(end), "{advice}");
        }
        drop(from_parsed);
    });
}

#[test]
fn a_queue_that_nothing_is_taken_out_of_is_not_large_enough() {
    let registry = QueueRegistry::new("idle").silent();
    let channel = |name| {
        let track = track(name).capacity(10).registry(&registry);
        track.sync_channel()
    };
    let ((jobs, worker), (stuck, _hung)) = (channel("jobs"), channel("stuck"));
    let mut watch = watch(&registry);
    let mut poll = |at| watch.poll_at(seconds(at), SystemTime::now());
    poll(0);
    for sender in [&jobs, &stuck] {
        (0..9).for_each(|item| sender.send(item).unwrap());
    }
    thread::sleep(Duration::from_millis(20));
    worker.recv().unwrap();
    poll(300);
    let advice: Vec<_> = advice(&registry).into_iter().flatten().collect();
    let ends = [", and nobody waited", ", and nothing was taken out"];
    assert_eq!(advice.len(), ends.len());
    for (advice, end) in advice.iter().zip(ends) {
        assert!(
            advice.starts_with("near capacity ") && advice.ends_with(end),
            "{advice}"
        );
    }
}

#[test]
fn there_is_no_advice_to_shrink_what_is_only_polled() {
    let registry = QueueRegistry::new("polled").silent();
    let depth = Arc::new(AtomicUsize::new(0));
    let read = Arc::clone(&depth);
    let track = track("elsewhere").capacity(256).registry(&registry);
    let _elsewhere = track.polled(move || read.load(Ordering::SeqCst));
    let mut watch = watch(&registry);
    for at in 0..=600 {
        depth.store(12 * (at % 2), Ordering::SeqCst);
        watch.poll_at(seconds(at as u64), SystemTime::now());
    }
    let report = registry.report();
    assert!(report.limits[0].totals.unwrap().enqueued > 10 * 256);
    assert_eq!(report.limits[0].advice, None);
}
