#!/usr/bin/env bash
# Records the pretend exchange on disks that fill up, are read-only, are deleted, or take their permission back.
#
#   tests/disk/run.sh [COMMAND]      default: target/release/market-data
#
# A full and a read-only disk need the right to mount a small tmpfs (root, or user namespaces); without it those two are
# skipped, and the last line says so. Exit code 0: what could be tried holds.
set -euo pipefail
cd "$(dirname "$0")/../.."
command=$(realpath "${1:-target/release/market-data}")
if [ "$(id -u)" = 0 ] && unshare --mount true 2>/dev/null; then
    exec unshare --mount python3 tests/disk/sick_disk.py "$command" mount
elif unshare --mount --map-root-user true 2>/dev/null; then
    exec unshare --mount --map-root-user python3 tests/disk/sick_disk.py "$command" mount
fi
exec python3 tests/disk/sick_disk.py "$command" no-mount
