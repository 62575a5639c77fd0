"""Which tasks match a filter."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy.orm import Session

from fixture_types import CountQueries, MakeTask, MakeUser
from services.listed_runs import put_runs
from taskadmin.errors import TooManyTasks
from taskadmin.models import MASKED, Task, TaskSchedule
from taskadmin.schedules import ScheduleKind
from taskadmin.store import clock
from taskadmin.store import matching_tasks as module
from taskadmin.store.matching_tasks import (
    MatchingTasks,
    TaskArgument,
    TaskState,
    count_by_state,
    failing_tasks,
    matching_tasks,
    tasks_in_batches,
)
from taskadmin.store.schedules import ScheduleInput, put_schedule
from taskadmin.store.tasks import delete_tasks


def test_all_that_match_are_found_by_words_and_by_state(
    session: Session, make_task: MakeTask
) -> None:
    """Each word is a part of the name, as it is written; deleted tasks never match."""
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


def test_tasks_whose_last_finished_run_failed_are_failing(
    session: Session, make_task: MakeTask
) -> None:
    """Open runs don't count; a later run that didn't fail ends it, whatever came of it."""
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
    """Whoever knows their number doesn't have them counted again."""
    ids = [make_task(name=name).id for name in ("Dice", "Coin", "Dice")]
    for task_id in ids:
        put_runs(session, session.get_one(Task, task_id), ["failed", "failed"])
    make_task(name="Dice")
    which = MatchingTasks(words=["dice"], moment=clock.now(session))

    assert failing_tasks(session, which) == [ids[2], ids[0]]
    assert count_by_state(session, which).by_state[TaskState.FAILING] == 2
    assert count_by_state(session, which, failing=5).by_state[TaskState.FAILING] == 5
    capped = count_by_state(session, which, failing=5, most=3)
    assert capped.by_state[TaskState.FAILING] == 4


def test_only_the_newest_failures_make_tasks_failing(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No long history is read for it."""
    monkeypatch.setattr(module, "FAILURES", 2)
    ids = [make_task().id for _ in range(3)]
    for task_id in ids:
        put_runs(session, session.get_one(Task, task_id), ["failed"])

    assert matching_tasks(session, MatchingTasks(states=[TaskState.FAILING])) == ids[1:]


def test_it_is_said_that_more_tasks_may_be_failing(
    session: Session,
    make_task: MakeTask,
    count_queries: CountQueries,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where not all failures were looked through; their number is remembered for a while then."""
    monkeypatch.setattr(module, "FAILURES", 3)
    found = []
    for _ in range(4):
        put_runs(session, make_task(), ["failed"])
        which = MatchingTasks(moment=clock.now(session))
        with count_queries() as statements:
            counts = count_by_state(session, which)
        number = counts.by_state[TaskState.FAILING]
        found.append((number, counts.more_failing, statements[0].count("count(")))

    assert found == [(1, False, 6), (2, False, 6), (3, True, 6), (3, True, 4)]
    others = MatchingTasks(moment=clock.now(session), words=["dice"])
    assert count_by_state(session, others, failing=2).more_failing


def test_tasks_that_nothing_launches_are_late(session: Session, make_task: MakeTask) -> None:
    """By a schedule of their own, unless they are paused; a minute is no delay."""
    moment = clock.now(session)
    late, due, later, paused = make_task(), make_task(), make_task(), make_task(enabled=False)
    make_task()
    for task, seconds in ((late, -61), (due, -59), (later, 60), (paused, -61)):
        put_schedule(
            session,
            task.id,
            ScheduleInput(kind=ScheduleKind.INTERVAL, every_s=60),
            moment=moment,
            slot_interval_s=300,
        )
        schedule = session.get_one(TaskSchedule, task.id)
        schedule.next_due = moment + timedelta(seconds=seconds)
    session.commit()

    which = MatchingTasks(states=[TaskState.LATE], moment=moment)

    assert matching_tasks(session, which) == [late.id]


def test_tasks_of_jobs_that_are_gone_are_orphaned(session: Session, make_task: MakeTask) -> None:
    """What is registered is said by whoever asks."""
    make_task()
    orphan = make_task(job="gone").id

    which = MatchingTasks(states=[TaskState.ORPHANED], known_jobs=["generate_random_number"])

    assert matching_tasks(session, which) == [orphan]


def test_tasks_are_found_by_job_queue_and_author(
    session: Session, make_user: MakeUser, make_task: MakeTask
) -> None:
    """A queue is the jobs that go there; names of people are alike in any case."""
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
        (True, "yes", True),
        (False, "No", True),
        (True, "1", False),
        ("yes", "yes", True),
        ("https://a.example", "https://a.example", True),
        ("ten", "Ten", False),
        (None, "null", False),
    ],
)
def test_arguments_match_by_their_values(
    session: Session, make_task: MakeTask, stored: Any, typed: str, matches: bool
) -> None:
    """Numbers in whatever form, boxes by their words, anything else as it is."""
    task = make_task(job="probe", params={"an argument.x": stored})
    make_task(job="probe", params={})
    make_task()

    which = MatchingTasks(arguments=[TaskArgument("an argument.x", typed)])

    assert matching_tasks(session, which) == ([task.id] if matches else [])


def test_limits_are_compared_as_numbers(session: Session, make_task: MakeTask) -> None:
    """They are columns; another job's argument of the same name is found beside them."""
    task = make_task(None, -1000, 0.5).id
    other = make_task(job="probe", params={"lower_limit": -1000}).id

    def found(name: str, value: str) -> list[int]:
        which = MatchingTasks(arguments=[TaskArgument(name, value)])
        return list(matching_tasks(session, which))

    assert found("lower_limit", "-1e3") == found("lower_limit", "−1000") == [task, other]
    assert found("upper_limit", ".5") == [task]
    assert found("upper_limit", "5") == found("upper_limit", "nan") == []
    assert found("upper_limit", "x") == found("limit", "0.5") == []


def test_secrets_are_never_found(session: Session, make_task: MakeTask) -> None:
    """Whether the job says so now, or was asked when the task was stored: nobody can guess one."""
    secrets = {"token": "hush", "ключ": "hush", "open": "hush"}
    stored = make_task(job="gone", params={**secrets, MASKED: ["token", "ключ"]}).id
    by_job = make_task(job="probe", params=secrets).id

    def found(name: str) -> list[int]:
        argument = TaskArgument(name, "hush", frozenset({"probe"} if name != "open" else ()))
        return list(matching_tasks(session, MatchingTasks(arguments=[argument])))

    assert found("token") == found("ключ") == []
    assert found("open") == [stored, by_job]
    assert found(MASKED) == []


def test_every_state_is_counted_by_one_query(
    session: Session, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Up to a number; one more stands for any, and then the active ones are asked for alone."""
    for number in range(4):
        make_task(enabled=number > 0)
    which = MatchingTasks(known_jobs=["generate_random_number"], moment=clock.now(session))

    with count_queries() as statements:
        whole = count_by_state(session, which, most=4)
    assert len(statements) == 1
    assert (whole.by_state[None], whole.by_state[TaskState.ACTIVE]) == (4, 3)
    with count_queries() as statements:
        counts = count_by_state(session, which, most=2)

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


def test_that_there_are_many_tasks_is_remembered_for_a_while(
    session: Session, make_task: MakeTask, count_queries: CountQueries
) -> None:
    """Whatever the time is meanwhile; what is shown as exact is counted each time."""
    for _ in range(3):
        make_task()
    known_jobs = ["generate_random_number"]
    found = []
    for _ in range(2):
        which = MatchingTasks(known_jobs=known_jobs, moment=clock.now(session))
        with count_queries() as statements:
            counts = count_by_state(session, which, most=2).by_state
        numbers = (counts[None], counts[TaskState.ACTIVE], counts[TaskState.PAUSED])
        found.append((numbers, sum(one.count("count(") for one in statements)))
        make_task(enabled=False)

    assert found == [((3, 3, 0), 7), ((3, 3, 1), 5)]


def test_all_that_match_come_in_batches(session: Session, make_task: MakeTask) -> None:
    """In order, each once, with what an export tells of them."""
    ids = [make_task(name="Dice").id for _ in range(5)]
    make_task(name="Coin")

    batches = list(tasks_in_batches(session, MatchingTasks(words=["dice"]), batch=2))

    assert [[task.id for task in batch] for batch in batches] == [ids[:2], ids[2:4], ids[4:]]
    assert batches[0][0].author.username == "author"
    assert batches[0][0].schedule is None


def test_more_tasks_than_one_action_may_change_are_refused(
    session: Session, make_task: MakeTask
) -> None:
    """With a sentence that says what to do."""
    for _ in range(3):
        make_task()

    assert len(matching_tasks(session, MatchingTasks(), most=3)) == 3
    with pytest.raises(TooManyTasks, match="More than 2 tasks match; nothing was done"):
        matching_tasks(session, MatchingTasks(), most=2)
