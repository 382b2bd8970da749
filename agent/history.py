"""What has been tried: ledger records turned into what researchers and rules read.

Owns the reading, so that nobody keeps a state of the run that the ledger cannot rebuild.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from functools import lru_cache

from agent.arms import Arm
from agent.forecast import read_forecast
from agent.measure import Measurer
from agent.record import scored_seeds
from agent.researchers.base import HistoryEntry
from agent.seeds import BRANCHED, EXTENDED
from environments.base import Split
from workspaces.attempts import AttemptRecord
from workspaces.ledger import Ledger
from workspaces.measurements import Measurement
from workspaces.normalised_code import normalised_code

FINAL = ("kept", "reverted", "inconclusive", "void", "crashed", "refused", "stopped-early")


class History:
    """The attempts of one ledger, as entries, arms and fingerprints. Safe from any thread."""

    def __init__(
        self, ledger: Ledger, measurer: Measurer, editable: Sequence[str], ends: Sequence[int] = ()
    ) -> None:
        """`ends` are the attempts after which the run had ended, and went on."""
        self.ledger = ledger
        self.ends = ends
        self.measurer = measurer
        self.editable = editable
        self._figures: dict[tuple[str, str, int], tuple[float, float | None]] = {}
        self.files = lru_cache(maxsize=4096)(self._files)
        self.fingerprint = lru_cache(maxsize=4096)(self._fingerprint)

    def _files(self, commit: str) -> Mapping[str, str]:
        return self.ledger.files(commit, self.editable)

    def _fingerprint(self, commit: str) -> str:
        return normalised_code(self.files(commit))

    def measurements(self, commit: str, split: Split, seeds: Sequence[int]) -> dict[int, Measurement]:
        """The stored measurements of a commit: seed index -> measurement."""
        found = {seed: self.measurer.find(commit, seed, split) for seed in seeds}
        return {seed: measurement for seed, measurement in found.items() if measurement is not None}

    def arm(self, commit: str, split: Split, seeds: Sequence[int]) -> Arm:
        return Arm({seed: m.score for seed, m in self.measurements(commit, split, seeds).items()})

    def figures(self, commit: str, metric: str, seeds: Sequence[int]) -> list[tuple[float, float | None]]:
        """Score and final entropy of a commit on the selection split, for the seeds that it is measured on.

        A measurement never changes, and is a large file: each is read once.
        """
        for seed in seeds:
            if (commit, metric, seed) not in self._figures:
                found = self.measurer.find(commit, seed, Split.SELECTION)
                if found is not None:
                    value = found.score.metrics[metric].value
                    self._figures[commit, metric, seed] = value, found.entropy_end
        keys = [(commit, metric, seed) for seed in seeds]
        return [self._figures[key] for key in keys if key in self._figures]

    def verdict_seeds(self, commit: str) -> Sequence[int]:
        """The seeds that the verdict on an attempt rests on, by its result commit."""
        for record in self.ledger.attempts():
            if record.result_commit == commit:
                return [int(seed) for seed in record.trailers.get("Seeds", "0").split(",")]
        return ()

    def race_outcomes(self, last: int | None = None) -> list[str]:
        """What became of the attempts that raced, up to the attempt `last`, in the order of their entry.

        `EXTENDED` stands where the run had ended and went on, if that is behind the attempt `last`, and
        `BRANCHED` before each that was built on another attempt than the one it had to beat.
        """
        raced = [
            record
            for record in self.ledger.attempts()
            if "Entrant" in record.trailers and (last is None or record.number <= last)
        ]
        raced.sort(key=lambda record: int(record.trailers["Entrant"]))
        outcomes: list[tuple[int, str]] = []
        for record in raced:
            if record.parent != record.compared_with:
                outcomes.append((record.number, BRANCHED))
            outcomes.append((record.number, record.verdict or "open"))
        for end in self.ends:
            if last is None or last >= end:
                place = sum(number <= end for number, _ in outcomes)
                outcomes.insert(place, (end, EXTENDED))
        return [outcome for _, outcome in outcomes]

    def incumbent_number(self) -> int:
        """The number of the attempt that `main` points at; 0 is the baseline."""
        commit = self.ledger.incumbent()
        return next((r.number for r in self.ledger.attempts() if r.result_commit == commit), 0)

    def baseline_entry(self, metric: str, seeds: Sequence[int]) -> HistoryEntry:
        """The baseline as attempt 0."""
        commit = self.ledger.tags()["baseline"]
        figures = self.figures(commit, metric, seeds)
        values = [value for value, _ in figures]
        entropies = [entropy for _, entropy in figures if entropy is not None]
        return HistoryEntry(
            number=0,
            parent=None,
            researcher="template",
            hypothesis="the template as it is",
            mechanism="",
            predicted_score_change=None,
            predicted_entropy=None,
            verdict="kept",
            score=statistics.fmean(values) if values else None,
            score_change=0.0,
            standard_error=statistics.stdev(values) / len(values) ** 0.5 if len(values) > 1 else None,
            entropy=statistics.fmean(entropies) if entropies else None,
            seeds=len(values),
            files=self.files(commit),
        )

    def entries(self, records: Sequence[AttemptRecord]) -> list[HistoryEntry]:
        """Attempts as a researcher may see them, the code of all of them read at once."""
        self.ledger.read_ahead(records, self.editable)
        return [self.entry(record) for record in records]

    def entry(self, record: AttemptRecord) -> HistoryEntry:
        """One attempt as a researcher may see it."""
        trailers = record.trailers
        return HistoryEntry(
            number=record.number,
            parent=record.parent,
            researcher=record.researcher,
            hypothesis=record.hypothesis,
            mechanism=record.mechanism,
            predicted_score_change=record.predicted_score_change,
            predicted_entropy=record.predicted_entropy,
            verdict=record.verdict,
            reason=record.reason,
            score=_number(trailers.get("Score")),
            score_change=_number(trailers.get("Score-Change")),
            standard_error=_number(trailers.get("Score-Change-Standard-Error")),
            entropy=_number(trailers.get("Entropy-End")),
            seeds=scored_seeds(trailers),
            files=self.files(record.code_commit) if record.code_commit else {},
            diagnosis=trailers.get("Diagnosis"),
            forecast=read_forecast(trailers.get("Forecast")),
            compared_with=record.compared_with,
        )


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else float(text)
    except ValueError:
        return None
