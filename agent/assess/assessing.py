"""The walk of an assessment: what is trained and scored in which order, and where it stops.

Owns the order; every probe's formula is `environments.probes`'. It stops after the first step that found a
property missing which blocks: the rest would cost trainings and change no verdict.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

from agent.assess.bench import TEMPLATE, Bench, Training
from agent.assess.edits import divided, editable_files, numbers_of, of_nothing
from agent.assess.evaluator_files import Scored, files_of_scoring
from agent.assess.isolation import reached, self_reported
from agent.assess.policies import RANDOM, START, constant_answer, degraded_policies, trivial_policies
from agent.assess.regime import Regime, by_temperature, by_training, levers_of, trainings_of
from agent.trials import Variant
from environments import probes
from environments.base import Score, Split, SzilardError
from environments.suitability import LIMITS, ORDER, SAID, Assessment, Probe, assess

Form = Literal["quick", "full"]

BASELINE_SEEDS = 5
PLANTED_EDITS = 5
MOST_TRAININGS: Mapping[Form, int] = {"quick": 8, "full": 45}
LEAST_POLICIES = 4
TENTH = "trained a tenth as long"


@dataclass(frozen=True)
class Asked:
    """What an assessment is asked for: its form, hours of a whole research, smallest effect of interest."""

    form: Form
    hours: float = LIMITS.budget_hours
    effect: float | None = None


@dataclass
class _Policies:
    """The policies that are held against the baseline's: name -> folder, and what each scored."""

    folders: dict[str, Path] = field(default_factory=dict)
    scores: dict[str, Score] = field(default_factory=dict)


@dataclass(frozen=True)
class Finished:
    """An assessment that came to its end, and what it rests on."""

    assessment: Assessment
    trainings: int
    left_out: Sequence[str]
    baseline: Sequence[float]
    regime: Regime | None


class Assessing:
    """One assessment on its bench."""

    def __init__(self, bench: Bench, asked: Asked) -> None:
        self.bench = bench
        self.asked = asked
        self.spec = bench.environment.spec
        self._found: dict[str, Probe] = {}
        self._repeats: list[float] = []
        self._trivial, self._degraded = _Policies(), _Policies()
        self._regime: Regime | None = None
        self._template = bench.measurer.ledger.files(bench.commit(TEMPLATE))
        self._editable = editable_files(self._template, self.spec.editable)

    def to_the_end(self) -> Finished:
        """Probe after probe, until one blocks or all are measured.

        Raises:
            Interrupted: stopped by Ctrl-C or SIGTERM; the same command goes on.
            SzilardError: the template cannot be trained, or the evaluator failed.
        """
        steps: list[tuple[str, Callable[[], None]]] = [
            ("Scoring the starting policy and trivial ones", self._score_untrained),
            (f"Training the template on {BASELINE_SEEDS} seeds: this is also the noise", self._baseline),
            ("Holding the baseline against degraded and trivial policies", self._known_groups),
            ("Planting edits, reverting one, and training a clean checkout", self._edits),
            ("How the score answers to entropy", self._entropy),
        ]
        for title, step in steps:
            self.bench.say(f"{title}.")
            step()
            if any(probe.verdict == "unsuitable" for probe in self._found.values()):
                break
        left = [name for name in ORDER if name not in self._found]
        verdict = assess(list(self._found.values()))
        return Finished(verdict, self.bench.trainings, left, self._baselines, self._regime)

    def _add(self, *found: Probe) -> None:
        for probe in found:
            known = self._found.get(probe.id)
            self._found[probe.id] = probe
            if known != probe:
                self.bench.say(f"  {probe.id} {probe.name}: {SAID[probe.verdict]} ({probe.finding})")

    @property
    def _baselines(self) -> list[float]:
        wanted = [Training(TEMPLATE, seed) for seed in range(BASELINE_SEEDS)]
        return [value for one in wanted if (value := self.bench.value(one)) is not None]

    @property
    def _sigma(self) -> float:
        return statistics.stdev(self._baselines)

    @property
    def _gain(self) -> float:
        """What training gains over the starting policy."""
        return statistics.fmean(self._baselines) - statistics.fmean(self._repeats)

    @property
    def _seed(self) -> int:
        return abs(self.bench.settings.seed)

    def _score_untrained(self) -> None:
        bench, start = self.bench, self.bench.environment.starting_policy()
        scored = [self._start_again() for _ in range(LIMITS.repeats)]
        self._repeats = [bench.settings.signed(one) for one in scored]
        if len(set(self._repeats)) > 1:
            more = range(LIMITS.repeats_where_they_differ - LIMITS.repeats)
            self._repeats += [bench.settings.signed(self._start_again()) for _ in more]
        folder = bench.directory / "policies"
        self._trivial = self._judged(trivial_policies(bench.environment, start, folder, self._seed))
        self._check_scalar({START: scored[0], **self._trivial.scores})
        lines = sum(len(text.splitlines()) for text in self._editable.values())
        self._add(probes.surface(lines, len(self._editable)))

    def _start_again(self) -> Score:
        scored = self.bench.scores({START: self.bench.environment.starting_policy()}, self.bench.scoring_seed)
        if START not in scored:
            raise SzilardError(f"The starting policy of {self.spec.name} cannot be scored: mend the domain.")
        return scored[START]

    def _check_scalar(self, scores: Mapping[str, Score]) -> None:
        metric = self.bench.settings.metric
        values = {name: score.metrics[metric].value for name, score in scores.items()}
        self._add(probes.scalar(values, *self.spec.range))

    def _baseline(self) -> None:
        bench = self.bench
        wanted = [Training(TEMPLATE, seed) for seed in range(BASELINE_SEEDS)]
        bench.train(wanted)
        done = [bench.done[one] for one in wanted]
        bench.measurer.limit_cpu(done)
        scores = {f"baseline seed {one.seed}": bench.done[one].score for one in wanted}
        self._check_scalar({**self._trivial.scores, **scores})
        self._add(probes.determinism(self._repeats, self._sigma, self._gain))
        self._add(self._isolation())
        self._add(probes.seed_noise(self._baselines, len({one.policy_hash for one in done})))
        training = statistics.median(one.wall_seconds for one in done)
        scoring = statistics.median(one.score_seconds for one in done) + bench.environment.score_delay
        self._add(probes.attempt_seconds(self._attempt_seconds))
        self._add(probes.attempts(statistics.median(self._attempt_seconds), self.asked.hours))
        self._add(probes.immediacy(scoring, training, bench.environment.scored_by_person))

    @property
    def _attempt_seconds(self) -> list[float]:
        delay = self.bench.environment.score_delay
        done = [self.bench.done[Training(TEMPLATE, seed)] for seed in range(BASELINE_SEEDS)]
        return [one.wall_seconds + one.score_seconds + delay for one in done]

    def _isolation(self, touched: Sequence[str] = (), tried: bool = False) -> Probe:
        bench = self.bench
        policy = bench.policy(Training(TEMPLATE, 0))
        scored = self._watched
        if scored is None:
            return probes.not_measured("A1", "the evaluator failed in a process that watches its files")
        sources = bench.environment.workspace_template()
        return probes.isolation(
            reached(scored, self._editable, sources), self_reported(scored, policy), touched, tried
        )

    @cached_property
    def _watched(self) -> Scored | None:
        settings, policy = self.bench.settings, self.bench.policy(Training(TEMPLATE, 0))
        return files_of_scoring(settings.environment, policy, self.bench.scoring_seed, settings.metric)

    def _known_groups(self) -> None:
        bench = self.bench
        trained, folder = bench.policy(Training(TEMPLATE, 0)), bench.directory / "policies"
        self._degraded = self._judged(degraded_policies(trained, folder, self._seed))
        if self.asked.form == "full":
            self._train_a_tenth()
        constant = self._judged(constant_answer(bench.environment, trained, folder, self._seed))
        trivial = self._signed({**self._trivial.scores, **constant.scores})
        degraded = {**self._signed(self._degraded.scores), START: statistics.fmean(self._repeats)}
        baseline = statistics.fmean(self._baselines)
        others = {name: value for name, value in trivial.items() if name != RANDOM}
        self._add(probes.gaming(baseline, others, trivial.get(RANDOM)))
        self._add(probes.known_groups(self._baselines, degraded, trivial, self._sigma))
        self._add(self._reliability())
        named = self.spec.effect_of_interest or self.spec.minimum_effect
        effect = self.asked.effect or named or LIMITS.effect_share * self._gain
        seconds = statistics.median(self._attempt_seconds)
        self._add(probes.power(effect, self._sigma, seconds, self.asked.hours))
        low, high = self.spec.range
        best = high if bench.settings.direction == "maximise" else -low
        self._add(probes.headroom(baseline, best, self._sigma))

    def _train_a_tenth(self) -> None:
        steps = [number for number in numbers_of(self._editable) if number.name == "STEPS"]
        short = Training(divided(self._editable, steps[:1]), 0)
        if steps:
            self.bench.train([short])
        if short in self.bench.done:
            self._degraded.scores[TENTH] = self.bench.done[short].score

    def _reliability(self) -> Probe:
        """The same policies on two draws of the tasks; constant answers are not among them."""
        bench, first = self.bench, Training(TEMPLATE, 0)
        folders = {START: bench.environment.starting_policy(), "baseline": bench.policy(first)}
        folders |= self._degraded.folders | self._trivial.folders
        if len(folders) < LEAST_POLICIES:
            told = f"{len(folders)} policies can be had, and agreement takes {LEAST_POLICIES}"
            return probes.not_measured("M4", told)
        seed = bench.measurer.derived.number("another draw of the tasks")
        again = self._signed(bench.scores(folders, seed))
        known = self._signed({**self._degraded.scores, **self._trivial.scores})
        known |= {START: self._repeats[0], "baseline": self._baselines[0]}
        return probes.reliability({name: (known[name], again[name]) for name in again if name in known})

    def _edits(self) -> None:
        bench, full = self.bench, self.asked.form == "full"
        numbers = numbers_of(self._editable)
        first = [number for number in numbers if number.file == numbers[0].file] if numbers else []
        if full:
            planted = [divided(self._editable, [number]) for number in numbers[:PLANTED_EDITS]]
        else:
            planted = [divided(self._editable, first)] if first else []
        nothing = of_nothing(self._editable, sorted(set(self._template) - set(self._editable)))
        both = divided(self._editable, numbers[:2]) if full and len(numbers) > 1 else None
        again = Training(TEMPLATE, 0, anew=True)
        variants = [variant for variant in (*planted, nothing, both) if variant is not None]
        bench.train([again, *(Training(variant, 0) for variant in variants)])
        start = self._baselines[0]
        self._sensitivity(planted, nothing, start)
        spread = max(self._repeats) - min(self._repeats)
        self._add(probes.reproduction(start, bench.value(again), self._sigma, spread))
        if planted:
            self._revert(planted[0], start)
            self._clean_commits(variants)
        else:
            self._add(probes.not_measured("V2", "no edit could be planted"))
        if both is not None:
            self._attribution(both, planted)
        self._add(probes.overhead(bench.useful_seconds, bench.wall_seconds))

    def _sensitivity(self, planted: Sequence[Variant], nothing: Variant | None, start: float) -> None:
        bench = self.bench
        values = {variant.label: bench.value(Training(variant, 0)) for variant in planted}
        changes = {label: None if value is None else value - start for label, value in values.items()}
        no_op = None
        if nothing is not None:
            silent = Training(nothing, 0)
            self._add(self._isolation(bench.touched.get(silent, ()), tried=True))
            after = bench.value(silent)
            no_op = None if after is None else after - start
        self._add(probes.sensitivity(changes, no_op, self._sigma))

    def _revert(self, edit: Variant, before: float) -> None:
        """An attempt, and one that writes the parent's files over it: tree and score must be the parent's."""
        ledger, parent = self.bench.measurer.ledger, self.bench.commit(TEMPLATE)
        commit = partial(
            ledger.commit_code,
            mechanism="It is planted.",
            researcher="assessment",
            predicted_score_change=0.0,
            predicted_entropy=0.0,
        )
        edited = commit(1, parent, 0, edit.files, hypothesis=f"Planted edit: {edit.label}")
        files = {path: self._template[path] for path in edit.files}
        reverted = commit(2, edited, 1, files, hypothesis="The planted edit, reverted")
        found = self.bench.measurer.find(reverted, 0, Split.SELECTION)
        after = None if found is None else self.bench.settings.signed(found.score)
        self._add(probes.revert(ledger.tree(reverted) == ledger.tree(parent), before, after))

    def _clean_commits(self, variants: Sequence[Variant]) -> None:
        ledger, parent = self.bench.measurer.ledger, self.bench.commit(TEMPLATE)
        diffs = [ledger.diff(parent, self.bench.commit(variant)).splitlines() for variant in variants]
        added = sorted({line for diff in diffs for line in diff if line.startswith("Binary files ")})
        large = [
            path
            for variant in variants
            for path, text in variant.files.items()
            if len(text.encode()) > LIMITS.large_file_bytes
        ]
        self._add(probes.hygiene([*added, *large]))
        changed = [sum(line[:1] in ("+", "-") for line in diff) for diff in diffs]
        self._add(probes.diff_size(changed))

    def _attribution(self, both: Variant, planted: Sequence[Variant]) -> None:
        values = [self.bench.value(Training(variant, 0)) for variant in (both, *planted[:2])]
        together, first, second = values
        if together is None or first is None or second is None:
            self._add(probes.not_measured("A4", "one of two edits gave no policy"))
            return
        self._add(probes.attribution(together, first, second, self._baselines[0]))

    def _entropy(self) -> None:
        bench = self.bench
        sign = bench.settings.sign
        metrics = list(dict.fromkeys((bench.settings.metric, *self.spec.metrics)))
        policy, seed = bench.policy(Training(TEMPLATE, 0)), bench.scoring_seed
        levers = levers_of(self._template) if self.asked.form == "full" else {}
        found = None
        if levers:
            room = MOST_TRAININGS[self.asked.form] - bench.trainings
            bench.train(trainings_of(levers)[:room])
            found = by_training(bench, levers, metrics, sign)
        found = found or by_temperature(bench.environment, policy, metrics, sign, seed)
        self._regime = found
        if found is None:
            self._add(probes.not_measured("E1", "the score names no entropy, or nothing here moves it"))
        else:
            self._add(found.probe(bench.settings.metric))

    def _judged(self, folders: dict[str, Path]) -> _Policies:
        scores = self.bench.scores(folders, self.bench.scoring_seed)
        return _Policies({name: folders[name] for name in scores}, scores)

    def _signed(self, scores: Mapping[str, Score]) -> dict[str, float]:
        return {name: self.bench.settings.signed(score) for name, score in scores.items()}
