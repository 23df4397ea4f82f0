# Sourced by the other scripts: they run from the root of the project, whatever the caller's
# directory.
cd "$(dirname "${BASH_SOURCE[0]}")/.."
project=$PWD
# The scripts look for what cargo builds below target/.
unset CARGO_TARGET_DIR
# Nobody debugs what the scripts build, or edits it and builds again: both take time and space.
export CARGO_PROFILE_DEV_DEBUG=none CARGO_INCREMENTAL=0

# component NAME: fails unless the toolchain has it or rustup can add it.
component() {
    cargo "${1/rustfmt/fmt}" --version >/dev/null 2>&1 && return
    echo "$1 is missing: adding it"
    command -v rustup >/dev/null && rustup component add "$1"
    cargo "${1/rustfmt/fmt}" --version >/dev/null || { echo "$0 needs $1"; exit 1; }
}

# need COMMAND PACKAGE: fails unless the command is there or can be installed from Debian.
need() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing: installing $2"
    if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
        apt-get -o DPkg::Lock::Timeout=300 update -qq \
            && apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends "$2"
    fi
    command -v "$1" >/dev/null || { echo "$0 needs $1 (Debian: $2)"; exit 1; }
}

# need_crate CRATE: fails unless the command of that name is there or cargo can install it.
need_crate() {
    command -v "$1" >/dev/null && return
    echo "$1 is missing: installing it"
    cargo install --quiet --locked "$1"
    command -v "$1" >/dev/null || { echo "$0 needs $1: cargo install $1"; exit 1; }
}

# put FILE: writes stdin to the file if that changes it. Cargo builds anew what was written.
put() {
    cat >"$1.new"
    if cmp -s "$1.new" "$1"; then rm "$1.new"; else mv "$1.new" "$1"; fi
}

# step NAME COMMAND...: runs a command. Adds its output to the file `log`, and its time to the table
# of `print_minutes`.
step() {
    local name=$1 start=$SECONDS
    shift
    echo "== $name"
    "$@" 2>&1 | tee -a "$log"
    minutes+=("$name $((SECONDS - start))")
}

# print_minutes: the minutes of each step.
print_minutes() {
    printf '\n| step | minutes |\n|---|---|\n'
    printf '%s\n' "${minutes[@]}" | awk '
        { printf "| %s | %.1f |\n", $1, $2 / 60; sum += $2 }
        END { printf "| all | %.1f |\n\n", sum / 60 }'
}
