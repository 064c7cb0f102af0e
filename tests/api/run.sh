#!/bin/sh
# The server of `run` against programs of others: schemathesis asks whatever the OpenAPI document
# allows and more, prometheus_client parses /metrics (and a real Prometheus scrapes it where one is
# installed), a Python reader written from docs/binary.md alone is compared with the JSON form, and
# so are the tables that pyarrow reads.
# Prints "api: ..." at its end. Needs target/release/market-data (or MARKET_DATA=...) and Python
# 3.11; fetches pinned packages from PyPI into target/ if they are missing.
set -eu
cd "$(dirname "$0")/../.."
bin=${MARKET_DATA:-target/release/market-data}
venv=target/api_venv
pins='schemathesis==4.32.5 prometheus-client==0.26.0 websockets==17.4 pyarrow==26.0.1'
if [ "$(cat "$venv/pins" 2>/dev/null)" != "$pins" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    # shellcheck disable=SC2086  # a list
    "$venv/bin/pip" --quiet --disable-pip-version-check install $pins
    echo "$pins" >"$venv/pins"
fi
work=$(mktemp -d)
"$bin" run --sim --sim-seed "${SEED:-7}" --serve 127.0.0.1:0 --tape "$work/tape" --log-format json \
    --for "${FOR:-180s}" >/dev/null 2>"$work/run.err" &
running=$!
trap 'kill $running 2>/dev/null; wait $running 2>/dev/null; rm -rf "$work"' EXIT
address=
for _ in $(seq 300); do
    address=$(sed -n 's/.*"address":"http:\/\/\([^"]*\)".*/\1/p' "$work/run.err" | head -n 1)
    if [ -n "$address" ] && grep -q 'everything is live' "$work/run.err"; then break; fi
    kill -0 $running 2>/dev/null || { tail -n 5 "$work/run.err"; exit 1; }
    sleep 0.1
done
[ -n "$address" ] || { echo "it does not serve:"; tail -n 5 "$work/run.err"; exit 1; }
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/api/check.py "$address"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/api/tables.py "$address"
schemathesis=$PWD/$venv/bin/schemathesis
# It leaves a folder where it runs.
(cd "$work" && "$schemathesis" run "http://$address/openapi.json" --seed 7 --max-examples "${EXAMPLES:-15}" \
    --checks all --exclude-checks ignored_auth,unsupported_method --no-color --suppress-health-check all \
    >"$work/schema.out" 2>&1) || { tail -n 80 "$work/schema.out"; exit 1; }
grep -E 'Test cases|passed|API operations' "$work/schema.out" | head -n 6
if command -v prometheus >/dev/null; then
    cat >"$work/prometheus.yml" <<CONFIG
global: { scrape_interval: 1s }
scrape_configs: [{ job_name: market-data, static_configs: [{ targets: ["$address"] }] }]
CONFIG
    prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" \
        --web.listen-address=127.0.0.1:19090 >"$work/prometheus.out" 2>&1 &
    scraper=$!
    trap 'kill $scraper $running 2>/dev/null; wait 2>/dev/null; rm -rf "$work"' EXIT
    up=
    for _ in $(seq 100); do
        up=$(curl -s 'http://127.0.0.1:19090/api/v1/query?query=up' | grep -c '"1"\]' || true)
        if [ "$up" = 1 ]; then break; fi
        sleep 0.2
    done
    [ "$up" = 1 ] || { echo "Prometheus does not get it"; tail -n 5 "$work/prometheus.out"; exit 1; }
    echo "prometheus: scraped"
else
    echo "prometheus: not installed, left out (Debian: apt-get install prometheus)"
fi
echo "api: binary, Arrow, metrics and the OpenAPI document hold"
