# Sourced by the scripts that need another Rust than the one for the host: a target without an
# operating system, or an old version. From rustup if it has it or can fetch it, else from Debian.
# RUST_FROM=debian leaves rustup out.

from_rustup() {
    [ "${RUST_FROM:-rustup}" = rustup ] && command -v rustup >/dev/null
}

# unpack_rust PACKAGE: a compiler of Debian 13, `rustc` or the newer `rustc-web`, below target/ and
# not installed, with the C library that it runs on. Sets RUSTC.
unpack_rust() {
    local root=$project/target/debian-$1
    RUSTC=$root/rustc
    # The wrapper is written last, when the rest is there and works.
    if [ ! -x "$RUSTC" ]; then
        rm -rf "$root"
        bash "$project/ci/unpack-rust.sh" "$1" "$root" >&2 || return
    fi
}

# rust_for TARGET: sets `cargo_for`, the command that builds for it, and says where the target comes
# from.
rust_for() {
    local target=$1
    if from_rustup && rustup target add "$target" >/dev/null 2>&1; then
        cargo_for=(cargo)
        echo "$target: rustup's target, $(rustc --version)"
    elif from_rustup && rustup component add rust-src >/dev/null 2>&1; then
        cargo_for=(env RUSTC_BOOTSTRAP=1 cargo -Z build-std=core)
        echo "$target: rustup's sources, $(rustc --version)"
    else
        local RUSTC
        unpack_rust rustc-web || { echo "$0 needs Rust for $target: rustup target add $target"; exit 1; }
        cargo_for=(env RUSTC="$RUSTC" RUSTC_BOOTSTRAP=1 PATH="$(linker_directory):$PATH" cargo -Z build-std=core)
        echo "$target: Debian's sources, $("$RUSTC" --version)"
    fi
}

# Where a `rust-lld` is: of whatever Rust there is for the host, else Debian's under that name.
linker_directory() {
    local found=
    found=$(find "$(rustc --print sysroot)" -name rust-lld 2>/dev/null | head -n 1)
    if [ -z "$found" ]; then
        need lld lld >&2
        mkdir -p "$project/target/linker"
        found=$project/target/linker/rust-lld
        ln -sf "$(command -v lld)" "$found"
    fi
    dirname "$found"
}
