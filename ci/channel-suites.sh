#!/usr/bin/env bash
# The tests of the crates whose channels are wrapped pass over the tracked types of fillgauge-std.
# They are in the crates as cargo fetches them. They run twice: over the plain crate, and over a
# facade that has its name, with the tracked types in their places. A file must not run fewer tests
# over the facade than over the plain crate, less those that are left out by name. What is copied
# and generated lies below target/channel-suites.
#
#   ci/channel-suites.sh [CRATE...]    all of them, or those that are named: tokio,
#                                  crossbeam-channel, async-channel
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# A channel that loses an item lets the receiver wait for ever.
seconds=300

fail() {
    echo "channel-suites: $*"
    exit 1
}

# begin CRATE AT_LEAST [FILE:TEST: REASON...]: the directory of a crate's suite is `suite`, a
# workspace of the packages `plain`, `tracked` and `facade`. All files together have AT_LEAST tests:
# a suite without tests would pass as well. The tests with a reason are left out of the tracked run.
begin() {
    crate=$1 at_least=$2
    shift 2
    left_out=("$@")
    suite=target/channel-suites/$crate
    mkdir -p "$suite"/{facade,plain,tracked}/src "$suite"/{plain,tracked}/tests
    # The versions of the project. Cargo takes out what this workspace does not need.
    cp Cargo.lock "$suite/Cargo.lock"
    put "$suite/Cargo.toml" <<'TOML'
[workspace]
members = ["facade", "plain", "tracked"]
resolver = "3"
TOML
    : | put "$suite/plain/src/lib.rs"
    : | put "$suite/tracked/src/lib.rs"
}

# source_of: where the source of the crate is that the suite depends on.
source_of() {
    local manifest path="[^\"]*/$crate-[0-9][^/\"]*/Cargo.toml"
    manifest=$(cd "$suite" && cargo metadata --format-version 1 \
        | grep -oE "\"manifest_path\":\"$path\"" | sort -u | cut -d'"' -f4)
    [ "$(wc -l <<<"$manifest")" = 1 ] && [ -f "$manifest" ] \
        || fail "where is $crate: ${manifest:-nowhere}"
    dirname "$manifest"
}

# passed_over WHICH FILE [FLAG...]: runs a file over the plain or the tracked types. Sets `passed`.
passed_over() {
    local which=$1 file=$2 log=$suite/$1-$2.log status=0
    shift 2
    (cd "$suite" && timeout "$seconds" cargo test -p "$crate-$which" --test "$file" -- "$@") \
        >"$log" 2>&1 || status=$?
    [ "$status" != 124 ] \
        || fail "a test of $file over the $which $crate did not end in $seconds seconds: $log"
    [ "$status" = 0 ] || {
        tail -40 "$log"
        fail "a test of $file over the $which $crate fails: $log"
    }
    grep '^test result' "$log" || true
    passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed; 0 failed;.*/\1/p' "$log")
    [ -n "$passed" ] \
        || fail "the run of $file over the $which $crate does not say how many tests passed"
}

# compare FILE...: runs the files over both.
compare() {
    local file entry name plain all=0 flags fewer
    (cd "$suite" && cargo test --quiet --tests --no-run) || fail "the tests of $crate do not build"
    for file in "$@"; do
        passed_over plain "$file"
        plain=$passed flags=() fewer=0
        for entry in ${left_out[@]+"${left_out[@]}"}; do
            [ "${entry%%:*}" = "$file" ] || continue
            name=${entry#*:}
            name=${name%%: *}
            grep -q "^test $name .*ok$" "$suite/plain-$file.log" \
                || fail "left out is $name, and $file of $crate has no test of that name"
            echo "channel-suites: left out is $entry"
            flags+=(--skip "$name")
            fewer=$((fewer + 1))
        done
        [ "$fewer" = 0 ] || flags+=(--exact)
        passed_over tracked "$file" ${flags[@]+"${flags[@]}"}
        [ "$passed" -ge $((plain - fewer)) ] \
            || fail "$passed tests of $file ran over the tracked types, $plain over the plain ones"
        echo "channel-suites: $crate $file: $passed tracked and $plain plain tests pass"
        all=$((all + passed))
    done
    [ "$all" -ge "$at_least" ] || fail "only $all tests of $crate ran, and $at_least are the least"
    echo "channel-suites: $all tests of $crate pass over the tracked types"
}

# The tests ask for the features `sync` and `full`. Without them they run nothing.
run_tokio() {
    local source file files=(sync_mpsc sync_mpsc_weak sync_semaphore sync_semaphore_owned)
    begin tokio 170
    put "$suite/facade/Cargo.toml" <<'TOML'
[package]
name = "tokio-facade"
version = "0.0.0"
edition = "2024"

[lib]
name = "tokio"

[dependencies]
fillgauge-std = { path = "../../../../std-shim", features = ["tokio"] }
plain = { package = "tokio", version = "1", features = ["full", "test-util"] }
TOML
    put "$suite/facade/src/lib.rs" <<'RUST'
//! tokio, with the tracked types in their places. Whatever is unbounded is tokio's own.
pub use plain::*;

pub mod sync {
    pub use plain::sync::*;

    pub use fillgauge_std::channels::tokio::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

    pub mod mpsc {
        pub use plain::sync::mpsc::*;

        pub use fillgauge_std::channels::tokio::{
            OwnedPermit, Permit, PermitIterator, Receiver, Sender, WeakSender,
        };

        #[track_caller]
        pub fn channel<T: Send + 'static>(buffer: usize) -> (Sender<T>, Receiver<T>) {
            fillgauge_std::channels::tokio::channel("tokio", buffer)
        }
    }
}
RUST
    local which dependency
    for which in plain tracked; do
        dependency='version = "1", features = ["full", "test-util"]'
        [ "$which" = plain ] || dependency='package = "tokio-facade", path = "../facade"'
        put "$suite/$which/Cargo.toml" <<TOML
[package]
name = "tokio-$which"
version = "0.0.0"
edition = "2021"

[features]
default = ["sync", "full"]
sync = []
full = []

[dev-dependencies]
futures = "0.3"
tokio = { $dependency }
tokio-stream = "0.1"
tokio-test = "0.4"
TOML
    done
    source=$(source_of)
    # A tracked semaphore needs what it is the limit of. A tracked channel is of items that a
    # report on another thread may drop.
    local edits=(
        -e 's/\bSemaphore::new(/&"tokio", /g'
        -e "s/^pub fn channel_stream<T: Unpin>/pub fn channel_stream<T: Unpin + Send + 'static>/"
    )
    mkdir -p "$suite/plain/tests/support" "$suite/tracked/tests/support"
    for file in "${files[@]/%/.rs}" support/mpsc_stream.rs; do
        put "$suite/plain/tests/$file" <"$source/tests/$file"
        sed "${edits[@]}" "$source/tests/$file" | put "$suite/tracked/tests/$file"
    done
    compare "${files[@]}"
}

# Its tests of `after`, `at`, `tick` and `never` are left alone: those are crossbeam's own channels.
run_crossbeam_channel() {
    local source file which dependency
    local files=(array iter mpsc same_channel select select_macro thread_locals zero)
    begin crossbeam-channel 270 \
        "array:panic_on_drop: its items are borrowed, and a report reads them on another thread" \
        "select_macro:references: it takes \`r\` or \`never()\`, whose type is crossbeam's own"
    put "$suite/facade/Cargo.toml" <<'TOML'
[package]
name = "crossbeam-channel-facade"
version = "0.0.0"
edition = "2024"

[lib]
name = "crossbeam_channel"

[dependencies]
fillgauge-std = { path = "../../../../std-shim", features = ["crossbeam"] }
plain = { package = "crossbeam-channel", version = "0.5" }
TOML
    put "$suite/facade/src/lib.rs" <<'RUST'
//! crossbeam-channel, with the tracked types in their places.
pub use plain::*;

pub use fillgauge_std::channels::crossbeam::{IntoIter, Iter, Receiver, Sender, TryIter};

pub fn bounded<T: Send + 'static>(cap: usize) -> (Sender<T>, Receiver<T>) {
    fillgauge_std::channels::crossbeam::bounded("crossbeam", cap)
}

pub fn unbounded<T: Send + 'static>() -> (Sender<T>, Receiver<T>) {
    fillgauge_std::channels::crossbeam::unbounded("crossbeam")
}
RUST
    for which in plain tracked; do
        dependency='version = "0.5"'
        [ "$which" = plain ] \
            || dependency='package = "crossbeam-channel-facade", path = "../facade"'
        put "$suite/$which/Cargo.toml" <<TOML
[package]
name = "crossbeam-channel-$which"
version = "0.0.0"
edition = "2021"

[dev-dependencies]
crossbeam-channel = { $dependency }
crossbeam-utils = "0.8"
num_cpus = "1"
rand = "0.8"

[lints.rust]
unexpected_cfgs = "allow"
unused_imports = "allow"
TOML
    done
    source=$(source_of)
    # What is left out does not compile. The constructors of the wrappers in mpsc.rs ask nothing of
    # their items.
    local edits=(
        -e 's/^fn (panic_on_drop|references)\(\) \{$/#[cfg(any())]\n&/'
        -e "s/^pub fn ((sync_)?channel)<T>\(/pub fn \\1<T: Send + 'static>(/"
    )
    for file in "${files[@]/%/.rs}"; do
        put "$suite/plain/tests/$file" <"$source/tests/$file"
        sed -E "${edits[@]}" "$source/tests/$file" | put "$suite/tracked/tests/$file"
    done
    compare "${files[@]}"
}

# The tests ask for the feature `std`.
run_async_channel() {
    local source file which dependency files=(bounded unbounded)
    begin async-channel 40
    put "$suite/facade/Cargo.toml" <<'TOML'
[package]
name = "async-channel-facade"
version = "0.0.0"
edition = "2024"

[lib]
name = "async_channel"

[dependencies]
fillgauge-std = { path = "../../../../std-shim", features = ["async-channel"] }
plain = { package = "async-channel", version = "2" }
TOML
    put "$suite/facade/src/lib.rs" <<'RUST'
//! async-channel, with the tracked types in their places.
pub use plain::*;

pub use fillgauge_std::channels::async_channel::{
    Receiver, Recv, Send, Sender, WeakReceiver, WeakSender,
};

pub fn bounded<T: core::marker::Send + 'static>(cap: usize) -> (Sender<T>, Receiver<T>) {
    fillgauge_std::channels::async_channel::bounded("async", cap)
}

pub fn unbounded<T: core::marker::Send + 'static>() -> (Sender<T>, Receiver<T>) {
    fillgauge_std::channels::async_channel::unbounded("async")
}
RUST
    for which in plain tracked; do
        dependency='version = "2"'
        [ "$which" = plain ] || dependency='package = "async-channel-facade", path = "../facade"'
        put "$suite/$which/Cargo.toml" <<TOML
[package]
name = "async-channel-$which"
version = "0.0.0"
edition = "2021"

[features]
default = ["std"]
std = []

[dev-dependencies]
async-channel = { $dependency }
easy-parallel = "3"
futures-lite = "2"
TOML
    done
    source=$(source_of)
    for file in "${files[@]/%/.rs}"; do
        put "$suite/plain/tests/$file" <"$source/tests/$file"
        put "$suite/tracked/tests/$file" <"$source/tests/$file"
    done
    compare "${files[@]}"
}

crates=("$@")
[ $# != 0 ] || crates=(tokio crossbeam-channel async-channel)
for name in "${crates[@]}"; do
    declare -F "run_${name//-/_}" >/dev/null || fail "there is no suite of $name"
    "run_${name//-/_}"
done
