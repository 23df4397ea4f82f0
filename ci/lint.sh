#!/usr/bin/env bash
# Format, lints and documentation, without a warning, over all features and in every package.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
component rustfmt
component clippy

cargo fmt --all --check
cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
# Without the features of the others.
cargo clippy --quiet -p fillgauge --all-targets -- -D warnings
cargo clippy --quiet -p fillgauge-std --all-targets -- -D warnings
for feature in async-channel crossbeam edge-waiter flume tokio; do
    cargo clippy --quiet -p fillgauge-std --features "$feature" --all-targets -- -D warnings
done
for feature in "" serve json axum prometheus-client opentelemetry metrics; do
    cargo clippy --quiet -p fillgauge-export --no-default-features --features "$feature" -- \
        -D warnings
done
RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --all-features

(cd ci/record-path && cargo fmt --check && cargo clippy --quiet --features heapless -- -D warnings)
(cd ci/wasm && cargo fmt --check && cargo clippy --quiet -- -D warnings)
# Clippy of the firmware needs its target: `ci/firmware.sh`.
(cd examples/firmware && cargo fmt --check)
(cd export-tests && cargo fmt --check && cargo clippy --quiet --all-targets -- -D warnings)
(cd fuzz && cargo fmt --check && cargo clippy --quiet --all-targets -- -D warnings)
# Without the flags of the environment: RUSTFLAGS would replace the cfg that its configuration sets.
for package in loom-tests search-tests shuttle-tests; do
    (cd "$package" && cargo fmt --check && env -u RUSTFLAGS cargo clippy --quiet --all-targets -- -D warnings)
done
if git grep -nE 'RATIO_[A-Z]|^RESULTS$' -- '*.md'; then
    echo "lint: a number is still to be filled in"
    exit 1
fi
echo "lint: no warning"
