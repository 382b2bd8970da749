"""A scripted model invents a control; it is kept on its merits, and leaves the run with its evidence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.agent.scripted_server import Answer, Request, ScriptedServer, said
from tests.end_to_end.a_short_run import SZILARD, git, launches, trailer
from tests.end_to_end.test_bad_input import refused, szilard

pytestmark = pytest.mark.slow
EASY = Path(__file__).parent / "easy_domain.py"
EXTRAPOLATION = '''\
"""Extrapolation: score a point further along the way that training went (ExPO, arXiv 2404.16792)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn


@dataclass(frozen=True)
class Extrapolation:
    factor: float = 2.0
    kind: ClassVar[str] = "average"

    @torch.no_grad()
    def update(self, average: nn.Module, policy: nn.Module) -> None:
        if not hasattr(average, "start"):
            average.start = [weight.clone() for weight in average.parameters()]
        weights = zip(average.parameters(), policy.parameters(), average.start, strict=True)
        for kept, current, start in weights:
            kept.copy_(start + self.factor * (current - start))
'''
IDLE = EXTRAPOLATION.replace("kept.copy_(start", "(start")
IMPORT = "from controls.last_iterate import LastIterate\n"


def reply(control: str) -> Answer:
    proposal = {
        "hypothesis": "A point further along the way that eight steps went writes more products",
        "mechanism": "So short a training ends long before it overshoots: its direction is worth more steps.",
        "predicted_score_change": 0.1,
        "predicted_entropy": 0.4,
        "edits": [
            {"path": "controls/extrapolation.py", "content": control},
            {
                "path": "entropy_control.py",
                "search": IMPORT,
                "replace": "from controls.extrapolation import Extrapolation\n",
            },
            {
                "path": "entropy_control.py",
                "search": "AVERAGE = LastIterate()",
                "replace": "AVERAGE = Extrapolation()",
            },
        ],
    }
    return said(json.dumps(proposal))


@dataclass(frozen=True)
class Invented:
    run: Path
    domain: Path
    told: list[str]


@pytest.fixture(scope="module")
def invented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Invented]:
    """A run in a domain whose baseline trains too gently."""
    folder = tmp_path_factory.mktemp("invention")
    text, rate = EASY.read_text(), '"1e-3"'
    assert rate in text
    (folder / "gently.py").write_text(text.replace(rate, '"6e-4"'))
    told: list[str] = []

    def mend(request: Request) -> Answer:
        told.append(request.messages[-1]["content"])
        return reply(EXTRAPOLATION)

    command = [
        *(SZILARD, "run", "Write more products", "--environment", str(folder / "gently.py")),
        *("--metric", "pass@1", "--attempts", "1", "--seeds", "4", "--workers", "2", "--json"),
        *("--runs-dir", str(folder), "--name", "invents", "--model", "scripted"),
    ]
    with ScriptedServer(reply(IDLE), mend) as server:
        reach = {"OPENAI_BASE_URL": server.base_url, "OPENAI_API_KEY": "sk-none"}
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=590, env={**os.environ, **reach}
        )
    assert done.returncode == 0, done.stderr
    return Invented(folder / "invents", folder / "gently.py", told)


def test_a_control_that_fails_its_check_goes_back_to_the_model_before_it_costs_a_training(
    invented: Invented,
) -> None:
    (failure,) = invented.told
    assert "controls/extrapolation.py is refused" in failure
    assert "the average never moves" in failure
    assert git(invented.run, "show", "attempts/0001:controls/extrapolation.py") == EXTRAPOLATION
    trained = {
        json.loads(row)["folder"] for row in (invented.run / "trainings.jsonl").read_text().splitlines()
    }
    assert {"0000", "0001"} <= trained
    assert set(launches(invented.run).values()) == {1}


def test_it_is_kept_by_the_statistics_and_confirmed_on_tasks_that_it_has_not_touched(
    invented: Invented,
) -> None:
    assert trailer(invented.run, 1, "Verdict") == "kept"
    assert float(trailer(invented.run, 1, "P-Value")) < float(trailer(invented.run, 1, "Threshold"))
    confirmation = json.loads((invented.run / "confirmation.json").read_text())
    assert confirmation["confirmed"]
    assert confirmation["interval"][0] > 0


def test_it_leaves_the_run_with_a_test_and_its_figures_ready_for_another(
    invented: Invented, tmp_path: Path
) -> None:
    out = tmp_path / "taken"
    done = szilard("export", invented.run, "--control", out)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == [
        "extrapolation.md",
        "extrapolation.py",
        "test_extrapolation.py",
    ]
    assert (out / "extrapolation.py").read_text() == EXTRAPOLATION
    page = (out / "extrapolation.md").read_text()
    for name in ("Score-Change", "Seed-Changes", "P-Value", "Alpha-Spent", "Seeds"):
        assert trailer(invented.run, 1, name) in page.replace("\\", ""), name
    assert "attempt 1 confirmed" in page
    assert "+AVERAGE = Extrapolation()" in page
    assert szilard("controls", "check", out / "extrapolation.py").returncode == 0
    tested = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", out / "test_extrapolation.py"],
        capture_output=True,
        text=True,
        cwd=out,
    )
    assert tested.returncode == 0, tested.stdout
    planned = szilard(
        *(
            "run",
            "Write more products",
            "--environment",
            invented.domain,
            "--runs-dir",
            tmp_path,
            "--dry-run",
        ),
        *("--control", out / "extrapolation.py"),
    )
    assert "Your controls: extrapolation" in planned.stdout
    assert "exists already" in refused("export", invented.run, "--control", out)
