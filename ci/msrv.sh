#!/usr/bin/env bash
# The libraries build with the minimum supported Rust version.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
source ci/rust.sh
need jq jq

# rust_version PACKAGE: the Rust that it says it needs, as major.minor.
rust_version() {
    cargo metadata --format-version 1 | jq -er --arg name "$1" 'first(.packages[] | select(.name == $name)).rust_version' \
        || { echo "msrv: $1 says no rust-version" >&2; exit 1; }
}

version=$(rust_version fillgauge)

if from_rustup && { rustup which --toolchain "$version" rustc >/dev/null 2>&1 \
    || rustup toolchain install "$version" --profile minimal --no-self-update >/dev/null 2>&1; }; then
    RUSTC=$(rustup which --toolchain "$version" rustc)
    echo "msrv: rustup's $("$RUSTC" --version)"
elif unpack_rust rustc; then
    echo "msrv: Debian's $("$RUSTC" --version)"
else
    echo "msrv: no Rust $version here: rustup toolchain install $version --profile minimal"
    exit 1
fi
export RUSTC
"$RUSTC" --version | grep -q "^rustc $version\." || { echo "msrv: that is not Rust $version"; exit 1; }

# The libraries alone: what tests and benchmarks depend on may be newer.
export CARGO_TARGET_DIR=target/msrv
cargo check --quiet -p fillgauge
cargo check --quiet -p fillgauge --features defmt,serde,std
cargo check --quiet -p fillgauge-std --all-features
cargo check --quiet -p fillgauge-export
cargo check --quiet -p fillgauge-export --all-features

# The two features that lead to heapless need what it needs.
unset RUSTC
heapless=$(rust_version heapless)
grep -q "$heapless with \`heapless\` or \`event-log\`" README.md || {
    echo "msrv: heapless needs Rust $heapless, and README.md does not say so"
    exit 1
}
echo "msrv: the libraries build with Rust $version; heapless says that it needs $heapless"
