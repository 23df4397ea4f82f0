//! The probe of a channel of flume that is used as it is.

use std::time::Duration;

use fillgauge_std::{flush_events, track};

use crate::probed::Edges;

const SOME_TIME: Duration = Duration::from_secs(30);

#[test]
fn it_reads_the_channel_and_keeps_no_half_of_it() {
    let edges = Edges::registry();
    let (sender, receiver) = flume::bounded(5);
    let probe = track("jobs").registry(&edges.registry).flume(&sender);
    let gauge = probe.gauge();
    let reported = || edges.registry.report().gauges[0].depth;
    assert_eq!((gauge.capacity(), sender.sender_count()), (5, 1));
    (0..4).for_each(|job| sender.send(job).unwrap());
    // A report finds what was not checked.
    assert_eq!((gauge.depth(), reported(), gauge.depth()), (0, 4, 4));
    sender.send(4).unwrap();
    probe.check_sent(&sender);
    assert_eq!((gauge.depth(), gauge.has_warned()), (5, true));
    assert_eq!(receiver.recv(), Ok(0));
    probe.check_received(&receiver);
    assert_eq!(gauge.depth(), 4);
    drop(sender);
    assert!(receiver.is_disconnected());
    assert_eq!(receiver.drain().count(), 4);
    // Without a sender only the receiver can tell.
    assert_eq!(reported(), 4);
    probe.check_received(&receiver);
    assert_eq!(reported(), 0);
    flush_events(SOME_TIME).unwrap();
    assert_eq!(edges.kinds(), Edges::UP_FULL_AND_DOWN);
}

#[test]
fn without_a_receiver_its_depth_is_0() {
    let edges = Edges::registry();
    let (sender, receiver) = flume::unbounded();
    let frames = track("frames").capacity(5).registry(&edges.registry);
    let probe = frames.flume(&sender);
    (0..7).for_each(|frame| sender.send(frame).unwrap());
    probe.check_sent(&sender);
    assert_eq!(
        (probe.gauge().depth(), probe.gauge().has_warned()),
        (7, true)
    );
    drop(receiver);
    assert_eq!(edges.registry.report().gauges[0].depth, 0);
    flush_events(SOME_TIME).unwrap();
    assert!(!probe.clone().gauge().has_warned());
    assert!(sender.send(7).is_err());
    probe.check_sent(&sender);
    assert_eq!(probe.gauge().depth(), 0);
    edges.assert_alternating();
}
