//! Random programs, for as long as `SEARCH_SECONDS` says.

use std::env;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use fillgauge_search_tests::random::Programs;
use fillgauge_search_tests::{Report, search_all};

const MOST_STATES: usize = 200_000;
const SECONDS: u64 = 20;
/// Between two looks at the clock.
const PROGRAMS: usize = 20;

fn number_from(variable: &str) -> Option<u64> {
    let value = env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

/// `SEARCH_SEED` repeats a run.
#[test]
fn random_programs_keep_every_promise() {
    let time = Duration::from_secs(number_from("SEARCH_SECONDS").unwrap_or(SECONDS));
    let seed = number_from("SEARCH_SEED").unwrap_or_else(|| {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        now.as_secs()
    });
    println!("SEARCH_SEED={seed}");
    let mut programs = Programs::from_seed(seed);
    let mut report = Report::default();
    let start = Instant::now();
    while start.elapsed() < time && report.failures.is_empty() {
        let some: Vec<_> = programs.by_ref().take(PROGRAMS).collect();
        report.add(search_all(&some, MOST_STATES));
    }
    report.assert_kept(PROGRAMS, 100_000);
}
