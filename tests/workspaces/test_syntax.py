"""Code is read by several threads at once."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from workspaces.syntax import parse

SOURCE = "def f(x):\n    return [x + 1, (x, {x: 2})]\n" * 20


@pytest.fixture
def interrupted() -> Iterator[None]:
    """Threads take turns in the midst of what they read, as a collection of garbage lets them."""

    def give_way(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    threshold = gc.get_threshold()
    gc.set_threshold(50)
    gc.callbacks.append(give_way)
    yield
    gc.callbacks.remove(give_way)
    gc.set_threshold(*threshold)


def test_threads_that_read_code_at_once_do_not_disturb_each_other(interrupted: None) -> None:
    """On CPython 3.11.7 `ast.parse` in the place of `parse` ends in a SystemError here."""
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: len(parse(SOURCE).body), range(40))) == {20}
