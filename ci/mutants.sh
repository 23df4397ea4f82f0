#!/usr/bin/env bash
# ci/mutants.sh [OPTION of cargo mutants]...: changes the core, and the channels and the registry of the shim, in one place at
# a time, and asks whether a test notices: first the unit tests; then, for what those let pass, the models and the random
# schedules. What survives both must stand in ci/mutants.md with the reason why it is no fault. Takes about two hours.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need jq jq

for tool in mutants nextest; do
    cargo "$tool" --version >/dev/null 2>&1 || cargo install --quiet --locked "cargo-$tool" \
        || { echo "$0 needs cargo-$tool"; exit 1; }
done

root=$PWD
found=$root/target/mutants
mkdir -p "$found"
status=0
cargo mutants --jobs 2 --timeout 60 --output "$found" "$@" || status=$?
# 2 is that some were missed, 3 that some ran into the time limit; others are failures of the run itself.
case $status in 0 | 2 | 3) ;; *) exit "$status" ;; esac
outcomes=$found/mutants.out/outcomes.json

copy=$found/copy
rm -rf "$copy"
git clone --quiet "$root" "$copy"
survivors=0 by_models=0
while IFS=$'\t' read -r name diff; do
    git -C "$copy" checkout --quiet .
    git -C "$copy" apply "$found/mutants.out/$diff"
    judges=(shuttle-tests)
    [[ $name == std-shim/* ]] || judges+=(loom-tests)
    verdict=survives
    for judge in "${judges[@]}"; do
        (cd "$copy/$judge" && env -u RUSTFLAGS timeout 1200 cargo test --quiet >"$found/judge.log" 2>&1) || {
            verdict="caught by $judge"
            by_models=$((by_models + 1))
            break
        }
    done
    # Without the line, which moves.
    name=$(sed -E 's/:[0-9]+:[0-9]+//' <<<"$name")
    if [ "$verdict" = survives ]; then
        if grep -qF "\`$name\`" ci/mutants.md; then
            verdict="no fault, see ci/mutants.md"
        else
            survivors=$((survivors + 1))
        fi
    fi
    echo "$name: $verdict"
done < <(jq -r '.outcomes[] | select(.summary == "MissedMutant") | [.scenario.Mutant.name, .diff_path] | @tsv' "$outcomes")

jq -r '"mutants: \(.total_mutants), caught by unit tests \(.caught), by their time limit \(.timeout), not compiled \(.unviable), left \(.missed)"' "$outcomes"
echo "mutants: of those caught by models or schedules $by_models, neither caught nor in ci/mutants.md $survivors"
[ "$survivors" = 0 ]
