//! Whatever counts items in and out, behind one trait, so that each is measured by the same loop.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use agentos_bridge::queue_tracker as original;
use fillgauge::{Gauge, GaugeConfig, Limit};
use fillgauge_std::TrackedLimit;

pub(crate) const CAPACITY: usize = 1_024;

static LIMIT: Limit = Limit::queue("bench");

pub(crate) trait Counter: Sync {
    fn enqueue(&self);
    fn dequeue(&self);
}

/// The least that counts: one word for both.
#[derive(Default)]
pub(crate) struct OneWord(AtomicUsize);

impl Counter for OneWord {
    #[inline]
    fn enqueue(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    #[inline]
    fn dequeue(&self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A word for each side, so many words from each other.
#[repr(align(128))]
pub(crate) struct TwoWords<const APART: usize = 16>([AtomicUsize; 32]);

impl<const APART: usize> Default for TwoWords<APART> {
    fn default() -> Self {
        Self([const { AtomicUsize::new(0) }; 32])
    }
}

impl<const APART: usize> TwoWords<APART> {
    /// What another thread that looks at them reads.
    pub(crate) fn difference(&self) -> usize {
        let dequeued = self.0[APART].load(Ordering::SeqCst);
        self.0[0].load(Ordering::SeqCst).wrapping_sub(dequeued)
    }
}

impl<const APART: usize> Counter for TwoWords<APART> {
    #[inline]
    fn enqueue(&self) {
        self.0[0].fetch_add(1, Ordering::SeqCst);
    }

    #[inline]
    fn dequeue(&self) {
        self.0[APART].fetch_add(1, Ordering::SeqCst);
    }
}

/// The least that could notice anything: each addition is compared with a limit that is never
/// reached.
pub(crate) struct TwoWordsAndALimit {
    words: TwoWords<16>,
    limit: AtomicUsize,
}

impl Default for TwoWordsAndALimit {
    fn default() -> Self {
        Self {
            words: TwoWords::default(),
            limit: AtomicUsize::new(usize::MAX),
        }
    }
}

impl TwoWordsAndALimit {
    #[inline]
    fn check(&self, count: usize) {
        if count >= self.limit.load(Ordering::Relaxed) {
            black_box(count);
        }
    }
}

impl Counter for TwoWordsAndALimit {
    #[inline]
    fn enqueue(&self) {
        self.check(self.words.0[0].fetch_add(1, Ordering::SeqCst));
    }

    #[inline]
    fn dequeue(&self) {
        self.check(self.words.0[16].fetch_add(1, Ordering::SeqCst));
    }
}

/// The least that finds a stray: each dequeue reads what was enqueued.
#[derive(Default)]
pub(crate) struct TwoWordsCompared(TwoWords<16>);

impl Counter for TwoWordsCompared {
    #[inline]
    fn enqueue(&self) {
        self.0.enqueue();
    }

    #[inline]
    fn dequeue(&self) {
        let dequeued = self.0.0[16].fetch_add(1, Ordering::SeqCst);
        if self.0.0[0].load(Ordering::SeqCst) <= dequeued {
            black_box(dequeued);
        }
    }
}

impl<C: Counter> Counter for &C {
    #[inline]
    fn enqueue(&self) {
        C::enqueue(self);
    }

    #[inline]
    fn dequeue(&self) {
        C::dequeue(self);
    }
}

/// What counts by a method for each side.
macro_rules! counters {
    ($($counter:ty: $enqueue:ident, $dequeue:ident ($($amount:expr)?);)+) => {
        $(
            impl Counter for $counter {
                #[inline]
                fn enqueue(&self) {
                    self.$enqueue($($amount)?);
                }

                #[inline]
                fn dequeue(&self) {
                    self.$dequeue($($amount)?);
                }
            }
        )+
    };
}

counters! {
    Gauge: record_enqueue, record_dequeue();
    Arc<fillgauge_std::QueueGauge>: record_enqueue, record_dequeue();
    Arc<original::QueueGauge>: record_enqueue, record_dequeue();
    prometheus::IntGauge: inc, dec();
    prometheus_client::metrics::gauge::Gauge<i64, AtomicI64>: inc, dec();
    metrics::Gauge: increment, decrement(1.0);
}

/// hotpath in its cheapest mode: it counts, and reads no clock. Until it is dropped.
pub(crate) fn hotpath_that_counts() -> hotpath::HotpathGuard {
    hotpath::HotpathGuardBuilder::new("ratios")
        .channels_time_sampling_rate(0.0)
        .format(hotpath::Format::None)
        .build()
}

/// A gauge that was deeper before: below its high-water mark a queue makes no new ones.
pub(crate) fn gauge() -> Gauge {
    deeper_before(Gauge::new(&LIMIT, CAPACITY))
}

/// The same, with items in it: no dequeue is near a stray.
pub(crate) fn gauge_with_items() -> Gauge {
    let gauge = gauge();
    gauge.record_enqueue_n(CAPACITY / 4);
    gauge
}

pub(crate) fn queue_gauge() -> Gauge {
    deeper_before(Gauge::for_queue(&LIMIT, CAPACITY))
}

/// A gauge whose every enqueue is at its high-water mark.
pub(crate) fn shallow_gauge() -> Gauge {
    Gauge::new(&LIMIT, CAPACITY)
}

/// Far more than any run goes up or down: a gauge that neither strays nor warns.
const WIDE: usize = 1 << 40;

/// A gauge in the middle of a wide range, that was deeper before.
fn wide(config: GaugeConfig) -> Gauge {
    let gauge = Gauge::with_config(config);
    gauge.record_enqueue_n(1 << 30);
    gauge.record_dequeue_n(1 << 29);
    gauge
}

pub(crate) fn wide_gauge() -> Gauge {
    wide(GaugeConfig::new(&LIMIT, WIDE))
}

pub(crate) fn wide_queue_gauge() -> Gauge {
    wide(GaugeConfig::for_queue(&LIMIT, WIDE))
}

pub(crate) fn wide_original_gauge() -> Arc<original::QueueGauge> {
    let gauge = original::register_queue(original::TrackedLimit::V8SessionFrames, WIDE);
    gauge.observe_depth(1 << 30);
    gauge.observe_depth(1 << 29);
    gauge
}

fn deeper_before(gauge: Gauge) -> Gauge {
    gauge.record_enqueue_n(CAPACITY / 2);
    gauge.record_dequeue_n(CAPACITY / 2);
    gauge
}

pub(crate) fn registered_gauge() -> Arc<fillgauge_std::QueueGauge> {
    let gauge = fillgauge_std::register_queue(TrackedLimit::V8SessionFrames, CAPACITY);
    gauge.record_enqueue_n(CAPACITY / 2);
    gauge.record_dequeue_n(CAPACITY / 2);
    gauge
}

pub(crate) fn original_gauge() -> Arc<original::QueueGauge> {
    original::register_queue(original::TrackedLimit::V8SessionFrames, CAPACITY)
}

pub(crate) fn prometheus_gauge() -> prometheus::IntGauge {
    prometheus::IntGauge::new("depth", "items in the queue").expect("a valid name")
}

/// A gauge of the `metrics` facade, that its Prometheus recorder keeps.
pub(crate) fn metrics_gauge() -> metrics::Gauge {
    let recorder = metrics_exporter_prometheus::PrometheusBuilder::new().build_recorder();
    metrics::with_local_recorder(&recorder, || metrics::gauge!("depth"))
}
