"""SEARCH/REPLACE blocks and whole files, applied or refused.

Owns the edit record and its application to text; it touches no disk and no git.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, model_validator

from environments.base import SzilardError


class EditError(SzilardError):
    """An edit that cannot be applied; the message names the file and the nearest lines."""


class Edit(BaseModel):
    """One change to one file: either `search` and `replace`, or the whole `content`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: str = Field(min_length=1, max_length=300)
    search: str | None = None
    replace: str | None = None
    content: str | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Edit:
        block = self.search is not None and self.replace is not None and self.content is None
        whole = self.content is not None and self.search is None and self.replace is None
        if not (block or whole):
            raise ValueError("an edit has either search and replace, or content")
        return self
