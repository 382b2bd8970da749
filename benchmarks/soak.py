"""Does a long run stay within bounds? A thousand trivial attempts with two workers, watched from outside.

`python benchmarks/soak.py [ATTEMPTS]`. The installed command runs a domain whose training writes a line and
whose score no edit changes, with git, checkpoints, sandbox and scoring worker as always. After every attempt
that ends, the coordinator's memory, open files, threads and dead children are read from /proc; the first
fifth is warm-up.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = Path(__file__).parent.parent / "tests" / "end_to_end" / "instant_domain.py"
SZILARD = str(Path(sys.executable).parent / "szilard")
WORKERS = 2
WARM_UP = 0.2
DRIFT = 0.10
LISTING_SECONDS = 0.3
LISTINGS = 5


@dataclass(frozen=True)
class Sample:
    """The coordinator after so many attempts; memory in bytes."""

    attempts: int
    seconds: float
    memory: int
    files: int
    threads: int
    zombies: int


def sample(process: int, attempts: int, began: float) -> Sample:
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return Sample(
        attempts,
        time.monotonic() - began,
        1024 * int(status["VmRSS"].split()[0]),
        len(os.listdir(f"/proc/{process}/fd")),
        int(status["Threads"]),
        len(zombies(process)),
    )


def zombies(process: int) -> list[int]:
    """Children of a process that are dead and not waited for, a tenth of a second later still."""

    def dead() -> set[int]:
        found = set()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if fields[0] == "Z" and int(fields[1]) == process:
                found.add(int(stat.parent.name))
        return found

    found = dead()
    if found:
        time.sleep(0.1)
        found &= dead()
    return sorted(found)


def naming(folder: str) -> list[str]:
    """Command lines of all processes that name a folder."""
    found = []
    for command in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            told = command.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if folder in told and command.parent.name != str(os.getpid()):
            found.append(told)
    return found


def bytes_in(folder: Path) -> int:
    """What a folder takes on the disk, by its blocks."""
    return sum(512 * path.lstat().st_blocks for path in folder.rglob("*"))


def fastest(*command: str) -> float:
    """The least wall seconds of a command, over a few calls."""
    took = []
    for _ in range(LISTINGS):
        began = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        took.append(time.perf_counter() - began)
    return min(took)


def soak(runs: Path, attempts: int) -> list[Sample]:
    """Run the attempts and look at the coordinator after each.

    Raises:
        SystemExit: the run failed.
    """
    command = [
        *(SZILARD, "run", "Stay within bounds", "--environment", str(ENVIRONMENT), "--metric", "luck"),
        *("--runs-dir", str(runs), "--name", "soak", "--attempts", str(attempts), "--seeds", "2"),
        *("--workers", str(WORKERS), "--researcher", "random", "--json"),
    ]
    began, samples = time.monotonic(), list[Sample]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            for line in process.stdout or ():
                event = json.loads(line)
                if event.get("event") == "progress" and event["attempt"] and event["verdict"]:
                    samples.append(sample(process.pid, len(samples) + 1, began))
                    if len(samples) % max(attempts // 20, 1) == 0:
                        show(samples[-1])
        except BaseException:
            process.send_signal(signal.SIGINT)
            raise
    if process.returncode or len(samples) < attempts:
        sys.exit(f"the run ended with exit code {process.returncode} after {len(samples)} attempts")
    return samples


def show(one: Sample) -> None:
    print(
        f"  {one.attempts:5} attempts {one.seconds:6.0f} s  {one.memory / 2**20:6.1f} MiB"
        f"  {one.files:3} files  {one.threads:3} threads  {one.zombies} zombies",
        flush=True,
    )


def told(name: str, holds: bool, figures: str) -> bool:
    print(f"{'PASS' if holds else 'FAIL'} {name}: {figures}", flush=True)
    return holds


def judge(run: Path, samples: list[Sample]) -> list[bool]:
    """A line a promise, with what was seen."""
    warm = samples[int(WARM_UP * len(samples)) :]
    memory = [one.memory / 2**20 for one in warm]
    files = [one.files for one in warm]
    drift = max(abs(value / memory[0] - 1) for value in memory)
    dead = max(one.zombies for one in samples)
    left = naming(str(run.parent))
    grown = bytes_in(run) / len(samples) / 1024
    parts = ", ".join(
        f"{path.name} {bytes_in(path) / len(samples) / 1024:.1f}"
        for path in sorted(run.iterdir())
        if path.is_dir()
    )
    listing, start = fastest(SZILARD, "log", str(run)), fastest(SZILARD, "--version")
    return [
        told(
            "memory",
            drift <= DRIFT,
            f"{memory[0]:.1f} MiB after warm-up, {memory[-1]:.1f} at the end, {drift:.1%} away at most",
        ),
        told(
            "file descriptors",
            min(files[-len(files) // 4 :]) <= min(files[: len(files) // 4]),
            f"{min(files[: len(files) // 4])} at rest after warm-up,"
            f" {min(files[-len(files) // 4 :])} at the end, {max(files)} at most as processes are started",
        ),
        told("zombies", dead == 0, f"{dead} at most"),
        told("orphans", not left, f"{len(left)} processes left {left[:3] or ''}"),
        told("disk", True, f"{grown:.1f} KiB an attempt (KiB of each folder: {parts})"),
        told(
            "listing",
            listing - start <= LISTING_SECONDS,
            f"`szilard log` of {len(samples)} attempts takes {listing:.2f} s, {start:.2f} s of it to start",
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("attempts", nargs="?", type=int, default=1000, metavar="ATTEMPTS")
    attempts: int = parser.parse_args().attempts
    with tempfile.TemporaryDirectory() as folder:
        samples = soak(Path(folder), attempts)
        took = samples[-1].seconds
        print(
            f"{len(samples)} attempts with {WORKERS} workers in {took:.0f} s,"
            f" {1000 * took / len(samples):.0f} ms each"
        )
        held = judge(Path(folder) / "soak", samples)
    sys.exit(not all(held))


if __name__ == "__main__":
    main()
