use fillgauge::{Gauge, GaugeConfig, Limit, Thresholds};

use crate::{RECORDER, short_events};

static LIMIT: Limit = Limit::queue("queue");

fn gauge(capacity: usize) -> Gauge {
    Gauge::new(&LIMIT, capacity).with_sink(&RECORDER)
}

#[test]
fn depth_and_high_water_follow_what_goes_in_and_out() {
    let gauge = gauge(10);
    gauge.record_enqueue();
    gauge.record_enqueue_n(3);
    assert_eq!((gauge.depth(), gauge.high_water()), (4, 4));
    gauge.record_dequeue_n(2);
    gauge.record_dequeue();
    assert_eq!((gauge.depth(), gauge.high_water()), (1, 4));
    assert_eq!((gauge.enqueued(), gauge.dequeued()), (4, 3));
}

#[test]
fn stray_dequeues_have_no_effect() {
    let gauge = gauge(10);
    gauge.record_dequeue();
    gauge.record_dequeue_n(7);
    gauge.record_dequeue_n(usize::MAX);
    gauge.record_enqueue();
    assert_eq!(gauge.depth(), 1);
    gauge.record_dequeue_n(9);
    assert_eq!(gauge.depth(), 0);
    gauge.record_enqueue();
    assert_eq!((gauge.depth(), gauge.high_water()), (1, 1));
}

#[test]
fn the_gauge_of_a_queue_keeps_a_dequeue_that_comes_first() {
    let gauge = Gauge::for_queue(&LIMIT, 10);
    gauge.record_dequeue();
    gauge.record_dequeue_n(2);
    assert_eq!(gauge.depth(), 0);
    gauge.record_enqueue_n(3);
    assert_eq!((gauge.depth(), gauge.high_water()), (0, 0));
}

#[test]
fn the_gauge_of_a_queue_reads_no_more_than_its_capacity() {
    let gauge = Gauge::for_queue(&LIMIT, 10).with_sink(&RECORDER);
    gauge.record_enqueue_n(13);
    assert_eq!((gauge.depth(), gauge.high_water()), (10, 10));
    assert_eq!(short_events(), [('+', 10), ('=', 10)]);
    gauge.record_dequeue_n(3);
    assert_eq!((gauge.depth(), gauge.fill_percent()), (10, 100));
}

#[test]
fn one_warning_a_crossing_with_hysteresis() {
    let gauge = gauge(10);
    for depth in [0, 7, 8, 9, 10, 8, 7, 6, 7, 8, 10, 5, 0, 5, 7, 8, 5] {
        gauge.observe_depth(depth);
    }
    assert_eq!(
        short_events(),
        [('+', 8), ('=', 10), ('-', 5), ('+', 8), ('-', 5)]
    );
    assert_eq!(gauge.warnings(), 2);
}

#[test]
fn full_is_reported_once_between_warning_and_recovery() {
    let gauge = gauge(4);
    gauge.record_enqueue_n(4);
    gauge.record_dequeue();
    gauge.record_enqueue();
    gauge.record_dequeue_n(2);
    gauge.record_enqueue_n(2);
    assert_eq!(
        short_events(),
        [('+', 4), ('=', 4), ('-', 2), ('+', 4), ('=', 4)]
    );
}

#[test]
fn a_gauge_that_drains_is_armed_again_without_its_producer() {
    let gauge = gauge(10);
    gauge.record_enqueue_n(9);
    assert!(gauge.has_warned());
    for _ in 0..4 {
        gauge.record_dequeue();
    }
    assert!(!gauge.has_warned());
    assert_eq!(short_events(), [('+', 9), ('-', 5)]);
}

#[test]
fn a_queue_that_is_cleared_is_empty_and_armed() {
    let gauge = gauge(5);
    gauge.record_enqueue_n(5);
    gauge.record_clear();
    gauge.record_clear();
    assert_eq!((gauge.depth(), gauge.high_water()), (0, 5));
    assert_eq!(short_events(), [('+', 5), ('=', 5), ('-', 0)]);
}

#[test]
fn without_a_bound_there_are_figures_and_no_events() {
    let gauge = gauge(0);
    gauge.record_enqueue_n(1_000);
    gauge.observe_depth(usize::MAX);
    gauge.observe_depth(7);
    assert_eq!(
        (gauge.depth(), gauge.fill_percent(), gauge.warnings()),
        (7, 0, 0)
    );
    assert!(short_events().is_empty());
}

#[test]
fn custom_thresholds_decide_both_edges() {
    let thresholds = Thresholds::new(30, 10).unwrap();
    let gauge = Gauge::with_config(GaugeConfig::new(&LIMIT, 10).thresholds(thresholds))
        .with_sink(&RECORDER);
    for depth in [2, 3, 2, 1] {
        gauge.observe_depth(depth);
    }
    assert_eq!(short_events(), [('+', 3), ('-', 1)]);
}

#[test]
fn counted_and_sampled_may_be_mixed() {
    let gauge = gauge(10);
    gauge.record_enqueue_n(9);
    gauge.observe_depth(3);
    gauge.record_dequeue();
    assert_eq!(gauge.depth(), 2);
    gauge.record_dequeue_n(5);
    gauge.record_enqueue();
    assert_eq!((gauge.depth(), gauge.high_water()), (1, 9));
    assert_eq!(short_events(), [('+', 9), ('-', 3)]);
}

#[test]
fn great_capacities_are_exact() {
    let capacity = usize::MAX / 4 * 3;
    let gauge = gauge(capacity);
    gauge.observe_depth(capacity / 5 * 4 - 1);
    assert!(!gauge.has_warned());
    gauge.observe_depth(capacity);
    assert_eq!((gauge.depth(), gauge.fill_percent()), (capacity, 100));
    gauge.observe_depth(0);
    assert_eq!(short_events().len(), 3);
}

#[test]
fn the_greatest_capacity_warns_and_takes_strays() {
    let gauge = gauge(usize::MAX);
    gauge.record_dequeue();
    assert_eq!((gauge.depth(), gauge.warnings()), (0, 0));
    gauge.record_enqueue();
    assert_eq!(gauge.depth(), 1);
    gauge.observe_depth(usize::MAX);
    assert_eq!((gauge.fill_percent(), gauge.has_warned()), (87, true));
    gauge.record_dequeue_n(usize::MAX);
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
}

#[test]
fn amounts_beyond_the_range_stop_at_its_end() {
    let gauge = gauge(10);
    gauge.record_enqueue_n(usize::MAX);
    gauge.record_enqueue_n(usize::MAX);
    assert!(gauge.has_warned() && gauge.depth() > isize::MAX as usize);
    gauge.record_dequeue_n(usize::MAX);
    assert_eq!(gauge.depth(), 0);
    gauge.observe_depth(usize::MAX);
    assert!(gauge.has_warned() && gauge.depth() > isize::MAX as usize);
}

/// The counters wrap several times. Each step is far greater than what the cached counters may lag
/// behind.
#[test]
fn counters_that_wrap_leave_the_gauge_in_the_right_state() {
    const STEP: usize = usize::MAX / 8 / 4 * 4;
    for config in [
        GaugeConfig::new(&LIMIT, STEP),
        GaugeConfig::for_queue(&LIMIT, STEP),
    ] {
        let gauge = Gauge::with_config(config).with_sink(&RECORDER);
        for round in 0..50 {
            gauge.record_enqueue_n(STEP);
            assert!(gauge.has_warned(), "silent in round {round}");
            match round % 3 {
                0 => gauge.record_dequeue_n(STEP),
                1 => gauge.record_clear(),
                _ => (0..4).for_each(|_| gauge.record_dequeue_n(STEP / 4)),
            }
            assert!(!gauge.has_warned(), "still warned in round {round}");
        }
        assert_eq!(short_events().len(), 150);
    }
    let gauge = gauge(0);
    for _ in 0..50 {
        gauge.record_enqueue_n(STEP);
        gauge.record_clear();
        (0..3).for_each(|_| gauge.record_dequeue());
        gauge.record_enqueue();
        assert_eq!(gauge.depth(), 1);
        gauge.record_dequeue_n(usize::MAX);
    }
}

#[test]
fn strays_that_wrap_leave_the_bounds_right() {
    const MOST: usize = usize::MAX / 32;
    let gauge = gauge(1);
    (0..32).for_each(|_| gauge.record_dequeue_n(MOST));
    (0..31).for_each(|_| gauge.record_dequeue());
    gauge.record_enqueue();
    assert_eq!(
        (gauge.depth(), gauge.high_water(), gauge.has_warned()),
        (1, 1, true)
    );
    short_events();
}

/// The underflow is greater than the distance of the warn point from the greatest word.
#[test]
fn an_underflow_leaves_no_high_water_mark_under_the_greatest_warn_point() {
    let full_only = Thresholds::new(100, 50).unwrap();
    let config = GaugeConfig::for_queue(&LIMIT, usize::MAX).thresholds(full_only);
    let gauge = Gauge::with_config(config);
    gauge.record_dequeue_n(10);
    gauge.record_enqueue();
    gauge.record_enqueue();
    assert_eq!((gauge.depth(), gauge.high_water()), (0, 0));
}

#[test]
fn the_gauge_of_a_queue_stops_at_the_end_of_the_range() {
    let gauge = Gauge::for_queue(&LIMIT, 10).with_sink(&RECORDER);
    gauge.record_enqueue_n(usize::MAX);
    gauge.record_enqueue_n(usize::MAX);
    assert_eq!((gauge.depth(), gauge.has_warned()), (10, true));
    assert_eq!(short_events(), [('+', 10), ('=', 10)]);
    gauge.record_clear();
    gauge.record_dequeue_n(5);
    gauge.record_enqueue_n(isize::MAX as usize + 5);
    let balance = gauge.enqueued().wrapping_sub(gauge.dequeued());
    assert_eq!(balance, isize::MAX as usize);
    short_events();
}

/// The lower bound of the depth lags by an eighth of the word and one dequeue more.
#[test]
fn a_great_underflow_that_is_set_off_leaves_the_gauge_armed() {
    const STEP: usize = usize::MAX / 32;
    let gauge = Gauge::with_config(GaugeConfig::for_queue(&LIMIT, 10));
    for _ in 0..40 {
        gauge.record_dequeue_n(STEP);
        gauge.record_enqueue_n(STEP);
    }
    for steps in 1..=4 {
        (0..steps).for_each(|_| gauge.record_dequeue_n(STEP));
        gauge.record_enqueue_n(steps * STEP + STEP);
        assert!(gauge.has_warned());
        gauge.record_dequeue_n(STEP);
        assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    }
}

/// Another sampler corrects the depth to an older one in the middle of an observation.
#[test]
fn an_observation_samples_until_the_counters_agree() {
    let gauge = Gauge::new(&LIMIT, 5).with_sink(&RECORDER);
    let mut samples = [4, 0, 0].into_iter();
    gauge.observe_with(|| samples.next().unwrap());
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
    assert_eq!(samples.next(), None, "sampled until two were equal");
    assert_eq!(short_events(), [('+', 4), ('-', 0)]);
}

#[test]
fn an_observation_of_a_restless_depth_ends() {
    let gauge = Gauge::new(&LIMIT, 1_000);
    let mut samples = 0;
    gauge.observe_with(|| {
        samples += 1;
        samples
    });
    assert_eq!((samples, gauge.depth()), (64, 64));
}

#[test]
fn totals_never_step_back() {
    for config in [
        GaugeConfig::new(&LIMIT, 10),
        GaugeConfig::for_queue(&LIMIT, 10),
    ] {
        let gauge = Gauge::with_config(config);
        let operations: [fn(&Gauge); 6] = [
            |gauge| gauge.observe_depth(7),
            |gauge| gauge.observe_depth(2),
            |gauge| gauge.observe_with(|| 9),
            Gauge::record_dequeue,
            Gauge::record_clear,
            |gauge| gauge.observe_depth(3),
        ];
        let mut totals = (0, 0);
        for operation in operations {
            operation(&gauge);
            let now = (gauge.enqueued(), gauge.dequeued());
            assert!(
                now.0 >= totals.0 && now.1 >= totals.1,
                "{now:?} after {totals:?}"
            );
            totals = now;
        }
        assert_eq!(totals, (17, 14));
    }
}

/// Capacity 0 is unbounded. A rendezvous is a setting of its own. `paired` is an alias of
/// `for_queue`.
#[test]
fn a_queue_without_a_bound_has_a_depth_and_a_rendezvous_has_none() {
    for (config, depth) in [
        (GaugeConfig::new(&LIMIT, 0), 3),
        (GaugeConfig::for_queue(&LIMIT, 0), 3),
        (GaugeConfig::new(&LIMIT, 0).paired(), 3),
        (GaugeConfig::rendezvous(&LIMIT), 0),
    ] {
        let gauge = Gauge::with_config(config).with_sink(&RECORDER);
        gauge.record_enqueue_n(4);
        gauge.record_dequeue();
        assert_eq!((gauge.depth(), gauge.enqueued()), (depth, 4), "{config:?}");
        assert_eq!(gauge.high_water(), if depth == 0 { 0 } else { 4 });
        gauge.observe_depth(usize::MAX);
        gauge.record_clear();
        assert_eq!(
            (gauge.depth(), short_events()),
            (0, Vec::new()),
            "{config:?}"
        );
    }
}
