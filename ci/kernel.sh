#!/usr/bin/env bash
# The crate that uses the original of `fillgauge_std::queue_tracker` passes its tests over ours:
# `agentos-kernel`, as published. One line stands in for the module `queue_tracker` of
# `agentos-bridge`. What is generated lies below target/kernel.
#
# Over that line it also builds for wasm32-unknown-unknown, once two lines of its own are mended. As
# published it does not build for that target, over the original neither: it calls a function that
# is left out there, and takes the `Instant` of web-time for that of std.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need jq jq

version=0.4.7
facade='pub use fillgauge_std::queue_tracker;'
# So many pass over the original. Fewer would be another suite.
at_least=386
# For each program of tests: a gauge that locks up would let one wait for ever.
seconds=300

fail() {
    echo "kernel: $*"
    exit 1
}

# package FOLDER: its Cargo.toml, with what stands on stdin, and an empty library.
package() {
    mkdir -p "$1/src"
    put "$1/src/lib.rs" </dev/null
    {
        printf '[package]\nname = "%s"\nversion = "0.0.0"\nedition = "2024"\n' "$(basename "$1")"
        printf 'publish = false\n\n[workspace]\n\n'
        cat
    } | put "$1/Cargo.toml"
}

both="[dependencies]
agentos-bridge = \"=$version\"
agentos-kernel = \"=$version\""

# Cargo fetches them for a package that names them, and says where it keeps them.
package target/kernel/published <<<"$both"
cd target/kernel
packages=$(
    cd published
    cargo metadata --format-version 1 --filter-platform wasm32-unknown-unknown
)
published() { # published CRATE: the folder of its source
    local manifest
    manifest=$(jq -er --arg name "$1" <<<"$packages" '
        first(.packages[] | select(.name == $name)).manifest_path')
    dirname "$manifest"
}
bridge=$(published agentos-bridge)
kernel=$(published agentos-kernel)

# copy FROM TO LINES EDIT...: the files of a package, edited by sed. So many lines must differ.
copy() {
    local from=$1 to=$2 lines=$3 file edits differ
    shift 3
    edits=("${@/#/--expression=}")
    while read -r file; do
        mkdir -p "$(dirname "$to/$file")"
        sed "${edits[@]}" "$from/$file" | put "$to/$file"
    done < <(cd "$from" && find . -type f ! -name Cargo.toml.orig ! -name Cargo.lock)
    differ=$(diff -r "$from" "$to" | grep '^[<>]') || true
    echo "kernel: in $to differs from what was published"
    echo "$differ"
    [ "$(wc -l <<<"$differ")" = "$lines" ] || fail "it should be $lines lines"
}
copy "$bridge" bridge 5 \
    "s/^pub mod queue_tracker;\$/$facade/" \
    '/^\[dependencies\.tracing\]$/i [dependencies.fillgauge-std]\npath = "../../../std-shim"\n'
rm bridge/src/queue_tracker.rs
copy "$kernel" kernel-for-wasm 5 \
    's/^name = "agentos-kernel"$/name = "kernel-for-wasm"/' \
    '/fn next_zombie_reap_deadline(&self)/s/<std::time::Instant>/<web_time::Instant>/' \
    '/^    #\[cfg(not(target_arch = "wasm32"))\]$/{N;s/^.*\n\( *fn accounting_invariant(\)/\1/}'

package over-facade <<TOML
$both

[target.'cfg(target_arch = "wasm32")'.dependencies]
kernel-for-wasm = { path = "../kernel-for-wasm" }

[patch.crates-io]
agentos-bridge = { path = "../bridge" }
TOML
cd over-facade
# The versions that the kernel was published with. Cargo adds those of this project's dependencies.
if ! cmp -s "$kernel/Cargo.lock" published.lock; then
    cp "$kernel/Cargo.lock" Cargo.lock
    cp "$kernel/Cargo.lock" published.lock
fi

# That it is the facade which is used: there is no other agentos-bridge, and fillgauge-std is below.
users=$(cargo tree --quiet --prefix depth --edges normal --invert fillgauge-std)
awk -v ours="($project/std-shim)" -v bridge="($project/target/kernel/bridge)" '
    NR == 1 && /^0fillgauge-std v/ && index($0, ours) { found++ }
    NR == 2 && /^1agentos-bridge v/ && index($0, bridge) { found++ }
    NR == 3 && /^2agentos-kernel v/ { found++ }
    END { exit found != 3 }' <<<"$users" || fail "agentos-kernel does not use the facade: $users"
[ "$(grep -c '^name = "agentos-bridge"$' Cargo.lock)" = 1 ] \
    || fail "there is another agentos-bridge"

echo "kernel: the tests of agentos-kernel $version over \`$facade\`"
runner="target.'cfg(all())'.runner = ['timeout', '$seconds']"
cargo --config "$runner" test -p agentos-kernel 2>&1 | tee test.log \
    || fail "they do not build, or one fails, or does not end in $seconds seconds"
read -r passed others < <(awk '
    /^test result:/ { passed += $4; others += $6 + $8 + $12 }
    END { print passed + 0, others + 0 }' test.log)
[ "$others" = 0 ] || fail "$others tests failed, or were left out"
[ "$passed" -ge "$at_least" ] || fail "only $passed tests passed, over the original $at_least do"

rust_for wasm32-unknown-unknown
# Where the standard library has to be built, not the core of it alone.
cargo_for=("${cargo_for[@]/build-std=core/build-std=std,panic_abort}")
# It warns of what is its own.
build=("${cargo_for[@]}" build --quiet -p kernel-for-wasm --target wasm32-unknown-unknown)
messages=$("${build[@]}" 2>&1) || fail "it does not build for wasm32-unknown-unknown: $messages"
echo "kernel: $passed tests pass over the facade"
echo "kernel: with two lines mended it builds over it for wasm32-unknown-unknown"
