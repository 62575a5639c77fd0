"""Launches: opened once for each slot, filled page by page, sent, closed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, delete, func, select, text, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from fixture_types import AtOnce, CountQueries, MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchKind, LaunchState, RunState, Task, TaskResult
from taskadmin.store import clock, launches, results, tasks, unclaimed
from taskadmin.store.launches import LaunchLost, Page
from taskadmin.store.outcome import Outcome

#: Longer than any test, so that a test stays inside one slot.
DAY = 86400.0


@pytest.fixture
def owner() -> UUID:
    """A launcher."""
    return uuid4()


def open_and_take(session: Session, owner: UUID) -> int:
    launch_id = launches.open_slot(session, DAY)
    assert launch_id is not None
    assert launches.take(session, launch_id, owner)
    return launch_id


def queue_page(session: Session, launch_id: int, owner: UUID, page_size: int = 100) -> Page:
    return launches.queue_page(session, launch_id, owner, page_size=page_size, jobs=all_jobs())


def started_tasks(session: Session) -> list[int]:
    return list(session.scalars(select(TaskResult.task_id).order_by(TaskResult.id)))


def let_ownership_pass(session: Session, launch_id: int) -> None:
    """As if the launcher had stopped a while ago."""
    session.execute(
        update(Launch)
        .where(Launch.id == launch_id)
        .values(owner_until=datetime.now(UTC) - timedelta(seconds=1))
    )
    session.commit()


# Slots


def test_a_slot_begins_at_a_multiple_of_the_interval() -> None:
    """Counted from 1970, whoever asks and whenever the process was started."""
    moment = datetime(2026, 3, 1, 12, 34, 56, 789000, tzinfo=UTC)
    assert clock.slot_of(moment, 300) == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert clock.slot_of(moment, 0.5) == datetime(2026, 3, 1, 12, 34, 56, 500000, tzinfo=UTC)
    assert clock.slot_of(moment, DAY) == datetime(2026, 3, 1, tzinfo=UTC)
    edge = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert clock.slot_of(edge, 300) == edge


def test_the_clock_is_the_databases(session: Session) -> None:
    """It goes on inside a transaction, in UTC."""
    first = clock.now(session)
    assert first.tzinfo is UTC
    assert abs(datetime.now(UTC) - first) < timedelta(seconds=5)
    deadline = datetime.now(UTC) + timedelta(seconds=5)
    while (later := clock.now(session)) == first:
        assert datetime.now(UTC) < deadline
    assert later > first


def test_the_due_slot_is_opened_once(session: Session, make_task: MakeTask) -> None:
    """With the tasks that exist now, and the slot's time by the database's clock."""
    last = [make_task().id for _ in range(3)][-1]
    launch_id = launches.open_slot(session, DAY)
    assert launches.open_slot(session, DAY) is None
    launch = session.get_one(Launch, launch_id)
    assert (launch.kind, launch.state) == (LaunchKind.SLOT, LaunchState.OPENING)
    assert launch.slot == clock.slot_of(launch.opened_at, DAY)
    assert (launch.after_task_id, launch.upto_task_id) == (0, last)
    assert (launch.interval_s, launch.owner) == (DAY, None)


def test_launchers_at_once_open_a_slot_once(
    engine: Engine, make_task: MakeTask, at_once: AtOnce
) -> None:
    """However many begin together, one of them gets the launch."""
    make_task()

    def open_slot() -> int | None:
        with Session(engine) as own:
            return launches.open_slot(own, DAY)

    opened = at_once(*[open_slot] * 8)
    assert [type(result) for result in opened if result is not None] == [int]
    with Session(engine) as own:
        assert own.scalar(select(func.count()).select_from(Launch)) == 1


def test_looking_for_a_slot_writes_nothing_when_none_is_due(
    session: Session, count_queries: CountQueries
) -> None:
    """This is what most ticks do."""
    launches.open_slot(session, DAY)
    with count_queries() as statements:
        launches.open_slot(session, DAY)
    assert [statement.split()[0] for statement in statements] == ["SELECT"] * 3


def test_a_missed_slot_is_opened_while_it_lasts(session: Session, make_task: MakeTask) -> None:
    """A clock that jumped forward and back may have recorded the current slot as missed."""
    launch_id = launches.open_slot(session, DAY)
    session.execute(update(Launch).values(state=LaunchState.MISSED, reason="the clock jumped"))
    session.commit()
    task = make_task()
    assert launches.open_slot(session, DAY) == launch_id
    launch = session.get_one(Launch, launch_id)
    assert (launch.state, launch.reason) == (LaunchState.OPENING, None)
    assert launch.upto_task_id == task.id


def test_a_slot_without_any_task_is_finished_at_once(session: Session, owner: UUID) -> None:
    """An empty table makes an empty launch, not an endless one."""
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner) == Page(0, more=False)
    assert launches.finish_launch(session, launch_id, owner) == (0, 0)


# Ownership


def test_a_launch_belongs_to_one_launcher(session: Session, owner: UUID) -> None:
    """Another one has to wait; its own launcher may take it again."""
    launch_id = open_and_take(session, owner)
    assert not launches.take(session, launch_id, uuid4())
    assert launches.take(session, launch_id, owner)
    assert launches.resumable(session) == []


def test_a_launch_is_taken_by_one_of_many_at_once(
    engine: Engine, session: Session, at_once: AtOnce
) -> None:
    """The launchers start together and read the same row."""
    launch_id = launches.open_slot(session, DAY)
    assert launch_id is not None

    def take() -> bool:
        with Session(engine) as own:
            return launches.take(own, launch_id, uuid4())

    assert sorted(at_once(*[take] * 6)) == [False] * 5 + [True]


def test_a_launch_is_taken_over_when_its_time_is_over(session: Session, owner: UUID) -> None:
    """Not a moment before; the launcher is taken to be gone then."""
    launch_id = open_and_take(session, owner)
    let_ownership_pass(session, launch_id)
    assert launches.resumable(session) == [(launch_id, True)]
    assert launches.take(session, launch_id, uuid4())


def test_a_released_launch_is_open_to_everybody(session: Session, owner: UUID) -> None:
    """The next tick goes on with it at once."""
    launch_id = open_and_take(session, owner)
    launches.release(session, launch_id, owner)
    assert launches.resumable(session) == [(launch_id, False)]
    assert launches.take(session, launch_id, uuid4())


def test_a_launch_is_released_by_its_owner_only(session: Session, owner: UUID) -> None:
    """A launcher that lost it can't take it away from the next one."""
    launch_id = open_and_take(session, owner)
    launches.release(session, launch_id, uuid4())
    assert launches.resumable(session) == []


def test_a_finished_launch_can_not_be_taken(session: Session, owner: UUID) -> None:
    """There is nothing left to do in it."""
    launch_id = open_and_take(session, owner)
    launches.finish_launch(session, launch_id, owner)
    assert launches.resumable(session) == []
    assert not launches.take(session, launch_id, uuid4())


def test_an_unknown_launch_can_not_be_taken(session: Session, owner: UUID) -> None:
    """It was removed, or never was."""
    assert not launches.take(session, 999, owner)


@pytest.mark.parametrize(
    "act",
    [
        lambda session, launch_id, owner: queue_page(session, launch_id, owner),
        lambda session, launch_id, owner: launches.mark_sent(session, launch_id, owner, 5),
        lambda session, launch_id, owner: launches.finish_launch(session, launch_id, owner),
    ],
    ids=["queue_page", "mark_sent", "finish_launch"],
)
def test_a_launcher_that_wakes_up_after_a_takeover_changes_nothing(
    session: Session,
    make_task: MakeTask,
    owner: UUID,
    act: Callable[[Session, int, UUID], object],
) -> None:
    """It stopped after a commit, another launcher went on, and now it wants to as well."""
    make_task()
    launch_id = open_and_take(session, owner)
    let_ownership_pass(session, launch_id)
    successor = uuid4()
    assert launches.take(session, launch_id, successor)
    with pytest.raises(LaunchLost):
        act(session, launch_id, owner)
    launch = session.get_one(Launch, launch_id, populate_existing=True)
    assert (launch.state, launch.owner) == (LaunchState.OPENING, successor)
    assert (launch.after_task_id, launch.published_id) == (0, 0)
    assert started_tasks(session) == []


def test_ownership_is_renewed_with_each_page(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """A launcher that works is never taken over, however long the launch takes."""
    make_task()
    launch_id = open_and_take(session, owner)
    soon = datetime.now(UTC) + timedelta(seconds=1)
    for act in (
        lambda: queue_page(session, launch_id, owner),
        lambda: launches.mark_sent(session, launch_id, owner, 1),
    ):
        session.execute(update(Launch).values(owner_until=soon))
        session.commit()
        act()
        until = session.scalar(select(Launch.owner_until))
        assert until is not None
        assert until > soon + timedelta(seconds=30)


# Pages


def test_pages_follow_one_another_without_gap_or_repetition(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Each task has one run at the end, in order of its id."""
    ids = [make_task().id for _ in range(7)]
    launch_id = open_and_take(session, owner)
    pages = [queue_page(session, launch_id, owner, page_size=3) for _ in range(3)]
    assert pages == [Page(3, more=True), Page(3, more=True), Page(1, more=False)]
    assert started_tasks(session) == ids
    assert launches.finish_launch(session, launch_id, owner) == (7, 0)


def test_a_page_is_never_larger_than_asked_for(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Neither the rows read nor what the session keeps grows with the number of tasks."""
    for _ in range(5):
        make_task()
    session.expunge_all()
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner, page_size=2) == Page(2, more=True)
    assert len(started_tasks(session)) == 2
    assert not list(session.identity_map.values())


def test_a_page_takes_a_fixed_number_of_statements(
    session: Session, make_task: MakeTask, owner: UUID, count_queries: CountQueries
) -> None:
    """However many tasks are on it."""
    for _ in range(12):
        make_task()
    launch_id = open_and_take(session, owner)
    counts = []
    for size in (2, 10):
        with count_queries() as statements:
            queue_page(session, launch_id, owner, page_size=size)
        counts.append(len(statements))
    assert counts[0] == counts[1]
    assert len(started_tasks(session)) == 12


def test_a_run_holds_the_task_as_it_was(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """A later edit doesn't change it; the due time is the slot's."""
    task = make_task(None, 1.5, 2.5)
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    task = session.get_one(Task, 1)
    tasks.update_task(
        session,
        task,
        version=1,
        arguments={"lower_limit": 8.0, "upper_limit": 9.0},
        name=None,
        enabled=False,
    )
    run = session.scalars(select(TaskResult)).one()
    assert run.task_params == {
        "lower_limit": 1.5,
        "upper_limit": 2.5,
        "author_id": task.created_by,
    }
    assert run.due_at == session.get_one(Launch, launch_id).slot
    assert (run.job, run.queue) == ("generate_random_number", "taskadmin.runs")
    assert (run.state, run.attempts, run.max_attempts) == (RunState.QUEUED, 0, 1)
    assert run.launch_id == launch_id


def test_paused_tasks_are_not_started(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """Each leaves a row that says so; a whole page of them moves the cursor all the same."""
    first = make_task().id
    paused = [make_task(enabled=False).id for _ in range(3)]
    last = make_task().id
    launch_id = open_and_take(session, owner)
    pages = [queue_page(session, launch_id, owner, page_size=2) for _ in range(3)]
    assert pages == [Page(1, more=True), Page(0, more=True), Page(1, more=False)]
    rows = session.scalars(select(TaskResult).order_by(TaskResult.task_id)).all()
    assert [(row.task_id, row.state) for row in rows] == [
        (first, RunState.QUEUED),
        *((task_id, RunState.SKIPPED) for task_id in paused),
        (last, RunState.QUEUED),
    ]
    assert {row.reason for row in rows[1:-1]} == {"Paused by author."}


def test_a_task_added_while_pages_are_made_belongs_to_the_next_slot(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Otherwise a launch could go on for as long as tasks are added."""
    ids = [make_task().id for _ in range(3)]
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=2)
    make_task()
    assert queue_page(session, launch_id, owner, page_size=2) == Page(1, more=False)
    assert queue_page(session, launch_id, owner, page_size=2) == Page(0, more=False)
    assert started_tasks(session) == ids


def test_tasks_deleted_between_pages_are_left_out(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Also the one that the launch was to end with."""
    ids = [make_task().id for _ in range(4)]
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=1)
    tasks.delete_tasks(session, [ids[1], ids[3]])
    assert queue_page(session, launch_id, owner, page_size=1) == Page(1, more=True)
    assert queue_page(session, launch_id, owner, page_size=1) == Page(0, more=False)
    assert started_tasks(session) == [ids[0], ids[2]]


@pytest.mark.databases("postgresql")
def test_a_task_of_a_page_can_not_be_deleted_until_the_page_is_written(
    engine: Engine,
    session: Session,
    make_task: MakeTask,
    owner: UUID,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its foreign key would break the whole page; editing a task is possible meanwhile."""
    ids = [make_task().id for _ in range(3)]
    launch_id = open_and_take(session, owner)
    refused: list[OperationalError] = []

    def copy_runs(*arguments: Any, **keywords: Any) -> Any:
        with engine.begin() as stranger:
            stranger.execute(text("SET LOCAL lock_timeout = '100ms'"))
            stranger.execute(update(Task).where(Task.id == ids[2]).values(name="edited"))
        try:
            with engine.begin() as stranger:
                stranger.execute(text("SET LOCAL lock_timeout = '100ms'"))
                stranger.execute(delete(Task).where(Task.id == ids[1]))
        except OperationalError as error:
            refused.append(error)
        return results.copy_runs(*arguments, **keywords)

    monkeypatch.setattr(launches, "copy_runs", copy_runs)
    assert queue_page(session, launch_id, owner) == Page(3, more=False)
    assert "lock timeout" in str(refused[0])
    assert started_tasks(session) == ids


def test_a_job_that_is_not_registered_leaves_a_row_with_the_reason(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """The task isn't forgotten silently; nothing is sent for it, and it is counted apart."""
    make_task(job="make_tea", params={"sugar": 2})
    good = make_task().id
    launch_id = open_and_take(session, owner)
    assert queue_page(session, launch_id, owner) == Page(1, more=False)
    skipped = session.scalars(select(TaskResult).where(TaskResult.state == RunState.SKIPPED)).one()
    assert skipped.reason == "No job is registered under the name make_tea."
    assert skipped.finished_at == skipped.queued_at
    assert (skipped.job, skipped.queue) == ("make_tea", "")
    unsent = launches.unsent_runs(session, launch_id, limit=10)
    assert [run.job for run in unsent] == ["generate_random_number"]
    assert {good, skipped.task_id} == {*started_tasks(session)}
    assert launches.finish_launch(session, launch_id, owner) == (1, 1)


def test_a_page_that_is_made_again_adds_no_second_run(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """As after a restore of the launch's row: the unique due time is the last word."""
    make_task()
    make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=1)
    session.execute(update(Launch).values(after_task_id=0))
    session.commit()
    assert queue_page(session, launch_id, owner) == Page(1, more=False)
    assert len(started_tasks(session)) == 2


# Sending


def test_runs_behind_the_cursor_are_to_be_sent(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """In order, at most as many as asked for, each with what its message needs."""
    for _ in range(3):
        make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    first, second = launches.unsent_runs(session, launch_id, limit=2)
    assert first.id < second.id
    assert (first.job, first.queue) == ("generate_random_number", "taskadmin.runs")
    assert first.due_at == session.get_one(Launch, launch_id).slot
    launches.mark_sent(session, launch_id, owner, second.id)
    (third,) = launches.unsent_runs(session, launch_id, limit=2)
    assert third.id > second.id
    launches.mark_sent(session, launch_id, owner, third.id)
    assert launches.unsent_runs(session, launch_id, limit=2) == []


def test_finished_runs_are_not_sent(session: Session, make_task: MakeTask, owner: UUID) -> None:
    """A worker was faster than the launcher's second try."""
    make_task()
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner)
    (run,) = launches.unsent_runs(session, launch_id, limit=2)
    outcome = Outcome(worker="w", elapsed=timedelta(), result=1.0)
    unclaimed.complete_unclaimed(session, run.id, run.due_at, uuid4(), outcome)
    assert launches.unsent_runs(session, launch_id, limit=2) == []


def test_a_successor_goes_on_where_the_launcher_stopped(
    session: Session, make_task: MakeTask, owner: UUID
) -> None:
    """Killed between a page's commit and sending it: nothing is lost, nothing doubled."""
    ids = [make_task().id for _ in range(4)]
    launch_id = open_and_take(session, owner)
    queue_page(session, launch_id, owner, page_size=2)
    let_ownership_pass(session, launch_id)
    successor = uuid4()
    assert launches.take(session, launch_id, successor)
    left = launches.unsent_runs(session, launch_id, limit=10)
    assert len(left) == 2
    assert queue_page(session, launch_id, successor) == Page(2, more=False)
    assert started_tasks(session) == ids


def test_missed_slots_are_not_among_the_open_launches(session: Session) -> None:
    """Their index doesn't grow with what was missed, and is the one that is used."""
    dialect = session.get_bind().dialect.name
    catalog = (
        "SELECT indexdef FROM pg_indexes WHERE indexname = :name"
        if dialect == "postgresql"
        else "SELECT sql FROM sqlite_master WHERE name = :name"
    )
    name = "taskadmin_launch_open_idx"
    assert "'missed'" in session.execute(text(catalog), {"name": name}).scalar_one()
    if dialect == "postgresql":
        session.execute(text("SET LOCAL enable_seqscan = off"))
        session.execute(text("SET LOCAL plan_cache_mode = force_generic_plan"))
    query = select(Launch.id).where(launches.IS_OPEN, Launch.state == LaunchState.OPENING)
    compiled = str(
        query.order_by(Launch.id).compile(
            session.get_bind(), compile_kwargs={"literal_binds": True}
        )
    )
    explain = "EXPLAIN" if dialect == "postgresql" else "EXPLAIN QUERY PLAN"
    plan = session.execute(text(f"{explain} {compiled}")).all()
    assert name in str(plan)
