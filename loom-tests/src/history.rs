//! What happened in one execution, in its order, and the promises that it is held against.

use std::mem::replace;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use fillgauge::{LimitEvent, LimitSink, modelled};

use crate::subject::{Figures, Op, Subject};

/// An event of a gauge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    NearCapacity,
    Full,
    Recovered,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// From here on the depth was this.
    Depth(usize),
    /// The sink was called with this event and this depth.
    Event(Event, usize),
    /// The sink returned.
    Returned,
}

/// The points of the gauge, as a model knows them.
#[derive(Clone, Copy, Debug)]
pub struct Points {
    pub capacity: usize,
    /// The percentages at which it warns, and is armed again.
    pub thresholds: (u8, u8),
    pub warn_depth: usize,
    pub rearm_depth: usize,
    /// Depths above the capacity read as the capacity, deficits as 0.
    pub paired: bool,
}

impl Points {
    fn depth(&self, (enqueued, dequeued): (usize, usize)) -> usize {
        let difference = enqueued.wrapping_sub(dequeued);
        // Models are far from the range's ends: what is negative is a deficit.
        let depth = usize::try_from(difference.cast_signed()).unwrap_or(0);
        if self.paired {
            depth.min(self.capacity)
        } else {
            depth
        }
    }
}

/// The true depths of a gauge and its events, in their order: a sink, and the watcher of the gauge's counters.
pub struct History {
    subject: OnceLock<&'static dyn Subject>,
    /// Only the events are recorded, of a gauge that may be freed.
    events_only: AtomicBool,
    points: Points,
    /// What the sink itself records at the first warning.
    on_warning: Mutex<Option<Op>>,
    moments: Mutex<Vec<Moment>>,
    /// The greatest depth at rest so far.
    at_rest: AtomicUsize,
}

impl History {
    pub fn new(points: Points, on_warning: Option<Op>) -> Self {
        Self {
            subject: OnceLock::new(),
            events_only: AtomicBool::new(false),
            points,
            on_warning: Mutex::new(on_warning),
            moments: Mutex::new(Vec::new()),
            at_rest: AtomicUsize::new(0),
        }
    }

    pub fn points(&self) -> Points {
        self.points
    }

    /// Begins to watch `subject`; what it does before is not part of the history.
    pub fn begin(&'static self, subject: &'static dyn Subject) {
        assert!(self.subject.set(subject).is_ok(), "begun twice");
        self.note_depth();
        modelled::watch(move || self.note_depth());
    }

    /// Begins to record the events of a gauge, and nothing else of it.
    pub fn begin_events_only(&self) {
        self.events_only.store(true, Ordering::Relaxed);
    }

    fn note_depth(&self) {
        let Some(subject) = self.subject.get() else {
            return;
        };
        let depth = Moment::Depth(self.points.depth(subject.counters_now()));
        let mut moments = self.moments.lock().unwrap();
        let last = moments
            .iter()
            .rfind(|moment| matches!(moment, Moment::Depth(_)));
        if last != Some(&depth) {
            moments.push(depth);
        }
    }

    pub fn deliver(&self, event: Event, depth: usize) {
        if self.events_only.load(Ordering::Relaxed) {
            self.push(Moment::Event(event, depth));
        }
        let Some(subject) = self.subject.get() else {
            return;
        };
        self.push(Moment::Event(event, depth));
        // The sink reads the gauge, as sinks do: otherwise loom would not try the orders of delivering and counting.
        subject.figures();
        if event == Event::NearCapacity {
            let op = self.on_warning.lock().unwrap().take();
            op.into_iter().for_each(|op| subject.record(op));
        }
        self.push(Moment::Returned);
    }

    fn push(&self, moment: Moment) {
        self.moments.lock().unwrap().push(moment);
    }

    /// Whether the sink has recorded what it records when it is warned.
    pub fn sink_has_recorded(&self) -> bool {
        self.on_warning.lock().unwrap().is_none()
    }

    pub fn moments(&self) -> Vec<Moment> {
        self.moments.lock().unwrap().clone()
    }

    /// The events, without their depths.
    pub fn events(&self) -> Vec<Event> {
        let event = |moment| match moment {
            Moment::Event(event, _) => Some(event),
            Moment::Depth(_) | Moment::Returned => None,
        };
        self.moments().into_iter().filter_map(event).collect()
    }

    /// The promises, for a gauge that is at rest and reads `figures`.
    pub fn assert_promises(&self, figures: Figures) {
        self.assert_alternation(figures);
        self.assert_soundness();
        self.assert_settledness(figures);
        self.assert_high_water(figures);
    }

    /// Warnings and recoveries take turns, a warning first; `Full` comes between them, once. None is delivered while another is.
    fn assert_alternation(&self, figures: Figures) {
        let (mut warned, mut full, mut delivering) = (false, false, false);
        for moment in self.moments() {
            let in_turn = match moment {
                Moment::Depth(_) => continue,
                Moment::Returned => {
                    delivering = false;
                    continue;
                }
                Moment::Event(Event::NearCapacity, _) => !replace(&mut warned, true),
                Moment::Event(Event::Full, _) => warned && !replace(&mut full, true),
                Moment::Event(Event::Recovered, _) => replace(&mut warned, false),
            };
            let alone = !replace(&mut delivering, true);
            assert!(in_turn && alone, "out of turn: {:?}", self.moments());
            full &= warned;
        }
        assert_eq!(
            warned,
            figures.warned,
            "not delivered: {:?}",
            self.moments()
        );
    }

    /// The depth in an event was the depth of the gauge at some instant after the event before, and one that the event
    /// stands for.
    fn assert_soundness(&self) {
        let Points {
            capacity,
            warn_depth,
            rearm_depth,
            ..
        } = self.points;
        let mut since = Vec::new();
        for moment in self.moments() {
            match moment {
                Moment::Depth(depth) => since.push(depth),
                Moment::Event(event, depth) => {
                    let stands = match event {
                        Event::NearCapacity => depth >= warn_depth,
                        Event::Full => depth >= capacity,
                        Event::Recovered => depth <= rearm_depth,
                    };
                    assert!(
                        stands && since.contains(&depth),
                        "a depth that never was: {:?}",
                        self.moments()
                    );
                }
                Moment::Returned => drop(since.drain(..since.len() - 1)),
            }
        }
    }

    /// Never silent at the warn point, never latched at the re-arm point.
    fn assert_settledness(&self, figures: Figures) {
        let Points {
            capacity,
            warn_depth,
            rearm_depth,
            ..
        } = self.points;
        let Figures { depth, warned, .. } = figures;
        assert!(
            warned || depth < warn_depth || capacity == 0,
            "silent: {figures:?}, {:?}",
            self.moments()
        );
        assert!(
            !warned || depth > rearm_depth,
            "latched: {figures:?}, {:?}",
            self.moments()
        );
    }

    /// The mark is at least every depth at rest and at most the greatest that there was.
    fn assert_high_water(&self, figures: Figures) {
        let Figures {
            depth, high_water, ..
        } = figures;
        let at_rest = self.at_rest.fetch_max(depth, Ordering::Relaxed).max(depth);
        let depths = |moment| match moment {
            Moment::Depth(depth) => Some(depth),
            Moment::Event(..) | Moment::Returned => None,
        };
        let greatest = self.moments().into_iter().filter_map(depths).max();
        assert!(
            high_water >= at_rest && Some(high_water) <= greatest,
            "a mark that never was, or is missing: {figures:?}, {:?}",
            self.moments()
        );
    }
}

impl LimitSink for History {
    fn on_event(&self, event: &LimitEvent) {
        self.deliver(Event::of(event), event.snapshot().depth);
    }
}

impl Event {
    pub fn of(event: &LimitEvent) -> Self {
        match event {
            LimitEvent::NearCapacity(_) => Self::NearCapacity,
            LimitEvent::Full(_) => Self::Full,
            LimitEvent::Recovered(_) => Self::Recovered,
            other => panic!("unexpected event: {other:?}"),
        }
    }
}
