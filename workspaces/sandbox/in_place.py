"""A job of a tier that has no file system of its own: links stand for the paths, a scratch folder for /tmp.

Owns what these tiers have in common; which calls fail and who starts the lock is each tier's own.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from workspaces.executors.base import Job
from workspaces.folders import delete_folder
from workspaces.sandbox.base import Launch, clean_environment, command_of, largest_file, link_paths
from workspaces.sandbox.visible import (
    HARMLESS_DEVICES,
    interpreter_folders,
    lock_library,
    lock_words,
    shared_packages,
)


def launch_in_place(
    job: Job, starter: Sequence[str], *, system: Sequence[str], devices: Sequence[str] = (), refused: str = ""
) -> Launch:
    """How to start `job` by `starter`, a script of `inside/` and its first words, which ends in the lock.

    `system` are paths of the host that the job may read, `devices` those that it may use too, `refused` the
    compiled filter of system calls.
    """
    shared, library = shared_packages(), lock_library()
    root = link_paths(job, shared)
    scratch = (job.output.parent / "scratch").absolute()
    delete_folder(scratch)
    scratch.mkdir()
    read = [
        *system,
        *map(str, (*interpreter_folders(), *shared.values(), library)),
        *map(str, (root, job.workspace.resolve(), *(path.resolve() for path in job.inputs.values()))),
    ]
    write = [str(scratch), str(job.output.resolve()), *HARMLESS_DEVICES, *devices]
    words = (lock_words(str(library), read, write, refused), str(largest_file(job)))
    environment = clean_environment(
        job, root=str(root), python_path=(f"{root}/szilard",), temporary=str(scratch)
    )
    return Launch(
        (sys.executable, "-I", "-S", *starter, *words, *command_of(job)),
        environment,
        job.workspace.absolute(),
        scratch,
    )
