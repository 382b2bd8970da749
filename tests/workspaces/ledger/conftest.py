"""A ledger of one baseline."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.workspaces.ledger.a_ledger import make
from workspaces.ledger import Ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return make(tmp_path)
