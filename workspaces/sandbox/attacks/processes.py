"""Attacks on processes of the host, and on what is known of its user."""

import ctypes
import os
import resource
import signal

from .files import read
from .told import Attacks, Target, call, libc, system_call

PTRACE_ATTACH = 16
PTRACE_DETACH = 17


class Piece(ctypes.Structure):
    """struct iovec: a piece of memory."""

    _fields_ = [("start", ctypes.c_void_p), ("size", ctypes.c_size_t)]


def trace(process: int) -> str:
    call(libc.ptrace(PTRACE_ATTACH, process, None, None))
    os.waitpid(process, 0)
    call(libc.ptrace(PTRACE_DETACH, process, None, None))
    return "traced"


def stack_of(process: int) -> int:
    for line in read(f"/proc/{process}/maps").splitlines():
        if line.endswith("[stack]"):
            return int(line.split("-")[0], 16)
    raise FileNotFoundError(2, "no stack")


def read_memory(process: int) -> str:
    with open(f"/proc/{process}/mem", "rb") as memory:
        memory.seek(stack_of(process))
        return f"{len(memory.read(8))} bytes"


def copy_memory(process: int) -> str:
    mine = ctypes.create_string_buffer(8)
    own = Piece(ctypes.addressof(mine), 8)
    try:
        start = stack_of(process)
    except OSError:
        start = 0
    theirs = Piece(start, 8)
    return f"{call(libc.process_vm_readv(process, ctypes.byref(own), 1, ctypes.byref(theirs), 1, 0))} bytes"


def take_file(process: int) -> str:
    """The standard input of a process, which is a secret file."""
    with open(system_call("pidfd_getfd", system_call("pidfd_open", process, 0), 0, 0)) as file:
        file.seek(0)
        return file.read()


def starve(process: int) -> str:
    """A limit that ends the process, had it not been used up less."""
    resource.prlimit(process, resource.RLIMIT_NOFILE, (64, 64))
    return "limited"


def slow_down(process: int) -> str:
    os.setpriority(os.PRIO_PROCESS, process, 19)
    return "slowed down"


def enter(process: int) -> str:
    """The namespaces of a process; only the name of the host, so that nothing changes where it works."""
    with open(f"/proc/{process}/ns/uts") as namespace:
        call(libc.setns(namespace.fileno(), 0))
    return "entered"


def secret_of_environment(target: Target) -> str:
    words = read("/proc/self/environ") + read(f"/proc/{os.getppid()}/environ")
    return words if target["variable"] in words else _nothing()


def see(process: int) -> str:
    return read(f"/proc/{process}/stat").split()[1]


def gain_privileges(_: Target) -> str:
    """Whether a setuid program would run with the rights of its owner."""
    status = read("/proc/self/status")
    return "its owner's rights" if "NoNewPrivs:\t0" in status else _nothing()


def _nothing() -> str:
    raise PermissionError(1, "nothing to be had")


ATTACKS: Attacks = {
    "read the environment of a host process": lambda target: read(f"/proc/{target['process']}/environ"),
    "read a secret in the user's environment": secret_of_environment,
    "see a process of the host": lambda target: see(target["process"]),
    "read the memory of a host process": lambda target: read_memory(target["process"]),
    "copy the memory of a host process": lambda target: copy_memory(target["process"]),
    "trace a host process": lambda target: trace(target["process"]),
    "take an open file of a host process": lambda target: take_file(target["process"]),
    "limit a host process": lambda target: starve(target["process"]),
    "slow a host process down": lambda target: slow_down(target["process"]),
    "enter a namespace of the host": lambda target: enter(target["process"]),
    "gain the rights of a setuid program": gain_privileges,
    "signal a host process": lambda target: os.kill(target["process"], signal.SIGTERM),
}
