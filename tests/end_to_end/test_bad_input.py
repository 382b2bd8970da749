"""Bad input, bad disks and bad moments: one clear sentence, exit code 2, and nothing is lost."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, git, launches, processes_of, resume_command
from tests.workspaces import a_run

EASY_DOMAIN = Path(__file__).parent / "easy_domain.py"
SECONDS_TO_STOP = 10


def szilard(
    *arguments: str | Path, cwd: Path | None = None, **environ: str
) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("OPENAI_")}
    return subprocess.run(
        [SZILARD, *map(str, arguments)],
        capture_output=True,
        text=True,
        cwd=cwd,
        timeout=300,
        env={**inherited, **environ},
    )


def refused(*arguments: str | Path, cwd: Path | None = None, **environ: str) -> str:
    """The one sentence with which a command is refused."""
    ended = szilard(*arguments, cwd=cwd, **environ)
    assert ended.returncode == 2, ended.stdout + ended.stderr
    assert "Traceback" not in ended.stderr
    assert len(ended.stderr.strip().splitlines()) == 1 or "Usage:" in ended.stderr, ended.stderr
    return ended.stderr


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file of a folder with its bytes; folders are there with None."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("runs") / a_run.NAME
    a_run.build_run(directory)
    return directory


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory; the test is skipped where mounting is not permitted."""
    folder.mkdir()
    try:
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
        answer = subprocess.run(command, capture_output=True, text=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command here")
    if answer.returncode:
        pytest.skip(f"mounting is not permitted here: {answer.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("a goal", "--environment", "contdown"), "nearest is 'countdown'"),
        (("",), "goal is empty"),
        (("  \n",), "goal is empty"),
        (("a goal", "--attempts", "0"), "--attempts"),
        (("a goal", "--metric", "beauty"), "no metric 'beauty'"),
        (("a goal", "--guard", "beauty=0.1"), "no metric 'beauty'"),
        (("a goal", "--model", "some-model"), "OPENAI_API_KEY"),
        (("a goal", "--name", "../elsewhere"), "cannot name a run"),
        (("a goal", "--environment", "nowhere.py"), "nowhere.py"),
    ],
)
def test_a_run_that_cannot_be_is_refused_and_writes_nothing(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    assert told in refused("run", *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_cuda_is_refused_where_there_is_none(tmp_path: Path) -> None:
    if shutil.which("nvidia-smi"):
        pytest.skip("this machine has CUDA")
    assert "no CUDA device" in refused("run", "a goal", "--device", "cuda", cwd=tmp_path)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("class Domain(:\n    pass\n", "SyntaxError"),
        ("import no_such_library\n", "no_such_library"),
        ("ANSWER = 42\n", "it defines 0"),
        (
            "from environments.countdown import environment\n"
            "class One(environment.Countdown): pass\n"
            "class Two(environment.Countdown): pass\n",
            "it defines 2",
        ),
        ("from environments.base import Environment\nclass Half(Environment): pass\n", "incomplete"),
    ],
)
def test_an_environment_file_that_is_none_is_refused(code: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "domain.py").write_text(code)
    assert told in refused("run", "a goal", "--environment", "domain.py", cwd=tmp_path)
    assert not (tmp_path / "runs").exists()


def test_a_missing_git_is_named_before_anything_is_written(tmp_path: Path) -> None:
    assert "git was not found" in refused("run", "a goal", cwd=tmp_path, PATH=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_git_is_named_by_review(run: Path, tmp_path: Path) -> None:
    assert "git was not found" in refused("log", run, PATH=str(tmp_path))


def test_the_name_of_a_run_that_exists_is_refused_and_the_run_untouched(run: Path) -> None:
    before = contents(run.parent)
    told = refused("run", "a goal", "--runs-dir", run.parent, "--name", run.name)
    assert "exists already" in told
    assert f"szilard resume {run}" in told
    assert contents(run.parent) == before


@pytest.mark.parametrize("verb", ["resume", "status", "log", "show", "diff", "replay"])
def test_a_directory_that_is_no_run_is_refused_and_untouched(verb: str, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    attempt = ["1"] if verb in ("show", "diff", "replay") else []
    assert "is not a run" in refused(verb, tmp_path, *attempt)
    assert contents(tmp_path) == {"thesis.txt": b"mine"}


@pytest.mark.parametrize(
    ("verb", "damage"),
    [
        ("resume", b"{"),
        ("status", b'{"format": 1, "goal": 7}'),
        ("log", b"\xff\xfe\x00"),
        ("show", b""),
        ("diff", b"[]"),
        ("replay", b"null"),
    ],
)
def test_a_damaged_run_file_is_named_and_the_run_untouched(
    verb: str, damage: bytes, run: Path, tmp_path: Path
) -> None:
    damaged = tmp_path / run.name
    shutil.copytree(run, damaged)
    (damaged / "run.json").write_bytes(damage)
    before = contents(damaged)
    attempt = ["1"] if verb in ("show", "diff", "replay") else []
    told = refused(verb, damaged, *attempt)
    assert "run.json is damaged" in told
    assert contents(damaged) == before


def test_a_damaged_file_of_a_run_is_named_and_kept(run: Path, tmp_path: Path) -> None:
    damaged = tmp_path / run.name
    shutil.copytree(run, damaged)
    (damaged / "clock.json").write_text("{")
    assert "clock.json is damaged" in refused("resume", damaged)
    assert (damaged / "clock.json").read_text() == "{"


@pytest.mark.parametrize("verb", ["show", "diff", "replay"])
def test_an_attempt_that_does_not_exist_is_refused(verb: str, run: Path) -> None:
    told = refused(verb, run, "4321")
    assert "no attempt 4321" in told
    assert "szilard log" in told


def test_the_second_process_on_a_run_is_told_who_holds_it(run: Path) -> None:
    with (run / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.write("4242")
        lock.flush()
        assert "process 4242" in refused("resume", run)
    (run / "lock").unlink()


def test_a_runs_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    told = refused("run", "a goal", "--runs-dir", tmp_path / "file" / "runs")
    assert "a part of this path is a file" in told
    assert contents(tmp_path) == {"file": b"mine"}


def test_a_read_only_runs_directory_is_refused(tmp_path: Path) -> None:
    with mounted(tmp_path / "sealed", "size=1m,ro") as folder:
        assert "read-only" in refused("run", "a goal", "--runs-dir", folder / "runs")


def test_a_disk_that_is_full_from_the_start_is_named(tmp_path: Path) -> None:
    with mounted(tmp_path / "small", "size=256k") as folder:
        fill(folder)
        assert "disk is full" in refused("run", "a goal", "--runs-dir", folder, "--name", "a")
        assert [path.name for path in folder.iterdir()] == ["filler"]


def fill(folder: Path) -> None:
    """Leave no byte free."""
    with (folder / "filler").open("wb", buffering=0) as filler:
        for size in (2**20, 2**12):
            try:
                while True:
                    filler.write(bytes(size))
            except OSError:
                continue


def short_run(runs: Path, *options: str | Path) -> list[str]:
    return [
        *(SZILARD, "run", "Write more products", "--environment", str(EASY_DOMAIN), "--runs-dir", str(runs)),
        *("--name", "short", "--attempts", "2", "--seeds", "2", "--workers", "1", "--json"),
        *map(str, options),
    ]


def begin(command: list[str], environ: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **(environ or {})},
    )


def wait_for(process: subprocess.Popen[str], phase: str, attempt: int) -> None:
    """Read what a run prints until an attempt is in a phase."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)
        if event.get("phase") == phase and event.get("attempt") == attempt:
            return
    raise AssertionError(f"it ended before attempt {attempt} was in {phase}")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoilt", "told"),
    [
        ('"def train(session:\\n"', "SyntaxError"),
        ('"import os\\n\\n\\ndef train(session):\\n    os._exit(0)\\n"', "wrote no policy"),
    ],
)
def test_a_template_that_cannot_be_trained_is_refused(spoilt: str, told: str, tmp_path: Path) -> None:
    copied = "path.write_text(recipe)"
    code = EASY_DOMAIN.read_text()
    assert copied in code
    (tmp_path / "spoilt.py").write_text(code.replace(copied, f"path.write_text({spoilt})"))
    options = ("--environment", tmp_path / "spoilt.py", "--runs-dir", tmp_path / "runs", "--workers", "1")
    sentence = refused("run", "a goal", *options)
    assert "cannot be trained as it is" in sentence
    assert told in sentence


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "attempt"), [("baseline", 0), ("train", 1)])
def test_a_disk_that_fills_up_stops_the_run_and_blames_no_attempt(
    phase: str, attempt: int, tmp_path: Path
) -> None:
    with mounted(tmp_path / "small", "size=64m") as folder:
        process = begin(short_run(folder))
        wait_for(process, phase, attempt)
        fill(folder)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == 2, errors
        assert "Traceback" not in errors
        assert "full" in errors or "room" in errors
        (folder / "filler").unlink()
        summary = finish(resume_command(folder / "short"))
        verdicts = summary["verdicts"]
        assert isinstance(verdicts, dict)
        assert sum(verdicts.values()) == 2
        assert not verdicts.keys() & {"crashed", "void", "refused"}


@pytest.mark.slow
@pytest.mark.parametrize("phase", ["train", "score"])
def test_ctrl_c_stops_at_once_leaves_no_process_and_loses_nothing(phase: str, tmp_path: Path) -> None:
    process = begin(short_run(tmp_path))
    wait_for(process, phase, 1)
    run = tmp_path / "short"
    holder = refused("resume", run)
    assert f"process {process.pid}" in holder
    time.sleep(0.3)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - began < SECONDS_TO_STOP
    assert process.returncode == 130
    assert f"szilard resume {run}" in errors
    assert "Traceback" not in errors
    assert processes_of(run) == []
    decided = git(run, "log", "--branches=attempts/*", "--grep", "^Verdict:", "--format=%s").split("\n")
    assert not [line for line in decided if line.startswith(("void", "crashed"))]
    verdicts = finish(resume_command(run))["verdicts"]
    assert isinstance(verdicts, dict)
    assert sum(verdicts.values()) == 2
    assert not verdicts.keys() & {"crashed", "void"}
    assert sum(launches(run).values()) <= len(launches(run)) + 1


@pytest.mark.slow
def test_ctrl_c_does_not_wait_for_a_language_model(tmp_path: Path) -> None:
    from tests.agent.scripted_server import ScriptedServer, said

    def stall(request: object) -> object:
        time.sleep(60)
        return said("too late")

    with ScriptedServer(stall) as server:
        reach = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-none"}
        process = begin(short_run(tmp_path, "--model", "slow"), reach)
        wait_for(process, "propose", 1)
        time.sleep(1)
        began = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert time.monotonic() - began < SECONDS_TO_STOP
