"""Fit results and exceptions of jobs into a run's columns."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from http import HTTPStatus
from typing import Any

import pytest
from sqlalchemy.orm import Session

from services.jobs import bad_jobs
from services.rows.runs import finish, row
from taskadmin.models import RunState
from taskadmin.store.runs.outcome import Outcome
from taskadmin.values.tracebacks import LEFT_OUT


def test_a_long_error_is_cut_at_its_beginning(session: Session, run_id: int) -> None:
    """The end of a traceback is the most informative part."""
    text = "x" * 1_000_000 + "\nValueError: the cause"
    failed = Outcome(worker="w", elapsed=timedelta(), error_type="ValueError", error=text)
    finish(session, run_id, failed)
    error = row(session, run_id).error
    assert error == f"{LEFT_OUT}\nValueError: the cause"


@pytest.mark.parametrize(
    "output", [{"rows": [1, 2], "name": "ünïcode"}, "text", [1, "a"], True, False, {}, ""]
)
def test_an_outcome_that_is_no_number_is_stored_as_json(
    session: Session, run_id: int, output: Any
) -> None:
    """Unchanged."""
    outcome = Outcome(worker="w", elapsed=timedelta(), output=output)
    assert finish(session, run_id, outcome)
    run = row(session, run_id)
    assert (run.output, run.result) == (output, None)


def nested(levels: int) -> list[Any]:
    """Return nested lists."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value


def contains_itself() -> list[Any]:
    """Return a list that contains itself."""
    value: list[Any] = []
    value.append(value)
    return value


class Surprising(dict[str, int]):
    """A job's own mapping type."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self.error = error

    def values(self) -> Any:
        raise self.error()

    items = values


ODD = "This text contains a character that can't be stored."
NO_JSON = "The job returned a value that can't be stored as a number or as JSON: "


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ({"result": float("inf")}, "The job returned inf; a number must be finite to be stored."),
        ({"result": float("nan")}, "The job returned nan; a number must be finite to be stored."),
        ({"result": 10**400}, NO_JSON + "int too large to convert to float."),
        ({"output": {1, 2}}, NO_JSON + "Object of type set is not JSON serializable."),
        ({"output": {"x": float("nan")}}, NO_JSON + "Out of range float values are not JSON"),
        ({"output": {"x": "a NUL \x00"}}, NO_JSON + ODD),
        ({"output": ["half \ud83d"]}, NO_JSON + ODD),
        ({"output": {"half \udcff": 1}}, NO_JSON + ODD),
        ({"output": nested(101)}, NO_JSON + "This value is nested more than 100 levels deep."),
        ({"output": nested(20_000)}, NO_JSON + "This value is nested more than 100 levels deep."),
        (
            {"output": {(1, 2): 3}},
            NO_JSON + "keys must be str, int, float, bool or None, not tuple.",
        ),
        ({"output": [10**5000]}, NO_JSON + "Exceeds the limit (4300 digits) for integer string"),
        ({"output": Surprising(LookupError)}, NO_JSON + "LookupError."),
        ({"output": Surprising(lambda: bad_jobs.QUIET("a"))}, NO_JSON + "Quiet."),
        ({"output": contains_itself()}, NO_JSON + "This value is nested more than 100 levels"),
    ],
    ids=[
        *(
            "infinity",
            "nan",
            "huge",
            "set",
            "nan in json",
            "NUL",
            "surrogate",
            "surrogate in a name",
        ),
        *("deep", "very deep", "tuple for a name", "5000 digits"),
        *("surprising", "surprising without a name", "contains itself"),
    ],
)
def test_a_result_that_can_not_be_stored_fails_the_run(
    session: Session, run_id: int, returned: dict[str, Any], message: str
) -> None:
    """Otherwise the run would stay open, and its message would be redelivered for ever."""
    outcome = Outcome(worker="w", elapsed=timedelta(), **returned)
    assert finish(session, run_id, outcome)
    run = row(session, run_id)
    assert (run.state, run.error_type) == (RunState.FAILED, "UnstorableResult")
    assert (run.result, run.output) == (None, None)
    assert run.error is not None
    assert run.error.startswith(message)


@pytest.mark.parametrize(
    ("given", "column", "stored"),
    [
        ({"error_type": "E" * 300}, "error_type", "E" * 200),
        ({"error_type": "E", "error": "a NUL \x00 inside"}, "error", "a NUL \\x00 inside"),
        ({"error_type": "E", "error": "half \ud83d"}, "error", "half \\ud83d"),
        ({"worker": "w" * 300}, "worker", "w" * 200),
        (
            {"output": "half of a pair: 😀 \\ud83d \\x00"},
            "output",
            "half of a pair: 😀 \\ud83d \\x00",
        ),
        ({"output": r"\u0000"}, "output", r"\u0000"),
        ({"output": nested(100)}, "output", nested(100)),
        ({"output": {1: True, None: 2.5}}, "output", {"1": True, "null": 2.5}),
        ({"output": {"large": 10**400}}, "output", {"large": 10**400}),
        ({"result": 10**30}, "result", 1e30),
        ({"result": HTTPStatus.OK}, "result", 200.0),
    ],
    ids=[
        *("long name", "NUL", "surrogate", "long worker", "looks like an escape", "escaped escape"),
        *("deep", "odd keys", "large integer in json", "large integer", "enumeration"),
    ],
)
def test_any_text_can_be_stored(
    session: Session, run_id: int, given: dict[str, Any], column: str, stored: str
) -> None:
    """Too long texts are cut, unstorable characters escaped."""
    outcome = Outcome(**{"worker": "w", "elapsed": timedelta(), **given})
    assert finish(session, run_id, outcome)
    assert getattr(row(session, run_id), column) == stored
