#!/usr/bin/env bash
# benches/ablation.sh [CHOICE]...: what a choice of the gauge's design is worth. For each, the
# benchmark runs on the source as it is and on a copy with the choice undone, in turn, five times.
# The ratio is that of the medians of the five.
set -euo pipefail
source "$(dirname "$0")/../ci/lib.sh"
need jq jq

rounds=5
work=$project/target/ablation

# replace FILE PATTERN REPLACEMENT: edits by sed, over lines. Fails when nothing matches.
replace() {
    grep -qzE -- "$2" "$1" || { echo "ablation: nothing in $1 matches $2"; exit 1; }
    sed -i -z -E "s/$2/$3/g" "$1"
}

# undo CHOICE: edits the copy in the current directory.
undo() {
    case $1 in
        # Producers' and consumers' words side by side.
        distance) replace src/gauge/counters.rs '(const BYTES[^;]*)\b120\b' '\10' ;;
        # 64 bytes instead of 128 between what they write.
        two-lines) replace src/gauge/counters.rs '(const BYTES[^;]*)\b120\b' '\156' ;;
        # Each side reads what the other writes each time.
        bounds)
            replace src/gauge/counters.rs 'wrapping_sub\(producers\.cached_dequeued\.get\(\)\)' \
                'wrapping_sub(self.consumers.dequeued.get())'
            replace src/gauge/counters.rs '= consumers\.cached_enqueued\.get\(\)' \
                '= self.producers.enqueued.get()'
            ;;
        # Protocol words without an order, which is wrong, and the least that any order could cost.
        order)
            for ordering in SeqCst Acquire Release; do
                replace src/sync/mod.rs "Ordering::$ordering\\b" Ordering::Relaxed
            done
            ;;
        *) echo "ablation: no choice is called $1"; exit 1 ;;
    esac
}

# What it is measured by.
words() {
    case $1 in
        distance | two-lines | bounds) echo "one enqueues|2 threads on|one after the other|1024, two threads, bulk" ;;
        order) echo "one thread|one enqueues" ;;
    esac
}

# copy NAME: the source of the benchmark, without what is built.
copy() {
    rm -rf "$work/$1/src" "$work/$1/benches"
    mkdir -p "$work/$1"
    tar -c --exclude=target --exclude=.git . | tar -x -C "$work/$1"
}

# The executable of the benchmark that is built in the current directory.
built() {
    cargo bench --quiet -p fillgauge-benches --bench ratios --no-run --message-format json \
        | jq -r 'select(.executable != null and .target.name == "ratios") | .executable'
}

# medians FILE...: what is compared, who, and the median over the files of each one's median.
medians() {
    jq -s -r '[.[][] | .what as $what | .rows[] | {what: $what, name, value: .value[1]}]
        | group_by([.what, .name])[] | [.[0].what, .[0].name, (map(.value) | sort | .[length / 2 | floor])] | @tsv' "$@"
}

choices=("$@")
[ $# -gt 0 ] || choices=(distance two-lines bounds order)
rm -f "$work"/*.json
copy as-is
as_is=$(cd "$work/as-is" && built)
for choice in "${choices[@]}"; do
    copy "$choice"
    (cd "$work/$choice" && undo "$choice")
    ! diff -rq "$work/as-is/src" "$work/$choice/src" >/dev/null \
        || { echo "ablation: $choice changes nothing"; exit 1; }
    undone=$(cd "$work/$choice" && built)
    IFS='|' read -ra titles <<<"$(words "$choice")"
    for round in $(seq "$rounds"); do
        "$as_is" "${titles[@]}" >/dev/null
        mv "$work/as-is/target/ratios.json" "$work/$round-as-is.json"
        "$undone" "${titles[@]}" >/dev/null
        mv "$work/$choice/target/ratios.json" "$work/$round-undone.json"
    done
    medians "$work"/*-as-is.json >"$work/as-is.tsv"
    medians "$work"/*-undone.json >"$work/undone.tsv"
    rm "$work"/*.json
    printf '\n%-94s %10s %10s\n' "$choice" "as it is" "undone"
    paste "$work/as-is.tsv" "$work/undone.tsv" | awk -F'\t' '
        $1 FS $2 != $4 FS $5 { print "ablation: the runs do not match"; exit 1 }
        $2 ~ /^fillgauge/ { printf "  %-92s %7.1f ns %7.1f ns  %5.2fx\n", $1 ": " $2, $3, $6, $6 / $3 }'
done
if [[ " ${choices[*]} " == *" order "* ]]; then
    echo
    echo "instructions on a Cortex-M3, as it is and without an order:"
    for version in as-is order; do
        (cd "$work/$version" && ci/cost.sh) >"$work/cost" 2>"$work/errors" || { cat "$work/errors"; exit 1; }
        sed -n '/^| instructions/,$p' "$work/cost" | grep -E '^\| (enqueue \+ dequeue|observe_depth) \|' | cut -d'|' -f2,3
    done
fi
