"""The wheel: what a user without a clone gets."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("agent", "environments", "evaluators", "workspaces")

pytestmark = pytest.mark.slow


def command(*words: str | Path, cwd: Path) -> str:
    done = subprocess.run(list(map(str, words)), cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command(
        *(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"),
        *("--wheel-dir", folder, ROOT),
        cwd=folder,
    )
    (built,) = folder.glob("szilard-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel in it; its dependencies are those of this interpreter."""
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    site = Path(
        command(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip()
    )
    (site / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    command(
        *(sys.executable, "-m", "pip", "--python", python, "install"),
        *("--quiet", "--no-deps", "--no-index", "--force-reinstall", wheel),
        cwd=folder,
    )
    return folder


def test_wheel_holds_every_tracked_file_of_the_four_rooms(wheel: Path) -> None:
    tracked = command("git", "ls-files", *ROOMS, cwd=ROOT).split()
    held = set(zipfile.ZipFile(wheel).namelist())
    assert [path for path in tracked if (ROOT / path).exists() and path not in held] == []


def test_wheel_holds_the_template_the_policy_and_the_prompts(wheel: Path) -> None:
    held = set(zipfile.ZipFile(wheel).namelist())
    assert "workspaces/templates/grpo/recipe.py" in held
    assert "workspaces/templates/pretraining/train.py" in held
    assert any(path.startswith("workspaces/templates/controls/") for path in held)
    assert "workspaces/templates/checks/check_control.py" in held
    for domain in ("countdown", "melody"):
        files = {f"environments/{domain}/policy/{name}" for name in ("config.json", "model.safetensors")}
        assert files <= held
    assert any(path.startswith("agent/context/") and path.endswith(".md") for path in held)


def test_wheel_holds_nothing_outside_the_four_rooms(wheel: Path) -> None:
    roots = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert {root for root in roots if not root.endswith(".dist-info")} == set(ROOMS)


def test_installed_wheel_answers_help(installed: Path) -> None:
    origin = command(installed / "bin" / "python", "-c", "import agent; print(agent.__file__)", cwd=installed)
    assert Path(origin.strip()).is_relative_to(installed)
    assert "run" in command(installed / "bin" / "szilard", "--help", cwd=installed)


def test_installed_wheel_can_read_the_shipped_environment(installed: Path) -> None:
    program = (
        "from environments import registry\n"
        "from evaluators.policy import load_policy\n"
        "for environment in map(registry.load, ('countdown', 'language_model', 'melody')):\n"
        "    load_policy(environment.starting_policy())\n"
        "    assert all(path.is_file() for path in environment.workspace_template().values())\n"
    )
    command(installed / "bin" / "python", "-c", program, cwd=installed)
