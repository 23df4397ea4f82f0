#!/usr/bin/env bash
# ci/mutants.sh [OPTION of cargo mutants]...: changes the core and fillgauge-std in one place at a
# time. The unit tests judge each change. The search, the random schedules and the models judge what
# those let pass. What survives all of them must stand in ci/mutants.md, with the reason why it is
# no fault. There are 3,500 places: give it the files that you have changed.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need jq jq
need patch patch

need_crate cargo-mutants
need_crate cargo-nextest
[ -z "$(git status --porcelain)" ] || { echo "mutants: commit first: the models judge what is committed"; exit 1; }

found=$PWD/target/mutants
mkdir -p "$found"
status=0
cargo mutants --jobs 2 --timeout 60 --output "$found" "$@" || status=$?
# 2 is that some were missed, 3 that some ran into the time limit; others are failures of the run
# itself.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac

outcomes=$found/mutants.out/outcomes.json
jq -r '.outcomes[] | select(.summary == "MissedMutant")
    | [.scenario.Mutant.name, .scenario.Mutant.file, .diff_path] | @tsv' "$outcomes" >"$found/missed"
[ "$(wc -l <"$found/missed")" = "$(jq .missed "$outcomes")" ] || { echo "mutants: $outcomes is not understood"; exit 1; }

copy=$found/copy
rm -rf "$copy"
git clone --quiet . "$copy"
judge() { # runs the tests of a package of the copy
    (cd "$copy/$1" && env -u RUSTFLAGS timeout 1200 cargo test --quiet) >"$found/judge.log" 2>&1 </dev/null
}
caught_by_models() { # whether one of those packages fails
    for package in search-tests shuttle-tests loom-tests; do
        judge "$package" || return 0
    done
    return 1
}
! caught_by_models || {
    echo "mutants: $package fails without a mutant: see $found/judge.log"
    exit 1
}

caught=0 listed=0 survivors=0
while IFS=$'\t' read -r name file diff; do
    # Without the line, which moves.
    name=$(sed -E 's/:[0-9]+:[0-9]+//' <<<"$name")
    if grep -qF "\`$name\`" ci/mutants.md; then
        echo "$name: no fault, see ci/mutants.md"
        listed=$((listed + 1))
        continue
    fi
    git -C "$copy" checkout --quiet .
    patch --quiet "$copy/$file" "$found/mutants.out/$diff"
    if caught_by_models; then
        grep -q 'could not compile' "$found/judge.log" && { echo "mutants: $name does not compile there"; exit 1; }
        echo "$name: caught by $package"
        caught=$((caught + 1))
    else
        echo "$name: survives"
        survivors=$((survivors + 1))
    fi
done <"$found/missed"

jq -r '"mutants: \(.total_mutants), of which \(.unviable) do not compile; caught by unit tests \(.caught), by their time limit \(.timeout)"' "$outcomes"
echo "mutants: of the others caught by search, schedules or models $caught," \
    "no fault $listed, survivors $survivors"
[ "$survivors" = 0 ]
