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
from workspaces.sandbox import Sandbox, choose_sandbox


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
    assert run(executor, made).limit == "output 64 MiB"
    assert (made.output / "policy").is_file()
    assert run(executor, made).limit == "output 64 MiB"
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


UNWAITED = """
import os, signal, time
try:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
except OSError:
    pass
for _ in range(12):
    read, write = os.pipe()
    if os.fork() == 0:
        begun = time.process_time()
        while time.process_time() - begun < 0.25:
            pass
        os._exit(0)
    os.close(write)
    os.read(read, 1)
"""


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_seconds_of_children_that_nobody_waits_for_count(
    tier: str, grouped: bool, job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not grouped:
        monkeypatch.setattr(local, "make_group", lambda limits: None)
    executor = LocalExecutor(choose_sandbox(tier), workers=1)
    outcome = run(executor, job(UNWAITED, cpu_seconds=1.0))
    executor.close()
    assert outcome.limit == "CPU time 1 s"
    assert outcome.cpu_seconds > 1


@pytest.mark.parametrize("tier", ["bubblewrap", "landlock"])
def test_a_process_whose_first_thread_has_ended_does_not_outlive_its_job(
    tier: str, job: Callable[..., Job], seconds: str
) -> None:
    code = f"""
import ctypes, os, platform, subprocess, threading, time
if os.fork() == 0:
    os.setsid()
    threading.Thread(target=subprocess.call, args=(["sleep", "{seconds}"],)).start()
    time.sleep(0.3)
    ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)
time.sleep(1)
"""
    executor = LocalExecutor(choose_sandbox(tier), workers=1)
    assert run(executor, job(code)).exit_code == 0
    executor.close()
    assert eventually(lambda: still_running(seconds) == [])


@pytest.mark.parametrize(
    "code",
    [
        "import os\nfiles = []\nfor n in range(8):\n    files.append(open(f'{out}/{n}', 'wb'))\n"
        "    files[-1].write(bytes(2**20)); files[-1].flush(); os.unlink(f'{out}/{n}')\ntime.sleep(30)",
        "import ctypes\nfile = open(f'{out}/x', 'wb')\n"
        "ctypes.CDLL(None).fallocate(file.fileno(), 1, ctypes.c_long(0), ctypes.c_long(32 << 20))",
        "import os\nos.chdir(out)\nfor _ in range(25):\n    os.mkdir('d' * 200); os.chdir('d' * 200)\n"
        "open('x', 'wb').write(bytes(2**20))",
    ],
    ids=["without a name", "without a size", "without a path"],
)
def test_what_is_on_the_disk_counts_whatever_it_is_called(
    code: str, executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    start = "import os, time\nout = os.environ['SZILARD_ROOT'] + '/out'\n"
    assert run(executor, job(start + code, output_bytes=4 * 2**20)).limit == "output 4 MiB"
