//! A guard gives back what it holds, however it ends.

use std::future::{Future, pending};
use std::num::ParseIntError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use fillgauge::{Gauge, Limit, LimitEvent, LimitSink};

use crate::recorder::RECORDER;
use crate::short_events;

static BYTES: Limit = Limit::memory("bytes");

fn gauge() -> Gauge {
    Gauge::new(&BYTES, 10).with_sink(&RECORDER)
}

/// How a scope ends, and a scope that ends so.
type End = (&'static str, fn(&Gauge));

/// Each way in which a scope can end, with a guard in it.
#[test]
fn it_gives_back_however_its_scope_ends() {
    fn returns_early(gauge: &Gauge) -> Result<u8, ParseIntError> {
        let _hold = gauge.hold(8);
        let number = "none".parse()?;
        Ok(number)
    }
    fn is_cancelled(gauge: &Gauge) {
        let request = async {
            let _hold = gauge.hold(8);
            pending::<()>().await;
        };
        let mut request = pin!(request);
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(request.as_mut().poll(&mut context), Poll::Pending);
        assert_eq!(gauge.depth(), 8);
    }
    let ends: [End; 5] = [
        ("release", |gauge| gauge.hold(8).release()),
        ("end of scope", |gauge| drop(gauge.hold(8))),
        ("early return", |gauge| drop(returns_early(gauge))),
        ("cancelled future", is_cancelled),
        ("panic", |gauge| {
            let outcome = catch_unwind(AssertUnwindSafe(|| {
                let _hold = gauge.hold(8);
                panic!("in the scope of the guard");
            }));
            assert!(outcome.is_err());
        }),
    ];
    for (end, run) in ends {
        let gauge = gauge();
        run(&gauge);
        assert_eq!(gauge.depth(), 0, "{end}");
        assert!(!gauge.has_warned(), "{end}");
        assert_eq!(short_events(), [('+', 8), ('-', 0)], "{end}");
    }
}

#[test]
fn a_sink_that_panics_leaves_nothing_held() {
    struct Panics;
    impl LimitSink for Panics {
        fn on_event(&self, event: &LimitEvent) {
            assert!(!matches!(event, LimitEvent::NearCapacity(_)), "broken");
        }
    }
    let gauge = Gauge::new(&BYTES, 10).with_sink(&Panics);
    let outcome = catch_unwind(AssertUnwindSafe(|| gauge.hold(8)));
    assert!(outcome.is_err());
    assert_eq!((gauge.depth(), gauge.has_warned()), (0, false));
}

#[test]
fn what_is_forgotten_stays() {
    let gauge = gauge();
    let amount = gauge.hold(3).forget();
    assert_eq!((amount, gauge.depth()), (3, 3));
}

#[test]
fn it_holds_no_more_than_the_range_has_room_for() {
    let gauge = Gauge::new(&BYTES, 0);
    let most = gauge.hold(usize::MAX);
    let nothing = gauge.hold(1);
    assert_eq!(most.amount(), gauge.depth());
    assert_eq!(nothing.amount(), 0);
    drop(most);
    drop(nothing);
    assert_eq!(gauge.depth(), 0);
}
