use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

use fillgauge_std::*;

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}
fn sent<T: Send + Unpin>() {}

#[test]
fn every_public_type_is_as_free_as_what_it_wraps() {
    shared::<Arc<QueueGauge>>();
    shared::<Arc<Budget>>();
    shared::<Reservation<'_, Outlet>>();
    shared::<OwnedReservation>();
    shared::<QueueRegistry>();
    shared::<QueueSnapshot>();
    shared::<LimitWarning>();
    shared::<TrackedLimit>();
    shared::<Backpressure>();
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
