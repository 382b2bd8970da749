"""The tier that isolates nothing, for machines where no sandbox holds and the user says so by name.

Owns the links that stand for the paths of a sandbox and the starter that sets limits. A job gets the
same clean environment as in a sandbox and dies with the coordinator; but it can read and write what
the user can, and a process that it detaches and strips of its environment may outlive it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import dataclass

from workspaces.executors.base import Job
from workspaces.sandbox.base import Launch, clean_environment, command_of, largest_file, link_paths
from workspaces.sandbox.visible import shared_packages

STARTER = """
import ctypes, os, resource, sys
ctypes.CDLL(None).prctl(1, 9, 0, 0, 0)
if os.getppid() != int(sys.argv[1]):
    sys.exit("the coordinator is gone")
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    os.execvp(sys.argv[3], sys.argv[3:])
except OSError as error:
    sys.exit(f"{sys.argv[3]}: {error.strerror}")
"""


@dataclass(frozen=True)
class NoIsolation:
    """Runs a job as the user, below a folder of links beside its output."""

    tier: str = "none"
    contains: bool = False
    own_processes: int = 0

    def launch(self, job: Job) -> Launch:
        root = link_paths(job, shared_packages())
        environment = clean_environment(
            job, root=str(root), python_path=(f"{root}/szilard",), temporary=tempfile.gettempdir()
        )
        starter = (sys.executable, "-I", "-S", "-c", STARTER, str(os.getpid()), str(largest_file(job)))
        return Launch((*starter, *command_of(job)), environment, job.workspace.absolute())


@dataclass(frozen=True)
class Bare(NoIsolation):
    """As the popular loops run a job, with the user's environment: to show that an attack works at all."""

    tier: str = "bare"

    def launch(self, job: Job) -> Launch:
        launch = super().launch(job)
        return Launch(launch.arguments, {**os.environ, **launch.environment}, launch.directory)
