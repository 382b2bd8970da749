"""The installed command: quick help, clear refusals, and finished runs in words and as JSON."""

from __future__ import annotations

import errno
import importlib.util
import json
import os
import resource
import shlex
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import agent.cli
from tests.agent.a_plan import planned

COMMAND = str(Path(sys.executable).with_name("szilard"))
VERBS = ("run", "resume", "replay", "status", "log", "show", "diff", "context", "env")


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"tests_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


a_run = _load(Path(__file__).parents[1] / "workspaces" / "a_run.py")


def szilard(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments], capture_output=True, text=True, cwd=cwd, timeout=60, check=False
    )


def refused(*arguments: str, cwd: Path | None = None) -> str:
    """The sentence on standard error of a command that must be refused."""
    ended = szilard(*arguments, cwd=cwd)
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stdout == ""
    return ended.stderr


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    runs = tmp_path_factory.mktemp("runs")
    a_run.build_run(runs / a_run.NAME)
    return runs


def test_help_takes_less_than_half_a_second_of_the_processor() -> None:
    seconds = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert szilard("--help").returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.5


def test_help_loads_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "pydantic", "git", "rich", "langgraph", "openai", "matplotlib", "scipy")
    code = (
        "import sys, agent.cli\n"
        "try: agent.cli.main(['--help'])\n"
        "except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("verb", VERBS)
def test_help_of_every_verb_has_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    agent.cli.main([verb, "--help"])
    assert "Example:\n" in capsys.readouterr().out


def test_version_is_told() -> None:
    assert szilard("--version").stdout.startswith("szilard 0.")


def test_an_unknown_verb_names_the_nearest() -> None:
    assert "Did you mean `szilard status`?" in refused("statsu")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--attempts", "0"), "--attempts"),
        (("--minutes", "nan"), "minutes"),
        (("--seeds", "1"), "--seeds"),
        (("--guard", "pass@1"), "METRIC=TOLERANCE"),
        (("--guard", "pass@1=-1"), "METRIC=TOLERANCE"),
        (("--guard", "pass@1=0.02", "--guard", "pass@1=0.9"), "given twice"),
        (("--guard", "pass@1=0.02", "--guard", "pass_at_1=0.9"), "given twice"),
        (("--minimum-effect", "nan"), "no finite number"),
        (("--researcher", "catalogue", "--model", "m"), "--model"),
        (("--researcher", "language-model"), "--model"),
    ],
)
def test_run_refuses_bad_options_and_writes_nothing(
    arguments: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    assert told in refused("run", "a goal", *arguments, cwd=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_study_writes_where_runs_live_unless_told_otherwise(tmp_path: Path) -> None:
    command = ("study", "entropy-law", "--rules", "--sandbox", "none")
    assert szilard(*command, cwd=tmp_path).returncode == 0
    assert szilard(*command, "--pages", "docs/studies", cwd=tmp_path).returncode == 0
    assert {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()} == {
        "runs/studies/entropy-law/entropy-law.md",
        "docs/studies/entropy-law.md",
    }
    listed = szilard("status", cwd=tmp_path)
    assert (listed.returncode, "studies" in listed.stdout) == (0, False)


def test_a_run_is_found_by_name_and_by_path(runs: Path) -> None:
    by_name = szilard("status", a_run.NAME, "--runs-dir", str(runs), "--json")
    by_path = szilard("status", str(runs / a_run.NAME), "--json")
    assert json.loads(by_name.stdout) == json.loads(by_path.stdout)
    assert json.loads(by_name.stdout)["incumbent"]["attempt"] == 6


def test_a_missing_run_names_the_nearest(runs: Path, tmp_path: Path) -> None:
    assert f"Did you mean {a_run.NAME}?" in refused("log", "20261123-countdown", "--runs-dir", str(runs))
    assert "holds no runs" in refused("log", "any", "--runs-dir", str(tmp_path))


@pytest.mark.parametrize("verb", ["show", "diff", "replay"])
def test_what_is_no_number_of_an_attempt_is_refused_in_words(verb: str, runs: Path) -> None:
    for given in ("foo", "1.5"):
        told = refused(verb, str(runs / a_run.NAME), given)
        assert f"'{given}' is not the number of an attempt" in told
        assert "szilard log" in told


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    assert "is not a run" in refused("status", str(tmp_path))


def test_the_command_in_a_report_asks_for_what_the_run_was_asked(runs: Path) -> None:
    from agent.cli.find import load_run
    from agent.cli.run import command
    from workspaces.review.command import run_command

    settings = {
        **load_run(runs / a_run.NAME).settings,
        "minutes": 2.5,
        "keep_policies": True,
        "minimum_effect": 0.01,
    }
    words = shlex.split(run_command(replace(load_run(runs / a_run.NAME), settings=settings)))
    asked = command.make_context("run", words[2:]).params
    assert asked["guards"] == {"pass@1": 0.02}
    for name, option in asked.items():
        if name in settings and name not in ("guards", "controls", "name"):
            assert option == settings[name], name


def test_a_corrupted_run_file_is_refused_and_kept(runs: Path, tmp_path: Path) -> None:
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "run.json").write_text("{")
    assert "is damaged" in refused("log", "torn", "--runs-dir", str(tmp_path))
    assert (tmp_path / "torn" / "run.json").read_text() == "{"
    listed = szilard("status", "--runs-dir", str(tmp_path))
    assert listed.returncode == 0
    assert "damaged" in listed.stdout


def test_every_review_verb_answers_in_json(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def answer(*arguments: str) -> Any:
        agent.cli.main([*arguments, "--json"])
        return json.loads(capsys.readouterr().out)

    directory = str(runs / a_run.NAME)
    assert answer("status", "--runs-dir", str(runs))[0]["name"] == a_run.NAME
    assert len(answer("log", directory)) == len(a_run.ATTEMPTS)
    assert answer("show", directory, "6")["verdict"] == "kept"
    assert answer("diff", directory, "6")["from"]["attempt"] == 2
    assert {"name": "countdown", "origin": "built-in", "broken": None} in answer("env", "list")


def test_no_verb_shows_the_secret_of_a_run(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    directory = str(runs / a_run.NAME)
    for arguments in (("status", directory), ("log", directory), ("show", directory, "6")):
        for form in ((), ("--json",)):
            agent.cli.main([*arguments, *form])
    printed = capsys.readouterr().out
    assert a_run.NAME in printed
    assert "never-shown-to-anyone" not in printed


def test_a_reader_that_goes_away_is_no_error(runs: Path) -> None:
    for form in ((), ("--json",)):
        process = subprocess.Popen(
            [COMMAND, "log", str(runs / a_run.NAME), *form], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() in (0, 1)


def test_the_working_directory_is_never_imported_from(tmp_path: Path) -> None:
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments" / "__init__.py").write_text("raise SystemExit('imported from here')")
    ended = szilard("env", "list", cwd=tmp_path)
    assert ended.returncode == 0
    assert "countdown" in ended.stdout.split()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EACCES, errno.EROFS])
def test_a_failing_disk_is_one_sentence_with_the_path(
    code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fail(directory: Path) -> None:
        raise OSError(code, os.strerror(code), str(directory))

    monkeypatch.setattr("agent.cli.status.list_runs", fail)
    with pytest.raises(SystemExit) as exit_:
        agent.cli.main(["status", "--runs-dir", str(tmp_path)])
    assert exit_.value.code == 2
    told = capsys.readouterr().err
    assert str(tmp_path) in told
    assert "Traceback" not in told


def test_a_fault_of_ours_shows_its_traceback_and_exits_70(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(directory: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("agent.cli.status.list_runs", fail)
    with pytest.raises(SystemExit) as exit_:
        agent.cli.main(["status"])
    assert exit_.value.code == 70
    told = capsys.readouterr().err
    assert "ZeroDivisionError" in told
    assert "report it" in told


def test_every_environment_is_listed_apart_from_where_it_comes_from() -> None:
    assert "reasoning_gym:DATASET" in szilard("env", "list").stdout.split()


def test_a_template_that_takes_no_controls_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    direction = Path(agent.cli.__file__).parents[2] / "environments" / "examples" / "direction.py"
    said = refused("controls", "compare", "--environment", str(direction), "--sandbox", "none", cwd=tmp_path)
    assert "has no entropy_control.py, so it takes no controls to compare" in said
    said = refused("controls", "compare", "--environment", "language_model", cwd=tmp_path)
    assert "has no recipe.py, so it takes no controls to compare" in said


def test_a_replay_takes_the_researcher_of_the_other_run_too(tmp_path: Path) -> None:
    (tmp_path / "asked").mkdir()
    asked = planned(tmp_path).model_copy(update={"researcher": "hybrid", "model": "a-model"})
    asked.write(tmp_path / "asked")
    told = szilard(
        *("run", "Solve more", "--attempts", "2", "--seeds", "2", "--workers", "1", "--device", "cpu"),
        *("--sandbox", "none", "--runs-dir", str(tmp_path), "--replay", "asked", "--dry-run"),
    )
    assert told.returncode == 0, told.stderr
    assert f"Researcher: the replies of a-model that {tmp_path / 'asked'} holds" in told.stdout
