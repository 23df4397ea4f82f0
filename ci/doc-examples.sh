#!/usr/bin/env bash
# The examples in the documentation of fillgauge-std need that crate, those that its features wrap,
# and a runtime. Each of its sources compiles in a package that depends on nothing else, and no page
# shows one that uses the core by its name.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

# So many there are at least, or this script does not find them.
least=30
package=target/doc-examples

rm -rf "$package/src" target/doc/fillgauge_std
mkdir -p "$package/src"
cat >"$package/Cargo.toml" <<'TOML'
[package]
name = "doc-examples"
edition = "2024"

[dependencies]
fillgauge-std = { path = "../../std-shim", features = [
    "async-channel", "crossbeam", "edge-waiter", "flume", "tokio"
] }
# Who asks for a feature has the crate that it wraps.
async-channel = "2"
crossbeam-channel = "0.5"
flume = { version = "0.11", default-features = false }
futures-lite = "2"
tokio = { version = "1", features = ["macros", "rt"] }

[workspace]
TOML
# The versions that the project has.
cp Cargo.lock "$package"

# Each example becomes a file `example_N.rs`, as rustdoc makes one: without the marks of lines that
# are not shown, and in a function, if it has no `main` of its own.
find std-shim/src -name '*.rs' | LC_ALL=C sort | xargs awk -v src="$package/src/" '
    function end(    head) {
        if (in_rust) {
            name = sprintf("example_%03d", ++examples)
            head = "pub fn main() {\n"
            if (last ~ /\(\(\)\) *$/) head = "pub fn main() -> Result<(), impl core::fmt::Debug> {\n"
            if (code !~ /(^|\n) *fn main\(/) code = head code "}\n"
            printf "// %s\n%s", place, code >(src name ".rs")
            close(src name ".rs")
            print "pub mod " name ";" >(src "lib.rs")
        }
        in_block = in_rust = 0
    }
    # Whether rustdoc compiles a block with this after its fence, and wants it to succeed.
    function is_rust(tags,    tag, count) {
        count = split(tags, tag, /[ ,]+/)
        for (; count > 0; count--)
            if (tag[count] !~ /^(|rust|no_run|should_panic|edition[0-9]+)$/) return 0
        return 1
    }
    BEGIN { print "#![allow(warnings)]" >(src "lib.rs") }
    FNR == 1 || !/^ *\/\/[\/!]/ { end() }
    !/^ *\/\/[\/!]/ { next }
    { sub(/^ *\/\/[\/!] ?/, "") }
    /^ *```/ {
        if (in_block) { end(); next }
        sub(/^ *```+/, "")
        in_block = 1
        in_rust = is_rust($0)
        place = FILENAME ":" FNR
        code = last = ""
        next
    }
    in_rust {
        if (/^ *#( |$)/) sub(/# ?/, "")
        else if (/^ *##/) sub(/#/, "")
        code = code $0 "\n"
        if (!/^ *$/) last = $0
    }
    END { end() }'
found=$(grep -c '^pub mod' "$package/src/lib.rs" || true)
[ "$found" -ge "$least" ] || {
    echo "doc-examples: found only $found examples in std-shim/src"
    exit 1
}

(cd "$package" && cargo check --quiet) || {
    echo "doc-examples: an example needs more than fillgauge-std;" \
        "the first line of its file says where it is"
    exit 1
}

# The pages also show what is inlined from the core and what comes by `Deref`, with examples of the
# core: those do not name this crate. The halves of crossbeam's channel deref to those of its crate,
# which a user of the feature has: their examples may stand there.
cargo doc --quiet -p fillgauge-std --no-deps --all-features
shown=$(find target/doc/fillgauge_std -name '*.html' | LC_ALL=C sort | xargs awk '
    function end() {
        gsub(/<[^>]*>/, "", text)
        examples++
        is_of_crossbeam = FILENAME ~ /\/channels\/crossbeam\// && text ~ /crossbeam_channel::/
        is_of_this_crate = text ~ /fillgauge_std::/ && text !~ /(^|[^A-Za-z0-9_:])fillgauge::/
        if (!is_of_crossbeam && !is_of_this_crate) {
            printf "doc-examples: %s shows an example of another crate:\n%s\n", FILENAME, text >"/dev/stderr"
            failed = 1
        }
        text = ""
        in_example = 0
    }
    {
        line = $0
        while (line != "") {
            if (!in_example) {
                if (!match(line, /<pre class="rust rust-example-rendered">/)) break
                line = substr(line, RSTART + RLENGTH)
                in_example = 1
            }
            if (!match(line, /<\/pre>/)) { text = text line "\n"; break }
            text = text substr(line, 1, RSTART - 1)
            line = substr(line, RSTART + RLENGTH)
            end()
        }
    }
    END { print examples + 0; exit failed }')
[ "$shown" -ge "$least" ] || {
    echo "doc-examples: found only $shown examples in target/doc/fillgauge_std"
    exit 1
}

echo "doc-examples: $found examples compile with fillgauge-std alone," \
    "and the $shown on its pages use no other crate"
