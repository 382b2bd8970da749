"""Each kept change is left out once, on seeds that nobody was chosen by, and what it carried is told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from agent.ablation import ABLATION_SEEDS, NothingToLeaveOut, ablate, parts_of, reductions, sentence
from agent.closing_seeds import planned_closing_seeds
from agent.confirm import Confirming
from agent.decision import Verdict
from agent.laboratory import Laboratory
from agent.referee import Referee
from agent.researchers.configuration import Configuration, ordered
from agent.researchers.control_table import CONTROLS
from agent.seeds import every_seed, seed_plan
from tests.agent.a_laboratory import SEEDS, PutIn, build_laboratory, gained, put_scores
from workspaces.workspace import Workspace

TEMPLATE = "RATE = 1\n\nSTEPS = 100\n\nBONUS = 0\n"
NOISE = (0.0, 0.001, -0.001, 0.0005, -0.0005, 0.0015)


@pytest.fixture
def laboratory(tmp_path: Path) -> Laboratory:
    return build_laboratory(tmp_path, TEMPLATE)


def confirming_of(laboratory: Laboratory, blocks: int) -> Confirming:
    return Confirming(
        laboratory.directory,
        laboratory.settings,
        PutIn(laboratory.directory / "policy"),
        laboratory.ledger,
        laboratory.measurer,
        laboratory.history,
        laboratory.observer,
        every_seed(SEEDS, blocks),
        planned_closing_seeds(laboratory.settings, points=0),
    )


def keep(laboratory: Laboratory, number: int, recipe: str, level: float, *, on: str, parent: int) -> str:
    """An attempt that is kept on `level` above the baseline; returns its result commit."""
    code = laboratory.ledger.commit_code(
        number, on, parent, {"recipe.py": recipe}, hypothesis=f"number {number} solves more",
        mechanism="It does.", researcher="catalogue", predicted_score_change=0.1, predicted_entropy=0.3,
    )  # fmt: skip
    put_scores(laboratory, code, [score + level for score in gained((0.1, 0.101, 0.098, 0.103))])
    referee = Referee(laboratory, {number: number - 1})
    comparator = on
    verdict = Verdict("kept", level, 0.001, (0.0, 1.0), 0.01, SEEDS, (), "it does")
    referee.rule(number, parent, comparator, code, verdict, seed_plan(SEEDS).until(SEEDS))
    return laboratory.ledger.incumbent()


def one_after_another(work: Callable[[int, Workspace], None], items: list[int]) -> None:
    for item in items:
        work(item, None)  # type: ignore[arg-type]


def put_fresh(laboratory: Laboratory, commit: str, level: float, turn: int = 0) -> None:
    """Scores on the seeds of an ablation after two promotions, around a level."""
    first = every_seed(SEEDS, 2).stop
    values = [0.0] * first + [level + noise for noise in (*NOISE[turn:], *NOISE[:turn])]
    outcomes = [(value - 0.1, value + 0.1) for value in values]
    put_scores(laboratory, commit, values, outcomes, only=range(first, first + len(NOISE)))


def test_each_kept_change_is_left_out_once_and_what_carried_is_told(laboratory: Laboratory) -> None:
    first = keep(
        laboratory, 1, TEMPLATE.replace("RATE = 1", "RATE = 5"), 0.0, on=laboratory.baseline, parent=0
    )
    both = TEMPLATE.replace("RATE = 1", "RATE = 5").replace("BONUS = 0", "BONUS = 7")
    winner = keep(laboratory, 2, both, 0.2, on=first, parent=1)
    confirming = confirming_of(laboratory, 2)
    parts = parts_of(confirming)
    assert [part.label for part in parts] == ["attempt 2", "attempt 1"]
    assert parts[0].files["recipe.py"] == TEMPLATE.replace("RATE = 1", "RATE = 5")
    assert parts[1].files["recipe.py"] == TEMPLATE.replace("BONUS = 0", "BONUS = 7")
    put_fresh(laboratory, winner, 0.70)
    for index, (part, level) in enumerate(zip(parts, (0.60, 0.6995), strict=True)):
        put_fresh(
            laboratory, laboratory.ledger.commit_without(2, index, part.label, part.files), level, index + 1
        )
    result = ablate(confirming, one_after_another)
    assert result["attempt"] == 2
    assert len(result["seeds"]) == ABLATION_SEEDS
    assert not set(result["seeds"]) & set(confirming.seeds)
    roles = {part["label"]: (round(part["change"], 4), part["role"]) for part in result["parts"]}
    assert roles == {"attempt 2": (0.1, "carried"), "attempt 1": (0.0005, "not told apart")}
    assert "without attempt 2 -0.100 (carried)" in sentence(result)
    assert ablate(confirming, one_after_another) == result, "what is measured is not measured again"
    assert "ablation.json" in laboratory.ledger.evidence()


def test_a_winner_of_one_change_has_nothing_to_leave_out(laboratory: Laboratory) -> None:
    keep(laboratory, 1, TEMPLATE.replace("RATE = 1", "RATE = 5"), 0.0, on=laboratory.baseline, parent=0)
    assert parts_of(confirming_of(laboratory, 1)) == []
    assert "nothing to leave out" in sentence(ablate(confirming_of(laboratory, 1), one_after_another))


def test_a_run_that_kept_nothing_cannot_be_taken_apart(laboratory: Laboratory) -> None:
    with pytest.raises(NothingToLeaveOut, match="kept nothing"):
        ablate(confirming_of(laboratory, 0), one_after_another)


def test_what_displaced_the_baselines_loss_is_left_out_for_that_loss() -> None:
    table = CONTROLS
    ours = Configuration(ordered({"ClipHigher": 0.28}, table), 1e-4, 150)
    theirs = Configuration(ordered({"ForkingTokens": 0.2, "EntropyBonus": 0.01}, table), 1e-4, 150)
    rests = {label: dict(rest.controls) for label, rest in reductions(ours, theirs, table)}
    assert rests[table["ClipHigher"].described(0.28)] == {"ForkingTokens": 0.2}
    removal = f"the removal of {table['EntropyBonus'].described(0.01)}"
    assert rests[removal] == {"ClipHigher": 0.28, "EntropyBonus": 0.01}
    assert len(rests) == 2
