"""Can this machine train here, and safely? What a run needs, looked at before it is needed.

Owns the checks of the machine; those of a run are `fsck`'s.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from agent.findings import Fault, Finding
from environments.base import SzilardError

LEAST_DISK = 2 * 2**30
LEAST_MEMORY = 2 * 2**30
_GIBIBYTE = 2**30


def check_machine(runs_dir: Path) -> list[Finding]:
    """Every check of this machine; `runs_dir` is where runs are to live."""
    return [_git(), _torch(), _sandbox(), _folder(runs_dir), _memory()]


def _git() -> Finding:
    from workspaces.git_command import require_git

    return _asked("git", require_git, shutil.which("git") or "", "apt install git")


def _torch() -> Finding:
    """Whether torch can be imported, and what it can train on."""
    try:
        import torch
    except (ImportError, OSError) as error:
        return Finding("torch", "", [Fault(f"it cannot be imported ({error})", "pip install torch")])
    cards = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    if not cards and shutil.which("nvidia-smi") is not None:
        fault = Fault(
            f"there is a GPU, and torch {torch.__version__} is a build that does not see it",
            f"{shlex.quote(sys.executable)} -m pip install --force-reinstall torch",
        )
        return Finding("torch", "", [fault])
    return Finding("torch", f"{torch.__version__} on {', '.join(cards) or f'{os.cpu_count()} cores'}", ())


def _sandbox() -> Finding:
    """Which tier a run would take; where it is not the strongest, what would mend that."""
    from workspaces.sandbox import choose

    try:
        choice = choose("auto")
    except SzilardError as error:
        return Finding("sandbox", "", [Fault(str(error))])
    told = f"{choice.sandbox.tier} passes its probe"
    if choice.passed_over:
        told += f"; a stronger one would be had: {'; '.join(choice.passed_over)}. {choice.remedy}"
    return Finding("sandbox", told, ())


def _folder(runs_dir: Path) -> Finding:
    """Whether runs can be written, and have room."""
    there = next(path for path in (runs_dir.absolute(), *runs_dir.absolute().parents) if path.exists())
    if not os.access(there, os.W_OK | os.X_OK) or not there.is_dir():
        fault = Fault(f"{there} cannot be written", "choose another folder with --runs-dir")
        return Finding("runs folder", "", [fault])
    free = shutil.disk_usage(there).free
    told = f"{free / _GIBIBYTE:.1f} GiB are free for {runs_dir}"
    short = [Fault(f"only {told}", "make room, or choose another folder with --runs-dir")]
    return Finding("runs folder", told, short if free < LEAST_DISK else ())


def _memory() -> Finding:
    """Whether a training has room; a number that cannot be had is no fault."""
    try:
        lines = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(lines["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return Finding("memory", "not known on this system", ())
    told = f"{free / _GIBIBYTE:.1f} GiB are available"
    short = [Fault(f"only {told}", "end other programs, or use fewer --workers")]
    return Finding("memory", told, short if free < LEAST_MEMORY else ())


def _asked(name: str, ask: Callable[[], object], looked_at: str, mending: str) -> Finding:
    """A check that raises a sentence where it fails."""
    try:
        ask()
    except SzilardError as error:
        return Finding(name, "", [Fault(str(error), mending)])
    return Finding(name, looked_at, ())
