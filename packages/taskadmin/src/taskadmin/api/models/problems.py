"""Errors as the API sends them."""

from __future__ import annotations

from pydantic import BaseModel, Field


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
