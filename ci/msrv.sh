#!/usr/bin/env bash
# Both libraries build with the minimum supported Rust version: that of rustup if it is installed or can be, else the
# one that Debian has, unpacked below target/ and not installed.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

version=$(sed -nE 's/^rust-version = "([0-9.]+)"$/\1/p' Cargo.toml)
[ -n "$version" ] || { echo "msrv: no rust-version in Cargo.toml"; exit 1; }

unpack_from_debian() {
    need dpkg-deb dpkg
    local unpacked=$PWD/target/rustc-$version release
    if [ ! -x "$unpacked/usr/bin/rustc" ]; then
        apt-get update -qq
        release=$(apt-cache madison rustc-web | awk -v version="$version" 'index($3, version ".") == 1 { print $3; exit }')
        [ -n "$release" ] || return 1
        local llvm
        llvm=$(apt-cache show "libstd-rust-web-$version=$release" | grep -oE 'libllvm[0-9]+' | head -n 1)
        mkdir -p "$unpacked/packages"
        (
            cd "$unpacked/packages"
            apt-get download -qq "rustc-web=$release" "libstd-rust-web-$version=$release" \
                "libstd-rust-web-dev=$release" "$llvm"
            for package in *.deb; do dpkg-deb -x "$package" ..; done
            rm ./*.deb
        )
    fi
    export RUSTC=$unpacked/usr/bin/rustc
    export LD_LIBRARY_PATH=$unpacked/usr/lib/x86_64-linux-gnu
    echo "msrv: Debian's $("$RUSTC" --version)"
}

from_rustup() {
    command -v rustup >/dev/null || return
    rustup which --toolchain "$version" rustc >/dev/null 2>&1 \
        || rustup toolchain install "$version" --profile minimal --no-self-update >/dev/null 2>&1 \
        || return
    RUSTC=$(rustup which --toolchain "$version" rustc)
    export RUSTC
}

if from_rustup; then
    echo "msrv: rustup's $("$RUSTC" --version)"
elif command -v apt-get >/dev/null && unpack_from_debian; then
    :
else
    echo "msrv: no Rust $version here: rustup toolchain install $version --profile minimal"
    exit 1
fi
"$RUSTC" --version | grep -q "^rustc $version\." || { echo "msrv: that is not Rust $version"; exit 1; }

# The libraries alone: what tests and benchmarks depend on may be newer.
CARGO_TARGET_DIR=target/msrv cargo check --quiet -p fillgauge
CARGO_TARGET_DIR=target/msrv cargo check --quiet -p fillgauge --all-features
CARGO_TARGET_DIR=target/msrv cargo check --quiet -p fillgauge-std --all-features
echo "msrv: both libraries build with Rust $version"
