#!/usr/bin/env bash
# The concurrency models, and their canaries.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

cd loom-tests
# RUSTFLAGS would replace the cfg that the configuration of the package sets.
env -u RUSTFLAGS cargo test
