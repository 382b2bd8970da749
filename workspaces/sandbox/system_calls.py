"""The system calls that fail inside a sandbox, as a program of seccomp, compiled by seccompy.

Owns the lists; `inside/lock.py` loads the program into the kernel.
"""

from __future__ import annotations

import errno
import signal
import stat
from functools import cache

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
REFUSED_WITHOUT_NAMESPACES = "socket inotify_add_watch"
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
DATAGRAM, KIND_OF_SOCKET = 2, 0xF
LOW = 0xFFFFFFFF
# Leases and notices of files that others open (fcntl), and attributes of files that may only be read (ioctl).
FILE_LEASES = (1024, 1026)
FILE_ATTRIBUTES = (0x40086602, 0x40046602, 0x401C5820, 0x40087602)
X32 = 0x40000000


@cache
def compiled(namespaces: bool) -> str:
    """The program, its instructions in hexadecimal; `namespaces`: has the job some of its own?"""
    from seccompy import CmpOp, Filter

    calls = Filter()
    for number in _numbers(REFUSED if namespaces else f"{REFUSED} {REFUSED_WITHOUT_NAMESPACES}"):
        calls.errno(number, errno.EPERM)
    new_namespace = (0, CmpOp.MASKED_EQ, NEW_USER_NAMESPACE, NEW_USER_NAMESPACE)
    calls.errno("clone", errno.EPERM, args=[new_namespace])
    # The flags of clone3 lie in memory, out of a filter's sight; libraries fall back to clone.
    calls.errno("clone3", errno.ENOSYS)
    for device in (stat.S_IFCHR, stat.S_IFBLK):
        for name, place in (("mknod", 1), ("mknodat", 2)):
            for number in _numbers(name):
                calls.errno(number, errno.EPERM, args=[(place, CmpOp.MASKED_EQ, device, KIND_OF_FILE)])
    # A parent that ignores this signal would have children whose seconds nobody is told: asking does nothing.
    ended = [(0, CmpOp.EQ, signal.SIGCHLD), (1, CmpOp.NE, 0)]
    calls.errno("rt_sigaction", 0, args=ended)
    for name, commands in (("fcntl", FILE_LEASES), ("ioctl", FILE_ATTRIBUTES)):
        for command in commands:
            calls.errno(name, errno.EPERM, args=[(1, CmpOp.MASKED_EQ, command, LOW)])
    if not namespaces:
        calls.errno("socketpair", errno.EPERM, args=[(1, CmpOp.MASKED_EQ, DATAGRAM, KIND_OF_SOCKET)])
        for number in _numbers(IGNORED_WITHOUT_NAMESPACES):
            calls.errno(number, 0)
        for name, places in OWN_ONLY_WITHOUT_NAMESPACES.items():
            for place in places:
                calls.errno(name, errno.EPERM, args=[(place, CmpOp.NE, 0)])
    return calls.program.hex()


def _numbers(names: str) -> list[int]:
    """The system calls of these names, in both ways to make them; this architecture may lack some."""
    from seccompy import syscall_nr

    found = []
    for name in names.split():
        try:
            found.append(syscall_nr(name))
        except ValueError:
            continue
    return [*found, *(number | X32 for number in found)]
