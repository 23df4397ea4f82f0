use std::panic::{RefUnwindSafe, UnwindSafe};

use fillgauge::*;

fn shared<T: Send + Sync + Unpin + UnwindSafe + RefUnwindSafe>() {}

#[test]
fn every_public_type_may_be_shared_sent_moved_and_unwound_through() {
    shared::<Gauge>();
    shared::<GaugeConfig>();
    shared::<Limit>();
    shared::<LimitCategory>();
    shared::<LimitEvent>();
    shared::<LimitWarning>();
    shared::<QueueGauge>();
    shared::<QueueRegistry<4>>();
    shared::<QueueSnapshot>();
    shared::<RegistryFull>();
    shared::<Thresholds>();
    shared::<ThresholdsError>();
}
