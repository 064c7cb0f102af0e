#!/usr/bin/env bash
# Fuzzes every target for SECONDS each on the stable toolchain, then prints what was tried.
#
#   fuzz/run.sh 60                all targets, a minute each
#   fuzz/run.sh 600 feed          one target
#   FUZZ_SEED=7 fuzz/run.sh 10    the same inputs in the same order every time
#
# Exit code 0: nothing found. 1: a promise was broken; the input lies in fuzz/artifacts/.
# 2: it could not run. Installs cargo-fuzz if it is missing.
set -euo pipefail

seconds=${1:?"usage: fuzz/run.sh SECONDS [TARGET...]"}
shift
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(decimal json frame resolve catalogue feed sbe tape)

here=$(cd "$(dirname "$0")" && pwd)
cd "$here/.."
cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked || exit 2

# No sanitizer: those need the nightly toolchain. Coverage does not.
cargo fuzz build -s none || exit 2
cargo run --quiet --manifest-path fuzz/Cargo.toml --example seeds || exit 2

seed=${FUZZ_SEED:-$RANDOM$RANDOM}
echo "seed $seed"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
report=() found=0 total=0
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    status=0
    cargo fuzz run -s none "$target" -- -max_total_time="$seconds" -seed="$seed" -max_len=16384 -timeout=10 \
        -rss_limit_mb=2048 -print_final_stats=1 -verbosity=1 >"$log" 2>&1 || status=$?
    tried=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -n 1)
    covered=$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "$log" | tail -n 1)
    tried=${tried:-0} total=$((total + tried))
    verdict="nothing found"
    if [ "$status" -ne 0 ]; then
        verdict="FOUND something" found=1
        tail -n 60 "$log"
    fi
    report+=("$(printf '%-10s %12s inputs  %6s edges  %s' "$target" "$tried" "${covered:-?}" "$verdict")")
done

echo
printf '%s\n' "${report[@]}"
echo "$total inputs in all"
exit "$found"
