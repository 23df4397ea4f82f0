//! Runs all rows and scenarios, and says what came of them.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crate::process::{Outcome, run as run_process};
use crate::row::{Row, lock};
use crate::scenarios;

/// How long a row may take over the plain channel, and over the tracked one.
const PLAIN: Duration = Duration::from_secs(2);
const TRACKED: Duration = Duration::from_secs(12);

/// Most of them sleep.
const AT_ONCE: usize = 8;

/// The fewest rows that std's channel gets to the end of: a table that demands nothing proves
/// nothing.
const FEWEST_DEMANDED: usize = if cfg!(all(
    feature = "tokio",
    feature = "crossbeam",
    feature = "edge-waiter"
)) {
    3_200
} else {
    1_900
};

enum Verdict {
    Passed,
    Failed(String),
    /// It does not end over the plain channel either.
    NotDemanded,
    LeftOut(&'static str),
}

/// How rows ended over the plain channel, where several are one.
#[derive(Default)]
struct OverPlain(Mutex<BTreeMap<Row, Arc<OnceLock<Outcome>>>>);

impl OverPlain {
    fn outcome(&self, row: Row) -> Outcome {
        let row = row.over_plain();
        let outcome = Arc::clone(lock(&self.0).entry(row).or_default());
        let run = || run_process(&["--row", &row.to_string(), "plain"], PLAIN, &[]);
        outcome.get_or_init(run).clone()
    }
}

fn judge(row: Row, over_plain: &OverPlain) -> Verdict {
    if let Some(reason) = row.left_out() {
        return Verdict::LeftOut(reason);
    }
    match over_plain.outcome(row) {
        Outcome::Success => {}
        Outcome::Timeout => return Verdict::NotDemanded,
        Outcome::Failure(errors) => {
            return Verdict::Failed(format!("over the plain channel: {errors}"));
        }
    }
    let name = row.to_string();
    match run_process(&["--row", &name, "tracked"], TRACKED, &[]) {
        Outcome::Success => Verdict::Passed,
        Outcome::Failure(errors) => Verdict::Failed(errors),
        Outcome::Timeout => Verdict::Failed("it does not end".to_owned()),
    }
}

pub(crate) fn run(words: &[&str]) -> ExitCode {
    let is_wanted = |name: &str| words.iter().all(|word| name.contains(word));
    let rows: Vec<Row> = Row::all()
        .filter(|row| is_wanted(&row.to_string()))
        .collect();
    let (next, over_plain) = (AtomicUsize::new(0), OverPlain::default());
    let verdicts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(&row) = rows.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let verdict = judge(row, &over_plain);
                    lock(&verdicts).push((row.to_string(), verdict));
                }
            });
        }
    });

    let (mut passed, mut failed) = (0, 0);
    let mut left_out: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (name, verdict) in verdicts.into_inner().unwrap() {
        match verdict {
            Verdict::Passed => passed += 1,
            Verdict::Failed(errors) => {
                println!("{name} FAILED: {errors}");
                failed += 1;
            }
            Verdict::NotDemanded => {
                let reason = "does not end over the plain channel either";
                left_out.entry(reason).or_default().push(name);
            }
            Verdict::LeftOut(reason) => left_out.entry(reason).or_default().push(name),
        }
    }
    for (reason, names) in &mut left_out {
        names.sort();
        println!("{} rows left out: {reason}", names.len());
        if words.is_empty() && names.len() > 64 {
            continue;
        }
        names.iter().for_each(|name| println!("  {name}"));
    }
    for name in scenarios::names().filter(|name| is_wanted(name)) {
        match scenarios::judge(name) {
            Outcome::Success => passed += 1,
            outcome => {
                println!("{name} FAILED: {outcome:?}");
                failed += 1;
            }
        }
    }
    if words.is_empty() && passed < FEWEST_DEMANDED {
        println!("only {passed} passed, expected at least {FEWEST_DEMANDED}");
        failed += 1;
    }
    // As the harness of the standard library says it.
    let outcome = if failed == 0 { "ok" } else { "FAILED" };
    println!(
        "test result: {outcome}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out"
    );
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
