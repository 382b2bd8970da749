"""Runs jobs on this machine: a sandbox and a process tree each, held to their limits.

Owns starting, watching and ending; what a job may see belongs to the sandbox. Worker threads live as
long as the executor, because a sandbox dies with the thread that started it; one more thread watches.
"""

from __future__ import annotations

import errno
import itertools
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from workspaces.executors.base import ExecutorError, Job, Outcome
from workspaces.executors.control_group import make_group, remove_abandoned
from workspaces.executors.process_table import (
    Process,
    carrying,
    descendants,
    read_table,
)
from workspaces.executors.ticket import (
    Ticket,
    bytes_unlinked,
    bytes_written,
    cpu_limit,
    cpu_seconds_counted,
    exceeded,
    log_files,
    memory_limit,
    output_limit,
)
from workspaces.folders import delete_folder, keep_plain_files
from workspaces.sandbox.base import Launch, Sandbox

WATCH_SECONDS = 0.2
SWEEPS = 50
REMEMBERED = 100


class LocalExecutor:
    """At most `workers` jobs at once; jobs that ask for "cuda" get one of `devices`."""

    def __init__(self, sandbox: Sandbox, workers: int, devices: Sequence[str] = ("cpu",)) -> None:
        self._sandbox = sandbox
        self._devices = [device for device in devices if device.startswith("cuda")]
        self._queue: queue.SimpleQueue[Ticket | None] = queue.SimpleQueue()
        self._tickets: dict[str, Ticket] = {}
        self._numbers = itertools.count()
        self._running: set[Ticket] = set()
        self._lock = threading.Lock()
        self._changed = threading.Condition(self._lock)
        self._closed = False
        self._finished = threading.Event()
        self._workers = [
            threading.Thread(target=self._work, args=(number,), name=f"job-{number}", daemon=True)
            for number in range(workers)
        ]
        self._watcher = threading.Thread(target=self._watch, name="job-watch", daemon=True)
        remove_abandoned()
        for thread in (*self._workers, self._watcher):
            thread.start()

    def submit(self, job: Job) -> str:
        """Queue a job and return its handle.

        Raises:
            ExecutorError: the executor is closed, lacks the device, or a folder of the job is missing.
        """
        if job.device != "cpu" and not self._devices:
            raise ExecutorError(
                f"{job.name} asks for {job.device}, but this run has no GPU; use `--device cpu`."
            )
        for path in (job.workspace, *job.inputs.values()):
            if not path.exists():
                raise ExecutorError(f"{job.name} cannot start: {path} does not exist.")
        with self._lock:
            if self._closed:
                raise ExecutorError(f"{job.name} cannot start: the executor is closed.")
            for old in [handle for handle, ticket in self._tickets.items() if ticket.told][:-REMEMBERED]:
                del self._tickets[old]
            handle = f"{job.name}#{next(self._numbers)}"
            ticket = self._tickets[handle] = Ticket(job)
            self._queue.put(ticket)
        return handle

    def wait(self, handle: str) -> Outcome:
        """Block until the job has ended; later calls return the same outcome, while it is remembered.

        Raises:
            ExecutorError: the job could not be started, or nothing was submitted under `handle`.
        """
        ticket = self._ticket(handle)
        ticket.ended.wait()
        ticket.told = True
        if ticket.outcome is None:
            raise ticket.error or ExecutorError(f"{handle} has no outcome.")
        return ticket.outcome

    def cancel(self, handle: str) -> None:
        """End the job and everything that it started; one that waits in the queue never starts.

        Raises:
            ExecutorError: nothing was submitted under `handle`.
        """
        ticket = self._ticket(handle)
        with self._lock:
            self._cancel(ticket)

    def close(self) -> None:
        """Cancel what still runs, let no process survive, and return when all has ended."""
        with self._lock:
            if not self._closed:
                self._closed = True
                for _ in self._workers:
                    self._queue.put(None)
            for ticket in self._tickets.values():
                self._cancel(ticket)
        for worker in self._workers:
            worker.join()
        self._finished.set()
        with self._lock:
            self._changed.notify_all()
        self._watcher.join()

    def _ticket(self, handle: str) -> Ticket:
        try:
            return self._tickets[handle]
        except KeyError:
            raise ExecutorError(f"no job was submitted under {handle!r}.") from None

    def _cancel(self, ticket: Ticket) -> None:
        if ticket.ended.is_set():
            return
        ticket.cancelled = True
        if ticket in self._running:
            self._kill(ticket)
        elif ticket.started == 0.0:
            ticket.outcome = Outcome(None, 0.0, 0.0, cancelled=True)
            ticket.ended.set()

    def _work(self, number: int) -> None:
        device = self._devices[number % len(self._devices)] if self._devices else "cpu"
        while (ticket := self._queue.get()) is not None:
            with self._lock:
                if ticket.cancelled:
                    continue
                ticket.started = time.monotonic()
            job = replace(ticket.job, device=device) if ticket.job.device == "cuda" else ticket.job
            try:
                ticket.outcome = self._run(ticket, job)
            except OSError as failure:
                ticket.error = _could_not_run(job, failure)
            except Exception as failure:  # noqa: BLE001 - raised again by wait(), in the thread that asked
                ticket.error = failure
            with self._lock:
                ticket.ended.set()

    def _run(self, ticket: Ticket, job: Job) -> Outcome:
        ticket.group = make_group(job.limits)
        try:
            return self._run_in_group(ticket, job)
        finally:
            if ticket.group is not None:
                ticket.group.remove()

    def _run_in_group(self, ticket: Ticket, job: Job) -> Outcome:
        process, launch = self._start(ticket, job)
        with self._lock:
            ticket.process, ticket.scratch = process.pid, launch.scratch
            self._running.add(ticket)
            self._changed.notify_all()
            if ticket.cancelled:
                with suppress(OSError):
                    self._kill(ticket)
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        with self._lock:
            self._running.discard(ticket)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - ticket.started
        if not self._sandbox.contains:
            _end_survivors(launch.environment["SZILARD_ROOT"])
        keep_plain_files(job.output)
        if ticket.limit is None and ticket.group is not None and ticket.group.ran_out_of_memory():
            ticket.limit = memory_limit(job)
        used = max(ticket.cpu_seconds, usage.ru_utime + usage.ru_stime, cpu_seconds_counted(ticket))
        if ticket.limit is None and job.limits.cpu_seconds is not None and used > job.limits.cpu_seconds:
            ticket.limit = cpu_limit(job)
        if ticket.limit is None and bytes_written(job, launch.scratch) >= job.limits.output_bytes:
            ticket.limit = output_limit(job)
        if launch.scratch is not None:
            delete_folder(launch.scratch)
        ended_by_us = ticket.cancelled or (ticket.limit is not None and process.returncode in (-9, 137))
        code = process.returncode if process.returncode >= 0 else 128 - process.returncode
        return Outcome(
            exit_code=None if ended_by_us else code,
            wall_seconds=seconds,
            cpu_seconds=used,
            limit=None if ticket.cancelled else ticket.limit,
            cancelled=ticket.cancelled,
        )

    def _start(self, ticket: Ticket, job: Job) -> tuple[subprocess.Popen[bytes], Launch]:
        if job.output.exists():
            keep_plain_files(job.output)
            delete_folder(job.output)
        job.output.mkdir(parents=True)
        launch = self._sandbox.launch(job)
        arguments = launch.arguments if ticket.group is None else ticket.group.entering(launch.arguments)
        stdout, stderr = log_files(job)
        with stdout.open("wb") as out, stderr.open("wb") as err:
            process = subprocess.Popen(
                arguments,
                env=dict(launch.environment),
                cwd=launch.directory,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        return process, launch

    def _watch(self) -> None:
        while not self._finished.wait(WATCH_SECONDS):
            with self._lock:
                while not self._running and not self._finished.is_set():
                    self._changed.wait()
            # Out of descriptors for a moment must not end the watch.
            with suppress(OSError):
                self._look()

    def _look(self) -> None:
        with self._lock:
            running = list(self._running)
            table = read_table()
            for ticket in running:
                self._look_after(ticket, table)
        for ticket in running:
            written = bytes_written(ticket.job, ticket.scratch) + bytes_unlinked(ticket, table)
            with self._lock:
                if written >= ticket.job.limits.output_bytes and ticket.limit is None:
                    ticket.limit = output_limit(ticket.job)
                if ticket.limit is not None or ticket.cancelled:
                    self._kill(ticket)

    def _look_after(self, ticket: Ticket, table: dict[int, Process]) -> None:
        """Note what the job has used and whether that is too much."""
        if ticket.process is None or ticket.process not in table:
            return
        everything = [table[ticket.process], *descendants(table, [ticket.process])]
        ticket.cpu_seconds = max(
            ticket.cpu_seconds,
            sum(process.cpu_seconds for process in everything),
            cpu_seconds_counted(ticket),
        )
        if ticket.limit is None:
            processes = len(everything) - self._sandbox.own_processes
            ticket.limit = exceeded(ticket, processes, sum(one.resident for one in everything))

    def _kill(self, ticket: Ticket) -> None:
        """End the job, if it still runs; asked again at each look until it has ended.

        In a sandbox that contains, its first process goes first: the started one then ends when all of it
        is gone. What the killed ones had used is known up to the last look.
        """
        if ticket not in self._running or ticket.process is None:
            return
        table = read_table()
        children = [process.number for process in table.values() if process.parent == ticket.process]
        if self._sandbox.contains and children:
            _signal(*children)
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(ticket.process, signal.SIGKILL)
        _signal(ticket.process, *(process.number for process in descendants(table, [ticket.process])))


def _could_not_run(job: Job, failure: OSError) -> ExecutorError:
    where = failure.filename or job.output
    if failure.errno in (errno.ENOSPC, errno.EDQUOT):
        return ExecutorError(
            f"{job.name} could not be run: the disk of {where} is full. Free space, then resume."
        )
    return ExecutorError(
        f"{job.name} could not be run: {failure.strerror} ({where}). Mend that, then resume."
    )


def _end_survivors(root: str) -> None:
    """End what a job left behind without a sandbox, as far as it still carries the job's environment."""
    for _ in range(SWEEPS):
        survivors = carrying("SZILARD_ROOT", root)
        if not survivors:
            return
        _signal(*survivors)
        time.sleep(0.005)


def _signal(*numbers: int) -> None:
    for number in numbers:
        with suppress(ProcessLookupError, PermissionError):
            os.kill(number, signal.SIGKILL)
