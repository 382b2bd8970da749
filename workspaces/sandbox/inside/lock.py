"""The inner layer: Landlock and seccomp around this process, then the command of the job in its place.

Runs inside a sandbox under `python -I -S` and imports nothing of ours. The tier that started it says which
paths are open and which system calls fail.
"""

import ctypes
import json
import os
import resource
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

BYTES_AN_INSTRUCTION = 8
MOST_OPEN_FILES = 4096
PR_SET_SECCOMP = 22
PR_CAPBSET_DROP = 24
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_MODE_FILTER = 2
LAST_CAPABILITY = 63


class Program(ctypes.Structure):
    """struct sock_fprog: how many instructions, and where they are."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def load_landlock(library: str) -> ModuleType:
    """The extension of nono-py alone: its package imports pydantic, ten times as long."""
    loader = ExtensionFileLoader("nono_py._nono_py", library)
    module = module_from_spec(ModuleSpec("nono_py._nono_py", loader, origin=library))
    loader.exec_module(module)
    return module


def capabilities_of(told: dict[str, Any], landlock: ModuleType) -> Any:
    """Only these paths; no network. Landlock adds: no abstract socket, no signal and no trace of others."""
    capabilities = landlock.CapabilitySet()
    for mode, paths in (
        (landlock.AccessMode.READ, told["read"]),
        (landlock.AccessMode.READ_WRITE, told["write"]),
    ):
        for path in filter(os.path.exists, paths):
            allow = capabilities.allow_path if os.path.isdir(path) else capabilities.allow_file
            allow(path, mode)
    capabilities.block_network()
    return capabilities


def drop_capabilities(libc: ctypes.CDLL) -> None:
    """What root starts from here has no capability."""
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def refuse_system_calls(libc: ctypes.CDLL, compiled: bytes) -> None:
    """From now on the system calls of a compiled filter fail."""
    held = ctypes.create_string_buffer(compiled, len(compiled))
    program = Program(len(compiled) // BYTES_AN_INSTRUCTION, ctypes.addressof(held))
    for words in (
        (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
        (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0),
    ):
        if libc.prctl(*words) != 0:
            raise OSError(ctypes.get_errno(), "the filter of system calls was not taken")


def lock(told: dict[str, Any], largest_file: int) -> None:
    """Lock this process in; everything that it starts is locked in too."""
    landlock = load_landlock(told["landlock"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    most = min(MOST_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.platform == "darwin":
        landlock.apply(capabilities_of(told, landlock))
        return
    libc = ctypes.CDLL(None, use_errno=True)
    drop_capabilities(libc)
    landlock.apply_seccomp(capabilities_of(told, landlock))
    refuse_system_calls(libc, bytes.fromhex(told["refused"]))


def main(words: list[str]) -> None:
    """`words`: what the tier says, as JSON; bytes of the largest file; the command."""
    lock(json.loads(words[0]), int(words[1]))
    try:
        os.execvp(words[2], words[2:])
    except OSError as error:
        sys.exit(f"{words[2]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
