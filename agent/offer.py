"""A person's own change, read from a branch or a patch, and offered to a run as a proposal.

Owns the reading: which files differ, whether they may be, and how the difference is said as edits. It trains
nothing and writes nothing into the ledger.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from agent import inbox
from agent.opening import REPOSITORY, environment_of
from agent.proposal import MOST_EDITS, Proposal
from agent.settings import RunSettings
from environments.base import EnvironmentSpec, SzilardError
from workspaces.changes import edits_between, forbidden
from workspaces.edits import apply_edits
from workspaces.git_command import GitCommand, LedgerError
from workspaces.ledger import Ledger
from workspaces.plain_text import one_line
from workspaces.snapshots import Snapshots

PLAIN_FILES = ("100644", "100755")
DELETED = "000000"
NO_MECHANISM = "A person's own attempt; no mechanism was given."
LARGEST_PATCH = 4 * 2**20


class UnusableOffer(SzilardError):
    """A branch or patch that cannot be tried; the message says why."""


@dataclass(frozen=True)
class Said:
    """What a person says of a change; None where they do not."""

    hypothesis: str | None = None
    mechanism: str | None = None
    predicted_score_change: float | None = None
    predicted_entropy: float | None = None


@dataclass(frozen=True)
class _Change:
    """Two trees of one repository, and what the change is called where nothing else is said."""

    git: GitCommand
    before: str
    after: str
    subject: str


def leave(directory: Path, source: str, said: Said) -> str:
    """Offer what `source` changes to the run in `directory`; what the offer is called.

    Raises what `offer_of` raises, and InvalidRun where there is no run.
    """
    settings = RunSettings.read(directory)
    spec = environment_of(directory, settings).spec
    return inbox.leave(directory, offer_of(source, Ledger.open(directory / REPOSITORY), spec, said))


def outcome(directory: Path, name: str) -> str:
    """What became of an offer that was to be tried, in one sentence.

    Raises:
        UnusableOffer: no attempt took it; it is withdrawn.
    """
    number = inbox.attempt_of(directory, name)
    if number is None:
        inbox.withdraw(directory, name)
        raise UnusableOffer(
            f"{directory} has no attempt left for your change, or no time: `szilard resume {directory}` "
            "brings the run to its end, and then the same command gives it one more attempt."
        )
    record = Ledger.open(directory / REPOSITORY).attempt(number)
    verdict, reason = (record.verdict, record.reason) if record is not None else (None, None)
    return f"Your change is attempt {number}, {verdict}: {reason} (`szilard show {directory} {number}`)"


def offer_of(source: str, ledger: Ledger, spec: EnvironmentSpec, said: Said) -> Proposal:
    """What `source` changes: a patch file, a branch of the run's repository, or CLONE#BRANCH.

    Raises:
        UnusableOffer: there is no such thing, or it changes what may not be changed; the message names it.
        EditError: it does not fit the incumbent.
    """
    incumbent = ledger.incumbent()
    if Path(source).is_file():
        with tempfile.TemporaryDirectory(prefix="szilard-patch-") as folder:
            change = _patched(Path(source), ledger, incumbent, Path(folder) / "repository")
            before, after = _texts(change, spec)
    else:
        change = _branch(source, ledger, incumbent)
        before, after = _texts(change, spec)
    edits = edits_between(before, after, MOST_EDITS)
    if not edits:
        raise UnusableOffer(f"{source} changes nothing.")
    if len(edits) > MOST_EDITS:
        raise UnusableOffer(f"{source} changes {len(edits)} files; an attempt may change {MOST_EDITS}.")
    apply_edits(
        ledger.files(incumbent, spec.editable), edits, editable=spec.editable, protected=spec.protected
    )
    hypothesis = one_line(said.hypothesis or change.subject, 200)
    if len(hypothesis) < 8:
        raise UnusableOffer(f"{hypothesis!r} says too little: give --hypothesis in a few words.")
    return Proposal(
        hypothesis=hypothesis,
        mechanism=said.mechanism or NO_MECHANISM,
        predicted_score_change=said.predicted_score_change,
        predicted_entropy=said.predicted_entropy,
        edits=edits,
    )


def _branch(source: str, ledger: Ledger, incumbent: str) -> _Change:
    """A branch against the commit at which it left the run's attempts."""
    place, hash_sign, revision = source.rpartition("#")
    git = _clone(Path(place)) if hash_sign else ledger.git
    tip = git.text(
        "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}", check=False
    )
    if not tip:
        raise UnusableOffer(
            f"{source!r} is neither a patch file nor a branch or commit of {git.git_directory.parent}; one "
            "of a clone is named CLONE#BRANCH."
        )
    base = git.text("merge-base", tip, incumbent, check=False)
    if not base:
        raise UnusableOffer(
            f"{source} does not build on the incumbent ({incumbent[:10]}): fetch `main` of {ledger.path} and "
            "put your change on it."
        )
    return _Change(git, base, tip, git.text("log", "-1", "--format=%s", tip))


def _clone(place: Path) -> GitCommand:
    for directory in (place / ".git", place):
        git = GitCommand(directory.absolute())
        if directory.exists() and git.text("rev-parse", "--git-dir", check=False):
            return git
    raise UnusableOffer(f"{place} is no git repository: name a clone of the run's repository.")


def _patched(patch: Path, ledger: Ledger, incumbent: str, repository: Path) -> _Change:
    """The incumbent with a patch applied, in a repository that borrows the ledger's objects."""
    content = patch.read_bytes()
    if len(content) > LARGEST_PATCH:
        raise UnusableOffer(f"{patch} is larger than {LARGEST_PATCH} bytes.")
    git = GitCommand(repository / ".git")
    git.run("init", "--quiet", "--template=", str(repository))
    alternates = repository / ".git" / "objects" / "info" / "alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{ledger.git.git_directory / 'objects'}\n")
    git.run("read-tree", incumbent)
    try:
        git.run("apply", "--cached", "--whitespace=nowarn", data=content)
    except LedgerError as error:
        why = str(error).partition(": ")[2].partition(" Mend")[0]
        raise UnusableOffer(
            f"{patch} does not apply to the incumbent ({incumbent[:10]}): {why} "
            f"Make it against branch main of {ledger.path}."
        ) from error
    return _Change(git, incumbent, git.text("write-tree"), f"The patch {patch.name} of a person")


def _texts(change: _Change, spec: EnvironmentSpec) -> tuple[dict[str, str], dict[str, str]]:
    """The texts of the files that differ, before and after.

    Raises:
        UnusableOffer: one of them may not be changed, is deleted, or is no plain text.
    """
    rows = _differing(change)
    if not rows:
        return {}, {}
    _refuse(forbidden(list(rows), spec.editable, spec.protected), "may not be changed", spec)
    _refuse([path for path, mode in rows.items() if mode == DELETED], "cannot be deleted", spec)
    _refuse(
        [path for path, mode in rows.items() if mode not in PLAIN_FILES],
        "would be no plain files any more",
        spec,
    )
    snapshots = Snapshots(change.git)
    before, after = (snapshots.texts(tree, tuple(rows)) for tree in (change.before, change.after))
    _refuse([path for path in rows if path not in after], "are no text in UTF-8", spec)
    return before, {path: after[path] for path in rows}


def _differing(change: _Change) -> Mapping[str, str]:
    """Path -> its mode afterwards, as git writes it."""
    told = change.git.run("diff-tree", "-r", "-z", "--raw", "--no-renames", change.before, change.after)
    fields = told.decode("utf-8", "surrogateescape").split("\0")[:-1]
    return {path: row.split(" ")[1] for row, path in zip(fields[::2], fields[1::2], strict=True)}


def _refuse(paths: list[str], why: str, spec: EnvironmentSpec) -> None:
    if paths:
        shown = ", ".join(one_line(path, 80) for path in paths[:8])
        more = f" and {len(paths) - 8} more" if len(paths) > 8 else ""
        raise UnusableOffer(f"{shown}{more} {why}. Editable: {', '.join(spec.editable)}.")
