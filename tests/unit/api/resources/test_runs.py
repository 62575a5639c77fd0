"""Runs by API: list, and read."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from services.api.caller import Caller, problem_of
from taskadmin.models import RunState, TaskResult
from taskadmin.store.database import clock


def test_runs_are_listed_newest_first(boss: Caller, runs: list[TaskResult]) -> None:
    """By search, state, task and launch."""

    def found(query: str) -> list[int]:
        page: Any = boss("GET", f"/runs?{query}").json
        return [run["id"] for run in page["items"]]

    ids = [run.id for run in reversed(runs)]
    assert found("") == ids
    assert found("search=Second") == [run.id for run in reversed(runs) if run.task_id == 2]
    assert found("task=1&state=queued") == [run.id for run in reversed(runs) if run.task_id == 1]
    assert found("launch=9") == []
    page: Any = boss("GET", "/runs?limit=4").json
    rest: Any = boss("GET", page["next"]).json
    assert [run["id"] for run in [*page["items"], *rest["items"]]] == ids
    assert rest["next"] is None


def test_a_run_has_its_error_and_log(
    session: Session, boss: Caller, runs: list[TaskResult]
) -> None:
    """As stored: secrets were masked when it was."""
    moment = clock.now(session)
    attempt = {"attempt": 1, "started_at": moment.isoformat(), "ended_at": None, "worker": "w"}
    session.execute(
        update(TaskResult)
        .where(TaskResult.id == runs[0].id)
        .values(
            state=RunState.FAILED,
            finished_at=moment,
            error_type="ValueError",
            error="Traceback …",
            output={"rows": [1, None]},
            attempt_log=[attempt, "not an entry"],
        )
    )
    session.commit()

    run: Any = boss("GET", f"/runs/{runs[0].id}").json

    assert (run["state"], run["error_type"], run["error"]) == (
        "failed",
        "ValueError",
        "Traceback …",
    )
    assert run["output"] == {"rows": [1, None]}
    (logged,) = run["attempt_log"]
    assert (logged["number"], logged["worker"], logged["error"]) == (1, "w", None)


@pytest.mark.parametrize("path", ["/runs/0", "/runs/7", f"/runs/{2**63}", "/runs/x", "/runs/-1"])
def test_a_missing_run_isnt_found(boss: Caller, path: str) -> None:
    """Whatever its id is."""
    assert problem_of(boss("GET", path))[0] == 404
