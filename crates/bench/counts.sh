#!/usr/bin/env bash
# Counts the instructions of fixed work with callgrind and holds them against counts.txt.
#
#   crates/bench/counts.sh            5 % more than there is a failure; 5 % less asks for new limits
#   crates/bench/counts.sh --write    writes the figures of today
#
# Instructions do not depend on how busy the machine is, so this can be a gate where times cannot.
# They depend on the compiler (rust-version of the workspace) and hardly on the processor: callgrind
# shows the program one with AVX2 and without AVX-512. Build first:
#   cargo build --release -p market-data-bench --example count
set -Eeuo pipefail
cd "$(dirname "$0")/../.."
limits=crates/bench/counts.txt
count=${CARGO_TARGET_DIR:-target}/release/examples/count
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

instructions() {
    valgrind --tool=callgrind --toggle-collect='*counted*' --callgrind-out-file="$out/profile" \
        "$count" "$1" "$2" 5000 >"$out/units" 2>"$out/log" || { cat "$out/log" >&2; return 1; }
    sed -n 's/.*Collected : \([0-9]*\).*/\1/p' "$out/log"
}

work=("feed mix" "feed books" "feed trades" "feed tickers" "feed candles" "json mix" "digest mix"
    "plain mix" "book books")
if [ "${1:-}" = --write ]; then
    for one in "${work[@]}"; do
        # shellcheck disable=SC2086
        echo "$one $(instructions $one)"
    done >"$out/limits"
    mv "$out/limits" "$limits"
    cat "$limits"
    exit
fi

wrong=0
while read -r system group limit; do
    ours=$(instructions "$system" "$group")
    units=$(cut -d ' ' -f 1 "$out/units")
    verdict=$(awk -v o="$ours" -v l="$limit" 'BEGIN {
        d = 100 * (o - l) / l
        what = (d > 5) ? "TOO MANY" : (d < -5) ? "fewer: write new limits" : ""
        printf("%+.1f %% %s", d, what) }')
    printf '%-7s %-8s %7d instructions a unit  %s\n' "$system" "$group" $((ours / units)) "$verdict"
    case $verdict in *MANY) wrong=1 ;; esac
done <"$limits"
if [ $wrong = 1 ]; then
    echo "counts: more instructions than $limits allows. If that is the price of something, say so" >&2
    echo "        in the commit and write new limits: crates/bench/counts.sh --write" >&2
    exit 1
fi
echo "counts: within 5 % of $limits"
