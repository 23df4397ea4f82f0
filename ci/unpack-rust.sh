#!/usr/bin/env bash
# ci/unpack-rust.sh PACKAGE FOLDER: unpacks a compiler of Debian 13, `rustc` or the newer
# `rustc-web`, its standard library, its sources, and the C library that it runs on. FOLDER/rustc
# runs it. Nothing is installed.
set -euo pipefail
package=$1 root=$2
std=${package/rustc/libstd-rust} sources=${package/rustc/rust}-src
for command in apt-get dpkg-deb; do
    command -v "$command" >/dev/null || { echo "no $command here to fetch a compiler of Debian with"; exit 1; }
done
[ "$(uname -m)" = x86_64 ] || { echo "for x86-64 alone"; exit 1; }

mkdir -p "$root"/apt/lists/partial "$root"/apt/cache/archives/partial
touch "$root/apt/status"
archive="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org"
printf 'deb %s main\n' "$archive/debian trixie" "$archive/debian-security trixie-security" >"$root/apt/sources"
options=(-qq -o Dir::Etc::SourceList="$root/apt/sources" -o Dir::Etc::SourceParts=/dev/null
    -o Dir::State::Lists="$root/apt/lists" -o Dir::State::Status="$root/apt/status" -o Dir::Cache="$root/apt/cache"
    -o APT::Architecture=amd64 -o APT::Sandbox::User=root -o APT::Update::Error-Mode=any)

cd "$root/apt/cache/archives"
apt-get "${options[@]}" update
# Not the compiler itself: it asks for a C compiler of the same release.
library=$(apt-cache "${options[@]}" depends "$std-dev" | sed -nE "s/^ *Depends: ($std-[0-9.]+)$/\1/p")
[ -n "$library" ] || { echo "$std-dev of Debian asks for no library of its own"; exit 1; }
apt-get "${options[@]}" install --yes --download-only --no-install-recommends "$library"
apt-get "${options[@]}" download "$package" "$std-dev" "$sources"
for archive in *.deb; do
    dpkg-deb -x "$archive" "$root"
done
rm -- *.deb

printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$root/usr/lib64/ld-linux-x86-64.so.2" \
    "$root/usr/lib/x86_64-linux-gnu" "$root/usr/bin/rustc" >"$root/rustc.new"
chmod +x "$root/rustc.new"
"$root/rustc.new" --version
mv "$root/rustc.new" "$root/rustc"
