"""Deletes folders that code under research has filled: whatever their depth and modes."""

from __future__ import annotations

import subprocess
from pathlib import Path


def delete_folder(path: Path) -> None:
    """Delete a folder and all below it; fine if there is none. No link is followed.

    `rm` and not shutil.rmtree, which recurses and gives up on a chain of a thousand folders.

    Raises:
        OSError: something of it cannot be deleted.
    """
    removal = ("rm", "-rf", "--", str(path))
    done = _run(*removal)
    if done.returncode != 0 and not path.is_symlink():
        _run("chmod", "-R", "u+rwX", "--", str(path))
        done = _run(*removal)
    if done.returncode != 0:
        raise OSError(f"cannot delete {path}: {done.stderr.strip()[:200]}")


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
