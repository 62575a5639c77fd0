"""What came of one execution, made to fit its columns."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from ..models import RunState

#: Longest error text that is stored, in characters.
ERROR_MAX_LENGTH = 10_000
#: Width of the columns for a worker's name and for an exception's.
NAME_MAX_LENGTH = 200


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What came of one execution, made to fit its columns.

    A job may return or raise anything. What no column can hold makes the run a
    failed one that says so; refused by the database, it would stay open for ever.
    """

    worker: str
    elapsed: timedelta
    result: float | None = None
    output: Any | None = None
    error_type: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        problem = _why_unstorable(self.result, self.output)
        if problem is not None:
            self.result = self.output = None
            self.error_type, self.error = "UnstorableResult", problem
        if self.error is not None:
            # The end of a traceback says what happened.
            self.error = _storable_text(self.error)[-ERROR_MAX_LENGTH:]
        if self.error_type is not None:
            self.error_type = _storable_text(self.error_type)[:NAME_MAX_LENGTH]
        self.worker = _storable_name(self.worker)

    @property
    def state(self) -> RunState:
        return RunState.SUCCEEDED if self.error_type is None else RunState.FAILED


def _why_unstorable(result: float | None, output: Any) -> str | None:
    try:
        if result is not None and not math.isfinite(result):
            return f"The job returned {result}; a number must be finite to be stored."
        if output is not None:
            json.dumps(output, allow_nan=False)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        return f"The job returned something that can't be stored as a number or as JSON: {error}."
    return None


@lru_cache(maxsize=16)
def _storable_name(name: str) -> str:
    """A worker's: the same one again and again."""
    return _storable_text(name)[:NAME_MAX_LENGTH]


def _storable_text(text: str) -> str:
    """*text* without what PostgreSQL refuses: NUL and halves of characters are spelt out."""
    return text.replace("\0", r"\x00").encode("utf-8", "backslashreplace").decode()
