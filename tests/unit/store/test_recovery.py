"""Runs without a message, the reconciler's watch, and pruning."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import Launch, LaunchState, LedgerState, RunState, Task, TaskResult
from taskadmin.store import ledger_state, pruning, recovery
from taskadmin.store.clock import now
from taskadmin.store.results import insert_runs
from taskadmin.store.tasks import delete_tasks

QUEUE = "taskadmin.runs"
JOB = "generate_random_number"
SLOT = datetime(2026, 1, 1, tzinfo=UTC)


def launch(
    session: Session,
    state: LaunchState = LaunchState.PUBLISHED,
    *,
    published: timedelta = timedelta(minutes=1),
    slot: datetime = SLOT,
) -> int:
    """A launch that was sent that long ago."""
    moment = now(session) - published
    row = Launch(
        kind="slot",
        slot=slot,
        interval_s=300.0,
        state=state,
        opened_at=moment,
        published_at=moment,
        closed_at=moment if state == LaunchState.CLOSED else None,
    )
    session.add(row)
    session.commit()
    return row.id


def queue(session: Session, launch_id: int, task: Task, due_at: datetime = SLOT) -> int:
    insert_runs(session, [task], launch_id=launch_id, due_at=due_at, jobs=all_jobs())
    session.commit()
    found = session.scalar(
        select(TaskResult.id).where(TaskResult.task_id == task.id, TaskResult.due_at == due_at)
    )
    assert found is not None
    return found


def finish(session: Session) -> None:
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()


def unheard(session: Session, age: timedelta = timedelta(seconds=30)) -> list[int]:
    found = recovery.unheard_runs(session, QUEUE, now(session), after=age)
    assert found.given_up == []
    return [run.id for run in found.again]


# R3: runs without a message


def test_a_run_that_was_sent_long_ago_is_unheard(session: Session, make_task: MakeTask) -> None:
    """Not one of a younger launch, nor of one that is still being made."""
    old = queue(session, launch(session), make_task())
    queue(session, launch(session, published=timedelta(), slot=SLOT + timedelta(1)), make_task())
    opening = launch(session, LaunchState.OPENING, slot=SLOT + timedelta(2))
    queue(session, opening, make_task())
    assert unheard(session) == [old]
    assert recovery.unheard_runs(session, "other", now(session), after=timedelta()).again == []


@pytest.mark.parametrize(
    "values",
    [
        {"state": RunState.RUNNING, "token": uuid4(), "process_id": uuid4()},
        {"not_before": SLOT},
        {"state": RunState.SUCCEEDED, "finished_at": SLOT},
    ],
    ids=["running", "waiting", "finished"],
)
def test_what_somebody_has_is_not_unheard(
    session: Session, make_task: MakeTask, values: dict[str, object]
) -> None:
    """Other rules see to those."""
    queue(session, launch(session), make_task())
    session.execute(update(TaskResult).values(**values))
    session.commit()
    assert unheard(session) == []


def test_a_run_that_was_sent_again_has_time_anew(session: Session, make_task: MakeTask) -> None:
    """Its own last sending counts, not the launch's."""
    run_id = queue(session, launch(session), make_task())
    recovery.note_sent(session, [run_id])
    assert unheard(session) == []
    run = session.get_one(TaskResult, run_id, populate_existing=True)
    assert run.publishes == 1
    session.execute(update(TaskResult).values(published_at=now(session) - timedelta(minutes=1)))
    session.commit()
    assert unheard(session, timedelta(seconds=29)) == [run_id]


def test_a_job_whose_start_is_not_recorded_gets_its_time_limit(
    session: Session, make_task: MakeTask
) -> None:
    """It may be under way all that time."""
    run_id = queue(session, launch(session), make_task())
    moment = now(session)

    def look(limit: timedelta) -> list[int]:
        found = recovery.unheard_runs(
            session, QUEUE, moment, after=timedelta(), unclaimed={"other": timedelta(), JOB: limit}
        )
        return [run.id for run in found.again]

    assert look(timedelta(minutes=2)) == []
    assert look(timedelta(seconds=30)) == [run_id]


@pytest.mark.parametrize(
    ("publishes", "minutes", "found"), [(0, 9, 0), (0, 11, 1), (1, 19, 0), (1, 21, 1), (4, 100, 0)]
)
def test_patience_grows_with_every_sending(
    session: Session, make_task: MakeTask, publishes: int, minutes: int, found: int
) -> None:
    """Ten minutes, twenty, forty: a message may lie with a worker that is busy."""
    queue(session, launch(session, published=timedelta(minutes=minutes)), make_task())
    session.execute(update(TaskResult).values(publishes=publishes))
    session.commit()
    runs = recovery.unheard_runs(session, QUEUE, now(session), after=timedelta(minutes=10))
    assert len(runs.again) == found


def test_a_run_that_nobody_ever_takes_is_failed(session: Session, make_task: MakeTask) -> None:
    """It kills its workers before they claim it: ten more sendings are enough."""
    run_id = queue(session, launch(session), make_task())
    session.execute(update(TaskResult).values(publishes=recovery.MAX_PUBLISHES))
    session.commit()
    found = recovery.unheard_runs(session, QUEUE, now(session), after=timedelta())
    assert (list(found.again), list(found.given_up)) == ([], [run_id])
    assert recovery.give_up(session, found.given_up) == 1
    run = session.get_one(TaskResult, run_id, populate_existing=True)
    assert (run.state, run.error_type) == (RunState.FAILED, "NeverClaimed")
    assert run.finished_at is not None
    assert recovery.give_up(session, [run_id]) == 0


def test_the_oldest_sending_is_that_of_a_launch_with_a_queued_run(
    session: Session, make_task: MakeTask
) -> None:
    """This is the cheap look before the broker is asked."""
    assert recovery.oldest_sending(session, QUEUE) is None
    launch(session)
    newer = launch(session, published=timedelta(seconds=5), slot=SLOT + timedelta(1))
    queue(session, newer, make_task())
    sent_at = session.scalar(select(Launch.published_at).where(Launch.id == newer))
    assert recovery.oldest_sending(session, QUEUE) == sent_at
    assert recovery.oldest_sending(session, "other") is None
    finish(session)
    assert recovery.oldest_sending(session, QUEUE) is None


# The watch

LEASE, TICK = timedelta(seconds=30), timedelta(seconds=5)


@pytest.fixture
def turns(session: Session, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Begins a turn that many seconds after the first one."""

    def turn(seconds: float) -> bool:
        monkeypatch.setattr(ledger_state, "now", lambda _: SLOT + timedelta(seconds=seconds))
        return ledger_state.begin_turn(session, lease=LEASE, tick=TICK).whole_lease

    return turn  # type: ignore[return-value]


def test_a_lease_must_be_watched_without_a_gap(turns) -> None:  # type: ignore[no-untyped-def]
    """A launcher that has just begun concludes nothing."""
    assert [turns(second) for second in (0, 5, 10, 15, 20, 25)] == [False] * 6
    assert turns(30)
    assert turns(44)


def test_a_gap_begins_the_watch_anew(turns) -> None:  # type: ignore[no-untyped-def]
    """The database was away: everybody looks silent, and nobody is taken for gone."""
    for second in range(0, 31, 5):
        turns(second)
    assert not turns(46)
    assert not turns(60)
    assert not turns(75)
    assert turns(76)


def test_a_clock_that_is_set_back_begins_the_watch_anew(turns) -> None:  # type: ignore[no-untyped-def]
    """Ages mean nothing then."""
    for second in range(0, 31, 5):
        turns(second)
    assert not turns(10)


def test_counters_only_grow(session: Session) -> None:
    """What was done, over all turns."""
    ledger_state.count(session, taken_back=2, pruned=0)
    ledger_state.count(session, taken_back=1, missed=5)
    state = ledger_state.ledger_state(session)
    assert (state.taken_back, state.missed, state.pruned) == (3, 5, 0)


# Pruning


def rows(session: Session) -> tuple[int, int]:
    """How many launches and results there are."""
    counts = (
        session.scalar(select(func.count()).select_from(Launch)) or 0,
        session.scalar(select(func.count()).select_from(TaskResult)) or 0,
    )
    session.rollback()
    return counts


def test_results_go_when_their_launch_is_old_enough(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In batches, then the launch, whose slot is never opened again; younger ones stay."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    tasks = [make_task() for _ in range(3)]
    old = launch(session, LaunchState.CLOSED, published=timedelta(days=31))
    young = launch(
        session, LaunchState.CLOSED, published=timedelta(days=29), slot=SLOT + timedelta(1)
    )
    for task in tasks:
        queue(session, old, task)
        queue(session, young, task, SLOT + timedelta(1))
    finish(session)

    def prune() -> int:
        return pruning.prune_old(session, older_than=timedelta(days=30))

    assert [prune() for _ in range(4)] == [2, 1, 1, 0]
    assert rows(session) == (1, 3)
    assert ledger_state.ledger_state(session).pruned_before == SLOT


def test_an_open_launch_is_never_pruned(session: Session, make_task: MakeTask) -> None:
    """However old: its runs are still to be done."""
    queue(session, launch(session, published=timedelta(days=99)), make_task())
    assert pruning.prune_old(session, older_than=timedelta(days=30)) == 0
    assert rows(session) == (1, 1)


def test_missed_slots_are_pruned_too(session: Session) -> None:
    """By their slot: they were never closed."""
    for day in range(3):
        session.add(
            Launch(
                kind="slot",
                slot=SLOT + timedelta(day),
                state=LaunchState.MISSED,
                reason="away",
                opened_at=now(session),
            )
        )
    session.add(
        Launch(
            kind="slot",
            slot=now(session),
            state=LaunchState.MISSED,
            reason="away",
            opened_at=now(session),
        )
    )
    session.commit()
    assert pruning.prune_old(session, older_than=timedelta(days=30)) == 3
    assert rows(session) == (1, 0)
    assert ledger_state.ledger_state(session).pruned_before == SLOT + timedelta(2)


def test_each_task_keeps_its_newest_results(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Finished ones of closed launches go; the search walks over all tasks and begins anew."""
    monkeypatch.setattr(pruning, "TASKS", 2)
    closed = launch(session, LaunchState.CLOSED)
    tasks = [make_task() for _ in range(3)]
    for task in tasks:
        for day in range(4):
            queue(session, closed, task, SLOT + timedelta(day))
    queue(session, launch(session, slot=SLOT - timedelta(1)), tasks[0], SLOT - timedelta(1))
    finish(session)

    assert pruning.prune_per_task(session, keep=3) == (2, False)
    assert pruning.prune_per_task(session, keep=3) == (1, True)
    assert pruning.prune_per_task(session, keep=3) == (0, False)

    left = session.execute(
        select(TaskResult.task_id, func.count(), func.min(TaskResult.due_at))
        .group_by(TaskResult.task_id)
        .order_by(TaskResult.task_id)
    ).all()
    assert [tuple(row) for row in left] == [
        (tasks[0].id, 4, SLOT - timedelta(1)),  # its oldest belongs to an open launch
        (tasks[1].id, 3, SLOT + timedelta(1)),
        (tasks[2].id, 3, SLOT + timedelta(1)),
    ]


def test_a_deleted_task_goes_bit_by_bit(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its results in batches, then the row; others stay."""
    monkeypatch.setattr(pruning, "BATCH", 2)
    gone, stays = make_task(), make_task()
    closed = launch(session)
    for day in range(3):
        queue(session, closed, gone, SLOT + timedelta(day))
    queue(session, closed, stays)
    delete_tasks(session, [gone.id])

    assert [pruning.prune_deleted(session) for _ in range(4)] == [2, 1, 1, 0]

    assert session.scalars(select(Task.id)).all() == [stays.id]
    assert rows(session) == (1, 1)


def test_the_ledgers_state_is_one_row(session: Session) -> None:
    """The migration made it."""
    assert session.scalar(select(func.count()).select_from(LedgerState)) == 1
