"""Single commits: written by `git fast-import`, read by `git log`.

Owns the two formats. A commit is one process without work tree and index, and its ref moves only when all
its objects are there, so a kill at any moment leaves the whole commit or none of it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from workspaces.git_command import GitCommand
from workspaces.trailers import read_trailers

# What a file begins with that can be run as a program: files are kept by content, not by mode.
PROGRAMS = (b"#!", b"\x7fELF")
_FIELDS = ("%H", "%P", "%s", "%b", "%(trailers:only,unfold)")
_FORMAT = "--format=tformat:" + "".join(field + "%x00" for field in _FIELDS)


@dataclass(frozen=True)
class Commit:
    """One commit as git shows it."""

    name: str
    parents: tuple[str, ...]
    subject: str
    body: str
    trailers: Mapping[str, str]


@dataclass(frozen=True)
class Written:
    """A commit that was just made, and its tree."""

    name: str
    tree: str


def write_commit(
    git: GitCommand,
    ref: str,
    message: str,
    files: Mapping[str, bytes],
    *,
    parent: str | None = None,
    tree: str | None = None,
    replace: bool = False,
) -> Written:
    """Commit `files` over the tree of `parent`, or over `tree` without a parent; point `ref` at it.

    `replace` allows a ref that is no ancestor to be moved.

    Raises:
        LedgerError: git failed; the ref is as it was.
    """
    text = message.encode()
    stream = [b"commit %s\nmark :1\n" % ref.encode()]
    stream.append(b"committer Szilard <szilard@localhost> %d +0000\n" % int(time.time()))
    stream.append(b"data %d\n%s\n" % (len(text), text))
    if parent is not None:
        stream.append(b"from %s\n" % parent.encode())
    if tree is not None:
        stream.append(b'M 040000 %s ""\n' % tree.encode())
    for path, content in sorted(files.items()):
        mode = b"100755" if content.startswith(PROGRAMS) else b"100644"
        stream.append(b"M %s inline %s\ndata %d\n%s\n" % (mode, _quoted(path), len(content), content))
    stream.append(b'\nget-mark :1\nls :1 ""\ndone\n')
    force = ("--force",) if replace else ()
    answer = git.text("fast-import", "--quiet", "--done", *force, data=b"".join(stream)).splitlines()
    return Written(answer[0], answer[1].split()[2])


def read_commits(git: GitCommand, *arguments: str) -> dict[str, Commit]:
    """Hash -> commit for what `git log ARGUMENTS` lists."""
    output = git.run("log", _FORMAT, "--no-show-signature", *arguments).decode("utf-8", "replace")
    fields = output.split("\0")[:-1]
    commits: dict[str, Commit] = {}
    for start in range(0, len(fields), len(_FIELDS)):
        name, parents, subject, body, trailers = fields[start : start + len(_FIELDS)]
        name = name.strip()
        commits[name] = Commit(name, tuple(parents.split()), subject, body, read_trailers(trailers.strip()))
    return commits


def _quoted(path: str) -> bytes:
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'.encode()
