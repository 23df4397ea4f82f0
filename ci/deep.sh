#!/usr/bin/env bash
# ci/deep.sh [REVISION]: what ci/test.sh has no time for. More seeds, schedules and fuzzing, and the
# mutants of the source that changed since REVISION. By default that is the last tag before this
# commit. Without a tag it is the merge base with origin/main, or on main the commit before.
# MIRI_SEEDS, MIRI_SERVICES_SEEDS, SEARCH_SECONDS, SCHEDULES_FACTOR, FUZZ_SECONDS and ROUNDS set the
# lengths.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need_crate cargo-mutants

changed_since() { # the default of REVISION
    git describe --tags --abbrev=0 HEAD^ 2>/dev/null && return
    local base
    base=$(git merge-base HEAD origin/main 2>/dev/null) || base=$(git rev-parse HEAD)
    [ "$base" = "$(git rev-parse HEAD)" ] && base=$(git rev-parse HEAD^)
    echo "$base"
}
revision=${1:-$(changed_since)}
git rev-parse --quiet --verify "$revision^{commit}" >/dev/null || { echo "deep: there is no revision $revision"; exit 1; }

mkdir -p target
log=$(mktemp)
trap 'rm -f "$log"' EXIT

mutants() { # of the source that changed
    local diff=$project/target/deep.diff
    git diff "$revision" -- src std-shim/src >"$diff"
    echo "deep: mutants of what changed since $(git describe --always --tags "$revision")"
    local list
    list=$(cargo mutants --list --in-diff "$diff")
    if [ -z "$list" ]; then
        echo "deep: there is no mutant of what changed"
        return
    fi
    ci/mutants.sh --in-diff "$diff"
}

step miri ci/miri.sh "${MIRI_SEEDS:-32}" "${MIRI_SERVICES_SEEDS:-8}"
step search env SEARCH_SECONDS="${SEARCH_SECONDS:-600}" ci/search.sh
step schedules env SCHEDULES_FACTOR="${SCHEDULES_FACTOR:-20}" ci/schedules.sh
step fuzz ci/fuzz.sh "${FUZZ_SECONDS:-180}"
step rounds env FILLGAUGE_ROUNDS="${ROUNDS:-50000}" \
    cargo test --release -p fillgauge-std --all-features --test it at_rest
# How long a scrape takes under attack says something with optimization only.
step attack cargo test --release -p fillgauge-export --test it flood
step mutants mutants
print_minutes
echo "deep: nothing found"
