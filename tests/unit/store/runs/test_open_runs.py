"""Runs that a worker may execute."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.runs import (
    DUE,
    queue,
)
from services.rows.situations import MINE
from taskadmin.models import TaskResult
from taskadmin.store.runs import open_runs


@pytest.mark.parametrize("together", [False, True])
def test_runs_that_may_be_executed_are_read(
    session: Session, situations: dict[int, str], make_task: MakeTask, together: bool
) -> None:
    """In the message's order, if id and due time match; deleted ones are left out."""
    deleted = queue(session, make_task().id)
    session.execute(delete(TaskResult).where(TaskResult.id == deleted))
    session.commit()
    wanted = [(run_id, DUE) for run_id in reversed([*situations, deleted])]
    wanted += [(run_id, DUE + timedelta(microseconds=1)) for run_id in situations]

    asked = [wanted] if together else [[one] for one in wanted]
    found = [run for some in asked for run in open_runs.read_open(session, some, MINE)]

    assert not session.in_transaction()
    allowed = ["running", "tried by another", "tried", "sent again", "queued"]
    assert [situations[run.id] for run in found] == allowed
    assert found[-1] == open_runs.OpenRun(
        *(1, DUE, 1, 5, "generate_random_number", "taskadmin.runs"),
        {"lower_limit": 0.0, "upper_limit": 1.0, "author_id": 1},
        attempts=0,
        max_attempts=1,
        publishes=0,
        token=None,
    )
    assert (found[3].publishes, found[2].attempts, found[2].token) == (1, 1, MINE)
