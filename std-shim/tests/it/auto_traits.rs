use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use fillgauge_std::*;

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn sent<T: Send + Unpin>() {}

/// Sent, but not shared: what the items of a channel may be.
#[cfg(any(feature = "async-channel", feature = "crossbeam", feature = "tokio"))]
type Item = std::cell::Cell<u8>;

#[test]
fn every_public_type_is_as_free_as_what_it_wraps() {
    shared::<Arc<QueueGauge>>();
    shared::<Arc<Budget>>();
    shared::<Reservation<'_, Outlet>>();
    shared::<OwnedReservation>();
    shared::<Arc<QueueProbe>>();
    shared::<QueueRegistry>();
    shared::<QueueSnapshot>();
    shared::<LimitWarning>();
    shared::<TrackedLimit>();
    shared::<Backpressure>();
    shared::<Report>();
    shared::<Episode>();
    shared::<Pressure>();
    shared::<PressureMeter>();
    shared::<Chain>();
    shared::<Outlet>();
    shared::<Track>();
    shared::<LogLimit>();
    shared::<FlushTimeout>();
    #[cfg(feature = "edge-waiter")]
    shared::<Waiter>();
    shared::<Watch>();
    shared::<Watching>();
    shared::<DrainEvent>();
    shared::<TrackedSyncSender<u8>>();
    sent::<TrackedReceiver<u8>>();
    sent::<channels::std::IntoIter<u8>>();
}

#[cfg(feature = "tokio")]
#[test]
fn every_type_of_tokio_channels_is_as_free_as_what_it_wraps() {
    use channels::tokio::*;

    shared::<Sender<Item>>();
    shared::<WeakSender<Item>>();
    shared::<Receiver<Item>>();
    shared::<Permit<'_, Item>>();
    shared::<OwnedPermit<Item>>();
    shared::<PermitIterator<'_, Item>>();
    shared::<PollSender<Item>>();
    sent::<PollSendError<Item>>();
    shared::<PollSendError<u8>>();
    shared::<ReceiverStream<Item>>();
    shared::<Semaphore>();
    shared::<SemaphorePermit<'_>>();
    shared::<OwnedSemaphorePermit>();
}

#[cfg(feature = "crossbeam")]
#[test]
fn every_type_of_crossbeam_channels_is_as_free_as_what_it_wraps() {
    use channels::crossbeam::*;

    shared::<Sender<Item>>();
    shared::<Receiver<Item>>();
    shared::<Iter<'_, Item>>();
    shared::<TryIter<'_, Item>>();
    shared::<IntoIter<Item>>();
}

#[cfg(feature = "async-channel")]
fn pinned<T: Send + Sync + UnwindSafe + RefUnwindSafe>() {}

#[cfg(feature = "async-channel")]
#[test]
fn every_type_of_async_channels_is_as_free_as_what_it_wraps() {
    use channels::async_channel as tracked;

    shared::<tracked::Sender<Item>>();
    shared::<tracked::WeakSender<Item>>();
    shared::<tracked::WeakReceiver<Item>>();
    // Pinned, as those of async-channel.
    pinned::<tracked::Receiver<Item>>();
    pinned::<tracked::Send<'_, u8>>();
    pinned::<tracked::Recv<'_, Item>>();
}

#[cfg(feature = "flume")]
#[test]
fn the_probe_of_flume_is_free() {
    shared::<channels::flume::FlumeProbe>();
}
