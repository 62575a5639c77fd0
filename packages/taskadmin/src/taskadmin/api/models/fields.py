"""Fields of models, and what bodies have in common."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


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


class PersonOut(BaseModel):
    """A user."""

    id: int
    username: str
