//! A sink that keeps the events of each thread.

use std::cell::RefCell;

use fillgauge::{LimitEvent, LimitSink};

thread_local! {
    static RECORD: RefCell<Vec<LimitEvent>> = const { RefCell::new(Vec::new()) };
}

/// Records the events of the thread that it runs on.
pub(crate) struct Recorder;

pub(crate) static RECORDER: Recorder = Recorder;

impl LimitSink for Recorder {
    fn on_event(&self, event: &LimitEvent) {
        RECORD.with_borrow_mut(|events| events.push(*event));
    }
}

/// Takes the events of this thread since the last call.
pub(crate) fn take_events() -> Vec<LimitEvent> {
    RECORD.with_borrow_mut(std::mem::take)
}

/// An event in short: `+` for near capacity, `=` for full, `-` for recovered.
pub(crate) fn kind(event: &LimitEvent) -> char {
    match event {
        LimitEvent::NearCapacity(_) => '+',
        LimitEvent::Full(_) => '=',
        LimitEvent::Recovered(_) => '-',
        other => panic!("unexpected event: {other:?}"),
    }
}
