"""What a check found: of a run in `fsck`, of a machine in `doctor`.

Owns the record and its words; nothing is checked here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_SHOWN = 3


@dataclass(frozen=True)
class Fault:
    """What is wrong, and the command that mends it; empty where none does."""

    what: str
    mending: str = ""


@dataclass(frozen=True)
class Finding:
    """One check: what it looked at, and what is wrong with it."""

    name: str
    looked_at: str
    faults: Sequence[Fault]

    @property
    def holds(self) -> bool:
        return not self.faults

    def told(self) -> str:
        """What was found, in a sentence or three."""
        if self.holds:
            return self.looked_at
        shown = "; ".join(fault.what for fault in self.faults[:_SHOWN])
        return shown + (f"; and {len(self.faults) - _SHOWN} more" if len(self.faults) > _SHOWN else "")

    def mending(self) -> list[str]:
        """The commands that mend it, each once."""
        return list(dict.fromkeys(fault.mending for fault in self.faults if fault.mending))
