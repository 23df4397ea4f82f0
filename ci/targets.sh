#!/usr/bin/env bash
# The core builds for targets of all kinds, bare and with every feature that needs no host: without
# compare-exchange, without atomics at all, with words of 16 bits. The services crate builds and
# runs on wasm32-unknown-unknown, which has no threads and no clock.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need node nodejs

build() { # build TARGET FLAG...
    rust_for "$1"
    for features in "" defmt,edge-waiter,event-log,heapless,serde; do
        "${cargo_for[@]}" build --quiet -p fillgauge --target "$1" --features "$features" "${@:2}"
    done
}

for target in thumbv7m-none-eabi thumbv8m.main-none-eabi riscv32imac-unknown-none-elf wasm32-unknown-unknown; do
    build "$target"
done
# Where there is no compare-exchange, the final binary says how portable-atomic makes one: here as
# in the firmware.
build thumbv6m-none-eabi --features portable-atomic/critical-section
# Heapless leaves its queue out, unless it may take the atomics of portable-atomic.
build riscv32imc-unknown-none-elf --features portable-atomic/critical-section,heapless?/portable-atomic
# The same with 16 bits.
build msp430-none-elf --features heapless?/portable-atomic

rust_for wasm32-unknown-unknown
# Where the standard library has to be built, not the core of it alone.
cargo_for=("${cargo_for[@]/build-std=core/build-std=std,panic_abort}")
lines=$(
    cd ci/wasm
    "${cargo_for[@]}" build --quiet --release --target wasm32-unknown-unknown
    node -e '
        const module = require("fs").readFileSync("target/wasm32-unknown-unknown/release/wasm.wasm");
        WebAssembly.instantiate(module).then(({ instance }) => console.log(instance.exports.check()));'
)
echo "targets: fillgauge-std delivers $lines lines on wasm32-unknown-unknown"
[ "$lines" -gt 0 ]

# Without these choices a build fails with the words that docs/embedded.md has a cure for.
fails() { # fails TARGET FEATURES WORDS
    rust_for "$1" >/dev/null
    if error=$("${cargo_for[@]}" build --quiet -p fillgauge --target "$1" --features "$2" 2>&1); then
        echo "targets: $1 builds with '$2' alone"
        exit 1
    fi
    grep -qF "$3" <<<"$error" || { echo "targets: $1 fails with another error: $error"; exit 1; }
    grep -qF "$3" docs/embedded.md || { echo "targets: docs/embedded.md does not know: $3"; exit 1; }
}
fails thumbv6m-none-eabi "" 'dependents require atomic CAS but not available on this target by default'
fails thumbv6m-none-eabi portable-atomic/critical-section,portable-atomic/unsafe-assume-single-core \
    'you may not enable `critical-section` feature and'
fails riscv32imc-unknown-none-elf heapless,portable-atomic/critical-section 'unresolved import `heapless::spsc`'
echo "targets: the core builds for all of them, and the services crate for one without threads"
