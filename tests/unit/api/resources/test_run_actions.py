"""Actions on runs by API: retry, cancel, terminate, delete."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import update
from sqlalchemy.orm import Session

from services.api.caller import Caller, problem_of
from taskadmin.models import RunState, TaskResult
from taskadmin.store.database import clock


def fail(session: Session, *run_ids: int) -> None:
    """Let runs have failed."""
    session.execute(
        update(TaskResult)
        .where(TaskResult.id.in_(run_ids))
        .values(state=RunState.FAILED, finished_at=clock.now(session), error_type="Boom")
    )
    session.commit()


def test_a_finished_run_is_retried(session: Session, boss: Caller, runs: list[TaskResult]) -> None:
    """The new run names the old one."""
    path = f"/runs/{runs[0].id}/retry"
    assert problem_of(boss("POST", path))[:2] == (409, "not-finished")
    fail(session, runs[0].id)

    answer: Any = boss("POST", path).json

    new: Any = boss("GET", f"/runs/{answer['run_ids'][0]}").json
    assert (new["retry_of"], new["state"]) == (runs[0].id, "queued")


@pytest.mark.parametrize("action", ["cancel", "terminate"])
def test_a_queued_run_is_cancelled_once(boss: Caller, runs: list[TaskResult], action: str) -> None:
    """A finished one can't be."""
    path = f"/runs/{runs[0].id}/{action}"

    assert boss("POST", path).json == {"cancelled": 1, "answers": {}}
    assert problem_of(boss("POST", path))[:2] == (409, "not-open")


def test_only_failed_runs_of_closed_launches_are_deleted(
    session: Session, boss: Caller, runs: list[TaskResult]
) -> None:
    """Others are refused with the reason."""
    path = f"/runs/{runs[0].id}"
    assert problem_of(boss("DELETE", path))[:2] == (409, "not-failed")
    fail(session, runs[0].id)
    assert boss("DELETE", path).status_code in (200, 409)


@pytest.mark.parametrize(
    ("method", "action"),
    [("POST", "/retry"), ("POST", "/cancel"), ("POST", "/terminate"), ("DELETE", "")],
)
def test_a_missing_run_cant_be_changed(boss: Caller, method: str, action: str) -> None:
    """It isn't found."""
    assert problem_of(boss(method, f"/runs/7{action}"))[:2] == (404, "unknown-run")


def test_actions_apply_to_all_runs_that_match(
    session: Session, boss: Caller, runs: list[TaskResult]
) -> None:
    """A dry run changes nothing."""
    body: dict[str, Any] = {"filter": {"task": runs[0].task_id}}

    dry: Any = boss("POST", "/runs/cancel", {**body, "dry_run": True}).json
    done: Any = boss("POST", "/runs/cancel", body).json
    again: Any = boss("POST", "/runs/terminate", body).json
    retried: Any = boss("POST", "/runs/retry", body).json
    deleted: Any = boss("POST", "/runs/delete", body).json

    assert (dry["matched"], dry["changed"]) == (3, 0)
    assert (done["matched"], done["changed"]) == (3, 3)
    assert (again["changed"], retried["changed"], deleted["changed"]) == (0, 3, 0)
