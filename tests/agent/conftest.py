"""A researcher that is connected to a language model."""

from __future__ import annotations

from typing import Any

import pytest

from agent.researchers.language_model import LanguageModelResearcher
from tests.agent.a_conversation import KEY, Connect


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Connect:
    def connect(base_url: str | None, key: str | None = KEY, **options: Any) -> LanguageModelResearcher:
        for name, value in (("OPENAI_BASE_URL", base_url), ("OPENAI_API_KEY", key)):
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        return LanguageModelResearcher("test-model", **options)

    return connect
