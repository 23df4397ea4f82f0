//! What a recovery says of the time since the warning.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use fillgauge_std::{Episode, LimitEventKind, QueueRegistry, flush_events, track};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::std_channel::until;
use crate::tape::taped;

const MOMENT: Duration = Duration::from_millis(10);

/// The episodes of all gauges of a registry, in the order in which they ended.
#[derive(Clone, Default)]
struct Ended(Arc<Mutex<Vec<Episode>>>);

impl Ended {
    fn of(registry: QueueRegistry) -> (QueueRegistry, Self) {
        let ended = Self::default();
        let list = ended.clone();
        let registry = registry.sink(move |event| {
            let is_recovery = event.kind() == LimitEventKind::Recovered;
            assert_eq!(event.episode().is_some(), is_recovery);
            list.0.lock().unwrap().extend(event.episode());
        });
        (registry, ended)
    }

    fn take(&self) -> Vec<Episode> {
        flush_events(Duration::from_secs(10)).unwrap();
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

#[test]
fn an_episode_of_a_channel_says_how_long_how_deep_and_who_waited() {
    let (registry, ended) = Ended::of(QueueRegistry::new("episodes").silent());
    let (sender, receiver) = track("jobs").capacity(4).registry(&registry).sync_channel();
    sender.try_send(0).unwrap();
    for round in 1..=2_usize {
        // What was refused or waited before does not count.
        (0..3).for_each(|item| sender.try_send(item).unwrap());
        (0..round).for_each(|item| assert!(sender.try_send(item).is_err()));
        thread::scope(|scope| {
            let producers = round + 1;
            for item in 0..producers {
                let sender = sender.clone();
                scope.spawn(move || sender.send(item).unwrap());
            }
            until("they wait", || sender.backpressure().waiting == producers);
            thread::sleep(MOMENT);
            for _ in 0..producers {
                receiver.recv().unwrap();
                until("it is full again", || sender.gauge().depth() == 4);
            }
        });
        receiver.iter().take(3).for_each(drop);
        let [episode] = ended.take()[..] else {
            panic!("one episode ended")
        };
        assert!(episode.lasted >= MOMENT, "{episode:?}");
        assert_eq!((episode.deepest, episode.refused), (4, round));
        assert_eq!(episode.waits, round + 1);
        let edges = registry.report().gauges.remove(0).last_edges;
        assert_eq!(edges.last().unwrap().episode, Some(episode));
        let others = edges
            .iter()
            .filter(|edge| edge.kind != LimitEventKind::Recovered);
        assert!(others.count() > 0);
        for edge in &edges {
            let is_recovery = edge.kind == LimitEventKind::Recovered;
            assert_eq!(edge.episode.is_some(), is_recovery, "{edge:?}");
        }
    }
}

#[test]
fn an_episode_of_a_budget_says_what_it_refused() {
    let (registry, ended) = Ended::of(QueueRegistry::new("budgets").silent());
    let bytes = track("bytes").capacity(100).registry(&registry).budget();
    bytes.try_reserve(101).unwrap_err();
    let held = bytes.try_reserve(80).unwrap();
    bytes.try_reserve(21).unwrap_err();
    drop(bytes.try_reserve(15).unwrap());
    drop(held);
    let [episode] = ended.take()[..] else {
        panic!("one episode ended")
    };
    assert_eq!(
        (episode.deepest, episode.waits, episode.refused),
        (95, 0, 1)
    );
}

#[test]
fn a_recovery_is_logged_with_its_episode() {
    let registry = QueueRegistry::new("logged");
    let gauge = track("jobs").capacity(10).registry(&registry).gauge();
    let lines = taped(|| {
        gauge.observe_depth(9);
        gauge.record_refused(2);
        thread::sleep(MOMENT);
        gauge.observe_depth(0);
    });
    let fields = |line: usize, name: &str| {
        let fields = lines[line].fields.iter();
        let mut values = fields.filter_map(|field| field.strip_prefix(&format!("{name}=")));
        values.next().map(str::to_owned)
    };
    assert_eq!(fields(0, "seconds"), None);
    let seconds: f64 = fields(1, "seconds").unwrap().parse().unwrap();
    assert!(seconds >= MOMENT.as_secs_f64());
    assert_eq!(fields(1, "deepest").as_deref(), Some("9"));
    assert_eq!(fields(1, "refused").as_deref(), Some("2"));
    assert_eq!(fields(1, "waits"), None, "nobody did");
}

/// What happens to a gauge.
#[derive(Clone, Debug)]
enum Step {
    Observe(usize),
    /// A report for this scraper.
    Report(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0_usize..=12).prop_map(Step::Observe),
        1 => (0_usize..3).prop_map(Step::Report),
    ]
}

proptest! {
    /// They share one window of the gauge.
    #[test]
    fn reports_and_episodes_do_not_take_peaks_from_each_other(steps in vec(step(), 0..200)) {
        let (registry, ended) = Ended::of(QueueRegistry::new("shared").silent());
        let gauge = track("jobs").capacity(10).registry(&registry).gauge();
        // Since the last report for each scraper, if there was one, and since the warning.
        let mut unseen = [None; 3];
        let (mut depth, mut deepest) = (0, None);
        let mut expected = Vec::new();
        for step in steps {
            match step {
                Step::Observe(observed) => {
                    gauge.observe_depth(observed);
                    depth = observed;
                    for unseen in unseen.iter_mut().flatten() {
                        *unseen = depth.max(*unseen);
                    }
                    if let Some(peak) = deepest {
                        deepest = Some(depth.max(peak));
                        if depth <= 5 {
                            expected.extend(deepest.take());
                        }
                    } else if depth >= 8 {
                        deepest = Some(depth);
                    }
                }
                Step::Report(scraper) => {
                    let report = registry.report_for(["a", "b", "c"][scraper]);
                    prop_assert_eq!(report.gauges[0].window_peak, unseen[scraper]);
                    unseen[scraper] = Some(depth);
                }
            }
        }
        let ended: Vec<_> = ended.take().iter().map(|episode| episode.deepest).collect();
        prop_assert_eq!(ended, expected);
    }
}
