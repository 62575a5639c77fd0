"""Runs that match a filter: found, counted, listed, in batches."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.runs import DUE, queue
from taskadmin.errors import SearchTooLong, TooManyRuns
from taskadmin.models import RunState, Task, TaskResult
from taskadmin.store import tasks
from taskadmin.store.matching_runs import (
    Matching,
    count_matching,
    matching_in_batches,
    matching_runs,
    newest_matching,
    page_of_matching,
    searching,
)
from taskadmin.store.run_arguments import WantedArgument

Put = Callable[..., int]


@pytest.fixture
def put(session: Session) -> Put:
    """Queue a run of a task with columns of one's own; returns its id."""
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
    """The runs that match, the newest first."""
    return [run.id for run in page_of_matching(session, Matching(**which), limit=99)]


def test_each_part_of_a_filter_narrows_it(
    session: Session, put: Put, make_task: MakeTask, make_user: MakeUser
) -> None:
    """By columns of the run and of its task; together they all count."""
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


@pytest.mark.parametrize(
    ("stored", "typed", "matches"),
    [
        (10, "10", True),
        (10.0, "10", True),
        (10, "10.0", True),
        (0.1, "0.10", True),
        (-2.5, "−2.5", True),
        (1e20, "1e20", True),
        (10, "1", False),
        (True, "true", True),
        (True, "1", False),
        (False, "false", True),
        ("https://a.example", "https://a.example", True),
        ("10", "10", True),
        ("ten", "Ten", False),
        (None, "null", False),
        (["a"], '["a"]', True),
        ('it\'s "so"', 'it\'s "so"', True),
    ],
)
def test_arguments_match_by_their_values(
    session: Session, put: Put, make_task: MakeTask, stored: Any, typed: str, matches: bool
) -> None:
    """Numbers in whatever form, anything else as it is."""
    run_id = put(make_task(), task_params={"an argument.x": stored, "author_id": 1})
    put(make_task(), task_params={"author_id": 1})
    wanted = WantedArgument("an argument.x", typed)
    assert found(session, arguments=[wanted]) == ([run_id] if matches else [])


def test_secrets_can_not_be_guessed_by_searching(
    session: Session, put: Put, make_task: MakeTask
) -> None:
    """Neither those that a row names, nor those that a job names now."""
    task = make_task()
    open_ = put(task, task_params={"token": "abc", "author_id": 1}, job="open")
    put(task, task_params={"token": "abc", "_masked": ["other", "token"], "author_id": 1})
    put(task, task_params={"token": "abc", "author_id": 1}, job="probe")
    named = put(task, task_params={"token": "abc", "_masked": ["tok"], "author_id": 1}, job="open")
    wanted = WantedArgument("token", "abc", frozenset({"probe", "spy"}))
    assert found(session, arguments=[wanted]) == [named, open_]


def test_nobody_sees_runs_of_deleted_tasks(session: Session, put: Put, make_task: MakeTask) -> None:
    """Neither listed nor counted nor exported."""
    task = make_task()
    put(task, state="succeeded")
    tasks.delete_tasks(session, [task.id])
    assert found(session) == []
    assert count_matching(session, Matching()).total == 0
    assert list(matching_in_batches(session, Matching())) == []
    assert newest_matching(session, Matching()) == []


def test_few_runs_are_counted_by_state(session: Session, put: Put, make_task: MakeTask) -> None:
    """All states are known, those without runs too; one statement."""
    task = make_task()
    put(task)
    for _ in range(2):
        put(task, state="succeeded")
    put(make_task(), state="skipped")
    counts = count_matching(session, Matching())
    assert counts.total == 4
    assert counts.by_state == dict.fromkeys(RunState, 0) | {
        RunState.QUEUED: 1,
        RunState.SUCCEEDED: 2,
        RunState.SKIPPED: 1,
    }
    assert count_matching(session, Matching(task_id=task.id)).total == 3


def test_of_many_runs_only_those_are_counted_that_an_index_finds(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """The others would have to be read one by one; "more" is one more than the most."""
    task = make_task()
    for _ in range(3):
        put(task, state="succeeded")
    for _ in range(4):
        put(task, state="failed", error_type="Boom")
    put(task)
    with count_queries() as statements:
        counts = count_matching(session, Matching(), most=2)
    assert counts == (3, {RunState.QUEUED: 1, RunState.RUNNING: 0, RunState.FAILED: 3})
    assert len([one for one in statements if "set_config" not in one]) == 2
    failed = Matching(states=[RunState.FAILED])
    assert count_matching(session, failed, most=2) == (3, {RunState.FAILED: 3})


def test_that_there_are_many_runs_is_remembered_for_a_while(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Of this filter alone; what is shown as exact is counted each time."""
    task = make_task()
    for _ in range(3):
        put(task, state="failed", error_type="Boom")
    count_matching(session, Matching(), most=2)
    put(task)

    with count_queries() as statements:
        counts = count_matching(session, Matching(), most=2)
    assert counts == (3, {RunState.QUEUED: 1, RunState.RUNNING: 0, RunState.FAILED: 3})
    (counting,) = [one for one in statements if "set_config" not in one]
    assert "error_type" not in counting

    assert count_matching(session, Matching(), most=4).total == 4
    put(task)
    assert count_matching(session, Matching(states=[RunState.QUEUED]), most=2).total == 2
    assert count_matching(session, Matching(task_id=make_task().id), most=2).total == 0


def test_the_page_of_a_filter_is_two_queries(
    session: Session, put: Put, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """With the tasks, however many."""
    ids = [put(make_task(name=f"Task {number}")) for number in range(5)]
    with count_queries() as statements:
        page = page_of_matching(session, Matching(), before_id=ids[4], limit=3)
        assert [str(run.task) for run in page] == ["Task 3", "Task 2", "Task 1"]
    assert len([one for one in statements if "set_config" not in one]) == 2


def test_everything_comes_in_batches_that_hold_no_transaction(
    session: Session, put: Put, make_task: MakeTask
) -> None:
    """The newest first; what comes meanwhile changes nothing of it."""
    task = make_task(name="Dice")
    ids = [put(task) for _ in range(5)]
    seen = []
    for batch in matching_in_batches(session, Matching(), batch=2):
        assert not session.in_transaction()
        assert [str(run.task) for run in batch] == ["Dice"] * len(batch)
        seen.append([run.id for run in batch])
    assert seen == [ids[:2:-1], ids[2:0:-1], ids[:1]]


def test_the_newest_are_taken_where_more_match(
    session: Session, put: Put, make_task: MakeTask
) -> None:
    """In order of their ids; everybody else refuses."""
    task = make_task()
    ids = [put(task) for _ in range(4)]
    assert newest_matching(session, Matching(), most=3) == ids[1:]
    with pytest.raises(TooManyRuns):
        next(matching_runs(session, Matching(), most=3))


@pytest.mark.databases("postgresql")
def test_a_search_that_takes_too_long_is_given_up(session: Session) -> None:
    """By the database; the session can be used again."""
    with pytest.raises(SearchTooLong), searching(session, seconds=0.05):
        session.execute(text("SELECT pg_sleep(30)"))
    assert session.scalar(text("SELECT current_setting('statement_timeout')")) == "0"


def test_counts_that_take_too_long_are_left_out(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page says nothing then, instead of something wrong."""

    def slow(*_: Any, **__: Any) -> Any:
        raise SearchTooLong

    monkeypatch.setattr("taskadmin.store.matching_runs.reading", slow)
    assert count_matching(session, Matching()) == (None, {})
