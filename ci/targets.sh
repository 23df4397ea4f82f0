#!/usr/bin/env bash
# The core builds, bare and with every feature that needs no host, for targets of all kinds: without compare-exchange, without
# atomics at all, with words of 16 bits.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh

build() { # build TARGET FLAG...
    rust_for "$1"
    for features in "" defmt,event-log,heapless,serde; do
        "${cargo_for[@]}" build --quiet -p fillgauge --target "$1" --features "$features" "${@:2}"
    done
}

for target in thumbv7m-none-eabi thumbv8m.main-none-eabi riscv32imac-unknown-none-elf wasm32-unknown-unknown; do
    build "$target"
done
# Where there is no compare-exchange, the final binary says how portable-atomic makes one: here as in the firmware.
build thumbv6m-none-eabi --features portable-atomic/critical-section
# Heapless leaves its queue out where core has no atomics at all, unless it is told to take those of portable-atomic.
build riscv32imc-unknown-none-elf --features portable-atomic/critical-section,heapless/portable-atomic
# The same with 16 bits.
build msp430-none-elf --features heapless/portable-atomic

# Nothing tells a target without compare-exchange from the others but that choice: without it the build must fail.
rust_for thumbv6m-none-eabi >/dev/null
if error=$("${cargo_for[@]}" build --quiet -p fillgauge --target thumbv6m-none-eabi 2>&1); then
    echo "targets: thumbv6m-none-eabi built without a compare-exchange"
    exit 1
fi
grep -q 'dependents require atomic CAS but not available on this target by default' <<<"$error" || { echo "targets: another error: $error"; exit 1; }
echo "targets: the core builds for all of them"
