"""Attacks on files: of the host, of the run, of the code under research."""

import ctypes
import os
import stat
import struct

from .told import ROOT, Attacks, Target, call, libc

AT_FDCWD = -100
HANDLE_BYTES = 128


def read(path: str) -> str:
    with open(path) as file:
        return file.read()


def write(path: str) -> str:
    with open(path, "w") as file:
        file.write("written from inside")
    return path


def change_mode(path: str) -> int:
    os.chmod(path, 0o777)
    return stat.S_IMODE(os.stat(path).st_mode)


def link(target: Target) -> str:
    os.link(target["read"], f"{ROOT}/out/linked")
    return read(f"{ROOT}/out/linked")


def steal(target: Target) -> str:
    os.rename(target["move"], f"{ROOT}/out/moved")
    return f"{ROOT}/out/moved"


def mount(_: Target) -> str:
    call(libc.mount(b"none", f"{ROOT}/out/mounted".encode(), b"tmpfs", 0, None))
    return "a mount"


def make_and_mount(target: Target) -> str:
    os.mkdir(f"{ROOT}/out/mounted")
    try:
        mount(target)
        call(libc.umount2(f"{ROOT}/out/mounted".encode(), 0))
    finally:
        os.rmdir(f"{ROOT}/out/mounted")
    return "a mount"


def make_device(_: Target) -> str:
    path = f"{ROOT}/out/device"
    os.mknod(path, 0o600 | stat.S_IFBLK, os.makedev(7, 0))
    os.unlink(path)
    return path


def open_by_handle(target: Target) -> str:
    """The way out of early containers: a file by its number, past every path."""
    handle = ctypes.create_string_buffer(struct.pack("Ii", HANDLE_BYTES, 0) + bytes(HANDLE_BYTES))
    mount_number = ctypes.c_int()
    near = target["read"] if os.path.exists(target["read"]) else f"{ROOT}/out"
    call(libc.name_to_handle_at(AT_FDCWD, near.encode(), handle, ctypes.byref(mount_number), 0))
    beside = os.open(os.path.dirname(near), os.O_RDONLY)
    with open(call(libc.open_by_handle_at(beside, handle, os.O_RDONLY))) as file:
        return file.read()


def change_root(_: Target) -> str:
    if (child := os.fork()) == 0:
        try:
            os.chroot(f"{ROOT}/out")
        except OSError:
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1] != 0:
        raise PermissionError(1, "Operation not permitted")
    return "another root"


ATTACKS: Attacks = {
    "write a file of the host": lambda target: write(target["write"]),
    "read a file of the host": lambda target: read(target["read"]),
    "delete a file of the host": lambda target: os.unlink(target["delete"]),
    "move a file of the host into the output": steal,
    "hard-link a file of the host into the output": link,
    "change the mode of a file of the host": lambda target: change_mode(target["mode"]),
    "read the secret that seals the confirmation": lambda target: read(target["run"] + "/run.json"),
    "list another attempt": lambda target: os.listdir(target["run"] + "/attempts/0001"),
    "change the ledger's hooks": lambda target: write(target["run"] + "/repository/.git/hooks/post-commit"),
    "change the ledger's configuration": lambda target: write(target["run"] + "/repository/.git/config"),
    "change the code under research": lambda _: write(f"{ROOT}/workspace/changed"),
    "change a protected file": lambda _: write(f"{ROOT}/workspace/protected.py"),
    "plant a conftest.py": lambda _: write(f"{ROOT}/workspace/conftest.py"),
    "plant a sitecustomize.py": lambda _: write(f"{ROOT}/workspace/sitecustomize.py"),
    "shadow a package of ours": lambda _: write(f"{ROOT}/workspace/environments.py"),
    "plant a module beside Python's packages": lambda target: write(target["module"]),
    "change the work tree's .git": lambda _: write(f"{ROOT}/workspace/.git"),
    "change a kernel setting": lambda _: os.open("/proc/sys/kernel/core_pattern", os.O_WRONLY),
    "write into the kernel's log": lambda _: os.open("/dev/kmsg", os.O_WRONLY),
    "make a device": make_device,
    "mount a file system": make_and_mount,
    "open a file by its handle": open_by_handle,
    "change the root folder": change_root,
}
