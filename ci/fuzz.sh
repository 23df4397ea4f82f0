#!/usr/bin/env bash
# ci/fuzz.sh [SECONDS]: runs each fuzz target for that long, from the seeds. Without nightly Rust it
# uses the stable one, which has no sanitizer. Of what is fuzzed, only `src/limit/atomic.rs` has
# unsafe code for one to check.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

seconds=${1:-10}
need cc gcc
need c++ g++

need_crate cargo-fuzz

if rustc +nightly --version >/dev/null 2>&1 \
    || { command -v rustup >/dev/null && rustup toolchain install nightly --profile minimal --no-self-update >/dev/null 2>&1; }; then
    export RUSTUP_TOOLCHAIN=nightly
    sanitizer=address
else
    sanitizer=none
fi
echo "fuzz: $(rustc --version), sanitizer: $sanitizer"

log=$(mktemp)
trap 'rm -f "$log"' EXIT
targets=$(cargo fuzz list)
[ -n "$targets" ] || { echo "fuzz: no targets"; exit 1; }
for target in $targets; do
    seeds=tests/seeds/$target
    [ -n "$(ls "$seeds")" ] || { echo "fuzz: no seeds in $seeds"; exit 1; }
    mkdir -p "fuzz/corpus/$target"
    cargo fuzz run --sanitizer "$sanitizer" "$target" "fuzz/corpus/$target" "$seeds" -- \
        -max_total_time="$seconds" -print_final_stats=1 >"$log" 2>&1 || {
        tail -n 50 "$log"
        echo "fuzz: $target found something, or did not build"
        exit 1
    }
    executions=$(sed -nE 's/^stat::number_of_executed_units: ([0-9]+)$/\1/p' "$log")
    [ "${executions:-0}" -ge $((100 * seconds)) ] || {
        echo "fuzz: only ${executions:-0} executions of $target in $seconds seconds"
        exit 1
    }
    echo "fuzz: $target: $executions executions, no finding"
done
