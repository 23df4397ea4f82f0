#!/usr/bin/env bash
# What gauges cost a firmware, as a table: RAM, flash of each operation, and instructions, on a Cortex-M3 and a Cortex-M0. Fails
# if a slot takes more than 64 bytes, or a pair of records away from the thresholds more than 60 instructions of a Cortex-M3.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need qemu-system-arm qemu-system-arm
need size binutils

targets=(thumbv7m-none-eabi thumbv6m-none-eabi)
work=$project/target/cost
mkdir -p "$work"

# Exported functions of ci/record-path, and what they stand for in the table.
operations='gauge_record_enqueue	record_enqueue
gauge_record_enqueue_n	record_enqueue_n
gauge_record_dequeue	record_dequeue
gauge_record_dequeue_n	record_dequeue_n
gauge_observe_depth	observe_depth
gauge_record_clear	record_clear
gauge_record_enqueue gauge_record_dequeue	record_enqueue and record_dequeue
gauge_record_enqueue gauge_record_dequeue gauge_record_enqueue_n gauge_record_dequeue_n gauge_observe_depth gauge_record_clear	all of these
gauge_snapshot	snapshot
registry_register	register and drop
registry_snapshot	snapshot of a registry
log_on_event log_pop	EventLog'

# flash OUTPUT: bytes of code and constants of each operation, alone in a program, with all that it calls.
flash() {
    local library=target/$target/release/librecord_path.a functions name
    CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false \
        "${cargo_for[@]}" build --quiet --release --features heapless --target "$target"
    while IFS=$'\t' read -r functions name; do
        # shellcheck disable=SC2046,SC2086 # several words
        "$linker" -flavor gnu --gc-sections --unresolved-symbols=ignore-all $(printf -- '-u %s ' $functions) \
            -e "${functions%% *}" -o "$work/operation" "$library"
        printf 'flash\t%s\t%s\n' "$name" "$(size "$work/operation" | awk 'NR == 2 { print $1 }')"
    done <<<"$operations"
}

linker=$(linker_directory)/rust-lld
for target in "${targets[@]}"; do
    rust_for "$target" >&2
    (cd ci/record-path && flash) >"$work/$target"
    # QEMU has a word to say about its own board.
    (cd examples/firmware && timeout 300 "${cargo_for[@]}" run --quiet --release --target "$target" --bin cost) \
        2>"$work/errors" >>"$work/$target" || { cat "$work/errors" "$work/$target"; exit 1; }
done

table() { # table KIND HEADING UNIT
    printf '\n| %s | Cortex-M3 | Cortex-M0 |\n|---|---|---|\n' "$2"
    paste "$work/${targets[0]}" "$work/${targets[1]}" \
        | awk -F'\t' -v kind="$1" '$1 == kind && $4 == kind && $2 == $5 { printf "| %s | %s | %s |\n", $2, $3, $6; rows++ }
            END { if (!rows) exit 1 }'
}
table bytes "RAM, bytes"
table flash "flash, bytes"
table instructions "instructions"

figure() { awk -F'\t' -v kind="$1" -v what="$2" '$1 == kind && $2 == what { print $3 }' "$work/$3"; }
at_most() { # at_most LIMIT FIGURE WHAT
    [ -n "$2" ] && [ "$2" -le "$1" ] || { echo "cost: $3: '$2', more than $1"; exit 1; }
}
echo
for target in "${targets[@]}"; do
    at_most 64 "$(figure bytes 'slot of a registry' "$target")" "bytes of a slot on $target"
done
at_most 60 "$(figure instructions 'enqueue + dequeue' "${targets[0]}")" "instructions of a pair"
at_most 60 "$(figure instructions 'enqueue + dequeue, at the high-water mark' "${targets[0]}")" "instructions of a pair"
echo "cost: a slot takes at most 64 bytes, a pair at most 60 instructions of a Cortex-M3"
