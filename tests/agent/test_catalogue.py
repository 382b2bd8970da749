"""What the catalogue proposes: enough of everything at first, and then what this run has measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from agent.researchers.base import HistoryEntry
from agent.researchers.configuration import Configuration, edits, neighbours, read
from agent.researchers.control_table import CONTROLS
from agent.researchers.surrogate import Observation, Surrogate
from agent.researchers.wording import Known, hypothesis
from tests.agent.a_synthetic_run import (
    BASELINE,
    FILES,
    SEEDS,
    SPEC,
    Run,
    Truth,
    catalogue,
    context_of,
    elsewhere,
    entropy_of,
    measured,
    random_proposal,
)
from workspaces.edits import apply_edits


@pytest.mark.parametrize(("truth", "more"), [(measured, 0.002), (elsewhere, 0.0)])
def test_catalogue_finds_more_than_chance_whatever_helps(truth: Truth, more: float) -> None:
    informed = [truth(Run(seed, 24, truth, catalogue).winner) for seed in range(6)]
    chance = [truth(Run(seed, 24, truth, random_proposal).winner) for seed in range(6)]
    assert np.mean(informed) > np.mean(chance) + more
    assert np.mean(informed) > 0.005


def test_a_short_run_finds_a_gain_more_often_than_not() -> None:
    found = [measured(Run(seed, 8, measured, catalogue).winner) for seed in range(24)]
    assert np.mean(np.array(found) > 0.002) > 0.5


def test_no_configuration_is_proposed_twice() -> None:
    for seed in range(2):
        configurations = Run(seed, 30, measured, catalogue).configurations
        assert len(set(configurations)) == len(configurations)


def test_attempts_in_flight_are_not_proposed_again() -> None:
    run = Run(0, 1, measured, catalogue)
    first = catalogue(context_of(run, 5, history=()))
    files = apply_edits(FILES, first.edits, editable=SPEC.editable, protected=())
    flying = replace(run.history[1], files=files, verdict=None, score=None, score_change=None, entropy=None)
    first_found = read(files)
    assert first_found is not None
    flying_kinds = [name for name, _ in first_found.controls]
    for seed in range(12):
        other = catalogue(context_of(run, seed, history=(flying,)))
        found = read(apply_edits(FILES, other.edits, editable=SPEC.editable, protected=()))
        assert found is not None
        assert [name for name, _ in found.controls] != flying_kinds


def test_equal_contexts_give_equal_proposals_and_other_seeds_others() -> None:
    run = Run(3, 4, measured, catalogue)
    assert catalogue(context_of(run, 1)) == catalogue(context_of(run, 1))
    assert len({catalogue(context_of(run, seed)).edits for seed in range(12)}) >= 4
    assert Run(3, 6, measured, catalogue).proposals == Run(3, 6, measured, catalogue).proposals


def test_first_attempts_cover_several_controls() -> None:
    for seed in range(4):
        tried = {
            name
            for point in Run(seed, 8, lambda _: -0.005, catalogue).configurations
            for name, _ in point.controls
        }
        assert len(tried) >= 4


def test_most_early_proposals_move_control_and_learning_rate_together() -> None:
    run = Run(0, 1, measured, catalogue)
    targets = [
        read(
            apply_edits(
                FILES, catalogue(context_of(run, seed, history=())).edits, editable=("*.py",), protected=()
            )
        )
        for seed in range(20)
    ]
    assert BASELINE is not None
    together = [one for one in targets if one and one.controls and one.learning_rate > BASELINE.learning_rate]
    assert len(together) >= 12


def test_proposal_states_hypothesis_prediction_and_evidence() -> None:
    run = Run(1, 10, measured, catalogue)
    for proposal in run.proposals:
        assert len(proposal.hypothesis) < 120
        assert "\n" not in proposal.hypothesis
        assert 0.05 < proposal.predicted_entropy < 1.0
        assert abs(proposal.predicted_score_change) < 0.03
    assert "No prediction was tested yet" in run.proposals[0].mechanism
    assert max(len(proposal.mechanism) for proposal in Run(1, 24, measured, catalogue).proposals) < 4000
    assert "Of 9 predictions so far" in run.proposals[9].mechanism
    assert "change that the verdict stated was missed by" in run.proposals[9].mechanism


def kl_attempt(run: Run, above_mean: float, paired: float) -> HistoryEntry:
    """A screened-out attempt with KL to the start, by both of its figures."""
    target = Configuration((("KlToStart", 0.05),), 3e-5, 300)
    files = apply_edits(FILES, edits(FILES, target, FILES), editable=("*.py",), protected=())
    reached = (run.history[0].score or 0.0) + above_mean
    return replace(
        run.history[1], files=files, verdict="reverted", score=reached, score_change=paired, seeds=1
    )


def test_a_figure_says_whether_it_is_of_means_or_paired() -> None:
    run = Run(0, 1, measured, catalogue)
    entry = kl_attempt(run, above_mean=0.02, paired=0.01)
    told = [catalogue(context_of(run, seed, history=(entry,))).mechanism for seed in range(12)]
    of_kl = [line for line in told if "Attempts with KlToStart: 1 (" in line]
    assert of_kl
    for line in of_kl:
        assert "+0.02 ± " in line
        assert "n = 1, reverted" in line
        seeds = run.history[0].seeds
        assert f"means over an attempt's n seeds against the baseline's mean over its {seeds}" in line
        assert "Predicted of the change to its parent that the verdict will state: " in line


def test_an_attempt_hints_only_if_its_paired_change_was_a_gain_too() -> None:
    run = Run(0, 1, measured, catalogue)
    hints = [
        sum(
            "as attempt 1 hints" in catalogue(context_of(run, seed, history=(entry,))).hypothesis
            for seed in range(12)
        )
        for entry in (kl_attempt(run, 0.02, 0.01), kl_attempt(run, 0.02, -0.001))
    ]
    assert hints[0] > 0
    assert hints[1] == 0


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (
            ((("WeightAverage", 0.99),), 4.2e-4, 150),
            ((("WeightAverage", 0.95), ("EntropyBonus", 0.02)), 5.1e-4, 150),
            ["adding entropy bonus 0.02", "weight averaging 0.99 to 0.95", "5.1e-4"],
        ),
        (
            ((("ClipHigher", 0.28), ("PassAtKAdvantage", 2)), 3e-4, 150),
            ((("ClipCov", 0.02), ("PassAtKAdvantage", 3), ("KlToStart", 0.05)), 4.2e-4, 128),
            ["clip-higher 0.28", "Clip-Cov 0.02", "KL to the start 0.05", "pass@2", "to 3", "4.2e-4", "128"],
        ),
        (((), 3e-4, 150), ((), 4.2e-4, 128), ["with no control", "4.2e-4", "for 128 steps"]),
        (
            ((), 3e-4, 150),
            (
                (
                    ("ClipCov", 0.0002),
                    ("PassAtKAdvantage", 3),
                    ("WeightAverage", 0.99),
                    ("EntropyBonus", 0.0005),
                    ("KlToStart", 0.05),
                ),
                4.2e-4,
                128,
            ),
            [
                "4.2e-4",
                "for 128 steps",
                "+Clip-Cov 0.0002",
                "+pass@3",
                "+weight averaging 0.99",
                "and 2 more",
            ],
        ),
    ],
)
def test_a_hypothesis_names_every_changed_setting(
    before: tuple[Any, ...], after: tuple[Any, ...], said: list[str]
) -> None:
    run = Run(0, 1, measured, catalogue)
    parent, target = Configuration(*before), Configuration(*after)
    baseline = Configuration((), 3e-4, 150)
    surrogate = Surrogate(baseline, [], 0.004, 0.2)
    line = hypothesis(Known(context_of(run, 0), CONTROLS, baseline, parent, [], surrogate), target)
    assert len(line) < 120, line
    assert [part for part in said if part.lower() not in line.lower()] == [], line


def test_measurements_teach_the_surrogate_score_and_entropy() -> None:
    assert BASELINE is not None
    unseen = list(neighbours(BASELINE, BASELINE, {}, ()))
    true = [measured(configuration) for configuration in unseen]
    agreement = []
    for seed in range(4):
        run = Run(seed, 24, measured, catalogue)
        observations = [
            Observation(point, measured(point) + run.rng.normal(0, 0.002), 0.002, entropy_of(point))
            for point in run.configurations[1:]
        ]
        surrogate = Surrogate(BASELINE, observations, 0.002, entropy_of(BASELINE))
        expected = [surrogate.change(configuration)[0] for configuration in unseen]
        agreement.append(np.corrcoef(expected, true)[0, 1])
        entropies = [
            abs((entry.predicted_entropy or 0.0) - (entry.entropy or 0.0)) for entry in run.history[9:]
        ]
        assert np.mean(entropies) < 0.05
    assert np.mean(agreement) > 0.6


def test_minimised_metric_is_predicted_to_fall() -> None:
    spec = replace(SPEC, direction="minimise")
    run = Run(0, 1, measured, catalogue)
    kl = apply_edits(
        FILES,
        edits(FILES, Configuration((("KlToStart", 0.05),), 5.1e-5, 300), FILES),
        editable=("*.py",),
        protected=(),
    )
    good = replace(
        run.history[1], files=kl, verdict="kept", score=(run.history[0].score or 0.0) - 0.02, seeds=SEEDS
    )
    proposal = catalogue(context_of(run, 2, spec=spec, history=(good,)))
    assert proposal.predicted_score_change < 0


def test_attempt_that_broke_a_guard_is_not_followed() -> None:
    run = Run(0, 1, measured, catalogue)
    kl = apply_edits(
        FILES,
        edits(FILES, Configuration((("KlToStart", 0.05),), 5.1e-5, 300), FILES),
        editable=("*.py",),
        protected=(),
    )
    reached = (run.history[0].score or 0.0) + 0.02
    lead = replace(run.history[1], files=kl, score=reached, score_change=0.02, seeds=SEEDS, parent=0)
    praised = replace(lead, verdict="inconclusive", reason="needs about 9 seeds")
    broken = replace(lead, verdict="reverted", reason="guard pass@1 is -0.04, -0.02 is allowed")
    following = [
        sum(
            "KL to the start" in catalogue(context_of(run, seed, history=(entry,))).hypothesis
            for seed in range(12)
        )
        for entry in (praised, broken)
    ]
    assert following[0] >= 8
    assert following[1] <= following[0] / 2
