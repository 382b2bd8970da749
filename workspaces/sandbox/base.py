"""What a sandbox is: how the command of a job is started so that it cannot reach the host.

Owns the contract of a tier and the environment that every tier gives; each tier has a file beside
this one.
"""

from __future__ import annotations

import resource
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from environments.base import SzilardError
from workspaces.executors.base import Job

PROGRAMS = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"


class NoSandbox(SzilardError):
    """No sandbox holds on this machine; the message names the remedy."""


@dataclass(frozen=True)
class Launch:
    """What to start for a job: `arguments` in `directory` with exactly `environment`.

    `scratch` is a folder beside the output that the job may write, where its /tmp is no memory of its own.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    directory: Path
    scratch: Path | None = None


class Sandbox(Protocol):
    """One tier.

    `contains` says that the end of the first child of the started process ends everything inside,
    and that the started process then ends by itself, having waited for all of it; `own_processes` are
    those of the tier, which count towards no limit.
    """

    @property
    def tier(self) -> str: ...

    @property
    def contains(self) -> bool: ...

    @property
    def own_processes(self) -> int: ...

    def launch(self, job: Job) -> Launch:
        """How to start `job`. It must be started by a thread that outlives it."""


def clean_environment(job: Job, *, root: str, python_path: tuple[str, ...], temporary: str) -> dict[str, str]:
    """Every variable that a job sees: an allow-list, then what the job itself asks for."""
    device = job.device.partition(":")
    return {
        "PATH": PROGRAMS,
        "HOME": temporary,
        "TMPDIR": temporary,
        "USER": "szilard",
        "LOGNAME": "szilard",
        "LANG": "C.UTF-8",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONHASHSEED": "0",
        "PYTHONPATH": ":".join(python_path),
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
        "CUDA_VISIBLE_DEVICES": device[2] or "0" if device[0] == "cuda" else "",
        "SZILARD_ROOT": root,
        **job.environment,
    }


def command_of(job: Job) -> tuple[str, ...]:
    """The job's command, with "python" replaced by the interpreter that runs us."""
    if job.command[0] == "python":
        return (sys.executable, *job.command[1:])
    return job.command


def largest_file(job: Job) -> int:
    """Bytes that one file of the job may have: its output limit, or less where ours is lower."""
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    wanted = job.limits.output_bytes
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def link_paths(job: Job, shared: Mapping[str, Path]) -> Path:
    """A folder of links that stands for a file system of the job's own, beside its output; made anew.

    Holds workspace, out, the inputs, and szilard/ with the `shared` packages.
    """
    root = (job.output.parent / "root").absolute()
    shutil.rmtree(root, ignore_errors=True)
    packages = {f"/szilard/{name}": path for name, path in shared.items()}
    for inside, outside in {
        "/workspace": job.workspace,
        "/out": job.output,
        **job.inputs,
        **packages,
    }.items():
        link = root / inside.lstrip("/")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(outside.absolute())
    return root
