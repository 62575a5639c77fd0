"""Tasks that match a filter."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.rows.listed_runs import put_runs
from taskadmin.models import NOTIFY_JOB, Task, TaskSchedule
from taskadmin.schedules import ScheduleKind
from taskadmin.store.database import clock
from taskadmin.store.reports import matching_tasks as module
from taskadmin.store.reports.matching import ArgumentFilter
from taskadmin.store.reports.matching_tasks import (
    MatchingTasks,
    TaskState,
    count_tasks_by_state,
    failing_task_ids,
    matching_tasks,
    tasks_in_batches,
)
from taskadmin.store.tasks.schedules import ScheduleInput, put_schedule
from taskadmin.store.tasks.tasks import delete_tasks


def test_all_that_match_are_found_by_words_and_by_state(
    session: Session, make_task: MakeTask
) -> None:
    """Each word must be part of the name; deleted tasks don't match."""
    dice = make_task(name="Roll the DICE").id
    share = make_task(name="100% of dice", enabled=False).id
    unnamed = make_task().id
    delete_tasks(session, [make_task(name="Gone dice").id])

    def found(*words: str, states: Collection[TaskState] = ()) -> list[int]:
        return list(matching_tasks(session, MatchingTasks(words=words, states=states)))

    assert found() == [dice, share, unnamed]
    assert found("dice") == [dice, share]
    assert found("dice", "roll") == [dice]
    assert found("100%") == [share]
    assert found("1_0") == []
    assert found("dice", states=[TaskState.PAUSED]) == [share]
    assert found(states=[TaskState.ACTIVE]) == [dice, unnamed]
    assert found(states=[TaskState.ACTIVE, TaskState.PAUSED]) == []


def test_own_tasks_match_only_when_they_are_asked_for(
    session: Session, make_task: MakeTask
) -> None:
    """They would be between people's tasks, and bulk actions would change them."""
    task = make_task().id
    own = make_task(job=NOTIFY_JOB, params={}).id

    assert matching_tasks(session, MatchingTasks()) == [task]
    assert matching_tasks(session, MatchingTasks(jobs=[NOTIFY_JOB])) == []
    assert matching_tasks(session, MatchingTasks(job=NOTIFY_JOB)) == [own]
    timed = MatchingTasks(moment=clock.now(session))
    assert count_tasks_by_state(session, timed).by_state[None] == 1


def test_tasks_whose_last_finished_run_failed_are_failing(
    session: Session, make_task: MakeTask
) -> None:
    """Open runs are ignored; any later run that didn't fail ends it."""
    failing = [make_task().id, make_task(enabled=False).id]
    for task_id in failing:
        put_runs(session, session.get_one(Task, task_id), ["succeeded", "failed", "running"])
    for states in (["failed", "succeeded"], ["failed", "skipped"], ["queued"], []):
        task = make_task()
        if states:
            put_runs(session, task, states)

    which = MatchingTasks(states=[TaskState.FAILING])

    assert matching_tasks(session, which) == failing


def test_failing_tasks_that_match_come_with_the_newest_first(
    session: Session, make_task: MakeTask
) -> None:
    """Their number, if known, isn't counted again."""
    ids = [make_task(name=name).id for name in ("Dice", "Coin", "Dice")]
    for task_id in ids:
        put_runs(session, session.get_one(Task, task_id), ["failed", "failed"])
    make_task(name="Dice")
    which = MatchingTasks(words=["dice"], moment=clock.now(session))

    assert failing_task_ids(session, which) == [ids[2], ids[0]]
    assert count_tasks_by_state(session, which).by_state[TaskState.FAILING] == 2
    assert count_tasks_by_state(session, which, failing=5).by_state[TaskState.FAILING] == 5
    capped = count_tasks_by_state(session, which, failing=5, most=3)
    assert capped.by_state[TaskState.FAILING] == 4


def test_only_the_newest_failures_make_tasks_failing(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long history isn't read."""
    monkeypatch.setattr(module, "SEARCHED_FAILURES", 2)
    ids = [make_task().id for _ in range(3)]
    for task_id in ids:
        put_runs(session, session.get_one(Task, task_id), ["failed"])

    assert matching_tasks(session, MatchingTasks(states=[TaskState.FAILING])) == ids[1:]


def test_an_incomplete_list_of_failing_tasks_is_marked(
    session: Session,
    make_task: MakeTask,
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If not all failures were read; the number is then cached."""
    monkeypatch.setattr(module, "SEARCHED_FAILURES", 3)
    found = []
    for _ in range(4):
        put_runs(session, make_task(), ["failed"])
        which = MatchingTasks(moment=clock.now(session))
        with count_queries() as statements:
            counts = count_tasks_by_state(session, which)
        number = counts.by_state[TaskState.FAILING]
        found.append((number, counts.more_failing, statements[0].count("count(")))

    assert found == [(1, False, 6), (2, False, 6), (3, True, 6), (3, True, 4)]
    others = MatchingTasks(moment=clock.now(session), words=["dice"])
    assert count_tasks_by_state(session, others, failing=2).more_failing


def test_due_tasks_without_a_launch_are_late(session: Session, make_task: MakeTask) -> None:
    """Own schedules that are due for more than a minute, unless paused."""
    moment = clock.now(session)
    late, due, later, paused = make_task(), make_task(), make_task(), make_task(enabled=False)
    make_task()
    for task, seconds in ((late, -61), (due, -59), (later, 60), (paused, -61)):
        put_schedule(
            session,
            task.id,
            ScheduleInput(kind=ScheduleKind.INTERVAL, every_seconds=60),
            moment=moment,
            slot_interval_seconds=300,
        )
        schedule = session.get_one(TaskSchedule, task.id)
        schedule.next_due = moment + timedelta(seconds=seconds)
    session.commit()

    which = MatchingTasks(states=[TaskState.LATE], moment=moment)

    assert matching_tasks(session, which) == [late.id]


def test_tasks_of_unregistered_jobs_are_orphaned(session: Session, make_task: MakeTask) -> None:
    """The caller passes the registered jobs."""
    make_task()
    orphan = make_task(job="gone").id

    which = MatchingTasks(states=[TaskState.ORPHANED], known_jobs=["generate_random_number"])

    assert matching_tasks(session, which) == [orphan]


def test_tasks_are_found_by_job_queue_and_author(
    session: Session, make_user: MakeUser, make_task: MakeTask
) -> None:
    """A queue matches its jobs; usernames are case-insensitive."""
    plain = make_task(make_user("boris")).id
    probe = make_task(make_user("ana"), job="probe").id

    def found(**more: Any) -> list[int]:
        return list(matching_tasks(session, MatchingTasks(**more)))

    assert found(job="probe") == [probe]
    assert found(job="prob") == []
    assert found(jobs=["probe", "other"]) == [probe]
    assert found(jobs=[]) == []
    assert found(author="ANA") == [probe]
    assert found(author="a") == found(author="x" * 300) == []
    assert found(nothing=True) == []
    assert found() == [plain, probe]


def test_limits_are_compared_as_numbers(session: Session, make_task: MakeTask) -> None:
    """They are columns, but other jobs' arguments with these names are found, too."""
    task = make_task(None, -1000, 0.5).id
    other = make_task(job="probe", params={"lower_limit": -1000}).id

    def found(name: str, value: str) -> list[int]:
        which = MatchingTasks(arguments=[ArgumentFilter(name, value)])
        return list(matching_tasks(session, which))

    assert found("lower_limit", "-1e3") == found("lower_limit", "−1000") == [task, other]
    assert found("upper_limit", ".5") == [task]
    assert found("upper_limit", "5") == found("upper_limit", "nan") == []
    assert found("upper_limit", "x") == found("limit", "0.5") == []


def test_every_state_is_counted_by_one_query(
    session: Session, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Up to a maximum; above it, active tasks are counted separately."""
    for number in range(4):
        make_task(enabled=number > 0)
    which = MatchingTasks(known_jobs=["generate_random_number"], moment=clock.now(session))

    with count_queries() as statements:
        whole = count_tasks_by_state(session, which, most=4)
    assert len(statements) == 1
    assert (whole.by_state[None], whole.by_state[TaskState.ACTIVE]) == (4, 3)
    with count_queries() as statements:
        counts = count_tasks_by_state(session, which, most=2)

    assert len(statements) == 2
    assert not counts.more_failing
    assert counts.by_state == {
        None: 3,
        TaskState.ACTIVE: 3,
        TaskState.PAUSED: 1,
        TaskState.FAILING: 0,
        TaskState.LATE: 0,
        TaskState.ORPHANED: 0,
    }


def test_a_large_count_of_tasks_is_cached(
    session: Session, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Independent of the time; exact counts aren't cached."""
    for _ in range(3):
        make_task()
    known_jobs = ["generate_random_number"]
    found = []
    for _ in range(2):
        which = MatchingTasks(known_jobs=known_jobs, moment=clock.now(session))
        with count_queries() as statements:
            counts = count_tasks_by_state(session, which, most=2).by_state
        numbers = (counts[None], counts[TaskState.ACTIVE], counts[TaskState.PAUSED])
        found.append((numbers, sum(one.count("count(") for one in statements)))
        make_task(enabled=False)

    assert found == [((3, 3, 0), 7), ((3, 3, 1), 5)]


def test_all_that_match_come_in_batches(session: Session, make_task: MakeTask) -> None:
    """In order, each once, with the data for an export."""
    ids = [make_task(name="Dice").id for _ in range(5)]
    make_task(name="Coin")

    batches = list(tasks_in_batches(session, MatchingTasks(words=["dice"]), batch=2))

    assert [[task.id for task in batch] for batch in batches] == [ids[:2], ids[2:4], ids[4:]]
    assert batches[0][0].author.username == "author"
    assert batches[0][0].schedule is None
