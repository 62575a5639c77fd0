"""Totals of finished runs for metrics."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from fixture_types import MakeTask
from taskadmin.jobs import all_jobs
from taskadmin.models import LedgerState, RunState, RunTotal, TaskResult
from taskadmin.store.database import clock
from taskadmin.store.runs.results import insert_runs
from taskadmin.store.upkeep import run_totals
from taskadmin.store.upkeep.minute_counts import count_minutes
from taskadmin.store.upkeep.run_totals import BOUNDS, EARLIER, OTHER, Key, Totals, plus

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
JOB, QUEUE = "generate_random_number", "taskadmin.runs"


def finish(
    session: Session,
    make_task: MakeTask,
    *,
    at: datetime,
    ran: float = 1,
    waited: float = 1,
    state: RunState = RunState.SUCCEEDED,
    **columns: Any,
) -> None:
    """Add a run that finished then."""
    task = make_task()
    insert_runs(session, [task], launch_id=1, due_at=at, jobs=all_jobs())
    started_at = at - timedelta(seconds=ran)
    values = {
        "state": state,
        "attempts": 1,
        "finished_at": at,
        "started_at": started_at,
        "queued_at": started_at - timedelta(seconds=waited),
        "reason": "because",
    }
    run = update(TaskResult).where(TaskResult.task_id == task.id)
    session.execute(run.values(values | columns))
    session.commit()


def ago(session: Session, minutes: int) -> datetime:
    """Return the start of the minute that many minutes ago."""
    return (clock.now(session) - minutes * MINUTE).replace(second=0, microsecond=0)


def counted(session: Session) -> dict[tuple[str, str, str], Totals]:
    """Count all minutes, and return the totals by job, queue and state."""
    while count_minutes(session):
        pass
    session.rollback()
    sums: dict[tuple[str, str, str], Totals] = {}
    for key, totals in run_totals.read_totals(session).items():
        name = (key.job, key.queue, key.state)
        sums[name] = sums.get(name, Totals()).combined(totals, plus)
    return sums


def filled(counts: Any) -> dict[int, int]:
    """Return the buckets that aren't empty."""
    return {place: number for place, number in enumerate(counts) if number}


def test_runs_are_counted_by_job_queue_and_state(session: Session, make_task: MakeTask) -> None:
    """With durations and waits of those that were executed."""
    at = ago(session, 20)
    finish(session, make_task, at=at, ran=2, waited=4)
    finish(session, make_task, at=at + SECOND, ran=0.05, waited=0)
    finish(session, make_task, at=at, ran=7200, queue="other", state=RunState.FAILED)
    finish(session, make_task, at=at, state=RunState.SKIPPED, started_at=None)

    found = counted(session)

    assert {key: totals.runs for key, totals in found.items()} == {
        (JOB, QUEUE, "succeeded"): 2,
        (JOB, "other", "failed"): 1,
        (JOB, QUEUE, "skipped"): 1,
    }
    succeeded, failed = found[JOB, QUEUE, "succeeded"], found[JOB, "other", "failed"]
    assert succeeded.seconds == pytest.approx(2.05, abs=0.001)
    assert succeeded.waited_seconds == pytest.approx(4, abs=0.001)
    assert filled(succeeded.waited) == {0: 1, BOUNDS.index(5): 1}
    assert filled(failed.ran) == {len(BOUNDS): 1}
    skipped = found[JOB, QUEUE, "skipped"]
    assert (skipped.seconds, filled(skipped.ran), filled(skipped.waited)) == (0, {}, {})


@pytest.mark.databases("postgresql")
def test_a_bound_is_part_of_its_bucket(session: Session, make_task: MakeTask) -> None:
    """As Prometheus' label le says."""
    for bound in (0.01, 0.5, 60.0):
        finish(session, make_task, at=ago(session, 20), ran=bound)

    assert filled(counted(session)[JOB, QUEUE, "succeeded"].ran) == {
        BOUNDS.index(bound): 1 for bound in (0.01, 0.5, 60)
    }


def test_waits_of_retried_runs_are_unknown(session: Session, make_task: MakeTask) -> None:
    """Their start is the last attempt's."""
    finish(session, make_task, at=ago(session, 20), waited=300, attempts=2)

    totals = counted(session)[JOB, QUEUE, "succeeded"]

    assert (totals.runs, totals.waited_seconds, filled(totals.waited)) == (1, 0, {})


def test_a_duration_is_never_negative(session: Session, make_task: MakeTask) -> None:
    """A clock that was set back must not decrease the sum."""
    finish(session, make_task, at=ago(session, 20), ran=-300, waited=-300)

    totals = counted(session)[JOB, QUEUE, "succeeded"]

    assert (totals.seconds, totals.waited_seconds) == (0, 0)


def test_totals_never_decrease(session: Session, make_task: MakeTask) -> None:
    """When results are deleted, and when the last minutes are counted again."""
    finish(session, make_task, at=ago(session, 60))
    finish(session, make_task, at=ago(session, 2))
    before = counted(session)
    session.execute(delete(TaskResult))
    session.execute(update(LedgerState).values(counted_upto=LedgerState.counted_upto))
    session.commit()
    _turn_back(session)

    assert counted(session) == before


def test_late_commits_are_added_once(session: Session, make_task: MakeTask) -> None:
    """While their minute is still counted again; then it joins the earlier ones."""
    finish(session, make_task, at=ago(session, 60))
    finish(session, make_task, at=ago(session, 2))
    counted(session)
    finish(session, make_task, at=ago(session, 2) + SECOND)
    _turn_back(session)

    assert counted(session)[JOB, QUEUE, "succeeded"].runs == 3
    minutes = session.scalars(select(RunTotal.minute).order_by(RunTotal.minute)).all()
    assert minutes == [EARLIER, ago(session, 2)] or minutes == [EARLIER, ago(session, 3)]


def _turn_back(session: Session) -> None:
    """Let the last counted minute be counted again, as in the next minute."""
    upto = session.execute(select(LedgerState.counted_upto)).scalar_one()
    assert upto is not None
    session.execute(update(LedgerState).values(counted_upto=upto - MINUTE))
    session.commit()


def found_in(minute: datetime, *jobs: str) -> dict[Key, Totals]:
    """Return one run of each job, as counted."""
    one = Totals(runs=1, last_minute=minute)
    return {Key(minute, job, "q", RunState.SUCCEEDED): one for job in jobs}


def stored_jobs(session: Session) -> dict[str, int]:
    """Return the stored runs by job."""
    rows = session.execute(select(RunTotal.job, RunTotal.runs)).all()
    return {row.job: row.runs for row in rows}


@pytest.mark.databases("sqlite")
def test_the_number_of_jobs_is_bounded(session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first ones keep their totals; runs of the others are counted together."""
    monkeypatch.setattr(run_totals, "MAX_PAIRS", 2)
    day = datetime(2026, 1, 1, tzinfo=UTC)
    for hour, jobs in enumerate([("b", "c"), ("a", "b", "d")]):
        minute = day + timedelta(hours=hour)
        run_totals.store_totals(session, found_in(minute, *jobs), final_before=minute + MINUTE)

    assert stored_jobs(session) == {"b": 2, "c": 1, OTHER: 2}


@pytest.mark.databases("sqlite")
def test_totals_of_jobs_that_are_gone_are_deleted(session: Session) -> None:
    """All states of them, after a month."""
    day = datetime(2026, 1, 1, tzinfo=UTC)
    run_totals.store_totals(session, found_in(day, "old", "new"), final_before=day + MINUTE)
    later = day + run_totals.TOTAL_RETENTION
    run_totals.store_totals(session, found_in(later, "new"), final_before=later)
    assert stored_jobs(session).keys() == {"old", "new"}

    run_totals.store_totals(session, {}, final_before=later + 2 * MINUTE)

    assert stored_jobs(session) == {"new": 2}


@pytest.mark.databases("sqlite")
def test_odd_rows_are_read(session: Session) -> None:
    """Buckets that another program has written, or an earlier version with fewer of them."""
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    key = Key(moment, "j", "q", RunState.FAILED)
    row = Totals(1, 1.0, 1.0, [1, 2], ["x", 3], moment)  # type: ignore[list-item]
    session.add(RunTotal(**key._asdict(), **row._asdict()))
    session.commit()

    totals = run_totals.read_totals(session)[key]

    assert (filled(totals.ran), filled(totals.waited)) == ({0: 1, 1: 2}, {1: 3})
    assert len(totals.ran) == len(totals.waited) == len(BOUNDS) + 1
