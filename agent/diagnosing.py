"""RUN/attempts/0007/diagnosis.json: where the entropy of an attempt's screening seed went, put on record.

Owns which trace is read, which controls of the code make the law say nothing, and the file. The trace is
that of the code that was measured or there is no diagnosis: one of a training that was ended by a limit
would hang on the machine.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from agent.diagnosis import EntropyDiagnosis, diagnose
from agent.history import History
from agent.in_force import calls_in
from agent.measure import trained
from agent.seeds import SCREENING_SEED
from agent.state_files import write_json
from agent.trace import read_trace
from environments.base import Split
from workspaces.controls import shipped_controls
from workspaces.review.entropy import DIAGNOSIS_FILE, block, diagnosis_path, read_diagnosis, sentence

COVARIANCE_CONTROLS = frozenset({"ClipCov", "KlCov"})
HOLDING_FLAGS = ("moves_entropy", "needs_reference")


def diagnosis_of(history: History, folder: Path, commit: str) -> EntropyDiagnosis | None:
    """The diagnosis of a commit by the trace in an attempt's folder; None unless it was measured there.

    None too where no policy is trained: then nothing has an entropy.
    """
    if not history.measurer.environment.spec.trains_policy:
        return None
    key = history.measurer.key(commit, SCREENING_SEED, Split.SELECTION)
    training = folder / f"{Split.SELECTION}-{SCREENING_SEED}"
    if history.measurer.store.get(key) is None or trained(training, key) is None:
        return None
    files = history.files(commit)
    found = diagnose(read_trace(training / "out" / "trace.jsonl"), holders_in(files))
    return replace(found, averages=tuple(sorted(averages_in(files))))


def keep_diagnosis(history: History, folder: Path, commit: str | None) -> dict[str, bytes]:
    """Write diagnosis.json, as often as asked; returns it as evidence, empty where there is none."""
    path = folder / DIAGNOSIS_FILE
    found = diagnosis_of(history, folder, commit) if commit is not None else None
    if found is not None:
        write_json(path, found.to_json())
    if commit is None or not path.exists():
        return {}
    return {f"attempts/{folder.name}/{DIAGNOSIS_FILE}": path.read_bytes()}


def keep_baseline_diagnosis(history: History, run: Path) -> None:
    """Write attempts/0000/diagnosis.json and add it to the evidence."""
    ledger = history.ledger
    evidence = keep_diagnosis(history, diagnosis_path(run, 0).parent, ledger.tags()["baseline"])
    if evidence:
        ledger.store_evidence(evidence)


def diagnosis_text(history: History, run: Path, number: int, commit: str) -> str:
    """The diagnosis of an attempt as a researcher is shown it: the sentence, then the figures."""
    found = diagnosis_of(history, diagnosis_path(run, number).parent, commit)
    data = found.to_json() if found is not None else read_diagnosis(run, number)
    if data is None:
        return "The training left no trace."
    return "\n".join([sentence(data, {}) or "", *block(data)])


def holders_in(files: Mapping[str, str]) -> frozenset[str]:
    """The controls in force that hold entropy or KL, read from the code without running it.

    The paper's law is one of training without them: terms on entropy, KL to a reference, and the two
    covariance controls that it proposes instead.
    """
    return _holders() & calls_in(files).keys()


def averages_in(files: Mapping[str, str]) -> frozenset[str]:
    """The averages in force: what they average is traced, what they make of it is scored."""
    return _averages() & calls_in(files).keys()


LAST_ITERATE = "LastIterate"


@lru_cache(maxsize=1)
def _averages() -> frozenset[str]:
    averages = {name for name, control in shipped_controls().items() if control.kind == "average"}
    return frozenset(averages - {LAST_ITERATE})


@lru_cache(maxsize=1)
def _holders() -> frozenset[str]:
    flagged = {
        name
        for name, control in shipped_controls().items()
        if any(control.flags.get(flag) for flag in HOLDING_FLAGS)
    }
    return COVARIANCE_CONTROLS | flagged
