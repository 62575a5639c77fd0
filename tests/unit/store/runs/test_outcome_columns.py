"""Columns of finished runs: of one row, and as arrays for many."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from http import HTTPStatus
from typing import Any
from uuid import UUID

import pytest

from services.rows.runs import DUE, FAILED, unclaimed
from taskadmin.models import RunState
from taskadmin.store.runs.outcome import Outcome
from taskadmin.store.runs.outcome_columns import (
    FinishedRun,
    as_array,
    began,
    in_columns,
    in_row,
    is_logged,
)

SECOND = timedelta(seconds=1)
NOW = DUE + 10 * SECOND
DONE = Outcome(worker="w", elapsed=2 * SECOND, result=0.5)
JSON = Outcome(worker="w", elapsed=2 * SECOND, output={"a": 1})
RUN = unclaimed(1)


@pytest.mark.parametrize(
    ("numbers", "literal"),
    [
        ([], "{}"),
        ([None, None], "{}"),
        ([1, None, 0.1], "{1,NULL,0.1}"),
        ([HTTPStatus.OK, True], "{200,1}"),
        ([float("-inf"), 1e300, 2**62], "{-inf,1e+300,4611686018427387904}"),
    ],
)
def test_numbers_are_array_literals(numbers: Sequence[float | None], literal: str) -> None:
    """Subclasses of numbers are written as numbers."""
    assert as_array(numbers) == literal


@pytest.mark.parametrize(
    ("finished", "columns"),
    [
        (
            FinishedRun(RUN, DONE),
            {"state": "succeeded", "finished_at": NOW, "not_before": None, "result": 0.5},
        ),
        (FinishedRun(RUN, JSON), {"state": "succeeded", "result": None, "output": {"a": 1}}),
        (
            FinishedRun(RUN, FAILED),
            {"state": "failed", "finished_at": NOW, "error_type": "ValueError", "error": "no"},
        ),
        (
            FinishedRun(RUN, FAILED, 5 * SECOND),
            {
                "state": "queued",
                "finished_at": None,
                "not_before": NOW + 5 * SECOND,
                "error_type": None,
                "error": None,
            },
        ),
    ],
    ids=["number", "JSON", "failed", "retried"],
)
def test_an_outcome_is_a_rows_columns(finished: FinishedRun, columns: dict[str, object]) -> None:
    """The error of a retried run is only in its log."""
    row = in_row(finished, NOW)

    assert {name: row[name] for name in columns} == columns
    log: Any = row.get("attempt_log", [])
    assert [entry["error"] for entry in log] == ["no"] * (finished.outcome is FAILED)


def test_many_outcomes_are_arrays() -> None:
    """One value per run; an array of NULLs is empty."""
    finished = [
        FinishedRun(RUN, DONE),
        FinishedRun(RUN._replace(id=2, claimed=True, attempts=3), FAILED),
        FinishedRun(RUN._replace(id=3), FAILED, SECOND),
    ]

    arrays = in_columns(finished, UUID(int=7), NOW)

    logs: Any = arrays.pop("logs")
    assert [log is not None for log in logs] == [False, True, True]
    assert arrays == {
        "token": UUID(int=7),
        "worker": "w",
        "ids": "{1,2,3}",
        "claimed": "{2}",
        "attempts": f"{{{RUN.attempts},3,{RUN.attempts}}}",
        "elapsed": "{2.0,0.0,0.0}",
        "delays": "{NULL,NULL,1.0}",
        "results": "{0.5,NULL,NULL}",
        "outputs": [],
        "error_types": [None, "ValueError", None],
        "errors": [None, "no", None],
    }


@pytest.mark.parametrize(
    ("outcome", "retry_delay", "state"),
    [
        (DONE, None, RunState.SUCCEEDED),
        (FAILED, None, RunState.FAILED),
        (FAILED, SECOND, RunState.QUEUED),
    ],
)
def test_a_finished_run_has_its_next_state(
    outcome: Outcome, retry_delay: timedelta | None, state: RunState
) -> None:
    """With a delay, it is queued again."""
    assert FinishedRun(RUN, outcome, retry_delay).state == state


@pytest.mark.parametrize(
    ("outcome", "log", "logged"),
    [(DONE, None, False), (DONE, [], False), (DONE, [{"attempt": 1}], True), (FAILED, None, True)],
)
def test_only_runs_with_a_failed_attempt_have_a_log(
    outcome: Outcome, log: list[Any] | None, logged: bool
) -> None:
    """Most runs succeed at once and need none."""
    assert is_logged(FinishedRun(RUN._replace(attempt_log=log), outcome)) is logged


@pytest.mark.parametrize(("claimed_ago", "began_ago"), [(None, 2), (1, 1), (2, 2), (9, 2)])
def test_a_run_began_when_its_job_was_called(claimed_ago: int | None, began_ago: int) -> None:
    """A claim of many runs is earlier than most calls."""
    started_at = None if claimed_ago is None else NOW - claimed_ago * SECOND
    assert began(FinishedRun(RUN._replace(started_at=started_at), DONE), NOW) == (
        NOW - began_ago * SECOND
    )
