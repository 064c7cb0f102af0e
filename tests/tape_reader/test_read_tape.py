#!/usr/bin/env python3
"""Compares the reader written from docs/tape-format.md with the project's own, record by record.

Run by run.sh, from the root of the repository. Tapes are made by the example `sample_tape`, and
then cut, flipped, and deprived of bytes. If the command has been built, it records a pretend
exchange as well, and the digests on that tape are made again from the events' JSON.
"""

import json
import random
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import digest
import read_tape

SEED = 20261123
LOST = 33
KINDS = [1, 2, *range(16, 29), 30, 31, 32, 33, 34, 35, 36, 37, 250]
passed, failed = 0, 0


def check(name, ok, detail=""):
    global passed, failed
    if ok:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {name}\n  {detail}")


def example(name, *args):
    command = ["cargo", "run", "-q", "-p", "market-data-tape", "--example", name, "--", *args]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout.decode()


def split(items):
    """Records, and the stretches of bytes that were skipped."""
    found, skipped = [], []
    for item in items:
        if "damage" not in item:
            found.append(item)
        elif item["bytes"]:
            skipped.append((item["segment"], item["offset"], item["bytes"]))
    return found, skipped


def compare(name, tape):
    theirs = split(json.loads(line) for line in example("dump", str(tape)).splitlines())
    ours = split(read_tape.read(tape))
    for what, a, b in zip(("records", "damage"), theirs, ours):
        first = next((pair for pair in zip(a, b) if pair[0] != pair[1]), (len(a), len(b)))
        detail = f"rust {str(first[0])[:300]}\n  page {str(first[1])[:300]}"
        check(f"{name}: {what}", a == b, detail)
    return ours


def digests():
    command = Path("target/debug/market-data")
    if not command.exists():
        return print(f"{command} is not there: digests are not checked")
    with tempfile.TemporaryDirectory() as parent:
        tape = str(Path(parent) / "tape")
        run = [command, "run", "--sim", "--for", "4s", "--tape", tape, "--log-level", "error"]
        ran = subprocess.run(run, check=True, capture_output=True, text=True)
        lines = subprocess.run([command, "replay", tape, "--json"], check=True, capture_output=True)
        events = {}
        for line in lines.stdout.decode().splitlines():
            events.setdefault(json.loads(line)["feed"], []).append(digest.event(line))
        count = sum(map(len, events.values()))
        check("digests: there are events", count > 100, count)
        lost = [record for record in read_tape.read(tape) if record.get("kind", LOST) == LOST]
        check("digests: nothing is lost", not lost, f"{lost[:3]}\n  {ran.stderr[-600:]}")
        for record in read_tape.read(tape):
            if record.get("kind") == 37:
                rest = events[record["feed"]]
                covered, events[record["feed"]] = rest[: record["events"]], rest[record["events"] :]
                made = f"{digest.xxh64(b''.join(covered)):016x}"
                check("digests: the same", made == record["events_digest"], f"{made} {record}")
        left = {feed: len(rest) for feed, rest in events.items() if rest}
        check("digests: of all events", not left, f"not covered, by feed: {left}")


def main():
    rng = random.Random(SEED)
    print(f"seed {SEED}")
    for zip_ in ("none", "zstd"):
        with tempfile.TemporaryDirectory() as parent:
            tape = Path(parent) / "tape"
            example("sample_tape", str(tape), zip_)
            found, skipped = compare(zip_, tape)
            check(f"{zip_}: nothing skipped", skipped == [], skipped)
            kinds = sorted({r["kind"] for r in found})
            check(f"{zip_}: every kind is there", kinds == KINDS, kinds)
            numbers = [r["ordinal"] for r in found]
            check(f"{zip_}: numbers go up by one", numbers == list(range(len(numbers))))
            zstd = shutil.which("zstd")
            if zstd:
                for segment in read_tape.segments(tape):
                    with segment.open("rb") as file:
                        done = subprocess.run([zstd, "-dc"], stdin=file, capture_output=True)
                    check(f"{zip_}: stock zstd takes {segment.name}", done.returncode == 0)
            for round_ in range(12):
                broken = Path(parent) / "broken"
                shutil.rmtree(broken, ignore_errors=True)
                shutil.copytree(tape, broken)
                segment = rng.choice(read_tape.segments(broken))
                data = bytearray(segment.read_bytes())
                at = rng.randrange(len(data))
                how = ("cut", "flip", "remove", "zero")[round_ % 4]
                if how == "cut":
                    del data[at:]
                elif how == "flip":
                    data[at] ^= 1 << rng.randrange(8)
                elif how == "remove":
                    del data[at : at + rng.randrange(1, 3000)]
                else:
                    length = min(rng.randrange(1, 3000), len(data) - at)
                    data[at : at + length] = bytes(length)
                segment.write_bytes(data)
                compare(f"{zip_}: {how} at {at} of {segment.name}", broken)
    digests()
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
