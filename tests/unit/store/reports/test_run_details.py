"""Details of runs from other rows, for pages."""

from __future__ import annotations

from uuid import uuid4

from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.rows.launches import add_launch
from services.rows.retries import retry
from services.rows.runs import finish, queue
from taskadmin.jobs import all_jobs
from taskadmin.models import RunState
from taskadmin.store.launches.run_actions import retry_runs
from taskadmin.store.people.audit import Actor
from taskadmin.store.reports import run_details
from taskadmin.store.tasks import tasks


def test_retries_are_listed_with_the_user(session: Session, run_id: int) -> None:
    """Newest first, only of this run."""
    finish(session, run_id)
    for name in ("ada", "bob"):
        retry_runs(
            session,
            [run_id],
            actor=Actor(None, name, "192.0.2.1"),
            request_key=uuid4(),
            owner=uuid4(),
            jobs=all_jobs(),
        )
    found = run_details.retries_of(session, run_id)
    assert [(one.state, one.actor) for one in found] == [("queued", "bob"), ("queued", "ada")]
    assert run_details.retries_of(session, found[0].id) == []


def test_runs_are_counted_by_state(
    session: Session, run_ids: list[int], make_task: MakeTask
) -> None:
    """Without runs of deleted tasks."""
    finish(session, run_ids[0])
    gone = make_task().id
    theirs = queue(session, gone)
    tasks.delete_tasks(session, [gone])
    found = run_details.count_runs_by_state(session, [*run_ids, theirs, 999])
    assert found == {RunState.SUCCEEDED: 1, RunState.QUEUED: 2}


def test_retried_runs_are_counted(
    session: Session, run_ids: list[int], make_task: MakeTask
) -> None:
    """Once each, without runs of deleted tasks."""
    gone = make_task().id
    theirs = queue(session, gone)
    for run_id in (run_ids[0], theirs):
        finish(session, run_id)
        retry(session, run_id)
        retry(session, run_id)
    tasks.delete_tasks(session, [gone])
    assert run_details.count_retried(session, [*run_ids, theirs, 999]) == 1


def test_the_newest_finished_runs_have_their_tasks(session: Session, run_ids: list[int]) -> None:
    """Only as many as asked for."""
    assert run_details.newest_finished(session, run_ids, limit=9) == []
    for run_id in run_ids[:2]:
        finish(session, run_id)
    found = run_details.newest_finished(session, run_ids, limit=9)
    assert [run.id for run in found] == [run_ids[1], run_ids[0]]
    found = run_details.newest_finished(session, run_ids, limit=1)
    assert [run.task.job for run in found] == ["generate_random_number"]


def test_a_launch_leads_to_its_only_run(session: Session, make_task: MakeTask) -> None:
    """Only if it has exactly one."""
    task = make_task().id
    one = add_launch(session, task, {RunState.QUEUED: 1}).id
    two = add_launch(session, task, {RunState.QUEUED: 2}).id
    assert run_details.run_of_launch(session, one) == 1
    assert run_details.run_of_launch(session, two) is None
    assert run_details.run_of_launch(session, 99) is None


def test_reasons_of_skips_are_counted(session: Session, make_task: MakeTask) -> None:
    """Most frequent first, only of these launches."""
    task = make_task().id
    launch = add_launch(session, task, {RunState.SKIPPED: 5, RunState.QUEUED: 1}).id
    add_launch(session, task, {RunState.SKIPPED: 3})
    found = run_details.reasons_of_skips(session, [launch])
    assert found == [("Reason 0.", 4), ("Reason 1.", 1)]
