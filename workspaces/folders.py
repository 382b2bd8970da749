"""Folders that code under research has filled, or still fills: deleted and read whatever is in them."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

SMALLEST_FILE = 512
BLOCK = 512
UNCOUNTABLE = 2**62


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


def keep_plain_files(folder: Path) -> None:
    """Remove links, pipes, sockets and devices, and make the rest readable: what reads it runs outside.

    What lies deeper than a path can say is left as it is: no reader can name it either.
    """
    os.chmod(folder, 0o755)
    for entry in entries_of(folder):
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISDIR(mode):
                os.chmod(entry.path, 0o755)
            elif stat.S_ISREG(mode):
                os.chmod(entry.path, 0o644)
            else:
                os.unlink(entry.path)
        except OSError as failure:
            if failure.errno != errno.ENAMETOOLONG:
                raise


def copy_plain_files(source: Path, target: Path, names: Sequence[str], most_bytes: int) -> bool:
    """Copy the files `names` of a folder that is being changed meanwhile; whether all could be had.

    `source` is reached without following a link in its last component, nor are links, pipes or devices read.
    Each file may have `most_bytes`. After the first that could not be had none is copied.
    """
    target.mkdir(parents=True, exist_ok=True)
    plain = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        folder = os.open(source, plain | os.O_DIRECTORY)
    except OSError:
        return False
    try:
        return all(_copy_plain_file(folder, name, target / name, plain, most_bytes) for name in names)
    finally:
        os.close(folder)


def bytes_below(folder: Path) -> int:
    """Bytes that all below a folder takes or claims, a file at least 512.

    What lies deeper than a path can say cannot be counted; then it is more than anybody may write.
    """
    total, failures = 0, list[OSError]()
    for entry in entries_of(folder, failures.append):
        try:
            found = entry.stat(follow_symlinks=False)
        except OSError as failure:
            failures.append(failure)
        else:
            total += max(found.st_size, BLOCK * found.st_blocks, SMALLEST_FILE)
    return UNCOUNTABLE if any(one.errno == errno.ENAMETOOLONG for one in failures) else total


def entries_of(
    folder: Path, unread: Callable[[OSError], object] = lambda _: None
) -> Iterator[os.DirEntry[str]]:
    """All that lies below a folder, however deep; no link is followed.

    A folder that cannot be read is passed over, and `unread` told of it.
    """
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    yield entry
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except OSError as failure:
            unread(failure)


def _copy_plain_file(folder: int, name: str, target: Path, plain: int, most_bytes: int) -> bool:
    try:
        with open(os.open(name, plain, dir_fd=folder), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return False
            content = file.read(most_bytes + 1)
    except OSError:
        return False
    if len(content) > most_bytes:
        return False
    target.write_bytes(content)
    return True


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
