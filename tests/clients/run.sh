#!/usr/bin/env bash
# Runs clients that others wrote (ccxt pro, python-okx) against `market-data sim`, against a service of
# ours that relays it (`run --serve-okx`), and against what was recorded of it (`sim --tape`).
#
#   tests/clients/run.sh [BINARY] [SECONDS]
#
# BINARY is target/release/market-data or target/debug/market-data by default, SECONDS (20) is how
# long each client watches. CLIENTS_VENV=DIR keeps the Python environment for the next run. The
# last line is `N passed, N failed`; exit code 0 when none failed, 1 when some did, 2 when it could
# not run. Takes three minutes at most, besides installing.
set -uo pipefail
export PYTHONDONTWRITEBYTECODE=1

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
binary=${1:-}
seconds=${2:-20}
seed=${CLIENTS_SEED:-7}

if [ -z "$binary" ]; then
    for binary in "$root/target/release/market-data" "$root/target/debug/market-data"; do
        [ -x "$binary" ] && break
    done
fi
if [ ! -x "$binary" ]; then
    echo "no market-data at $binary; run: cargo build -p market-data-cli" >&2
    exit 2
fi

work=$(mktemp -d)
sim= served= relay=
cleanup() {
    [ -n "$sim" ] && kill "$sim" 2>/dev/null && wait "$sim" 2>/dev/null
    [ -n "$relay" ] && kill "$relay" 2>/dev/null && wait "$relay" 2>/dev/null
    [ -n "$served" ] && kill "$served" 2>/dev/null && wait "$served" 2>/dev/null
    rm -rf "$work"
}
trap cleanup EXIT

venv=${CLIENTS_VENV:-$work/venv}
if [ ! -x "$venv/bin/python" ]; then
    python3 -m venv "$venv" || exit 2
fi
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    -r "$here/requirements.txt" || { echo "cannot install the clients" >&2; exit 2; }

# listens PROCESS FILE: sets `address` to where a process says, in FILE, that it listens.
listens() {
    address=
    for _ in $(seq 100); do
        address=$(sed -n 's/.*listens on \([0-9.]*:[0-9]*\).*/\1/p' "$2" | head -n 1)
        [ -n "$address" ] && break
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
}

"$binary" sim --listen 127.0.0.1:0 --seed "$seed" >"$work/sim.out" 2>"$work/sim.err" &
sim=$!
listens "$sim" "$work/sim.err"
if [ -z "$address" ]; then
    echo "the pretend exchange did not start:" >&2
    cat "$work/sim.err" >&2
    exit 2
fi
echo "pretend exchange on $address, seed $seed; $seconds s a client"

limit=$((seconds + 60))
status=0
passed=0 failed=0

# run_client NAME ARGUMENTS...: runs client_NAME.py and adds its counts.
run_client() {
    name=$1
    shift
    timeout "$limit" "$venv/bin/python" "$here/client_$name.py" "$@" \
        >"$work/$name.log" 2>&1 || status=1
    grep -v '^count ' "$work/$name.log"
    counts=$(sed -n 's/^count //p' "$work/$name.log" | tail -n 1)
    if [ -z "$counts" ]; then
        echo "FAILED $name: ended without a verdict (limit: $limit s)"
        counts="0 1" status=1
    fi
    passed=$((passed + ${counts% *})) failed=$((failed + ${counts#* }))
}

# One after the other: OKX allows three handshakes a second and address, and so does the sim.
for client in ccxt python_okx; do
    run_client "$client" "$address" "$seconds"
done
if ! kill -0 "$sim" 2>/dev/null; then
    echo "FAILED sim: it did not survive its clients"
    failed=$((failed + 1)) status=1
    cat "$work/sim.err"
fi

# The same market behind a service of ours, for clients that know only that.
sleep 1
"$binary" run --url "ws://$address" --no-tape --serve 127.0.0.1:0 --serve-okx --log-format human \
    --log-level info >/dev/null 2>"$work/relay.err" &
relay=$!
behind=
for _ in $(seq 100); do
    behind=$(sed -n 's/.*serving.*http:\/\/\([0-9.]*:[0-9]*\).*/\1/p' "$work/relay.err" | head -n 1)
    [ -n "$behind" ] && break
    sleep 0.1
done
if [ -n "$behind" ]; then
    echo "the relay on $behind"
    sleep 3
    run_client relay "$behind" "$address" "$seconds"
else
    echo "FAILED relay: it did not start"
    failed=$((failed + 1)) status=1
    cat "$work/relay.err"
fi
kill "$relay" && wait "$relay" 2>/dev/null
relay=

# The same market once more, recorded; then the recording in its place.
"$binary" run --url "ws://$address" --tape "$work/tape" --for 15s --log-level error \
    >/dev/null 2>"$work/run.err" || { cat "$work/run.err"; status=1; }
"$binary" sim --tape "$work/tape" --listen 127.0.0.1:0 --wait 9 \
    >"$work/served.out" 2>"$work/served.err" &
served=$!
listens "$served" "$work/served.err"
if [ -n "$address" ]; then
    echo "the recording on $address"
    run_client tape "$address" "$work/tape"
else
    echo "FAILED sim --tape: it did not start"
    failed=$((failed + 1)) status=1
    cat "$work/served.err"
fi
echo "$passed passed, $failed failed"
exit "$status"
