#!/usr/bin/env bash
# Random programs on the std shim under random schedules, and their canaries.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

cd shuttle-tests
# RUSTFLAGS would replace the cfg that the configuration of the package sets.
env -u RUSTFLAGS cargo test
