"""Counts of runs by the minute in which they finished."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from services.ledger.turns import make_turn
from taskadmin.jobs import all_jobs
from taskadmin.models import LedgerState, MinuteCount, RunState, TaskResult
from taskadmin.queue.launcher.steps.housekeeping import run_housekeeping
from taskadmin.state import get_state
from taskadmin.store.database import clock
from taskadmin.store.runs.results import insert_runs
from taskadmin.store.upkeep import minute_counts, run_totals

MINUTE = timedelta(minutes=1)


def finish(
    session: Session, make_task: MakeTask, *, at: datetime, state: RunState, number: int = 1
) -> None:
    """Add finished runs."""
    task = make_task()
    for index in range(number):
        insert_runs(
            session,
            [task],
            launch_id=1,
            due_at=at - timedelta(seconds=index + 1),
            jobs=all_jobs(),
        )
    session.execute(
        update(TaskResult)
        .where(TaskResult.task_id == task.id)
        .values(state=state, finished_at=at, reason="because" if state == "skipped" else None)
    )
    session.commit()


def minute(session: Session, *, ago: int) -> datetime:
    """Return the begin of the minute that many minutes ago."""
    return (clock.now(session) - ago * MINUTE).replace(second=0, microsecond=0)


def counted(session: Session) -> dict[datetime, tuple[int, int, int, int]]:
    """Return the table's rows."""
    session.rollback()
    rows = session.scalars(select(MinuteCount).execution_options(populate_existing=True))
    return {row.minute: (row.succeeded, row.failed, row.skipped, row.cancelled) for row in rows}


def count_all(session: Session) -> None:
    """Count until everything is counted."""
    while minute_counts.count_minutes(session):
        pass


def test_minutes_that_are_over_are_counted_by_state(session: Session, make_task: MakeTask) -> None:
    """Without the current minute and unfinished runs."""
    first, second = minute(session, ago=30), minute(session, ago=10)
    finish(session, make_task, at=first, state=RunState.SUCCEEDED, number=2)
    finish(session, make_task, at=first + timedelta(seconds=59), state=RunState.FAILED)
    finish(session, make_task, at=second + timedelta(seconds=5), state=RunState.SKIPPED)
    finish(session, make_task, at=second, state=RunState.CANCELLED, number=3)
    finish(session, make_task, at=clock.now(session), state=RunState.SUCCEEDED)
    insert_runs(session, [make_task()], launch_id=1, due_at=second, jobs=all_jobs())
    session.commit()

    count_all(session)

    assert counted(session) == {first: (2, 1, 0, 0), second: (0, 0, 1, 3)}
    upto = session.execute(select(LedgerState.counted_upto)).scalar_one()
    assert upto is not None
    assert clock.now(session) - timedelta(minutes=2) < upto <= clock.now(session)


def test_counting_again_counts_nothing_twice(session: Session, make_task: MakeTask) -> None:
    """Nor does another launcher."""
    moment = minute(session, ago=2)
    finish(session, make_task, at=moment, state=RunState.SUCCEEDED)
    count_all(session)
    before = counted(session)
    session.execute(update(LedgerState).values(counted_upto=minute(session, ago=4)))
    session.commit()

    count_all(session)

    assert counted(session) == before == {moment: (1, 0, 0, 0)}


def test_late_commits_are_counted_and_old_counts_stay(
    session: Session, make_task: MakeTask
) -> None:
    """The last minutes are recounted, and counts never decrease."""
    old, late = minute(session, ago=60), minute(session, ago=5)
    finish(session, make_task, at=old, state=RunState.SUCCEEDED)
    finish(session, make_task, at=late, state=RunState.SUCCEEDED, number=3)
    count_all(session)
    session.execute(update(LedgerState).values(counted_upto=late + MINUTE))
    session.query(TaskResult).delete()
    session.commit()
    finish(session, make_task, at=late, state=RunState.FAILED)

    count_all(session)

    assert counted(session) == {old: (1, 0, 0, 0), late: (3, 1, 0, 0)}


def test_another_launcher_that_was_faster_is_left_alone(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counted during this one's query; asked again, nothing is left."""
    moment = minute(session, ago=2)
    finish(session, make_task, at=moment, state=RunState.SUCCEEDED)
    read = run_totals.count_finished

    def slowly(*arguments: Any) -> Any:
        rows = read(*arguments)
        monkeypatch.undo()
        count_all(session)
        return rows

    monkeypatch.setattr(run_totals, "count_finished", slowly)

    assert minute_counts.count_minutes(session)
    assert not minute_counts.count_minutes(session)
    assert counted(session) == {moment: (1, 0, 0, 0)}


def test_a_launchers_turn_counts(app: Flask, session: Session, make_task: MakeTask) -> None:
    """Without a turn, the table stays empty."""
    moment = minute(session, ago=5)
    finish(session, make_task, at=moment, state=RunState.SUCCEEDED)

    run_housekeeping(make_turn(session, get_state(app).settings))

    assert counted(session) == {moment: (1, 0, 0, 0)}


def test_a_long_pause_is_caught_up_with_and_old_counts_go(
    session: Session, make_task: MakeTask
) -> None:
    """A day at a time, at most eight days."""
    ancient, old = minute(session, ago=20 * 1440), minute(session, ago=3 * 1440)
    session.add(MinuteCount(minute=ancient, succeeded=7))
    session.execute(update(LedgerState).values(counted_upto=ancient))
    session.commit()
    finish(session, make_task, at=old, state=RunState.SUCCEEDED)

    assert minute_counts.count_minutes(session)
    count_all(session)

    assert counted(session) == {old: (1, 0, 0, 0)}


@pytest.mark.parametrize(
    ("span", "bucket"),
    [
        (timedelta(hours=1), MINUTE),
        (timedelta(days=1), timedelta(minutes=15)),
        (timedelta(days=7), timedelta(hours=2)),
    ],
)
def test_pages_see_counted_and_recent_runs(
    session: Session, make_task: MakeTask, span: timedelta, bucket: timedelta
) -> None:
    """Counted minutes and runs that finished since, each once."""
    finish(session, make_task, at=minute(session, ago=20), state=RunState.SUCCEEDED, number=2)
    count_all(session)
    finish(session, make_task, at=clock.now(session), state=RunState.FAILED, number=3)

    found = minute_counts.finished_runs(
        session,
        moment=clock.now(session),
        span=span,
        bucket=bucket,
        recent=minute_counts.RecentCounts(),
    )

    total = minute_counts.total(found)
    assert (total.succeeded, total.failed, total.skipped) == (2, 3, 0)
    assert found.day[1:] == found.hour[1:] == (2, 3, 0, 0)
    assert found.buckets[-1].failed == 3 or found.buckets[-2].failed == 3
    assert len(found.buckets) == span // bucket
    assert found.buckets[-1].begin <= clock.now(session) < found.buckets[-1].begin + bucket
    assert found.uncounted_from is None


def test_the_last_day_and_hour_end_where_they_end(session: Session) -> None:
    """In a week counted by hours, the last day is exact to the minute."""
    now_minute = minute(session, ago=0)
    for ago in (30, 61, 1439, 1441, 6 * 1440):
        session.add(MinuteCount(minute=now_minute - ago * MINUTE, succeeded=1))
    session.execute(update(LedgerState).values(counted_upto=now_minute))
    session.commit()
    moment = now_minute + timedelta(seconds=30)

    for span, bucket in ((60, 1), (1440, 15), (7 * 1440, 120)):
        found = minute_counts.finished_runs(
            session,
            moment=moment,
            span=span * MINUTE,
            bucket=bucket * MINUTE,
            recent=minute_counts.RecentCounts(),
        )
        assert (found.hour.succeeded, found.day.succeeded) == (1, 3)
    assert minute_counts.total(found).succeeded == 5


def test_pages_show_the_uncounted_time(session: Session, make_task: MakeTask) -> None:
    """Without a launcher, pages count only the last two hours."""
    counted_upto = minute(session, ago=300)
    session.execute(update(LedgerState).values(counted_upto=counted_upto))
    session.commit()
    finish(session, make_task, at=minute(session, ago=200), state=RunState.SUCCEEDED)
    finish(session, make_task, at=minute(session, ago=100), state=RunState.SUCCEEDED)

    found = minute_counts.finished_runs(
        session,
        moment=clock.now(session),
        span=timedelta(days=1),
        bucket=timedelta(minutes=15),
        recent=minute_counts.RecentCounts(),
    )

    assert minute_counts.total(found).succeeded == 1
    assert found.uncounted_from == counted_upto
    assert found.uncounted_to is not None


@pytest.mark.parametrize(("quick", "seen"), [(60.0, 3), (0.0, 1)])
def test_slow_counts_are_cached(
    session: Session,
    make_task: MakeTask,
    monkeypatch: pytest.MonkeyPatch,
    quick: float,
    seen: int,
) -> None:
    """Quick counts aren't cached."""
    monkeypatch.setattr(minute_counts, "_QUICK_SECONDS", quick)
    monkeypatch.setattr(minute_counts, "_CACHE_FACTOR", 1e6)
    recent, begin = minute_counts.RecentCounts(), minute(session, ago=5)
    finish(session, make_task, at=minute(session, ago=2), state=RunState.SUCCEEDED)
    assert sum(row.succeeded for row in recent.since(session, begin)) == 1

    finish(session, make_task, at=minute(session, ago=2), state=RunState.SUCCEEDED, number=2)

    assert sum(row.succeeded for row in recent.since(session, begin)) == seen
    # A later start needs no recount; an earlier one does.
    assert recent.since(session, minute(session, ago=1)) == []
    assert sum(row.succeeded for row in recent.since(session, begin - MINUTE)) == 3


def test_a_cached_count_expires(
    session: Session, make_task: MakeTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one has the runs that finished meanwhile."""
    monkeypatch.setattr(minute_counts, "_QUICK_SECONDS", 0.0)
    monkeypatch.setattr(minute_counts, "_CACHE_FACTOR", 0)
    recent, begin = minute_counts.RecentCounts(), minute(session, ago=5)
    assert recent.since(session, begin) == []

    finish(session, make_task, at=minute(session, ago=2), state=RunState.SUCCEEDED)

    assert sum(row.succeeded for row in recent.since(session, begin)) == 1
