"""A person's remark, from the command line into the run and its evidence.

Owns that way; the file of remarks is in `workspaces.remarks`, and what is told of them in the researcher's
context.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from agent.opening import REPOSITORY
from agent.ownership import HeldElsewhere, owned
from agent.settings import RunSettings
from workspaces.ledger import Ledger
from workspaces.remarks import add_remark, evidence_of_remarks

READS_WORDS = ("language-model", "command")


def remark(directory: Path, text: str, attempt: int | None = None) -> str:
    """Keep a remark on the run, or on one of its attempts; who will read it, in one sentence.

    A process that holds the run copies it into the evidence itself, at its next verdict.

    Raises:
        NoRemark: it cannot be kept; the message says why.
        InvalidRun: there is no run.
    """
    settings = RunSettings.read(directory)
    add_remark(directory, text, attempt)
    if (directory / REPOSITORY).exists():
        with suppress(HeldElsewhere), owned(directory):
            Ledger.open(directory / REPOSITORY).store_evidence(evidence_of_remarks(directory))
    if settings.researcher in READS_WORDS:
        return "Kept: the researcher reads it at its next proposal."
    return (
        f"Kept with the run. Its researcher is {settings.researcher}, which reads no words: a language model "
        "(--model) and a program (--researcher command) do."
    )
