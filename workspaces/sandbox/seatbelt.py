"""The Seatbelt tier, for macOS, by nono-py. UNTESTED: nobody has run it yet; the probe says whether it holds.

Owns what this tier lets a job do. What a job detaches from itself may outlive it.
"""

from __future__ import annotations

from dataclasses import dataclass

from workspaces.executors.base import Job
from workspaces.sandbox.base import Launch
from workspaces.sandbox.in_place import launch_in_place
from workspaces.sandbox.visible import INSIDE

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
        return launch_in_place(job, (str(INSIDE / "lock.py"),), system=SYSTEM)
