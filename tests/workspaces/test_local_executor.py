"""Jobs run, are held to their limits, and leave nothing behind."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workspaces.executors.base import ExecutorError, Job, Limits, Outcome
from workspaces.executors.local import LocalExecutor
from workspaces.executors.process_table import descendants, read_table
from workspaces.folders import delete_folder
from workspaces.sandbox import Sandbox, choose_sandbox
from workspaces.sandbox.none import NoIsolation

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bubblewrap() -> Sandbox:
    return choose_sandbox("bubblewrap")


@pytest.fixture(params=["bubblewrap", "none"])
def sandbox(request: pytest.FixtureRequest, bubblewrap: Sandbox) -> Sandbox:
    return bubblewrap if request.param == "bubblewrap" else NoIsolation()


@pytest.fixture
def executor(sandbox: Sandbox) -> Iterator[LocalExecutor]:
    made = LocalExecutor(sandbox, workers=2)
    yield made
    made.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Makes a job out of Python code; further words are limits."""

    def make(code: str, *, name: str = "job", device: str = "cpu", **limits: float) -> Job:
        workspace = tmp_path / name / "tree"
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / "main.py").write_text(code)
        wanted = Limits(**{"wall_seconds": 20.0, **limits})  # type: ignore[arg-type]
        return Job(
            name, workspace, tmp_path / name / "out", ("python", "-S", "main.py"), wanted, device=device
        )

    return make


@pytest.fixture
def seconds() -> str:
    """A long time to sleep that no other process sleeps."""
    return str(10_000_000 + secrets.randbelow(10_000_000))


def run(executor: LocalExecutor, job: Job) -> Outcome:
    return executor.wait(executor.submit(job))


def log(job: Job, name: str = "stdout.log") -> str:
    return (job.output.parent / name).read_text()


def still_running(word: str) -> list[int]:
    """Processes, zombies apart, that carry `word` on their command line."""
    found = []
    for number in read_table():
        try:
            command = Path(f"/proc/{number}/cmdline").read_bytes()
        except OSError:
            continue
        if word.encode() in command.split(b"\0"):
            found.append(number)
    return found


def eventually(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


def test_output_and_logs_of_a_job_are_files_beside_each_other(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import os; print('said'); open(os.environ['SZILARD_ROOT'] + '/out/policy', 'w').write('w')")
    outcome = run(executor, made)
    assert (outcome.exit_code, outcome.limit, outcome.cancelled) == (0, None, False)
    assert log(made) == "said\n"
    assert (made.output / "policy").read_text() == "w"


def test_a_failure_keeps_its_exit_code_and_its_traceback(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import sys; print('why', file=sys.stderr); sys.exit(3)")
    assert run(executor, made).exit_code == 3
    assert log(made, "stderr.log") == "why\n"


def test_death_by_signal_is_an_exit_code(executor: LocalExecutor, job: Callable[..., Job]) -> None:
    assert run(executor, job("import os; os.abort()")).exit_code == 128 + signal.SIGABRT


def test_a_job_that_runs_twice_starts_from_an_empty_output(
    executor: LocalExecutor, job: Callable[..., Job]
) -> None:
    made = job("import os; open(os.environ['SZILARD_ROOT'] + '/out/first', 'w').close()")
    run(executor, made)
    (made.workspace / "main.py").write_text("pass")
    assert run(executor, made).exit_code == 0
    assert list(made.output.iterdir()) == []


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


def test_a_trivial_job_in_the_sandbox_ends_within_sixty_milliseconds(
    bubblewrap: Sandbox, job: Callable[..., Job]
) -> None:
    executor = LocalExecutor(bubblewrap, workers=1)
    trivial = Job(**{**vars(job("pass")), "command": ("/bin/true",)})
    seconds = []
    for _ in range(10):
        begin = time.monotonic()
        assert run(executor, trivial).exit_code == 0
        seconds.append(time.monotonic() - begin)
    executor.close()
    assert min(seconds) < 0.06


def test_descendants_are_found_through_every_generation() -> None:
    child = subprocess.Popen(["sh", "-c", "sh -c 'sleep 5; true'; true"])
    try:
        assert eventually(lambda: len(descendants(read_table(), [child.pid])) == 2)
    finally:
        for process in reversed(descendants(read_table(), [child.pid])):
            os.kill(process.number, signal.SIGKILL)
        child.wait()
