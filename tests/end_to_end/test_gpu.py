"""One attempt on CUDA: the same template, the same loop, another device."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import finish, git, run_command


@pytest.mark.gpu
def test_an_attempt_trains_on_cuda(tmp_path: Path) -> None:
    finish([*run_command(tmp_path, "cuda", attempts=1), "--device", "cuda"])
    assert "attempts/0001" in git(tmp_path / "cuda", "log", "--all", "--oneline", "--decorate")
