"""The `szilard` command: which verbs there are, and how every failure looks.

Owns the command line and exit codes; each verb is a module of its own, imported when it is used.
"""

from __future__ import annotations

import errno
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import click

from environments.base import SzilardError

_VERBS = (
    "run",
    "resume",
    "attempt",
    "note",
    "steer",
    "export",
    "confirm",
    "ablate",
    "replay",
    "status",
    "log",
    "show",
    "diff",
    "context",
    "fsck",
    "clean",
    "doctor",
    "controls",
    "study",
    "compare-researchers",
    "env",
)

EXIT_BROKEN_PIPE = 1
EXIT_USER_ERROR = 2
EXIT_BUG = 70
EXIT_INTERRUPTED = 130

_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EACCES: "permission denied: choose a folder that you may write",
    errno.EPERM: "permission denied: choose a folder that you may write",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.ENOTDIR: "a part of this path is a file: choose a folder",
    errno.EEXIST: "something else is there already: choose another folder",
    errno.ENAMETOOLONG: "the name is too long: choose a shorter one",
    errno.EISDIR: "a folder is where a file belongs: choose another folder",
    errno.EMFILE: "too many open files: raise the limit with `ulimit -n 4096`",
}
_SQLITE_REMEDIES = {
    "SQLITE_FULL": _REMEDIES[errno.ENOSPC],
    "SQLITE_READONLY": _REMEDIES[errno.EROFS],
    "SQLITE_CANTOPEN": _REMEDIES[errno.EACCES],
    "SQLITE_IOERR": "reading or writing failed: look at the free space and the health of the disk",
}


class _Verbs(click.Group):
    """Verbs in the order of a run, imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _VERBS:
            return None
        command = importlib.import_module(f"agent.cli.{cmd_name.replace('-', '_')}").command
        assert isinstance(command, click.Command)  # noqa: S101
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _VERBS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], _VERBS, n=1)
            hint = f" Did you mean `szilard {near[0]}`?" if near else " Verbs: " + ", ".join(_VERBS) + "."
            raise click.UsageError(f"There is no verb {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)


@click.group(cls=_Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="szilard", message="szilard %(version)s")
def commands() -> None:
    """Research how training spends entropy: propose, train, score, and keep what survives noise.

    \b
    Example:
      szilard run "Solve more countdown problems in up to 16 tries without getting worse at the first"

    Exit codes: 0 done (also when nothing was worth keeping), 1 a check that failed (doctor, fsck, replay,
    controls check), 2 bad input, 130 interrupted, 70 a fault of Szilard.
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command and exit; every error a person can cause is one sentence on standard error."""
    try:
        commands.main(args=arguments, prog_name="szilard", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(EXIT_BROKEN_PIPE)
    except click.Abort:
        sys.exit(EXIT_INTERRUPTED)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except SzilardError as error:
        _fail(str(error))
    except Exception as error:  # noqa: BLE001
        sentence = _disk_sentence(error)
        if sentence is not None:
            _fail(sentence)
        traceback.print_exc()
        click.echo(
            "szilard: this is a fault of Szilard, not of yours. Please report it, with the lines above, "
            "on the issue tracker of the project.",
            err=True,
        )
        sys.exit(EXIT_BUG)


def _fail(sentence: str) -> None:
    from workspaces.plain_text import clean
    from workspaces.redaction import redacted

    click.echo(f"szilard: {redacted(clean(sentence))}", err=True)
    sys.exit(EXIT_USER_ERROR)


def _disk_sentence(error: Exception) -> str | None:
    """What a failure of the disk means to a person; None for any other error."""
    if isinstance(error, OSError) and error.errno in _REMEDIES:
        path = error.filename2 or error.filename
        where = f"{path}: " if path else ""
        return f"{where}{_REMEDIES[error.errno]}. What was decided so far is safe; then run or resume again."
    code = getattr(error, "sqlite_errorname", "")
    for name, remedy in _SQLITE_REMEDIES.items():
        if code.startswith(name):
            return f"A database of the run: {remedy}. What was decided so far is safe; then resume the run."
    return None
