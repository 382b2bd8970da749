"""The probes that a run makes of its own baseline: they cost a few scorings, and no training.

Owns what a run asks of its domain before the first attempt, and the refusal. Probes that edit, revert or
train again are those of `szilard env assess`, whose verdict is read where there is one. What its own seeds
can show, headroom included, a run says in words (`agent.noise`) and does not refuse by.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from agent.assess.policies import RANDOM, START, degraded_policies, trivial_policies
from agent.assess.record import known
from agent.measure import Measurer
from agent.scorer import score_each
from agent.state_files import read_json, write_json
from environments import probes
from environments.base import Score, Split, SzilardError
from environments.suitability import LIMITS, Assessment, Probe, answer, assess
from workspaces.folders import delete_folder
from workspaces.measurements import Measurement
from workspaces.review.record import ASSESSMENT_FILE

UNTRAINED_FILE = "untrained.json"


class Unsuitable(SzilardError):
    """The domain lacks something that autonomous research needs; the message names the probe."""


class BaselineProbes:
    """What a run measures of its domain; scores are kept in the run's folder, so that it can be resumed."""

    def __init__(self, directory: Path, measurer: Measurer) -> None:
        self.directory = directory
        self.measurer = measurer
        self._settings = measurer.settings
        self._policies = directory / "assessment"

    def read_known(self) -> tuple[Assessment, Path] | None:
        """What `szilard env assess` said of this very domain and metric, in the folder of the runs."""
        found = known(self.measurer.environment, self.directory.parent, self._settings.metric)
        return None if found is None else (found[0].assessment, found[1])

    def score_untrained(self) -> tuple[Score, list[Probe]]:
        """Score the starting policy three times, and trivial ones; what is known before any training."""
        start = self.measurer.environment.starting_policy()
        made = trivial_policies(self.measurer.environment, start, self._policies, abs(self._settings.seed))
        repeated = {f"{START} {number}": start for number in range(LIMITS.repeats)}
        found = self._scores({**repeated, **made})
        delete_folder(self._policies)
        repeats = [found.pop(name) for name in repeated if name in found]
        if len(repeats) < LIMITS.repeats:
            raise Unsuitable(
                f"The starting policy of {self.measurer.environment.spec.name} cannot be scored: "
                "mend the domain's `score`."
            )
        known_scores = {
            "repeats": [self._settings.signed(score) for score in repeats],
            "trivial": {name: self._settings.signed(score) for name, score in found.items()},
        }
        write_json(self.directory / UNTRAINED_FILE, known_scores)
        return repeats[0], [self._scalar({START: repeats[0], **found})]

    def of_baseline(self, start: Score, baseline: Mapping[int, Measurement]) -> list[Probe]:
        """The trained baseline, by its own measurements and a few degraded copies of its first policy."""
        measured = list(baseline.values())
        values = [self._settings.signed(one.score) for one in measured]
        mean, sigma = statistics.fmean(values), statistics.stdev(values)
        untrained = self._untrained(start)
        repeats: list[float] = untrained["repeats"]
        trivial: dict[str, float] = untrained["trivial"]
        degraded = {START: statistics.fmean(repeats)}
        trained = (
            self.directory / "attempts" / "0000" / f"{Split.SELECTION}-{min(baseline)}" / "out" / "policy"
        )
        if trained.is_dir():
            made = degraded_policies(trained, self._policies, abs(self._settings.seed))
            degraded |= {name: self._settings.signed(score) for name, score in self._scores(made).items()}
            delete_folder(self._policies)
        environment = self.measurer.environment
        delay = environment.score_delay
        others = {name: value for name, value in trivial.items() if name != RANDOM}
        found = [
            self._scalar({f"baseline seed {seed}": one.score for seed, one in baseline.items()}),
            probes.determinism(repeats, sigma, mean - statistics.fmean(repeats)),
            probes.known_groups(values, degraded, trivial, sigma),
            probes.attempt_seconds([one.wall_seconds + one.score_seconds + delay for one in measured]),
            probes.seed_noise(values, len({one.policy_hash for one in measured})),
            probes.immediacy(
                delay + statistics.median(one.score_seconds for one in measured),
                statistics.median(one.wall_seconds for one in measured),
                environment.scored_by_person,
            ),
        ]
        if others:
            found.append(probes.gaming(mean, others, trivial.get(RANDOM)))
        return found

    def of_commands(self, baseline: Mapping[int, Measurement]) -> list[Probe]:
        """The trained baseline of a domain without a policy: there are none that are known to be worse."""
        measured = list(baseline.values())
        values = [self._settings.signed(one.score) for one in measured]
        left = len(measured) if self._settings.deterministic else len({one.policy_hash for one in measured})
        if len(set(values)) == 1:
            told = f"{len(values)} seeds have one score; without noise no gain can be tested"
            return [answer("M3", "unsuitable", 0.0, told)]
        return [
            self._scalar({f"baseline seed {seed}": one.score for seed, one in baseline.items()}),
            probes.attempt_seconds([one.wall_seconds + one.score_seconds for one in measured]),
            probes.seed_noise(values, left),
        ]

    def keep(self, verdict: Assessment, forced: bool) -> None:
        write_json(self.directory / ASSESSMENT_FILE, {"forced": forced, **verdict.to_json()})

    def _untrained(self, start: Score) -> Mapping[str, Any]:
        """What `score_untrained` kept; of a run that was begun before there was such, the start's score."""
        path = self.directory / UNTRAINED_FILE
        if path.exists():
            return read_json(path, "repeats", "trivial")
        return {"repeats": [self._settings.signed(start)], "trivial": {}}

    def _scalar(self, scores: Mapping[str, Score]) -> Probe:
        metric, spec = self._settings.metric, self.measurer.environment.spec
        return probes.scalar({n: s.metrics[metric].value for n, s in scores.items()}, *spec.range)

    def _scores(self, policies: Mapping[str, Path]) -> dict[str, Score]:
        seed, scorer = self.measurer.derived.tasks_seed(Split.SELECTION), self.measurer.scorer
        answers = score_each(scorer, policies, Split.SELECTION, seed, self._settings.workers)
        return {name: found for name, found in answers.items() if isinstance(found, Score)}


def require(found: Sequence[Probe], forced: bool) -> Assessment:
    """The verdict on these probes.

    Raises:
        Unsuitable: one of them blocks, and it is not forced.
    """
    verdict = assess(found)
    if verdict.outcome == "unsuitable" and not forced:
        raise Unsuitable(refusal(verdict.reason))
    return verdict


def refusal(reason: str) -> str:
    return f"This domain cannot be researched as it is. {reason} To run it all the same: --force."
