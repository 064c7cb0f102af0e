#!/bin/sh
# Builds the benchmark of peers and runs it; cryptofeed gets a Python environment in a temp folder,
# which is kept for the next run. Everything in README.md.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
export CARGO_TARGET_DIR="${CARGO_TARGET_DIR:-$here/../../../target/peers}"

# rustc.sh lets the project's compiler build nautilus, which asks for a later one.
RUSTC_WRAPPER="$here/rustc.sh" nice -n 19 cargo build --release --locked --ignore-rust-version \
    -j "${PEERS_JOBS:-1}" --manifest-path "$here/Cargo.toml"

venv="${TMPDIR:-/tmp}/market-data-peers-cryptofeed-2.4.1"
if [ -z "${PEERS_PYTHON:-}" ]; then
    if [ ! -e "$venv/complete" ]; then
        echo "installing cryptofeed into $venv" >&2
        rm -rf "$venv"
        if python3 -m venv "$venv" && "$venv/bin/pip" -q install cryptofeed==2.4.1; then
            touch "$venv/complete"
        else
            echo "cryptofeed cannot be installed" >&2
        fi
    fi
    if [ -e "$venv/complete" ]; then
        export PEERS_PYTHON="$venv/bin/python"
    fi
fi
exec "$CARGO_TARGET_DIR/release/market-data-peers"
