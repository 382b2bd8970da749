"""What a person says to the run, as a section of the prompt.

Owns its words. A person may steer and judge; what they say is still fenced, since it was typed into a shell
and may quote anything.
"""

from __future__ import annotations

from collections.abc import Sequence

from workspaces.plain_text import fenced
from workspaces.remarks import Remark

SHOWN_CHARACTERS = 12_000


def section(remarks: Sequence[Remark]) -> str:
    """The newest remarks that fit, oldest first; empty where nobody has said anything."""
    if not remarks:
        return ""
    lines: list[str] = []
    room = SHOWN_CHARACTERS
    for remark in reversed(remarks):
        room -= len(remark.text) + 40
        if room < 0:
            break
        about = "on the whole run" if remark.attempt is None else f"on attempt {remark.attempt}"
        lines.insert(0, f"{about} ({remark.created}): {remark.text}")
    left_out = len(remarks) - len(lines)
    note = f"The oldest {left_out} are left out for length.\n" if left_out else ""
    return (
        "# What the person says\n"
        "The person whose run this is has written the following: follow it where the rules above allow it, "
        f"the newest before the older.\n{note}{fenced(chr(10).join(lines), limit=None)}\n\n"
    )
