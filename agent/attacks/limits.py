"""Attacks that use up the machine, or outlive their job.

Owns these attacks and their limits, chosen so small that the same code does no harm where nothing limits it.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.attacks.jobs import Attempt, attempt, undefended
from workspaces.executors.base import Limits
from workspaces.executors.local import LocalExecutor
from workspaces.review.attacks_table import Attacked
from workspaces.sandbox import Sandbox

MEBIBYTE = 2**20
DEADLINE = 10.0


@dataclass(frozen=True)
class Excess:
    """Code that ends by `done()` where it may have all it wants, and the limit that ends it before."""

    name: str
    code: str
    limits: Limits


EXCESSES = (
    Excess(
        "multiply without end (a fork bomb)",
        "for _ in range(100):\n    if os.fork() == 0:\n        time.sleep(20); os._exit(0)\n"
        "time.sleep(1); done()",
        Limits(wall_seconds=20, processes=32),
    ),
    Excess(
        "take all memory",
        "held = [b'x' * 2**24 for _ in range(24)]\ntime.sleep(0.6); done()",
        Limits(wall_seconds=20, memory_bytes=256 * MEBIBYTE),
    ),
    Excess(
        "take all memory by many processes",
        "read, write = os.pipe()\nfor _ in range(8):\n    if os.fork() == 0:\n"
        "        held = b'x' * (48 * 2**20); os.write(write, b'x'); time.sleep(20); os._exit(0)\n"
        "os.close(write)\nholding = 0\nwhile holding < 8 and os.read(read, 1):\n    holding += 1\n"
        "time.sleep(0.6)\nif holding == 8 and os.waitpid(-1, os.WNOHANG)[0] == 0:\n    done()",
        Limits(wall_seconds=20, memory_bytes=256 * MEBIBYTE),
    ),
    Excess(
        "fill the disk by one file",
        "open(OUT + '/big', 'wb').write(bytes(2**25)); done()",
        Limits(wall_seconds=20, output_bytes=8 * MEBIBYTE),
    ),
    Excess(
        "fill the disk by many files",
        "for number in range(4000):\n    open(f'{OUT}/{number}', 'w').close()\ntime.sleep(0.6); done()",
        Limits(wall_seconds=20, output_bytes=MEBIBYTE),
    ),
    Excess(
        "fill the disk by temporary files",
        "import tempfile\nfile = tempfile.TemporaryFile()\n"
        "for _ in range(128):\n    file.write(bytes(2**20)); file.flush()\ntime.sleep(0.6); done()",
        Limits(wall_seconds=20, output_bytes=8 * MEBIBYTE, memory_bytes=256 * MEBIBYTE),
    ),
    Excess(
        "fill the disk by talking",
        "for _ in range(64):\n    os.write(1, b'x' * 2**20)\ndone()",
        Limits(wall_seconds=20, output_bytes=8 * MEBIBYTE),
    ),
    Excess(
        "use up the machine's open files",
        "import resource\nmost = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))\n"
        "held = [os.open('/dev/null', os.O_RDONLY) for _ in range(4200)]; done()",
        Limits(wall_seconds=20),
    ),
    Excess("sleep for ever", "time.sleep(2); done()", Limits(wall_seconds=1)),
    Excess(
        "compute for ever",
        "while time.process_time() < 2:\n    pass\ndone()",
        Limits(wall_seconds=20, cpu_seconds=1),
    ),
)

DETACHED = """
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open(OUT + "/detached", "w").close()
        time.sleep(60)
    os._exit(0)
while not os.path.exists(OUT + "/detached"):
    time.sleep(0.01)
"""


def attack(tier: Sandbox) -> Iterator[Attacked]:
    """Every attack of this room on one tier."""
    for excess in EXCESSES:
        with attempt() as tried:
            outcome = tried.run(tier, excess.code, excess.limits)
            blocked = not tried.done() and not tried.survivors()
            said = outcome.limit or f"exit code {outcome.exit_code}"
        yield Attacked(excess.name, "limits", tier.tier, blocked, said, undefended(excess.code, Attempt.done))
    for name, survive in (
        ("outlive a job that ended", _ended),
        ("outlive a job that was killed", _killed),
        ("outlive the coordinator", _orphaned),
    ):
        with attempt() as tried:
            survive(tier, tried)
            left = _left(tried)
        said = f"{len(left)} processes survive" if left else "nothing survives"
        anyway = undefended(DETACHED, lambda tried: bool(tried.survivors()))
        yield Attacked(name, "limits", tier.tier, not left, said, anyway)


def _ended(tier: Sandbox, tried: Attempt) -> None:
    tried.run(tier, DETACHED, Limits(wall_seconds=20))


def _killed(tier: Sandbox, tried: Attempt) -> None:
    executor = LocalExecutor(tier, 1)
    try:
        handle = executor.submit(tried.job(f"{DETACHED}\ntime.sleep(60)", Limits(wall_seconds=60)))
        _wait_for(tried.output / "detached")
        executor.cancel(handle)
        executor.wait(handle)
    finally:
        executor.close()


def _orphaned(tier: Sandbox, tried: Attempt) -> None:
    tried.job(f"{DETACHED}\ntime.sleep(60)", Limits(wall_seconds=60))
    code = (
        "import sys; from pathlib import Path; from agent.attacks import limits; "
        "limits.coordinate(sys.argv[1], Path(sys.argv[2]), sys.argv[3])"
    )
    coordinator = subprocess.Popen(
        [sys.executable, "-P", "-c", code, tier.tier, str(tried.folder), tried.mark],
        stdin=subprocess.DEVNULL,
    )
    try:
        _wait_for(tried.output / "detached")
    finally:
        coordinator.kill()
        coordinator.wait()


def coordinate(tier: str, folder: Path, mark: str) -> None:
    """Run the job that stands in `folder` until this process is killed."""
    from workspaces.sandbox import tiers_here

    (sandbox,) = [one for one in tiers_here() if one.tier == tier][:1]
    tried = Attempt(folder, mark)
    tried.run(sandbox, f"{DETACHED}\ntime.sleep(60)", Limits(wall_seconds=60))


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + DEADLINE
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.02)


def _left(tried: Attempt) -> list[int]:
    """Who still lives two seconds later."""
    deadline = time.monotonic() + 2
    while (left := tried.survivors()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left
