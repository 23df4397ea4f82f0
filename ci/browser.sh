#!/usr/bin/env bash
# The status page in a real browser: a headless Chromium, which ChromeDriver drives. It leaves
# pictures of the page in export-tests/target/page-*.png.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need chromium chromium
need chromedriver chromium-driver

cargo build --quiet -p fillgauge-export --example sidecar
cd export-tests
cargo test --no-run
# What is measured is printed.
timeout 600 cargo test --test browser -- --nocapture --test-threads=1 || {
    echo "browser: the page fails, or took more than ten minutes"
    exit 1
}
echo "browser: the page shows what it must; its pictures are in export-tests/target/page-*.png"
