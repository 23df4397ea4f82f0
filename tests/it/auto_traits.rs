use std::panic::{RefUnwindSafe, UnwindSafe};

use fillgauge::*;

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn every_public_type_may_be_shared_sent_moved_and_unwound_through() {
    shared::<Budget>();
    shared::<BudgetHandle>();
    shared::<Deferred<'_>>();
    shared::<Drain>();
    shared::<DrainWatch>();
    shared::<Edge>();
    shared::<Gauge>();
    shared::<GaugeConfig>();
    shared::<GaugeConfig<WithSink>>();
    shared::<Hold<'_>>();
    shared::<Limit>();
    shared::<LimitCategory>();
    shared::<LimitEvent>();
    shared::<LimitExceeded>();
    shared::<LimitWarning>();
    shared::<Places<'_>>();
    shared::<Preset>();
    shared::<Probe>();
    shared::<QueueGauge>();
    shared::<QueueRegistry<4>>();
    shared::<QueueSnapshot>();
    shared::<RegistryFull>();
    shared::<Reservation<'_>>();
    shared::<Snapshots<'_>>();
    shared::<StaticSink>();
    shared::<Tee>();
    shared::<Thresholds>();
    shared::<ThresholdsError>();
    shared::<Totals>();
    shared::<WindowPeaks<2>>();
}

#[cfg(feature = "defmt")]
#[test]
fn the_sink_for_defmt_too() {
    shared::<DefmtSink>();
}

#[cfg(feature = "event-log")]
#[test]
fn the_log_too() {
    fn between_threads<T: Send + Sync + Unpin>() {}
    between_threads::<EventLog<4>>();
    shared::<LogEntry>();
}

#[cfg(feature = "heapless")]
#[test]
fn tracked_queues_too_and_their_ends_go_to_another_thread() {
    fn sent<T: Send + Unpin>() {}
    shared::<queues::heapless::SpscGauge<4>>();
    shared::<queues::heapless::SnapshotTruncated>();
    sent::<queues::heapless::TrackedProducer<'_, u8>>();
    sent::<queues::heapless::TrackedConsumer<'_, u8>>();
}

#[cfg(feature = "edge-waiter")]
#[test]
fn the_waiter_too() {
    shared::<EdgeWaiter>();
    fn sent<T: Send + Sync + Unpin>() {}
    sent::<Waiter<'_>>();
}
