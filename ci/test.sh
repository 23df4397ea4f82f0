#!/usr/bin/env bash
# Sets up and runs everything that must hold, and says how many tests ran and what each step took.
# Longer runs are in ci/deep.sh.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

command -v cargo >/dev/null || { echo "$0 needs cargo: https://rustup.rs"; exit 1; }
need cc gcc

log=$(mktemp)
trap 'rm -f "$log"' EXIT

for name in lint unit doc-examples std-suite channel-suites kernel fleet browser record-path targets firmware cost \
    bench models search schedules miri fuzz msrv; do
    step "$name" "ci/$name.sh"
done

passed=$(sed -nE 's/^test result: ok\. ([0-9]+) passed; 0 failed.*/\1/p' "$log" | awk '{ sum += $1 } END { print sum + 0 }')
[ "$passed" -gt 0 ] || { echo "no test ran"; exit 1; }
print_minutes
echo "$passed passed, 0 failed"
