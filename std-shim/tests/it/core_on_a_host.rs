//! What the feature `std` of the core brings to a host.

use fillgauge::{EventLog, Gauge, LogEntry};
use fillgauge_std::TrackedLimit;

/// The log asks for a critical section. Nothing but that feature gives one here: without it, this
/// does not link.
#[test]
fn an_event_log_has_a_critical_section() {
    static LOG: EventLog<2> = EventLog::new();
    let gauge = Gauge::new(TrackedLimit::VmPipes.limit(), 10).with_sink(&LOG);
    gauge.record_enqueue_n(8);
    assert!(matches!(LOG.pop(), Some(LogEntry::Event(event)) if event.snapshot().depth == 8));
}
