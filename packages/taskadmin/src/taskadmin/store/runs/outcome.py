"""The outcome of one execution, converted so that its columns can store it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from ...models import RunState
from ...values.storable import check_value, escaped_text
from ...values.tracebacks import last_lines
from ...values.type_names import class_name

#: Maximum length of a stored error text, in characters.
ERROR_MAX_LENGTH = 10_000
#: Width of the columns for a worker's name and an exception's name.
NAME_MAX_LENGTH = 200


@dataclass(slots=True, kw_only=True)
class Outcome:
    """The outcome of one execution, converted so that its columns can store it.

    A job may return or raise anything. A value that no column can hold makes the run fail with
    an error that says so; if the database refused it, the run would stay open forever.
    """

    worker: str
    elapsed: timedelta
    result: float | None = None
    output: Any | None = None
    error_type: str | None = None
    error: str | None = None

    def __post_init__(self) -> None:
        problem = self._why_unstorable()
        if problem is not None:
            self.result = self.output = None
            self.error_type, self.error = "UnstorableResult", problem
        if self.error is not None:
            self.error = last_lines(escaped_text(self.error), ERROR_MAX_LENGTH)
        if self.error_type is not None:
            self.error_type = escaped_text(self.error_type)[:NAME_MAX_LENGTH]
        self.worker = _storable_name(self.worker)

    def _why_unstorable(self) -> str | None:
        try:
            if self.result is not None:
                # A plain float: drivers can't bind large integers or other libraries' numbers.
                self.result = float(self.result)
                if not math.isfinite(self.result):
                    return f"The job returned {self.result}; a number must be finite to be stored."
            if self.output is not None:
                check_value(self.output)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - methods of the job's classes may raise anything
            problem = class_name(type(error))
        else:
            return None
        return (
            "The job returned a value that can't be stored as a number or as JSON: "
            f"{problem.rstrip('.')}."
        )

    @property
    def state(self) -> RunState:
        return RunState.SUCCEEDED if self.error_type is None else RunState.FAILED


@lru_cache(maxsize=16)
def _storable_name(name: str) -> str:
    """Truncate a worker's name; cached, since it is always the same."""
    return escaped_text(name)[:NAME_MAX_LENGTH]
