"""What a check of the doctor's found."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """How bad it is."""

    OK = "ok"
    #: It works, and somebody should look at it.
    WARNING = "warning"
    #: Something doesn't work.
    PROBLEM = "problem"


class Answer(NamedTuple):
    """What a check says."""

    status: Status
    found: str
    #: Commands to run and settings to change, one a line.
    fix: str | None = None


class Finding(NamedTuple):
    """The same with the name of the check."""

    name: str
    status: Status
    found: str
    fix: str | None = None


def ok(found: str) -> Answer:
    """All is well."""
    return Answer(Status.OK, found)


def warning(found: str, fix: str | None = None) -> Answer:
    """It works, and somebody should look at it."""
    return Answer(Status.WARNING, found, fix)


def problem(found: str, fix: str) -> Answer:
    """Something doesn't work."""
    return Answer(Status.PROBLEM, found, fix)
