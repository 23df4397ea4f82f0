//! The examples, which `cargo test` builds next to this test.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A program to be run with these arguments.
pub(crate) fn example(name: &str, arguments: &[&str]) -> Command {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.push("examples");
    path.push(format!("{name}{}", std::env::consts::EXE_SUFFIX));
    let built = fs::metadata(&path).and_then(|example| example.modified());
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let sources = sources(&directory.join(name));
    assert!(!sources.is_empty(), "{name}");
    for source in sources {
        let written = fs::metadata(source).and_then(|source| source.modified());
        assert!(
            matches!((&built, &written), (Ok(built), Ok(written)) if built >= written),
            "{path:?} is missing or old: `cargo build --example {name}`, which `cargo test` does"
        );
    }
    let mut command = Command::new(path);
    command.args(arguments).stdin(Stdio::null());
    command
}

/// All files of Rust in a directory and those below it.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let below = paths.flat_map(|path| {
        if path.is_dir() {
            sources(&path)
        } else {
            vec![path]
        }
    });
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    below.filter(is_rust).collect()
}
