//! The behaviour of the core through its public API.

mod auto_traits;
mod concurrency;
mod events;
mod gauge;
mod plain_data;
mod registry;

use std::cell::RefCell;

use fillgauge::{LimitEvent, LimitSink};

thread_local! {
    static RECORD: RefCell<Vec<LimitEvent>> = const { RefCell::new(Vec::new()) };
}

/// Records the events of the thread that it runs on.
struct Recorder;

static RECORDER: Recorder = Recorder;

impl LimitSink for Recorder {
    fn on_event(&self, event: &LimitEvent) {
        RECORD.with_borrow_mut(|events| events.push(*event));
    }
}

/// Takes the events of this thread since the last call, in short: `+` for near capacity, `=` for full, `-` for recovered,
/// each with its depth.
fn told() -> Vec<(char, usize)> {
    RECORD
        .with_borrow_mut(std::mem::take)
        .iter()
        .map(|event| {
            let kind = match event {
                LimitEvent::NearCapacity(_) => '+',
                LimitEvent::Full(_) => '=',
                LimitEvent::Recovered(_) => '-',
                other => panic!("unexpected event: {other:?}"),
            };
            (kind, event.snapshot().depth)
        })
        .collect()
}
