"""A job to run, and what is left of it."""

import time
from collections.abc import Callable
from pathlib import Path

from workspaces.executors.base import Job, Outcome
from workspaces.executors.local import LocalExecutor
from workspaces.executors.process_table import read_table


def run(executor: LocalExecutor, job: Job) -> Outcome:
    return executor.wait(executor.submit(job))


def log(job: Job, name: str = "stdout.log") -> str:
    return (job.output.parent / name).read_text()


def still_running(word: str) -> list[int]:
    """Processes, zombies apart, that carry `word` on their command line."""
    found = []
    for number in read_table():
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in command.split(b"\0"):
            found.append(number)
    return found


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()
