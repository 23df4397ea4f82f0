use super::*;
use crate::backpressure::Backpressure;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn flow(enqueued: usize, dequeued: usize) -> Option<Totals> {
    let mut totals = Totals::default();
    (totals.enqueued, totals.dequeued) = (enqueued, dequeued);
    Some(totals)
}

fn enqueued(enqueued: usize) -> Option<Totals> {
    flow(enqueued, enqueued)
}

/// Of a queue with one gauge that nothing happens to.
fn idle() -> LimitFigures {
    LimitFigures {
        gauges: 1,
        registered: 1,
        capacities: (256, 256),
        live: Sums {
            totals: enqueued(100_000),
            backpressure: Some(Backpressure::default()),
            ..Sums::default()
        },
        ..LimitFigures::default()
    }
}

/// The advice on `now`, so long after `before`.
fn advice_after(length: u64, before: LimitFigures, now: LimitFigures) -> Option<String> {
    let mut history = History::default();
    assert!(history.add(seconds(7), Some(seconds(1)), before).is_none());
    let (elapsed, measured) = (seconds(7 + length), seconds(1 + length));
    let change = history.add(elapsed, Some(measured), now)?;
    change.advice(LimitCategory::Queue, None)
}

fn advice(change: impl Fn(&mut LimitFigures)) -> Option<String> {
    let (before, mut now) = (idle(), idle());
    now.live.totals = enqueued(100_001);
    change(&mut now);
    advice_after(300, before, now)
}

fn wait(figures: &mut LimitFigures, waits: usize, waited: Duration, stalled: Duration) {
    let held_back = figures.live.backpressure.get_or_insert_default();
    (held_back.waits, held_back.waited, held_back.stalled) = (waits, waited, stalled);
}

fn near(figures: &mut LimitFigures, near: u64, full: u64) {
    (figures.live.near.near, figures.live.near.full) = (seconds(near), seconds(full));
}

#[test]
fn each_rule_has_its_sentence() {
    let said = |change: &dyn Fn(&mut LimitFigures)| advice(change).unwrap_or_default();
    assert_eq!(said(&|_| ()), "");
    assert_eq!(said(&|now| wait(now, 9, seconds(99), seconds(29))), "");
    assert_eq!(
        said(&|now| {
            near(now, 120, 93);
            wait(now, 14, Duration::from_millis(2_100_000), seconds(80));
        }),
        "full 31 % of the last 5 minutes, producers waited 14 times, 35 minutes in all: the \
         stage behind it is slow"
    );
    assert_eq!(
        said(&|now| {
            now.capacities = (0, 0);
            wait(now, 1, seconds(30), seconds(30));
        }),
        "in the last 5 minutes, producers waited once, 30 s: the stage behind it is slow",
        "as of a rendezvous"
    );
    assert_eq!(
        said(&|now| wait(now, 1, seconds(30), seconds(30))),
        "in the last 5 minutes, producers waited once, 30 s, though there was room: is their \
         task polled?"
    );
    assert_eq!(
        said(&|now| {
            now.gauges = 0;
            wait(now, 1, seconds(30), seconds(30));
        }),
        "in the last 5 minutes, producers waited once, 30 s",
        "nothing is behind what is gone"
    );
    assert_eq!(
        said(&|now| {
            near(now, 60, 30);
            now.live.refused = 5;
        }),
        "full 10 % of the last 5 minutes, 5 refused: the stage behind it is slow"
    );
    for (times, share) in [
        ((0, 0), "in the last 5 minutes"),
        ((60, 2), "near capacity 20 % of the last 5 minutes"),
        ((60, 29), "full 10 % of the last 5 minutes"),
    ] {
        let burst = |now: &mut LimitFigures| {
            near(now, times.0, times.1);
            now.live.refused = 1;
        };
        assert_eq!(
            said(&burst),
            format!("{share}, 1 refused: too small for its peaks")
        );
    }
    assert_eq!(
        said(&|now| near(now, 66, 0)),
        "near capacity 22 % of the last 5 minutes, and nobody waited"
    );
    assert_eq!(
        said(&|now| {
            near(now, 300, 0);
            now.live.totals = flow(100_007, 100_000);
        }),
        "near capacity 100 % of the last 5 minutes, and nothing was taken out"
    );
    // What is not known is not said.
    let share = "near capacity 22 % of the last 5 minutes";
    let more: [&dyn Fn(&mut LimitFigures); 4] = [
        &|now| now.live.backpressure = None,
        &|now| wait(now, 3, seconds(2), seconds(2)),
        &|now| near(now, 66, 50),
        &|now| near(now, 66, 3),
    ];
    for more in more {
        let changed = |now: &mut LimitFigures| {
            near(now, 66, 0);
            more(now);
        };
        assert_eq!(said(&changed), share);
    }
    assert_eq!(
        said(&|now| now.live.high_water = 12),
        "never above 12 of 256: could be 16"
    );
    assert_eq!(
        said(&|now| {
            (now.gauges, now.registered) = (3, 3);
            near(now, 400, 93);
            wait(now, 2, seconds(40), seconds(40));
        }),
        "full for 93 s of the last 5 minutes, all together, producers waited 2 times, 40 s in \
         all: the stage behind it is slow"
    );
}

#[test]
fn lengths_are_for_people() {
    let said = |millis| Length(Duration::from_millis(millis)).to_string();
    assert_eq!([said(0), said(999)], ["0 ms", "999 ms"]);
    assert_eq!([said(1_000), said(9_940)], ["1.0 s", "9.9 s"]);
    assert_eq!([said(10_000), said(119_999)], ["10 s", "119 s"]);
    assert_eq!([said(120_000), said(300_000)], ["2 minutes", "5 minutes"]);
}

#[test]
fn what_is_behind_decides_what_is_slow() {
    let (before, mut now) = (idle(), idle());
    now.capacities = (0, 0);
    wait(&mut now, 2, seconds(12), seconds(12));
    let mut history = History::default();
    history.add(seconds(0), Some(seconds(0)), before);
    let change = history.add(seconds(100), Some(seconds(100)), now).unwrap();
    let ends = |category, next, end: &str| {
        let text = change.advice(category, next).unwrap();
        assert_eq!(
            text,
            format!("in the last 100 s, producers waited 2 times, 12 s in all: {end}")
        );
    };
    for category in [LimitCategory::Queue, LimitCategory::Resource] {
        ends(category, Some("writer"), "writer behind it is full, too");
    }
    ends(LimitCategory::Queue, None, "the stage behind it is slow");
    ends(
        LimitCategory::Resource,
        None,
        "it is too small, or held for too long",
    );
}

#[test]
fn there_is_no_guess_without_data() {
    let mut now = idle();
    near(&mut now, 50, 40);
    wait(&mut now, 9, seconds(90), seconds(40));
    assert_eq!(advice_after(59, idle(), now), None, "too short");
    assert!(advice_after(60, idle(), now).is_some());

    let roomy = |length, change: &dyn Fn(&mut LimitFigures)| {
        let mut now = idle();
        now.live.high_water = 12;
        change(&mut now);
        advice_after(length, idle(), now)
    };
    assert!(roomy(300, &|_| ()).is_some());
    assert_eq!(roomy(299, &|_| ()), None, "too short");
    assert_eq!(
        roomy(300, &|now| now.live.totals = enqueued(2_559)),
        None,
        "too few"
    );
    assert!(roomy(300, &|now| now.live.totals = enqueued(2_560)).is_some());
    assert!(roomy(300, &|now| now.live.totals = None).is_some());
    assert!(
        roomy(300, &|now| (now.gauges, now.live.totals) =
            (9, enqueued(9 * 2_560)))
        .is_some()
    );
    let few = roomy(300, &|now| {
        (now.gauges, now.live.totals) = (9, enqueued(9 * 2_560 - 1))
    });
    assert_eq!(few, None, "too few for each");
    assert_eq!(
        roomy(300, &|now| now.live.high_water = 0),
        None,
        "never used"
    );
    assert_eq!(roomy(300, &|now| now.live.high_water = 103), None, "in use");
    assert!(roomy(300, &|now| now.live.high_water = 102).is_some());
    assert_eq!(
        roomy(300, &|now| now.capacities.1 = 8),
        None,
        "of several sizes"
    );
    assert_eq!(roomy(300, &|now| now.capacities = (0, 0)), None, "no bound");
}

#[test]
fn what_was_full_holds_up_what_is_before_it() {
    let holds_up = |change: &dyn Fn(&mut LimitFigures)| {
        let mut now = idle();
        change(&mut now);
        let mut history = History::default();
        history.add(seconds(0), Some(seconds(0)), idle());
        let change = history.add(seconds(100), Some(seconds(100)), now).unwrap();
        change.holds_up()
    };
    assert!(!holds_up(&|_| ()));
    assert!(holds_up(&|now| {
        near(now, 10, 0);
        wait(now, 1, seconds(10), seconds(10));
    }));
    let had_room = holds_up(&|now| wait(now, 1, seconds(10), seconds(10)));
    assert!(!had_room, "who comes before does not poll its send");
    assert!(!holds_up(&|now| {
        now.gauges = 0;
        near(now, 10, 10);
    }));
    // Who fills it need not wait: it refuses, or has no waits to count.
    assert!(holds_up(&|now| near(now, 10, 10)));
    assert!(holds_up(&|now| {
        now.capacities = (0, 0);
        wait(now, 1, seconds(10), seconds(10));
    }));
    assert!(!holds_up(&|now| near(now, 100, 9)));
    assert!(!holds_up(&|now| now.live.refused = 7));
}

#[test]
fn gauges_that_are_gone_count_for_what_they_were() {
    // Twenty sessions that were near for a fifth of the window, and one that never was.
    let (mut before, mut now) = (idle(), idle());
    (before.gauges, before.registered) = (21, 21);
    (now.gauges, now.registered) = (1, 21);
    now.gone.near.near = seconds(20 * 60);
    let expected = "near capacity for 20 minutes of the last 5 minutes, all together";
    let said = advice_after(300, before, now).unwrap();
    assert!(said.starts_with(expected), "{said}");
    now.gone.near.near = seconds(20 * 31);
    assert_eq!(advice_after(300, before, now), None, "not the average one");
    // One after the other.
    let mut now = idle();
    now.registered = 5;
    now.gone.near.near = seconds(31);
    let expected = "near capacity for 31 s of the last 5 minutes, all together";
    let said = advice_after(300, idle(), now).unwrap();
    assert!(said.starts_with(expected), "{said}");
}

#[test]
fn gauges_that_come_and_go_between_two_figures_that_are_kept_count() {
    let mut history = History::default();
    let mut poll = |at, gauges, registered, near| {
        let mut now = idle();
        (now.gauges, now.registered) = (gauges, registered);
        now.gone.near.near = seconds(near);
        history.add(seconds(at), Some(seconds(at)), now)
    };
    assert!(poll(0, 1, 1, 0).is_none());
    assert!(poll(10, 101, 101, 0).is_none());
    let change = poll(300, 1, 101, 500).unwrap();
    assert_eq!(change.advice(LimitCategory::Queue, None), None);
}

#[test]
fn what_refuses_is_too_small_for_its_peaks_if_it_has_any() {
    let ends = |category, capacity, near_for, end: &str| {
        let (before, mut now) = (idle(), idle());
        now.capacities = (capacity, capacity);
        near(&mut now, near_for, 0);
        now.live.refused = 7;
        let mut history = History::default();
        history.add(seconds(0), Some(seconds(0)), before);
        let change = history.add(seconds(300), Some(seconds(300)), now).unwrap();
        let text = change.advice(category, None).unwrap();
        assert!(text.ends_with(&format!(", 7 refused: {end}")), "{text}");
    };
    let peaks = "too small for its peaks";
    ends(LimitCategory::Queue, 256, 290, peaks);
    ends(LimitCategory::Memory, 256, 29, peaks);
    // Requests that are greater than what is left, all the time.
    let held = "it is too small, or held for too long";
    ends(LimitCategory::Memory, 256, 30, held);
    // A rendezvous has no size.
    ends(LimitCategory::Queue, 0, 0, "the stage behind it is slow");
}

#[test]
fn a_little_of_each_of_many_gauges_is_nothing() {
    let of = |gauges: usize, each: u64| {
        let (mut before, mut now) = (idle(), idle());
        (before.gauges, before.registered) = (gauges, gauges);
        (now.gauges, now.registered) = (gauges, gauges);
        let all = Duration::from_millis(each) * gauges as u32;
        (now.live.near.near, now.live.near.full) = (all, all);
        wait(&mut now, gauges, all, all);
        advice_after(300, before, now)
    };
    assert!(of(1, 30_000).is_some());
    assert_eq!(of(1, 29_999), None);
    assert!(of(1_000, 3_000).is_some());
    assert_eq!(of(1_000, 2_999), None);
}

#[test]
fn what_could_be_never_warns_at_what_was() {
    for high_water in 1..5_000 {
        let mut now = idle();
        now.capacities = (1 << 20, 1 << 20);
        (now.live.high_water, now.live.totals) = (high_water, None);
        let text = advice_after(300, idle(), now).unwrap();
        let enough: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
        assert!(enough.is_power_of_two());
        assert!(100 * high_water < 80 * enough, "{text}");
        assert!(
            enough == 2 || 100 * high_water * 2 >= 80 * enough - 160,
            "{text}"
        );
    }
}

#[test]
fn the_greatest_figures_do_no_harm() {
    let extremes = [0, 1, usize::MAX / 2, usize::MAX - 1, usize::MAX];
    for high_water in extremes {
        for capacity in extremes {
            let mut now = idle();
            now.capacities = (capacity, capacity);
            (now.live.high_water, now.live.totals) = (high_water, None);
            let advice = advice_after(300, idle(), now);
            assert_eq!(advice.is_some(), high_water == 1 && capacity > 1);
            (now.gauges, now.live.refused) = (2, capacity);
            near(&mut now, u64::MAX, u64::MAX);
            wait(&mut now, high_water, Duration::MAX, Duration::MAX);
            for (length, measured) in [(300, 0), (300, 1), (u64::MAX, u64::MAX)] {
                let mut history = History::default();
                history.add(seconds(0), Some(Duration::ZERO), idle());
                let measured = Some(Duration::from_nanos(measured));
                let change = history.add(seconds(length), measured, now).unwrap();
                drop(change.advice(LimitCategory::Queue, None));
            }
        }
    }
}

#[test]
fn a_window_slides_and_keeps_few_figures() {
    let mut history = History::default();
    for second in 0..10_000 {
        let mut now = idle();
        wait(&mut now, second, seconds(0), seconds(second as u64 / 2));
        let at = seconds(second as u64);
        let change = history.add(at, Some(at), now);
        assert_eq!(change.is_some(), second >= 60);
        if let Some(change) = change {
            let longest = WINDOW + STEP;
            assert!(change.length < longest && change.length.as_secs() as usize == change.waits);
            assert!((change.stalled - 0.5).abs() < 0.01, "{change:?}");
            assert!(second < 300 || change.length >= WINDOW);
        }
    }
    assert!(history.0.len() <= 12);
}
