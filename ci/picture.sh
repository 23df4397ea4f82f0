#!/usr/bin/env bash
# Makes docs/page.png, the picture in the README: the page of the sidecar in a real browser.
set -euo pipefail
source "$(dirname "$0")/lib.sh"
need chromium chromium
need chromedriver chromium-driver

cargo build --quiet -p fillgauge-export --example sidecar
cd export-tests
timeout 600 cargo test --test browser -- --ignored --exact pictures::of_the_readme
cd ..
cp export-tests/target/page-readme.png docs/page.png
