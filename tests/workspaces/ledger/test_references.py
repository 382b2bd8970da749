"""A listing of refs that was overtaken by a write never hides that write."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from workspaces.git_command import GitCommand
from workspaces.references import References


class Overtaken(GitCommand):
    """A git whose listing is read before, and answered after, what `meanwhile` does."""

    meanwhile: Callable[[], None] | None = None

    def text(self, *arguments: str, data: bytes = b"", check: bool = True) -> str:
        meanwhile, Overtaken.meanwhile = Overtaken.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return "refs/heads/main aaaa"


def test_a_slow_listing_does_not_lose_what_was_written_meanwhile(tmp_path: Path) -> None:
    references = References(Overtaken(tmp_path))
    references.all()
    references.moved("refs/heads/attempts/0001", "bbbb")
    assert references.all()["refs/heads/attempts/0001"] == "bbbb"
    (tmp_path / "packed-refs").write_text("")

    def write() -> None:
        references.moved("refs/heads/attempts/0002", "cccc")

    Overtaken.meanwhile = staticmethod(write)
    references.all()
    references.moved("refs/heads/attempts/0003", "dddd")
    held = references._read
    assert held is None or held[0] != references._generation or "refs/heads/attempts/0002" in held[2]
