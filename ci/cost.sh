#!/usr/bin/env bash
# What gauges cost a firmware, as a table: RAM, flash of each operation, and instructions, on a
# Cortex-M3 and a Cortex-M0. Fails if a slot takes more than 64 bytes, a pair of records away from
# the thresholds more than 44 instructions of a Cortex-M3, or its code there more than 1,000 bytes.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need qemu-system-arm qemu-system-arm
need size binutils

# A column of the table each: a target, and the feature that says how it gets a compare-exchange, if
# it has none.
columns=("thumbv7m-none-eabi critical-section" "thumbv6m-none-eabi critical-section" "thumbv6m-none-eabi single-core")
heading='Cortex-M3 | Cortex-M0, critical section | Cortex-M0, single core'
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

# Bytes of code and constants of each operation, alone in a program, with all that it calls.
flash() {
    local library=target/$target/release/librecord_path.a functions name
    cd "$project/ci/record-path"
    CARGO_PROFILE_RELEASE_OPT_LEVEL=s CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false \
        "${cargo_for[@]}" build --quiet --release --target "$target" --features "heapless,$backend"
    while IFS=$'\t' read -r functions name; do
        # shellcheck disable=SC2046,SC2086 # several words
        "$linker" -flavor gnu --gc-sections --unresolved-symbols=ignore-all $(printf -- '-u %s ' $functions) \
            -e "${functions%% *}" -o "$work/operation" "$library"
        for function in $functions; do
            nm "$work/operation" | grep -q " T $function$" || { echo "cost: there is no $function" >&2; exit 1; }
        done
        printf 'flash\t%s\t%s\n' "$name" "$(size "$work/operation" | awk 'NR == 2 { print $1 }')"
    done <<<"$operations"
}

# What the firmware `cost` prints. QEMU has a word to say about its own board on standard error.
run() {
    cd "$project/examples/firmware"
    timeout 300 "${cargo_for[@]}" run --quiet --release --target "$target" --no-default-features --features "$backend" \
        --bin cost 2>"$work/errors" || { cat "$work/errors" >&2; exit 1; }
}

linker=$(linker_directory)/rust-lld
figures=()
for column in "${columns[@]}"; do
    read -r target backend <<<"$column"
    rust_for "$target" >&2
    figures+=("$work/$target-$backend")
    # Subshells of their own, and no condition around them: there `set -e` would not hold.
    (flash) >"$work/$target-$backend"
    (run) >>"$work/$target-$backend"
done

table() { # table KIND HEADING: a row for each figure of that kind, a column for each configuration
    printf '\n| %s | %s |\n|---|---|---|---|\n' "$2" "$heading"
    paste "${figures[@]}" | awk -F'\t' -v kind="$1" '
        $1 != "board" && ($2 != $5 || $2 != $8) { print "cost: rows that do not belong together: " $0; exit 1 }
        $1 == kind { printf "| %s | %s | %s | %s |\n", $2, $3, $6, $9; rows++ }
        END { if (!rows) exit 1 }'
}
table bytes "RAM, bytes"
table flash "flash, bytes"
table instructions "instructions"
echo

at_most() { # at_most LIMIT KIND WHAT FIGURES
    local figure
    figure=$(awk -F'\t' -v kind="$2" -v what="$3" '$1 == kind && $2 == what { print $3 }' "$4")
    [ -n "$figure" ] && [ "$figure" -le "$1" ] || { echo "cost: $2 of $3: '$figure', more than $1"; exit 1; }
}
for configuration in "${figures[@]}"; do
    at_most 64 bytes "slot of a registry" "$configuration"
done
at_most 44 instructions "enqueue + dequeue" "${figures[0]}"
at_most 44 instructions "enqueue + dequeue, for a queue" "${figures[0]}"
at_most 60 instructions "enqueue + dequeue, at the high-water mark" "${figures[0]}"
at_most 1000 flash "record_enqueue and record_dequeue" "${figures[0]}"
echo "cost: a slot takes at most 64 bytes; on a Cortex-M3 a pair takes at most 44 instructions, and 1,000 bytes of flash"
