"""The last runs of tasks, for lists and charts."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask
from services.rows.listed_runs import put_runs
from taskadmin.models import Task
from taskadmin.store.runs.lists import charted_runs, last_runs, newest_runs


def test_each_task_has_its_last_runs_by_one_query(
    session: Session, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Oldest first, up to a limit per task; tasks without runs are left out."""
    many, few, none, other = (make_task().id for _ in range(4))
    of_many = put_runs(session, session.get_one(Task, many), ["succeeded"] * 5)
    of_few = put_runs(session, session.get_one(Task, few), ["failed", "running"])
    put_runs(session, session.get_one(Task, other), ["succeeded"])

    with count_queries() as statements:
        found = last_runs(session, [many, few, none], most=3)

    assert len(statements) == 1
    assert {task_id: [run.id for run in runs] for task_id, runs in found.items()} == {
        many: of_many[2:],
        few: of_few,
    }
    assert [run.took for run in found[few]] == [timedelta(seconds=2), None]


def test_exactly_as_many_runs_as_a_list_shows_are_all_there(
    session: Session, make_task: MakeTask
) -> None:
    """The sixtieth of sixty is included."""
    task = make_task()
    ids = put_runs(session, task, ["succeeded"] * 60)

    assert [run.id for run in last_runs(session, [task.id])[task.id]] == ids


def test_a_chart_has_the_newest_runs_that_were_executed(
    session: Session, make_task: MakeTask
) -> None:
    """Without skipped and open ones, oldest first."""
    task = make_task()
    ids = put_runs(session, task, ["succeeded", "failed", "skipped", "succeeded", "running"])
    put_runs(session, make_task(), ["succeeded"])

    assert [run.id for run in charted_runs(session, task.id)] == [ids[0], ids[1], ids[3]]
    assert [run.id for run in charted_runs(session, task.id, most=2)] == [ids[1], ids[3]]


def test_the_newest_runs_of_a_task_come_by_their_due_times(
    session: Session, make_task: MakeTask
) -> None:
    """Latest first."""
    task = make_task()
    ids = put_runs(session, task, ["succeeded"] * 3)

    assert [run.id for run in newest_runs(session, task.id, limit=2)] == [ids[2], ids[1]]
