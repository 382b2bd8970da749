"""The half of `szilard env check` that trains: what only a sandbox and a trained policy can show.

Owns these probes and their folder; nothing of it is kept.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator
from pathlib import Path

from agent.events import Event
from agent.failures import TrainingFailed, Untrusted
from agent.measure import Measurer
from agent.opening import Opened, opened
from agent.plan import plan_training
from agent.settings import TrainingSettings
from agent.training import Subject
from agent.workers import Workers
from environments.base import Score, Split, SzilardError
from environments.checks.base import Finding
from workspaces.edits import Edit, EditError, apply_edits
from workspaces.executors.base import Job, Limits
from workspaces.measurements import Measurement
from workspaces.workspace import Workspace

SEEDS = (1, 2, 3)
REPEATED = 1
OFF_BY = 4.0
LEARNED = 2.0
REACHING = """
import os, sys
for name in sys.argv[1:]:
    for act in (
        lambda: open(name, "a").write("#"),
        lambda: os.chmod(name, 0o777),
        lambda: os.replace(name, name + ".old"),
        lambda: os.unlink(name),
    ):
        try:
            act()
        except OSError:
            pass
"""


def training_findings(environment: str, *, sandbox: str = "auto", device: str = "auto") -> Iterator[Finding]:
    """Train the baseline on three seeds and one of them again, and try to write protected files.

    What a TOML file describes starts from no policy: nothing says what it would score without training.

    Raises:
        SzilardError: there is no sandbox, or no device.
        Interrupted: stopped by Ctrl-C or SIGTERM.
    """
    with tempfile.TemporaryDirectory(prefix="szilard-env-check-") as folder:
        settings = plan_training(
            goal="Check the environment",
            environment=environment,
            metric=None,
            guards=None,
            minutes=None,
            seeds=2,
            workers=None,
            device=device,
            folder=Path(folder),
            seed=0,
            sandbox=sandbox,
            name="check",
        )
        with opened(Path(folder), settings, _unheard) as found:
            yield _out_of_reach(found, Path(folder))
            yield from _trained(found, settings, Path(folder))


def _unheard(_: Event) -> None:
    """What a training tells on its way is said by the findings."""


def _trained(found: Opened, settings: TrainingSettings, folder: Path) -> Iterator[Finding]:
    measured: dict[int, Measurement] = {}
    repeated: list[Measurement] = []
    failed: list[str] = []
    start: list[Score] = []
    commit, measurer = found.measurer.ledger.tags()["baseline"], found.measurer

    def one(seed: int | None, workspace: Workspace) -> None:
        name = "again" if seed is None else "baseline"
        subject = Subject(commit, folder / "trainings-of-check" / name, workspace)
        try:
            if seed is None:
                repeated.append(measurer.repeat(subject, REPEATED, Split.SELECTION))
            else:
                measured[seed] = measurer.measure(subject, seed, Split.SELECTION)
        except (TrainingFailed, Untrusted) as error:
            failed.append(str(error).partition("\n")[0])

    try:
        if settings.trains_policy:
            start.append(_start(found))
    except SzilardError as error:
        failed.append(str(error))
    if not failed:
        Workers(folder, measurer).each(one, [*SEEDS, None] if settings.trains_policy else list(SEEDS))
    if failed:
        remedy = "Mend what is named; a training sees /workspace, its file in /data, and no network"
        yield Finding("the baseline trains", "failed", failed[0].removesuffix("."), remedy)
        return
    seconds = statistics.median(one.wall_seconds for one in measured.values())
    yield Finding("the baseline trains", "passed", f"{len(SEEDS)} seeds, {seconds:.1f} s each")
    if settings.trains_policy:
        yield from _learned(start[0], measured, settings)
        yield _repeated(measured[REPEATED], repeated[0])
        yield _time(seconds, found)


def _start(found: Opened) -> Score:
    measurer: Measurer = found.measurer
    seed = measurer.derived.tasks_seed(Split.SELECTION)
    return measurer.scorer.score(found.environment.starting_policy(), Split.SELECTION, seed)


def _learned(start: Score, measured: dict[int, Measurement], settings: TrainingSettings) -> Iterator[Finding]:
    different = len({one.policy_hash for one in measured.values()})
    used = different == len(measured)
    yield Finding(
        "the seed changes the training",
        "passed" if used else "failed",
        f"{len(measured)} seeds gave {different} different policies",
        "" if used else "Seed from the `seed` of /data/job.json and from nothing else",
    )
    metric, maximise = settings.metric, settings.direction == "maximise"
    values = [one.score.metrics[metric].value for one in measured.values()]
    change, noise = statistics.fmean(values) - start.metrics[metric].value, statistics.stdev(values)
    learns = (change if maximise else -change) > LEARNED * noise
    yield Finding(
        "the baseline learns",
        "passed" if learns else "failed",
        f"training changes {metric} by {change:+.4f}, seeds by {noise:.4f} (one standard deviation)",
        ""
        if learns
        else "Train longer or at another rate (`recipe`), or give rewards that the starting policy can earn",
    )


def _repeated(first: Measurement, again: Measurement) -> Finding:
    if first.policy_hash == again.policy_hash:
        return Finding("a training repeats under its seed", "passed", "the same policy, bit by bit")
    return Finding(
        "a training repeats under its seed",
        "failed",
        f"seed {REPEATED} was trained twice and gave two policies",
        "Let tasks and rewards depend on nothing but their arguments, and seed every generator in training",
    )


def _time(took: float, found: Opened) -> Finding:
    told = found.environment.spec.seconds_per_attempt
    said = f"a training takes {took:.1f} s, the spec says {told:g} s"
    if told / OFF_BY <= took <= told * OFF_BY:
        return Finding("the time is as told", "passed", said)
    return Finding("the time is as told", "warned", said, f"Write seconds_per_attempt={max(took, 0.1):.1f}")


def _out_of_reach(found: Opened, folder: Path) -> Finding:
    """Edits of protected files must be refused, and the sandbox must keep code from writing them."""
    spec, ledger = found.environment.spec, found.measurer.ledger
    commit = ledger.tags()["baseline"]
    files, protected = ledger.files(commit), sorted(ledger.files(commit, spec.protected))
    taken = []
    for path in protected:
        try:
            edit = Edit(path=path, content="mine\n")
            apply_edits(files, [edit], editable=spec.editable, protected=spec.protected)
        except EditError:
            continue
        taken.append(path)
    workspace = Workspace(ledger, folder / "reached")
    workspace.checkout(commit)
    executor = found.measurer.trainer.executor
    job = Job(
        name="reaching for protected files",
        workspace=workspace.path,
        output=folder / "reaching" / "out",
        command=("python", "-S", "-c", REACHING, *protected),
        limits=Limits(wall_seconds=60),
    )
    executor.wait(executor.submit(job))
    taken += [path for path in workspace.changed(commit) if path not in taken]
    name = "protected files are out of reach"
    if not taken:
        return Finding(name, "passed", f"{len(protected)} files, by edits and by code")
    return Finding(
        name,
        "failed",
        f"an attempt could change {', '.join(taken[:3])}",
        "Choose a sandbox that isolates (`szilard doctor`), and check the globs in `protected`",
    )
