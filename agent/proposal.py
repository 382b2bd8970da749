"""A proposal: what a researcher wants to try, what it expects, and the edits that do it.

Owns the record and its limits; applying edits belongs to `workspaces.edits`.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from workspaces.edits import Edit

MOST_EDITS = 32


class Proposal(BaseModel):
    """One change with a stated prediction. Scores are in units of the metric, entropy in nats a token.

    Only a person may leave the change of the score unsaid: None.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    hypothesis: str = Field(min_length=8, max_length=200, description="One line: what should help")
    mechanism: str = Field(min_length=1, max_length=4000, description="Why it should help")
    predicted_score_change: float | None = Field(
        ge=-1e6, le=1e6, allow_inf_nan=False, description="Expected change of the metric"
    )
    predicted_entropy: float | None = Field(
        default=None,
        ge=0.0,
        le=20.0,
        allow_inf_nan=False,
        description="Expected final entropy, nats a token; null where no policy is trained",
    )
    edits: tuple[Edit, ...] = Field(min_length=1, max_length=MOST_EDITS)
