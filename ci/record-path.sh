#!/usr/bin/env bash
# No operation of the core can panic or allocate. Each is exported from a library without std,
# without an allocator, and with a panic handler that calls a function that does not exist. The
# library builds, so nothing allocates. Nothing refers to that function, so nothing panics. A canary
# shows that the check can fail.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need nm binutils
cd ci/record-path

symbols() { # the symbols of the library built with the given flags
    cargo build --quiet --release "$@" || return
    # Its members that have none are no matter.
    nm target/release/librecord_path.a 2>/dev/null
}

with_canary=$(symbols --features canary)
grep -q ' U an_operation_can_panic$' <<<"$with_canary" || {
    echo "record-path: the canary can panic and was not found: this check proves nothing"
    exit 1
}

cannot_panic() { # cannot_panic WHAT: the symbols on stdin
    if grep -q ' U an_operation_can_panic$'; then
        echo "record-path: an operation of $1 can panic"
        exit 1
    fi
}

exported=$(symbols)
cannot_panic "the core" <<<"$exported"
# With the arithmetic of a release build: heapless adds indices that cannot overflow, which only its
# author can know.
with_heapless=$(CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false symbols --features heapless)
cannot_panic "EventLog or of a tracked queue" <<<"$with_heapless"

# Every public method that takes `&self`, from the documentation of the type.
(cd ../.. && cargo doc --quiet --no-deps -p fillgauge)
checked() { # checked TYPE LEAST: fails unless all of them are exported, so many at least
    local page=target/doc/fillgauge/struct.$1.html methods method count=0
    methods=$(sed -E 's/<[^>]*>//g' "../../$page" | tr '\n' ' ' \
        | grep -oE 'pub (const )?fn [a-z_]+(&lt;[^(]*)?\( *&amp;self\b' \
        | sed -E 's/.* fn ([a-z_]+).*/\1/')
    while read -r method; do
        grep -q " T ${1,,}_$method$" <<<"$exported" || {
            echo "record-path: $1::$method is not checked: export it in ci/record-path/src/lib.rs"
            exit 1
        }
        count=$((count + 1))
    done <<<"$methods"
    [ "$count" -ge "$2" ] || { echo "record-path: found only $count methods in $page"; exit 1; }
    echo "record-path: $count operations of $1 cannot panic or allocate"
}
checked Gauge 31
checked Budget 21
checked Probe 24

for static in EMPTY_REGISTRY EMPTY_LOG; do
    grep -qi " b $static$" <<<"$with_heapless" || { echo "record-path: $static does not lie in .bss"; exit 1; }
done

echo "record-path: those of QueueRegistry, EventLog and tracked queues cannot either"
