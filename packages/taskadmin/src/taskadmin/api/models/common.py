"""Models that several resources share."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


#: A whole number in a body: for JSON Schema, 7.0 is one.
Whole = Annotated[int, BeforeValidator(_whole)]
#: Any JSON value.
Json = Annotated[Any, Field(description="Any JSON value.")]
Link = Annotated[
    str | None, Field(description="Address of the next page; null if this is the last one.")
]


class Body(BaseModel):
    """A body that is sent to the API; unknown keys are refused."""

    model_config = ConfigDict(extra="forbid")


class ProblemPart(BaseModel):
    """A part of the request that can't be used."""

    pointer: str | None = Field(None, description="Where in the body: a JSON pointer (RFC 6901).")
    parameter: str | None = Field(None, description="Which parameter or header.")
    detail: str


class Problem(BaseModel):
    """Problem details (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str
    errors: list[ProblemPart] | None = None


class PersonOut(BaseModel):
    """A user."""

    id: int
    username: str


class PauseOut(BaseModel):
    """Why a task is paused, by whom, and until when."""

    at: datetime | None
    by: PersonOut | None = Field(description="Null for taskadmin itself, after failures.")
    note: str | None
    until: datetime | None = Field(description="When the launcher resumes it.")


class PauseBody(Body):
    """A note and an end, both optional."""

    note: str | None = Field(None, max_length=500)
    until: AwareDatetime | None = Field(None, description="When the launcher resumes it.")


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
