#!/usr/bin/env bash
# No operation of the core can panic or allocate: each is exported from a library without std, without an allocator,
# and with a panic handler that calls a function which does not exist. It builds, so nothing allocates; nothing refers
# to that function, so nothing panics. A canary shows that the check can fail.
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
# With the arithmetic of a release build: heapless adds indices that cannot overflow, which only its author can know.
with_heapless=$(CARGO_PROFILE_RELEASE_OVERFLOW_CHECKS=false symbols --features heapless)
cannot_panic "EventLog or of a tracked queue" <<<"$with_heapless"

checked=0
while read -r method; do
    grep -q " T gauge_$method$" <<<"$exported" || {
        echo "record-path: Gauge::$method is not checked: export it in ci/record-path/src/lib.rs"
        exit 1
    }
    checked=$((checked + 1))
done < <(sed -nE 's/^    pub fn ([a-z_]+)\(&self.*/\1/p' ../../src/gauge/mod.rs)
[ "$checked" -ge 17 ] || { echo "record-path: found only $checked operations in src/gauge/mod.rs"; exit 1; }

for static in EMPTY_REGISTRY EMPTY_LOG; do
    grep -qi " b $static$" <<<"$with_heapless" || { echo "record-path: $static does not lie in .bss"; exit 1; }
done

echo "record-path: $checked operations of Gauge, those of QueueRegistry, EventLog and tracked queues, cannot panic or allocate"
