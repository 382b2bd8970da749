"""What a TOML file may say, and the one message that a wrong one gets."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from environments.command.file import InvalidCommandFile, read_command_file

WHOLE = """\
name = "toy"
description = "A toy"
train = "python train.py --seed {seed}"
score = "python score.py"
artefacts = ["out.txt"]
editable = ["train.py"]
time_limit = 20

[metric]
name = "accuracy"
direction = "maximise"
range = [0.0, 1.0]
pattern = 'accuracy ([0-9.]+)'
"""
SECONDS = WHOLE.replace("pattern = 'accuracy ([0-9.]+)'", 'kind = "seconds"').replace("maximise", "minimise")
REPORTED = WHOLE.replace('score = "python score.py"\n', "") + 'kind = "self-reported"\n'


def written(folder: Path, text: str) -> Path:
    path = folder / "toy.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("text", [WHOLE, SECONDS, REPORTED])
def test_each_kind_of_metric_is_read(tmp_path: Path, text: str) -> None:
    assert read_command_file(written(tmp_path, text)).name == "toy"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("editable =", "editible =", "line 6: there is no key editible; the nearest is editable"),
        ("direction =", "directon =", "line 11: there is no key metric.directon; the nearest is direction"),
        ("time_limit = 20\n", "", "line 1: the key time_limit is missing .seconds of one command"),
        ("range = [0.0, 1.0]\n", "", "line 9: the key metric.range is missing"),
        ("[0.0, 1.0]", "[1.0, 0.0]", "line 12: metric.range: give two finite numbers"),
        ("[0.0, 1.0]", "[0.0]", "line 12: metric.range: a value is missing"),
        ('"maximise"', '"upwards"', "line 11: metric.direction: .*'maximise' or 'minimise'"),
        ("([0-9.]+)", "[0-9.]+", "line 13: metric.pattern: it needs one group"),
        ("([0-9.]+)", "([0-9.]+", "line 13: metric.pattern: this is no regular expression"),
        ("20", "twenty", "line 7: this is no TOML"),
        (' = ["train.py"]', ' = ["../train.py"]', "line 6: editable: '../train.py' is no path inside"),
        ("python score.py", "python 'score.py", "line 4: score: this is no command"),
        ('score = "python score.py"\n', "", "score is missing: the protected command"),
        ('artefacts = ["out.txt"]\n', "", "artefacts is missing"),
        (" --seed {seed}", "", "nobody tells the seed"),
        ("time_limit", "deterministic = true\ntime_limit", "deterministic is for metrics of kind seconds"),
        ("pattern =", 'key = "a"\npattern =', "give pattern or key, not both"),
        (
            'name = "toy"',
            'format = 2\nname = "toy"',
            "line 1: it has format 2, and this Szilard reads format 1",
        ),
    ],
)
def test_a_wrong_file_gets_one_message_with_its_line(tmp_path: Path, old: str, new: str, told: str) -> None:
    assert old in WHOLE
    path = written(tmp_path, WHOLE.replace(old, new, 1))
    with pytest.raises(InvalidCommandFile, match=f"^{re.escape(str(path))}, .*{told}") as caught:
        read_command_file(path)
    assert "\n" not in str(caught.value)


def test_seconds_are_measured_and_not_read(tmp_path: Path) -> None:
    with pytest.raises(InvalidCommandFile, match="measured, not read"):
        read_command_file(written(tmp_path, SECONDS + 'key = "seconds"\n'))


def test_what_is_self_reported_has_no_use_for_a_scoring_command(tmp_path: Path) -> None:
    with pytest.raises(InvalidCommandFile, match="score has no place"):
        read_command_file(written(tmp_path, WHOLE + 'kind = "self-reported"\n'))


def test_a_file_that_is_missing_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidCommandFile, match=r"none.toml cannot be read: No such file"):
        read_command_file(tmp_path / "none.toml")
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InvalidCommandFile, match="it is not UTF-8"):
        read_command_file(tmp_path / "binary.toml")
