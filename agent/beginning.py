"""The beginning of a run: the domain is assessed as far as that is cheap, the baseline trained on every seed.

Owns what comes before the first attempt, and baseline.json; probes are those of `assess.baseline`, the
arithmetic is that of `noise`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from agent import noise
from agent.assess.baseline import BaselineProbes, Unsuitable, refusal, require
from agent.closing import InParallel
from agent.diagnosing import keep_baseline_diagnosis
from agent.events import Message, Observer, Progress
from agent.failures import TrainingFailed
from agent.foresight import watch_only
from agent.history import History
from agent.measure import Measurer
from agent.seeds import SCREENING_SEED, every_seed
from agent.settings import RunSettings
from agent.state_files import read_score, write_json
from agent.training import Subject
from environments.base import EnvironmentSpec, Score, Split, SzilardError
from environments.suitability import SAID, Probe
from workspaces.measurements import Measurement
from workspaces.review.record import BASELINE_FILE, UNSUITABLE_FILE
from workspaces.workspace import Workspace


@dataclass(frozen=True)
class Beginning:
    """What is done before the first attempt; all of it asks what is done already."""

    directory: Path
    settings: RunSettings
    spec: EnvironmentSpec
    measurer: Measurer
    history: History
    observer: Observer
    in_parallel: InParallel

    @cached_property
    def _probes(self) -> BaselineProbes:
        return BaselineProbes(self.directory, self.measurer)

    def measured_baseline(self) -> Mapping[int, Measurement]:
        """The baseline on every seed, index -> measurement, once nothing speaks against the domain.

        Raises:
            Unsuitable: a probe blocks, and the run is not forced.
            SzilardError: the template cannot be trained.
        """
        start = self._assess()
        commit, seeds = self.measurer.ledger.tags()["baseline"], every_seed(self.settings.seeds)
        done = self.history.measurements(commit, Split.SELECTION, seeds)
        folder = self.directory / "attempts" / "0000"

        def measure(seed: int, workspace: Workspace) -> None:
            before = time.monotonic()
            self.observer(Progress(0, "baseline", detail=f"seed {seed}", seconds=0.0))
            watch = watch_only(self.spec) if seed == SCREENING_SEED else None
            subject = Subject(commit, folder, workspace)
            try:
                measured = self.measurer.measure(subject, seed, Split.SELECTION, watch)
            except TrainingFailed as error:
                raise SzilardError(
                    f"The template of {self.spec.name} cannot be trained as it is: {error.headline} "
                    f"(logs: {folder / f'{Split.SELECTION}-{seed}'}). Mend it and start anew."
                ) from error
            metric = measured.score.metrics[self.settings.metric]
            self.observer(
                Progress(
                    0,
                    "baseline",
                    detail=f"seed {seed}",
                    seconds=time.monotonic() - before,
                    score=metric.value,
                    standard_error=metric.standard_error,
                    entropy=measured.entropy_end,
                )
            )

        if len(done) < len(seeds):
            self.observer(Message(f"Training the baseline on {len(seeds)} seeds: this is also the noise."))
        self.in_parallel(measure, [seed for seed in seeds if seed not in done])
        baseline = self.history.measurements(commit, Split.SELECTION, seeds)
        self.measurer.limit_cpu(list(baseline.values()))
        self._assess_baseline(start, baseline)
        self._write_baseline(baseline)
        keep_baseline_diagnosis(self.history, self.directory)
        return baseline

    def _require(self, probes: list[Probe]) -> None:
        """Stop where a probe blocks, and leave word of it: this run is not to be resumed as it is."""
        for probe in probes:
            self.observer(Message(f"  {probe.id} {probe.name}: {SAID[probe.verdict]} ({probe.finding})"))
        try:
            verdict = require(probes, self.settings.force)
        except Unsuitable as error:
            self._leave_word(str(error))
            raise
        (self.directory / UNSUITABLE_FILE).unlink(missing_ok=True)
        self._probes.keep(verdict, self.settings.force)
        if verdict.outcome == "unsuitable":
            self.observer(Message(f"UNSUITABLE, and run all the same, as --force asks. {verdict.reason}"))

    def _leave_word(self, reason: str) -> None:
        write_json(self.directory / UNSUITABLE_FILE, {"reason": reason})

    def _read_known(self) -> None:
        """What `szilard env assess` has found of this very domain.

        Raises:
            Unsuitable: that it cannot be researched, and this run is not forced.
        """
        found = self._probes.read_known()
        if found is None:
            return
        verdict, path = found
        self.observer(Message(f"Assessed before ({path.parent}): {verdict.outcome}. {verdict.reason}"))
        if verdict.outcome == "unsuitable" and not self.settings.force:
            self._leave_word(refusal(verdict.reason))
            raise Unsuitable(refusal(verdict.reason))

    def _assess(self) -> Score | None:
        """What can be known before any training; cached, since it costs a few scorings.

        None where no policy is trained.
        """
        if not self.settings.trains_policy:
            return None
        path = self.directory / "start.json"
        if path.exists():
            return read_score(path)
        self._read_known()
        self.observer(Message("Assessing the domain: is its metric one finite number?"))
        start, probes = self._probes.score_untrained()
        self._require(probes)
        write_json(path, start.to_json())
        return start

    def _assess_baseline(self, start: Score | None, baseline: Mapping[int, Measurement]) -> None:
        """Hold the baseline against what is known to be worse; a run that is resumed has done so before."""
        if not (self.directory / BASELINE_FILE).exists():
            self.observer(Message("Assessing the domain by its baseline; `szilard env assess` asks more."))
            self._require(
                self._probes.of_commands(baseline)
                if start is None
                else self._probes.of_baseline(start, baseline)
            )

    def _write_baseline(self, baseline: Mapping[int, Measurement]) -> None:
        metric = self.settings.metric
        entry = self.history.baseline_entry(metric, sorted(baseline))
        found = noise.noise_of({seed: m.score for seed, m in baseline.items()}, metric)
        reach = noise.reach_of(found.seed, self.settings)
        rows = [
            {
                "seed": seed,
                "score": m.score.metrics[metric].value,
                "entropy": m.entropy_end,
                "seconds": m.wall_seconds + m.score_seconds,
            }
            for seed, m in sorted(baseline.items())
        ]
        write_json(
            self.directory / BASELINE_FILE,
            {
                "score": entry.score,
                "standard_error": entry.standard_error,
                "noise": found.seed,
                "noise_sampling": found.sampling,
                "noise_tasks": found.tasks,
                "detectable": reach.detectable,
                "entropy_end": entry.entropy,
                "seeds": rows,
            },
        )
        self.observer(
            Progress(
                0,
                "done",
                hypothesis="the template as it is",
                score=entry.score,
                standard_error=entry.standard_error,
                entropy=entry.entropy,
                verdict="kept",
                detail=f"seed noise {found.seed:.4f}",
            )
        )
        for line in noise.sentences(found, reach, metric):
            self.observer(Message(line))
