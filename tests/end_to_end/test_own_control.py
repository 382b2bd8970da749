"""A control of a user's own, from its file to a trained attempt; broken ones train nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, git, launches, resume_command, run_command

SOFT_CLIP = '''\
"""Soft clip: the ratio saturates smoothly instead of being cut off."""

from dataclasses import dataclass
from typing import ClassVar
from controls.batch import count, token_mean


@dataclass(frozen=True)
class SoftClip:
    width: float = 0.2
    kind: ClassVar[str] = "loss"

    def loss(self, batch, state):
        moved = self.width * ((batch.ratio - 1) / self.width).tanh()
        return token_mean(-batch.advantages * moved, batch.mask), {"touched": count(batch.mask)}, state
'''


def written(path: Path, text: str = SOFT_CLIP) -> Path:
    path.write_text(text)
    return path


@pytest.mark.slow
def test_a_control_of_fifteen_lines_is_checked_proposed_trained_and_survives_a_kill(tmp_path: Path) -> None:
    assert len(SOFT_CLIP.splitlines()) == 15
    file = written(tmp_path / "soft_clip.py")
    run = tmp_path / "runs" / "own"
    process = subprocess.Popen(
        [*run_command(tmp_path / "runs", "own", attempts=1), "--control", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "run.json").exists() and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    said, _ = process.communicate()
    assert "holds SoftClip: checked" in said
    file.unlink()

    finish(resume_command(run))
    assert git(run, "show", "baseline:controls/soft_clip.py") == SOFT_CLIP
    assert "LOSS = SoftClip(width=0.2)" in git(run, "show", "attempts/0001:entropy_control.py")
    rows = (run / "attempts/0001/selection-0/out/trace.jsonl").read_text().splitlines()
    assert json.loads(rows[-1])["touched"]["SoftClip"] > 0
    assert launches(run)

    answer = subprocess.run(
        [SZILARD, "replay", str(run), "1", "--json"], capture_output=True, text=True, timeout=300, check=True
    )
    assert json.loads(answer.stdout.splitlines()[-1])["identical"] is True


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("soft_clip", SOFT_CLIP.replace("batch.mask), {", "batch.mask).detach(), {"), "the loss is detached"),
        ("soft_clip", SOFT_CLIP.replace("SoftClip", "KlCov"), "there is a shipped KlCov"),
        ("kl_cov", SOFT_CLIP, "there is a shipped kl_cov.py"),
        ("2-clips", SOFT_CLIP, "name the file like a variable"),
    ],
)
def test_a_refused_control_trains_nothing_and_leaves_nothing(
    tmp_path: Path, name: str, text: str, reason: str
) -> None:
    file = written(tmp_path / f"{name}.py", text)
    runs = tmp_path / "runs"
    command = [*run_command(runs, "refused"), "--control", str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 2, ended.stderr
    assert reason in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (runs / "refused").exists()


def test_two_controls_of_one_name_are_refused(tmp_path: Path) -> None:
    files = [written(tmp_path / f"{name}.py") for name in ("one", "other")]
    command = [*run_command(tmp_path / "runs", "refused")]
    command += [part for file in files for part in ("--control", str(file))]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert ended.returncode == 2
    assert "two of your controls are called alike" in ended.stderr
