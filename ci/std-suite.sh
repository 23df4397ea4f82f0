#!/usr/bin/env bash
# The tests of std's own `sync_channel` pass over the tracked channel of fillgauge-std. They come
# from the component rust-src of the toolchain. They run twice: over std's channel, and over the
# tracked one. Only the constructor and the two types differ. The tracked run must not run fewer
# tests than the plain one. What is generated lies below target/std-suite.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# Tests that are left out of both runs, each with the reason.
left_out=(
    "send_timeout: std's method is unstable, and the tracked channel has none"
)
# A suite without tests would pass as well.
at_least=50
# A channel that loses an item lets the receiver wait for ever.
seconds=300

fail() {
    echo "std-suite: $*"
    exit 1
}

std=$(rustc --print sysroot)/lib/rustlib/src/rust/library/std
if [ ! -d "$std" ]; then
    echo "rust-src is missing: adding it"
    if command -v rustup >/dev/null; then rustup component add rust-src || true; fi
    [ -d "$std" ] || { echo "$0 needs rust-src: rustup component add rust-src"; exit 1; }
fi
original=$std/tests/sync/mpsc_sync.rs
[ -f "$original" ] || fail "rust-src of $(rustc --version) has no library/std/tests/sync/mpsc_sync.rs"

package=target/std-suite
mkdir -p "$package/src" "$package/tests"
# The versions of the project. Cargo takes out what this package does not need.
cp Cargo.lock "$package/Cargo.lock"

put "$package/Cargo.toml" <<'TOML'
[package]
name = "std-suite"
version = "0.0.0"
# That of std.
edition = "2024"
publish = false

[workspace]

[dependencies]
fillgauge-std = { path = "../../std-shim" }
TOML

put "$package/src/lib.rs" <<'RUST'
use fillgauge_std::{TrackedLimit, tracked_sync_channel};
pub use fillgauge_std::{TrackedReceiver as Receiver, TrackedSyncSender as SyncSender};

pub fn sync_channel<T>(n: usize) -> (SyncSender<T>, Receiver<T>) {
    tracked_sync_channel(TrackedLimit::VmPipes, n)
}
RUST

# The feature gates stand in lib.rs of the suite, which is not taken. One imported type is unstable.
# Only `send_timeout` uses it.
edits=(-e '/^use std::sync::mpmc::SendTimeoutError;$/d')
for entry in "${left_out[@]}"; do
    name=${entry%%:*}
    grep -q "^fn $name() {\$" "$original" || fail "left out is $name, and std has no test of that name"
    echo "std-suite: left out is $entry"
    edits+=(-e "s/^fn $name() {\$/#[cfg(any())]\n&/")
done
sed "${edits[@]}" "$original" | put "$package/tests/plain.rs"

# Names that are imported one by one hide those that come with a `*`. No other line may lead to
# std's channel.
import='use std::sync::mpsc::*;'
[ "$(grep mpsc "$package/tests/plain.rs")" = "$import" ] || {
    fail "std's tests no longer import the channel by \`$import\` alone"
}
sed "s/^${import/\*/\\*}\$/&\nuse std_suite::{Receiver, SyncSender, sync_channel};/" \
    "$package/tests/plain.rs" | put "$package/tests/tracked.rs"

# passed_over NAME: runs the tests over the plain or the tracked channel. Sets `passed`.
passed_over() {
    echo "std-suite: std's tests over the $1 channel"
    local status=0
    (cd "$package" && timeout "$seconds" cargo test --test "$1") 2>&1 | tee "$package/$1.log" || status=$?
    [ "$status" != 124 ] || fail "a test over the $1 channel did not end in $seconds seconds"
    [ "$status" = 0 ] || fail "a test over the $1 channel fails"
    passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed; 0 failed;.*/\1/p' "$package/$1.log")
    [ -n "$passed" ] || fail "the run over the $1 channel does not say how many tests passed"
}

(cd "$package" && cargo test --quiet --tests --no-run) \
    || fail "std's tests do not build: those that need what the tracked channel has not must be left out"
passed_over plain
plain=$passed
passed_over tracked
tracked=$passed

[ "$plain" -ge "$at_least" ] || fail "only $plain tests ran, and $at_least are the least"
[ "$tracked" -ge "$plain" ] || fail "$tracked tests ran over the tracked channel, and $plain over the plain one"
echo "std-suite: $tracked tests of std's sync_channel pass over the tracked channel, as over the plain one"
