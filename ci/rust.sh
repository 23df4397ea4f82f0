# Sourced by the scripts that need another Rust than the one for the host: a target without an operating system, or an old
# version. From rustup if it has it or can fetch it, else from Debian. RUST_FROM=debian leaves rustup out.

from_rustup() {
    [ "${RUST_FROM:-rustup}" = rustup ] && command -v rustup >/dev/null
}

# unpack_rust PACKAGE: a compiler of Debian 13, `rustc` or the newer `rustc-web`, below target/ and not installed, with the C
# library that it runs on. Sets RUSTC.
unpack_rust() {
    local package=$1 root=$project/target/debian-$1
    local std=${package/rustc/libstd-rust} sources=${package/rustc/rust}-src
    if [ ! -x "$root/rustc" ]; then
        [ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || return
        rm -rf "$root"
        mkdir -p "$root"/apt/lists/partial "$root"/apt/cache/archives/partial
        touch "$root/apt/status"
        local archive="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org"
        printf 'deb %s main\n' "$archive/debian trixie" "$archive/debian-security trixie-security" >"$root/apt/sources"
        local apt=(-qq -o Dir::Etc::SourceList="$root/apt/sources" -o Dir::Etc::SourceParts=/dev/null
            -o Dir::State::Lists="$root/apt/lists" -o Dir::State::Status="$root/apt/status" -o Dir::Cache="$root/apt/cache"
            -o APT::Architecture=amd64 -o APT::Sandbox::User=root)
        (
            set -e
            cd "$root/apt/cache/archives"
            apt-get "${apt[@]}" update
            # Not the compiler itself: it asks for a C compiler of the same release.
            library=$(apt-cache "${apt[@]}" depends "$std-dev" | sed -nE "s/^ *Depends: ($std-[0-9.]+)$/\1/p")
            apt-get "${apt[@]}" install --yes --download-only --no-install-recommends "$library"
            apt-get "${apt[@]}" download "$package" "$std-dev" "$sources"
            for archive in *.deb; do dpkg-deb -x "$archive" "$root"; done
            rm -- *.deb
            printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$root/usr/lib64/ld-linux-x86-64.so.2" \
                "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" >"$root/rustc"
            chmod +x "$root/rustc"
        ) >&2 || return
    fi
    RUSTC=$root/rustc
    "$RUSTC" --version >/dev/null
}

# rust_for TARGET: sets `cargo_for`, the command that builds for it, and says where the target comes from.
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
