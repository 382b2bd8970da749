"""How a git repository is known as a ledger, and what a ledger asks of git.

Owns what stands in the repository's own configuration and attributes.
"""

from __future__ import annotations

from pathlib import Path

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
_ATTRIBUTES = "* -text -eol -filter -ident -working-tree-encoding\n"


def mark(git_directory: Path) -> None:
    """Make a repository a ledger, whose files are checked out as they were committed, byte by byte."""
    if not is_marked(git_directory):
        with (git_directory / "config").open("a") as stream:
            stream.write(_CONFIGURATION)
    info = git_directory / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text(_ATTRIBUTES)


def is_marked(git_directory: Path) -> bool:
    """Whether a ledger lives there."""
    try:
        return "[szilard]" in (git_directory / "config").read_text()
    except (OSError, UnicodeDecodeError):
        return False
