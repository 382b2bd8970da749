"""What of the host every tier shows to a job, and nothing else: system, interpreter, shared packages.

Owns the list of paths; how they are shown is each tier's own.
"""

from __future__ import annotations

import json
import os
import site
import sys
import sysconfig
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from workspaces.sandbox.base import NoSandbox

SYSTEM = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
LINKER = ("/etc/ld.so.cache", "/etc/alternatives")
HARMLESS_DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")
SHARED_PACKAGES = ("environments", "evaluators")
INSIDE = Path(__file__).with_name("inside")


def user_site() -> Path | None:
    """The user's own folder of packages, where Python looks into it."""
    folder = site.getusersitepackages()
    return Path(folder) if folder in sys.path else None


def interpreter_folders() -> list[Path]:
    """The folders outside /usr that Python and its packages live in.

    Raises:
        NoSandbox: one of them holds the user's home.
    """
    paths = sysconfig.get_paths()
    wanted = [sys.prefix, sys.base_prefix, str(Path(sys.executable).resolve().parent.parent)]
    wanted += [paths[name] for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    own = user_site()
    wanted += [] if own is None else [str(own)]
    home = Path(os.path.expanduser("~")).absolute().resolve()
    shown: list[Path] = []
    for folder in sorted({Path(path).absolute() for path in wanted}):
        if any(folder.is_relative_to(other) for other in (Path("/usr"), *shown)) or not folder.is_dir():
            continue
        if home.is_relative_to(folder.resolve()):
            raise NoSandbox(
                f"Python is installed in {folder}, which holds the home folder: a sandbox would show all of "
                "it. Install Szilard in a virtual environment of a Python that has a folder of its own."
            )
        shown.append(folder)
    return shown


def shared_packages() -> dict[str, Path]:
    """The packages that code under research may import, and the folders they live in.

    Raises:
        NoSandbox: one is missing from this installation.
    """
    return {name: package_folder(name) for name in SHARED_PACKAGES}


def package_folder(name: str) -> Path:
    """Where a package lives; it is not imported.

    Raises:
        NoSandbox: it is missing from this installation.
    """
    found = find_spec(name)
    if found is None or not found.submodule_search_locations:
        raise NoSandbox(f"the package `{name}` was not found; install Szilard again.")
    return Path(found.submodule_search_locations[0]).resolve()


def graphics_devices(device: str) -> list[Path]:
    """The device nodes of a job that trains on CUDA."""
    return sorted(Path("/dev").glob("nvidia*")) if device.startswith("cuda") else []


def lock_library() -> Path:
    """The extension of nono-py, which `inside/lock.py` loads.

    Raises:
        NoSandbox: it is missing, or is not for this interpreter.
    """
    libraries = sorted(package_folder("nono_py").glob("_nono_py*.so"))
    if not libraries:
        raise NoSandbox("nono-py has no library for this Python; `pip install --force-reinstall nono-py`.")
    return libraries[0]


def lock_words(library: str, read: Sequence[str], write: Sequence[str], refused: str) -> str:
    """What `inside/lock.py` is told: where its library lies and what the job may touch, by the paths inside.

    `refused` is the compiled filter of system calls.
    """
    return json.dumps({"landlock": library, "read": read, "write": write, "refused": refused})
