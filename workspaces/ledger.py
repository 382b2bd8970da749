"""The ledger: every attempt of a run as commits of an ordinary git repository.

Owns branches, tags, messages and the evidence ref of `RUN/repository`; it decides nothing and trains
nothing. Commits are written by `git fast-import`: one process each, no work tree, no index, and the
branch appears only when its objects are complete, so a kill at any moment leaves no half of an attempt.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workspaces.edits import matches
from workspaces.git_command import GitCommand, LedgerError
from workspaces.trailers import code_message, one_line, read_proposal, read_trailers, result_message

__all__ = ["AttemptRecord", "Ledger", "LedgerError"]

BRANCHES = "refs/heads/attempts/"
EVIDENCE = "refs/szilard/evidence"
_FORMAT = "--format=%x1e%H%x1f%P%x1f%s%x1f%b%x1f%(trailers:only,unfold)"
_CONFIGURATION = """\
[user]
\tname = Szilard
\temail = szilard@localhost
[commit]
\tgpgSign = false
[tag]
\tgpgSign = false
[gc]
\tauto = 0
[core]
\thooksPath = /dev/null
\tautocrlf = false
\tlogAllRefUpdates = false
[szilard]
\tledger = 1
"""
_PACK_REFS_EVERY = 200


@dataclass(frozen=True)
class AttemptRecord:
    """What the ledger knows of one attempt; the last four are empty while it is unfinished.

    `predicted_score_change` is in units of the metric, `predicted_entropy` in nats a token; `trailers`
    are all trailers of the result commit.
    """

    number: int
    parent: int
    researcher: str
    hypothesis: str
    mechanism: str
    predicted_score_change: float
    predicted_entropy: float
    code_commit: str | None
    result_commit: str | None
    verdict: str | None
    reason: str | None
    trailers: Mapping[str, str]


@dataclass(frozen=True)
class _Commit:
    name: str
    parents: tuple[str, ...]
    subject: str
    body: str
    trailers: Mapping[str, str]


class Ledger:
    """One run's repository. Methods may be called from any thread; one process at a time writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = threading.RLock()
        self.git = GitCommand(path / ".git")

    @classmethod
    def create(cls, path: Path, files: Mapping[str, Path], *, message: str) -> Ledger:
        """Make the repository with `files` (path inside -> file copied from) as its first commit.

        A ledger that is there already is opened; one that was half made is finished.

        Raises:
            LedgerError: something else lives at `path`, or git failed.
        """
        ledger = cls(path)
        if path.exists() and any(path.iterdir()) and not (path / ".git").is_dir():
            raise LedgerError(f"{path} is not empty and not a ledger: choose another directory.")
        if ledger._is_whole():
            return ledger
        path.mkdir(parents=True, exist_ok=True)
        ledger.git.run("init", "--quiet", "--template=", "--initial-branch=main", str(path))
        configuration = path / ".git" / "config"
        if "[szilard]" not in configuration.read_text():
            with configuration.open("a") as stream:
                stream.write(_CONFIGURATION)
        contents = {name: source.read_bytes() for name, source in files.items()}
        first = ledger._commit("refs/heads/main", None, message, contents, replace=True)
        ledger.set_incumbent(first)
        ledger.git.run("update-ref", "refs/tags/baseline", first)
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
        predicted_score_change: float,
        predicted_entropy: float,
    ) -> str:
        """Record the code of an attempt on its branch: the parent's tree with `files` written over it.

        Called again for the same number it returns the commit that is there.

        Raises:
            LedgerError: the parent commit does not exist, or git failed.
        """
        with self.lock:
            found = self.attempt(number)
            if found is not None and found.code_commit is not None:
                return found.code_commit
            message = code_message(
                number,
                parent_number,
                hypothesis=hypothesis,
                mechanism=mechanism,
                researcher=researcher,
                score_change=predicted_score_change,
                entropy=predicted_entropy,
            )
            contents = {name: text.encode() for name, text in files.items()}
            return self._commit(_branch(number), self._resolve(parent_commit), message, contents)

    def commit_result(self, number: int, *, verdict: str, reason: str, trailers: Mapping[str, str]) -> str:
        """Record what became of an attempt: a commit of the same tree, its figures as trailers.

        Called again for the same number it returns the commit that is there.

        Raises:
            LedgerError: the attempt has no code commit, or git failed.
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
            commit = self._commit(_branch(number), found.code_commit, message, {})
            if number % _PACK_REFS_EVERY == 0:
                self.git.run("pack-refs", "--all")
            return commit

    def attempt(self, number: int) -> AttemptRecord | None:
        """One attempt, finished or not; None if it has no commit yet.

        Raises:
            LedgerError: its branch holds no commit of this attempt.
        """
        tip = self.git.text("rev-parse", "--verify", "--quiet", _branch(number), check=False)
        if not tip:
            return None
        return _record(number, tip, self._commits("--first-parent", "-n", "2", tip))

    def attempts(self) -> list[AttemptRecord]:
        """All attempts by number, those that are not finished included.

        Raises:
            LedgerError: a branch holds no commit of its attempt.
        """
        listing = self.git.text("for-each-ref", "--format=%(objectname) %(refname)", BRANCHES)
        tips: dict[int, str] = {}
        for line in listing.splitlines():
            tip, _, name = line.partition(" ")
            if re.fullmatch(r"\d+", name.removeprefix(BRANCHES)):
                tips[int(name.removeprefix(BRANCHES))] = tip
        commits = self._commits("--branches=attempts/*") if tips else {}
        return [_record(number, tips[number], commits) for number in sorted(tips)]

    def incumbent(self) -> str:
        """The commit that `main` points at."""
        return self._resolve("refs/heads/main")

    def set_incumbent(self, commit: str) -> None:
        """Point `main` at `commit` and bring the repository's own files in step if `main` is checked out.

        Raises:
            LedgerError: no such commit, or git failed.
        """
        with self.lock:
            name = self._resolve(commit)
            self.git.run("update-ref", "refs/heads/main", name)
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
            wanted, there = self._resolve(commit), self.tags().get(name)
            if there is not None and there != wanted:
                raise LedgerError(
                    f"the tag {name} already names {there[:10]}, not {wanted[:10]}: use another name, "
                    f"or delete it with `git -C {self.path} tag -d {name}`."
                )
            if there is None:
                self.git.run("tag", "-a", "-m", one_line(message), name, wanted)

    def tags(self) -> dict[str, str]:
        """Tag name -> the commit that it names."""
        listing = self.git.text(
            "for-each-ref", "--format=%(refname:strip=2) %(objectname) %(*objectname)", "refs/tags"
        )
        rows = (line.split() for line in listing.splitlines())
        return {row[0]: row[-1] for row in rows}

    def files(self, commit: str, globs: Sequence[str] | None = None) -> dict[str, str]:
        """The text files of a commit that match `globs` (all if None); files that are not UTF-8 are left out.

        Raises:
            LedgerError: no such commit.
        """
        chosen: dict[str, str] = {}
        for path, content in self._contents(self._resolve(commit), globs).items():
            try:
                chosen[path] = content.decode()
            except UnicodeDecodeError:
                continue
        return chosen

    def blobs(self, commit: str) -> dict[str, str]:
        """Path -> git's hash of the file's content, for every file of a commit."""
        return {path: blob for path, blob, _ in self._listing(self._resolve(commit))}

    def tree(self, commit: str) -> str:
        """The hash of a commit's tree: equal for equal code."""
        return self._verify(f"{_revision(commit)}^{{tree}}")

    def parent_of(self, commit: str) -> str | None:
        """The first parent of a commit; None for the first commit."""
        name = self._resolve(commit)
        return self.git.text("rev-parse", "--verify", "--quiet", f"{name}^", check=False) or None

    def diff(self, a: str, b: str) -> str:
        """The changes from `a` to `b` as a unified patch."""
        names = (self._resolve(a), self._resolve(b))
        output = self.git.run("diff", "--no-ext-diff", "--no-textconv", "--no-color", *names)
        return output.decode("utf-8", "replace")

    def store_evidence(self, files: Mapping[str, bytes], message: str) -> str:
        """Add `files` to the tree of the evidence ref, keeping what is there, and return the new commit.

        The ref always names one commit without parents, so the history that people read is not
        interrupted by it.
        """
        with self.lock:
            kept = self.git.text("rev-parse", "--verify", "--quiet", f"{EVIDENCE}^{{tree}}", check=False)
            return self._commit(EVIDENCE, None, message, dict(files), tree=kept or None, replace=True)

    def evidence(self) -> dict[str, bytes]:
        """Every file of the evidence ref; empty while nothing is stored."""
        tree = self.git.text("rev-parse", "--verify", "--quiet", f"{EVIDENCE}^{{tree}}", check=False)
        return self._contents(tree, None) if tree else {}

    def _is_whole(self) -> bool:
        if not (self.path / ".git").is_dir():
            return False
        return "refs/tags/baseline" in self.git.text(
            "for-each-ref", "--format=%(refname)", "refs/tags/baseline"
        )

    def _commit(
        self,
        ref: str,
        parent: str | None,
        message: str,
        files: Mapping[str, bytes],
        *,
        tree: str | None = None,
        replace: bool = False,
    ) -> str:
        """Write one commit and its branch; `tree` is what a commit without parent starts from."""
        text = message.encode()
        stream = [b"commit %s\nmark :1\n" % ref.encode()]
        stream.append(b"committer Szilard <szilard@localhost> %d +0000\n" % int(time.time()))
        stream.append(b"data %d\n%s\n" % (len(text), text))
        if parent is not None:
            stream.append(b"from %s\n" % parent.encode())
        if tree is not None:
            stream.append(b'M 040000 %s ""\n' % tree.encode())
        for path, content in sorted(files.items()):
            stream.append(b"M 100644 inline %s\ndata %d\n%s\n" % (_quoted(path), len(content), content))
        stream.append(b"\nget-mark :1\ndone\n")
        options = ("--quiet", "--done", *(("--force",) if replace else ()))
        output = self.git.text("fast-import", *options, data=b"".join(stream))
        return output.splitlines()[0]

    def _commits(self, *arguments: str) -> dict[str, _Commit]:
        output = self.git.run("log", _FORMAT, "--no-show-signature", *arguments)
        commits: dict[str, _Commit] = {}
        for row in output.decode("utf-8", "replace").split("\x1e")[1:]:
            name, parents, subject, body, trailers = row.split("\x1f")
            commits[name] = _Commit(
                name, tuple(parents.split()), subject, body, read_trailers(trailers.strip())
            )
        return commits

    def _listing(self, tree: str) -> Iterable[tuple[str, str, str]]:
        output = self.git.run("ls-tree", "-r", "-z", "--full-tree", tree)
        for row in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
            properties, _, path = row.partition("\t")
            mode, _, blob = properties.split()
            yield path, blob, mode

    def _contents(self, tree: str, globs: Sequence[str] | None) -> dict[str, bytes]:
        wanted = [(p, blob) for p, blob, _ in self._listing(tree) if globs is None or matches(p, globs)]
        output = self.git.run("cat-file", "--batch", data="".join(f"{blob}\n" for _, blob in wanted).encode())
        contents: dict[str, bytes] = {}
        start = 0
        for path, _ in wanted:
            end = output.index(b"\n", start)
            size = int(output[start:end].split()[-1])
            contents[path] = output[end + 1 : end + 1 + size]
            start = end + size + 2
        return contents

    def _resolve(self, commit: str) -> str:
        return self._verify(f"{_revision(commit)}^{{commit}}")

    def _verify(self, revision: str) -> str:
        name = self.git.text("rev-parse", "--verify", "--quiet", "--end-of-options", revision, check=False)
        if not name:
            shown = revision.partition("^{")[0]
            raise LedgerError(
                f"{self.path} has no commit {shown!r}: list what there is with `szilard log RUN`."
            )
        return name


def _branch(number: int) -> str:
    return f"{BRANCHES}{number:04d}"


def _revision(commit: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._/~^-]*", commit):
        raise LedgerError(f"{commit!r} names no commit: give a hash, a tag or a branch.")
    return commit


def _quoted(path: str) -> bytes:
    return b'"' + path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").encode() + b'"'


def _record(number: int, tip: str, commits: Mapping[str, _Commit]) -> AttemptRecord:
    last = commits[tip]
    result = last if "Verdict" in last.trailers else None
    code = commits.get(result.parents[0]) if result is not None and result.parents else last
    try:
        if code is None or {last.trailers["Attempt"], code.trailers["Attempt"]} != {str(number)}:
            raise ValueError(number)
        hypothesis, mechanism = read_proposal(code.subject, code.body)
        return AttemptRecord(
            number=number,
            parent=int(code.trailers["Parent-Attempt"]),
            researcher=code.trailers["Researcher"],
            hypothesis=hypothesis,
            mechanism=mechanism,
            predicted_score_change=float(code.trailers["Predicted-Score-Change"]),
            predicted_entropy=float(code.trailers["Predicted-Entropy"]),
            code_commit=code.name,
            result_commit=result.name if result is not None else None,
            verdict=result.trailers["Verdict"] if result is not None else None,
            reason=result.trailers.get("Reason") if result is not None else None,
            trailers=result.trailers if result is not None else {},
        )
    except (KeyError, ValueError) as error:
        raise LedgerError(
            f"the branch attempts/{number:04d} does not end in a commit of attempt {number}: it was changed "
            "by hand. Point it back at the attempt's last commit with `git branch -f`."
        ) from error
