"""An executor on either tier, and a job for it."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from workspaces.executors.base import Job, Limits
from workspaces.executors.local import LocalExecutor
from workspaces.sandbox import Sandbox, choose_sandbox


@pytest.fixture(scope="module")
def bubblewrap() -> Sandbox:
    return choose_sandbox("bubblewrap")


@pytest.fixture(params=["bubblewrap", "landlock", "none"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    return choose_sandbox(request.param)


@pytest.fixture
def executor(sandbox: Sandbox) -> Iterator[LocalExecutor]:
    made = LocalExecutor(sandbox, workers=2)
    yield made
    made.close()


@pytest.fixture
def job(tmp_path: Path) -> Callable[..., Job]:
    """Makes a job out of Python code; further words are limits."""

    def make(code: str, *, name: str = "job", device: str = "cpu", **limits: float) -> Job:
        workspace = tmp_path / name / "tree"
        workspace.mkdir(parents=True, exist_ok=True)
        (workspace / "main.py").write_text(code)
        wanted = Limits(**{"wall_seconds": 20.0, **limits})  # type: ignore[arg-type]
        return Job(
            name, workspace, tmp_path / name / "out", ("python", "-S", "main.py"), wanted, device=device
        )

    return make


@pytest.fixture
def seconds() -> str:
    """A long time to sleep that no other process sleeps."""
    return str(10_000_000 + secrets.randbelow(10_000_000))
