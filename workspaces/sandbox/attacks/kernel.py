"""Attacks on parts of the kernel that no training needs; each ends what it opened."""

import ctypes
import os
import socket
import struct

from .told import Attacks, Target, call, libc, system_call

CLONE_NEWUSER = 0x10000000
USER_SPEC_USER_KEYRING = -4
KEYCTL_GET_KEYRING_ID = 0
KEYCTL_UNLINK = 9
IPC_CREAT = 0o1000
IPC_RMID = 0
O_CLOEXEC = 0o2000000


def in_a_child(action: str) -> str:
    """Run one of the calls below in a process of its own, because it cannot be taken back."""
    if (child := os.fork()) == 0:
        try:
            if action == "unshare":
                call(libc.unshare(CLONE_NEWUSER))
            else:
                arguments = struct.pack("Q" * 8, CLONE_NEWUSER, 0, 0, 0, 17, 0, 0, 0)
                inner = system_call("clone3", ctypes.create_string_buffer(arguments), len(arguments))
                if inner == 0:
                    os._exit(0)
                os.waitpid(inner, 0)
        except OSError as error:
            os._exit(error.errno or 1)
        os._exit(0)
    number = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if number != 0:
        raise OSError(number, os.strerror(number))
    return "a namespace"


def io_uring(_: Target) -> int:
    ring = system_call("io_uring_setup", 1, ctypes.create_string_buffer(256))
    os.close(ring)
    return ring


def add_key(_: Target) -> int:
    key = system_call("add_key", b"user", b"szilard-attack", b"planted", 7, USER_SPEC_USER_KEYRING)
    system_call("keyctl", KEYCTL_UNLINK, key, USER_SPEC_USER_KEYRING)
    return key


def keyring(_: Target) -> int:
    return system_call("keyctl", KEYCTL_GET_KEYRING_ID, USER_SPEC_USER_KEYRING, 1)


def load_program(_: Target) -> int:
    """A map of the kernel's virtual machine: an array of one entry."""
    told = ctypes.create_string_buffer(struct.pack("IIIII", 2, 4, 4, 1, 0) + bytes(100))
    number = system_call("bpf", 0, told, len(told))
    os.close(number)
    return number


def count_events(_: Target) -> int:
    """A counter of the kernel's own software clock on this process."""
    told = ctypes.create_string_buffer(struct.pack("IIQ", 1, 112, 0) + bytes(96))
    number = system_call("perf_event_open", told, 0, -1, -1, 0)
    os.close(number)
    return number


def catch_faults(_: Target) -> int:
    number = system_call("userfaultfd", O_CLOEXEC | 1)
    os.close(number)
    return number


def share_memory(_: Target) -> int:
    number = call(libc.shmget(0, 4096, IPC_CREAT | 0o600))
    libc.shmctl(number, IPC_RMID, None)
    return number


def rename_host(_: Target) -> str:
    name = socket.gethostname()
    socket.sethostname(name)
    return name


ATTACKS: Attacks = {
    "reach the kernel by io_uring": io_uring,
    "open a user namespace": lambda _: in_a_child("unshare"),
    "open a user namespace by clone3": lambda _: in_a_child("clone3"),
    "plant a key in the user's keyring": add_key,
    "reach the user's keyring": keyring,
    "load a program into the kernel": load_program,
    "count events of the kernel": count_events,
    "catch page faults": catch_faults,
    "share memory by System V": share_memory,
    "rename the host": rename_host,
}
