#!/usr/bin/env bash
# Unit, integration, property and documentation tests: the core without and with its features, the
# others with all.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

cargo test -p fillgauge
cargo test -p fillgauge --all-features
cargo test -p fillgauge-std --all-features
# Without the examples of the documentation: that of the crate is of the default features.
cargo test -p fillgauge-export --no-default-features --lib --tests
cargo test -p fillgauge-export --all-features
