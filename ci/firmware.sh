#!/usr/bin/env bash
# Builds the firmwares of examples/firmware for a Cortex-M3 and a Cortex-M0, runs them under QEMU,
# and fails when a check inside them does. A fault that is built in shows that those checks can
# fail.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need qemu-system-arm qemu-system-arm
need nm binutils
need_crate defmt-print

cd examples/firmware
fail() { echo "firmware: $1"; exit 1; }

# firmware COMMAND FEATURES ARGUMENT...: a cargo command on the firmware for the target at hand.
firmware() {
    local command=$1 features=$2
    shift 2
    timeout 300 "${cargo_for[@]}" "$command" --quiet --release --target "$target" --no-default-features --features "$features" "$@"
}

# Code of gauge_only that panics or formats, in `found`.
find_unwanted() {
    firmware build "$1" --bin gauge_only
    nm --demangle "$built/gauge_only" >"$built/gauge_only.symbols"
    found=$(awk '/core::(panicking|fmt)/ { print $NF }' "$built/gauge_only.symbols")
}

# A target, and the feature that says how it gets a compare-exchange, if it has none.
for configuration in "thumbv7m-none-eabi critical-section" "thumbv6m-none-eabi critical-section" "thumbv6m-none-eabi single-core"; do
    read -r target backend <<<"$configuration"
    rust_for "$target"
    built=target/$target/release

    if [ "${cargo_for[*]}" = cargo ]; then
        component clippy
        firmware clippy "$backend,fault" -- -D warnings
    else
        echo "firmware: clippy is left out: it goes with rustup's targets"
    fi

    firmware run "$backend" --bin queues
    firmware run "$backend" --bin rests
    firmware run "$backend" --bin limits
    firmware run "$backend" --bin flow
    firmware run "$backend" --bin logged >"$built/logged.defmt"
    defmt-print -e "$built/logged" --log-format '{L:5} {s}' <"$built/logged.defmt" | tee "$built/logged.txt"
    diff logged.txt "$built/logged.txt" || fail "what defmt logs is not what logged.txt expects"

    find_unwanted "$backend"
    [ -z "$found" ] || fail "a firmware with gauges alone has $found"

    # The same with a fault: an item that is counted twice, and an index into an array that may
    # panic.
    if output=$(firmware run "$backend,fault" --bin queues); then
        fail "the fault was not found: these checks prove nothing"
    fi
    grep -q 'radio_frames: conservation' <<<"$output" || fail "the fault led to something else: $output"
    # And with plain gauges where those of a queue are recommended.
    if output=$(firmware run "$backend,fault" --bin rests); then
        fail "the gauges that are wrong were not found: this stress proves nothing"
    fi
    grep -q 'for_queue: wrong at' <<<"$output" || fail "the gauges that are wrong led to something else: $output"
    # And with bytes that are forgotten, and a drain that is not checked.
    if output=$(firmware run "$backend,fault" --bin limits); then
        fail "what was forgotten was not found: this stress proves nothing"
    fi
    for what in bytes ring; do
        grep -q "^$what: wrong at [1-9]" <<<"$output" \
            || fail "what was forgotten of $what was not found: $output"
    done
    # And with a sender that nobody stops.
    if output=$(firmware run "$backend,fault" --bin flow); then
        fail "a sender that is not stopped was not found: this check proves nothing"
    fi
    grep -q 'a byte is lost' <<<"$output" \
        || fail "a sender that is not stopped led to something else: $output"
    find_unwanted "$backend,fault"
    [ -n "$found" ] || fail "code that panics was not found: this check proves nothing"
    echo "firmware: $configuration: all checks hold, and find the fault"
done
