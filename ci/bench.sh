#!/usr/bin/env bash
# The regression gate, never an absolute time: instructions of each operation against those of a peer, counted by valgrind; and,
# since a locked instruction is one instruction and five nanoseconds, ratios of time on one thread, with a wide margin.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need valgrind valgrind
need jq jq

cargo bench --quiet -p fillgauge-benches --bench instructions
cargo bench --quiet -p fillgauge-benches --bench ratios -- "one thread" observe

# at_most LIMIT WHAT NAME PEER: the median of a row over that of another of the same comparison.
at_most() {
    jq -e --argjson limit "$1" --arg what "$2" --arg name "$3" --arg peer "$4" '
        def median($name): .rows[] | select(.name == $name) | .value[1];
        .[] | select(.what == $what) | median($name) / median($peer) <= $limit' target/ratios.json >/dev/null \
        || { echo "bench: $2: $3 takes more than $1 of $4"; exit 1; }
}
at_most 1.30 "enqueue + dequeue, one thread" "fillgauge" "two bare additions"
at_most 1.30 "enqueue + dequeue, one thread" "fillgauge, for a queue" "two bare additions"
at_most 1.30 "enqueue + dequeue, one thread" "fillgauge, at its high-water mark" "two bare additions"
at_most 1.50 "enqueue + dequeue, one thread, near capacity and warned" "fillgauge" "two bare additions"
at_most 0.75 "observe_depth, far from the thresholds" "fillgauge" "original"
at_most 0.75 "observe_depth, near capacity and warned" "fillgauge" "original"
at_most 1.25 "sync_channel of 1024, one thread, send + recv" "fillgauge-std" "std, and two bare additions"
echo "bench: no operation takes more than it may"
