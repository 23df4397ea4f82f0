#!/usr/bin/env bash
# What stands in docs/fleet is right: Prometheus's own tools accept the configuration and the rules,
# and the rules pass their tests, which notice each change of a rule. The dashboard is whole. Rules,
# dashboard and docs name metrics that the exporter has. A real server scrapes a service.
set -euo pipefail
source "$(dirname "$0")/lib.sh"

fail() {
    echo "fleet: $*"
    exit 1
}

# Debian starts the server as a service once it is installed, unless this file forbids that.
policy=/usr/sbin/policy-rc.d
forbids=
if ! command -v prometheus >/dev/null && [ "$(id -u)" = 0 ] && [ ! -e "$policy" ]; then
    forbids=yes
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy" && chmod +x "$policy"
fi
need prometheus prometheus
need promtool prometheus
trap - EXIT
[ -z "$forbids" ] || rm -f "$policy"
need jq jq

fleet=docs/fleet
out=$project/target/fleet
rm -rf "$out"
mkdir -p "$out"

promtool check config "$fleet/prometheus.yml"
promtool check rules "$fleet/rules.yml"
promtool test rules "$fleet/rules_test.yml"

# The tests notice it if a rule is changed. Each line is a change by sed.
cp "$fleet/rules_test.yml" "$out"
changes=0
while read -r change; do
    sed -E "$change" "$fleet/rules.yml" >"$out/rules.yml"
    cmp -s "$fleet/rules.yml" "$out/rules.yml" && fail "this changes no rule: $change"
    promtool check rules "$out/rules.yml" >/dev/null || fail "this makes no rule: $change"
    promtool test rules "$out/rules_test.yml" >/dev/null 2>&1 \
        && fail "the tests of the rules do not notice: $change"
    changes=$((changes + 1))
done <<'CHANGES'
s/fillgauge_warned > 0/fillgauge_warned > 1/
0,/for: 5m/s//for: 4m/
0,/for: 5m/s//for: 6m/
s/fill_ratio < 1/fill_ratio <= 1/
s/fill_ratio < 1/fill_ratio < 2/
/and predict_linear/d
s/1800\) >= 1/900) >= 1/
/and deriv/d
s/> 0.1/> 0/
s/for: 10m/for: 5m/
s/increase\((.*)\) > 0/increase(\1) >= 0/
s/increase\((.*)\) > 0/delta(\1) > 0/
s/increase\((.*)\) > 0/changes(\1) > 0/
s/refused_total\[5m\]/refused_total[10m]/
s/near_capacity_seconds_total/full_seconds_total/
s/(near_capacity_seconds_total)\[10m\]/\1[5m]/
s/(near_capacity_seconds_total)\[10m\]/\1[20m]/
/near_capacity_seconds/{s/sum without \(gauge_id, gauge_label\) //}
/near_capacity_seconds/{n;s/clamp_min\((.*), 1\)/\1/}
/near_capacity_seconds/{n;s/fillgauge_gauges/fillgauge_warned/}
/near_capacity_seconds/{n;s/\/ clamp.* >/>/}
/near_capacity_seconds/{n;s/0.5/0.48/}
/near_capacity_seconds/{n;s/0.5/0.52/}
/unless on \(job, instance, limit/{N;d}
s/unless on \(job, instance, limit/unless on (job, limit/
s/(="firing"\})\[10m\]/\1[5m]/
s/(="firing"\})\[10m\]/\1[20m]/
s/NearCapacity", alertstate="firing"/NearCapacity"/
/="firing"/{n;s/5m/4m/}
/="firing"/{n;s/5m/6m/}
s/stalled_seconds_total/waited_seconds_total/
s/(stalled_seconds_total)\[10m\]/\1[5m]/
s/(stalled_seconds_total)\[10m\]/\1[20m]/
/stalled_seconds/{s/sum without \(gauge_id, gauge_label\) //}
/stalled_seconds/{n;s/clamp_min\((.*), 1\)/\1/}
/stalled_seconds/{n;s/\/ clamp.* >/>/}
/stalled_seconds/{n;s/0.5/0.48/}
/stalled_seconds/{n;s/0.5/0.52/}
s/oldest_wait_seconds > 60/oldest_wait_seconds >= 60/
s/oldest_wait_seconds > 60/oldest_wait_seconds > 61/
s/oldest_wait_seconds/longest_wait_seconds/
s/fillgauge_stuck > 0/fillgauge_stuck > 1/
/fillgauge_stuck > 0/{n;s/1m/30s/}
/fillgauge_stuck > 0/{n;s/1m/2m/}
s/ unless on \(job, instance\) fillgauge_gauges/ == 0/
s/up\{job="fillgauge"\} unless/up unless/
/or absent/d
/or absent/{n;s/5m/4m/}
CHANGES
echo "fleet: the tests of the rules notice each of $changes changes"

# Each alert has a test, and a paragraph in the runbook that its link leads to.
alerts=$(sed -nE 's/^ *- alert: (.*)/\1/p' "$fleet/rules.yml")
for alert in $alerts; do
    grep -qE "alertname: $alert\$" "$fleet/rules_test.yml" || fail "$alert has no test"
    grep -qx "### $alert" docs/fleet.md || fail "$alert has no paragraph in docs/fleet.md"
    grep -qF "/docs/fleet.md#${alert,,}\"" "$fleet/rules.yml" || fail "$alert has no runbook_url"
done
echo "fleet: $(wc -w <<<"$alerts") alerts have a test and a paragraph"

# The rules name the job of the configuration, and no other.
job=$(sed -nE 's/^ *- job_name: (.*)/\1/p' "$fleet/prometheus.yml")
named=$(grep -oE 'up\{job="[^"]*"\}' "$fleet/rules.yml" | sort -u)
[ "$named" = "up{job=\"$job\"}" ] || fail "the job is $job, the rules name $named"

# What Grafana cannot say before somebody opens the dashboard.
dashboard() { # dashboard WHAT FILTER: fails unless the filter gives true.
    jq -e "$2" "$fleet/dashboard.json" >/dev/null || fail "dashboard: $1"
}
dashboard "it is of the classic form" '.schemaVersion >= 36 and .id == null and (.uid | length > 0)'
dashboard "two panels have the same id" '[.panels[].id] | length == (unique | length)'
dashboard "a panel has no title, or no description" \
    'all(.panels[]; (.title | length > 0) and (.description | length > 0))'
dashboard "a panel has no query" 'all(.panels[]; [.targets[].expr] | length > 0)'
dashboard "two queries of a panel have the same name" \
    'all(.panels[]; [.targets[].refId] | length == (unique | length))'
dashboard "a data source is not the variable" \
    '[.. | objects | .datasource? // empty] | all(. == {type: "prometheus", uid: "${DS}"})'
dashboard "the variables are not DS, job, instance and limit" \
    '[.templating.list[] | [.name, .type]] == [["DS", "datasource"], ["job", "query"],
        ["instance", "query"], ["limit", "query"]]'
dashboard "a variable has two different queries" \
    'all(.templating.list[] | select(.type == "query"); .query.query == .definition)'
dashboard "two panels overlap, or one is beyond the edge" '[.panels[].gridPos] as $all
    | all($all[]; .x >= 0 and .x + .w <= 24)
    and ([range($all | length) as $i | range($i) as $j | [$all[$i], $all[$j]]
        | select(.[0].x < .[1].x + .[1].w and .[1].x < .[0].x + .[0].w
            and .[0].y < .[1].y + .[1].h and .[1].y < .[0].y + .[0].h)] == [])'

# Its queries, and those of its variables, as rules: promtool parses them.
jq <"$fleet/dashboard.json" >"$out/queries.yml" '
    [.panels[].targets[].expr,
     (.templating.list[] | select(.type == "query").definition
         | capture("^label_values\\((?<series>.*), [a-z]+\\)$").series)]
    | map(gsub("[$]__rate_interval"; "1m") | gsub("[$](job|instance|limit)\""; ".*\""))
    | {groups: [{name: "dashboard", rules: to_entries
        | map({record: "query:\(.key)", expr: .value})}]}'
grep -F '$' "$out/queries.yml" && fail "dashboard: an unknown variable"
promtool check rules "$out/queries.yml"

# The metrics that the exporter has, one a line.
metrics=export/tests/metrics.txt
sort -u "$metrics" >"$out/has"
# Without the comments of the rules, and without names of packages.
{
    sed -nE '/^ *#/d; /^ *expr:/,/^ *(for|labels):/p' "$fleet/rules.yml"
    cat "$out/queries.yml"
} | grep -oE '\bfillgauge_[a-z_]+' | sort -u >"$out/used"
grep -oE '`fillgauge_[a-z_]+`' docs/fleet.md | tr -d '`' | sort -u >"$out/documented"
[ -s "$out/used" ] || fail "no metric is used"
for of in used documented; do
    missing=$(comm -13 "$out/has" "$out/$of")
    [ -z "$missing" ] || fail "the exporter does not have what is $of: $missing"
done
missing=$(comm -23 "$out/has" "$out/documented")
[ -z "$missing" ] || fail "docs/fleet.md does not have $missing"
echo "fleet: the exporter has each of the $(wc -l <"$out/used") metrics that are used"

cargo build --quiet -p fillgauge-export --example sidecar
cd export-tests
timeout 600 cargo test --quiet --no-run --test prometheus
timeout 300 cargo test --test prometheus
echo "fleet: a real Prometheus scrapes the sidecar, and an alert fires in it"
