"""Researchers that know the catalogue's options and not their meaning: honest baselines for the others.

Owns two ways to choose from the whole space: uniformly, and by Optuna's tree-structured Parzen estimator.
At the same budget they tell whether a cleverer researcher earned its keep.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from agent.proposal import Proposal
from agent.researchers.base import Context, NoProposal
from agent.researchers.configuration import Configuration, edits, read, scientific
from agent.researchers.configuration_space import Option, choices_of, choose_configuration
from agent.researchers.control_table import Table, go_together, table_of
from agent.researchers.tried import Tried, attempts_tried

if TYPE_CHECKING:
    import optuna

_DRAWS = 200


class _Blind:
    """What these researchers share: they know one way to write a configuration."""

    def repair(self, context: Context, proposal: Proposal, failure: str, directory: Path) -> Proposal:
        """Refuse. Raises NoProposal, always."""
        raise NoProposal(f"a blind researcher cannot repair its proposal: {failure}")


@dataclass(frozen=True)
class RandomResearcher(_Blind):
    """Draws every choice uniformly (random search: Bergstra & Bengio, JMLR 13, 2012)."""

    name: str = "random"

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Propose an untried configuration.

        Raises:
            NoProposal: the baseline cannot be read as a configuration, or nothing untried was drawn.
        """
        rng = np.random.default_rng(context.seed)
        table, baseline = space_of(context)

        def choose(question: str, options: Sequence[Option]) -> Option:
            return options[int(rng.integers(len(options)))]

        target = _untried(context, table, lambda: choose_configuration(choose, baseline, table))
        return _proposal(context, table, target, "drawn at random", "Every choice was drawn uniformly.")


@dataclass(frozen=True)
class TpeResearcher(_Blind):
    """Asks Optuna's TPE sampler, which is told of every attempt so far (Bergstra et al., NeurIPS 2011).

    The study is built anew from the history for every proposal, so that nothing of it needs to be kept.
    """

    name: str = "tpe"

    def propose(self, context: Context, directory: Path) -> Proposal:
        """Propose an untried configuration.

        Raises:
            NoProposal: the baseline cannot be read as a configuration, or nothing untried was drawn.
        """
        table, baseline = space_of(context)
        study = _study(context, table, baseline)
        target = _untried(context, table, lambda: _asked(study, baseline, table))
        told = (
            f"Optuna's TPE sampler chose it, told of {len(study.get_trials(deepcopy=False))} configurations."
        )
        return _proposal(context, table, target, "chosen by TPE", told)


def space_of(context: Context) -> tuple[Table, Configuration]:
    """The controls that there are to choose from, the parent's own among them, and the baseline's choice.

    Raises:
        NoProposal: the baseline cannot be read as a configuration.
    """
    table = table_of({**context.baseline.files, **context.files})
    baseline = read(context.baseline.files, table)
    if baseline is None:
        raise NoProposal("the baseline's recipe.py and entropy_control.py cannot be read; use --model")
    return table, baseline


def _untried(context: Context, table: Table, draw: Callable[[], Configuration]) -> Configuration:
    seen = {one.configuration for one in _seen(context, table)}
    for _ in range(_DRAWS):
        drawn = draw()
        if drawn not in seen and go_together([name for name, _ in drawn.controls], table):
            return drawn
    raise NoProposal(f"{_DRAWS} draws gave nothing that was not tried")


def _seen(context: Context, table: Table) -> list[Tried]:
    return attempts_tried(context, context.noise or 0.0, table)


def _proposal(context: Context, table: Table, target: Configuration, how: str, why: str) -> Proposal:
    label = target.described(table)
    where = f"at {scientific(target.learning_rate)} for {target.steps} steps"
    return Proposal(
        hypothesis=f"{label[0].upper()}{label[1:]} {where}, {how}"[:200],
        mechanism=f"{why} No mechanism is claimed, and no change predicted: this is what a cleverer choice "
        "has to beat.",
        predicted_score_change=0.0,
        predicted_entropy=round(context.incumbent.entropy or context.baseline.entropy or 0.0, 4),
        edits=edits(context.files, target, context.baseline.files, table),
    )


def _study(context: Context, table: Table, baseline: Configuration) -> optuna.Study:
    import optuna
    from optuna.trial import TrialState, create_trial

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=context.seed % 2**32)
    )
    for one in _seen(context, table):
        if one.gain is None:
            continue
        params, distributions = _answered(one.configuration, baseline, table)
        study.add_trial(
            create_trial(
                state=TrialState.COMPLETE, params=params, distributions=distributions, value=one.gain
            )
        )
    return study


def _asked(study: optuna.Study, baseline: Configuration, table: Table) -> Configuration:
    trial = study.ask()

    def choose(question: str, options: Sequence[Option]) -> Option:
        if isinstance(options[0], str):
            return str(trial.suggest_categorical(question, tuple(options)))
        return options[int(trial.suggest_int(question, 0, len(options) - 1))]

    return choose_configuration(choose, baseline, table)


def _answered(
    configuration: Configuration, baseline: Configuration, table: Table
) -> tuple[dict[str, int | str], dict[str, optuna.distributions.BaseDistribution]]:
    """A configuration as Optuna stores it: places in the order of the options, and names."""
    from optuna.distributions import BaseDistribution, CategoricalDistribution, IntDistribution

    answers = choices_of(configuration, baseline, table)
    params: dict[str, int | str] = {}
    distributions: dict[str, BaseDistribution] = {}

    def choose(question: str, options: Sequence[Option]) -> Option:
        answer = answers[question]
        if isinstance(answer, str):
            params[question] = answer
            distributions[question] = CategoricalDistribution(tuple(options))
        else:
            params[question] = options.index(answer)
            distributions[question] = IntDistribution(0, len(options) - 1)
        return answer

    choose_configuration(choose, baseline, table)
    return params, distributions
