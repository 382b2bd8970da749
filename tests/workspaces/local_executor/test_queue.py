"""Jobs wait for workers, are cancelled, refused and ended with their coordinator."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.workspaces.local_executor.a_job import eventually, log, still_running
from workspaces.executors.base import ExecutorError, Job
from workspaces.executors.local import LocalExecutor
from workspaces.executors.process_table import descendants, read_table
from workspaces.sandbox import Sandbox
from workspaces.sandbox.none import NoIsolation

REPOSITORY = Path(__file__).parents[3]


def test_an_outcome_can_be_asked_for_again(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    handle = executor.submit(job("pass"))
    assert executor.wait(handle) == executor.wait(handle)


def test_no_more_jobs_than_workers_run_at_once(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    code = "import time; begin = time.time(); time.sleep(0.3); print(begin, time.time())"
    jobs = [job(code, name=f"job-{number}") for number in range(5)]
    for handle in [executor.submit(one) for one in jobs]:
        executor.wait(handle)
    spans = [tuple(map(float, log(one).split())) for one in jobs]
    assert max(sum(begin <= moment < end for begin, end in spans) for moment, _ in spans) == 2


def test_a_cancelled_job_ends_at_once(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    made = job("import time; print('begun', flush=True); time.sleep(60)")
    handle = executor.submit(made)
    assert eventually(lambda: (made.output.parent / "stdout.log").exists() and log(made) == "begun\n")
    executor.cancel(handle)
    outcome = executor.wait(handle)
    assert (outcome.exit_code, outcome.limit, outcome.cancelled) == (None, None, True)
    assert outcome.wall_seconds < 10


def test_a_cancelled_job_in_the_queue_never_starts(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    running = [executor.submit(job("import time; time.sleep(0.5)", name=name)) for name in ("one", "two")]
    queued = job("pass", name="queued")
    handle = executor.submit(queued)
    executor.cancel(handle)
    assert executor.wait(handle).cancelled
    assert [executor.wait(one).exit_code for one in running] == [0, 0]
    executor.close()
    assert not queued.output.exists()


def test_close_ends_all_jobs_and_refuses_new_ones(
    executor: LocalExecutor, job: Callable[..., Job], seconds: str
) -> None:
    code = f"import os; os.execvp('sleep', ['sleep', '{seconds}'])"
    handles = [executor.submit(job(code, name=f"job-{number}")) for number in range(4)]
    assert eventually(lambda: len(still_running(seconds)) >= 2)
    executor.close()
    assert eventually(lambda: not still_running(seconds))
    assert all(executor.wait(handle).cancelled for handle in handles)
    with pytest.raises(ExecutorError, match="closed"):
        executor.submit(job("pass"))


def test_jobs_die_with_a_killed_coordinator(sandbox: Sandbox, job: Callable[..., Job], seconds: str) -> None:
    made = job(f"import os; os.execvp('sleep', ['sleep', '{seconds}'])")
    code = f"""
from pathlib import Path
from workspaces.executors.base import Job, Limits
from workspaces.executors.local import LocalExecutor
from workspaces.sandbox import choose_sandbox
executor = LocalExecutor(choose_sandbox({sandbox.tier!r}), workers=1)
executor.wait(executor.submit(Job("job", Path({str(made.workspace)!r}), Path({str(made.output)!r}),
                                  ("python", "-S", "main.py"), Limits(wall_seconds=60))))
"""
    coordinator = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    assert eventually(lambda: bool(still_running(seconds)), 20)
    coordinator.kill()
    coordinator.wait()
    assert eventually(lambda: not still_running(seconds))


def test_a_gpu_job_gets_the_device_of_its_worker(job: Callable[..., Job]) -> None:
    executor = LocalExecutor(NoIsolation(), workers=2, devices=("cuda:0", "cuda:3"))
    code = "import os, time; print(os.environ['CUDA_VISIBLE_DEVICES']); time.sleep(0.3)"
    jobs = [
        job(code, name="one", device="cuda"),
        job(code, name="two", device="cuda"),
        job(code, name="three"),
    ]
    for handle in [executor.submit(one) for one in jobs]:
        executor.wait(handle)
    executor.close()
    assert {log(jobs[0]), log(jobs[1])} == {"0\n", "3\n"}
    assert log(jobs[2]) == "\n"


def test_a_gpu_job_without_a_gpu_is_refused(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    with pytest.raises(ExecutorError, match="--device cpu"):
        executor.submit(job("pass", device="cuda"))


def test_a_job_whose_folder_is_missing_is_refused(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    made = job("pass")
    (made.workspace / "main.py").unlink()
    made.workspace.rmdir()
    with pytest.raises(ExecutorError, match="does not exist"):
        executor.submit(made)


def test_a_place_that_cannot_be_written_is_one_clear_sentence(
    executor: LocalExecutor, job: Callable[..., Job], tmp_path: Path
) -> None:
    (tmp_path / "plain").write_text("no folder")
    handle = executor.submit(Job(**{**vars(job("pass")), "output": tmp_path / "plain" / "out"}))
    with pytest.raises(ExecutorError, match="could not be run: Not a directory"):
        executor.wait(handle)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_named(executor: LocalExecutor, job: Callable[..., Job], tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,nr_inodes=2", "tmpfs", str(disk)], check=True)
    try:
        handle = executor.submit(Job(**{**vars(job("pass")), "output": disk / "out"}))
        with pytest.raises(ExecutorError, match="is full"):
            executor.wait(handle)
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_descendants_are_found_through_every_generation() -> None:
    child = subprocess.Popen(["sh", "-c", "sh -c 'sleep 60; true'; true"])
    try:
        assert eventually(lambda: len(descendants(read_table(), [child.pid])) == 2)
    finally:
        for process in reversed(descendants(read_table(), [child.pid])):
            os.kill(process.number, signal.SIGKILL)
        child.wait()
