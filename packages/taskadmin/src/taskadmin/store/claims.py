"""Runs that belong to one delivery of their message: claimed, then completed once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import BindParameter, ColumnElement, and_, bindparam, case, or_, select, update
from sqlalchemy.orm import Session

from ..models import Process, RunState, TaskResult
from .clock import database_now, now
from .outcome import Outcome
from .run_updates import (
    LOG_LENGTH,
    RUN,
    RUNS,
    is_recorded,
    log_entry,
    outcome_columns,
    update_run,
)
from .transaction import ledger_transaction, single_statement, waits_shortly


class ClaimedRun(NamedTuple):
    """A run that belongs to one delivery."""

    task_id: int
    launch_id: int
    job: str
    task_params: dict[str, Any]
    attempts: int
    max_attempts: int
    started_at: datetime
    attempt_log: Sequence[dict[str, Any]] | None


def claim(
    session: Session, run_id: int, due_at: datetime, *, token: UUID, process_id: UUID, worker: str
) -> ClaimedRun | None:
    """Give a queued run to one delivery of its message; None if it isn't to be had.

    The same token claims the same run again, so that the statement can be repeated
    when its answer was lost.

    Args:
        token: Made for this delivery.
        process_id: The executing process; one that is gone gets nothing.
    """
    given = {
        "run_id": run_id,
        "given_due_at": due_at,
        "given_token": token,
        "given_process_id": process_id,
        "given_worker": worker,
    }
    with single_statement(session) as database:
        row = database.execute(_CLAIM, given).one_or_none()
    return None if row is None else ClaimedRun(*row)


def _is_live(process_id: BindParameter[UUID]) -> ColumnElement[bool]:
    processes = Process.__table__.c
    living = processes.id == process_id, processes.gone_at.is_(None)
    return select(processes.id).where(*living).exists()


_TOKEN = bindparam("given_token", type_=RUN.token.type)
_CLAIM = (
    update(RUNS)
    .where(
        RUN.id == bindparam("run_id"),
        RUN.due_at == bindparam("given_due_at"),
        or_(
            and_(
                RUN.state == RunState.QUEUED,
                or_(RUN.not_before.is_(None), RUN.not_before <= database_now()),
            ),
            and_(RUN.state == RunState.RUNNING, RUN.token == _TOKEN),
        ),
        _is_live(bindparam("given_process_id", type_=RUN.process_id.type)),
        waits_shortly(),
    )
    .values(
        state=RunState.RUNNING,
        token=_TOKEN,
        process_id=bindparam("given_process_id", type_=RUN.process_id.type),
        worker=bindparam("given_worker"),
        started_at=database_now(),
        not_before=None,
        # Only sendings that nobody answered count against a run.
        publishes=0,
        attempts=RUN.attempts + case((RUN.token.is_distinct_from(_TOKEN), 1), else_=0),
    )
    .returning(*(RUN[name] for name in ClaimedRun._fields))
)


def complete(session: Session, run_id: int, run: ClaimedRun, token: UUID, outcome: Outcome) -> bool:
    """Record the outcome of a claimed run; False if it was given to somebody else or ended.

    A run that was taken back but that nobody claimed since still has the token: its late
    result counts.
    """
    with ledger_transaction(session):
        moment = now(session)
        done = update_run(
            session,
            _mine(run_id, token),
            state=outcome.state,
            process_id=None,
            not_before=None,
            finished_at=moment,
            attempt_log=_logged(run, moment, outcome),
            **outcome_columns(outcome),
        )
    return done or is_recorded(session, run_id, token)


def retry_later(
    session: Session,
    run_id: int,
    run: ClaimedRun,
    token: UUID,
    outcome: Outcome,
    delay: timedelta,
) -> bool:
    """Queue a claimed run again after a failed attempt; False if it isn't *token*'s any more."""
    with ledger_transaction(session):
        moment = now(session)
        return update_run(
            session,
            _mine(run_id, token),
            state=RunState.QUEUED,
            process_id=None,
            not_before=moment + delay,
            attempt_log=_logged(run, moment, outcome),
        )


def hand_back(
    session: Session, run_id: int, token: UUID, *, problem: str | None, lost_attempts: int
) -> bool:
    """Queue a run again that its worker claimed and won't finish; False if it isn't *token*'s.

    Args:
        problem: What went wrong, which makes it an attempt, and the last one after
            *lost_attempts*; None if the worker was told to stop.
    """
    with ledger_transaction(session):
        run = session.execute(
            select(
                TaskResult.attempts,
                TaskResult.max_attempts,
                TaskResult.started_at,
                TaskResult.worker,
                TaskResult.attempt_log,
            )
            .where(
                TaskResult.id == run_id,
                TaskResult.token == token,
                TaskResult.state == RunState.RUNNING,
            )
            .with_for_update()
        ).one_or_none()
        if run is None:
            return False
        moment = now(session)
        values: dict[str, Any] = {
            "process_id": None,
            "not_before": moment,
            "state": RunState.QUEUED,
        }
        if problem is None:
            values |= {"attempts": run.attempts - 1, "token": None}
        else:
            outcome = Outcome(
                worker=run.worker or "",
                elapsed=moment - (run.started_at or moment),
                error_type="WorkerFailed",
                error=problem,
            )
            entry = log_entry(run.attempts, run.started_at, moment, outcome)
            values["attempt_log"] = [*(run.attempt_log or ()), entry][-LOG_LENGTH:]
            if run.attempts >= max(run.max_attempts, lost_attempts):
                values |= {
                    "state": RunState.FAILED,
                    "not_before": None,
                    "finished_at": moment,
                    "error_type": outcome.error_type,
                    "error": outcome.error,
                }
            else:
                values["not_before"] = moment + timedelta(seconds=min(2.0**run.attempts, 300.0))
        return update_run(session, RUN.id == run_id, **values)


def _logged(run: ClaimedRun, moment: datetime, outcome: Outcome) -> list[dict[str, Any]] | None:
    """The log with this attempt; a run that succeeds at once needs none."""
    if outcome.error_type is None and not run.attempt_log:
        return None
    entry = log_entry(run.attempts, run.started_at, moment, outcome)
    return [*(run.attempt_log or ()), entry][-LOG_LENGTH:]


def _mine(run_id: int, token: UUID) -> ColumnElement[bool]:
    return and_(
        RUN.id == run_id,
        RUN.token == token,
        RUN.state.in_([RunState.RUNNING, RunState.QUEUED]),
    )
