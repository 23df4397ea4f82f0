//! Foreign code that does its worst at every place where it is called, and the channel has to bear
//! it.
//!
//! The rows of the table are {who} x {does what} x {during which operation} x {where events are
//! delivered} x {the tracked channel}, but for those that mean nothing or are the same as another.
//! Each row runs in a process of its own with a time limit: first over std's channel, with the
//! foreign code called at the same places and a consumer on another thread. There several rows are
//! the same, which runs once. If that run ends, the tracked channel must end too, without a panic,
//! a lost item, or a thread too many. Some scenarios follow, which have a process of their own as
//! well.
//!
//! `cargo test --test hostile -- WORD...` runs the rows whose name has all of the words.

mod channel;
mod foreign;
mod process;
mod row;
mod scenarios;
mod table;

use std::env;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["--row", name, channel] => row::run(name, channel),
        ["--scenario", name] => scenarios::run(name),
        // What `cargo nextest` asks for.
        ["--list", ..] => {}
        _ => {
            let words: Vec<&str> = words
                .into_iter()
                .filter(|word| !word.starts_with('-'))
                .collect();
            return table::run(&words);
        }
    }
    ExitCode::SUCCESS
}
