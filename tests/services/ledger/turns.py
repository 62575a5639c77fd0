"""Run single steps of a launcher's turn."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import count
from uuid import uuid4

from celery import Celery
from sqlalchemy import select, update
from sqlalchemy.orm import Session

from taskadmin.models import Launch, LaunchState, LedgerState, RunState, TaskResult
from taskadmin.queue.launcher.step_errors import StepErrors
from taskadmin.queue.launcher.steps import housekeeping
from taskadmin.queue.launcher.turn_context import TurnContext
from taskadmin.queue.publishing.publisher import Publisher
from taskadmin.settings import Settings
from taskadmin.store.database.clock import now
from taskadmin.store.upkeep.ledger_state import Watch

#: A slot that is longer than any test.
DAY = Settings(launch_interval_seconds=86400, page_size=2)
#: With both rules for results.
ALL_RULES = Settings(result_retention_days=30, results_per_task=2)


def make_turn(
    session: Session, settings: Settings, has_time: Callable[[], bool] = lambda: True
) -> TurnContext:
    """Create a turn that watches since now, without a broker."""
    moment = now(session)
    session.rollback()
    return TurnContext(
        session=session,
        settings=settings,
        publisher=Publisher(Celery(), timeout_seconds=1.0),
        watch=Watch(moment, whole_lease=False, new_minute=False, since=moment),
        owner=uuid4(),
        errors=StepErrors(session),
        has_time=has_time,
    )


def age_launches(session: Session, by: timedelta, *, watched: timedelta | None = None) -> None:
    """Set launches' times to so long ago; by default, workers were watched meanwhile."""
    moment = now(session)
    session.execute(update(Launch).values(published_at=moment - by))
    session.execute(update(LedgerState).values(watched_from=moment - (watched or by)))
    session.commit()


def run_ids(session: Session) -> list[int]:
    """Return the ids of all runs that weren't skipped, in order."""
    which = TaskResult.state != RunState.SKIPPED
    ids = list(session.scalars(select(TaskResult.id).where(which).order_by(TaskResult.id)))
    session.rollback()
    return ids


def launch_states(session: Session) -> list[LaunchState]:
    """Return the states of all launches, in order."""
    states = list(session.scalars(select(Launch.state).order_by(Launch.id)))
    session.rollback()
    return states


def finish_runs(session: Session) -> None:
    """Finish all runs at once, as workers would."""
    session.execute(
        update(TaskResult).values(state=RunState.SUCCEEDED, finished_at=TaskResult.queued_at)
    )
    session.commit()


def run_housekeeping(
    session: Session, settings: Settings = ALL_RULES, has_time: Callable[[], bool] = lambda: True
) -> None:
    """Run one turn's housekeeping, and raise its errors."""
    turn = make_turn(session, settings, has_time)
    housekeeping.run_housekeeping(turn)
    turn.errors.raise_first()


def times(number: int) -> Callable[[], bool]:
    """Return a turn that has time for so many calls."""
    calls = count()
    return lambda: next(calls) < number


def run_of(session: Session) -> TaskResult:
    """Return the only run."""
    session.expire_all()
    run = session.scalars(select(TaskResult)).one()
    session.expunge(run)
    session.rollback()
    return run
