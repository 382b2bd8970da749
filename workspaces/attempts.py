"""One attempt, read back from its commits.

Owns the record; the commits are found by the ledger.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from workspaces.commits import Commit
from workspaces.git_command import LedgerError
from workspaces.trailers import read_proposal


@dataclass(frozen=True)
class AttemptRecord:
    """What the ledger knows of one attempt; the last four are empty while it is unfinished.

    `predicted_score_change` is in units of the metric, `predicted_entropy` in nats a token, None
    where unsaid; `trailers` are all trailers of the result commit; `repairs` counts how often the code was
    mended.
    """

    number: int
    parent: int
    researcher: str
    hypothesis: str
    mechanism: str
    predicted_score_change: float | None
    predicted_entropy: float | None
    code_commit: str | None
    result_commit: str | None
    verdict: str | None
    reason: str | None
    trailers: Mapping[str, str]
    repairs: int = 0

    @property
    def compared_with(self) -> int:
        """The attempt that its verdict holds it against; while it has none, its parent."""
        told = self.trailers.get("Compared-With", "")
        return int(told) if told.isdecimal() else self.parent


def read_attempt(number: int, tip: str, commits: Mapping[str, Commit]) -> AttemptRecord:
    """The record of the attempt whose branch ends in `tip`; `commits` holds `tip` and its first parent.

    Raises:
        LedgerError: the branch holds no commit of this attempt.
    """
    last = commits[tip]
    result = last if "Verdict" in last.trailers else None
    code = commits.get(result.parents[0]) if result is not None and result.parents else last
    try:
        if code is None or {last.trailers["Attempt"], code.trailers["Attempt"]} != {str(number)}:
            raise ValueError(number)
        hypothesis, mechanism = read_proposal(code.subject, code.body)
        change, entropy = (
            code.trailers.get(name) for name in ("Predicted-Score-Change", "Predicted-Entropy")
        )
        return AttemptRecord(
            number=number,
            parent=int(code.trailers["Parent-Attempt"]),
            researcher=code.trailers["Researcher"],
            hypothesis=hypothesis,
            mechanism=mechanism,
            predicted_score_change=float(change) if change is not None else None,
            predicted_entropy=float(entropy) if entropy is not None else None,
            code_commit=code.name,
            result_commit=result.name if result is not None else None,
            verdict=result.trailers["Verdict"] if result is not None else None,
            reason=result.trailers.get("Reason") if result is not None else None,
            trailers=result.trailers if result is not None else {},
            repairs=int(code.trailers.get("Repair", "0")),
        )
    except (KeyError, ValueError) as error:
        raise LedgerError(
            f"the branch attempts/{number:04d} does not end in a commit of attempt {number}: it was changed "
            "by hand. Point it back at the attempt's last commit with `git branch -f`."
        ) from error
