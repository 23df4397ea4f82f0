#!/usr/bin/env bash
# Builds the firmwares of examples/firmware for a Cortex-M3 and a Cortex-M0, runs them under QEMU, and fails when a check inside them
# does. A fault that is built in shows that those checks can fail.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need qemu-system-arm qemu-system-arm
need nm binutils
need_crate defmt-print

cd examples/firmware
fail() { echo "firmware: $1"; exit 1; }

# firmware COMMAND ARGUMENT...: a cargo command for the target at hand; what QEMU itself says goes to standard error.
firmware() { timeout 300 "${cargo_for[@]}" "$@" --quiet --release --target "$target"; }

# Code that panics or formats.
unwanted() { nm --demangle "$1" | grep -E 'core::(panicking|fmt)' | awk '{ print $NF }'; }

for target in thumbv7m-none-eabi thumbv6m-none-eabi; do
    rust_for "$target"
    if [ "${cargo_for[*]}" = cargo ]; then
        component clippy
        cargo clippy --quiet --release --target "$target" --features fault -- -D warnings
        cargo clippy --quiet --release --target "$target" -- -D warnings
    else
        echo "firmware: clippy is left out: it goes with rustup's targets"
    fi
    built=target/$target/release

    firmware run --bin queues
    firmware run --bin logged >"$built/logged.defmt"
    defmt-print -e "$built/logged" --log-format '{L:5} {s}' <"$built/logged.defmt" | tee "$built/logged.txt"
    diff logged.txt "$built/logged.txt" || fail "what defmt logs is not what logged.txt expects"

    firmware build --bin gauge_only
    found=$(unwanted "$built/gauge_only") || true
    [ -z "$found" ] || fail "a firmware with gauges alone has $found"

    # The same with a fault: an item that is counted twice, and a look into an array that may fail.
    firmware build --features fault --bin queues --bin gauge_only
    if output=$(firmware run --features fault --bin queues); then
        fail "the fault was not found: these checks prove nothing"
    fi
    grep -q 'radio_frames: conservation' <<<"$output" || fail "the fault led to something else: $output"
    unwanted "$built/gauge_only" >/dev/null || fail "code that panics was not found: this check proves nothing"
    echo "firmware: $target: all checks hold, and find the fault"
done
