"""What train, run and score see of a repository, and of each other, in real sandboxes."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from agent.failures import TrainingFailed, Untrusted
from agent.measure import Measurer
from agent.opening import opened
from agent.plan import plan, plan_training
from agent.settings import InvalidOption
from agent.training import Subject
from environments.base import Split, SzilardError
from tests.end_to_end.a_short_run import SZILARD
from tests.end_to_end.foreign_repositories import make_characters, make_primes, state_of
from workspaces.sandbox import NoSandbox, choose_sandbox
from workspaces.workspace import Workspace

TOML = """\
name = "shell"
description = "A repository of shell scripts"
repository = "code"
train = "./bin/train.sh {seed}"
score = "sh score.sh"
editable = ["bin/*", "*.sh"]
protected = ["score.sh"]
hidden = ["answers/*"]
artefacts = ["made/**"]
data = { "set/words.txt" = "words.txt", "answers/large.txt" = "large.txt" }
time_limit = 3

[metric]
name = "right"
direction = "maximise"
range = [0.0, 10.0]
pattern = '^right: ([0-9]+)'
"""
TRAIN = """#!/bin/sh
mkdir made; [ -e answers ] && exit 3
touch beside-myself bin/beside-it
cksum lines.txt image.bin | cut -d ' ' -f 1 > made/sums.txt
cat set/words.txt > made/words.txt
echo $1 > made/seed.txt
"""
SCORE = """
right=0
for name in sums words; do
  [ -e answers/large.txt ] || exit 4
  cmp -s made/$name.txt answers/$name.txt && right=$((right + 1))
done
[ -e bin/train.sh ] && right=9
echo right: $right
"""


def shell(folder: Path) -> Path:
    code = folder / "code"
    for name in ("bin", "answers"):
        (code / name).mkdir(parents=True)
    (code / "bin" / "train.sh").write_text(TRAIN)
    (code / "score.sh").write_text(SCORE)
    (code / "lines.txt").write_bytes(b"one\ntwo\r\nthree\n")
    (code / "image.bin").write_bytes(bytes(range(256)) * 9)
    (code / ".gitattributes").write_text("*.txt text eol=crlf\n*.bin filter=lfs\n")
    (folder / "words.txt").write_text("three little words\n")
    (folder / "large.txt").write_text("large\n")
    (code / "answers" / "words.txt").write_text("three little words\n")
    (code / "answers" / "sums.txt").write_text("3723970292\n2018664936\n")
    (folder / "shell.toml").write_text(TOML)
    return folder / "shell.toml"


@contextmanager
def measurer(folder: Path, toml: Path, sandbox: str = "auto") -> Iterator[Measurer]:
    directory = folder / "a-run"
    directory.mkdir(exist_ok=True)
    settings = plan_training(
        goal="Better", environment=str(toml), metric=None, guards=None, minutes=None, seeds=None, workers=1,
        device="cpu", folder=folder, seed=0, sandbox=sandbox,
    )  # fmt: skip
    with opened(directory, settings, lambda event: None) as found:
        yield found.measurer


def measured(measurer: Measurer, folder: Path, name: str = "", **files: str) -> float:
    ledger = measurer.ledger
    commit = ledger.tags()["baseline"]
    if files:
        commit = ledger.commit_arm(
            name, name, {path.replace("__", "/"): text for path, text in files.items()}
        )
    subject = Subject(commit, folder / "attempts" / (name or "0000"), Workspace(ledger, folder / "worktree"))
    return measurer.measure(subject, 0, Split.SELECTION).score.value


@pytest.fixture(scope="module")
def shells(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Measurer, Path]]:
    folder = tmp_path_factory.mktemp("shell")
    toml = shell(folder)
    with measurer(folder, toml) as found:
        yield found, folder


def test_a_program_of_the_tree_runs_and_writes_beside_itself_but_never_in_the_repository(
    shells: tuple[Measurer, Path],
) -> None:
    measurer, folder = shells
    before = state_of(folder / "code")
    assert measured(measurer, folder) == 2
    assert state_of(folder / "code") == before
    kept = folder / "attempts" / "0000" / "selection-0" / "out" / "policy"
    assert sorted(path.name for path in kept.rglob("*")) == ["made", "seed.txt", "sums.txt", "words.txt"]


@pytest.mark.parametrize("sandbox", ["landlock", "none"])
def test_weaker_tiers_run_it_too(tmp_path: Path, sandbox: str) -> None:
    try:
        choose_sandbox(sandbox)
    except NoSandbox:
        pytest.skip(f"{sandbox} does not hold on this machine")
    with measurer(tmp_path, shell(tmp_path), sandbox) as found:
        assert measured(found, tmp_path) == 2


def test_training_sees_no_answer_and_leaves_scoring_no_code(shells: tuple[Measurer, Path]) -> None:
    measurer, folder = shells
    planted = (
        "#!/bin/sh\n[ -e answers ] && exit 3\n" + TRAIN + "mkdir answers\n"
        "echo no words | tee answers/words.txt > made/words.txt\n"
        "echo echo right: 10 | tee score.sh made/score.sh made/cmp.py\n"
        "echo right: 10\n"
    )
    assert measured(measurer, folder, "planted", **{"bin__train.sh": planted}) == 1


def test_new_editable_files_are_not_there_when_it_is_scored(shells: tuple[Measurer, Path]) -> None:
    measurer, folder = shells
    assert measured(measurer, folder, "beside", **{"sh.sh": "echo right: 10\n"}) == 2


def test_what_leaves_nothing_or_never_ends_is_told_apart(shells: tuple[Measurer, Path]) -> None:
    measurer, folder = shells
    with pytest.raises(TrainingFailed, match=r"left no made/\*\*") as nothing:
        measured(measurer, folder, "nothing", **{"bin__train.sh": "#!/bin/sh\nexit 0\n"})
    assert nothing.value.early
    with pytest.raises(TrainingFailed, match="exit code 7: what went wrong"):
        measured(
            measurer, folder, "wrong", **{"bin__train.sh": "#!/bin/sh\necho what went wrong >&2; exit 7\n"}
        )
    with pytest.raises(TrainingFailed, match="wall time 3 s"):
        measured(measurer, folder, "long", **{"bin__train.sh": "#!/bin/sh\nsleep 60\n"})


def test_answers_that_changed_meanwhile_score_nothing(shells: tuple[Measurer, Path]) -> None:
    measurer, folder = shells
    answers = folder / "code" / "answers" / "words.txt"
    before = answers.read_text()
    answers.write_text("four little words indeed\n")
    try:
        with pytest.raises(Untrusted, match=r"words.txt changed while the run went on"):
            measured(measurer, folder, "late", **{"bin__train.sh": TRAIN + "\n# late\n"})
    finally:
        answers.write_text(before)


def test_a_run_that_goes_on_refuses_another_scorer(tmp_path: Path) -> None:
    from agent.opening import environment_of

    toml = shell(tmp_path)
    with measurer(tmp_path, toml) as found:
        settings = found.settings
    (tmp_path / "code" / "answers" / "words.txt").write_text("other words")
    with pytest.raises(SzilardError, match="their scores cannot be compared"):
        environment_of(tmp_path, settings)


def asked(toml: Path, folder: Path, researcher: str, *, accept: bool = False) -> None:
    plan(
        goal="Better", environment=str(toml), metric=None, guards=None, attempts=1, minutes=None, seeds=None,
        workers=1, device="cpu", researcher=researcher, model="m", search="hill-climb", runs_dir=folder,
        name=None, seed=0, sandbox="none", keep_policies=False, accept_self_reported=accept,
    )  # fmt: skip


def test_what_cannot_propose_for_it_and_what_reports_itself_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-none")
    with pytest.raises(
        InvalidOption, match=r"catalogue researcher chooses among entropy controls.*--model NAME"
    ):
        asked(make_primes(tmp_path), tmp_path / "runs", "catalogue")
    characters = make_characters(tmp_path)
    with pytest.raises(InvalidOption, match=r"loss is self-reported.*--accept-self-reported"):
        asked(characters, tmp_path / "runs", "language-model")
    asked(characters, tmp_path / "runs", "language-model", accept=True)


def test_it_is_shown_like_any_environment(tmp_path: Path) -> None:
    command = [SZILARD, "env", "show", str(make_primes(tmp_path))]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for part in ("Sum the primes", "minimise, 0 to 30", "measured from outside", "src/*.c", "at most 30 s"):
        assert part in shown
