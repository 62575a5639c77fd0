"""Runs that match a filter: listed, counted, in batches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.rows.runs import DUE, queue
from taskadmin.errors import SearchTooLong
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store.reports.matching_runs import (
    MatchingRuns,
    count_matching,
    matching_runs,
    newest_matching,
    page_of_matching,
    runs_in_batches,
    searching,
)
from taskadmin.store.tasks import tasks

Put = Callable[..., int]


@pytest.fixture
def put(session: Session) -> Put:
    """Queue a run of a task with other columns, and return its id."""
    number = iter(range(10_000))

    def put(task: Task, **columns: Any) -> int:
        run_id = queue(session, task.id, DUE + timedelta(hours=next(number)))
        if columns.get("state") in ("failed", "succeeded", "skipped", "cancelled"):
            columns = {"finished_at": DUE, "reason": "Because.", **columns}
        if columns:
            session.execute(update(TaskResult).where(TaskResult.id == run_id).values(**columns))
            session.commit()
        return run_id

    return put


def found(session: Session, **which: Any) -> list[int]:
    """Return the matching runs, newest first."""
    return [run.id for run in page_of_matching(session, MatchingRuns(**which), limit=99)]


def test_each_part_of_a_filter_narrows_it(
    session: Session, put: Put, make_task: MakeTask, make_user: MakeUser
) -> None:
    """By columns of the run and of its task, combined with AND."""
    dice = make_task(make_user("Ana"), name="Dice of the house")
    other = make_task(name="100% other")
    first = put(dice, queue="slow", worker="celery@one", job="probe")
    second = put(dice, state="failed", error_type="httpx.ConnectTimeout", launch_id=7)
    third = put(other, state="failed", error_type="Timeout")
    assert found(session) == [third, second, first]
    assert found(session, task_id=dice.id) == [second, first]
    assert found(session, launch_id=7) == [second]
    assert found(session, job="probe") == [first]
    assert found(session, queue="slow") == [first]
    assert found(session, worker="ONE") == [first]
    assert found(session, states=[RunState.FAILED]) == [third, second]
    assert found(session, states=[RunState.QUEUED]) == [first]
    assert found(session, error_type="ConnectTimeout") == []
    assert found(session, error_name="ConnectTimeout") == [second]
    assert found(session, error_name="httpx.ConnectTimeout") == [second]
    assert found(session, error_name="Timeout") == [third]
    assert found(session, words=("house", "DICE")) == [second, first]
    assert found(session, words=("%",)) == [third]
    assert found(session, author="ana") == [second, first]
    assert found(session, author="nobody") == found(session, author="\u202e") == []
    assert found(session, author="ana", states=[RunState.FAILED]) == [second]
    assert found(session, nothing=True) == []


def test_runs_of_deleted_tasks_are_hidden(session: Session, put: Put, make_task: MakeTask) -> None:
    """They are neither listed nor counted nor exported."""
    task = make_task()
    put(task, state="succeeded")
    tasks.delete_tasks(session, [task.id])
    assert found(session) == []
    assert count_matching(session, MatchingRuns()).total == 0
    assert list(runs_in_batches(session, MatchingRuns())) == []
    assert newest_matching(session, MatchingRuns()) == []


def test_few_runs_are_counted_by_state(session: Session, put: Put, make_task: MakeTask) -> None:
    """One statement counts all states, also those without runs."""
    task = make_task()
    put(task)
    for _ in range(2):
        put(task, state="succeeded")
    put(make_task(), state="skipped")
    counts = count_matching(session, MatchingRuns())
    assert counts.total == 4
    assert counts.by_state == dict.fromkeys(RunState, 0) | {
        RunState.QUEUED: 1,
        RunState.SUCCEEDED: 2,
        RunState.SKIPPED: 1,
    }
    assert count_matching(session, MatchingRuns(task_id=task.id)).total == 3


def test_of_many_runs_only_those_are_counted_that_an_index_finds(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Others would be read one by one; "more" is one above the maximum."""
    task = make_task()
    for _ in range(3):
        put(task, state="succeeded")
    for _ in range(4):
        put(task, state="failed", error_type="Boom")
    put(task)
    with count_queries() as statements:
        counts = count_matching(session, MatchingRuns(), most=2)
    assert counts == (3, {RunState.QUEUED: 1, RunState.RUNNING: 0, RunState.FAILED: 3})
    assert len([one for one in statements if "set_config" not in one]) == 2
    failed = MatchingRuns(states=[RunState.FAILED])
    assert count_matching(session, failed, most=2) == (3, {RunState.FAILED: 3})


def test_a_large_count_of_runs_is_cached(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """For this filter only; exact counts aren't cached."""
    task = make_task()
    for _ in range(3):
        put(task, state="failed", error_type="Boom")
    count_matching(session, MatchingRuns(), most=2)
    put(task)

    with count_queries() as statements:
        counts = count_matching(session, MatchingRuns(), most=2)
    assert counts == (3, {RunState.QUEUED: 1, RunState.RUNNING: 0, RunState.FAILED: 3})
    (counting,) = [one for one in statements if "set_config" not in one]
    assert "error_type" not in counting

    assert count_matching(session, MatchingRuns(), most=4).total == 4
    put(task)
    assert count_matching(session, MatchingRuns(states=[RunState.QUEUED]), most=2).total == 2
    assert count_matching(session, MatchingRuns(task_id=make_task().id), most=2).total == 0


def test_the_page_of_a_filter_is_two_queries(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Including the tasks."""
    ids = [put(make_task(name=f"Task {number}")) for number in range(5)]
    with count_queries() as statements:
        page = page_of_matching(session, MatchingRuns(), before_id=ids[4], limit=3)
        assert [str(run.task) for run in page] == ["Task 3", "Task 2", "Task 1"]
    assert len([one for one in statements if "set_config" not in one]) == 2


def test_everything_comes_in_batches_that_hold_no_transaction(
    session: Session, put: Put, make_task: MakeTask
) -> None:
    """Newest first, unaffected by new runs."""
    task = make_task(name="Dice")
    ids = [put(task) for _ in range(5)]
    seen = []
    for batch in runs_in_batches(session, MatchingRuns(), batch=2):
        assert not session.in_transaction()
        assert [str(run.task) for run in batch] == ["Dice"] * len(batch)
        seen.append([run.id for run in batch])
    assert seen == [ids[:2:-1], ids[2:0:-1], ids[:1]]


def test_the_newest_are_taken_where_more_match(
    session: Session, put: Put, make_task: MakeTask
) -> None:
    """Ordered by id."""
    task = make_task()
    ids = [put(task) for _ in range(4)]
    assert newest_matching(session, MatchingRuns(), most=3) == ids[1:]


def test_all_that_match_come_in_batches(session: Session, put: Put, make_task: MakeTask) -> None:
    """Ordered by id, as they were when they were found."""
    task = make_task()
    ids = [put(task) for _ in range(5)]
    which = MatchingRuns(states=[RunState.QUEUED])
    seen = []
    for batch in matching_runs(session, which, batch=2):
        session.execute(update(TaskResult).values(state=RunState.CANCELLED, finished_at=DUE))
        session.commit()
        seen.append(batch)
    assert seen == [ids[0:2], ids[2:4], ids[4:]]
    assert list(matching_runs(session, which)) == []


@pytest.mark.databases("postgresql")
def test_a_search_that_takes_too_long_is_given_up(session: Session) -> None:
    """The database cancels it, and the session stays usable."""
    with pytest.raises(SearchTooLong), searching(session, seconds=0.05):
        session.execute(text("SELECT pg_sleep(30)"))
    assert session.scalar(text("SELECT current_setting('statement_timeout')")) == "0"


def test_counts_that_take_too_long_are_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page then shows no count."""

    def slow(*_: Any, **__: Any) -> Any:
        raise SearchTooLong

    monkeypatch.setattr("taskadmin.store.reports.matching_runs.reading", slow)
    assert count_matching(session, MatchingRuns()) == (None, {})
