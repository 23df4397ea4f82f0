//! Contenders of a comparison run in turn, round by round: a machine that slows down slows all of
//! them. Ratios are taken within a round.

use std::time::{Duration, Instant};
use std::{env, fs};

use serde::Serialize;

pub(crate) const ROUNDS: usize = 31;

/// Something to measure: does `n` operations, and says how long they took.
pub(crate) struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut(usize) -> Duration + 'a>,
}

pub(crate) fn contender<'a>(
    name: impl Into<String>,
    mut run: impl FnMut(usize) + 'a,
) -> Contender<'a> {
    timed_by_itself(name, move |n| {
        let start = Instant::now();
        run(n);
        start.elapsed()
    })
}

/// A contender that has something to prepare each time, such as threads.
pub(crate) fn timed_by_itself<'a>(
    name: impl Into<String>,
    run: impl FnMut(usize) -> Duration + 'a,
) -> Contender<'a> {
    Contender {
        name: name.into(),
        run: Box::new(run),
    }
}

/// What all comparisons came to.
pub(crate) struct Run {
    words: Vec<String>,
    comparisons: Vec<Comparison>,
}

#[derive(Serialize)]
struct Comparison {
    what: String,
    unit: &'static str,
    rounds: usize,
    rows: Vec<Row>,
}

/// Quartiles: the first, the median, the third.
#[derive(Serialize)]
struct Row {
    name: String,
    value: [f64; 3],
    ratio: [f64; 3],
}

impl Run {
    pub(crate) fn from_arguments() -> Self {
        println!(
            "{ROUNDS} rounds in turn, medians; ratios within a round against the first, with their quartiles"
        );
        Self {
            words: env::args()
                .skip(1)
                .filter(|argument| !argument.starts_with('-'))
                .collect(),
            comparisons: Vec::new(),
        }
    }

    /// Whether the comparison called `what` was asked for.
    pub(crate) fn wants(&self, what: &str) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| what.contains(word))
    }

    pub(crate) fn wants_any(&self, titles: &[&str]) -> bool {
        titles.iter().any(|title| self.wants(title))
    }

    /// Nanoseconds of an operation, for `operations` of them in each round.
    pub(crate) fn time(
        &mut self,
        what: &str,
        operations: usize,
        mut contenders: Vec<Contender<'_>>,
    ) {
        if !self.wants(what) {
            return;
        }
        for contender in &mut contenders {
            (contender.run)(operations / 10 + 1);
        }
        let rounds: Vec<Vec<f64>> = (0..ROUNDS)
            .map(|round| {
                let mut times = vec![0.0; contenders.len()];
                // Each round begins with another contender.
                for turn in 0..contenders.len() {
                    let index = (round + turn) % contenders.len();
                    let time = (contenders[index].run)(operations);
                    times[index] = time.as_nanos() as f64 / operations as f64;
                }
                times
            })
            .collect();
        let names = contenders.into_iter().map(|contender| contender.name);
        self.add(what, "ns", names.collect(), rounds);
    }

    /// Values that are the same in each round.
    pub(crate) fn exact(&mut self, what: &str, unit: &'static str, values: Vec<(&str, f64)>) {
        let (names, values): (Vec<String>, Vec<f64>) = values
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .unzip();
        self.add(what, unit, names, vec![values]);
    }

    fn add(&mut self, what: &str, unit: &'static str, names: Vec<String>, rounds: Vec<Vec<f64>>) {
        println!("\n{what}");
        let rows = names.into_iter().enumerate().map(|(index, name)| {
            let row = Row {
                name,
                value: quartiles(rounds.iter().map(|round| round[index])),
                ratio: quartiles(rounds.iter().map(|round| round[index] / round[0])),
            };
            let [first, median, third] = row.ratio;
            println!(
                "  {:<36} {:>10.1} {unit}   {median:>7.2}x  ({first:.2} to {third:.2})",
                row.name, row.value[1]
            );
            row
        });
        let comparison = Comparison {
            what: what.to_owned(),
            unit,
            rounds: rounds.len(),
            rows: rows.collect(),
        };
        self.comparisons.push(comparison);
    }

    pub(crate) fn finish(self) {
        assert!(
            !self.comparisons.is_empty(),
            "no comparison is called {:?}",
            self.words
        );
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/ratios.json");
        fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/../target"))
            .expect("a folder to write to");
        let json = serde_json::to_string_pretty(&self.comparisons).expect("plain data");
        fs::write(path, json).expect("target/ can be written");
        println!("\nthe same as JSON: target/ratios.json");
    }
}

fn quartiles(values: impl Iterator<Item = f64>) -> [f64; 3] {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[quarter * (values.len() - 1) / 4])
}
