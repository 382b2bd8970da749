"""`szilard run --search tree`: attempts are built on any that was scored, and held against the incumbent."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.end_to_end.a_short_run import SZILARD, finish, run_command, story, trailer

DOMAIN = str(Path(__file__).parent / "instant_domain.py")
ATTEMPTS = 12

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def test_a_tree_is_grown_judged_against_the_incumbent_and_grown_the_same_again(tmp_path: Path) -> None:
    for name in ("first", "again"):
        command = run_command(tmp_path, name, attempts=ATTEMPTS, environment=DOMAIN)
        finish([*command, "--search", "tree"])
    run = tmp_path / "first"
    assert story(run) == story(tmp_path / "again")
    on, kept, branched = {}, 0, 0
    for number in range(1, ATTEMPTS + 1):
        code = f"attempts/{number:04d}~1"
        told = [
            "git",
            "-C",
            str(run / "repository"),
            "log",
            "-1",
            "--format=%(trailers:key=Parent-Attempt,valueonly)",
        ]
        on[number] = int(subprocess.run([*told, code], capture_output=True, text=True, check=True).stdout)
        against = trailer(run, number, "Compared-With")
        assert against in ("", str(kept)), "whatever it was built on"
        branched += on[number] != kept
        kept = number if trailer(run, number, "Verdict") == "kept" else kept
    assert branched, "twelve attempts without a second branch are a hill climb"
    agreed = subprocess.run([SZILARD, "fsck", str(run)], capture_output=True, text=True)
    assert agreed.returncode == 0, agreed.stdout
