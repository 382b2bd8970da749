"""A job that attacks: its folders, what marks its processes, and the same code run where nothing defends.

Owns the running; what counts as success is said by each attack.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from workspaces.executors.base import Job, Limits, Outcome
from workspaces.executors.local import LocalExecutor
from workspaces.executors.process_table import carrying
from workspaces.folders import delete_folder
from workspaces.review.attacks_table import seen
from workspaces.sandbox import Sandbox
from workspaces.sandbox.none import Bare

MARK = "SZILARD_ATTACK"
PREAMBLE = """
import os, sys, time
OUT = os.environ["SZILARD_ROOT"] + "/out"
def done(word="done"):
    open(OUT + "/done", "w").write(word)
"""
GRACE_SECONDS = 12.0


@dataclass(frozen=True)
class Attempt:
    """A folder of its own with a job whose processes carry a mark."""

    folder: Path
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    def job(self, code: str, limits: Limits) -> Job:
        workspace = self.folder / "tree"
        workspace.mkdir(exist_ok=True)
        (workspace / "main.py").write_text(PREAMBLE + code)
        (workspace / ".git").write_text("gitdir: /nowhere\n")
        return Job(
            name="attack",
            workspace=workspace,
            output=self.folder / "job" / "out",
            command=("python", "-S", "main.py"),
            limits=limits,
            environment={MARK: self.mark},
        )

    @property
    def output(self) -> Path:
        return self.folder / "job" / "out"

    def done(self) -> bool:
        """Whether the code came to its end."""
        return (self.output / "done").is_file()

    def survivors(self) -> list[int]:
        """Processes of the job that still live."""
        return carrying(MARK, self.mark)

    def run(self, tier: Sandbox, code: str, limits: Limits) -> Outcome:
        """Run the code in a sandbox to its end, or to its limits."""
        executor = LocalExecutor(tier, 1)
        try:
            return executor.wait(executor.submit(self.job(code, limits)))
        finally:
            executor.close()

    def run_bare(self, code: str) -> None:
        """The same code with the user's rights and no limit, until it ends or takes too long."""
        job = self.job(code, Limits(wall_seconds=60, output_bytes=2**30))
        job.output.mkdir(parents=True)
        launch = Bare().launch(job)
        process = subprocess.Popen(
            launch.arguments,
            env=dict(launch.environment),
            cwd=launch.directory,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)

    def end(self) -> None:
        """Kill what is left of it."""
        while left := self.survivors():
            for process in left:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)


@contextmanager
def attempt() -> Iterator[Attempt]:
    """An attempt, of which nothing is left afterwards."""
    with tempfile.TemporaryDirectory(prefix="szilard-attack-") as folder:
        made = Attempt(Path(folder))
        try:
            yield made
        finally:
            made.end()
            delete_folder(made.folder / "job")


def undefended(code: str, succeeded: Callable[[Attempt], bool]) -> str:
    """What the same code comes to with the user's rights and no limit."""
    with attempt() as bare:
        bare.run_bare(code)
        return seen(succeeded(bare))
