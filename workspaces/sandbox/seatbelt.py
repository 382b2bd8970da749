"""The Seatbelt tier, for macOS, by nono-py. UNTESTED: nobody has run it yet; the probe says whether it holds.

Owns what this tier lets a job do. What a job detaches from itself may outlive it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

from workspaces.executors.base import Job
from workspaces.folders import delete_folder
from workspaces.sandbox.base import Launch, clean_environment, command_of, largest_file, link_paths
from workspaces.sandbox.visible import (
    HARMLESS_DEVICES,
    INSIDE,
    interpreter_folders,
    lock_library,
    lock_words,
    shared_packages,
)

SYSTEM = ("/bin", "/usr", "/System", "/Library/Apple", "/private/var/db/timezone", "/opt/homebrew")


@dataclass(frozen=True)
class Seatbelt:
    """Runs a job under a profile of Apple's sandbox."""

    tier: str = "seatbelt"
    contains: bool = False
    own_processes: int = 0

    def __str__(self) -> str:
        return self.tier

    def launch(self, job: Job) -> Launch:
        shared, library = shared_packages(), lock_library()
        root = link_paths(job, shared)
        scratch = (job.output.parent / "scratch").absolute()
        delete_folder(scratch)
        scratch.mkdir()
        read = [
            *SYSTEM,
            *map(str, (*interpreter_folders(), *shared.values(), library)),
            *map(str, (root, job.workspace.resolve(), *(path.resolve() for path in job.inputs.values()))),
        ]
        write = [str(scratch), str(job.output.resolve()), *HARMLESS_DEVICES]
        words = lock_words(str(library), read, write, "")
        environment = clean_environment(
            job, root=str(root), python_path=(f"{root}/szilard",), temporary=str(scratch)
        )
        starter = (sys.executable, "-I", "-S", str(INSIDE / "lock.py"), words, str(largest_file(job)))
        return Launch((*starter, *command_of(job)), environment, job.workspace.absolute(), scratch)
