"""A run of the real template, proposals and decisions over a synthetic objective; nothing is trained."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from agent.arms import Arm
from agent.decision import Verdict, alpha_for_entrant, expected_entrants, judge
from agent.proposal import Proposal
from agent.researchers.base import Context, HistoryEntry
from agent.researchers.catalogue import CatalogueResearcher
from agent.researchers.configuration import Configuration, edits, neighbours, read
from agent.researchers.control_table import CONTROLS
from agent.seeds import block_after, seed_plan
from environments.base import EnvironmentSpec, Metric, Score
from workspaces.edits import apply_edits

TEMPLATE = Path(__file__).parents[2] / "workspaces" / "templates" / "grpo"
FILES = {name: (TEMPLATE / name).read_text() for name in ("recipe.py", "entropy_control.py")}
FILES["recipe.py"] = re.sub(r"^LEARNING_RATE = \S+", "LEARNING_RATE = 3e-5", FILES["recipe.py"], flags=re.M)
FILES["recipe.py"] = re.sub(r"^STEPS = \d+", "STEPS = 300", FILES["recipe.py"], flags=re.M)
BASELINE = read(FILES)
SEEDS = 5
ARM_NOISE = 0.002
SPEC = EnvironmentSpec(
    name="synthetic", version="1", description="", metric="S", metric_meaning="", direction="maximise",
    range=(0.0, 1.0), metrics=("S",), guards=(), editable=("*.py",), protected=(), train_command=("true",),
    budget={}, seconds_per_attempt=1.0, seeds=SEEDS,
)  # fmt: skip
Truth = Callable[[Configuration], float]


def measured(configuration: Configuration) -> float:
    """Effects as a countdown run shows them: a control pays together with a higher learning rate."""
    assert BASELINE is not None
    controls = dict(configuration.controls)
    pace = math.log(configuration.learning_rate / BASELINE.learning_rate)
    length = math.log(configuration.steps / BASELINE.steps)
    gain = best_pace = 0.0
    if "KlToStart" in controls:
        off = math.log(controls["KlToStart"] / 0.04)
        gain, best_pace = gain + 0.0055 - 0.003 * off**2, best_pace + 0.55 + 0.2 * off
    if "PassAtKAdvantage" in controls:
        gain, best_pace = gain + 0.0042 - 0.004 * math.log(controls["PassAtKAdvantage"] / 2), best_pace + 0.35
    if "EntropyBonus" in controls:
        gain, best_pace = gain + 0.001 - 0.15 * controls["EntropyBonus"], best_pace + 0.1
    if "ClipCov" in controls:
        gain, best_pace = gain - 0.0025, best_pace + 0.2
    if "ForkingTokens" in controls:
        gain -= 0.004
    return gain - 0.0075 * (pace + length - best_pace) ** 2 - 0.003 * abs(length)


def elsewhere(configuration: Configuration) -> float:
    """Another world: forking tokens and a little bonus are what helps, and KL hurts."""
    assert BASELINE is not None
    controls = dict(configuration.controls)
    pace = math.log(configuration.learning_rate / BASELINE.learning_rate)
    length = math.log(configuration.steps / BASELINE.steps)
    gain, best_pace = 0.0, 0.0
    if "ForkingTokens" in controls:
        gain, best_pace = (
            gain + 0.006 - 0.002 * abs(math.log(controls["ForkingTokens"] / 0.2)),
            best_pace + 0.6,
        )
    if "EntropyBonus" in controls:
        gain, best_pace = gain + 0.003 - 0.15 * controls["EntropyBonus"], best_pace + 0.2
    if "KlToStart" in controls:
        gain -= 0.02 * controls["KlToStart"] ** 0.5
    if "ClipCov" in controls:
        gain -= 0.002
    return gain - 0.0075 * (pace + length - best_pace) ** 2 - 0.003 * abs(length)


def entropy_of(configuration: Configuration) -> float:
    assert BASELINE is not None
    pace = math.log(configuration.learning_rate / BASELINE.learning_rate)
    length = math.log(configuration.steps / BASELINE.steps)
    return 0.28 * math.exp(-0.4 * pace - 0.3 * length + 0.2 * len(configuration.controls))


def random_proposal(context: Context) -> Proposal:
    """What a researcher without a surrogate would do: any neighbour of the parent."""
    parent = read(context.files)
    assert parent is not None
    assert BASELINE is not None
    known = {name: set(control.grid) for name, control in CONTROLS.items()}
    pool = list(neighbours(parent, BASELINE, known, set(CONTROLS)))
    target = pool[int(np.random.default_rng(context.seed).integers(len(pool)))]
    if target == parent:
        target = pool[0]
    return Proposal(
        hypothesis="something else", mechanism="chance", predicted_score_change=0.0, predicted_entropy=0.3,
        edits=edits(context.files, target, FILES),
    )  # fmt: skip


class Run:
    """A hill climb with the real decision rule over a synthetic objective; no training."""

    def __init__(
        self, seed: int, attempts: int, truth: Truth, propose: Callable[[Context], Proposal]
    ) -> None:
        assert BASELINE is not None
        self.truth, self.rng = truth, np.random.default_rng([seed, 1])
        self.configurations = [BASELINE]
        self.proposals: list[Proposal] = []
        base = self.train(BASELINE, range(SEEDS + 1))
        noise = float(np.std([score.value for score in base.scores.values()], ddof=1))
        mean = float(np.mean([score.value for score in base.scores.values()]))
        first = HistoryEntry(
            0,
            None,
            "template",
            "",
            "",
            None,
            None,
            "kept",
            None,
            mean,
            0.0,
            noise / len(base.scores) ** 0.5,
            entropy_of(BASELINE),
            len(base.scores),
            FILES,
        )
        self.history = [first]
        incumbent, best = first, base
        entrants: list[str] = []
        for number in range(1, attempts + 1):
            context = Context(
                goal="g", spec=SPEC, attempt=number, attempts=attempts, seed=seed * 1000 + number,
                parent=incumbent.number, files=incumbent.files, protected_files={}, baseline=first,
                incumbent=incumbent, history=tuple(self.history[1:]), noise=noise, diagnostics="",
            )  # fmt: skip
            proposal = propose(context)
            files = apply_edits(dict(incumbent.files), proposal.edits, editable=SPEC.editable, protected=())
            configuration = read(files)
            assert configuration is not None
            alpha = alpha_for_entrant(0.1, entrants, expected_entrants(attempts))
            arm = Arm({})
            while True:
                plan = seed_plan(SEEDS, block_after(entrants))
                verdict = judge(arm, best, base, SPEC, plan=plan, alpha=alpha, noise=noise)
                if isinstance(verdict, Verdict):
                    break
                seed = verdict.seed_index
                arm = Arm({**arm.scores, **self.train(configuration, [seed]).scores})
                if seed not in best.scores:
                    best = Arm(
                        {**best.scores, **self.train(self.configurations[incumbent.number], [seed]).scores}
                    )
            if verdict.alpha_spent:
                entrants.append(verdict.outcome)
            entry = HistoryEntry(
                number, incumbent.number, "catalogue", proposal.hypothesis, proposal.mechanism,
                proposal.predicted_score_change, proposal.predicted_entropy, verdict.outcome, verdict.reason,
                float(np.mean([score.value for score in arm.scores.values()])), verdict.change,
                verdict.standard_error, entropy_of(configuration) * math.exp(self.rng.normal(0, 0.04)),
                len(arm.scores), files,
            )  # fmt: skip
            self.history.append(entry)
            self.configurations.append(configuration)
            self.proposals.append(proposal)
            if verdict.outcome == "kept":
                incumbent, best = entry, arm
        self.winner = self.configurations[incumbent.number]

    def train(self, configuration: Configuration, seeds: range | list[int]) -> Arm:
        values = {seed: 0.669 + self.truth(configuration) + self.rng.normal(0, ARM_NOISE) for seed in seeds}
        return Arm({seed: Score("S", {"S": Metric(value)}) for seed, value in values.items()})


def catalogue(context: Context) -> Proposal:
    return CatalogueResearcher().propose(context, Path("unused"))


def context_of(run: Run, seed: int, **changes: object) -> Context:
    first = run.history[0]
    context = Context(
        goal="g", spec=SPEC, attempt=len(run.history), attempts=40, seed=seed, parent=0, files=first.files,
        protected_files={}, baseline=first, incumbent=first, history=tuple(run.history[1:]), noise=0.003,
        diagnostics="",
    )  # fmt: skip
    return replace(context, **changes)  # type: ignore[arg-type]
