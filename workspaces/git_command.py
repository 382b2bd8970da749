"""One git command in a repository, shielded from whatever surrounds it.

Owns the environment, the failure messages and stale locks of git calls; what is called is the ledger's.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from environments.base import SzilardError

FULL_BYTES = 2**20
STALE_LOCK_SECONDS = 2.0
_LOCK = re.compile(r"Unable to create '([^']+\.lock)': File exists")
_SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.quotePath=false",
    "color.ui=false",
)


class LedgerError(SzilardError):
    """The ledger is missing, damaged or was asked for something that it does not hold."""


@dataclass(frozen=True)
class GitCommand:
    """Calls git on one repository, named by its git directory, never found by searching upwards.

    `GIT_*` variables, hooks and the person's own configuration have no influence, so a call from inside
    a hook of another repository touches this one only. `work_tree` is None for calls that need none.
    """

    git_directory: Path
    work_tree: Path | None = None

    def run(self, *arguments: str, data: bytes = b"", check: bool = True) -> bytes:
        """Call `git ARGUMENTS` with `data` on its standard input and return its standard output.

        A lock that a killed process left behind is removed after two seconds. With `check` off a
        failure gives whatever was printed.

        Raises:
            LedgerError: git is missing or failed; the message carries what it said.
        """
        while True:
            status, output, error = self._call(arguments, data)
            stale = _LOCK.search(error) if status else None
            if stale is None or not _wait_for_lock(Path(stale.group(1))):
                break
        if status and check:
            remedy = "Make room on the disk" if self._is_full(error) else "Mend the cause"
            raise LedgerError(
                f"`git {arguments[0]}` failed in {self.git_directory}: {_reason(error)} "
                f"{remedy}, then repeat; commits that were made are safe."
            )
        return output

    def _is_full(self, error: str) -> bool:
        """Git does not always say why it could not write; the disk tells."""
        if re.search(r"no space left|out of disk ?space|quota exceeded", error, re.IGNORECASE):
            return True
        wrote = re.search(r"unable to (write|create|append)|failed to write", error, re.IGNORECASE)
        return wrote is not None and shutil.disk_usage(self.git_directory).free < FULL_BYTES

    def text(self, *arguments: str, data: bytes = b"", check: bool = True) -> str:
        """Like `run`, decoded and stripped."""
        return self.run(*arguments, data=data, check=check).decode("utf-8", "replace").strip()

    def _call(self, arguments: tuple[str, ...], data: bytes) -> tuple[int, bytes, str]:
        inherited = sorted(name for name in os.environ if name.startswith("GIT_"))
        place = [f"--git-dir={self.git_directory}"]
        if self.work_tree is not None:
            place.append(f"--work-tree={self.work_tree}")
        command = [
            "env",
            *(part for name in inherited for part in ("-u", name)),
            "GIT_CONFIG_GLOBAL=/dev/null",
            "GIT_CONFIG_NOSYSTEM=1",
            "GIT_ATTR_NOSYSTEM=1",
            "GIT_TERMINAL_PROMPT=0",
            "git",
            *place,
            *(part for setting in _SETTINGS for part in ("-c", setting)),
            *arguments,
        ]
        process = _git_class()("/").execute(
            command, as_process=True, istream=subprocess.PIPE, start_new_session=True
        )
        output, error = process.communicate(data)
        return process.returncode, output, error.decode("utf-8", "replace")


def require_git() -> None:
    """Look for git.

    Raises:
        LedgerError: it is not on PATH.
    """
    if shutil.which("git") is None:
        raise LedgerError(
            "git was not found on PATH: install it (for instance `apt install git`), then repeat."
        )


def _git_class() -> Any:
    require_git()
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git.cmd import Git

    return Git


def _wait_for_lock(lock: Path) -> bool:
    """True once the lock is gone and the call is worth repeating."""
    deadline = time.monotonic() + STALE_LOCK_SECONDS
    try:
        modified = lock.stat().st_mtime
        while time.monotonic() < deadline and time.time() - modified < STALE_LOCK_SECONDS:
            time.sleep(0.02)
            modified = lock.stat().st_mtime
        lock.unlink()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _reason(error: str) -> str:
    lines = [line.strip() for line in error.splitlines() if line.strip()]
    fatal = [line for line in lines if line.startswith(("fatal:", "error:"))]
    return ((fatal or lines or ["it said nothing"])[0]).rstrip(".") + "."
