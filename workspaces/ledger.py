"""The ledger: every attempt of a run as commits of an ordinary git repository.

Owns branches, tags, messages and the evidence ref of `RUN/repository`; it decides nothing and trains
nothing. Every method that writes may be repeated after a kill and then finds what is there.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from workspaces.attempt_index import AttemptIndex
from workspaces.attempts import AttemptRecord, read_attempt
from workspaces.commits import read_commits, write_commit
from workspaces.git_command import GitCommand, LedgerError
from workspaces.ledger_mark import is_marked, mark
from workspaces.plain_text import one_line
from workspaces.redaction import redacted
from workspaces.references import References
from workspaces.revisions import Revisions
from workspaces.snapshots import Snapshots
from workspaces.trailers import code_message, result_message

__all__ = ["AttemptRecord", "Ledger", "LedgerError"]

BRANCHES = "refs/heads/attempts/"
TAGS = "refs/tags/"
EVIDENCE = "refs/szilard/evidence"
_PACK_REFS_EVERY = 200
_READ_ONE_BY_ONE = 10
_NUMBERED = re.compile(rf"{BRANCHES}\d+")


class Ledger:
    """One run's repository. Methods may be called from any thread; one process at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self.lock = threading.RLock()
        self.git = GitCommand(self.path / ".git")
        self._references = References(self.git)
        self._revisions = Revisions(self.git)
        self._snapshots = Snapshots(self.git)
        self._records: dict[int, tuple[str, AttemptRecord]] = {}
        self._index: AttemptIndex | None = None

    @classmethod
    def create(cls, path: Path, files: Mapping[str, Path], *, message: str) -> Ledger:
        """Make the repository with `files` (path inside -> file copied from) as its first commit.

        A ledger that is there already is opened; one that was half made is finished.

        Raises:
            LedgerError: something else lives at `path`, or git failed.
        """
        ledger = cls(path)
        ledger._index = AttemptIndex(ledger.git.git_directory)
        if ledger._is_whole():
            return ledger
        if is_marked(ledger.git.git_directory) and ledger.git.text("for-each-ref", "--count=1", BRANCHES):
            first = ledger.git.text("rev-list", "--max-parents=0", "refs/heads/main", check=False)
            raise LedgerError(
                f"{path} has attempts and no tag `baseline`: somebody removed it. "
                f"Put it back with `git -C {path} tag baseline {first[:12]}`."
            )
        if path.exists() and any(path.iterdir()) and not ledger._is_started():
            raise LedgerError(f"{path} is not empty and not a ledger: choose another directory.")
        path.mkdir(parents=True, exist_ok=True)
        ledger.git.run("init", "--quiet", "--template=", "--initial-branch=main", str(ledger.path))
        mark(ledger.git.git_directory)
        contents = {name: source.read_bytes() for name, source in files.items()}
        first = ledger._write("refs/heads/main", message, contents, replace=True)
        ledger.set_incumbent(first)
        ledger.git.run("update-ref", f"{TAGS}baseline", first)
        ledger._references.moved(f"{TAGS}baseline", first)
        return ledger

    @classmethod
    def open(cls, path: Path) -> Ledger:
        """Open an existing ledger.

        Raises:
            LedgerError: there is none at `path`, or git is missing.
        """
        ledger = cls(path)
        if not ledger._is_whole():
            raise LedgerError(
                f"{path} is not a ledger: it has no git repository with a `baseline` tag. "
                "Name the run's own `repository` directory."
            )
        return ledger

    def commit_code(
        self,
        number: int,
        parent_commit: str,
        parent_number: int,
        files: Mapping[str, str],
        *,
        hypothesis: str,
        mechanism: str,
        researcher: str,
        predicted_score_change: float | None,
        predicted_entropy: float | None,
        repair: int = 0,
    ) -> str:
        """Record the code of an attempt on its branch: the parent's tree with `files` written over it.

        `repair` counts how often the code was mended; a mended code follows the earlier one on the branch.
        Called again for the same number and repair it returns the commit that is there.

        Raises:
            LedgerError: the parent commit does not exist, or git failed.
        """
        with self.lock:
            found = self.attempt(number)
            earlier = found.code_commit if found is not None else None
            if found is not None and earlier is not None and found.repairs >= repair:
                return earlier
            message = code_message(
                number,
                parent_number,
                hypothesis=hypothesis,
                mechanism=mechanism,
                researcher=researcher,
                score_change=predicted_score_change,
                entropy=predicted_entropy,
                repair=repair,
            )
            return self._write(
                _branch(number),
                message,
                _encoded(files),
                parent=earlier or self._revisions.commit(parent_commit),
                tree=self.tree(parent_commit),
            )

    def commit_frontier(self, index: int, label: str, files: Mapping[str, str]) -> str:
        """Record one point of the frontier: the baseline with `files` written over it, on its own branch."""
        return self._commit_beside(f"frontier/{index:02d}", f"Frontier: {one_line(label)}", files)

    def commit_arm(self, name: str, label: str, files: Mapping[str, str]) -> str:
        """Record one arm of a comparison: the baseline with `files` written over it, on branch arms/`name`.

        Raises:
            LedgerError: `name` cannot be a branch, or git failed.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise LedgerError(f"{name!r} cannot be a branch: use letters, digits, hyphens, underscores.")
        return self._commit_beside(f"arms/{name}", one_line(label), files)

    def commit_without(self, number: int, index: int, label: str, files: Mapping[str, str]) -> str:
        """Record what is left of attempt `number` when one change is taken out, on its own branch."""
        subject = f"Attempt {number} without {one_line(label)}"
        return self._commit_beside(f"without/{number:04d}-{index:02d}", subject, files)

    def _commit_beside(self, branch: str, subject: str, files: Mapping[str, str]) -> str:
        with self.lock:
            ref = f"refs/heads/{branch}"
            found = self._references.all().get(ref)
            if found:
                return found
            return self._write(ref, f"{subject}\n", _encoded(files), parent=self.tags()["baseline"])

    def commit_result(self, number: int, *, verdict: str, reason: str, trailers: Mapping[str, str]) -> str:
        """Record what became of an attempt: a commit of the same tree, its figures as trailers.

        Called again for the same number it returns the commit that is there.

        Raises:
            LedgerError: the attempt has no code commit, or git failed.
            TrailerError: a trailer has no proper name or is given twice.
        """
        with self.lock:
            found = self.attempt(number)
            if found is None or found.code_commit is None:
                raise LedgerError(
                    f"attempt {number} has no code commit in {self.path}: commit its code first."
                )
            if found.result_commit is not None:
                return found.result_commit
            message = result_message(
                number, verdict=verdict, reason=reason, hypothesis=found.hypothesis, trailers=trailers
            )
            commit = self._write(_branch(number), message, {}, parent=found.code_commit)
            if number % _PACK_REFS_EVERY == 0:
                self.git.run("pack-refs", "--all")
            return commit

    def attempt(self, number: int) -> AttemptRecord | None:
        """One attempt, finished or not; None if it has no commit yet.

        Raises:
            LedgerError: its branch holds no commit of this attempt.
        """
        tip = self._references.all().get(_branch(number))
        if tip is None:
            return None
        known = self._records.get(number)
        if known is None or known[0] != tip:
            commits = read_commits(self.git, "--first-parent", "-n", "2", tip)
            known = self._remember(number, tip, read_attempt(number, tip, commits))
        return known[1]

    def _remember(self, number: int, tip: str, record: AttemptRecord) -> tuple[str, AttemptRecord]:
        if self._index is not None:
            self._index.keep(number, tip, record)
        self._records[number] = tip, record
        return self._records[number]

    def attempts(self) -> list[AttemptRecord]:
        """All attempts by number, those that are not finished included.

        Raises:
            LedgerError: a branch holds no commit of its attempt.
        """
        tips = {
            int(name.removeprefix(BRANCHES)): tip
            for name, tip in self._references.all().items()
            if _NUMBERED.fullmatch(name)
        }
        records = dict(self._records)
        unread = {n: tip for n, tip in tips.items() if n not in records or records[n][0] != tip}
        every = read_commits(self.git, "--branches=attempts/*") if len(unread) > _READ_ONE_BY_ONE else None
        for number, tip in unread.items():
            commits = every or read_commits(self.git, "--first-parent", "-n", "2", tip)
            records[number] = self._remember(number, tip, read_attempt(number, tip, commits))
        return [records[number][1] for number in sorted(tips)]

    def incumbent(self) -> str:
        """The commit that `main` points at."""
        commit = self._references.all().get("refs/heads/main")
        if commit is None:
            raise LedgerError(
                f"{self.path} has no branch main: somebody removed it. Make it point at the winner."
            )
        return commit

    def set_incumbent(self, commit: str) -> None:
        """Point `main` at `commit` and bring the repository's own files in step if `main` is checked out.

        Raises:
            LedgerError: no such commit, or git failed.
        """
        with self.lock:
            name = self._revisions.commit(commit)
            self.git.run("update-ref", "refs/heads/main", name)
            self._references.moved("refs/heads/main", name)
            if self.git.text("symbolic-ref", "--quiet", "HEAD", check=False) == "refs/heads/main":
                GitCommand(self.git.git_directory, self.path).run("reset", "--quiet", "--hard", name)

    def tag(self, name: str, commit: str, message: str) -> None:
        """Make an annotated tag; nothing happens if it names that commit already.

        Raises:
            LedgerError: the tag exists and names another commit, or its name is no tag name.
        """
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name):
            raise LedgerError(f"{name!r} cannot be a tag: use letters, digits, dots, hyphens, underscores.")
        with self.lock:
            wanted, there = self._revisions.commit(commit), self.tags().get(name)
            if there is not None and there != wanted:
                raise LedgerError(
                    f"the tag {name} already names {there[:10]}, not {wanted[:10]}: use another name, "
                    f"or delete it with `git -C {self.path} tag -d {name}`."
                )
            if there is None:
                self.git.run("tag", "-a", "-m", one_line(message), name, wanted)
                self._references.moved(f"{TAGS}{name}", wanted)

    def tags(self) -> dict[str, str]:
        """Tag name -> the commit that it names."""
        return {
            name.removeprefix(TAGS): commit
            for name, commit in self._references.all().items()
            if name.startswith(TAGS)
        }

    def files(self, commit: str, globs: Sequence[str] | None = None) -> dict[str, str]:
        """The text files of a commit that match `globs` (all if None); files that are not UTF-8 are left out.

        Raises:
            LedgerError: no such commit.
        """
        return self._snapshots.texts(self._revisions.commit(commit), globs)

    def read_ahead(self, records: Iterable[AttemptRecord], globs: Sequence[str]) -> None:
        """Read the files of many attempts' code in a few processes, so that `files` need not ask for each."""
        commits = [record.code_commit for record in records if record.code_commit is not None]
        self._revisions.listed(commits)
        self._snapshots.read_ahead(commits, globs)

    def blobs(self, commit: str) -> Mapping[str, str]:
        """Path -> git's hash of the file's content, for every file of a commit."""
        return self._snapshots.blobs(self._revisions.commit(commit))

    def tree(self, commit: str) -> str:
        """The hash of a commit's tree: equal for equal code."""
        return self._revisions.tree(commit)

    def parent_of(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit."""
        name = self._revisions.commit(commit)
        return self.git.text("rev-parse", "--verify", "--quiet", f"{name}^", check=False) or None

    def diff(self, a: str, b: str) -> str:
        """The changes from `a` to `b` as a unified patch."""
        names = (self._revisions.commit(a), self._revisions.commit(b))
        output = self.git.run("diff", "--no-ext-diff", "--no-textconv", "--no-color", *names)
        return output.decode("utf-8", "replace")

    def store_evidence(
        self, files: Mapping[str, bytes], message: str = "Evidence: measurements and conversations"
    ) -> str:
        """Add `files` to the tree of the evidence ref, keeping what is there, and return its commit.

        The ref always names one commit without parents, so the history that people read is not
        interrupted by it. Where all of the files are there already, nothing is committed.
        """
        with self.lock:
            kept = self._references.all().get(EVIDENCE)
            if kept is not None and self._snapshots.holds(kept, files):
                return kept
            tree = self.tree(kept) if kept is not None else None
            return self._write(EVIDENCE, message, files, tree=tree, replace=True)

    def evidence(self) -> dict[str, bytes]:
        """Every file of the evidence ref; empty while nothing is stored."""
        commit = self._references.all().get(EVIDENCE)
        return self._snapshots.files_once(commit) if commit is not None else {}

    def _write(
        self,
        ref: str,
        message: str,
        files: Mapping[str, bytes],
        *,
        parent: str | None = None,
        tree: str | None = None,
        replace: bool = False,
    ) -> str:
        written = write_commit(
            self.git, ref, redacted(message), files, parent=parent, tree=tree, replace=replace
        )
        self._references.moved(ref, written.name)
        self._revisions.wrote(written)
        if ref != EVIDENCE:
            self._snapshots.remember(files.values())
        return written.name

    def _is_started(self) -> bool:
        """Whether a killed `create` left this: marked as ours, or nothing but an empty git directory."""
        if [entry.name for entry in self.path.iterdir()] != [".git"]:
            return is_marked(self.git.git_directory)
        return is_marked(self.git.git_directory) or not self.git.text(
            "for-each-ref", "--count=1", check=False
        )

    def _is_whole(self) -> bool:
        return is_marked(self.git.git_directory) and f"{TAGS}baseline" in self._references.all()


def _encoded(files: Mapping[str, str]) -> dict[str, bytes]:
    """What a researcher wrote as it is kept: without secrets."""
    return {name: redacted(text).encode() for name, text in files.items()}


def _branch(number: int) -> str:
    return f"{BRANCHES}{number:04d}"
