"""What of a repository is researched, what is frozen or hidden, and how a metric is read."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from environments.base import InvalidEnvironment, InvalidPolicy
from environments.command import repository
from environments.command.environment import CommandEnvironment
from environments.registry import load

TOML = """\
name = "toy"
description = "A toy"
repository = "code"
train = "python train.py --seed {seed}"
score = "python score.py"
artefacts = ["out.txt", "*.npy"]
editable = ["*.py", "lib/**"]
protected = ["score.py"]
hidden = ["answers/**"]
time_limit = 20

[metric]
name = "accuracy"
direction = "maximise"
range = [0.0, 1.0]
"""
PATTERN = TOML + "pattern = 'accuracy ([-0-9.a-z]+)'\n"
FILES = ("train.py", "score.py", "lib/deep/model.py", "answers/one.txt", "README", "out.txt")


def toy(folder: Path, text: str = PATTERN) -> Path:
    for name in FILES:
        path = folder / "code" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    (folder / "code" / "weights.bin").write_bytes(bytes(range(256)))
    (folder / "toy.toml").write_text(text)
    return folder / "toy.toml"


def git(folder: Path, *words: str) -> None:
    identity = ("-c", "user.name=somebody", "-c", "user.email=somebody@localhost")
    subprocess.run(["git", "-C", str(folder / "code"), *identity, *words], check=True, capture_output=True)


def test_hidden_files_and_old_results_are_not_in_the_tree(tmp_path: Path) -> None:
    environment = CommandEnvironment(toy(tmp_path))
    assert set(environment.workspace_template()) == {*FILES, "weights.bin"} - {"answers/one.txt", "out.txt"}
    assert set(environment.hidden_files) == {"answers/one.txt"}


def test_of_a_git_repository_what_git_tracks_counts(tmp_path: Path) -> None:
    path = toy(tmp_path)
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    (tmp_path / "code" / "untracked.py").write_text("")
    assert "untracked.py" not in load(str(path)).workspace_template()
    shutil.rmtree(tmp_path / "code" / ".git")
    assert "untracked.py" in load(str(path)).workspace_template()


def test_a_folder_of_runs_is_never_taken_for_code(tmp_path: Path) -> None:
    path = toy(tmp_path)
    (tmp_path / "code" / "runs" / "one").mkdir(parents=True)
    for name in (".key", "run.json", "one/run.json"):
        (tmp_path / "code" / "runs" / name).write_text("secret")
    assert not [name for name in load(str(path)).workspace_template() if name.startswith("runs")]


def test_too_much_and_links_that_lead_out_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = toy(tmp_path)
    (tmp_path / "code" / "link").symlink_to("/etc/hostname")
    with pytest.raises(InvalidEnvironment, match="a link out of the repository"):
        load(str(path))
    (tmp_path / "code" / "link").unlink()
    monkeypatch.setattr(repository, "MOST_FILES", 3)
    with pytest.raises(InvalidEnvironment, match=r"more than 3 files.*under `data`"):
        load(str(path))


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('protected = ["score.py"]\n', "", "`score` uses score.py, which is editable"),
        ('"*.py", "lib/**"', '"nothing/*"', "editable matches no file"),
        ('"code"', '"cod"', "is no folder"),
        ("time_limit", 'data = { "d" = "nowhere" }\ntime_limit', "data 'd' leads to .*nowhere"),
    ],
)
def test_what_fits_no_repository_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(InvalidEnvironment, match=told):
        load(str(toy(tmp_path, PATTERN.replace(old, new, 1))))


def test_what_is_kept_is_neither_code_nor_a_file_of_the_tree(tmp_path: Path) -> None:
    environment = CommandEnvironment(toy(tmp_path, PATTERN.replace('"*.npy"', '"**"')))
    kept = [
        path for path in (*FILES, "new/model.npy", "lib/new.txt", "json.so") if environment.is_artefact(path)
    ]
    assert kept == ["out.txt", "new/model.npy", "json.so"]
    assert [path for path in kept if environment.is_for_scoring(path)] == ["out.txt", "new/model.npy"]


@pytest.mark.parametrize(
    ("how", "printed", "value"),
    [
        (
            "pattern = 'accuracy ([-0-9.a-z]+)'",
            "accuracy 0.2\nnoise\naccuracy 0.5 accuracy 0.75\nend\n",
            0.75,
        ),
        ('key = "test.accuracy"', 'x\n{"test": {"accuracy": 0.25}}\n{"other": 1}\n[1]\n', 0.25),
        ('file = "score.txt"', "0.5\n", 0.5),
    ],
)
def test_the_last_number_counts(tmp_path: Path, how: str, printed: str, value: float) -> None:
    environment = CommandEnvironment(toy(tmp_path, TOML + how + "\n"))
    (tmp_path / "score.txt").write_text(printed)
    score = environment.read_metric(tmp_path / "score.txt", tmp_path)
    assert (score.value, score.primary) == (value, "accuracy")


@pytest.mark.parametrize(
    ("printed", "told"),
    [
        ("accuracy 7", "accuracy is 7, outside its range 0 to 1"),
        ("accuracy nan", "There is no accuracy"),
        ("accuracy inf", "There is no accuracy"),
        ("loss 0.5", "There is no accuracy in its standard output"),
        ("", "There is no accuracy"),
    ],
)
def test_what_is_no_number_in_the_range_is_no_score(tmp_path: Path, printed: str, told: str) -> None:
    environment = CommandEnvironment(toy(tmp_path))
    (tmp_path / "stdout.log").write_text(printed)
    with pytest.raises(InvalidPolicy, match=told):
        environment.read_metric(tmp_path / "stdout.log", tmp_path)


def test_another_scorer_or_another_answer_is_another_version(tmp_path: Path) -> None:
    path = toy(tmp_path)
    before = load(str(path)).spec.version
    assert load(str(path)).spec.version == before
    (tmp_path / "code" / "answers" / "one.txt").write_text("another")
    changed = load(str(path)).spec.version
    path.write_text(PATTERN.replace("time_limit = 20", "time_limit = 30"))
    assert len({before, changed, load(str(path)).spec.version}) == 3
