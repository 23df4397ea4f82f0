#!/usr/bin/env bash
# The exhaustive search of small programs, and its canaries.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

cd search-tests
# RUSTFLAGS would replace the cfg that the configuration of the package sets.
env -u RUSTFLAGS cargo test
