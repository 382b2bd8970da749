"""Domains that lack one property are found unsuitable by the probe that asks for it; a sound one is not.

They train in a blink: what is tested is the walk from adapter to verdict, with real git, sandbox and scorer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from agent.assess.assessing import Asked
from agent.assess.open import Answered, assessed
from agent.assess.record import content_hash
from agent.plan import plan_training
from environments.examples import unsuitable
from environments.registry import load

FOLDER = Path(unsuitable.__file__).parent
SOUND = '''
from environments.examples.direction import Direction


class Sound(Direction):
    """The smallest honest domain, by path."""
'''
CONTROLS = {
    "coin_flip": ("M2", "M4", "M6"),
    "constant_score": ("M6",),
    "constant_wins": ("M7",),
    "day_late": ("F1",),
    "drifting_judge": ("M2",),
    "monolith": ("A1",),
    "never_imported": ("A3",),
    "noisy": ("M5",),
    "not_in_git": ("V1",),
    "reports_itself": ("A1",),
}
FAST = ("monolith",)


def assess(path: Path, runs: Path, seed: int = 0, asked: Asked | None = None) -> Answered:
    settings = plan_training(
        goal="Assess",
        environment=str(path),
        metric=None,
        guards=None,
        minutes=None,
        seeds=None,
        workers=2,
        device="cpu",
        folder=runs,
        seed=seed,
        sandbox="auto",
    )
    return assessed(settings, asked or Asked("quick"), runs, lambda event: None)


def test_every_negative_control_is_tested() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} == set(CONTROLS)


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in CONTROLS]
)
def test_a_negative_control_is_unsuitable_for_the_right_reason(name: str, tmp_path: Path) -> None:
    record = assess(FOLDER / f"{name}.py", tmp_path / "runs").record
    assert record.assessment.outcome == "unsuitable"
    assert record.assessment.deciding in CONTROLS[name], record.assessment.reason
    assert "To mend it" in record.assessment.reason
    assert record.trainings <= 8


@pytest.mark.slow
def test_a_sound_domain_is_suitable_and_asked_again_it_is_known(tmp_path: Path) -> None:
    path = tmp_path / "sound.py"
    path.write_text(SOUND)
    first = assess(path, tmp_path / "runs")
    assert first.record.assessment.outcome == "suitable", first.record.assessment.reason
    assert first.record.trainings == 8
    assert {"M1", "A1", "V1", "V2"} <= {probe.id for probe in first.record.assessment.probes}
    for file in ("assessment.json", "assessment.md", "assessment.svg", "assessment.png"):
        assert (first.folder / file).stat().st_size > 0
    again = assess(path, tmp_path / "runs")
    assert again.known
    assert again.record == first.record
    full = assess(path, tmp_path / "runs", asked=Asked("full"))
    assert not full.known
    assert full.record.trainings <= 45
    assert "A4" in {probe.id for probe in full.record.assessment.probes}
    assert full.record.assessment.outcome in ("suitable", "conditional")
    before = content_hash(load(str(path)))
    path.write_text(SOUND.replace("honest", "changed"))
    assert content_hash(load(str(path))) != before
