//! The operations that lead through heapless.

use core::hint::black_box;

use fillgauge::queues::heapless::{SpscGauge, TrackedConsumer, TrackedProducer};
use fillgauge::{EventLog, LimitEvent, LimitSink, QueueSnapshot};
use heapless::Vec;
use heapless::spsc::Queue;

use crate::REGISTRY;

/// Lies in `.bss`.
#[unsafe(no_mangle)]
static EMPTY_LOG: EventLog<100> = EventLog::new();

#[unsafe(no_mangle)]
fn log_on_event(event: &LimitEvent) {
    EMPTY_LOG.on_event(event);
}

#[unsafe(no_mangle)]
fn log_pop() {
    black_box(EMPTY_LOG.pop());
}

#[unsafe(no_mangle)]
fn log_is_empty() {
    black_box(EMPTY_LOG.is_empty());
}

#[unsafe(no_mangle)]
fn queue_split(gauge: &SpscGauge<9>, queue: &mut Queue<u32, 9>) {
    black_box(gauge.split(queue));
}

#[unsafe(no_mangle)]
fn queue_enqueue(producer: &mut TrackedProducer<'_, u32>, item: u32) {
    black_box(producer.enqueue(item)).ok();
}

#[unsafe(no_mangle)]
fn queue_dequeue(consumer: &mut TrackedConsumer<'_, u32>) {
    black_box(consumer.dequeue());
}

#[unsafe(no_mangle)]
fn queue_snapshot(figures: &mut Vec<QueueSnapshot, 9>) {
    black_box(fillgauge::queues::heapless::snapshot(&REGISTRY, figures)).ok();
}
