#!/usr/bin/env bash
# The dashboard in a real browser: starts `market-data run --sim`, opens its page in Debian's Chromium and looks.
#
#   tests/dashboard/run.sh            MARKET_DATA=target/debug/market-data tests/dashboard/run.sh
#
# Needs Node 20 and Chromium; where Chromium is missing it is installed if that can be done (as root, with apt-get), else
# the test is SKIPPED and says so. CHROMIUM names another one. One package (`ws`) is installed below target/. Pictures are
# left in target/dashboard/. Exit code 0: all checks hold, or skipped; 1: some do not; 2: it could not run.
set -Eeuo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${MARKET_DATA:-$root/target/release/market-data}
work=$root/target/dashboard-test

if [ ! -x "$binary" ]; then
    echo "dashboard: no market-data at $binary; run: cargo build --release -p market-data-cli" >&2
    exit 2
fi
binary=$(realpath "$binary")

find_chromium() {
    local name
    for name in "${CHROMIUM:-}" chromium chromium-browser google-chrome; do
        if [ -n "$name" ] && command -v "$name"; then return 0; fi
    done
    return 1
}
skip() {
    echo "dashboard: SKIPPED: $1"
    exit 0
}

if ! chromium=$(find_chromium); then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        { apt-get update -q && apt-get install -qy --no-install-recommends chromium fonts-dejavu-core; } >/dev/null 2>&1 || true
    fi
    chromium=$(find_chromium) || skip "there is no Chromium and it cannot be installed"
fi
command -v node >/dev/null || skip "there is no Node"

mkdir -p "$work"
cp "$here"/*.mjs "$here"/*.toml "$here/package.json" "$here/package-lock.json" "$work/"
if [ ! -d "$work/node_modules/ws" ]; then
    npm ci --prefix "$work" --silent --no-audit --no-fund >&2
fi
exec node "$work/test.mjs" "$binary" "$chromium" "$root/target/dashboard"
