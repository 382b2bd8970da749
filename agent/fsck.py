"""Does a run agree with itself? Its ledger, its measurements and the index of unfinished attempts, checked.

Owns the checks: it reads, and mends nothing. What fails carries the command that mends it.
"""

from __future__ import annotations

import json
import shlex
import sqlite3
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from agent.confirm import CONFIRMATION_FILE, confirmed_tag, read_confirmation
from agent.dispatch import CHECKPOINTS
from agent.findings import Fault, Finding
from agent.opening import REPOSITORY
from agent.seeds import SCREENING_SEED
from agent.settings import RunSettings
from environments.base import SzilardError
from workspaces.attempt_index import INDEX_FILE, differences
from workspaces.attempts import AttemptRecord
from workspaces.git_command import GitCommand
from workspaces.ledger import Ledger, LedgerError
from workspaces.measurements import Measurement, MeasurementError, MeasurementStore
from workspaces.remarks import REMARKS_FILE, goes_on_from

MEASUREMENTS = "measurements"


def _is_being_made(directory: Path) -> bool:
    """Whether a kill came before the baseline was tagged: nothing is measured; `resume` makes it anew."""
    git = GitCommand((directory / REPOSITORY).absolute() / ".git")
    measured = any((directory / MEASUREMENTS).glob("*.json"))
    return not measured and not git.text("for-each-ref", "refs/tags/baseline", check=False)


class LedgerTouched(SzilardError):
    """The ledger is not as the run left it."""


@dataclass(frozen=True)
class _Read:
    """What of a run could be read; measurements by the digest of their key."""

    directory: Path
    settings: RunSettings
    ledger: Ledger
    attempts: Sequence[AttemptRecord]
    measurements: Mapping[str, Measurement]

    @property
    def resume(self) -> str:
        return f"szilard resume {shlex.quote(str(self.directory))}"


def check(directory: Path) -> list[Finding]:
    """Every check of a run whose subject can be read.

    Raises:
        SzilardError: the directory holds no run, or its settings are damaged.
    """
    settings = RunSettings.read(directory)
    if not (directory / REPOSITORY).exists() or _is_being_made(directory):
        return [Finding("git objects", "nothing is committed yet", ())]
    objects = _objects(directory / REPOSITORY)
    measurements, damaged = _measurements(directory / MEASUREMENTS)
    findings = [objects, damaged, _index(directory)]
    if not objects.holds:
        return findings
    ledger = Ledger.open(directory / REPOSITORY)
    try:
        attempts = ledger.attempts()
    except LedgerError as error:
        return [*findings, Finding("attempts", "", [Fault(str(error))])]
    read = _Read(directory, settings, ledger, attempts, measurements)
    checks: dict[str, Callable[[_Read], tuple[str, list[Fault]]]] = {
        "attempts": _attempts,
        "listing": _listing,
        "main": _main,
        "figures": _figures,
        "evidence": _evidence,
        "confirmation": _confirmation,
    }
    for name, found in checks.items():
        looked_at, faults = found(read)
        findings.append(Finding(name, looked_at, faults))
    return findings


def refuse_touched(directory: Path, ledger: Ledger) -> None:
    """What a run goes on from must be what it left: attempts on their parents, `main`, the evidence.

    Raises:
        LedgerTouched: somebody changed the ledger; the message says what, and what mends it.
    """
    measurements, _ = _measurements(directory / MEASUREMENTS)
    read = _Read(directory, RunSettings.read(directory), ledger, ledger.attempts(), measurements)
    faults = [fault for found in (_attempts, _main, _evidence) for fault in found(read)[1]]
    if faults:
        mending = "; ".join(fault.mending for fault in faults if fault.mending)
        raise LedgerTouched(
            f"The ledger of {directory} was changed by hand: {'; '.join(fault.what for fault in faults)}. "
            f"{f'Mend it: {mending}' if mending else 'Put back what was changed'}; "
            f"`szilard fsck {shlex.quote(str(directory))}` says more."
        )


def _objects(repository: Path) -> Finding:
    """Whether every git object is there and whole."""
    git = GitCommand(repository.absolute() / ".git")
    told = git.text("fsck", "--full", "--no-dangling", "--no-progress", check=False).splitlines()
    refs = git.text("for-each-ref", check=False).splitlines()
    if not git.text("for-each-ref", "refs/tags/baseline", check=False):
        told.append("there is no tag `baseline`")
    mending = f"restore {repository} from a copy; what is in it cannot be made again"
    return Finding(
        "git objects", f"all that {len(refs)} refs name is whole", [Fault(line, mending) for line in told]
    )


def _listing(read: _Read) -> tuple[str, list[Fault]]:
    """Whether the cache that `szilard log` reads says what the commits say."""
    git_directory = read.ledger.git.git_directory
    mending = f"rm {shlex.quote(str(git_directory / INDEX_FILE))}"
    faults = differences(git_directory, {attempt.number: attempt for attempt in read.attempts})
    return "the index of attempts agrees", [Fault(fault, mending) for fault in faults]


def _measurements(folder: Path) -> tuple[dict[str, Measurement], Finding]:
    store, found, faults = MeasurementStore(folder), dict[str, Measurement](), list[Fault]()
    for path in sorted(folder.glob("*.json")):
        try:
            found[path.stem] = store.read(path)
        except MeasurementError as error:
            faults.append(Fault(str(error), f"rm {shlex.quote(str(path))}"))
    return found, Finding("measurements", f"{len(found)} measurements", faults)


def _index(directory: Path) -> Finding:
    """Whether the checkpoints of unfinished attempts can be read; the ledger makes up for what they lose."""
    path = directory / CHECKPOINTS
    if not path.exists():
        return Finding("index", "no attempt is under way", ())
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=30)
        ) as database:
            said = [row[0] for row in database.execute("PRAGMA integrity_check")]
            threads = database.execute("SELECT COUNT(DISTINCT thread_id) FROM checkpoints").fetchone()[0]
    except sqlite3.DatabaseError as error:
        said, threads = [str(error)], 0
    faults = (
        [] if said == ["ok"] else [Fault(f"{path}: {line}", f"rm {shlex.quote(str(path))}") for line in said]
    )
    return Finding("index", f"{threads} attempts under way", faults)


def _attempts(read: _Read) -> tuple[str, list[Fault]]:
    """Whether each attempt stands where it says: on its parent's result, its result on its code."""
    results = {0: read.ledger.tags()["baseline"]}
    results |= {one.number: one.result_commit for one in read.attempts if one.result_commit is not None}
    faults, done = [], sum(one.verdict is not None for one in read.attempts)
    numbers = {one.number for one in read.attempts}
    gaps = sorted(set(range(1, max(numbers, default=0))) - numbers)
    if gaps and (read.directory / CONFIRMATION_FILE).exists():
        faults.append(Fault(f"no branch for attempt {', '.join(map(str, gaps))}, though the run has ended"))
    for one in read.attempts:
        if one.code_commit is None:
            continue
        under = one.code_commit
        for _ in range(one.repairs + 1):
            under = read.ledger.parent_of(under) or ""
        if under != results.get(one.parent):
            faults.append(Fault(f"attempt {one.number} does not stand on the result of attempt {one.parent}"))
        if one.result_commit and read.ledger.tree(one.result_commit) != read.ledger.tree(one.code_commit):
            faults.append(Fault(f"the result of attempt {one.number} holds other code than was trained"))
    unfinished = len(read.attempts) - done
    return f"{done} decided" + (f", {unfinished} under way" if unfinished else ""), faults


def _main(read: _Read) -> tuple[str, list[Fault]]:
    """Whether `main` is where the kept attempts lead, or one step before it, as a kill may leave it."""
    number, chain, faults = 0, [read.ledger.tags()["baseline"]], list[Fault]()
    kept = [one for one in read.attempts if one.verdict == "kept" and one.result_commit is not None]
    while following := [one for one in kept if one.compared_with == number < one.number]:
        if len(following) > 1:
            names = " and ".join(str(one.number) for one in following)
            faults.append(Fault(f"attempts {names} were both kept on attempt {number}"))
        number = following[0].number
        chain.append(following[0].result_commit or "")
    main = read.ledger.incumbent()
    if main == chain[-1]:
        return f"main is {f'attempt {number}' if number else 'the baseline'}", faults
    if main in chain[-2:] and not (read.directory / CONFIRMATION_FILE).exists():
        return f"attempt {number} was kept, and `{read.resume}` promotes it", faults
    point = f"git -C {shlex.quote(str(read.directory / REPOSITORY))} update-ref refs/heads/main {chain[-1]}"
    faults.append(Fault(f"main is {main[:10]}, what was kept leads to {chain[-1][:10]}", point))
    return "", faults


def _figures(read: _Read) -> tuple[str, list[Fault]]:
    """Whether the score of each result commit follows from the measurements that it names."""
    faults, scores = list[Fault](), 0
    for one in read.attempts:
        named = [digest for digest in one.trailers.get("Evidence", "").split(", ") if digest]
        missing = [digest for digest in named if digest not in read.measurements]
        faults += [
            Fault(
                f"attempt {one.number} rests on measurement {digest}, which is gone", _restoring(read, digest)
            )
            for digest in missing
        ]
        if missing or "Score" not in one.trailers or one.code_commit is None:
            continue
        scores += 1
        faults += _wrong_score(read, one, [read.measurements[digest] for digest in named])
    return f"{scores} scores follow from the measurements they name", faults


def _wrong_score(read: _Read, one: AttemptRecord, measured: Sequence[Measurement]) -> list[Fault]:
    tree = read.ledger.tree(one.code_commit or "")
    seeds = [int(seed) for seed in one.trailers.get("Seeds", "").split(",")]
    if len(seeds) != len(measured) or any(measurement.key.tree != tree for measurement in measured):
        return [Fault(f"attempt {one.number} names measurements of other code or seeds than its own")]
    metric, evidence = read.settings.metric, dict(zip(seeds, measured, strict=True))
    decisive = {seed: m for seed, m in evidence.items() if seed != SCREENING_SEED} or evidence
    score = statistics.fmean(m.score.metrics[metric].value for m in decisive.values())
    said = one.trailers["Score"]
    if abs(score - float(said)) <= 0.6 * 10.0 ** -len(said.partition(".")[2]):
        return []
    return [Fault(f"attempt {one.number} says Score: {said}, its measurements say {score:.5f}")]


def _evidence(read: _Read) -> tuple[str, list[Fault]]:
    """Whether the copies in the evidence ref are those on the disk."""
    faults, compared = list[Fault](), 0
    for path, content in read.ledger.evidence().items():
        if path == REMARKS_FILE and not goes_on_from(read.directory, content):
            told = f"{path} has lost something that its copy in the evidence ref holds"
            faults.append(Fault(told, _from_evidence(read, path)))
        folder, _, name = path.rpartition("/")
        digest = name.removesuffix(".json")
        measurement = read.measurements.get(digest) if folder == MEASUREMENTS else None
        if measurement is None:
            continue
        compared += 1
        if json.loads(content) != measurement.to_json():
            faults.append(
                Fault(f"{path} differs from its copy in the evidence ref", _restoring(read, digest))
            )
    return f"{compared} measurements are those of the evidence ref", faults


def _restoring(read: _Read, digest: str) -> str:
    return _from_evidence(read, f"{MEASUREMENTS}/{digest}.json")


def _from_evidence(read: _Read, path: str) -> str:
    repository, source = shlex.quote(str(read.directory / REPOSITORY)), f"refs/szilard/evidence:{path}"
    return f"git -C {repository} show {source} > {shlex.quote(str(read.directory / path))}"


def _confirmation(read: _Read) -> tuple[str, list[Fault]]:
    """Whether the tag, the file and the winner of a confirmation are one story."""
    path, tags = read.directory / CONFIRMATION_FILE, read.ledger.tags()
    tagged = tags.get(confirmed_tag(read.settings.seal))
    if not path.exists():
        return "not made yet", [] if tagged is None else [Fault("there is a tag, and no record", read.resume)]
    try:
        record = read_confirmation(path)
    except SzilardError as error:
        return "", [Fault(str(error), f"rm {shlex.quote(str(path))} && {read.resume}")]
    tag = confirmed_tag(record.get("seal", 1))
    faults, tagged = [], tags.get(tag)
    if record["confirmed"] and tagged is None:
        faults.append(Fault(f"{path} says confirmed, and there is no tag `{tag}`"))
    if record["winner"] and tagged is not None:
        winner = next((one for one in read.attempts if one.number == record["winner"]["attempt"]), None)
        if winner is None or winner.result_commit != tagged:
            faults.append(Fault(f"the tag `{tag}` is not on attempt {record['winner']['attempt']}"))
    return ("confirmed" if record["confirmed"] else "made, nothing confirmed"), faults
