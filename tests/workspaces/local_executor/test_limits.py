"""Whatever a job takes too much of ends it, and nothing of it is left."""

import os
from collections.abc import Callable

import pytest

from tests.workspaces.local_executor.a_job import eventually, run, still_running
from workspaces.executors import local
from workspaces.executors.base import Job, Limits
from workspaces.executors.control_group import MOUNT, make_group
from workspaces.executors.local import LocalExecutor
from workspaces.folders import delete_folder
from workspaces.sandbox import Sandbox


def test_a_hanging_job_ends_at_its_wall_time(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    outcome = run(executor, job("import time; time.sleep(60)", wall_seconds=0.5))
    assert (outcome.exit_code, outcome.limit) == (None, "wall time 0.5 s")
    assert outcome.wall_seconds < 5


def test_cpu_time_of_children_counts(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    code = """
import os, time
def burn():
    while time.process_time() < 0.3:
        pass
if os.fork() == 0:
    if os.fork() == 0:
        burn()
        os._exit(0)
    os.wait()
    os._exit(0)
os.wait()
burn()
"""
    outcome = run(executor, job(code))
    assert outcome.exit_code == 0
    assert 0.55 < outcome.cpu_seconds < 1.2


def test_a_busy_job_ends_at_its_cpu_time(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    outcome = run(executor, job("while True: pass", cpu_seconds=0.4))
    assert (outcome.exit_code, outcome.limit) == (None, "CPU time 0.4 s")
    assert outcome.cpu_seconds > 0.4


def test_a_job_that_prints_without_end_fills_no_disk(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import sys\nwhile True: sys.stdout.write('x' * 65536)", output_bytes=4 * 2**20)
    assert run(executor, made).limit == "output 4 MiB"
    assert (made.output.parent / "stdout.log").stat().st_size <= 4 * 2**20


def test_a_job_that_writes_many_small_files_is_ended(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    code = """
import itertools, os
for number in itertools.count():
    open(os.environ['SZILARD_ROOT'] + f'/out/{number}', 'w').close()
"""
    assert run(executor, job(code, output_bytes=2**18)).limit == "output 256 KiB"


def test_a_job_that_forks_without_end_is_ended_and_leaves_nothing(
    executor: LocalExecutor, job: Callable[..., Job], seconds: str
) -> None:
    code = """
import os, time
for _ in range(400):
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "SECONDS"])
    time.sleep(0.005)
time.sleep(60)
"""
    made = job(code.replace("SECONDS", seconds), processes=16)
    assert run(executor, made).limit == "processes 16"
    assert eventually(lambda: not still_running(seconds))


def test_a_job_that_takes_too_much_memory_is_ended(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    outcome = run(
        executor, job("x = b'x' * (300 << 20)\nimport time; time.sleep(60)", memory_bytes=200 * 2**20)
    )
    assert outcome.limit == "memory 200 MiB"


def test_a_detached_grandchild_does_not_outlive_its_job(
    executor: LocalExecutor, job: Callable[..., Job], seconds: str
) -> None:
    code = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "SECONDS"])
    os._exit(0)
time.sleep(0.5)
"""
    assert run(executor, job(code.replace("SECONDS", seconds))).exit_code == 0
    assert eventually(lambda: not still_running(seconds))


def test_the_sandbox_ends_a_detached_grandchild_before_the_outcome_is_told(
    bubblewrap: Sandbox, job: Callable[..., Job], seconds: str
) -> None:
    code = "import os\nif os.fork() == 0:\n    os.setsid()\n    os.execvp('sleep', ['sleep', 'SECONDS'])"
    with_sandbox = LocalExecutor(bubblewrap, workers=1)
    assert run(with_sandbox, job(code.replace("SECONDS", seconds))).exit_code == 0
    assert still_running(seconds) == []
    with_sandbox.close()


def test_nothing_but_plain_files_is_left_in_the_output(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    code = """
import os
out = os.environ["SZILARD_ROOT"] + "/out"
os.makedirs(out + "/deep/er")
os.symlink("/etc/shadow", out + "/deep/config.json")
os.symlink("/etc", out + "/folder")
os.mkfifo(out + "/deep/er/pipe")
open(out + "/deep/er/kept", "w").close()
os.chmod(out + "/deep/er/kept", 0o4777)
os.chmod(out + "/deep/er", 0)
"""
    made = job(code)
    assert run(executor, made).exit_code == 0
    left = {str(path.relative_to(made.output)) for path in made.output.rglob("*")}
    assert left == {"deep", "deep/er", "deep/er/kept"}
    assert (made.output / "deep/er/kept").stat().st_mode & 0o7777 == 0o644


def test_folders_deeper_than_a_path_can_say_stop_no_run(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("""
import os
os.chdir(os.environ["SZILARD_ROOT"] + "/out")
open("policy", "w").close()
for depth in range(20):
    os.mkdir("d" * 250)
    os.chdir("d" * 250)
os.mkfifo("pipe")
""")
    assert run(executor, made).exit_code == 0
    assert (made.output / "policy").is_file()
    assert run(executor, made).exit_code == 0
    delete_folder(made.output)
    assert not made.output.exists()


def _has_control_groups() -> bool:
    group = make_group(Limits(wall_seconds=1))
    if group is not None:
        group.remove()
    return group is not None


@pytest.mark.skipif(not _has_control_groups(), reason="no control group to be had")
def test_the_kernel_ends_a_job_that_takes_more_memory_at_once_than_a_watch_would_see(
    executor: LocalExecutor, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local, "WATCH_SECONDS", 60.0)
    outcome = run(executor, job("x = b'x' * (300 << 20)", memory_bytes=200 * 2**20))
    assert outcome.limit == "memory 200 MiB"
    assert outcome.exit_code is None


def test_a_job_leaves_no_control_group(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    assert run(executor, job("pass")).exit_code == 0
    mine = f"szilard-{os.getpid()}-*"
    assert [path for pattern in ("*/", "*/*/*/", "") for path in MOUNT.glob(f"{pattern}{mine}")] == []
