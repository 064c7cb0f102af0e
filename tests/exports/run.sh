#!/bin/sh
# Records a simulated market with faults, exports it in every format, and has the files read by the
# tools they are for: hftbacktest, polars, pandas, numpy. Prints "exports: ..." at its end.
# Needs target/release/market-data (or MARKET_DATA=...) and Python 3.11; fetches pinned packages
# from PyPI into target/ if they are missing.
set -eu
cd "$(dirname "$0")/../.."
bin=${MARKET_DATA:-target/release/market-data}
venv=target/exports_venv
pins='hftbacktest==2.4.4 numba==0.68.1 numpy==2.2.6 pandas==3.1.1 polars==2.1.0'
if [ "$(cat "$venv/pins" 2>/dev/null)" != "$pins" ]; then
    "${PYTHON:-python3}" -m venv "$venv"
    # shellcheck disable=SC2086  # a list
    "$venv/bin/pip" --quiet --disable-pip-version-check install $pins
    echo "$pins" >"$venv/pins"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp tests/exports/settings.toml "$work"
"$bin" run --config "$work/settings.toml" --sim --sim-seed "${SEED:-7}" --sim-faults mixed \
    --for "${FOR:-20s}" --tape "$work/tape" >"$work/run.out" 2>"$work/run.err" || {
    tail -5 "$work/run.err"
    exit 1
}
for format in tardis-csv hftbacktest csv ndjson; do
    "$bin" export "$work/tape" --format $format --out "$work/$format" 2>/dev/null
    "$bin" export "$work/tape" --format $format --out "$work/again/$format" >/dev/null 2>&1
    diff -r "$work/$format" "$work/again/$format"
done
NUMBA_CACHE_DIR=$PWD/target/exports_venv/numba PYTHONDONTWRITEBYTECODE=1 \
    "$venv/bin/python" tests/exports/check.py "$work"
