"""Results of the doctor's checks."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import NamedTuple

from babel import Locale

from ..translation.amounts import duration


class Status(StrEnum):
    """Severity of a finding."""

    OK = "ok"
    #: It works, but needs attention.
    WARNING = "warning"
    #: Something doesn't work.
    PROBLEM = "problem"


class Answer(NamedTuple):
    """The result of a check."""

    status: Status
    found: str
    #: Commands to run and settings to change, one per line.
    fix: str | None = None


class Finding(NamedTuple):
    """The result of a check, with the check's name."""

    name: str
    status: Status
    found: str
    fix: str | None = None


def ok(found: str) -> Answer:
    """Return a result without problems."""
    return Answer(Status.OK, found)


def warning(found: str, fix: str | None = None) -> Answer:
    """Return a result that needs attention."""
    return Answer(Status.WARNING, found, fix)


def problem(found: str, fix: str) -> Answer:
    """Return a result for something that doesn't work."""
    return Answer(Status.PROBLEM, found, fix)


def english_duration(length: timedelta) -> str:
    """“1 min, 30 sec”: what the doctor says is English."""
    return duration(length, Locale("en"))


def english_ago(length: timedelta) -> str:
    """“1 min, 30 sec ago”."""
    return f"{english_duration(length)} ago"


def size_in_words(size: int) -> str:
    """“1.5 GiB”."""
    power = min(max((size.bit_length() - 1) // 10, 1), 4)
    return f"{size / 1024**power:.1f} {'KMGT'[power - 1]}iB"
