//! Tracked tokio channels as streams and sinks: what is left in the gauge in every state.

use std::future::poll_fn;
use std::panic::{self, AssertUnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use fillgauge_std::channels::tokio::{PollSendError, PollSender, Receiver, ReceiverStream, Sender};
use futures_lite::{Stream, StreamExt, future::block_on};
use futures_sink::Sink;
use tokio::runtime::Builder;

use crate::size::native_or_miri;
use crate::tokio_channel::{Chance, assert_at_rest, channel};

type Polled = Poll<Result<(), PollSendError<usize>>>;

fn poll_reserve(sender: &mut PollSender<usize>) -> Polled {
    sender.poll_reserve(&mut Context::from_waker(Waker::noop()))
}

fn reserve(sender: &mut PollSender<usize>) {
    assert_eq!(poll_reserve(sender), Poll::Ready(Ok(())));
}

/// What a sender is in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum State {
    Idle,
    Waiting,
    /// It waited, and the slot is handed to it, but it was not polled since.
    Handed,
    Reserved,
    Sent,
    Closed,
    ReservedAndClosed,
    FoundClosed,
}

const STATES: [State; 8] = [
    State::Idle,
    State::Waiting,
    State::Handed,
    State::Reserved,
    State::Sent,
    State::Closed,
    State::ReservedAndClosed,
    State::FoundClosed,
];

/// What is done to it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Action {
    Drop,
    Abort,
    Close,
    CloseAndAbort,
    Clone,
    PollReserve,
    SendItem,
    CloseReceiver,
    DropReceiver,
    DropOtherSenders,
}

const ACTIONS: [Action; 10] = [
    Action::Drop,
    Action::Abort,
    Action::Close,
    Action::CloseAndAbort,
    Action::Clone,
    Action::PollReserve,
    Action::SendItem,
    Action::CloseReceiver,
    Action::DropReceiver,
    Action::DropOtherSenders,
];

const CAPACITY: usize = 2;

/// A sender in this state, the only one but for the first of the tuple.
fn sender_in(state: State) -> (Sender<usize>, PollSender<usize>, Receiver<usize>) {
    let (sender, mut receiver) = channel(CAPACITY);
    let mut polled = PollSender::new(sender.clone());
    match state {
        State::Idle => {}
        State::Waiting | State::Handed => {
            (0..CAPACITY).for_each(|item| sender.try_send(item).unwrap());
            assert_eq!(poll_reserve(&mut polled), Poll::Pending);
            assert_eq!(poll_reserve(&mut polled), Poll::Pending);
            if state == State::Handed {
                assert_eq!(receiver.try_recv(), Ok(0));
                assert_eq!(sender.gauge().depth(), CAPACITY, "it is handed over");
            }
        }
        State::Reserved | State::ReservedAndClosed => {
            reserve(&mut polled);
            reserve(&mut polled);
            if state == State::ReservedAndClosed {
                polled.close();
                assert_eq!(poll_reserve(&mut polled), Poll::Ready(Ok(())));
            }
            assert_eq!((sender.gauge().depth(), receiver.len()), (1, 0));
        }
        State::Sent => {
            reserve(&mut polled);
            polled.send_item(9).unwrap();
        }
        State::Closed => polled.close(),
        State::FoundClosed => {
            receiver.close();
            let error = poll_reserve(&mut polled);
            assert!(matches!(error, Poll::Ready(Err(error)) if error.is_closed()));
            assert_eq!(sender.backpressure().disconnected, 1);
        }
    }
    (sender, polled, receiver)
}

/// Whether an item can be sent in this state, without a poll.
fn has_slot(state: State) -> bool {
    matches!(state, State::Reserved | State::ReservedAndClosed)
}

fn is_closed(state: State) -> bool {
    matches!(
        state,
        State::Closed | State::ReservedAndClosed | State::FoundClosed
    )
}

#[test]
fn nothing_is_left_behind_whatever_is_done_in_any_state() {
    use Action::*;
    for state in STATES {
        for action in ACTIONS {
            let what = format!("{state:?}, {action:?}");
            let (sender, mut polled, receiver) = sender_in(state);
            let gauge = Arc::clone(sender.gauge());
            let (mut sender, mut receiver) = (Some(sender), Some(receiver));
            assert_eq!(polled.is_closed(), is_closed(state), "{what}");
            assert_eq!(polled.get_ref().is_none(), is_closed(state), "{what}");
            let (had, before) = (has_slot(state), gauge.depth());
            let waited = usize::from(matches!(state, State::Waiting | State::Handed));
            assert_eq!(gauge.backpressure().waiting, waited, "{what}");
            let mut polled = match action {
                Drop => {
                    drop(polled);
                    None
                }
                Abort | Close | CloseAndAbort => {
                    if action != Abort {
                        polled.close();
                        assert!(polled.is_closed(), "{what}");
                    }
                    if action == Close {
                        let left = before - usize::from(state == State::Handed);
                        assert_eq!(gauge.depth(), left, "{what}");
                    } else {
                        let has = had || (action == Abort && waited > 0);
                        assert_eq!(polled.abort_send(), has, "{what}");
                        assert!(!polled.abort_send(), "{what}");
                    }
                    Some(polled)
                }
                Clone => {
                    let mut other = polled.clone();
                    assert_eq!(other.is_closed(), is_closed(state), "{what}");
                    assert!(!other.abort_send(), "{what}");
                    assert_eq!(gauge.depth(), before, "{what}");
                    let is_open = !is_closed(state) && waited == 0;
                    let is_reserved = matches!(poll_reserve(&mut other), Poll::Ready(Ok(())));
                    assert_eq!(is_reserved, is_open, "{what}");
                    drop(other);
                    assert_eq!(gauge.depth(), before, "{what}");
                    Some(polled)
                }
                PollReserve => {
                    let is_reserved = matches!(poll_reserve(&mut polled), Poll::Ready(Ok(())));
                    let is_open = !is_closed(state) && state != State::Waiting;
                    assert_eq!(is_reserved, had || is_open, "{what}");
                    Some(polled)
                }
                SendItem => {
                    let sent = polled.send_item(7);
                    if let Err(error) = sent {
                        assert_eq!(error.is_closed(), is_closed(state), "{what}");
                        assert_eq!(error.into_inner(), Some(7), "{what}");
                    }
                    assert_eq!(sent.is_ok(), had, "{what}");
                    assert_eq!(gauge.depth(), before, "{what}");
                    assert!(polled.send_item(8).is_err(), "{what}");
                    // It waits on.
                    assert_eq!(gauge.backpressure().waiting, waited, "{what}");
                    Some(polled)
                }
                CloseReceiver | DropReceiver => {
                    if action == CloseReceiver {
                        receiver.iter_mut().for_each(Receiver::close);
                    } else {
                        receiver = None;
                    }
                    let is_reserved = matches!(poll_reserve(&mut polled), Poll::Ready(Ok(())));
                    // A slot that was handed over is an error once the channel is closed.
                    assert_eq!(is_reserved, had, "{what}");
                    let sent = polled.send_item(7);
                    assert_eq!(sent.is_ok(), had, "{what}");
                    assert!(matches!(poll_reserve(&mut polled), Poll::Ready(Err(_))));
                    assert!(polled.is_closed(), "{what}");
                    Some(polled)
                }
                DropOtherSenders => {
                    sender = None;
                    Some(polled)
                }
            };
            if let Some(sender) = &sender {
                assert_at_rest(&what, sender, receiver.is_some());
            }
            drop(polled.take());
            assert_eq!(gauge.backpressure().waiting, 0, "{what}");
            let is_counted = gauge.backpressure().waits >= waited;
            assert!(is_counted, "{what}");
            assert_eq!(gauge.refused(), 0, "{what}");
            if let Some(receiver) = &mut receiver {
                assert_eq!(gauge.depth(), receiver.len(), "{what}");
                while receiver.try_recv().is_ok() {}
                assert_eq!(receiver.capacity(), CAPACITY, "{what}");
            }
            assert_eq!((gauge.depth(), gauge.has_warned()), (0, false), "{what}");
            drop(receiver);
            if let Some(sender) = &sender {
                assert_at_rest(&what, sender, false);
                assert_eq!(sender.strong_count(), 1, "{what}");
            }
        }
    }
}

/// What frees a slot wakes the sender that waits for it. A waker that panics there must leave
/// neither a wait nor a slot.
#[test]
fn a_waker_that_panics_leaves_no_wait_and_no_slot() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("the executor is gone");
        }
    }
    type Free = fn(&mut Option<PollSender<usize>>, &mut Option<Receiver<usize>>);
    let calls: [(&str, Free); 5] = [
        ("try_recv", |_, receiver| {
            let _ = receiver.as_mut().unwrap().try_recv();
        }),
        ("receiver", |_, receiver| drop(receiver.take())),
        ("close of the receiver", |_, receiver| {
            receiver.as_mut().unwrap().close();
        }),
        ("abort_send", |holder, _| {
            holder.as_mut().unwrap().abort_send();
        }),
        ("drop", |holder, _| drop(holder.take())),
    ];
    let waker = Waker::from(Arc::new(Panics));
    for (name, free) in calls {
        let (sender, receiver) = channel(2);
        let gauge = Arc::clone(sender.gauge());
        let mut holder = PollSender::new(sender.clone());
        sender.try_send(1).unwrap();
        reserve(&mut holder);
        let mut waiting = PollSender::new(sender.clone());
        let polled = waiting.poll_reserve(&mut Context::from_waker(&waker));
        assert!(polled.is_pending() && gauge.backpressure().waiting == 1);

        let (mut holder, mut receiver) = (Some(holder), Some(receiver));
        let freed = panic::catch_unwind(AssertUnwindSafe(|| free(&mut holder, &mut receiver)));
        assert!(freed.is_err(), "{name}: the waker was not woken");
        assert_at_rest(name, &sender, receiver.is_some());
        // The slot is there for the one that waited, unless the channel is closed.
        let is_open = !sender.is_closed();
        let polled = poll_reserve(&mut waiting);
        assert!(matches!(polled, Poll::Ready(reserved) if reserved.is_ok() == is_open));
        assert_eq!(waiting.send_item(3).is_ok(), is_open, "{name}");
        assert_eq!(gauge.backpressure().waiting, 0, "{name}");
        drop((waiting, holder));
        assert_at_rest(name, &sender, receiver.is_some());
        if let Some(receiver) = &mut receiver {
            while receiver.try_recv().is_ok() {}
        }
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false), "{name}");
    }
}

#[test]
fn a_sink_and_a_stream_pass_all_items_in_order() {
    const ITEMS: usize = native_or_miri(20_000, 30);
    for capacity in [1, 3, 16] {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .build()
            .unwrap();
        let (sender, receiver) = channel(capacity);
        let gauge = Arc::clone(sender.gauge());
        let mut sink = PollSender::new(sender);
        let mut stream = ReceiverStream::new(receiver);
        runtime.spawn(async move {
            for item in 0..ITEMS {
                poll_fn(|context| Pin::new(&mut sink).poll_ready(context))
                    .await
                    .unwrap();
                Pin::new(&mut sink).start_send(item).unwrap();
                poll_fn(|context| Pin::new(&mut sink).poll_flush(context))
                    .await
                    .unwrap();
            }
            poll_fn(|context| Pin::new(&mut sink).poll_close(context))
                .await
                .unwrap();
            assert!(sink.is_closed() && Pin::new(&mut sink).start_send(0).is_err());
        });
        let items = runtime.block_on(async {
            let mut items = Vec::new();
            while let Some(item) = stream.next().await {
                items.push(item);
            }
            items
        });
        assert!(items.into_iter().eq(0..ITEMS));
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
        let after = gauge.backpressure();
        assert_eq!(
            (after.waiting, after.refused, after.disconnected),
            (0, 0, 0)
        );
        assert!((1..=capacity).contains(&gauge.high_water()), "{gauge:?}");
    }
}

#[derive(Default)]
struct CountWakes(AtomicUsize);

impl Wake for CountWakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_sender_that_waits_is_woken_once_and_in_turn() {
    let (sender, mut receiver) = channel(1);
    sender.try_send(0).unwrap();
    let mut senders = [(), (), ()].map(|()| PollSender::new(sender.clone()));
    let wakes = [(); 3].map(|()| Arc::new(CountWakes::default()));
    for (sender, wakes) in senders.iter_mut().zip(&wakes) {
        let waker = Waker::from(Arc::clone(wakes));
        let mut context = Context::from_waker(&waker);
        assert_eq!(sender.poll_reserve(&mut context), Poll::Pending);
    }
    assert_eq!(sender.backpressure().waiting, 3);
    let woken = || wakes.each_ref().map(|wakes| wakes.0.load(Ordering::SeqCst));
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!(woken(), [1, 0, 0]);
    assert!(senders[0].abort_send(), "the slot goes to the next");
    assert_eq!(woken(), [1, 1, 0]);
    assert_eq!((sender.gauge().depth(), sender.capacity()), (1, 0));
    reserve(&mut senders[1]);
    senders[1].send_item(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(woken(), [1, 1, 1]);
    drop(senders);
    assert_at_rest("after all", &sender, true);
    let after = sender.backpressure();
    assert_eq!((after.waiting, after.waits), (0, 3));
}

#[test]
fn a_sender_takes_its_turn_and_that_is_no_wait() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let (sender, mut receiver) = channel(1_000);
    let pending = runtime.block_on(async {
        let mut sender = PollSender::new(sender.clone());
        let mut pending = 0;
        for item in 0..1_000 {
            poll_fn(|context| {
                let polled = sender.poll_reserve(context);
                pending += usize::from(polled.is_pending());
                polled
            })
            .await
            .unwrap();
            sender.send_item(item).unwrap();
        }
        pending
    });
    assert!(pending > 0, "the budget of a task ends");
    assert_eq!(sender.backpressure().waits, 0);
    while receiver.try_recv().is_ok() {}
    assert_at_rest("after it", &sender, true);
}

#[test]
fn a_stream_is_the_receiver() {
    let (sender, receiver) = channel(4);
    let mut stream = ReceiverStream::from(receiver);
    assert_eq!(stream.size_hint(), (0, None));
    sender.try_send(0).unwrap();
    sender.try_send(1).unwrap();
    let permit = sender.try_reserve().unwrap();
    assert_eq!(stream.size_hint(), (2, None));
    stream.close();
    assert_eq!(stream.size_hint(), (2, Some(3)));
    assert_eq!(block_on(stream.next()), Some(0));
    assert_eq!((sender.gauge().depth(), stream.as_ref().len()), (2, 1));
    assert_eq!(stream.as_mut().try_recv(), Ok(1));
    permit.send(2);
    assert_eq!(block_on(stream.next()), Some(2));
    assert_eq!(block_on(stream.next()), None);
    assert_eq!(stream.size_hint(), (0, Some(0)));
    assert_at_rest("after all", &sender, true);
    let receiver = stream.into_inner();
    assert!(receiver.is_closed());
    drop(ReceiverStream::new(receiver));
    assert_at_rest("the stream is gone", &sender, false);
}

#[test]
fn every_step_of_any_history_of_polled_senders_leaves_what_the_channel_says() {
    for seed in 1..=native_or_miri(2_000, 3) as u64 {
        let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
        let (sender, receiver) = channel::<usize>(1 + chance.below(4));
        let mut receiver = Some(receiver);
        let mut senders = vec![PollSender::new(sender.clone())];
        for step in 0..80 {
            let choice = chance.below(12);
            let index = chance.below(senders.len());
            match choice {
                0..=3 => drop(poll_reserve(&mut senders[index])),
                4..=5 => drop(senders[index].send_item(step)),
                6 => drop(senders[index].abort_send()),
                7 if senders.len() < 6 => senders.push(senders[index].clone()),
                8 if senders.len() > 1 => drop(senders.swap_remove(index)),
                9 if chance.below(4) == 0 => {
                    senders[index].close();
                    senders.push(PollSender::new(sender.clone()));
                }
                10 | 11 => drop(receiver.as_mut().map(Receiver::try_recv)),
                _ if step > 60 && chance.below(4) == 0 => drop(receiver.take()),
                _ => {}
            }
            let what = format!("seed {seed}, step {step}: {choice}");
            assert_at_rest(&what, &sender, receiver.is_some());
        }
        drop(senders);
        assert_at_rest(&format!("seed {seed}"), &sender, receiver.is_some());
        if let Some(receiver) = &mut receiver {
            assert_eq!(sender.gauge().depth(), receiver.len(), "seed {seed}");
        }
        let after = sender.backpressure();
        assert_eq!((after.waiting, after.refused), (0, 0), "seed {seed}");
        drop(receiver);
        assert_at_rest(&format!("seed {seed}"), &sender, false);
    }
}
