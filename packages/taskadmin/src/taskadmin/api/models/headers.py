"""Headers that operations know."""

from __future__ import annotations

from pydantic import BaseModel, Field


class IfMatch(BaseModel):
    """The version that was read, so that nobody else's edit is lost."""

    if_match: str | None = Field(
        None,
        alias="If-Match",
        max_length=200,
        description="The task's `ETag`, or `*` for whatever is there. It is required.",
    )


class IdempotencyKey(BaseModel):
    """A key that makes a repeated request harmless."""

    idempotency_key: str | None = Field(
        None,
        alias="Idempotency-Key",
        min_length=1,
        max_length=200,
        pattern=r"^[!-~]+$",
        description=(
            "Any text of yours, such as a UUID. A request that repeats it within 24 hours gets the"
            " first one's response, and nothing is done twice."
        ),
    )
