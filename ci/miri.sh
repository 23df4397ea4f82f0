#!/usr/bin/env bash
# ci/miri.sh [SEEDS [SERVICES_SEEDS]]: the tests with threads under Miri, each with so many seeds:
# those of the core, and those of the services crate, which take four times as long. A seed decides
# which thread runs next. It also decides which value a load returns, of those that the memory model
# allows. A canary weakens two orderings of the core: two tests must fail then.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

seeds=${1:-4}
services_seeds=${2:-$seeds}
# Under Miri the names in a backtrace take half a minute.
export RUST_BACKTRACE=0

# Modules of tests, by the target that they are in.
core=(budget::one_of_two concurrency:: event_log:: probe::threads queue::)
shim=(budgets:: handler:: registry:: report:: sessions:: std_channel:: waiter::
    watch::a_thread watch::scrapers)
shim_unit=(names:: sync::)

# Tests of these modules that are left out, each with the reason.
left_out=(
    "event_log::nothing_is_lost_without_being_counted: hundreds of histories on one thread"
    "queue::the_gauge_reads_as_the_queue: hundreds of histories on one thread"
    "std_channel::a_channel_that_never_fills_reads_no_clock_and_parks_nobody: one thread, 100 items"
    "handler::it_may_wait_for_room_in_the_channel_that_warns: few items need not fill the channel"
    "registry::a_gauge_that_is_dropped_leaves_nothing_in_its_registry: one thread, 1,000 gauges"
    "registry::a_hundred_thousand_gauges_are_live_at_once: one thread, 100,000 gauges"
    "registry::gauges_are_in_order_after_a_spike: one thread, 300 gauges"
    "report::a_chain_is_in_the_report_of_the_registry_of_its_first_gauge: one thread, 100 chains"
    "report::it_lists_live_gauges_in_order_of_registration_with_all_that_is_known: one thread, 200 gauges"
    "report::it_survives_being_written_and_read: one thread, and JSON"
    "report::its_table_is_for_people: one thread, and text"
    "sync::list::tests::a_list_keeps_its_order_and_forgets_what_is_obsolete_when_it_grows: one thread, 10,000 entries"
    "sync::list::tests::a_list_of_few_entries_that_come_and_go_takes_no_more_room: one thread, 10,000 entries"
)

fail() {
    echo "miri: $*"
    exit 1
}

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    echo "miri is missing: adding it"
    command -v rustup >/dev/null || fail "needs nightly Rust with Miri, and rustup to install it: https://rustup.rs"
    rustup toolchain install nightly --profile minimal --no-self-update || fail "rustup cannot install nightly Rust"
    rustup +nightly component add miri rust-src || fail "rustup cannot add miri and rust-src to $(rustc +nightly --version)"
fi
cargo +nightly miri setup --quiet || fail "the standard library does not build for Miri"
echo "miri: $(cargo +nightly miri --version), $seeds seeds, for services $services_seeds"

log=$(mktemp)
trap 'rm -f "$log"' EXIT

options=()
for entry in "${left_out[@]}"; do
    echo "miri: left out is $entry"
    options+=(--skip "${entry%%: *}")
done
# tests PACKAGE TARGET... -- ARGUMENT...: its tests under Miri.
tests() {
    timeout $((600 + 240 * seeds)) cargo +nightly miri test --quiet --all-features -p "$@"
}

{
    tests fillgauge --test it -- --list
    tests fillgauge-std --lib --test it -- --list
} >"$log"
for module in "${core[@]}" "${shim[@]}" "${shim_unit[@]}"; do
    grep -q "^$module" "$log" || fail "there is no test in $module"
done
for entry in "${left_out[@]}"; do
    grep -qx "${entry%%: *}: test" "$log" || fail "left out is ${entry%%: *}, and there is no test of that name"
done

# passes FLAGS PACKAGE TARGET... -- MODULE...: the tests of the modules pass with every seed.
passes() {
    local flags=$1 passed
    shift
    MIRIFLAGS="-Zmiri-many-seeds=0..$seeds $flags" tests "$@" "${options[@]}" >"$log" 2>&1 || {
        tail -n 80 "$log"
        fail "a test of $1 fails"
    }
    # Seeds run in parallel, and their outputs share lines.
    passed=$(grep -oE '[0-9]+ passed; 0 failed;' "$log" | sort | uniq -c)
    [[ "$passed" =~ ^\ *$seeds\ ([1-9][0-9]*)\ [^$'\n']*$ ]] || fail "$1: the seeds did not all run the same tests: $passed"
    echo "miri: $* with each of $seeds seeds"
    echo "test result: ok. ${BASH_REMATCH[1]} passed; 0 failed"
}
passes "" fillgauge --test it -- "${core[@]}"
seeds=$services_seeds
# Nobody joins the background thread of the shim. Its events have the time of day.
shim_flags="-Zmiri-ignore-leaks -Zmiri-disable-isolation"
passes "$shim_flags" fillgauge-std --lib -- "${shim_unit[@]}"
passes "$shim_flags" fillgauge-std --test it -- "${shim[@]}"

# finds TEST: it fails when the orderings are weakened.
finds() {
    if RUSTFLAGS="--cfg fillgauge_canary" MIRIFLAGS="-Zmiri-many-seeds=0..32" tests fillgauge --test it -- "$1" >"$log" 2>&1; then
        fail "$1 passes with weakened orderings: this check proves nothing"
    fi
    grep -qE "^thread '$1' .*panicked at" "$log" || {
        tail -n 80 "$log"
        fail "with weakened orderings $1 fails for another reason"
    }
    echo "miri: $1 finds the weakened ordering"
}
finds concurrency::a_warning_that_meets_a_drain_is_taken_back
finds concurrency::a_slot_that_changes_hands_shows_one_registration_at_a_time
