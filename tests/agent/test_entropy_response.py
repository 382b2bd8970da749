"""What a researcher is told of how the score follows entropy: what was measured, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from agent.context.build import proposal_prompt
from agent.context.entropy_response import FEWEST, entropy_response
from agent.researchers.base import HistoryEntry
from tests.agent.a_conversation import BASELINE, CONTEXT, attempt

HIGH = [(0.2, 0.6), (0.3, 0.61), (0.4, 0.65), (0.5, 0.7), (0.6, 0.71)]


def measured(points: list[tuple[float | None, float | None]]) -> list[HistoryEntry]:
    return [attempt(number, entropy=h, score=s) for number, (h, s) in enumerate(points, 1)]


@pytest.mark.parametrize(("sign", "says"), [(1, "rises"), (-1, "falls")])
def test_the_sign_is_that_of_what_was_measured(sign: int, says: str) -> None:
    told = entropy_response(measured([(h, sign * s) for h, s in HIGH]))
    assert f"the score {says} with final entropy" in told
    assert f"{sign:+.2f}" in told
    assert "5 trainings" in told


@pytest.mark.parametrize(
    "points",
    [[], HIGH[: FEWEST - 1], [(0.3, s) for _, s in HIGH], [*HIGH[:4], (None, 0.7)], [*HIGH[:4], (0.6, None)]],
    ids=["none", "too few", "equal entropies", "an entropy unknown", "a score unknown"],
)
def test_where_there_is_too_little_nothing_is_claimed(
    points: list[tuple[float | None, float | None]],
) -> None:
    assert "not known yet" in entropy_response(measured(points))


def test_a_language_model_is_told_and_not_that_entropy_is_to_be_spent() -> None:
    history = tuple(measured([(h, s) for h, s in HIGH]))
    assert "the score rises with final entropy" in proposal_prompt(
        replace(CONTEXT, history=(BASELINE, *history))
    )
