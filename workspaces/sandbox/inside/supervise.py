"""Stands in for a process namespace where there is none: what the job starts ends with the job.

Runs outside the lock, under `python -I -S`, as the parent of everything inside; imports nothing of ours.
Orphans become its children, so that it finds them however they detached themselves.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
THREADS = 17


def children_of(parents: set[int]) -> set[int]:
    """The living processes below `parents`, however deep."""
    table = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    fields = file.read().rpartition(b")")[2].split()
            except OSError:
                continue
            # Of a process whose first thread has ended others may live on.
            if fields[0] != b"Z" or int(fields[THREADS]) > 1:
                table[int(name)] = int(fields[1])
    found: set[int] = set()
    while more := {one for one, parent in table.items() if parent in parents | found} - found:
        found |= more
    return found


def reap() -> None:
    """Take the exit code of every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        return


def end_all() -> None:
    """Kill everything below this process; stopped first, because what is stopped starts nothing."""
    while below := children_of({os.getpid()}):
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for process in below:
                try:
                    os.kill(process, number)
                except ProcessLookupError:
                    continue
        reap()


def end_all_and_exit(number: int, _: object) -> None:
    """Asked to end, or the coordinator is gone."""
    end_all()
    os._exit(128 + number)


def main(words: list[str]) -> None:
    """`words`: the coordinator's process number, then the words of `lock`."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, end_all_and_exit)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != int(words[0]):
        sys.exit("the coordinator is gone")
    command = os.fork()
    if command == 0:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_DFL)
        lock = os.path.join(os.path.dirname(__file__), "lock.py")
        os.execv(sys.executable, [sys.executable, "-I", "-S", lock, *words[1:]])
    while (ended := os.wait())[0] != command:
        pass
    code = os.waitstatus_to_exitcode(ended[1])
    end_all()
    os._exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main(sys.argv[1:])
