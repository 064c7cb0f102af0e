#!/usr/bin/env bash
# Records the pretend exchange, converts the tape twice (the files must be identical), verifies the archive, and reads it
# with DuckDB, Polars and pyarrow: every value must be the one that `replay --json` prints, exactly.
# Needs cargo (or MARKET_DATA, the built command) and Python 3.10; installs packages into target/.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ -z "${MARKET_DATA:-}" ]; then
    cargo build --release --locked -p market-data-cli
    MARKET_DATA=target/release/market-data
fi
venv=target/parquet_venv
[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
if ! cmp -s tests/parquet/requirements.txt "$venv/installed"; then
    "$venv/bin/pip" --quiet --disable-pip-version-check install -r tests/parquet/requirements.txt
    cp tests/parquet/requirements.txt "$venv/installed"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cat >"$work/settings.toml" <<'TOML'
[tape]
rotate_seconds = 4
[books]
deltas = true
view_depth = 0
[[subscribe]]
instruments = ["BTC-USDT", "ETH-USDT", "BTC-USDT-SWAP"]
channels = ["tickers", "trades", "trades-all", "books", "books5", "bbo-tbt", "candle1m", "candle1s", "mark-price-candle1m"]
TOML
"$MARKET_DATA" run --sim --sim-faults mixed --sim-seed 1 --for "${PARQUET_FOR:-12s}" --config "$work/settings.toml" \
    --tape "$work/tape" --log-level error >"$work/run.txt"
"$MARKET_DATA" convert "$work/tape" --out "$work/one"
"$MARKET_DATA" convert "$work/tape" --out "$work/two" >/dev/null
diff -r "$work/one" "$work/two"
echo "parquet: converted twice, the same bytes"
"$MARKET_DATA" replay "$work/tape" --json >"$work/records.ndjson"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/parquet/check.py "$work/one" "$work/records.ndjson"
"$MARKET_DATA" convert "$work/tape" --out "$work/books" --book-interval 1s --book-depth 5 >/dev/null
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" tests/parquet/books.py "$work/books"
