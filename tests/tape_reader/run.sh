#!/bin/sh
# Tries the Python reader of the tape against the project's own: prints "N passed, N failed".
# Needs cargo and Python 3.9; installs the package zstandard into target/ if it is missing.
set -eu
cd "$(dirname "$0")/../.."
python=${PYTHON:-python3}
if ! "$python" -c 'import zstandard' 2>/dev/null; then
    venv=target/tape_reader_venv
    [ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
    "$venv/bin/python" -c 'import zstandard' 2>/dev/null ||
        "$venv/bin/pip" --quiet --disable-pip-version-check install zstandard
    python=$venv/bin/python
fi
# The command that records is the one of this tree, built as the tests build it.
cargo test --quiet --workspace --locked --no-run --test it
PYTHONDONTWRITEBYTECODE=1 exec "$python" tests/tape_reader/test_read_tape.py
