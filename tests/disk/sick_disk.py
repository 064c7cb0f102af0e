"""A recording service on a sick disk: it goes on, says so, loses only what it tells, and resumes by itself.

`run.sh` starts it. Each scenario runs `market-data run --sim`, makes the disk sick while it records, waits until that is
published as a gap, mends it, waits until the gap is closed, and then compares three accounts of the same time: what
consumers were given, what a replay of the tape gives, and what `verify` says is missing.

Nothing is slept for luck: every step waits for a line that the command has written.
"""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

PATIENCE_S = 60
COMMAND = sys.argv[1]
MAY_MOUNT = sys.argv[2] == "mount"


class Skip(Exception):
    """Cannot be tried here; says why."""


def tmpfs(folder, size, options=""):
    """Mounts a small file system; seen by this process and its children only."""
    folder.mkdir()
    if not MAY_MOUNT:
        raise Skip("mounting is not allowed here")
    what = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "none", str(folder)]
    if subprocess.run(what, stderr=subprocess.DEVNULL).returncode != 0:
        raise Skip("mounting a tmpfs is refused")


class Full:
    """No room is left; then somebody deletes a large file."""

    name, word = "full disk", "No space left on device"

    def __init__(self, folder):
        self.disk = folder / "disk"
        tmpfs(self.disk, "4m")
        self.dir, self.settings, self.user = self.disk / "tape", "", []
        (self.disk / "large").write_bytes(bytes(4_000_000))

    def sicken(self):
        """It fills up by itself."""

    def mend(self):
        (self.disk / "large").unlink()


class ReadOnly:
    """Mounted read-only at the start, then not any more."""

    name, word = "read-only disk", "Read-only file system"

    def __init__(self, folder):
        self.disk = folder / "disk"
        tmpfs(self.disk, "64m", ",ro")
        self.dir, self.settings, self.user = self.disk / "tape", "", []

    def sicken(self):
        """It is from the start."""

    def mend(self):
        subprocess.run(["mount", "-o", "remount,rw", str(self.disk)], check=True)


class Deleted:
    """Somebody deletes the directory."""

    name, word = "deleted directory", "somebody deleted it"

    def __init__(self, folder):
        self.dir, self.settings, self.user = folder / "tape", "", []

    def sicken(self):
        wait_for(lambda: any(f.stat().st_size > 0 for f in self.dir.glob("tape-*.mdt")), "a segment")
        shutil.rmtree(self.dir)

    def mend(self):
        """It is made again by the recorder."""


class Forbidden:
    """The directory takes no more files when the next segment is due; then it does again."""

    name, word = "permission lost", "Permission denied"

    def __init__(self, folder):
        self.dir = folder / "tape"
        self.dir.mkdir()
        self.settings, self.user = "[tape]\nrotate_seconds = 1\n", []
        folder.chmod(0o755)
        if os.geteuid() == 0:
            # Root may write everywhere, so somebody else records.
            self.user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
            if shutil.which("setpriv") is None or subprocess.run([*self.user, "true"]).returncode != 0:
                raise Skip("we are root, and cannot become somebody else")
            if subprocess.run([*self.user, "test", "-x", COMMAND]).returncode != 0:
                raise Skip("the command lies where only root may go")
            os.chown(self.dir, 65534, 65534)

    def sicken(self):
        wait_for(lambda: any(f.stat().st_size > 0 for f in self.dir.glob("tape-*.mdt")), "a segment")
        self.dir.chmod(0o555)

    def mend(self):
        self.dir.chmod(0o755)


def wait_for(what, words):
    """Waits until something is so."""
    until = time.monotonic() + PATIENCE_S
    while True:
        found = what()
        if found:
            return found
        assert time.monotonic() < until, f"waited {PATIENCE_S} s for {words}"
        time.sleep(0.02)


def records(path):
    """The whole lines of what was printed."""
    text = path.read_bytes()
    return [json.loads(line) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def ours(path, event):
    """The gaps of the recorder that have opened, or closed."""
    gaps = [r for r in records(path) if r["type"] == "gap" and r["cause"] == "recorder"]
    assert all(r["whose"] == "ours" and r["channel"] is None for r in gaps)
    return [r for r in gaps if r["event"] == event]


def tickers(lines):
    """What depends on one frame only: so it is in a replay whatever was lost before."""
    return {
        json.dumps({k: v for k, v in r.items() if k != "n"}): (r["feed"], r["tsRecv"])
        for r in lines
        if r["type"] == "ticker"
    }


def run_until_resumed(case, folder):
    """Starts the service, makes its disk sick, mends it, stops it; gives what it printed, and its log."""
    settings, printed, log = folder / "settings.toml", folder / "printed", folder / "log"
    settings.write_text(case.settings)
    args = [COMMAND, "run", "--sim", "--config", settings, "--tape", case.dir, "--json", "--log-level", "warn"]
    if isinstance(case, Full):
        args += ["--sim-rate", "2000"]
    with printed.open("wb") as out, log.open("wb") as err:
        child = subprocess.Popen([*case.user, *map(str, args)], stdout=out, stderr=err, cwd=folder)
        try:
            case.sicken()
            opened = wait_for(lambda: ours(printed, "opened"), "the gap to open")
            count = len(records(printed))
            wait_for(lambda: len(records(printed)) > count + 300, "300 more records on a sick disk")
            case.mend()
            wait_for(lambda: len(ours(printed, "closed")) >= len(opened), "the gap to close")
            count = len(records(printed))
            wait_for(lambda: len(records(printed)) > count + 300, "300 records afterwards")
        finally:
            child.terminate()
        code = child.wait(PATIENCE_S)
    said = log.read_text()
    assert code == 0, f"exit code {code}: {said}"
    assert "recording has failed" in said and case.word in said, said
    assert "recording goes on" in said and "panicked" not in said, said
    return records(printed)


def check_accounts(case, given):
    """What was lost is told on the tape and to consumers, with its range, and nothing else is lost."""
    tape = str(case.dir)
    verified = subprocess.run([COMMAND, "verify", tape, "--json"], capture_output=True, text=True)
    report = json.loads(verified.stdout)
    assert verified.returncode == 1 and not report["clean"], verified.stdout
    for finding in report["findings"]:
        harmless = finding.startswith("damaged: ") and finding.endswith(", no record lost")
        assert harmless or finding.startswith("lost by us: "), finding
    assert report["orphans"] == 0 and not report["killed"], verified.stdout
    replayed = subprocess.run([COMMAND, "replay", tape, "--json"], capture_output=True, text=True)
    assert replayed.returncode == 0, replayed.stderr
    have = tickers(map(json.loads, replayed.stdout.splitlines()))
    closed = [r for r in given if r["type"] == "gap" and r["cause"] == "recorder" and r["event"] == "closed"]
    ranges = [(r["feed"], r["from"]["tsRecv"], r["to"]["tsRecv"]) for r in closed]
    missing = {line: at for line, at in tickers(given).items() if line not in have}
    for line, (feed, ts) in missing.items():
        assert any(f == feed and a <= ts <= b for f, a, b in ranges), f"lost without a word: {line}\n{ranges}"
    assert missing, "the disk was sick and nothing is missing"
    gaps = [g for row in report["rows"] for g in row["gaps"] if g["cause"] == "recorder"]
    told = {(g["from"], g["to"]) for g in gaps}
    assert {(a, b) for _, a, b in ranges} == told, f"consumers heard {ranges}, the tape says {told}"
    return len(missing), len(tickers(given))


def main():
    skipped = []
    for kind in (Full, ReadOnly, Deleted, Forbidden):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            try:
                case = kind(folder)
            except Skip as why:
                print(f"SKIPPED: {kind.name}: {why}")
                skipped.append(kind.name)
                continue
            try:
                given = run_until_resumed(case, folder)
                missing, all_of_them = check_accounts(case, given)
            finally:
                if (folder / "disk").is_mount():
                    subprocess.run(["umount", "--lazy", str(folder / "disk")], check=False)
            print(f"{kind.name}: {len(given)} records given, {missing} of {all_of_them} tickers not on the tape, all told")
    tail = f"; SKIPPED: {', '.join(skipped)}" if skipped else ""
    print(f"disk: {4 - len(skipped)} of 4 sick disks survived{tail}")


main()
