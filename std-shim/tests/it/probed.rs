//! What the tests of the channels share that a probe tracks.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::thread::{self, ThreadId};
use std::time::Duration;

use fillgauge_std::{LimitEventKind, QueueProbe, QueueRegistry, flush_events};

use crate::size::native_or_miri;

/// A registry, and what its sink heard.
pub(crate) struct Edges {
    pub(crate) registry: QueueRegistry,
    heard: Arc<Mutex<Vec<(LimitEventKind, ThreadId)>>>,
}

impl Edges {
    pub(crate) const UP_FULL_AND_DOWN: [LimitEventKind; 3] = [
        LimitEventKind::NearCapacity,
        LimitEventKind::Full,
        LimitEventKind::Recovered,
    ];

    pub(crate) fn registry() -> Self {
        let heard = Arc::<Mutex<Vec<_>>>::default();
        let list = Arc::clone(&heard);
        let registry = QueueRegistry::new("edges").silent().sink(move |event| {
            let mut list = list.lock().unwrap();
            list.push((event.kind(), thread::current().id()));
        });
        Self { registry, heard }
    }

    pub(crate) fn kinds(&self) -> Vec<LimitEventKind> {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .map(|edge| edge.0)
            .collect()
    }

    pub(crate) fn threads(&self) -> Vec<ThreadId> {
        self.heard
            .lock()
            .unwrap()
            .iter()
            .map(|edge| edge.1)
            .collect()
    }

    pub(crate) fn clear(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Warnings and recoveries alternate, for a registry of one gauge at a time.
    pub(crate) fn assert_alternating(&self) {
        let mut has_warned = false;
        for kind in self.kinds() {
            match kind {
                LimitEventKind::NearCapacity => assert!(!has_warned, "{:?}", self.kinds()),
                _ => assert!(has_warned, "{:?}", self.kinds()),
            }
            has_warned = kind != LimitEventKind::Recovered;
        }
        assert!(!has_warned, "{:?}", self.kinds());
    }
}

/// A generator of chance.
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    pub(crate) fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A bounded queue and its gauge, without threads.
pub(crate) struct Model {
    capacity: usize,
    items: VecDeque<usize>,
    high_water: usize,
    warnings: usize,
    has_warned: bool,
    pub(crate) refused: usize,
}

impl Model {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            capacity,
            items: VecDeque::new(),
            high_water: 0,
            warnings: 0,
            has_warned: false,
            refused: 0,
        }
    }

    pub(crate) fn has_room(&self) -> bool {
        self.items.len() < self.capacity
    }

    pub(crate) fn put(&mut self, item: usize) {
        self.items.push_back(item);
        self.high_water = self.high_water.max(self.items.len());
        if !self.has_warned && self.is_to_warn() {
            self.has_warned = true;
            self.warnings += 1;
        }
    }

    pub(crate) fn take(&mut self) -> Option<usize> {
        let item = self.items.pop_front()?;
        if self.items.len() * 100 <= self.capacity * 50 {
            self.has_warned = false;
        }
        Some(item)
    }

    fn is_to_warn(&self) -> bool {
        self.items.len() * 100 >= self.capacity * 80
    }

    pub(crate) fn assert_agrees(&self, gauge: &QueueProbe) {
        assert_eq!(gauge.depth(), self.items.len());
        assert_eq!(gauge.high_water(), self.high_water);
        assert_eq!(gauge.warnings(), self.warnings);
        assert_eq!(gauge.has_warned(), self.has_warned);
        assert_eq!(gauge.backpressure().refused, self.refused);
    }
}

/// Rounds of a channel that several threads use, each of which ends at rest.
pub(crate) struct AtRest<'gauge, P, T, L> {
    pub(crate) put: P,
    pub(crate) take: T,
    pub(crate) length: L,
    pub(crate) gauge: &'gauge QueueProbe,
}

impl<P, T, L> AtRest<'_, P, T, L>
where
    P: Fn(usize) -> bool + Sync,
    T: Fn() -> bool + Sync,
    L: Fn() -> usize + Sync,
{
    /// At rest it is never warned at or below the re-arm point, and never silent at or above the
    /// warn point.
    pub(crate) fn run(&self) {
        let rounds = rounds(native_or_miri(2_000, 5));
        let capacity = self.gauge.capacity();
        let threads = native_or_miri(3, 2);
        let (barrier, is_done) = (Barrier::new(threads + 1), AtomicBool::new(false));
        let round = AtomicUsize::new(0);
        thread::scope(|scope| {
            for thread in 0..threads {
                let (barrier, is_done, round) = (&barrier, &is_done, &round);
                scope.spawn(move || {
                    let mut chance = Chance(thread as u64 + 1);
                    loop {
                        barrier.wait();
                        if is_done.load(Ordering::Relaxed) {
                            break;
                        }
                        // Rounds that rather fill, and rounds that rather drain.
                        let puts = if round.load(Ordering::Relaxed) % 2 == 0 {
                            3
                        } else {
                            1
                        };
                        for item in 0..1 + chance.below(2 * capacity) {
                            if chance.below(4) < puts {
                                (self.put)(item);
                            } else {
                                (self.take)();
                            }
                        }
                        barrier.wait();
                    }
                });
            }
            for number in 0..rounds {
                round.store(number, Ordering::Relaxed);
                barrier.wait();
                barrier.wait();
                flush_events(Duration::from_secs(30)).unwrap();
                let (length, has_warned) = ((self.length)(), self.gauge.has_warned());
                if length * 100 >= capacity * 80 {
                    assert!(
                        has_warned,
                        "round {number}: silent at {length} of {capacity}"
                    );
                }
                if length * 100 <= capacity * 50 {
                    assert!(
                        !has_warned,
                        "round {number}: warned at {length} of {capacity}"
                    );
                }
            }
            is_done.store(true, Ordering::Relaxed);
            barrier.wait();
        });
        while (self.take)() {}
        flush_events(Duration::from_secs(30)).unwrap();
        assert!(!self.gauge.has_warned());
    }
}

/// How many rounds a test of alarms at rest has: `FILLGAUGE_ROUNDS`, or by default so many.
pub(crate) fn rounds(default: usize) -> usize {
    let rounds = std::env::var("FILLGAUGE_ROUNDS");
    rounds.map_or(default, |rounds| rounds.parse().unwrap())
}
