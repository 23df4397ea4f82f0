#!/usr/bin/env bash
# The regression gate: instructions of each operation against those of a peer, counted by valgrind. Never a time.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need valgrind valgrind

cargo bench --quiet -p fillgauge-benches --bench instructions
echo "bench: no operation takes more instructions than it may"
