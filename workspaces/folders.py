"""Deletes folders that code under research has filled: whatever their depth and modes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path


def delete_folder(path: Path) -> None:
    """Delete a folder and all below it; fine if there is none.

    `rm` and not shutil.rmtree, which recurses and gives up on a chain of a thousand folders.

    Raises:
        OSError: something of it cannot be deleted.
    """
    if path.is_dir() and not path.is_symlink():
        os.chmod(path, 0o700)
    done = subprocess.run(["rm", "-rf", "--", str(path)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f"cannot delete {path}: {done.stderr.strip()[:200]}")
