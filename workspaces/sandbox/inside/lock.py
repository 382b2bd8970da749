"""The inner layer: Landlock and seccomp around this process, then the command of the job in its place.

Runs inside a sandbox under `python -I -S` and imports nothing of ours. The tier that started it says which
paths are open; which system calls fail is said here.
"""

import ctypes
import errno
import json
import os
import resource
import stat
import sys
from importlib.machinery import ExtensionFileLoader, ModuleSpec
from importlib.util import module_from_spec
from types import ModuleType
from typing import Any

# What reaches another process, the kernel or a mount, and what no training needs.
REFUSED = """
io_uring_setup io_uring_enter io_uring_register ptrace process_vm_readv process_vm_writev kcmp pidfd_getfd
keyctl add_key request_key bpf perf_event_open userfaultfd unshare setns mount umount2 pivot_root chroot
move_mount open_tree open_tree_attr fsopen fsconfig fsmount fspick mount_setattr open_by_handle_at
kexec_load kexec_file_load init_module finit_module delete_module swapon swapoff reboot acct quotactl
quotactl_fd syslog settimeofday clock_settime clock_adjtime adjtimex sethostname setdomainname iopl ioperm
personality modify_ldt fanotify_init nfsservctl lookup_dcookie memfd_secret shmget msgget semget mq_open
"""

# Out of Landlock's reach, where the job has no namespaces of its own: sockets by path; modes, owners, times
# and attributes of files, whose change is made to do nothing; limits and priorities of other processes (by
# the place of the process number among the arguments, 0 being oneself).
REFUSED_WITHOUT_NAMESPACES = "socket"
IGNORED_WITHOUT_NAMESPACES = """
chmod fchmod fchmodat fchmodat2 chown fchown lchown fchownat utime utimes utimensat futimesat setxattr
lsetxattr fsetxattr setxattrat removexattr lremovexattr fremovexattr removexattrat file_setattr
"""
OWN_ONLY_WITHOUT_NAMESPACES = {
    "prlimit64": (0,),
    "setpriority": (0, 1),
    "sched_setaffinity": (0,),
    "sched_setscheduler": (0,),
    "sched_setparam": (0,),
    "sched_setattr": (0,),
    "ioprio_set": (1,),
}
NEW_USER_NAMESPACE = 0x10000000
KIND_OF_FILE = 0o170000
X32 = 0x40000000
DATAGRAM = 2
KIND_OF_SOCKET = 0xF
PR_CAPBSET_DROP = 24
LAST_CAPABILITY = 63
MOST_OPEN_FILES = 4096


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


def system_calls(namespaces: bool) -> Any:
    """A filter under which these fail, or do nothing, and no user namespace opens."""
    from seccompy import CmpOp, Filter

    calls = Filter()
    for number in numbers(REFUSED if namespaces else f"{REFUSED} {REFUSED_WITHOUT_NAMESPACES}"):
        calls.errno(number, errno.EPERM)
    new_namespace = (0, CmpOp.MASKED_EQ, NEW_USER_NAMESPACE, NEW_USER_NAMESPACE)
    calls.errno("clone", errno.EPERM, args=[new_namespace])
    # The flags of clone3 lie in memory, out of a filter's sight; libraries fall back to clone.
    calls.errno("clone3", errno.ENOSYS)
    for device in (stat.S_IFCHR, stat.S_IFBLK):
        for name, place in (("mknod", 1), ("mknodat", 2)):
            for number in numbers(name):
                calls.errno(number, errno.EPERM, args=[(place, CmpOp.MASKED_EQ, device, KIND_OF_FILE)])
    if not namespaces:
        calls.errno("socketpair", errno.EPERM, args=[(1, CmpOp.MASKED_EQ, DATAGRAM, KIND_OF_SOCKET)])
        for number in numbers(IGNORED_WITHOUT_NAMESPACES):
            calls.errno(number, 0)
        for name, places in OWN_ONLY_WITHOUT_NAMESPACES.items():
            for place in places:
                calls.errno(name, errno.EPERM, args=[(place, CmpOp.NE, 0)])
    return calls


def numbers(names: str) -> list[int]:
    """The system calls of these names, in both ways to make them; this architecture may lack some."""
    from seccompy import syscall_nr

    found = []
    for name in names.split():
        try:
            found.append(syscall_nr(name))
        except ValueError:
            continue
    return [*found, *(number | X32 for number in found)]


def drop_capabilities() -> None:
    """What root starts from here has no capability."""
    libc = ctypes.CDLL(None)
    for capability in range(LAST_CAPABILITY + 1):
        libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def lock(told: dict[str, Any], largest_file: int) -> None:
    """Lock this process in; everything that it starts is locked in too."""
    landlock = load_landlock(told["landlock"])
    sys.path.append(told["packages"])
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    most = min(MOST_OPEN_FILES, resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    if sys.platform == "darwin":
        landlock.apply(capabilities_of(told, landlock))
        return
    calls = system_calls(told["namespaces"])
    drop_capabilities()
    landlock.apply_seccomp(capabilities_of(told, landlock))
    calls.load()


def main(words: list[str]) -> None:
    """`words`: what the tier says, as JSON; bytes of the largest file; the command."""
    lock(json.loads(words[0]), int(words[1]))
    try:
        os.execvp(words[2], words[2:])
    except OSError as error:
        sys.exit(f"{words[2]}: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
